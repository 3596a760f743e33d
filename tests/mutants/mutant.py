# SPDX-License-Identifier: GPL-3.0-or-later
"""One deliberate breakage of the code: where it is put in, and which tests should see it."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

import yaml


class OutOfDate(Exception):
    """The list does not fit the code; the text says where."""


@dataclass(frozen=True)
class Mutant:
    """One breakage.

    :ivar name: what is broken, as a sentence.
    :ivar file: relative to the checkout.
    :ivar old: a text that stands in the file exactly once.
    :ivar new: what stands there instead.
    :ivar tests: the cheapest that should catch it, relative to tests/: files, or FILE::FUNCTION; part of make test.
    :ivar may_hang: a run that does not end in time counts as caught.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    may_hang: bool = False

    def applied_to(self, text: str) -> str:
        """The file's text with the breakage in it.

        :raises OutOfDate: the old text is not there, or more than once; or the new text is no Python or YAML any more.
        """
        count = text.count(self.old)
        if count != 1:
            raise OutOfDate(f"{self.name}: the text to replace stands {count} times in {self.file}, and not once")
        broken = text.replace(self.old, self.new)
        try:
            ast.parse(broken) if self.file.endswith(".py") else yaml.safe_load(broken)
        except (SyntaxError, yaml.YAMLError) as error:
            raise OutOfDate(f"{self.name}: {self.file} can't even be read then ({type(error).__name__})") from None
        if broken == text:
            raise OutOfDate(f"{self.name}: it changes nothing")
        return broken


def check(mutants: list[Mutant], root: Path) -> list[str]:
    """What is wrong with a list, seen without running anything."""
    names = [mutant.name for mutant in mutants]
    found = [f"{name}: it stands twice in the list" for name in sorted(set(names)) if names.count(name) > 1]
    for mutant in mutants:
        try:
            mutant.applied_to((root / mutant.file).read_text(encoding="utf-8"))
        except OSError:
            found.append(f"{mutant.name}: there is no file {mutant.file}")
        except OutOfDate as error:
            found.append(str(error))
        found += [f"{mutant.name}: {trouble}" for test in mutant.tests for trouble in _missing(test, root)]
        if not mutant.tests:
            found.append(f"{mutant.name}: no tests are named")
    return found


def _missing(test: str, root: Path) -> list[str]:
    """What speaks against a test that is named: it is not there, or no part of make test."""
    name, dummy, function = test.partition("::")
    path = root / "tests" / name
    if not path.is_file():
        return [f"there is no file tests/{name}"]
    if not function:
        return []
    patient = _patience_of_tests(path).get(function.partition("[")[0])
    if patient is None:
        return [f"there is no test {test}"]
    return [f"{test} is patient, so make test leaves it out"] if patient else []


@functools.cache
def _patience_of_tests(path: Path) -> dict[str, bool]:
    """The functions of a file, and whether they are marked as patient."""
    functions = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    return {node.name: any("patient" in ast.unparse(decorator) for decorator in node.decorator_list) for node in functions}
