# SPDX-License-Identifier: GPL-3.0-or-later
"""Describes the running operations of the providers, from their request log."""

from __future__ import annotations

from datetime import datetime

from sandbox import AdminClient

TITLES = {"vpsorg": "VPS.org", "ilkbyte": "Ilkbyte"}
_OPERATIONS = {
    "snapshot_started": ("snapshot", ("snapshot_ready", "snapshot_failed")),
    "restore_started": ("restore", ("restore_done", "restore_failed")),
}


def describe_progress(admin: AdminClient) -> str | None:
    """Return for example "in progress (provider time): snapshot of web1 at VPS.org for 4 min"; None if idle."""
    events = admin.events()
    now = datetime.fromisoformat(admin.clock()["now"].replace("Z", "+00:00"))
    progress = []
    for number, event in enumerate(events):
        if event["event"] not in _OPERATIONS:
            continue
        label, ends = _OPERATIONS[event["event"]]
        if any(later["event"] in ends and later["server"] == event["server"] for later in events[number:]):
            continue
        minutes = (now - datetime.fromisoformat(event["at"].replace("Z", "+00:00"))).total_seconds() / 60
        progress.append(f"{label} of {event['server']} at {TITLES[event['cloud']]} for {minutes:.0f} min")
    return f"in progress (provider time): {', '.join(progress)}" if progress else None
