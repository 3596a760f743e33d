# SPDX-License-Identifier: GPL-3.0-or-later
"""Which state of a guarded upgrade may follow which."""

from __future__ import annotations

import json

import pytest
from guard_builders import record_in

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.guard import transition
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord

ALL = (states.PLANNED, states.SNAPSHOTTING, states.READY, states.ARMED, states.UPGRADING, states.CHECKING, states.CONFIRMED,
       states.RESTORING, states.RESTORED, states.ENDED)
# Every transition of an upgrade; all others are rejected.
ALLOWED = {
    (states.PLANNED, states.SNAPSHOTTING), (states.PLANNED, states.ENDED),
    (states.SNAPSHOTTING, states.SNAPSHOTTING), (states.SNAPSHOTTING, states.READY), (states.SNAPSHOTTING, states.ENDED),
    (states.READY, states.READY), (states.READY, states.SNAPSHOTTING), (states.READY, states.ARMED), (states.READY, states.ENDED),
    (states.ARMED, states.UPGRADING), (states.ARMED, states.RESTORING),
    (states.UPGRADING, states.CHECKING), (states.UPGRADING, states.RESTORING),
    (states.CHECKING, states.CONFIRMED), (states.CHECKING, states.RESTORING),
    (states.CONFIRMED, states.CONFIRMED), (states.CONFIRMED, states.ENDED),
    (states.RESTORING, states.RESTORED), (states.RESTORING, states.ENDED),
    (states.RESTORED, states.ENDED), (states.ENDED, states.RESTORING),
}


@pytest.mark.parametrize("before", ALL)
def test_transitions(tmp_path, before):
    for after in ALL:
        record = record_in(tmp_path, before)
        if (before, after) in ALLOWED:
            transition(record, after, "because", message="why")
            data = json.loads(record.path.read_text(encoding="utf-8"))
            assert data == record.data
            assert (data["state"], data["message"]) == (after, "why")
            assert (data["history"][-1]["state"], data["history"][-1]["note"], len(data["history"])) == (after, "because", 2)
        else:
            with pytest.raises(RewindError) as caught:
                transition(record, after, message="why")
            assert caught.value.kind == "busy" and str(record.path) in caught.value.hint
            assert record.state == before and len(record.data["history"]) == 1
            assert record.data["message"] is None and RunRecord.load(record.path).state == before


def test_no_transition_leads_back_from_confirmed_or_rolled_back_to_the_upgrade():
    reached = {states.CONFIRMED, states.RESTORING}
    while True:
        further = {after for before, after in ALLOWED if before in reached} - reached
        if not further:
            break
        reached |= further
    assert not reached & {*states.UNARMED_STATES, *states.ARMED_STATES}
