# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the role, apart from any cloud and process: what each refuses, asks its guard for, and deletes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from guard_builders import RUN_ID, SNAPSHOT, FakeActions, failed, guard_in, record_data

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import process_identity
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import OPTIONS, READING_STEPS, STEPS, Context
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord, ServerRecords, write_private
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps import OperationFailed, Steps, base

TOKEN = "vps_S3cretToken0123456789"
URL = "https://cloud.example"
GUARDED = "rewind.vps.guarded_ssh"
PROBE_OUTPUT = "boot 11111111-1111\nunits known\n{units}end\n"


class Scene:
    """A guard whose receipt is in some state, and a run that does one step after the other.

    :ivar guards: what there is to answer, one for each time that is asked; None for a guard that is gone. The last one stays.
    :ivar started: how many guards were started besides.
    :ivar listed: the server's snapshots of this role, newest first.
    :ivar deleted: the ids of the snapshots that were deleted.
    :ivar told: what the run's person was told.
    :ivar ask: asks the guard.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.process = process_identity.identity(os.getpid())
        self.started = 0
        self.listed: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.guards: list[Any] = []
        self.told: list[str] = []
        self.ask = self._ask

        def ask(*arguments: Any) -> RunRecord | None:
            return self.ask(*arguments)  # whatever it is by then: tests replace it

        monkeypatch.setattr(base, "send_request", ask)
        monkeypatch.setattr(base, "start_guard", self._start)
        monkeypatch.setattr(base, "run_operation", self._operate)

    def stand(self, state: str, **fields: Any) -> None:
        """Where the upgrade stands, with a guard at work."""
        self.guards = [guard_in(self.folder, state, FakeActions(), **fields)]

    @property
    def record(self) -> RunRecord:
        return RunRecord.load(self.folder / "vpsorg-12345-0" / RUN_ID / "run.json")

    def do(self, step: str, *, check_mode: bool = False, connection: str = GUARDED, **options: Any) -> dict[str, Any]:
        given = {"step": step, "provider": "vpsorg", "api_token": TOKEN, "api_url": URL, "state_dir": str(self.folder), **options}
        if self.guards:
            given["run"] = {"run_record": str(self.record.path), "connection": "ssh", "next": "upgrade", "resumed": True}
        validation = ArgumentSpecValidator(OPTIONS).validate(given)
        assert not validation.error_messages
        context = Context(
            host="web1", address=None, connection=connection, search_paths=[], process=self.process, command="ansible-playbook", batch=["web1"],
            play_keywords=set(), conditional=None, delegated=None, check_mode=check_mode, progress=self.told.append,
        )
        return Steps(validation.validated_parameters, context).do(step)

    def _ask(self, record: RunRecord, request: dict[str, Any], on_idle: Any = None) -> RunRecord | None:
        guard = self.guards.pop(0) if len(self.guards) > 1 else self.guards[0]
        return RunRecord(record.path, guard.handle(request)["record"]) if guard else None

    def _start(self, config: dict[str, Any]) -> RunRecord:
        self.started += 1
        return RunRecord.load(Path(config["record_path"]))

    def _operate(self, module: str, options: dict[str, Any], **how: Any) -> dict[str, Any]:
        if module == "upgrade_guard":
            return {"server": {"id": "12345", "name": "web1", "address": None}, "cloud": "VPS.org"}
        if module == "snapshot_info":
            return {"snapshots": self.listed}
        assert (module, options["state"]) == ("snapshot", "absent")
        self.deleted.append(options["id"])
        return {"changed": True}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


@pytest.mark.parametrize("step", sorted(set(STEPS) - set(READING_STEPS)))
def test_in_check_mode_only_what_reads_is_done(scene: Scene, step: str) -> None:
    scene.stand(states.UPGRADING)
    with pytest.raises(RewindError, match=f"The step {step} is not for check mode"):
        scene.do(step, check_mode=True)


def test_a_task_that_outlives_its_run_is_left_to_the_guard(scene: Scene) -> None:
    scene.stand(states.CHECKING)
    scene.process = {"pid": os.getpid(), "started": "long ago"}
    with pytest.raises(RewindError, match="The run is gone") as caught:
        scene.do("confirm")
    assert (caught.value.kind, caught.value.outcome) == (errors.INTERRUPTED, errors.UNKNOWN)
    assert scene.record.state == states.CHECKING


def test_a_guard_that_is_gone_is_replaced_once(scene: Scene) -> None:
    scene.stand(states.CHECKING)
    scene.guards.insert(0, None)
    assert scene.do("confirm")["outcome"] == states.UPGRADED
    assert scene.started == 1
    scene.guards = [None]
    with pytest.raises(RewindError, match="went away twice") as caught:
        scene.do("told")
    assert caught.value.outcome == errors.UNKNOWN
    assert scene.started == 2


def test_it_is_not_armed_where_a_lost_connection_would_end_the_play(scene: Scene) -> None:
    scene.stand(states.READY, guard={"pid": 1})
    with pytest.raises(RewindError, match="its loss would end the play"):
        scene.do("arm", connection="ssh")
    assert scene.record.state == states.READY
    scene.do("arm")
    assert scene.record.state == states.ARMED


def test_a_unit_that_fails_since_the_upgrade_fails_the_check(scene: Scene) -> None:
    scene.stand(states.CHECKING, before={"failed_units": ["old.service"]})
    scene.do("compare", look=PROBE_OUTPUT.format(units="unit old.service\n"))
    with pytest.raises(RewindError, match="Failed since the upgrade on server .*: nginx.service"):
        scene.do("compare", look=PROBE_OUTPUT.format(units="unit nginx.service\nunit old.service\n"))
    with pytest.raises(RewindError, match="came to no end"):
        scene.do("compare", look="boot 11111111-1111\nunits known\n")


def listed(number: int, schedule: dict[str, int] | None = None) -> dict[str, Any]:
    return {"id": str(number), "name": f"rewind{number}", "schedule": schedule}


def test_tidying_up_spares_what_has_a_schedule(scene: Scene) -> None:
    """Nor does it count: the newest one without a schedule is kept."""
    scene.stand(states.CONFIRMED)
    scene.listed = [listed(9, {"day": 1}), listed(8), listed(7, {"day": 1}), listed(6), listed(5)]
    assert [item["id"] for item in scene.do("trim")["pruned"]] == ["6", "5"] == scene.deleted


def test_a_check_run_of_prune_deletes_nothing(scene: Scene) -> None:
    scene.listed = [listed(9), listed(8)]
    assert [item["id"] for item in scene.do("prune", check_mode=True)["pruned"]] == ["8"]
    assert scene.deleted == []


def test_nothing_is_begun_on_a_server_with_another_controllers_marker(scene: Scene) -> None:
    scene.stand(states.PLANNED)
    foreign = "/var/tmp/rewind-guarded-upgrade-20260102T000000Zzz99"
    with pytest.raises(RewindError, match="that this controller knows nothing of") as caught:
        scene.do("begin", look=f"boot 11111111-1111\nmarker {foreign}\nend\n")
    assert (caught.value.kind, scene.started) == (errors.BUSY, 0)


def test_prune_waits_for_an_upgrade_that_is_not_over(scene: Scene) -> None:
    path = ServerRecords(scene.folder, "vpsorg", "12345", URL).record_path(RUN_ID)
    scene.listed = [listed(9), listed(8)]
    for state in (states.UPGRADING, states.RESTORING, states.CONFIRMED):
        write_private(path, _text(state))
        with pytest.raises(RewindError, match="may need its snapshot") as caught:
            scene.do("prune")
        assert caught.value.kind == errors.BUSY
    assert not scene.deleted
    write_private(path, _text(states.ENDED))
    assert [item["id"] for item in scene.do("prune")["pruned"]] == ["8"] == scene.deleted


def test_after_a_failed_rollback_it_is_said_which_snapshot_to_restore(scene: Scene) -> None:
    for outcome in (states.ROLLBACK_FAILED, states.UNKNOWN):
        scene.stand(states.ENDED, outcome=outcome, message="it failed")
        told = scene.do("prove")
        assert told["outcome"] == outcome
        assert f"{SNAPSHOT['name']} ({SNAPSHOT['id']}) is kept" in told["next"] and "cloud's panel" in told["next"]


@pytest.mark.parametrize(("state", "fields", "next_action"), [
    (None, {}, "none"), (states.SNAPSHOTTING, {}, "none"), (states.READY, {}, "none"),
    (states.ENDED, {"outcome": states.UPGRADED, "acknowledged": True}, "none"),
    (states.ENDED, {"outcome": states.ROLLED_BACK, "acknowledged": True}, "none"), (states.ENDED, {"outcome": states.NOT_STARTED}, "none"),
    (states.ENDED, {"outcome": states.ROLLED_BACK}, "report"), (states.CONFIRMED, {}, "clean_up"),
    (states.ARMED, {}, "roll_back"), (states.UPGRADING, {}, "roll_back"), (states.RESTORING, {}, "roll_back"),
])
def test_settling_begins_nothing(scene: Scene, state: str | None, fields: dict[str, Any], next_action: str) -> None:
    if state:
        now = [{"at": states.utc_timestamp(), "state": state}]
        write_private(ServerRecords(scene.folder, "vpsorg", "12345", URL).record_path(RUN_ID), json.dumps(record_data(state, history=now, **fields)))
    found = scene.do("unfinished")
    assert (found["run"]["next"], found["run"]["resumed"], found["changed"]) == (next_action, next_action != "none", False)
    assert (scene.started, scene.deleted) == (0, [])
    if next_action != "none":
        assert found["run"]["run_id"] == RUN_ID and found["run"]["snapshot_name"] == SNAPSHOT["name"]


def _text(state: str) -> str:
    return json.dumps(record_data(state))


def test_the_snapshot_is_begun_and_then_waited_for(scene: Scene) -> None:
    scene.stand(states.PLANNED)
    begun = scene.do("snapshot", snapshot_timeout=77, stop_server=True, snapshot_prefix="before")
    assert (begun["changed"], begun["run"]["state"]) == (False, states.SNAPSHOTTING)
    assert scene.record.data["snapshot_params"] == {"match": "before????????T??????Z????", "stop_server": True, "seconds": 77}
    ready = scene.do("await_snapshot")
    assert (ready["changed"], ready["run"]["state"], ready["snapshot"]["id"]) == (True, states.READY, SNAPSHOT["id"])


def test_a_snapshot_that_was_not_seen_ready_fails_the_wait_for_it(scene: Scene) -> None:
    scene.stand(states.SNAPSHOTTING, snapshot_params=None, snapshot_result=failed(errors.FORBIDDEN))
    with pytest.raises(OperationFailed) as failure:
        scene.do("await_snapshot")
    assert failure.value.result["error"]["kind"] == errors.FORBIDDEN
    for state in (states.PLANNED, states.SNAPSHOTTING, states.UPGRADING):
        scene.stand(state)
        with pytest.raises(RewindError, match="its snapshot was not seen ready") as caught:
            scene.do("await_snapshot")
        assert caught.value.kind == errors.NOT_READY


@pytest.mark.parametrize("state", states.UNARMED_STATES)
def test_where_nothing_is_restored_nothing_is_waited_for(scene: Scene, state: str) -> None:
    scene.stand(state)
    scene.guards = [*scene.guards, None]
    assert scene.do("await_restore")["run"]["state"] == state


def test_whoever_waits_is_told_what_the_receipt_says(scene: Scene) -> None:
    scene.stand(states.UPGRADING)
    (guard,) = scene.guards

    def ask(record: RunRecord, request: dict[str, Any], on_idle: Any) -> RunRecord:
        guard.record.update(progress="10 s so far")
        on_idle()
        on_idle()
        scene.record.path.write_text("garbage", encoding="utf-8")
        on_idle()
        return guard.record

    scene.ask = ask
    scene.do("await_restore")
    assert scene.told == ["10 s so far"]


def test_a_wait_that_outlives_its_run_starts_no_other_guard(scene: Scene) -> None:
    """The guard of a run that is gone goes when it is done, and whoever still waited for it hears nothing more."""
    scene.stand(states.UPGRADING)

    def ask(record: RunRecord, request: dict[str, Any], on_idle: Any) -> None:
        scene.process["started"] = "long ago"

    scene.ask = ask
    with pytest.raises(RewindError, match="The run is gone"):
        scene.do("await_restore")
    assert scene.started == 0


def test_the_reason_shows_no_secret(scene: Scene) -> None:
    scene.stand(states.UPGRADING)
    scene.do("roll_back", reason=f"Install: curl said {TOKEN}")
    assert scene.record.data["reason"] == "Install: curl said ********"
    assert scene.record.state == states.RESTORING
    assert scene.do("await_restore")["run"]["state"] == states.RESTORED
