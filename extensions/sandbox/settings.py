# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be set while the sandbox runs: how long things take, page sizes, when Ilkbyte answers."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

Range = tuple[float, float]

# Sandbox seconds, from-to, per cloud and operation; power has one line per action.
SECONDS: dict[str, Range] = {
    "vpsorg.snapshots.create": (180, 600),
    "vpsorg.snapshots.restore": (300, 900),
    "vpsorg.servers.power.start": (30, 30),
    "vpsorg.servers.power.stop": (20, 20),
    "vpsorg.servers.power.hard_stop": (2, 2),
    "vpsorg.servers.power.restart": (50, 50),
    "ilkbyte.snapshots.create": (20, 60),
    "ilkbyte.snapshots.update": (20, 60),
    "ilkbyte.snapshots.restore": (30, 90),
    "ilkbyte.snapshots.delete": (1, 3),
    "ilkbyte.servers.power.start": (15, 15),
    "ilkbyte.servers.power.shutdown": (20, 20),
    "ilkbyte.servers.power.reboot": (35, 35),
    "ilkbyte.servers.power.destroy": (1, 1),
}


@dataclass
class Settings:
    """The values in force.

    ``ilkbyte_answers``: ``at_once`` answers when an operation has begun, ``when_done`` when it is over.
    ``vpsorg_page_size``: rows on a page where the request names no ``page_size``; None for the cloud's own 20. When it
    is set it is also the largest page, so that a test gets short pages whatever the client asks for.
    ``ilkbyte_page_size``: servers on a page of a server list.
    ``date_off_seconds``: by how much each cloud's Date headers are ahead of its clock, or behind if negative.
    """

    ilkbyte_answers: str = "at_once"
    vpsorg_page_size: int | None = None
    ilkbyte_page_size: int = 20
    date_off_seconds: dict[str, float] = field(default_factory=lambda: {"vpsorg": 0.0, "ilkbyte": 0.0})
    seconds: dict[str, Range] = field(default_factory=lambda: dict(SECONDS))

    def update(self, changes: dict[str, Any]) -> None:
        """Take over the given changes, all or none.

        :raises ValueError: a key or value that the sandbox does not know; nothing has changed then.
        """
        unknown = set(changes) - set(asdict(self))
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        answers = changes.get("ilkbyte_answers", self.ilkbyte_answers)
        if answers not in ("at_once", "when_done"):
            raise ValueError("ilkbyte_answers is at_once or when_done")
        vpsorg_page_size = changes.get("vpsorg_page_size", self.vpsorg_page_size)
        ilkbyte_page_size = changes.get("ilkbyte_page_size", self.ilkbyte_page_size)
        for size in (1 if vpsorg_page_size is None else vpsorg_page_size, ilkbyte_page_size):
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ValueError("a page size is an integer from 1 up")
        seconds = {key: _range(key, value) for key, value in (changes.get("seconds") or {}).items()}
        date_off_seconds = {cloud: float(off) for cloud, off in (changes.get("date_off_seconds") or {}).items()}
        if set(date_off_seconds) - set(self.date_off_seconds):
            raise ValueError("date_off_seconds has the keys vpsorg and ilkbyte")
        self.date_off_seconds.update(date_off_seconds)
        self.ilkbyte_answers = answers
        self.vpsorg_page_size = vpsorg_page_size
        self.ilkbyte_page_size = ilkbyte_page_size
        self.seconds.update(seconds)

    def duration(self, what: str, rng: random.Random) -> float:
        """How long this takes this time, in sandbox seconds."""
        return rng.uniform(*self.seconds[what])


def _range(key: str, value: Any) -> Range:
    if key not in SECONDS:
        raise ValueError(f"unknown duration {key}; known: {', '.join(SECONDS)}")
    low: Any
    high: Any
    low, high = value if isinstance(value, (list, tuple)) and len(value) == 2 else (value, value)
    if not all(isinstance(number, (int, float)) for number in (low, high)) or not 0 <= low <= high:
        raise ValueError(f"{key} is a number of seconds or [from, to]")
    return (float(low), float(high))
