# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox's clouds are busy with, in a sentence, from their ledger."""

from __future__ import annotations

from datetime import datetime

from sandbox import Control

TITLES = {"vpsorg": "VPS.org", "ilkbyte": "Ilkbyte"}
_WORK = {
    "snapshot_started": ("snapshot", ("snapshot_ready", "snapshot_failed")),
    "restore_started": ("restore", ("restore_done", "restore_failed")),
}


def under_way(control: Control) -> str | None:
    """Such as "by the clouds' clock: snapshot of web1 (VPS.org) for 4 min, …"; None if the clouds are idle."""
    effects = control.effects()
    now = datetime.fromisoformat(control.clock()["now"].replace("Z", "+00:00"))
    doing = []
    for number, effect in enumerate(effects):
        if effect["effect"] not in _WORK:
            continue
        word, ends = _WORK[effect["effect"]]
        if any(later["effect"] in ends and later["server"] == effect["server"] for later in effects[number:]):
            continue
        minutes = (now - datetime.fromisoformat(effect["at"].replace("Z", "+00:00"))).total_seconds() / 60
        doing.append(f"{word} of {effect['server']} at {TITLES[effect['cloud']]} for {minutes:.0f} min")
    return f"under way, by the clouds' clock: {', '.join(doing)}" if doing else None
