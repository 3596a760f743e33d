# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore is called proven only where one that failed half way would look different."""

from __future__ import annotations

import pytest
from builders import snapshot
from one_machine import Machine
from operation_worlds import Cloud, make_context

from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot_restore

WORDS = "shows nothing that would tell it from a restore that failed half way"


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("holds", ["running", "stopped", None])
@pytest.mark.parametrize("current", [True, False])
@pytest.mark.parametrize("kind", ["vpsorg", "ilkbyte"])
def test_what_is_proven(machine: Machine, kind: str, current: bool, holds: str | None, wait: bool) -> None:
    cloud = Cloud(kind, snapshot("one", id="one", current=current, power_state=holds))
    cloud.power_state = "stopped" if kind == "ilkbyte" and holds != "running" else "running"

    def at_work() -> None:
        cloud.task_state = "restoring" if len(machine.clock.sleeps) < 3 else None

    machine.meanwhile = at_work
    tells = not (kind == "ilkbyte" and current and holds != "running")
    for check_mode in (True, False):
        asked = make_context(cloud, check_mode=check_mode, name="one", wait=wait, wait_timeout=600)
        if kind == "vpsorg":
            cloud.snapshots = [snapshot("one", id="one", current=current)]
        result = snapshot_restore.run(asked)
        assert result["verified"] is (wait and tells)
        assert result["changed"] is True
        assert sum(WORDS in warning for warning in asked.warnings) == (wait and not tells and not check_mode)
        assert len(asked.warnings) == (wait and not tells and not check_mode)
    assert cloud.asked[0] == "restore one"


def test_one_that_was_joined_is_proven_like_any_other(machine: Machine) -> None:
    """At Ilkbyte what is joined is a snapshot that became the current one meanwhile."""
    cloud = Cloud("ilkbyte", snapshot("one", id="one", current=False, power_state="stopped"))
    cloud.task_state, cloud.power_state = "paused", "stopped"

    def done() -> None:
        cloud.task_state, cloud.snapshots = None, [snapshot("one", id="one", current=True, power_state="stopped")]

    machine.meanwhile = done
    joined = make_context(cloud, name="one", start_server=False)
    result = snapshot_restore.run(joined)
    assert (result["already_in_progress"], result["verified"], cloud.asked) == (True, True, [])
    assert not any(WORDS in warning for warning in joined.warnings)
