# SPDX-License-Identifier: GPL-3.0-or-later
"""When a note that a task has left about a server is acted upon, and when it must not be."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from builders import SERVER, snapshot
from operation_worlds import Cloud, task

from ansible_collections.rewind.vps.plugins.module_utils import polling, turns
from ansible_collections.rewind.vps.plugins.module_utils.operations import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils.operations.memory import note_replaced
from ansible_collections.rewind.vps.plugins.module_utils.turns import Place

OLD = "2026-05-01T00:00:00Z"
NEW = "2026-05-31T23:59:00Z"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One folder for a test's tasks, and time that passes only while somebody waits."""
    passed = [0.0]
    monkeypatch.setattr(turns, "find_folder", lambda make: str(tmp_path))
    monkeypatch.setattr(
        polling.Clock.__init__, "__defaults__",
        (lambda: time.monotonic() + passed[0], lambda seconds: passed.__setitem__(0, passed[0] + seconds), lambda low, high: 1.0),
    )
    return tmp_path


def place(folder: Path, kind: str = "vpsorg") -> Place:
    return Place(str(folder), kind, "https://cloud.example", SERVER.id)


def with_place(cloud: Cloud, folder: Path):
    found = task(cloud)
    found.place = place(folder)
    return found


# --- snapshots that were replaced


OLDER, NEWER = snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW)


def replaced(folder: Path) -> Cloud:
    cloud = Cloud("vpsorg", OLDER, NEWER)
    note_replaced(with_place(cloud, folder), OLDER, NEWER)
    return cloud


def test_a_replaced_snapshot_goes_with_the_next_task_of_the_kind(folder: Path) -> None:
    cloud = replaced(folder)
    assert snapshot_operation.run(task(cloud, max_age=3600))["changed"] is True
    assert cloud.asked == ["delete 1"]
    assert place(folder).notes().keys() == {"gone"}


@pytest.mark.parametrize("wish", [{}, {"id": "2"}, {"id": "2", "max_age": 3600}])
def test_a_task_that_replaces_nothing_deletes_nothing(folder: Path, wish: dict) -> None:
    cloud = replaced(folder)
    assert snapshot_operation.run(task(cloud, **wish))["changed"] is False
    assert cloud.asked == []


def test_a_replaced_snapshot_is_not_forgotten_for_another(folder: Path) -> None:
    cloud = replaced(folder)
    weekly = [snapshot("weekly", id="3", created_at=OLD), snapshot("weekly", id="4", created_at=NEW)]
    note_replaced(with_place(cloud, folder), *weekly)
    cloud.snapshots += weekly
    for name in ("weekly", "nightly"):
        snapshot_operation.run(task(cloud, name=name, max_age=3600))
    assert cloud.asked == ["delete 3", "delete 1"]


# --- the lock


def test_what_was_asked_before_the_machine_began_anew_is_long_ago(folder: Path) -> None:
    """The clock that all processes share begins anew with the machine."""
    here = place(folder)
    assert here.try_to_enter()
    looked_at = turns.now()
    (folder / next(folder.glob("*.lock")).name).write_text(f"{turns.now() + 10**15:020d}")
    assert not here.asked_since(looked_at)
    here.leave(asked=True)
    assert here.try_to_enter() and here.asked_since(looked_at)
    here.leave(asked=False)
