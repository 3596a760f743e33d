# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks by Ansible's own tools. Each function runs in a session and fails it if something is wrong.

Several of these tools print what is wrong and exit with 0, so their output is judged, too.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from support.collection_link import NAME, NAMESPACE

from tools.workspace import Workspace

COLLECTION = f"{NAMESPACE}.{NAME}"
SITE = "tests/output/docs-site"
# ansible-core 2.16-2.17, 2.18-2.19 and 2.20-2.21 download the get-pip script of these versions, unless it is in their cache.
GET_PIP_VERSIONS = ("23_1_2", "24_2", "25_2")
# ansible-test's own script breaks in a directory with a space on core 2.16.
ANSIBLE_TEST = "ansible_test._util.target.cli.ansible_test_cli_stub"
# ansible-test prints this when it skips a check because of the machine, and exits with 0.
SKIPPED_CHECK = re.compile(r"WARNING: Skipping (sanity test|pylint|validate-modules)")
# Ansible's own pages, which a site that is built without a network cannot link to.
PAGES_OF_ANSIBLE = re.compile(
    r"undefined label: '(ansible_collections\.ansible\.builtin\.\w+|action_plugins|common_return_values|ansible_configuration_settings)'"
    r"|'envvar' reference target not found: ANSIBLE_\w+"
)
# ansible-lint prints this for a playbook that another one imports, since the import has no `hosts`. It also checks each playbook itself.
LOADED_WITHOUT_HOSTS = re.compile(rf"^ERROR\s+Failed to load {NAMESPACE}\.{NAME}\.(\w+) playbook due to failing syntax check\.$")
# The importer runs ansible-lint with a collections path in which it does not find the collection's playbooks by name.
NOT_FOUND_BY_THE_IMPORTER = re.compile(rf"^WARNING: ERROR\s+Failed to find {NAMESPACE}\.{NAME}\.(\w+) playbook\.$")
IMPORTER_COMPLAINT = re.compile(r"^(WARNING|ERROR|CRITICAL)\b|Traceback|skipping", re.IGNORECASE)


def ansible_lint(space: Workspace) -> None:
    """Lint a copy: without git the linter cannot list the project's files, and would lint the environments, too."""
    directory, variables = space.copy("lint")
    command = ("-m", "ansiblelint", "--profile", "production", "--offline", "--nocolor")
    lines = space.python(*command, cwd=directory, capture=True, **variables).splitlines()
    space.fail_on(linter_faults(lines, own_playbooks(space.root)))
    if any(map(LOADED_WITHOUT_HOSTS.match, lines)):
        print('("Failed to load" above is no failure: an imported playbook is loaded without its hosts.)', flush=True)


def sanity(space: Workspace, skipped: Sequence[str] = ()) -> None:
    """ansible-test sanity with the environment's Python. A check that it skips is a failure, unless `skipped` names it."""
    directory, variables = space.copy("sanity")
    cache = space.environment / "home" / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in GET_PIP_VERSIONS:
        shutil.copyfile(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{version}.py")
    if not os.path.isfile(space.script("shellcheck")):
        space.fail_on(["shellcheck is not installed, and ansible-test would not report that."])
    options = [word for name in skipped for word in ("--skip-test", name)]
    output = space.python("-m", ANSIBLE_TEST, "sanity", "--python", space.python_version, *options, cwd=directory, capture=True, **variables)
    space.fail_on([line for line in output.splitlines() if SKIPPED_CHECK.search(line)])


def docs_lint(space: Workspace) -> None:
    """antsibull-docs: the documentation of all plugins and roles, and its references."""
    directory, variables = space.copy("docs")
    command = ("lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "all", ".")
    space.python(space.script("antsibull-docs"), *command, cwd=directory, **variables)


def docs_site(space: Workspace) -> None:
    """The documentation as web pages, built by Sphinx in tests/output/docs-site."""
    directory, variables = space.copy("docs")
    source = space.scratch / "site"
    source.mkdir()
    antsibull = space.script("antsibull-docs")
    common = ("--use-current", "--squash-hierarchy", COLLECTION)
    rst = source / "rst"
    space.python(antsibull, "sphinx-init", "--lenient", "--dest-dir", source, *common, cwd=source, **variables)
    with (source / "conf.py").open("a", encoding="utf-8") as configuration:
        configuration.write("\nintersphinx_mapping = {}\n")  # else Sphinx downloads other sites' lists of pages
    rst.chmod(0o755)  # antsibull-docs rejects a directory that others may write to
    build_rst = ("--config-file", source / "antsibull-docs.cfg", "collection", "--fail-on-error", "--cleanup", "everything")
    space.python(antsibull, *build_rst, "--dest-dir", rst, *common, cwd=source, **variables)
    space.python("-m", "sphinx", "-b", "html", "-q", "-c", source, "-w", source / "warnings", rst, source / "html", cwd=source, **variables)
    warnings = (source / "warnings").read_text(encoding="utf-8").splitlines()
    faults = [line for line in warnings if line.strip() and not PAGES_OF_ANSIBLE.search(line)]
    faults += [f"there is no page {name}" for name in pages(directory) if not (source / "html" / name).is_file()]
    space.fail_on(faults)
    shutil.rmtree(space.root / SITE, ignore_errors=True)
    shutil.copytree(source / "html", space.root / SITE)
    print(f"{len(pages(directory))} pages: {SITE}/index.html; {len(warnings)} references lead to Ansible's own pages", flush=True)


def changelog(space: Workspace) -> None:
    """antsibull-changelog: the fragments are well formed, and a release can be made from them (in a copy)."""
    directory, variables = space.copy("changelog")
    for command in (("lint",), ("release", "--update-existing"), ("lint-changelog-yaml", "changelogs/changelog.yaml")):
        space.python(space.script("antsibull-changelog"), *command, cwd=directory, **variables)


def importer(space: Workspace) -> None:
    """Galaxy's import of the built artifact. A warning is a failure."""
    artifact = build(space, space.copy("importer")[0], space.scratch / "artifact")
    output = space.python(
        *("-m", "galaxy_importer.main", artifact.name),
        cwd=artifact.parent,
        capture=True,
        ANSIBLE_COLLECTIONS_PATH=str(space.scratch / "nothing"),  # the artifact alone, without the checkout
        GALAXY_IMPORTER_CONFIG="",
        GALAXY_IMPORTER_CHECK_REQUIRED_TAGS="true",
    )
    faults = importer_faults(output.splitlines(), own_playbooks(space.root))
    if "Importer processing completed successfully" not in output:
        faults.append("the importer did not report that it completed")
    space.fail_on(faults)


def execution_environment(space: Workspace) -> None:
    """ansible-builder: an image with this collection gets what its plugins import, from either side of the description."""
    directory, variables = space.copy("execution-environment")
    program = space.script("ansible-builder")
    context = space.scratch / "context"
    command = ("create", "--file", "meta/execution-environment.yml", "--context", context, "--output-filename", "Containerfile")
    space.python(program, *command, cwd=directory)
    output = space.python(program, "introspect", variables["ANSIBLE_COLLECTIONS_PATH"], cwd=directory, capture=True)
    space.fail_on(context_faults(context) + introspection_faults(output.splitlines()))


def build(space: Workspace, collection: Path, directory: Path) -> Path:
    """Build the artifact in an empty directory."""
    directory.mkdir(parents=True, exist_ok=True)
    space.python("-m", "ansible", "galaxy", "collection", "build", collection, "--output-path", directory, "--force", cwd=directory)
    return next(directory.glob(f"{NAMESPACE}-{NAME}-*.tar.gz"))


def own_playbooks(root: Path) -> set[str]:
    """Names of the collection's playbooks."""
    return {path.stem for path in root.glob("playbooks/*.yml")}


def linter_faults(lines: Sequence[str], playbooks: set[str]) -> list[str]:
    """What ansible-lint calls an error without counting it as a failure. `playbooks`: the collection's own."""
    return _without_expected([line for line in lines if line.startswith("ERROR")], LOADED_WITHOUT_HOSTS, playbooks)


def importer_faults(lines: Sequence[str], playbooks: set[str]) -> list[str]:
    """The warnings and errors of Galaxy's importer. `playbooks`: the collection's own."""
    return _without_expected([line for line in lines if IMPORTER_COMPLAINT.search(line)], NOT_FOUND_BY_THE_IMPORTER, playbooks)


def _without_expected(complaints: Sequence[str], expected: re.Pattern[str], playbooks: set[str]) -> list[str]:
    return [line for line in complaints if not (found := expected.match(line)) or found[1] not in playbooks]


def pages(collection: Path) -> list[str]:
    """The pages that a site has, of everything in the collection that users name."""
    plugins = collection / "plugins"
    names = [f"{path.stem}_module.html" for path in (plugins / "modules").glob("*.py")]
    for kind in ("connection", "inventory"):
        names += [f"{path.stem}_{kind}.html" for path in (plugins / kind).glob("*.py")]
    names += [f"{path.parent.parent.name}_role.html" for path in collection.glob("roles/*/meta/argument_specs.yml")]
    return sorted(name for name in names if not name.startswith("__init__"))


def context_faults(context: Path) -> list[str]:
    """What is wrong with the build context that ansible-builder has made for an image."""
    needed = context / "_build" / "requirements.txt"
    faults = [] if (context / "Containerfile").is_file() else ["there is no Containerfile"]
    lines = needed.read_text(encoding="utf-8").splitlines() if needed.is_file() else []
    if [line for line in lines if line and not line.startswith("#")] != ["requests"]:
        faults.append(f"the image is given {lines}, not requests alone")
    if (context / "_build" / "bindep.txt").exists():
        faults.append("the image is given packages of the system")
    return faults


def introspection_faults(lines: Sequence[str]) -> list[str]:
    """What is wrong with what ansible-builder finds in an image that has the collection."""
    found = [line for line in lines if f"# from collection {COLLECTION}" in line]
    if len(found) == 1 and "requests" in found[0] and "system: []" in lines:
        return []
    return [f"ansible-builder does not find requests alone in the collection: {' '.join(lines)}"]
