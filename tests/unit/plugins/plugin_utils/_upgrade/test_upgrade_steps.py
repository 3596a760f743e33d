# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the role without a provider or processes: what each rejects, requests from its guard, and deletes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from builders import FakeClock
from guard_builders import RUN_ID, SNAPSHOT, FakeActions, FakeServer, failed, guard_in, record_data, run_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot, snapshot_info, upgrade_preflight
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import process_identity
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import OPTIONS, READ_ONLY_STEPS, ROLE_OPTIONS, STEPS
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord, ServerRecords, write_private
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import ServerUnavailable
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps import OperationFailed, Steps, base, reconnect

TOKEN = "vps_S3cretToken0123456789"
URL = "https://cloud.example/api/v1"
GUARDED = "rewind.vps.guarded_ssh"


class StepRunner:
    """A guard with a run record in some state, and a run that does one step after the other.

    :ivar guards: what there is to answer, one for each time that is asked; None for a guard that is gone. The last one stays.
    :ivar started: how many guards were started besides.
    :ivar listed: the server's snapshots of this role, newest first.
    :ivar deleted: the ids of the snapshots that were deleted.
    :ivar progress_lines: the progress messages of the run.
    :ivar send: asks the guard.
    """

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.process = process_identity.identity(os.getpid())
        self.started = 0
        self.listed: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.guards: list[Any] = []
        self.run_fields: dict[str, Any] = {}
        self.context_fields: dict[str, Any] = {}
        self.progress_lines: list[str] = []
        self.send = self._send

        def send(*arguments: Any) -> RunRecord | None:
            return self.send(*arguments)  # whatever it is by then: tests replace it

        monkeypatch.setattr(base, "send_request", send)
        monkeypatch.setattr(base, "start_guard", self._start)
        monkeypatch.setattr(base, "run_operation", self._run_operation)

    def set_state(self, state: str, **fields: Any) -> None:
        """Set the state of the upgrade, with a running guard."""
        self.guards = [guard_in(self.directory, state, FakeActions(), **fields)]

    @property
    def record(self) -> RunRecord:
        return RunRecord.load(self.directory / "vpsorg-12345-0" / RUN_ID / "run.json")

    def run(self, step: str, *, check_mode: bool = False, connection: str = GUARDED, **options: Any) -> dict[str, Any]:
        given = {"step": step, "provider": "vpsorg", "api_token": TOKEN, "api_url": URL, "state_dir": str(self.directory), **options}
        if self.guards:
            given["run"] = {"run_record": str(self.record.path), "connection": "ssh", "next": "upgrade", "resumed": True, **self.run_fields}
        validation = ArgumentSpecValidator({**OPTIONS, **ROLE_OPTIONS}).validate(given)
        assert not validation.error_messages
        context = run_context(
            connection=connection, process=self.process, check_mode=check_mode, progress=self.progress_lines.append, **self.context_fields)
        return Steps(validation.validated_parameters, context).run(step)

    def _send(self, record: RunRecord, request: dict[str, Any], on_idle: Any = None) -> RunRecord | None:
        guard = self.guards.pop(0) if len(self.guards) > 1 else self.guards[0]
        return RunRecord(record.path, guard.handle(request)["record"]) if guard else None

    def _start(self, config: dict[str, Any]) -> RunRecord:
        self.started += 1
        return RunRecord.load(Path(config["record_path"]))

    def _run_operation(self, operation: Any, options: dict[str, Any], **how: Any) -> dict[str, Any]:
        if operation is upgrade_preflight:
            return {"server": {"id": "12345", "name": "web1", "address": None}, "cloud": "VPS.org"}
        if operation is snapshot_info:
            return {"snapshots": self.listed}
        assert (operation, options["state"]) == (snapshot, "absent")
        self.deleted.append(options["id"])
        return {"changed": True}


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StepRunner:
    return StepRunner(tmp_path, monkeypatch)


@pytest.mark.parametrize("step", sorted(set(STEPS) - set(READ_ONLY_STEPS)))
def test_in_check_mode_only_read_only_steps_run(steps: StepRunner, step: str) -> None:
    steps.set_state(states.UPGRADING)
    with pytest.raises(RewindError, match=f"The step {step} changes something"):
        steps.run(step, check_mode=True)


def test_a_task_that_outlives_its_run_is_left_to_the_guard(steps: StepRunner) -> None:
    steps.set_state(states.CHECKING)
    steps.process = {"pid": os.getpid(), "started": "long ago"}
    with pytest.raises(RewindError, match="The run has ended") as caught:
        steps.run("confirm")
    assert (caught.value.kind, caught.value.outcome) == (errors.INTERRUPTED, errors.UNKNOWN)
    assert steps.record.state == states.CHECKING


def test_a_guard_that_is_gone_is_replaced_once(steps: StepRunner) -> None:
    steps.set_state(states.CHECKING)
    steps.guards.insert(0, None)
    assert steps.run("confirm")["outcome"] == states.UPGRADED
    assert steps.started == 1
    steps.guards = [None]
    with pytest.raises(RewindError, match="stopped twice") as caught:
        steps.run("close_run")
    assert caught.value.outcome == errors.UNKNOWN
    assert steps.started == 2


def test_it_is_not_armed_where_a_lost_connection_would_end_the_play(steps: StepRunner) -> None:
    steps.set_state(states.READY, guard={"pid": 1})
    with pytest.raises(RewindError, match="its loss would end the play"):
        steps.run("arm", connection="ssh")
    assert steps.record.state == states.READY
    steps.run("arm")
    assert (steps.record.state, steps.record.data["marker_written"]) == (states.UPGRADING, True)
    assert [entry["state"] for entry in steps.record.data["history"]][-2:] == [states.ARMED, states.UPGRADING]
    assert len(steps.progress_lines) == 1 and "even if this run is killed (guard PID 1, run record" in steps.progress_lines[0]


def listed(number: int, schedule: dict[str, int] | None = None) -> dict[str, Any]:
    return {"id": str(number), "name": f"rewind{number}", "schedule": schedule, "created_at": f"2026-01-{number:02}T00:00:00Z"}


def test_tidying_up_spares_what_has_a_schedule(steps: StepRunner) -> None:
    """Nor does it count: the newest one without a schedule is kept."""
    steps.set_state(states.CONFIRMED)
    steps.listed = [listed(9, {"day": 1}), listed(8), listed(7, {"day": 1}), listed(6), listed(5)]
    finished = steps.run("finish", outcome=states.UPGRADED, message="done")
    assert [item["id"] for item in finished["pruned"]] == ["6", "5"] == steps.deleted
    assert (finished["changed"], steps.record.outcome) == (True, states.UPGRADED)


def test_nothing_is_deleted_if_the_age_of_a_snapshot_is_unknown(steps: StepRunner) -> None:
    """The newest one could be the one without a date. The upgrade is confirmed anyway."""
    steps.set_state(states.CONFIRMED)
    steps.listed = [listed(9), listed(8), {**listed(7), "created_at": None}]
    finished = steps.run("finish", outcome=states.UPGRADED, message="done")
    assert (finished["pruned"], steps.deleted, steps.record.outcome) == ([], [], states.UPGRADED)
    assert "rewind7 has no readable date" in finished["warnings"][0]


@pytest.mark.parametrize("state", [states.RESTORED, states.READY])
def test_only_after_an_upgrade_are_snapshots_deleted(steps: StepRunner, state: str) -> None:
    steps.set_state(state)
    steps.listed = [listed(8), listed(6)]
    assert steps.run("finish", outcome=states.ROLLED_BACK, message="done")["changed"] is False
    assert (steps.deleted, steps.record.outcome) == ([], states.ROLLED_BACK)


@pytest.mark.parametrize(("outcome", "run", "message"), [
    (states.UPGRADED, {}, None),
    (states.UPGRADED, {"is_this_upgrade": False}, f"UPGRADED: web1: over. That was the run {RUN_ID}, which was interrupted. "
     "Nothing was upgraded in this run: run again."),
    (states.ROLLED_BACK, {"manual": True}, None),
    (states.ROLLED_BACK, {}, f"ROLLED_BACK: web1: over. Snapshot {SNAPSHOT['name']} is kept."),
    (states.UPGRADED, {"manual": True}, "UPGRADED: web1: over."),
])
def test_a_run_fails_unless_it_reaches_its_outcome(
    steps: StepRunner, outcome: str, run: dict[str, Any], message: str | None,
) -> None:
    steps.set_state(states.ENDED, outcome=outcome, message="over.")
    steps.run_fields = run
    result = steps.run("close_run")
    assert (result.get("failed"), steps.record.data["acknowledged"]) == (True if message else None, True)
    # Ansible prints the whole result of a failed task, so it holds the message alone.
    assert message is None or result == {"failed": True, "changed": False, "msg": message}


def test_the_final_message_says_why_it_failed(steps: StepRunner) -> None:
    steps.set_state(states.ENDED, outcome=states.ROLLED_BACK, message="over.", reason="Upgrade: E: no such package.")
    assert steps.run("close_run")["msg"] == (
        f"ROLLED_BACK: web1: over. Reason: Upgrade: E: no such package. Snapshot {SNAPSHOT['name']} is kept.")


@pytest.mark.parametrize("state", [states.READY, states.UPGRADING])
def test_the_reason_is_in_the_run_record_whether_or_not_something_is_restored(steps: StepRunner, state: str) -> None:
    steps.set_state(state)
    result = {"msg": "non-zero return code", "rc": 1, "stderr": f"curl: key {TOKEN} is wrong\n"}
    steps.run("roll_back", failed_task={"name": "Install", "action": "command", "no_log": False}, failed_result=result)
    assert steps.record.data["reason"] == "Install: curl: key ******** is wrong"


def test_a_package_manager_that_starts_during_the_snapshot_is_waited_for(steps: StepRunner) -> None:
    answers = ["held 7 apt-get /var/lib/dpkg/lock\n", ""]
    steps.set_state(states.READY, guard={"pid": 1})
    steps.context_fields = {"clock": FakeClock(), "server": FakeServer(lambda script, privileged: {"stdout": answers.pop(0), "stderr": ""})}
    steps.run("arm", probe="held 7 apt-get /var/lib/dpkg/lock\n")
    assert not answers and steps.record.state == states.UPGRADING
    assert steps.progress_lines[0] == "waiting for the package manager: apt-get (process 7) has locked /var/lib/dpkg/lock"


def test_a_package_manager_that_stays_busy_arms_nothing(steps: StepRunner) -> None:
    steps.set_state(states.READY)
    busy = "held 7 apt-get /var/lib/dpkg/lock\n"
    steps.context_fields = {"clock": FakeClock(), "server": FakeServer(lambda script, privileged: {"stdout": busy, "stderr": ""})}
    with pytest.raises(RewindError, match="is busy, also after 300 s"):
        steps.run("arm", probe=busy)
    assert steps.record.state == states.READY


LOGIN_REFUSED = {"msg": "server web1 was lost: root@web1: Permission denied (publickey).", "connection_lost": True}
AGENT = {"observed_at": 1.0, "agent_keys": ["a key"]}


def test_a_problem_of_the_controller_restores_nothing(steps: StepRunner) -> None:
    steps.set_state(states.UPGRADING)
    steps.run_fields = {"controller": AGENT}
    steps.context_fields = {"server": FakeServer(observe_controller=lambda: {**AGENT, "agent_keys": None})}
    steps.run("roll_back", failed_task={"name": "Install"}, failed_result=LOGIN_REFUSED, probe="boot 1")
    assert (steps.record.state, steps.record.outcome) == (states.ENDED, states.UNKNOWN)
    assert steps.record.data["reason"].startswith("Install: server web1 was lost")
    steps.run("wait_restore")
    assert steps.run("verify")["outcome"] == states.UNKNOWN
    message = steps.run("close_run")["msg"]
    assert "nothing was restored, because of a problem of the controller: its SSH agent does not answer any more" in message
    assert SNAPSHOT["name"] in message and "Reason: Install: " in message


def test_what_the_upgrade_may_have_caused_is_restored(steps: StepRunner) -> None:
    for observation in (AGENT, None):
        steps.set_state(states.UPGRADING)
        steps.run_fields = {"controller": AGENT}
        steps.context_fields = {"server": FakeServer(observe_controller=lambda found=observation: found)}
        steps.run("roll_back", failed_task={"name": "Install"}, failed_result=LOGIN_REFUSED)
        assert steps.record.state == states.RESTORING


@pytest.mark.parametrize("result", [
    {"rc": 1, "stderr": "root@web1: Permission denied (publickey)", "msg": "root@web1: Permission denied (publickey)"},
    {"invocation": {}, "msg": "Permission denied"}, {"invocation": {}, "msg": "No space left on device"},
    {"rc": 1, "msg": "can't write the run record"},
])
def test_what_a_command_on_the_server_prints_is_no_problem_of_the_controller(steps: StepRunner, result: dict[str, Any]) -> None:
    steps.set_state(states.UPGRADING)
    steps.run_fields = {"controller": AGENT}
    steps.context_fields = {"server": FakeServer(observe_controller=lambda: {**AGENT, "agent_keys": None, "full_directory": "/root"})}
    steps.run("roll_back", failed_task={"name": "Install"}, failed_result=result, probe="boot 1")
    assert steps.record.state == states.RESTORING


def test_a_server_that_gave_no_logs_is_asked_why(steps: StepRunner) -> None:
    """A failed reboot says only that it timed out."""
    asked = []

    def refuse(script: str, privileged: bool) -> None:
        asked.append((script, privileged))
        raise RewindError("root@web1: Permission denied (publickey)", kind=errors.UNREACHABLE)

    timed_out = {"msg": "Timed out waiting for last boot time check (timeout=600)"}
    for log, expected in (("boot 1", states.RESTORING), ("", states.ENDED)):
        steps.set_state(states.UPGRADING)
        steps.run_fields = {"controller": AGENT}
        steps.context_fields = {"server": FakeServer(refuse, observe_controller=lambda: {**AGENT, "agent_keys": []})}
        steps.run("roll_back", failed_task={"name": "Reboot"}, failed_result=timed_out, probe=log)
        assert steps.record.state == expected
    assert asked == [("echo answers", False)]


def test_a_restore_of_the_guard_stands(steps: StepRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have started since the step has read the run record."""
    steps.set_state(states.UPGRADING)
    steps.run_fields = {"controller": AGENT}

    def observe() -> dict[str, Any]:
        steps.guards[0].handle({"command": "roll_back", "reason": "its time was over", "manual": False})
        return {**AGENT, "agent_keys": []}

    steps.context_fields = {"server": FakeServer(observe_controller=observe)}
    steps.run("roll_back", failed_task={"name": "Reboot"}, failed_result=LOGIN_REFUSED)
    assert steps.record.data["reason"] == "its time was over" and steps.record.state in (states.RESTORING, states.RESTORED)


def test_nothing_is_started_on_a_server_with_another_controllers_marker(steps: StepRunner) -> None:
    steps.set_state(states.PLANNED)
    foreign = "/var/tmp/rewind-guarded-upgrade-20260102T000000Zzz99"
    with pytest.raises(RewindError, match="that is unknown to this controller") as caught:
        steps.run("start_guard", probe=f"boot 11111111-1111\nmarker {foreign}\nend\n")
    assert (caught.value.kind, steps.started) == (errors.BUSY, 0)


def test_prune_waits_for_an_upgrade_that_has_not_ended(steps: StepRunner) -> None:
    path = ServerRecords(steps.directory, "vpsorg", "12345", URL).record_path(RUN_ID)
    steps.listed = [listed(9), listed(8)]
    for state in (states.UPGRADING, states.RESTORING, states.CONFIRMED):
        write_private(path, _text(state))
        with pytest.raises(RewindError, match="may need its snapshot") as caught:
            steps.run("prune")
        assert caught.value.kind == errors.BUSY
    assert not steps.deleted
    write_private(path, _text(states.ENDED))
    assert [item["id"] for item in steps.run("prune", check_mode=True)["pruned"]] == ["8"] and not steps.deleted
    assert [item["id"] for item in steps.run("prune")["pruned"]] == ["8"] == steps.deleted


def test_an_active_guard_is_waited_for_only_if_its_run_has_ended(steps: StepRunner) -> None:
    records, alive = ServerRecords(steps.directory, "vpsorg", "12345", URL), process_identity.identity(os.getpid())
    ended_run = {**alive, "started": "long ago"}
    write_private(records.lock_path, json.dumps(alive))
    for run, check_mode in ((alive, False), (ended_run, True)):
        write_private(records.record_path(RUN_ID), json.dumps(record_data(states.RESTORING, run=run)))
        with pytest.raises(RewindError, match="guards server web1 .* already"):
            steps.run("prune", check_mode=check_mode, rollback_timeout=1, snapshot_timeout=1)

    def end(progress: str) -> None:
        assert "waiting for it" in progress
        write_private(records.record_path(RUN_ID), _text(states.ENDED))
        records.lock_path.unlink()

    steps.progress_lines = SimpleNamespace(append=end)
    assert steps.run("prune")["pruned"] == []


def test_a_failed_rollback_names_the_snapshot_to_restore(steps: StepRunner) -> None:
    for outcome in (states.ROLLBACK_FAILED, states.UNKNOWN):
        steps.set_state(states.ENDED, outcome=outcome, message="it failed")
        result = steps.run("verify")
        assert result["outcome"] == outcome
        assert f"{SNAPSHOT['name']} ({SNAPSHOT['id']}) is kept" in result["next"] and "provider's panel" in result["next"]


@pytest.mark.parametrize(("state", "fields", "next_action"), [
    (None, {}, "none"), (states.SNAPSHOTTING, {}, "none"), (states.READY, {}, "none"),
    (states.ENDED, {"outcome": states.UPGRADED, "acknowledged": True}, "none"),
    (states.ENDED, {"outcome": states.ROLLED_BACK, "acknowledged": True}, "none"), (states.ENDED, {"outcome": states.NOT_STARTED}, "none"),
    (states.ENDED, {"outcome": states.ROLLED_BACK}, "report"), (states.CONFIRMED, {}, "clean_up"),
    (states.ARMED, {}, "roll_back"), (states.UPGRADING, {}, "roll_back"), (states.RESTORING, {}, "roll_back"),
])
def test_finding_an_interrupted_run_starts_nothing(steps: StepRunner, state: str | None, fields: dict[str, Any], next_action: str) -> None:
    if state:
        now = [{"at": states.utc_timestamp(), "state": state}]
        path = ServerRecords(steps.directory, "vpsorg", "12345", URL).record_path(RUN_ID)
        write_private(path, json.dumps(record_data(state, history=now, **fields)))
    found = steps.run("find_interrupted")
    assert (found["run"]["next"], found["run"]["resumed"], found["changed"]) == (next_action, next_action != "none", False)
    assert (steps.started, steps.deleted) == (0, [])
    if next_action != "none":
        assert found["run"]["run_id"] == RUN_ID and found["run"]["snapshot_name"] == SNAPSHOT["name"]


def _text(state: str) -> str:
    return json.dumps(record_data(state))


def test_the_snapshot_is_requested_and_then_waited_for(steps: StepRunner) -> None:
    steps.set_state(states.PLANNED)
    requested = steps.run("request_snapshot", snapshot_timeout=77, stop_server=True, snapshot_prefix="before")
    assert (requested["changed"], requested["run"]["state"]) == (False, states.SNAPSHOTTING)
    assert steps.record.data["snapshot_params"] == {"match": "before????????T??????Z????", "stop_server": True, "seconds": 77}
    ready = steps.run("wait_snapshot")
    assert (ready["changed"], ready["run"]["state"], ready["snapshot"]["id"]) == (True, states.READY, SNAPSHOT["id"])


def test_a_snapshot_that_was_not_seen_ready_fails_the_wait_for_it(steps: StepRunner) -> None:
    steps.set_state(states.SNAPSHOTTING, snapshot_params=None, snapshot_result=failed(errors.FORBIDDEN))
    with pytest.raises(OperationFailed) as failure:
        steps.run("wait_snapshot")
    assert failure.value.result["error"]["kind"] == errors.FORBIDDEN
    for state in (states.PLANNED, states.SNAPSHOTTING, states.UPGRADING):
        steps.set_state(state)
        with pytest.raises(RewindError, match="its snapshot is not ready") as caught:
            steps.run("wait_snapshot")
        assert caught.value.kind == errors.NOT_READY


def test_progress_in_the_run_record_is_reported_while_waiting(steps: StepRunner) -> None:
    steps.set_state(states.UPGRADING)
    (guard,) = steps.guards

    def send(record: RunRecord, request: dict[str, Any], on_idle: Any) -> RunRecord:
        guard.record.update(progress="10 s so far")
        on_idle()
        on_idle()
        steps.record.path.write_text("garbage", encoding="utf-8")
        on_idle()
        return guard.record

    steps.send = send
    steps.run("wait_restore")
    assert steps.progress_lines == ["10 s so far"]


def test_a_wait_that_outlives_its_run_starts_no_other_guard(steps: StepRunner) -> None:
    """The guard of a run that is gone ends when it is done, and a step that still waits for it gets no more messages."""
    steps.set_state(states.UPGRADING)

    def send(record: RunRecord, request: dict[str, Any], on_idle: Any) -> None:
        steps.process["started"] = "long ago"

    steps.send = send
    with pytest.raises(RewindError, match="The run has ended"):
        steps.run("wait_restore")
    assert steps.started == 0


def test_the_reason_shows_no_secret(steps: StepRunner) -> None:
    steps.set_state(states.UPGRADING)
    steps.run("roll_back", reason=f"Install: curl said {TOKEN}")
    assert steps.record.data["reason"] == "Install: curl said ********"
    assert steps.record.state == states.RESTORING
    assert steps.run("wait_restore")["run"]["state"] == states.RESTORED


# --- after a restart by the provider


@pytest.mark.parametrize(("answer", "output", "error"), [
    ("begin\nboot aaaaaaaa\nend\n", "begin\nboot aaaaaaaa\nend\n", ""),
    (ServerUnavailable("ssh: Host key verification failed."), "", "ssh: Host key"),
])
def test_a_server_that_does_not_answer_is_a_result_and_no_failure(steps: StepRunner, answer: Any, output: str, error: str) -> None:
    steps.set_state(states.RESTORED)
    calls = []

    def probe_as_planned(script: str, seconds: float, login: dict[str, Any]) -> str:
        calls.append((script, login))
        if isinstance(answer, ServerUnavailable):
            raise answer
        return answer

    steps.run_fields = {"login": {"become": None}, "checks": ["/a/check.yml"]}
    steps.context_fields = {"probe_as_planned": probe_as_planned, "refresh_facts": lambda: {"pkg_mgr": "dnf5"}}
    result = steps.run("reconnect", script="probe it")
    assert calls == [("probe it", {"become": None})]
    assert (result["stdout"], result["connection_error"][:len(error)]) == (output, error) and not result.get("failed")
    assert result.get("ansible_facts") == (None if error else {"pkg_mgr": "dnf5"}), "what Ansible knew may be of the time before the restore"
    steps.run_fields = {"checks": []}
    assert "ansible_facts" not in steps.run("reconnect", script="probe it"), "a module may write files on the restored server"


def test_units_of_a_restored_server_are_observed_after_its_startup(steps: StepRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.set_state(states.RESTORED)
    pauses: list[float] = []
    monkeypatch.setattr(reconnect.time, "sleep", pauses.append)
    starting, started = "begin\nunits known\nsystem starting\nend\n", "begin\nunits known\nsystem degraded\nunit a.service\nend\n"
    answers: list[Any] = [starting, starting, ServerUnavailable("refused"), started]

    def probe_as_planned(script: str, seconds: float, login: dict[str, Any]) -> str:
        answer = answers.pop(0)
        if isinstance(answer, ServerUnavailable):
            raise answer
        return answer

    steps.context_fields = {"probe_as_planned": probe_as_planned}
    assert steps.run("reconnect", script="probe it")["stdout"] == started
    assert pauses == [reconnect.STARTUP_INTERVAL] * 3


@pytest.mark.parametrize(("planned", "current", "handlers", "left_over", "fact", "variable"), [
    ("ssh", GUARDED, False, False, "", ""),  # the keyword is enough
    ("ssh", "ssh", False, False, GUARDED, "ssh"),  # a variable comes before it
    ("ssh", GUARDED, True, False, GUARDED, ""),  # handlers have the play's keyword
    (GUARDED, GUARDED, False, False, GUARDED, GUARDED),  # the user's own variable
    (GUARDED, GUARDED, False, True, GUARDED, ""),  # an earlier run of the role has left it
    ("community.docker.docker", "community.docker.docker", True, False, "", ""),
])
def test_a_fact_for_the_connection_is_set_only_where_a_keyword_is_not_enough(
    steps: StepRunner, planned: str, current: str, handlers: bool, left_over: bool, fact: str, variable: str,
) -> None:
    steps.set_state(states.UPGRADING, guard={"pid": 1})
    steps.run_fields = {"connection": planned, "login": {"is_left_over": left_over}, "next": "roll_back"}
    steps.context_fields = {"has_handlers": handlers}
    run = steps.run("start_guard", connection=current)["run"]
    assert (run["connection_fact"], run["connection_variable"]) == (fact, variable)


# --- the marker and what is observed


@pytest.mark.parametrize(("state", "recorded"), [(states.UPGRADING, True), (states.RESTORING, False), (states.RESTORED, False)])
def test_what_is_observed_just_before_the_restore_is_recorded_and_never_the_restored_server(steps: StepRunner, state: str, recorded: bool) -> None:
    steps.set_state(state, times_before_restore={"/var": "as written"})
    marker = steps.record.data["marker"]
    probe = f"begin\nboot 22222222-2222\nmarker {marker}\ntime seen /var\nsum 1 /etc/os-release\nend\nlogs\n"
    steps.run("roll_back", probe=probe, reason="it failed")
    data = steps.record.data
    observed = {name: data.get(name) for name in ("boot_before_restore", "times_before_restore", "markers_before_restore")}
    if recorded:
        assert observed == {"boot_before_restore": "22222222-2222", "times_before_restore": {"/var": "seen"}, "markers_before_restore": [marker]}
        assert data["checksums_before_restore"] == {"/etc/os-release": "1"}
    else:
        assert observed == {"boot_before_restore": None, "times_before_restore": {"/var": "as written"}, "markers_before_restore": None}


def test_the_times_as_of_the_snapshot_and_after_it_are_recorded_when_the_guard_is_armed(steps: StepRunner) -> None:
    steps.set_state(states.READY, guard={"pid": 1})
    steps.run("arm", probe="sudo\nbegin\ntime 1 /var\ntime 2 /\nchanged 3 /var\nchanged 2 /\nend\n")
    data = steps.record.data
    assert data["times_at_snapshot"] == {"/var": "1"}, "the other one could not be changed"
    assert data["times_after_snapshot"] == data["times_before_restore"] == {"/var": "3"}


def test_the_marker_is_in_a_directory_that_survives_a_boot_or_nothing_is_started(steps: StepRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    path = steps.directory / "vpsorg-12345-0" / RUN_ID / "run.json"
    run = {"run_record": str(path), "connection": "ssh", "next": "upgrade", "resumed": False, "run_id": RUN_ID, "snapshot_name": "rewind",
           "server": {"id": "12345"}, "cloud": "VPS.org", "tasks": [], "checks": [], "marker": f"/run/rewind-guarded-upgrade-{RUN_ID}"}
    started = []

    def start(config: dict[str, Any]) -> RunRecord:
        started.append(config["record"])
        return RunRecord(path, {**config["record"], "guard": {"pid": 1}})

    monkeypatch.setattr(base, "start_guard", start)
    with pytest.raises(RewindError, match="has no writable directory on a local disk"):
        steps.run("start_guard", probe="begin\nboot 11111111\nend\n", run=run)
    assert not started
    result = steps.run("start_guard", probe="begin\nboot 11111111\nmarker_dir /var/lib\nend\n", run=run, marker_dir="/run")
    assert result["run"]["marker"] == started[0]["marker"] == f"/var/lib/rewind-guarded-upgrade-{RUN_ID}"
    assert result["run"]["proof_dirs"] == ["/var", "/", "/srv", "/mnt"]
    assert "guarded_upgrade_marker_dir (/run)" in result["warnings"][0]
