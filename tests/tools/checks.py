# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that make up `make test` and `make test-all`, each a function that returns an exit status."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Sequence

from tools.console import complain, say
from tools.views import NAME, NAMESPACE, collection_folder, make_copy
from tools.workspace import Workspace

# ansible-core 2.16-2.17, 2.18-2.19 and 2.20-2.21 look for the get-pip script of these versions.
GET_PIP_VERSIONS = ("23_1_2", "24_2", "25_2")
# What the script ansible-test starts. In a path with a blank the installer adds lines to the script which that of 2.16 does not survive.
ANSIBLE_TEST = "ansible_test._util.target.cli.ansible_test_cli_stub"
# What ansible-test says when it leaves something out because of the machine, and goes on to exit with 0.
LEFT_OUT = re.compile(r"WARNING: Skipping (sanity test|pylint|validate-modules)")
# What ansible-lint says, and goes on, of a playbook that another one imports: it looks into that without the `hosts` which ours
# must be told. It looks into each of ours by itself too, and with them.
LOADED_WITHOUT_HOSTS = re.compile(rf"^ERROR\s+Failed to load {NAMESPACE}\.{NAME}\.(\w+) playbook due to failing syntax check\.$")


def ruff(space: Workspace) -> int:
    """Python errors and style."""
    return space.program(space.script("ruff"), "check", "--no-cache", "--output-format", "concise", ".")


def ansible_lint(space: Workspace) -> int:
    """Ansible's linter, on a copy: where git cannot tell it the project's files it would read the environment too."""
    collections = fresh_copy(space, "lint")
    said: list[str] = []
    status = space.python(
        *("-m", "ansiblelint", "--profile", "production", "--offline", "--nocolor"),
        cwd=make_copy(space.root, collections),
        on_line=said.append,
        ANSIBLE_COLLECTIONS_PATH=str(collections),
    )
    wrong = linter_faults(said, own_playbooks(space))
    if not wrong and any(map(LOADED_WITHOUT_HOSTS.match, said)):
        say("(\"Failed to load\" above is no fault: as imports, those playbooks are looked at without the hosts that they must be told.)")
    return status or judged(wrong)


def linter_faults(said: Sequence[str], playbooks: set[str]) -> list[str]:
    """What ansible-lint calls an error without counting it as a failure. `playbooks`: the collection's own, which it lints by themselves."""
    return not_about([line for line in said if line.startswith("ERROR")], LOADED_WITHOUT_HOSTS, playbooks)


def own_playbooks(space: Workspace) -> set[str]:
    """Names of the collection's playbooks."""
    return {path.stem for path in space.root.glob("playbooks/*.yml")}


def not_about(complaints: Sequence[str], known: re.Pattern, playbooks: set[str]) -> list[str]:
    """The complaints without those that are known to be made, and to mean nothing, of these playbooks. `known` finds the name."""
    return [line for line in complaints if not (found := known.match(line)) or found[1] not in playbooks]


def judged(wrong: Sequence[str]) -> int:
    """The exit status of a tool that goes on and exits with 0 whatever it finds."""
    for line in wrong:
        complain(f"This counts as a failure: {line}")
    return 1 if wrong else 0


def sanity(space: Workspace, skip: Sequence[str] = ()) -> int:
    """ansible-test sanity with the environment's Python. A check left out counts as failed, unless `skip` names it."""
    collections = fresh_copy(space, "sanity")
    folder = make_copy(space.root, collections)
    _place_pip_bootstrap(space.environment.home)
    left_out: list[str] = []

    if not space.script("shellcheck").is_file():
        left_out.append("shellcheck is not installed")  # ansible-test would say nothing

    def listen(line: str) -> None:
        if LEFT_OUT.search(line):
            left_out.append(line)

    status = space.python(
        *("-m", ANSIBLE_TEST, "sanity", "--python", space.python_version),
        *(word for name in skip for word in ("--skip-test", name)),
        cwd=folder,
        on_line=listen,
        ANSIBLE_COLLECTIONS_PATH=str(collections),
    )
    for line in left_out:
        complain(f"A check was left out, which counts as a failure: {line}")
    return status or (1 if left_out else 0)


def pytest(space: Workspace, arguments: Sequence[str] = ()) -> int:
    """The project's own tests, on two processes a core (two to eight), since much of their time is waiting.

    The ten slowest are named, so that it is seen what grows.
    """
    processes = str(min(8, 2 * (os.cpu_count() or 1)))
    return space.python("-m", "pytest", "-n", processes, "--dist", "worksteal", "--durations", "10", *arguments)


def mutants(space: Workspace, arguments: Sequence[str] = ()) -> int:
    """The code broken on purpose in private copies, one way after the other: the tests must see each."""
    return space.python(space.root / "tests" / "mutation" / "run.py", *arguments)


def bench(space: Workspace, arguments: Sequence[str] = ()) -> int:
    """What tasks cost; a timing is told and never judged."""
    return space.python(space.root / "tests" / "benchmark" / "run.py", *arguments)


def molecule(space: Workspace, arguments: Sequence[str] = ()) -> int:
    """The scenarios in extensions/molecule, all or those that the arguments name."""
    folder = space.scratch / "molecule"

    def run(*words: str) -> int:
        return space.python(
            *("-m", "molecule", *words),
            cwd=collection_folder(space.collections),
            MOLECULE_EPHEMERAL_DIRECTORY=str(folder),
        )

    try:
        return run("test", "--no-command-borders", *(arguments or ("--all",)))
    finally:
        # Interrupted, it leaves the sandbox running, and so it does when it could not start it properly.
        if (folder / "sandbox.json").exists():
            run("destroy", "-s", "default")


def fresh_copy(space: Workspace, name: str) -> Path:
    """An empty collections folder for a copy of the project."""
    # Outside the checkout: ansible-test asks the repository above which files are tracked, and there none would be.
    collections = space.scratch / name
    shutil.rmtree(collections, ignore_errors=True)
    return collections


def _place_pip_bootstrap(home: Path) -> None:
    """Put our bootstrap script where ansible-test keeps the one that it would else download."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in GET_PIP_VERSIONS:
        shutil.copyfile(Path(__file__).with_name("pip_bootstrap.py"), cache / f"get_pip_{version}.py")
