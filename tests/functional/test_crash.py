# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of ansible-playbook and its workers while a cloud works, then the same playbook again: as if nothing had happened, nothing twice.

Every request of every operation is in tests/simulation/test_crash_at_requests.py; here are the worst moments, through the real doors.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.cases import CLOUDS, DURATIONS, SPEED, TaskFactory, add_snapshot, ago, set_durations
from support.playbook_runner import EXECUTION_MODES, MODULE, PlaybookRunner, RunningPlaybook

pytestmark = pytest.mark.playbook

MAX_WAIT = 60  # real ones, after which the tests give up
EXPECTED_READS = 4  # at the server, at its snapshots, and twice at what became of it
RESTORE_SECONDS = 120  # real ones: however busy the machine, the next run finds the restore under way

# Operation to be killed at, whether the cloud carries it out, the module and its options, the world before.
CRASH_CASES: dict[str, tuple[str, bool, str, dict[str, Any], list[dict[str, Any]]]] = {
    "made and not told": ("snapshots.create", True, "snapshot", {"name": "nightly"}, []),
    "stopped for its snapshot": ("snapshots.create", False, "snapshot", {"name": "nightly", "stop_server": True}, []),
    "deleted and not told": ("snapshots.delete", True, "snapshot", {"name": "old", "state": "absent"}, [{"name": "old"}]),
    "restored and not told": ("snapshots.restore", True, "snapshot_restore", {"name": "old"}, [{"name": "old"}, {"name": "newer"}]),
    "between two schedules": ("cron.add", False, "snapshot_cron", {"name": "old", "day": 1, "hour": 2, "minute": 3},
                              [{"name": "old", "is_cron": True, "day": 7, "hour": 8, "min": 9}]),
}


def cases() -> list[Any]:
    """Through the module's door the same code runs, so most of those are for test-all."""
    found = []
    for mode in EXECUTION_MODES:
        for cloud in CLOUDS:
            for case, (operation, *_rest) in CRASH_CASES.items():
                if cloud == "ilkbyte" or not operation.startswith("cron"):
                    quick = mode != MODULE or (cloud, case) == ("vpsorg", "stopped for its snapshot")
                    marks = [pytest.mark.duration(15)] + ([] if quick else [pytest.mark.slow])
                    found.append(pytest.param(cloud, case, mode, marks=marks, id=f"{cloud}-{case}-{mode}"))
    return found


def steps_after(module: str) -> tuple[str, ...]:
    """A restore is asked for each time; of anything else nothing is left to be done."""
    return ("again",) if module == "snapshot_restore" else ("again", "third")


def finish_restore_while_polled(runner: PlaybookRunner, running: RunningPlaybook) -> None:
    """Wait until a run has found the server busy and begun to wait, then let the restore come to its end."""
    seen = len(runner.sandbox.admin.requests())
    deadline = time.monotonic() + MAX_WAIT
    while len(runner.sandbox.admin.requests()) < seen + EXPECTED_READS:
        assert running.process.poll() is None and time.monotonic() < deadline, "it does not wait"
        time.sleep(0.05)
    runner.sandbox.admin.advance(RESTORE_SECONDS * SPEED)


@pytest.mark.parametrize(("cloud", "case", "mode"), cases())
def test_killed_and_run_again(runner: PlaybookRunner, cloud: str, case: str, mode: str) -> None:
    operation, apply, module, options, snapshots = CRASH_CASES[case]
    admin, tasks = runner.sandbox.admin, TaskFactory(runner.sandbox, cloud)
    for number, snapshot in enumerate(snapshots):
        call, arguments = add_snapshot(cloud, created_at=ago(days=2, minutes=-number), **snapshot)
        getattr(admin, call)(**arguments)
    admin.settings(**set_durations(RESTORE_SECONDS if module == "snapshot_restore" else 1.5, *DURATIONS)[1])
    admin.clear_request_log()
    admin.fault("hang", cloud=cloud, operation=operation, apply=apply)
    running = runner.start(tasks(module, step="first", **options), mode=mode)
    deadline = time.monotonic() + MAX_WAIT
    while not any(row.get("hanging") for row in admin.requests(operation=operation)):
        assert running.process.poll() is None and time.monotonic() < deadline, "it never asked"
        time.sleep(0.01)
    running.kill()
    admin.clear_faults()

    running = runner.start(*(tasks(module, step=step, **options) for step in steps_after(module)), mode=mode)
    if module == "snapshot_restore":
        finish_restore_while_polled(runner, running)
    again, *third = running.finish().results
    assert [outcome.name for outcome in (again, *third)] == list(steps_after(module))
    assert not again.failed, again.msg
    for outcome in third:
        assert not (outcome.failed or outcome.result["changed"] or outcome.changing), outcome.result
    for event in ("snapshot_started", "snapshot_deleted", "restore_started", "cron_added", "cron_deleted"):
        assert len(admin.events(event)) <= 1, admin.events()
    server = admin.server(tasks.server)
    assert server["powered_on"] and server["status"] in ("active", "running")
    if case == "between two schedules":
        assert server["snapshots"][0]["params"]["cron_time"] == "Her 1 günde bir 02:03 saatinde"
    elif case == "restored and not told":
        assert again.result["already_in_progress"] and not again.result["changed"] and again.changing == []
        assert [row["event"] for row in admin.events()] == ["restore_started", "restore_done"]
    else:
        assert [row["name"] for row in server["snapshots"]] == ([] if options.get("state") == "absent" else ["nightly"])
