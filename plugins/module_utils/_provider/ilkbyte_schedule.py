# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads Ilkbyte's schedules: C(params) of a snapshot, with a Turkish sentence in it.

C(Her 1 günde bir 02:03 saatinde) means: every 1 day(s) at 02:03 (seed).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

from .base import Schedule, to_iso8601

_SENTENCE = re.compile(r"her\s+(\d{1,3})\s+günde\s+bir\s+(\d{1,2}):(\d{2})\s+saatinde\.?", re.IGNORECASE)


def parse_schedule(params: Any) -> Schedule | None:
    """The schedule in a listed snapshot's C(params), or None where there is none.

    Where the sentence can't be read, the hour and minute are those of C(next_run) and the day is None.
    """
    if not isinstance(params, dict) or params.get("is_cron") is not True:
        return None
    day, hour, minute = _parse_cron_sentence(params.get("cron_time")) or (None, *_time_of_day(params.get("next_run")))
    return Schedule(day, hour, minute, last_run=to_iso8601(params.get("last_run")), next_run=to_iso8601(params.get("next_run")))


def _parse_cron_sentence(sentence: Any) -> tuple[int, int, int] | None:
    if not isinstance(sentence, str):
        return None
    # The ü may come as one character or as u with a diaeresis after it.
    match = _SENTENCE.fullmatch(unicodedata.normalize("NFC", sentence).strip())
    if not match:
        return None
    day, hour, minute = (int(part) for part in match.groups())
    return (day, hour, minute) if day >= 1 and hour < 24 and minute < 60 else None


def _time_of_day(text: Any) -> tuple[int | None, int | None]:
    """Hour and minute as written, in the cloud's own zone, which is what a schedule is set in."""
    try:
        timestamp = datetime.fromisoformat(str(text).strip().replace("Z", "+00:00"))
    except ValueError:
        return None, None
    return timestamp.hour, timestamp.minute
