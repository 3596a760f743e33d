# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's commands. `make NAME` runs a session in the nox of its own environment; so does any nox with uv: `nox -s NAME`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests"))

from tools import ecosystem, release  # noqa: E402
from tools.environments import CONSTRAINTS, ENVIRONMENTS, IMPORTER_CONSTRAINTS, RECIPES  # noqa: E402
from tools.workspace import Workspace, workspace  # noqa: E402

nox.options.default_venv_backend = "none"  # sessions share environments, see tests/tools/environments.py
nox.options.sessions = ["test"]
# In the summary "73 s" and not "a minute".
nox.tasks._duration_str = nox.sessions._duration_str = lambda seconds, text: text.format(time=f"{seconds:.1f} s")

QUICK, SLOW = "not slow and not rulebook and not real", "slow and not rulebook and not real"


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    """Pass the signal on, and let nox end as after Ctrl-C, which it handles."""
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGTERM)
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, _on_sigterm)


def run_pytest(space: Workspace, markers: str) -> None:
    """Run the tests with these markers, unless the command line names others."""
    arguments = space.session.posargs
    cores = os.cpu_count() or 1
    # Tests often wait, so a core can run two at a time. One fewer where another session runs beside them.
    processes = min(8, 2 * cores - (1 if space.session.parallel and space.session.name == "pytest" else 0))
    options = ("-n", processes, "--dist", "worksteal", "--durations", "10")
    space.python("-m", "pytest", *options, *([] if "-m" in arguments else ["-m", markers]), *arguments)


@nox.session
def demo(session: nox.Session) -> None:
    """Upgrade servers of the sandbox under guard; one of them is broken on purpose."""
    with workspace(session, "demo") as space:
        space.python("extensions/demo/run.py", *session.posargs)


@nox.session
def sandbox(session: nox.Session) -> None:
    """Both simulated providers on loopback until Ctrl-C (ARGS="--servers 3 --speed 60")."""
    with workspace(session, "demo") as space:
        space.python("-m", "sandbox", *session.posargs)


@nox.session(allow_parallel=True)
def ruff(session: nox.Session) -> None:
    """Python errors and style."""
    with workspace(session, "test") as space:
        space.run(space.script("ruff"), "check", "--no-cache", "--output-format", "concise", ".")


@nox.session(name="ansible-lint", allow_parallel=True)
def ansible_lint(session: nox.Session) -> None:
    """Ansible's linter."""
    with workspace(session, "test") as space:
        ecosystem.ansible_lint(space)


@nox.session(requires=["ruff", "ansible-lint"])
def lint(session: nox.Session) -> None:
    """The linters: ruff, ansible-lint."""


@nox.session(allow_parallel=True)
def sanity(session: nox.Session) -> None:
    """ansible-test sanity."""
    with workspace(session, "test") as space:
        ecosystem.sanity(space)


@nox.session(allow_parallel=True)
def pytest(session: nox.Session) -> None:
    """The project's own quick tests (ARGS="-k name"; ARGS="-m slow" runs the slow ones)."""
    with workspace(session, "test") as space:
        run_pytest(space, QUICK)


# pytest is first: it takes longest, and with --parallel the others run beside it.
@nox.session(requires=["pytest", "ruff", "ansible-lint", "sanity"])
def test(session: nox.Session) -> None:
    """Everything that CI checks."""


@nox.session(name="pytest-slow")
def pytest_slow(session: nox.Session) -> None:
    """The tests that wait for minutes."""
    with workspace(session, "test") as space:
        run_pytest(space, SLOW)


@nox.session(name="pytest-oldest")
def pytest_oldest(session: nox.Session) -> None:
    """The quick tests on the oldest supported ansible-core, without those of secret-scan."""
    with workspace(session, "oldest") as space:
        run_pytest(space, f"{QUICK} and not secret_scan")


# What Ansible itself displays and stores differs between these versions.
@nox.session(name="secret-scan")
@nox.parametrize("core", ["oldest", "middle", "test", "next"], ids=["oldest", "middle", "newest", "next"])
def secret_scan(session: nox.Session, core: str) -> None:
    """Search for leaked secrets, on four versions of ansible-core."""
    with workspace(session, core) as space:
        run_pytest(space, "secret_scan")


@nox.session(name="real-machines")
@nox.parametrize("core", ["oldest", "test"], ids=["oldest", "newest"])
def real_machines(session: nox.Session, core: str) -> None:
    """The guarded upgrade and the modules with Debian machines in QEMU."""
    with workspace(session, core) as space:
        cores = os.cpu_count() or 1
        options = ("-n", max(1, cores // 2), "--dist", "worksteal", "--durations", "0", "--durations-min", "1")
        space.python("-m", "pytest", "tests/real", *options, *session.posargs)


@nox.session(name="test-real", requires=["real-machines"])
def test_real(session: nox.Session) -> None:
    """All tests of real machines, on the oldest and the newest supported ansible-core."""


@nox.session
def molecule(session: nox.Session) -> None:
    """The scenarios of the roles and the modules, or one of them (ARGS="-s success")."""
    with workspace(session, "molecule") as space:
        directory = space.scratch / "molecule"
        # A schedule takes plain paths only, and this directory may have any name.
        for name, target in (("bin", space.environment / "bin"), ("collections", space.collections)):
            (space.scratch / name).symlink_to(target)
        (space.scratch / "home").mkdir()
        where = {
            "cwd": space.collections / "ansible_collections/rewind/vps", "MOLECULE_EPHEMERAL_DIRECTORY": str(directory),
            "HOME": str(space.scratch / "home"), "ANSIBLE_COLLECTIONS_PATH": str(space.scratch / "collections"),
            "PATH": os.pathsep.join([str(space.scratch / "bin"), os.environ.get("PATH", os.defpath)]),
        }
        try:
            space.python("-m", "molecule", "test", "--no-command-borders", *(session.posargs or ["--all"]), **where)
        finally:
            # Interrupted, or after a failed start, molecule leaves the sandbox running.
            if (directory / "sandbox.json").exists():
                space.python("-m", "molecule", "destroy", "-s", "default", **where)


@nox.session
def mutants(session: nox.Session) -> None:
    """Change the code in ways that the tests must detect (ARGS="-k restore"; ARGS=--generated for the pure modules)."""
    with workspace(session, "mutation" if "--generated" in session.posargs else "test") as space:
        space.python("tests/mutation/run.py", *session.posargs)


@nox.session
def benchmark(session: nox.Session) -> None:
    """What tasks cost, compared with Ansible's own (ARGS="fleet role"; ARGS=--help names the parts)."""
    with workspace(session, "test") as space:
        space.python("tests/benchmark/run.py", *session.posargs)


@nox.session(name="docs-lint", allow_parallel=True)
def docs_lint(session: nox.Session) -> None:
    """antsibull-docs: lint the documentation."""
    with workspace(session, "ecosystem") as space:
        ecosystem.docs_lint(space)


@nox.session(allow_parallel=True)
def docs(session: nox.Session) -> None:
    """The documentation as web pages, in tests/output/docs-site."""
    with workspace(session, "ecosystem") as space:
        ecosystem.docs_site(space)


@nox.session(name="changelog-check", allow_parallel=True)
def changelog_check(session: nox.Session) -> None:
    """antsibull-changelog: check the fragments."""
    with workspace(session, "ecosystem") as space:
        ecosystem.changelog(space)


@nox.session(name="ansible-builder", allow_parallel=True)
def ansible_builder(session: nox.Session) -> None:
    """What an execution environment with the collection gets."""
    with workspace(session, "ecosystem") as space:
        ecosystem.execution_environment(space)


@nox.session(name="galaxy-importer", allow_parallel=True)
def galaxy_importer(session: nox.Session) -> None:
    """Galaxy's import of the artifact."""
    with workspace(session, "importer") as space:
        ecosystem.importer(space)


@nox.session(name="ansible-rulebook")
def ansible_rulebook(session: nox.Session) -> None:
    """The rulebooks in the real ansible-rulebook."""
    with workspace(session, "rulebooks") as space:
        run_pytest(space, "rulebook")


# The pre-release's pylint is downloaded from GitHub, not from a package index, so it is skipped.
@nox.session(name="sanity-cores", allow_parallel=True)
@nox.parametrize(("core", "skipped"), [("oldest", ()), ("middle", ()), ("next", ("pylint",))], ids=["oldest", "middle", "next, pylint skipped"])
def sanity_cores(session: nox.Session, core: str, skipped: tuple[str, ...]) -> None:
    """ansible-test sanity on other versions of ansible-core."""
    with workspace(session, core) as space:
        ecosystem.sanity(space, skipped)


@nox.session(
    name="ecosystem-checks",
    requires=["docs-lint", "docs", "changelog-check", "ansible-builder", "galaxy-importer", "ansible-rulebook", "sanity-cores"],
)
def ecosystem_checks(session: nox.Session) -> None:
    """Documentation, changelog, execution environment, Galaxy's import, rulebooks, and sanity on other cores."""


@nox.session
def changelog(session: nox.Session) -> None:
    """Write the release's CHANGELOG.md from the fragments, for the version in galaxy.yml, and remove the fragments."""
    with workspace(session, "ecosystem") as space:
        space.python(space.script("antsibull-changelog"), "release", "--update-existing")


@nox.session(name="release-check")
def release_check(session: nox.Session) -> None:
    """Build the release, check its contents, install it in an empty environment, and run its demo there."""
    with workspace(session, "release") as space:
        release.check(space)


# Without secret-scan(newest): its tests are part of pytest and pytest-slow.
OTHER_CORES = ["pytest-oldest", "secret-scan(oldest)", "secret-scan(middle)", "secret-scan(next)"]


@nox.session(
    name="test-all",
    requires=["test", "pytest-slow", "mutants", "molecule", "ecosystem-checks", *OTHER_CORES, "release-check"],
)
def test_all(session: nox.Session) -> None:
    """All checks but the benchmarks and test-real: the slow tests, and the tests on the oldest supported ansible-core, too."""


@nox.session
def run(session: nox.Session) -> None:
    """Any command in the tests' environment (ARGS="ansible --version")."""
    if not session.posargs:
        session.error('Name a command, for example: make run ARGS="ansible --version"')
    with workspace(session, "test") as space:
        name, *arguments = session.posargs
        program = Path(space.script(name))
        if not program.is_file():
            space.run(name, *arguments)
        elif program.read_bytes()[:2] == b"#!":  # most packages install a Python script, some a compiled program
            space.python(program, *arguments)
        else:
            space.run(program, *arguments)


@nox.session
def lock(session: nox.Session) -> None:
    """Pin the newest versions of the packages in tests/constraints*.txt."""
    from uv import find_uv_bin

    recipes = [RECIPES[name] for name in ("demo", "test", "molecule", "ecosystem", "rulebooks")]
    together = dict.fromkeys(["requirements-tools.txt", *(file for recipe in recipes for file in recipe.requirements)])
    options = ("--universal", "--python-version", "3.11", "--no-annotate", "--no-header", "--quiet", *(session.posargs or ["--upgrade"]))
    with workspace(session, "test") as space:
        for files, target in ((together, CONSTRAINTS), (RECIPES["importer"].requirements, IMPORTER_CONSTRAINTS)):
            space.run(find_uv_bin(), "pip", "compile", *files, "--output-file", target, *options, cwd=ROOT / "tests")


@nox.session
def clean(session: nox.Session) -> None:
    """Remove the environments and everything else that the commands have created."""
    generated = [ROOT / name for name in (".ansible", ".hypothesis", ".pytest_cache", ".ruff_cache", "tests/output")]
    generated += [path for path in ROOT.rglob("__pycache__") if ".nox" not in path.parts]
    # In place of this program, whose own environment is removed, too.
    os.execvp("rm", ["rm", "-rf", "--", *map(str, generated), str(ENVIRONMENTS)])
