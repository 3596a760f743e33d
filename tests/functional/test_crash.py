# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of ansible-playbook and its workers during an operation, then the same playbook again: same final state, nothing is done twice.

Every request of every operation: tests/simulation/test_crash_at_requests.py.
"""

from __future__ import annotations

import pytest
from support.cases import CLOUDS, DURATIONS, SPEED, TaskFactory, add_snapshot, ago, apply_calls, set_durations
from support.playbook_runner import EXECUTION_MODES, IN_PROCESS, PlaybookRunner, TaskCase, wait_until

pytestmark = pytest.mark.playbook

EXPECTED_READS = 4  # the server, its snapshots, and two polls
RESTORE_SECONDS = 120  # real seconds: on any machine, the next run finds the restore in progress


def every_mode(quick_cloud: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("cloud", "mode"), [
        pytest.param(cloud, mode, marks=() if (cloud, mode) == (quick_cloud, IN_PROCESS) else pytest.mark.slow)
        for cloud in CLOUDS for mode in EXECUTION_MODES])


def kill_at(runner: PlaybookRunner, step: TaskCase, mode: str, operation: str, *, apply: bool) -> None:
    """Kill the playbook while it waits for the response to this request. With `apply`, the provider executes it."""
    admin = runner.sandbox.admin
    admin.clear_request_log()
    admin.fault("hang", operation=operation, apply=apply)
    running = runner.start(step, mode=mode)
    wait_until(lambda: any(row.get("hanging") for row in admin.requests(operation=operation)), "the request", running)
    running.kill()
    admin.clear_faults()


@pytest.mark.duration(15)
@every_mode("vpsorg")
def test_a_server_that_was_stopped_for_its_snapshot(runner: PlaybookRunner, cloud: str, mode: str) -> None:
    tasks, admin = TaskFactory(runner.sandbox, cloud), runner.sandbox.admin
    apply_calls(admin, set_durations(1.5, *DURATIONS))
    first, again, third = (tasks("snapshot", step=step, name="nightly", stop_server=True) for step in ("first", "again", "third"))
    kill_at(runner, first, mode, "snapshots.create", apply=False)
    run = runner.run(again, third, mode=mode)
    assert not run["again"].failed, run["again"].msg
    assert not (run["third"].failed or run["third"].result["changed"] or run["third"].changing), run["third"].result
    server = admin.server(tasks.server)
    assert server["powered_on"] and server["status"] in ("active", "running")
    assert [row["name"] for row in server["snapshots"]] == ["nightly"] and len(admin.events("snapshot_started")) == 1


@pytest.mark.duration(15)
@every_mode("ilkbyte")
def test_a_restore_is_joined(runner: PlaybookRunner, cloud: str, mode: str) -> None:
    tasks, admin = TaskFactory(runner.sandbox, cloud), runner.sandbox.admin
    apply_calls(admin, add_snapshot(cloud, "old", created_at=ago(days=2)), add_snapshot(cloud, "newer"), set_durations(RESTORE_SECONDS, *DURATIONS))
    kill_at(runner, tasks("snapshot_restore", step="first", name="old"), mode, "snapshots.restore", apply=True)
    seen = len(admin.requests())
    running = runner.start(tasks("snapshot_restore", step="again", name="old"), mode=mode)
    wait_until(lambda: len(admin.requests()) >= seen + EXPECTED_READS, "its polls", running)
    admin.advance(RESTORE_SECONDS * SPEED)
    again = running.finish().only
    assert not again.failed, again.msg
    assert again.result["already_in_progress"] and not again.result["changed"] and again.changing == []
    (warning,) = again.result["warnings"]
    assert "joined that restore and requested none" in warning and tasks.server in warning
    assert ("if it was not old (801), run again" in warning) is (cloud == "vpsorg"), "it does not report which snapshot is being restored"
    assert [row["event"] for row in admin.events()] == ["restore_started", "restore_done"]
    assert admin.server(tasks.server)["powered_on"] and again.result["server"]["power_state"] == "running"
