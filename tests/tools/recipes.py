# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into each virtual environment."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from tools.pythons import NEWEST, OLDEST, Version

CONSTRAINTS = "tests/constraints.txt"
IMPORTER_CONSTRAINTS = "tests/constraints-importer.txt"
INSTALLER = "tests/requirements-installer.txt"


@dataclass(frozen=True)
class Recipe:
    """The packages of one environment. Files are named relative to the checkout."""

    name: str
    requirements: tuple[str, ...]
    bare: tuple[str, ...] = ()  # requirement files whose packages are installed without their dependencies
    overrides: str = ""  # a file of pins that come before those of tests/constraints.txt
    part_of: str = ""  # a recipe for the same folder that has all of this and more
    folder_suffix: str = ""
    oldest: Version = OLDEST
    newest: Version = NEWEST


DEMO = Recipe("demo", ("tests/requirements-demo.txt",), part_of="test")
TEST = Recipe(
    "test",
    ("tests/requirements-test.txt", "tests/requirements-lint.txt"),
    bare=("tests/requirements-clients.txt", "tests/requirements-rulebook.txt"),
)
# On its own, since few need it and it brings much that could change what other tools do.
MOLECULE = Recipe("molecule", ("tests/requirements-molecule.txt",), folder_suffix="-molecule")
# The ecosystem's tools that judge a collection, apart for the same reason.
GATES = Recipe("gates", ("tests/requirements-gates.txt",), folder_suffix="-gates")
IMPORTER = Recipe(
    "importer", ("tests/requirements-importer.txt",), overrides=IMPORTER_CONSTRAINTS, folder_suffix="-importer"
)
# What runs rulebooks, with the tests that drive it.
EVENTS = Recipe(
    "events", ("tests/requirements-events.txt",), bare=("tests/requirements-clients.txt",), folder_suffix="-events"
)
# What a user has who installs a release and runs its demo, and nothing of the tests.
RELEASE = Recipe("release", ("tests/requirements-demo.txt",), folder_suffix="-release")


def _other_core(name: str, oldest: Version = OLDEST, newest: Version = NEWEST) -> Recipe:
    """The tests' environment with another ansible-core, which tests/requirements-NAME.txt pins."""
    return Recipe(
        name,
        ("tests/requirements-test.txt",),
        bare=("tests/requirements-clients.txt", "tests/requirements-rulebook.txt"),
        overrides=f"tests/requirements-{name}.txt",
        folder_suffix=f"-{name}",
        oldest=oldest,
        newest=newest,
    )


OLDEST_CORE = _other_core("oldest", newest=(3, 12))  # ansible-core 2.16 runs on no newer one
# The first core that marks where each value comes from, and so handles options and results another way than 2.16.
MIDDLE_CORE = _other_core("middle", newest=(3, 13))
# The newest that installs, pre-releases too.
NEXT_CORE = _other_core("next", oldest=(3, 13))
LEAK_CORES = (OLDEST_CORE, MIDDLE_CORE, TEST, NEXT_CORE)
# The newest release is in `make test`. The pre-release's pylint is fetched from GitHub, not from a package index, so it is left out.
SANITY_CORES = ((OLDEST_CORE, ()), (MIDDLE_CORE, ()), (NEXT_CORE, ("pylint",)))
RECIPES = {
    recipe.name: recipe
    for recipe in (DEMO, TEST, MOLECULE, GATES, IMPORTER, EVENTS, RELEASE, OLDEST_CORE, MIDDLE_CORE, NEXT_CORE)
}


def digest(root: Path, recipe: Recipe) -> str:
    """Changes when anything changes that decides what is installed."""
    files = [*sorted((root / "tests").glob("requirements-*.txt")), *sorted((root / "tests").glob("constraints*.txt"))]
    texts = [repr(recipe), *(f"{path.name}\n{path.read_text(encoding='utf-8')}" for path in files)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def constraints(root: Path, recipe: Recipe) -> str:
    """The text of the recipe's constraints file: tests/constraints.txt with the overrides in place of its pins."""
    overrides = pins(root / recipe.overrides) if recipe.overrides else []
    names = {package_name(pin) for pin in overrides}
    kept = [pin for pin in pins(root / CONSTRAINTS) if package_name(pin) not in names]
    return "\n".join([*overrides, *kept, ""])


def pins(path: Path) -> list[str]:
    """The lines of a requirements or constraints file that name a package."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def package_name(pin: str) -> str:
    """The normalised name in a line such as "Ruamel.yaml==0.19.1 ; python_version < '3.12'"."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>!~;\[ ]", pin, maxsplit=1)[0]).lower()
