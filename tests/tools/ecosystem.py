# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Ansible ecosystem's own tools say of the collection. Each gate is a function that returns an exit status.

Several of these tools print what they don't like and exit with 0, so their output is judged, too.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tools.checks import fresh_copy, judged, not_about, own_playbooks
from tools.console import say
from tools.views import NAME, NAMESPACE, make_copy
from tools.workspace import Workspace

COLLECTION = f"{NAMESPACE}.{NAME}"
SITE = "tests/output/docs-site"
# Ansible's own pages, which a site that is built without a network can't point to.
PAGES_OF_ANSIBLE = re.compile(
    r"undefined label: '(ansible_collections\.ansible\.builtin\.\w+|action_plugins|common_return_values|ansible_configuration_settings)'"
    r"|'envvar' reference target not found: ANSIBLE_\w+"
)
# The importer tells ansible-lint a path of collections in which that finds no playbook by its full name. What Ansible itself
# finds, and `make lint` has looked into, is no complaint; one that is not there is.
NOT_FOUND_BY_THE_IMPORTER = re.compile(rf"^WARNING: ERROR\s+Failed to find {NAMESPACE}\.{NAME}\.(\w+) playbook\.$")
IMPORTER_COMPLAINT = re.compile(r"^(WARNING|ERROR|CRITICAL)\b|Traceback|skipping", re.IGNORECASE)


def docs_lint(space: Workspace) -> int:
    """antsibull-docs: the documentation of all plugins and roles, and whom it refers to."""
    collections = fresh_copy(space, "docs")
    return space.python(
        *(space.script("antsibull-docs"), "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "all", "."),
        cwd=make_copy(space.root, collections),
        ANSIBLE_COLLECTIONS_PATH=str(collections),
    )


def docs_site(space: Workspace) -> int:
    """The documentation as web pages, built by Sphinx into tests/output/docs-site."""
    collections = fresh_copy(space, "docs")
    copy = make_copy(space.root, collections)
    source = space.scratch / "site"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    antsibull = space.script("antsibull-docs")
    common = ("--use-current", "--squash-hierarchy", COLLECTION)
    rst = source / "rst"
    steps = (
        (antsibull, "sphinx-init", "--lenient", "--dest-dir", source, *common),
        (antsibull, "--config-file", source / "antsibull-docs.cfg", "collection", "--fail-on-error", "--cleanup", "everything",
         "--dest-dir", rst, *common),
        ("-m", "sphinx", "-b", "html", "-q", "-c", source, "-w", source / "warnings", rst, source / "html"),
    )
    for step in steps:
        if status := space.python(*step, cwd=source, ANSIBLE_COLLECTIONS_PATH=str(collections)):
            return status
        _stay_off_the_network(source)
        rst.chmod(0o755)  # antsibull-docs refuses a folder that others may write to
    warnings = (source / "warnings").read_text(encoding="utf-8").splitlines()
    wrong = [line for line in warnings if line.strip() and not PAGES_OF_ANSIBLE.search(line)]
    wrong += [f"there is no page {name}" for name in pages(copy) if not (source / "html" / name).is_file()]
    if not wrong:
        _replace(space.root / SITE, source / "html")
        say(f"{len(pages(copy))} pages: {SITE}/index.html; {len(warnings)} references lead to Ansible's own pages, which are not in it")
    return judged(wrong)


def changelog(space: Workspace) -> int:
    """antsibull-changelog: the fragments are well formed, and a release can be made of them (in a copy)."""
    collections = fresh_copy(space, "changelog")
    copy = make_copy(space.root, collections)
    program = space.script("antsibull-changelog")
    for words in (("lint",), ("release", "--update-existing"), ("lint-changelog-yaml", "changelogs/changelog.yaml")):
        if status := space.python(program, *words, cwd=copy, ANSIBLE_COLLECTIONS_PATH=str(collections)):
            return status
    return 0


def importer(space: Workspace) -> int:
    """Galaxy's import of the built artifact. A warning counts as failed."""
    collections = fresh_copy(space, "importer")
    folder = space.scratch / "artifact"
    folder.mkdir(exist_ok=True)
    # Not what is being developed: the artifact alone.
    nothing = str(space.scratch / "nothing")
    artifact = build(space, make_copy(space.root, collections), folder)
    if not artifact:
        return 1
    said: list[str] = []
    status = space.python(
        *("-m", "galaxy_importer.main", artifact.name),
        cwd=folder,
        on_line=said.append,
        ANSIBLE_COLLECTIONS_PATH=nothing,
        GALAXY_IMPORTER_CONFIG="",
        GALAXY_IMPORTER_CHECK_REQUIRED_TAGS="true",
    )
    wrong = importer_faults(said, own_playbooks(space))
    if not any("Importer processing completed successfully" in line for line in said):
        wrong.append("the importer did not say that it completed")
    return status or judged(wrong)


def execution_environment(space: Workspace) -> int:
    """ansible-builder: an image with this collection gets what its plugins import, from either side of the description."""
    collections = fresh_copy(space, "execution-environment")
    copy = make_copy(space.root, collections)
    program = space.script("ansible-builder")
    context = space.scratch / "context"
    words = ("create", "--file", "meta/execution-environment.yml", "--context", context, "--output-filename", "Containerfile")
    status = space.python(program, *words, cwd=copy)
    if status:
        return status
    said: list[str] = []
    status = space.python(program, "introspect", collections, cwd=copy, on_line=said.append)
    return status or judged(context_faults(context) + introspection_faults(said))


def build(space: Workspace, collection: Path, folder: Path) -> Path | None:
    """Build the artifact into an empty folder; None when that fails, and then it was said why."""
    words = ("-m", "ansible", "galaxy", "collection", "build", collection, "--output-path", folder, "--force")
    if space.python(*words, cwd=folder):
        return None
    return next(folder.glob(f"{NAMESPACE}-{NAME}-*.tar.gz"), None)


def pages(collection: Path) -> list[str]:
    """The pages that a site has of everything in the collection that users call by name."""
    plugins = collection / "plugins"
    names = [f"{path.stem}_module.html" for path in (plugins / "modules").glob("*.py")]
    for kind in ("connection", "inventory"):
        names += [f"{path.stem}_{kind}.html" for path in (plugins / kind).glob("*.py")]
    names += [f"{path.parent.parent.name}_role.html" for path in collection.glob("roles/*/meta/argument_specs.yml")]
    return sorted(name for name in names if not name.startswith("__init__"))


def importer_faults(said: list[str], playbooks: set[str]) -> list[str]:
    """What Galaxy's import complains of. `playbooks`: the collection's own."""
    return not_about([line for line in said if IMPORTER_COMPLAINT.search(line)], NOT_FOUND_BY_THE_IMPORTER, playbooks)


def context_faults(context: Path) -> list[str]:
    """What is wrong with what ansible-builder has put together for an image."""
    needed = context / "_build" / "requirements.txt"
    faults = [] if (context / "Containerfile").is_file() else ["there is no Containerfile"]
    lines = needed.read_text(encoding="utf-8").splitlines() if needed.is_file() else []
    if [line for line in lines if line and not line.startswith("#")] != ["requests"]:
        faults.append(f"the image is given {lines}, not requests alone")
    if (context / "_build" / "bindep.txt").exists():
        faults.append("the image is given packages of the system")
    return faults


def introspection_faults(said: list[str]) -> list[str]:
    """What is wrong with what ansible-builder finds in an image that has the collection."""
    found = [line for line in said if f"# from collection {COLLECTION}" in line]
    if len(found) == 1 and "requests" in found[0] and "system: []" in said:
        return []
    return [f"ansible-builder does not find requests alone in the collection: {' '.join(said)}"]


def _stay_off_the_network(source: Path) -> None:
    """Let Sphinx fetch no other site's list of pages."""
    configuration = source / "conf.py"
    line = "\nintersphinx_mapping = {}\n"
    text = configuration.read_text(encoding="utf-8")
    if not text.endswith(line):
        configuration.write_text(text + line, encoding="utf-8")


def _replace(target: Path, folder: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
