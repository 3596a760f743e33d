# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore is verified only where a restore that failed half way would have another result."""

from __future__ import annotations

import pytest
from builders import snapshot
from fakes.local_state import LocalStateFixture
from fakes.provider import FakeProvider, make_context

from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot_restore

MESSAGE = "would report the same if the restore had failed half way"


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("holds", ["running", "stopped", None])
@pytest.mark.parametrize("current", [True, False])
@pytest.mark.parametrize("kind", ["vpsorg", "ilkbyte"])
def test_what_is_proven(local_state: LocalStateFixture, kind: str, current: bool, holds: str | None, wait: bool) -> None:
    provider = FakeProvider(kind, snapshot("one", id="one", current=current, power_state=holds))
    provider.power_state = "stopped" if kind == "ilkbyte" and holds != "running" else "running"

    def at_work() -> None:
        provider.task_state = "restoring" if len(local_state.clock.sleeps) < 3 else None

    local_state.on_sleep = at_work
    detectable = not (kind == "ilkbyte" and current and holds != "running")
    for check_mode in (True, False):
        ctx = make_context(provider, check_mode=check_mode, name="one", wait=wait, wait_timeout=600)
        if kind == "vpsorg":
            provider.snapshots = [snapshot("one", id="one", current=current)]
        result = snapshot_restore.run(ctx)
        assert result["verified"] is (wait and detectable)
        assert result["changed"] is True
        assert sum(MESSAGE in warning for warning in ctx.warnings) == (wait and not detectable and not check_mode)
        assert len(ctx.warnings) == (wait and not detectable and not check_mode)
    assert provider.requests[0] == "restore one"


def test_one_that_was_joined_is_proven_like_any_other(local_state: LocalStateFixture) -> None:
    """At Ilkbyte what is joined is a snapshot that concurrently became the current one."""
    provider = FakeProvider("ilkbyte", snapshot("one", id="one", current=False, power_state="stopped"))
    provider.task_state, provider.power_state = "paused", "stopped"

    def done() -> None:
        provider.task_state, provider.snapshots = None, [snapshot("one", id="one", current=True, power_state="stopped")]

    local_state.on_sleep = done
    joined = make_context(provider, name="one", start_server=False)
    result = snapshot_restore.run(joined)
    assert (result["already_in_progress"], result["verified"], provider.requests) == (True, True, [])
    assert not any(MESSAGE in warning for warning in joined.warnings)
