# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's commands. Any Python from 3.8 on can run this file; it finds a newer one for the work itself.

    REWIND_PYTHON   the Python to use instead of the newest from 3.11 to 3.14
    REWIND_VENV     where the virtual environment lies instead of .venv
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Callable, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT / "tests")

from tools import checks, ecosystem, release  # noqa: E402
from tools.console import Problem, complain, say  # noqa: E402
from tools.environment import ensure, environment_folder  # noqa: E402
from tools.processes import Interrupted, mend_standard_streams  # noqa: E402
from tools.recipes import (  # noqa: E402
    CONSTRAINTS,
    DEMO,
    EVENTS,
    GATES,
    IMPORTER,
    IMPORTER_CONSTRAINTS,
    INSTALLER,
    LEAK_CORES,
    MOLECULE,
    OLDEST_CORE,
    RECIPES,
    RELEASE,
    SANITY_CORES,
    TEST,
    Recipe,
)
from tools.steps import Step, run_steps  # noqa: E402
from tools.workspace import Workspace, workspace  # noqa: E402

Words = Sequence[str]


def demo(words: Words) -> int:
    """upgrade servers of the sandbox behind guards, one of them broken on purpose"""
    runner = ROOT / "extensions" / "demo" / "run.py"
    if not runner.is_file():
        raise Problem(f"{runner.relative_to(ROOT)} is not there: this version has no demo.")
    with workspace(ROOT, DEMO) as space:
        return space.python(runner, *words)


def sandbox(words: Words) -> int:
    """both clouds on loopback until Ctrl-C (ARGS="--servers 3 --speed 60")"""
    with workspace(ROOT, DEMO) as space:
        try:
            return space.python("-m", "sandbox", *words)
        except Interrupted as interrupted:
            # A signal is how one ends the sandbox: no failure, if it tidied up.
            return interrupted.program_status


def lint(_words: Words) -> int:
    """the linters: ruff, ansible-lint"""
    with workspace(ROOT, TEST) as space:
        return run_steps(
            [Step("ruff", lambda: checks.ruff(space)), Step("ansible-lint", lambda: checks.ansible_lint(space))]
        )


# Tests that wait for minutes, for what must be seen not to happen, and most of a large kind, run in test-all only.
QUICK, PATIENT = ("-m", "not patient and not events"), ("-m", "patient and not events")
# The search for secrets depends on what Ansible itself shows and keeps, so it runs on the oldest core, on the newest, and between.
LEAKS = ("-m", "leaks")
EVENTS_ONLY = ("-m", "events")


def sanity(_words: Words) -> int:
    """ansible-test sanity"""
    with workspace(ROOT, TEST) as space:
        return run_steps([Step("ansible-test sanity", lambda: checks.sanity(space))])


def pytest(words: Words) -> int:
    """the project's own tests (ARGS="-k name")"""
    with workspace(ROOT, TEST) as space:
        return checks.pytest(space, words)


def molecule(words: Words) -> int:
    """the scenarios of the roles and the modules, or one of them (ARGS="-s success")"""
    with workspace(ROOT, MOLECULE) as space:
        return checks.molecule(space, words)


def mutants(words: Words) -> int:
    """break the code on purpose, one way after the other; the tests must see each (ARGS="-k restore")"""
    with workspace(ROOT, TEST) as space:
        return checks.mutants(space, words)


def bench(words: Words) -> int:
    """what tasks cost, beside Ansible's own (ARGS="doors fleet --profile"; ARGS=--help names the parts)"""
    with workspace(ROOT, TEST) as space:
        return checks.bench(space, words)


def test(_words: Words) -> int:
    """everything that CI checks"""
    with workspace(ROOT, TEST) as space:
        return run_steps(
            [
                Step("ruff", lambda: checks.ruff(space)),
                Step("ansible-lint", lambda: checks.ansible_lint(space)),
                Step("ansible-test sanity", lambda: checks.sanity(space)),
                Step("pytest", lambda: checks.pytest(space, QUICK)),
            ]
        )


def leaks(words: Words) -> int:
    """the search for leaked secrets, on four versions of ansible-core one after the other"""
    return run_steps([Step(f"leaks ({recipe.name})", _leaks_on(recipe, words)) for recipe in LEAK_CORES])


def _leaks_on(recipe: Recipe, words: Words) -> Callable[[], int]:
    def check() -> int:
        with workspace(ROOT, recipe) as space:
            return checks.pytest(space, (*LEAKS, *words))

    return check


def gates(_words: Words) -> int:
    """what else the Ansible ecosystem asks of a collection: documentation, changelog, Galaxy's import, rulebooks, sanity on other cores"""
    with workspace(ROOT, GATES) as space:
        status = run_steps(
            [
                Step("antsibull-docs lint", lambda: ecosystem.docs_lint(space)),
                Step("docs site", lambda: ecosystem.docs_site(space)),
                Step("antsibull-changelog", lambda: ecosystem.changelog(space)),
                Step("ansible-builder", lambda: ecosystem.execution_environment(space)),
            ]
        )
    steps = [
        Step("galaxy-importer", _in(IMPORTER, ecosystem.importer)),
        Step("ansible-rulebook", _in(EVENTS, lambda space: checks.pytest(space, EVENTS_ONLY))),
    ]
    for recipe, left_out in SANITY_CORES:
        name = f"sanity ({recipe.name}{', no ' if left_out else ''}{', '.join(left_out)})"
        steps.append(Step(name, _in(recipe, partial(checks.sanity, skip=left_out))))
    return run_steps(steps) or status


def _in(recipe: Recipe, check: Callable[[Workspace], int]) -> Callable[[], int]:
    def in_its_environment() -> int:
        with workspace(ROOT, recipe) as space:
            return check(space)

    return in_its_environment


def docs(_words: Words) -> int:
    """the documentation of all modules, plugins and roles as web pages, in tests/output/docs-site"""
    with workspace(ROOT, GATES) as space:
        return ecosystem.docs_site(space)


def changelog(_words: Words) -> int:
    """make a release's CHANGELOG.md of the fragments, for the version in galaxy.yml; the fragments are used up"""
    with workspace(ROOT, GATES) as space:
        return space.python(space.script("antsibull-changelog"), "release", "--update-existing")


def release_check(_words: Words) -> int:
    """build the release, look into it, install it where nothing else is, and run its demo from there"""
    with workspace(ROOT, RELEASE) as space:
        return run_steps(
            [
                Step("the artifact", lambda: release.build_release(space)),
                Step("installed", lambda: release.install_release(space)),
                Step("found by Ansible", lambda: release.verify_release(space)),
                Step("its demo", lambda: release.demo_of_release(space)),
            ]
        )


def test_all(words: Words) -> int:
    """test, the tests that wait for minutes, mutants, molecule, gates, the tests on the oldest supported ansible-core, leaks, release-check"""
    newest = test(words)
    with workspace(ROOT, TEST) as space:
        patient = Step("pytest (patient)", lambda: checks.pytest(space, PATIENT))
        newest = run_steps([patient, Step("mutants", lambda: checks.mutants(space))]) or newest
    with workspace(ROOT, MOLECULE) as space:
        newest = run_steps([Step("molecule", lambda: checks.molecule(space))]) or newest
    judged = gates(())
    with workspace(ROOT, OLDEST_CORE) as space:
        oldest = run_steps([Step("pytest (oldest)", lambda: checks.pytest(space, QUICK))])
    leaked = leaks(())
    released = release_check(())
    return newest or judged or oldest or leaked or released


def run(words: Words) -> int:
    """any command in the tests' environment (ARGS="ansible --version")"""
    if not words:
        raise Problem("Say what to run, for example: run ansible --version")
    with workspace(ROOT, TEST) as space:
        program = space.script(words[0])
        if not program.is_file():
            return space.program(*words)
        # Some packages bring a compiled program along (ruff, uv), most a Python script.
        is_script = program.read_bytes()[:2] == b"#!"
        return space.python(program, *words[1:]) if is_script else space.program(program, *words[1:])


def lock(_words: Words) -> int:
    """write the pinned versions (tests/constraints*.txt) anew from the requirement files, with the newest"""
    uv = str(ensure(ROOT, TEST).folder / "bin" / "uv")
    together = dict.fromkeys([*DEMO.requirements, *TEST.requirements, *MOLECULE.requirements, *GATES.requirements, *EVENTS.requirements, INSTALLER])
    status = 0
    for files, target in ((together, CONSTRAINTS), (IMPORTER.requirements, IMPORTER_CONSTRAINTS)):
        command = [uv, "pip", "compile", *files, "--output-file", target, "--universal", "--python-version", "3.11"]
        command += ["--no-annotate", "--no-header", "--quiet", "--upgrade"]
        status = subprocess.call(command, cwd=str(ROOT)) or status
    return status


def clean(_words: Words) -> int:
    """remove the environments and everything else that the tools made"""
    made = [environment_folder(ROOT, recipe.folder_suffix) for recipe in RECIPES.values()]
    made += [ROOT / name for name in (".ansible", ".hypothesis", ".pytest_cache", ".ruff_cache", "tests/output")]
    made += [path for path in ROOT.rglob("__pycache__") if not any(folder in path.parents for folder in made)]
    for path in dict.fromkeys(made):
        if path.is_dir():
            say(f"removing {path}")
            shutil.rmtree(path)
    return 0


COMMANDS: dict[str, Callable[[Words], int]] = {
    "demo": demo,
    "test": test,
    "sandbox": sandbox,
    "lint": lint,
    "sanity": sanity,
    "pytest": pytest,
    "molecule": molecule,
    "mutants": mutants,
    "bench": bench,
    "leaks": leaks,
    "gates": gates,
    "docs": docs,
    "changelog": changelog,
    "release-check": release_check,
    "test-all": test_all,
    "run": run,
    "lock": lock,
    "clean": clean,
}


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "command", choices=COMMANDS, help="\n".join(f"{name:<13} {COMMANDS[name].__doc__}" for name in COMMANDS)
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="passed on to what the command runs")
    chosen = parser.parse_args(arguments)
    mend_standard_streams()
    try:
        return COMMANDS[chosen.command](chosen.words)
    except Problem as problem:
        complain(str(problem))
        return 2
    except Interrupted as interrupted:
        return interrupted.exit_status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
