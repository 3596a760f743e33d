# SPDX-License-Identifier: GPL-3.0-or-later
"""One deliberate defect: a pattern inside one function, what replaces it, and the tests that must fail then."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml


class OutOfDate(Exception):
    """The list does not fit the code; the message says where."""


@dataclass(frozen=True)
class Mutant:
    """One defect.

    `function` is the dotted name of a function, class or constant of a Python file (`Class.method`). In a YAML file it
    is `key: value` or `key`, which selects the one task that has it; the collection prefix of the key is left out.
    `pattern` is a regular expression that must match exactly once there. Write `\\w+` for local names: a rename of a
    variable must not break the list. `promise` is a key of `PROMISES` in `all.py`. `tests` are relative to `tests/`.
    """

    name: str
    file: str
    function: str
    pattern: str
    replacement: str
    promise: str
    tests: tuple[str, ...]
    may_hang: bool = False  # a run that exceeds its time limit then counts as killed

    def applied_to(self, text: str) -> str:
        """Return the file's text with the defect in it.

        Raises:
            OutOfDate: The function or pattern is not there exactly once, or the result is not valid Python or YAML.
        """
        find = _python_segments if self.file.endswith(".py") else _yaml_segments
        segments = list(find(text, self.function))
        if len(segments) != 1:
            raise OutOfDate(f"{self.name}: {self.file} has {self.function} {len(segments)} times")
        start, end = segments[0]
        count = len(re.findall(self.pattern, text[start:end]))
        if count != 1:
            raise OutOfDate(f"{self.name}: the pattern matches {count} times in {self.function} of {self.file}")
        mutated = text[:start] + re.sub(self.pattern, self.replacement, text[start:end]) + text[end:]
        if mutated == text:
            raise OutOfDate(f"{self.name}: it changes nothing")
        try:
            ast.parse(mutated) if self.file.endswith(".py") else yaml.safe_load(mutated)
        except (SyntaxError, yaml.YAMLError) as error:
            raise OutOfDate(f"{self.name}: {self.file} is not valid then ({type(error).__name__})") from None
        return mutated


def _python_segments(text: str, dotted: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each definition or assignment with this dotted name."""
    lines = [0, *(match.end() for match in re.finditer("\n", text))]
    for name, node in _definitions(ast.parse(text), ""):
        if name == dotted:
            yield lines[node.lineno - 1], lines[node.end_lineno] if node.end_lineno < len(lines) else len(text)


def _definitions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield prefix + node.name, node
            yield from _definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((prefix + target.id, node) for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.stmt):
            yield from _definitions(node, prefix)


def _yaml_segments(text: str, wanted: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each mapping that has the wanted key and value."""
    wanted_key, dummy, wanted_value = wanted.partition(": ")
    nodes = [yaml.compose(text)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            if any(key.value.rpartition(".")[2] == wanted_key and wanted_value in ("", value.value) for key, value in node.value):
                yield node.start_mark.index, node.end_mark.index
            nodes += [value for dummy, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value


def check(mutants: Sequence[Mutant], root: Path) -> list[str]:
    """Return what is wrong with a list; runs nothing."""
    names = [mutant.name for mutant in mutants]
    found = [f"{name}: it is in the list twice" for name in sorted(set(names)) if names.count(name) > 1]
    for mutant in mutants:
        try:
            mutant.applied_to((root / mutant.file).read_text(encoding="utf-8"))
        except OSError:
            found.append(f"{mutant.name}: there is no file {mutant.file}")
        except OutOfDate as error:
            found.append(str(error))
        found += [f"{mutant.name}: {error}" for test in mutant.tests if (error := _error_of_test(test, root))]
        if not mutant.tests:
            found.append(f"{mutant.name}: no tests are named")
    return found


def _error_of_test(test: str, root: Path) -> str | None:
    """Return why a named test can't be used: it does not exist, or `make test` does not run it."""
    name, dummy, function = test.partition("::")
    path = root / "tests" / name
    if not path.is_file():
        return f"there is no file tests/{name}"
    if not function:
        return None
    marks = _marks_of_tests(path).get(function)
    if marks is None:
        return f"there is no test {test}"
    return f"make test leaves out {test}" if re.search(r"mark\.slow\b", marks) else None


@functools.cache
def _marks_of_tests(path: Path) -> dict[str, str]:
    functions = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    return {node.name: " ".join(map(ast.unparse, node.decorator_list)) for node in functions}
