# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema of a run record. Anything else is never taken for permission to restore or delete. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

MARKER_PREFIX = "rewind-guarded-upgrade-"
RUN_ID_GLOB = "????????T??????Z????"
_RUN_ID = re.compile("[0-9]{8}T[0-9]{6}Z[0-9a-z]{4}")

Check = Callable[[Any], bool]


def parse_timestamp(text: str) -> datetime:
    """Parse a time of a run record."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 10**9


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def _mapping(required: dict[str, Check], optional: dict[str, Check]) -> Check:
    """An object with these keys; the optional ones may be missing or null, and others are not checked."""

    def check(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(key in value and check_value(value[key]) for key, check_value in required.items())
            and all(value.get(key) is None or check_value(value[key]) for key, check_value in optional.items())
        )

    return check


def _history_entry(value: Any) -> bool:
    """Which state, and when, in UTC."""
    if not isinstance(value, dict) or not _text(value.get("state")) or not _text(value.get("at")):
        return False
    try:
        return parse_timestamp(value["at"]).tzinfo is not None
    except ValueError:
        return False


def _checksums(value: Any) -> bool:
    return isinstance(value, dict) and all(_text(item) for item in value.values())


def is_run_id(value: Any) -> bool:
    """Whether it is the id of a run: a valid time and four characters."""
    if not _text(value) or not _RUN_ID.fullmatch(value):
        return False
    try:
        datetime.strptime(value[:16], "%Y%m%dT%H%M%SZ")
    except ValueError:
        return False
    return True


def _snapshot_pattern(value: Any) -> bool:
    """What may be deleted to make room: names that the role makes, and no others."""
    return _text(value) and value.endswith(RUN_ID_GLOB) and value[:-len(RUN_ID_GLOB)].isalnum()


_PROCESS = {"pid": _number, "started": _text, "command": _text, "socket": _text}
_SCHEMA = _mapping(
    {
        "run_id": is_run_id, "state": _text, "host": _text, "provider": _text, "history": _list_of(_history_entry), "marker": _text,
        "server": _mapping({"id": _text}, {"name": _text, "address": _text}),
        "snapshot": _mapping({"name": _text}, {"id": _text, "created_at": _text}),
        "run": _mapping({}, _PROCESS),
        "verification": _list_of(_mapping({"check": _text, "result": _text, "detail": _text}, {})),
    },
    {
        "outcome": _text, "message": _text, "reason": _text, "restore_message": _text, "cloud": _text, "api_url": _text,
        "boot_before_restore": _text, "acknowledged": _flag, "marker_written": _flag, "seconds_allowed": _number,
        "guard": _mapping({}, _PROCESS), "tasks": _list_of(_text), "checks": _list_of(_text), "roles": _list_of(_text),
        "diagnostics": _list_of(_text),
        "progress": _text, "snapshot_params": _mapping({"match": _snapshot_pattern, "stop_server": _flag, "seconds": _number}, {}),
        "snapshot_result": _mapping(
            {"changed": _flag, "msg": _text},
            {"failed": _flag, "error": _mapping({}, {}), "snapshot": _mapping({}, {}), "pruned": _list_of(_mapping({"name": _text}, {})),
             "warnings": _list_of(_text)},
        ),
        "before": _mapping({}, {"boot_id": _text, "failed_units": _list_of(_text), "markers": _list_of(_text), "checksums": _checksums}),
    },
)


def is_valid_record(data: Any, states: Collection[str], outcomes: Collection[str]) -> bool:
    """Whether it is one in whole: every part that is ever read is what it should be."""
    return (
        _SCHEMA(data)
        and {"outcome", "message"} <= set(data)
        and data["state"] in states
        and (data["outcome"] is None or data["outcome"] in outcomes)
        and bool(data["history"])
        and is_marker(data["marker"], data["run_id"])
    )


def is_marker(path: str, run_id: str) -> bool:
    """Whether a path is the marker of that run; the role removes what stands there from the server."""
    return path.startswith("/") and path.rpartition("/")[2] == MARKER_PREFIX + run_id and not set(path) & {"\0", "\n"}
