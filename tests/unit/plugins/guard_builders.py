# SPDX-License-Identifier: GPL-3.0-or-later
"""Run records, results and fake actions for tests of the guarded upgrade."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from builders import FakeClock

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.guard import Guard
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import RunContext
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RUN_ID_GLOB, RunRecord, write_private

RUN_ID = "20260101T000000Zab12"
SNAPSHOT = {"name": f"rewind{RUN_ID}", "id": "801", "created_at": "2026-01-01T00:00:30Z"}
MARKER = f"/var/tmp/rewind-guarded-upgrade-{RUN_ID}"


def record_data(state: str = states.PLANNED, **fields: Any) -> dict[str, Any]:
    """Return the run record of web1 as plain data, in this state since the start of 2026."""
    snapshot = dict(SNAPSHOT) if state not in (states.PLANNED, states.SNAPSHOTTING) else {**SNAPSHOT, "id": None, "created_at": None}
    return {
        "version": 1, "run_id": RUN_ID, "host": "web1", "provider": "vpsorg", "api_url": "https://cloud.example", "cloud": "VPS.org",
        "server": {"id": "12345", "name": "web1", "address": "192.0.2.1"}, "snapshot": snapshot,
        "marker": MARKER.replace(RUN_ID, str(fields.get("run_id", RUN_ID))),
        "before": {"boot_id": "11111111-1111", "failed_units": [], "markers": [], "checksums": {}},
        "state": state, "history": [{"at": "2026-01-01T00:00:00.000Z", "state": state}], "outcome": None, "message": None, "verification": [],
        "run": {"pid": 1, "started": "never", "command": "ansible-playbook site.yml"}, "tasks": [], "checks": [], "acknowledged": False, **fields,
    }


def record_in(directory: Path, state: str = states.PLANNED, **fields: Any) -> RunRecord:
    """Return the same record, written to a file in the directory."""
    record = RunRecord(directory / "vpsorg-12345-0" / RUN_ID / "run.json", record_data(state, **fields))
    record.update()
    return record


class FakeServer:
    """Ansible's access to a server, see `_server_connection.ServerConnection`.

    Attributes:
        become_method: as there.
    """

    def __init__(
        self, run: Callable[[str, bool], dict[str, Any]] = lambda script, privileged: {"stdout": "", "stderr": ""},
        run_module: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda name, options: {},
        observe_controller: Callable[[], dict[str, Any] | None] = lambda: None,
        become_method: str | None = None,
    ) -> None:
        self.run = run
        self.run_module = run_module
        self.observe_controller = observe_controller
        self.become_method = become_method


def run_context(**fields: Any) -> RunContext:
    """Return what the action knows of an Ansible run of web1."""
    return RunContext(**{
        "host": "web1", "address": None, "connection": "ssh", "search_paths": [], "process": {"pid": 1, "started": "never"},
        "command": "ansible-playbook site.yml", "batch": ["web1"], "play_keywords": set(), "conditional": None, "delegated": None,
        "check_mode": False, "server": FakeServer(), "shell": SimpleNamespace(run=lambda *arguments, **how: ""), **fields,
    })


# The requests of a run.
WAIT = {"command": "wait"}
ACKNOWLEDGE = {"command": "acknowledge"}
FINISH = {"command": "finish", "outcome": states.ROLLED_BACK, "message": "passed",
          "verification": [{"check": "marker", "result": "passed", "detail": "gone"}]}
SNAPSHOT_PARAMS = {"match": f"rewind{RUN_ID_GLOB}", "stop_server": False, "seconds": 900}


def transition(to: str, seconds: float | None = None, **fields: Any) -> dict[str, Any]:
    return {"command": "transition", "to": to, "seconds": seconds, "fields": fields}


def roll_back(by_hand: bool = False, reason: str = "it failed") -> dict[str, Any]:
    return {"command": "roll_back", "reason": reason, "manual": by_hand}


def take_snapshot(**changes: Any) -> dict[str, Any]:
    return {"command": "take_snapshot", "params": {**SNAPSHOT_PARAMS, **changes}}


def restored(**fields: Any) -> dict[str, Any]:
    """Return the result of a successful restore."""
    return {"changed": True, "already_in_progress": False, "msg": "Server web1 is restored to snapshot 801", "warnings": [], **fields}


def is_ready(**fields: Any) -> dict[str, Any]:
    """Return the result of a successful snapshot."""
    return {"changed": True, "msg": "Snapshot is made", "snapshot": {**SNAPSHOT, "status": "ready"}, "pruned": [], "snapshots": [], "warnings": [],
            **fields}


def failed(kind: str, outcome: str = errors.NOT_APPLIED, **fields: Any) -> dict[str, Any]:
    """Return the result of a failed operation."""
    return {"failed": True, "changed": False, "msg": f"It failed: {kind}.", "error": {"kind": kind, "outcome": outcome}, **fields}


class FakeActions:
    """Actions of a guard with given restore results; the last one is returned repeatedly.

    Attributes:
        snapshot_results: the snapshot results, in the same way.
        restore_calls: (snapshot id, seconds) of every restore that was asked for.
        snapshot_calls: (params, seconds) of every snapshot that was asked for.
        terminal_lines: the terminal's lines.
    """

    def __init__(self, *restore_results: dict[str, Any], alive: bool = True, snapshot_results: tuple[dict[str, Any], ...] = ()) -> None:
        self.restore_results = list(restore_results or [restored()])
        self.snapshot_results = list(snapshot_results or [is_ready()])
        self.alive = alive
        self.restore_calls: list[tuple[str, int]] = []
        self.snapshot_calls: list[tuple[dict[str, Any], int]] = []
        self.terminal_lines: list[str] = []
        self.clock = FakeClock()

    def is_run_alive(self) -> bool:
        return self.alive

    def notify_terminal(self, text: str) -> None:
        self.terminal_lines.append(text)

    def restore_snapshot(self, snapshot_id: str, wait_seconds: int, progress: Callable[[str], None]) -> dict[str, Any]:
        self.restore_calls.append((snapshot_id, wait_seconds))
        progress(f"restoring {snapshot_id}")
        return self.restore_results.pop(0) if len(self.restore_results) > 1 else self.restore_results[0]

    def take_snapshot(self, params: dict[str, Any], wait_seconds: int, progress: Callable[[str], None]) -> dict[str, Any]:
        self.snapshot_calls.append((params, wait_seconds))
        progress("taking it")
        return self.snapshot_results.pop(0) if len(self.snapshot_results) > 1 else self.snapshot_results[0]

    def pass_time(self, seconds: float) -> None:
        self.clock.sleep(seconds)


def guard_in(directory: Path, state: str, actions: FakeActions, resumed: bool = False, **fields: Any) -> Guard:
    """Return a guard with a run record in this state and 600 seconds for a rollback."""
    return Guard(record_in(directory, state, **fields), actions, 600, resumed)


def on_disk(guard: Guard) -> dict[str, Any]:
    """Return the guard's run record as stored on the disk."""
    return RunRecord.load(guard.record.path).data


def history(data: dict[str, Any]) -> list[str]:
    return [entry["state"] for entry in data["history"]]


def fill_the_disk(monkeypatch: Any) -> None:
    """Let every later write of a run record fail."""

    def no_space(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(states, "write_private", no_space)


def empty_the_disk(monkeypatch: Any) -> None:
    """Let run records be written again."""
    monkeypatch.setattr(states, "write_private", write_private)
