# SPDX-License-Identifier: GPL-3.0-or-later
"""Running molecule: whatever becomes of it, no sandbox is left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tools.checks import molecule
from tools.processes import Interrupted


class FakeSpace:
    """A workspace in which molecule ends as the test says, with or without a sandbox that it has not ended."""

    def __init__(self, scratch: Path, *, leaves_sandbox: bool, end: int | Exception) -> None:
        self.scratch = scratch
        self.collections = scratch / "collections"
        self.commands: list[str] = []
        self._leaves_sandbox = leaves_sandbox
        self._end = end

    def python(self, *words: str, cwd: Path, MOLECULE_EPHEMERAL_DIRECTORY: str) -> int:
        assert words[:2] == ("-m", "molecule")
        assert cwd == self.collections / "ansible_collections/rewind/vps"
        self.commands.append(" ".join(words[2:]))
        if words[2] == "destroy":
            return 0
        folder = Path(MOLECULE_EPHEMERAL_DIRECTORY)
        folder.mkdir()
        if self._leaves_sandbox:
            (folder / "sandbox.json").write_text("{}", encoding="utf-8")
        if isinstance(self._end, Exception):
            raise self._end
        return self._end


@pytest.mark.parametrize("status", [0, 2])
def test_its_status_comes_back_and_nothing_is_destroyed_twice(tmp_path: Path, status: int) -> None:
    space = FakeSpace(tmp_path, leaves_sandbox=False, end=status)

    assert molecule(space) == status
    assert space.commands == ["test --no-command-borders --all"]


def test_the_named_scenario_runs_in_place_of_all(tmp_path: Path) -> None:
    space = FakeSpace(tmp_path, leaves_sandbox=False, end=0)

    assert molecule(space, ["-s", "success"]) == 0
    assert space.commands == ["test --no-command-borders -s success"]


def test_a_sandbox_that_is_left_is_destroyed_and_the_failure_stands(tmp_path: Path) -> None:
    space = FakeSpace(tmp_path, leaves_sandbox=True, end=1)

    assert molecule(space) == 1
    assert space.commands[1:] == ["destroy -s default"]


def test_an_interrupted_run_is_tidied_up_too(tmp_path: Path) -> None:
    space = FakeSpace(tmp_path, leaves_sandbox=True, end=Interrupted(signal.SIGTERM, 143))

    with pytest.raises(Interrupted):
        molecule(space)
    assert space.commands[1:] == ["destroy -s default"]
