# SPDX-License-Identifier: GPL-3.0-or-later
"""Races in the operations: concurrent changes, a signal between two changes, a temporary rejection."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from builders import SERVER, FakeClock, snapshot
from fakes.provider import FakeProvider, make_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import power, snapshot_cron
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Schedule
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline
from ansible_collections.rewind.vps.plugins.module_utils._wait.restore import RestoreTracker
from ansible_collections.rewind.vps.plugins.module_utils._wait.waiters import wait_snapshot_ready

OLD = "2025-01-01T00:00:00Z"


def refusal(outcome: str = errors.NOT_APPLIED, kind: str = errors.PROVIDER_REJECTED) -> RewindError:
    return RewindError("The cloud said no", kind=kind, outcome=outcome)


def test_retention_reads_again_before_it_deletes() -> None:
    """While the new snapshot is created, an old one that was to be deleted gets a schedule."""
    provider = FakeProvider("vpsorg", snapshot("nightly1", id="1", created_at=OLD), snapshot("nightly2", id="2", created_at=OLD))

    def interfere(change: str) -> None:
        if change.startswith("create"):
            provider.snapshots[0] = replace(provider.snapshots[0], schedule=Schedule(1, 2, 3))

    provider.before = interfere
    result = snapshot_operation.run(make_context(provider, name="nightly3", retain={"count": 1, "match": "nightly*"}))
    assert provider.requests == ["create nightly3", "delete 2"]
    assert [item["id"] for item in result["pruned"]] == ["2"]


def test_a_create_whose_answer_is_lost_is_reconciled() -> None:
    """By an id that did not exist before: an old snapshot of the same name is not the new one."""
    provider = FakeProvider("vpsorg", snapshot(id="1", created_at=OLD))

    def lost(change: str) -> None:
        if change.startswith("create"):
            provider.snapshots.append(snapshot(id="2", created_at="2026-06-01T00:00:00Z"))
            raise refusal(errors.UNKNOWN, errors.TIMEOUT)

    provider.before = lost
    result = snapshot_operation.run(make_context(provider, max_age=60))
    assert provider.requests == ["create nightly", "delete 1"]
    assert result["snapshot"]["id"] == "2" and result["changed"] is True


def test_a_start_that_is_refused_for_now_is_requested_again() -> None:
    """Some providers start no server whose snapshot is still in progress."""
    provider = FakeProvider("vpsorg")
    provider.power_state = "stopped"
    refusals = [refusal(), refusal(kind=errors.BUSY), refusal(kind=errors.RATE_LIMITED)]

    def no_at_first(change: str) -> None:
        if refusals:
            raise refusals.pop(0)

    provider.before = no_at_first
    assert power.start(make_context(provider), SERVER, Deadline(60, FakeClock())).power_state == "running"
    assert provider.requests == ["start"] * 4


def test_a_start_that_may_have_happened_is_not_requested_again_at_once() -> None:
    provider = FakeProvider("vpsorg")
    provider.power_state = "stopped"

    def unknown(change: str) -> None:
        raise refusal(errors.UNKNOWN, errors.TIMEOUT)

    provider.before = unknown
    with pytest.raises(RewindError) as caught:
        power.start(make_context(provider), SERVER, Deadline(50, FakeClock()))
    assert provider.requests == ["start"]
    assert caught.value.outcome == errors.UNKNOWN


@pytest.mark.parametrize(("requests", "outcome"), [(True, errors.UNKNOWN), (False, errors.NOT_APPLIED)])
def test_a_timeout_reports_whether_anything_was_requested(requests: bool, outcome: str) -> None:
    pending = snapshot(status="pending")
    waiting = make_context(FakeProvider("vpsorg", pending))
    waiting.changes.request_sent = requests
    with pytest.raises(RewindError) as caught:
        wait_snapshot_ready(waiting, pending, Deadline(50, FakeClock()))
    assert (caught.value.kind, caught.value.outcome) == (errors.WAIT_TIMEOUT, outcome)


@pytest.mark.parametrize(("requests", "surely", "outcome"), [
    (True, True, errors.FAILED), (False, True, errors.FAILED), (True, False, errors.UNKNOWN), (False, False, errors.NOT_APPLIED),
])
def test_an_unknown_status_is_not_called_a_failure(requests: bool, surely: bool, outcome: str) -> None:
    odd = snapshot(status="failed", failure_confirmed=surely, provider_status="restoring")
    waiting = make_context(FakeProvider("vpsorg", odd))
    waiting.changes.request_sent = requests
    with pytest.raises(RewindError, match="restoring") as caught:
        wait_snapshot_ready(waiting, odd, Deadline(50, FakeClock()))
    assert (caught.value.kind, caught.value.outcome) == (errors.OPERATION_FAILED, outcome)


def test_a_snapshot_that_was_the_current_one_before_proves_no_restore() -> None:
    """Ilkbyte calls the newest snapshot current whether or not anything was restored."""
    for was, proves in ((True, False), (False, True)):
        listed = snapshot("one", id="one", current=True)
        assert RestoreTracker(make_context(FakeProvider("ilkbyte", listed)), SERVER, replace(listed, current=was)).became_current() is proves


def test_a_signal_leaves_no_snapshot_without_its_schedule() -> None:
    """It arrives between the removal of the old schedule and the creation of the new one; it is redelivered after both."""
    provider = FakeProvider("ilkbyte", snapshot("one", id="one", schedule=Schedule(1, 2, 3)))
    provider.before = lambda change: os.kill(os.getpid(), signal.SIGTERM) if change == "remove" else None
    redelivered: list[int] = []
    ctx = make_context(provider, name="one", day=4, hour=5, minute=6)
    ctx.redeliver_signal = redelivered.append

    def ended(number: int, frame: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGTERM, ended)
    try:
        snapshot_cron.run(ctx)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert provider.requests == ["remove", "add 4 5:6"]
    assert redelivered == [signal.SIGTERM]
