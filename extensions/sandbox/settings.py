# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that can change while the sandbox runs: durations, page sizes, when Ilkbyte responds."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

Range = tuple[float, float]

# Sandbox seconds, from-to, per provider and operation.
DEFAULT_DURATIONS: dict[str, Range] = {
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
    """The current values.

    - `ilkbyte_responds`: `on_start` responds when an operation has started, `on_finish` when it has finished.
    - `vpsorg_page_size`: default page size; None for the provider's own 20. If set, it is also the maximum, so tests get short pages.
    - `ilkbyte_page_size`: servers per page of a server list.
    - `date_offset_seconds`: how far each provider's Date header is ahead of its clock, or behind if negative.
    """

    ilkbyte_responds: str = "on_start"
    vpsorg_page_size: int | None = None
    ilkbyte_page_size: int = 20
    date_offset_seconds: dict[str, float] = field(default_factory=lambda: {"vpsorg": 0.0, "ilkbyte": 0.0})
    seconds: dict[str, Range] = field(default_factory=lambda: dict(DEFAULT_DURATIONS))

    def update(self, changes: dict[str, Any]) -> None:
        """Apply the given changes, all or none. Raises ValueError for an unknown key or value."""
        unknown = set(changes) - set(asdict(self))
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        new = {**vars(self), **changes}
        if new["ilkbyte_responds"] not in ("on_start", "on_finish"):
            raise ValueError("ilkbyte_responds is on_start or on_finish")
        for size in (1 if new["vpsorg_page_size"] is None else new["vpsorg_page_size"], new["ilkbyte_page_size"]):
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ValueError("a page size is an integer from 1 up")
        new["seconds"] = {**self.seconds, **{key: _range(key, value) for key, value in (changes.get("seconds") or {}).items()}}
        date_offsets = {cloud: float(offset) for cloud, offset in (changes.get("date_offset_seconds") or {}).items()}
        if set(date_offsets) - set(self.date_offset_seconds):
            raise ValueError("date_offset_seconds has the keys vpsorg and ilkbyte")
        new["date_offset_seconds"] = {**self.date_offset_seconds, **date_offsets}
        vars(self).update(new)

    def duration(self, operation: str, rng: random.Random) -> float:
        """Return a duration for this operation, in sandbox seconds."""
        return rng.uniform(*self.seconds[operation])


def _range(key: str, value: Any) -> Range:
    if key not in DEFAULT_DURATIONS:
        raise ValueError(f"unknown duration {key}; known: {', '.join(DEFAULT_DURATIONS)}")
    low: Any
    high: Any
    low, high = value if isinstance(value, (list, tuple)) and len(value) == 2 else (value, value)
    if not all(isinstance(number, (int, float)) for number in (low, high)) or not 0 <= low <= high:
        raise ValueError(f"{key} is a number of seconds or [from, to]")
    return (float(low), float(high))
