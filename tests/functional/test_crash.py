# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of ansible-playbook and its workers during an operation, then the same playbook again: same final state, nothing is done twice.

Every request of every operation: tests/simulation/test_crash_at_requests.py.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.cases import CLOUDS, DURATIONS, SPEED, TaskFactory, add_snapshot, ago, set_durations
from support.playbook_runner import EXECUTION_MODES, IN_PROCESS, PlaybookRunner, RunningPlaybook

pytestmark = pytest.mark.playbook

MAX_WAIT = 120  # real seconds
EXPECTED_READS = 4  # the server, its snapshots, and two polls
RESTORE_SECONDS = 120  # real seconds: on any machine, the next run finds the restore in progress

# The operation at which the task is killed, whether the provider executes it, the module and its options, the initial snapshots.
CRASH_CASES: dict[str, tuple[str, bool, str, dict[str, Any], list[dict[str, Any]]]] = {
    "created": ("snapshots.create", True, "snapshot", {"name": "nightly"}, []),
    "stopped for its snapshot": ("snapshots.create", False, "snapshot", {"name": "nightly", "stop_server": True}, []),
    "deleted": ("snapshots.delete", True, "snapshot", {"name": "old", "state": "absent"}, [{"name": "old"}]),
    "restored": ("snapshots.restore", True, "snapshot_restore", {"name": "old"}, [{"name": "old"}, {"name": "newer"}]),
    "between two schedules": ("cron.add", False, "snapshot_cron", {"name": "old", "day": 1, "hour": 2, "minute": 3},
                              [{"name": "old", "is_cron": True, "day": 7, "hour": 8, "min": 9}]),
}


QUICK = {("vpsorg", "stopped for its snapshot", IN_PROCESS), ("ilkbyte", "restored", IN_PROCESS)}


def cases() -> list[Any]:
    found = [(cloud, case, mode) for mode in EXECUTION_MODES for cloud in CLOUDS for case in CRASH_CASES
             if cloud == "ilkbyte" or case != "between two schedules"]
    marks = {each: [pytest.mark.duration(15)] + ([] if each in QUICK else [pytest.mark.slow]) for each in found}
    return [pytest.param(*each, marks=marks[each], id="-".join(each)) for each in found]


def steps_after(module: str) -> tuple[str, ...]:
    """A restore is repeated each time; anything else is done after one run."""
    return ("again",) if module == "snapshot_restore" else ("again", "third")


def finish_restore_while_polled(runner: PlaybookRunner, running: RunningPlaybook) -> None:
    """Finish the restore as soon as a run waits for it."""
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
        assert running.process.poll() is None and time.monotonic() < deadline, "it never sent the request"
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
    elif case == "restored":
        assert again.result["already_in_progress"] and not again.result["changed"] and again.changing == []
        assert [row["event"] for row in admin.events()] == ["restore_started", "restore_done"]
    else:
        assert [row["name"] for row in server["snapshots"]] == ([] if options.get("state") == "absent" else ["nightly"])
