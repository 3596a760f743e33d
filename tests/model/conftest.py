# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox without disks for each process of the tests, and the room behind both doors with virtual time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from virtual_time import Room

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "extensions")]


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    from virtual_time import Room

    from sandbox import launch

    # Real time adds next to nothing: all that passes is what somebody waits.
    patch = pytest.MonkeyPatch()
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    with launch(servers=2, speed=1.0, ssh=False, disks=False) as box, Room(box).open() as room:
        yield room
    patch.undo()
