# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's schedules: every N days at a time of day, in Turkish time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

TURKISH_TIME = timezone(timedelta(hours=3))


@dataclass
class Schedule:
    """When a snapshot is recreated. `sentence` replaces the Turkish one in lists (set by the admin API)."""

    day: int
    hour: int
    minute: int
    next_run: datetime
    last_run: datetime | None = None
    sentence: str | None = None

    @classmethod
    def starting(cls, day: int, hour: int, minute: int, now: datetime) -> Schedule:
        """Create a schedule whose first run is the next time the clock shows `hour:minute`. Day 0 is accepted and means every day."""
        local = now.astimezone(TURKISH_TIME)
        first = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if first <= local:
            first += timedelta(days=1)
        return cls(day, hour, minute, next_run=first)

    def run(self, now: datetime) -> None:
        """Record that the run due by `now` starts. Runs missed because the clock was advanced are not repeated."""
        step = timedelta(days=max(1, self.day))
        missed = max(0, (now - self.next_run) // step)
        self.last_run = self.next_run + missed * step
        self.next_run = self.last_run + step

    def params(self) -> dict[str, Any]:
        """Return the `params` of a snapshot in a list."""
        sentence = f"Her {self.day} günde bir {self.hour:02}:{self.minute:02} saatinde"
        return {
            "is_cron": True,
            "last_run": format_turkish_time(self.last_run) if self.last_run else None,
            "next_run": format_turkish_time(self.next_run),
            "cron_time": sentence if self.sentence is None else self.sentence,
        }


NO_SCHEDULE: dict[str, Any] = {"is_cron": False, "last_run": None, "next_run": None, "cron_time": None}


def format_turkish_time(timestamp: datetime) -> str:
    """Format as 2020-11-23T15:31:07+03:00."""
    return timestamp.astimezone(TURKISH_TIME).isoformat(timespec="seconds")
