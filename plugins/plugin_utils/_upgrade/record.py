# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run record of a guarded upgrade: its state, on the controller's disk before and after each step.

Only the guard writes it. It contains no secrets.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...module_utils import _errors as errors
from ...module_utils import _files
from ...module_utils._errors import RewindError
from ...module_utils._text import to_valid_utf8

# States, in the order of an upgrade that goes well; then those of a rollback; ENDED has an outcome.
PLANNED = "planned"
SNAPSHOTTING = "snapshotting"  # the snapshot may have been asked for, and was not yet seen ready
READY = "snapshot_ready"  # read back from the provider
ARMED = "armed"  # from here on an end without a word means rollback
UPGRADING = "upgrading"
CHECKING = "checking"
AWAITING = "awaiting_confirmation"  # all checks have passed; a person confirms, or the deadline rolls back
CONFIRMED = "confirmed"  # no rollback any more; tidying up
RESTORING = "restoring"  # the restore may have been asked for
RESTORED = "restored"  # confirmed by the provider; not yet verified on the server
ENDED = "ended"

UNARMED_STATES = (PLANNED, SNAPSHOTTING, READY)
ARMED_STATES = (ARMED, UPGRADING, CHECKING, AWAITING)

# Outcomes
UPGRADED = "upgraded"
ROLLED_BACK = "rolled_back"
ROLLBACK_FAILED = "rollback_failed"
UNKNOWN = "unknown"
NOT_STARTED = "not_started"  # it ended before anything was changed on the server

MAX_RECORD_BYTES = 16_000_000  # of the file
MAX_RUNS = 20  # run records of one server that are kept with their diagnostics

STATES = (*UNARMED_STATES, *ARMED_STATES, CONFIRMED, RESTORING, RESTORED, ENDED)
OUTCOMES = (UPGRADED, ROLLED_BACK, ROLLBACK_FAILED, UNKNOWN, NOT_STARTED)
_ID_CHARACTERS = "0123456789abcdefghjkmnpqrstvwxyz"
MARKER_PREFIX = "rewind-guarded-upgrade-"
RUN_ID_GLOB = "????????T??????Z????"
_RUN_ID = re.compile("[0-9]{8}T[0-9]{6}Z[0-9a-z]{4}")


def new_run_id() -> str:
    """Letters and digits only, so that every provider accepts it in a name; sorts by time."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "".join(secrets.choice(_ID_CHARACTERS) for dummy in range(4))


def utc_timestamp() -> str:
    """Now, UTC, ISO 8601 to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RunRecord:
    """The record of one run.

    Attributes:
        path: Its file. Diagnostics of the run are in the same directory.
        data: Plain data, as in the file.
    """

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self.path = path
        self.data = data

    @classmethod
    def load(cls, path: Path) -> RunRecord:
        """Read a run record. Raise RewindError if it can't be read or is not valid."""
        try:
            with open(path, "rb") as file:
                raw = file.read(MAX_RECORD_BYTES + 1)
            data = to_valid_utf8(json.loads(raw.decode("utf-8"))) if len(raw) <= MAX_RECORD_BYTES else None
        except (OSError, ValueError, RecursionError):
            data = None
        if not is_valid_record(data):
            raise _invalid_record_error(path, "can't be read, or it is not valid")
        return cls(path, data)

    @property
    def run_id(self) -> str:
        return self.data["run_id"]

    @property
    def state(self) -> str:
        return self.data["state"]

    @property
    def outcome(self) -> str | None:
        return self.data["outcome"]

    @property
    def snapshot(self) -> dict[str, Any]:
        """`name`, and `id` and `created_at` once it is ready."""
        return self.data["snapshot"]

    @property
    def needs_verification(self) -> bool:
        """Whether the provider has restored the snapshot, and the server was not probed since. The guard alone can't probe it."""
        return self.state == RESTORED or (self.state == ENDED and self.data.get("verified") is False)

    @property
    def server_key(self) -> tuple[str, str]:
        """The provider and the server's id there."""
        return self.data["provider"], self.data["server"]["id"]

    @property
    def server_label(self) -> str:
        server = self.data["server"]
        return f"{server['name']} ({server['id']})" if server.get("name") not in (None, "", server["id"]) else server["id"]

    def update(self, **fields: Any) -> None:
        self.data.update(fields)
        write_private(self.path, json.dumps(self.data, indent=2, sort_keys=True) + "\n")

    def accepts(self, fields: dict[str, Any]) -> bool:
        """Whether it would still be valid with these fields, so that it can be read again."""
        return is_valid_record({**self.data, **fields}) and len(json.dumps(fields)) <= MAX_RECORD_BYTES // 4

    def seconds_between(self, first: str, *later: str) -> float | None:
        """Seconds from entering a state for the last time to the first of the later ones after that; None if it wasn't."""
        started_at = None
        for entry in self.data["history"]:
            if entry["state"] == first:
                started_at = parse_timestamp(entry["at"])
            elif started_at is not None and entry["state"] in later:
                return round((parse_timestamp(entry["at"]) - started_at).total_seconds(), 1)
        return None


def _invalid_record_error(path: Path, what: str) -> RewindError:
    return RewindError(
        f"The run record {path} {what}",
        kind=errors.INVALID_ARGUMENT,
        hint="read the file: if an upgrade failed, its snapshot can be restored with rewind.vps.snapshot_restore; "
        "then move the file away",
    )


def confirmation_deadline(record: RunRecord) -> float | None:
    """Return when an upgrade that awaits its confirmation is rolled back, in seconds since 1970; None for any other."""
    if record.state != AWAITING:
        return None
    entered = next(entry for entry in record.data["history"] if entry["state"] == AWAITING)  # a later entry is of another guard
    return parse_timestamp(entered["at"]).timestamp() + (record.data.get("seconds_allowed") or 0)


def describe_state(record: RunRecord) -> str:
    return f"ended ({record.outcome})" if record.state == ENDED else record.state.replace("_", " ")


class ServerRecords:
    """The run records of one server. `api_url` distinguishes two providers of one kind."""

    def __init__(self, state_dir: str | Path, provider: str, server_id: str, api_url: str) -> None:
        self.path = Path(state_dir).expanduser() / _files.server_key(provider, api_url, server_id)
        self._server_key = (provider, server_id)

    @property
    def lock_path(self) -> Path:
        """Locked by the guard for as long as it lives: one guarded upgrade of a server at a time."""
        return self.path / "lock"

    def runs(self) -> list[Path]:
        """Return the paths of the run records, oldest first."""
        return sorted(self.path.glob("[0-9]*/run.json")) if self.path.is_dir() else []

    def latest(self) -> RunRecord | None:
        runs = self.runs()
        return self._load_own(runs[-1]) if runs else None

    def latest_with_snapshot(self) -> RunRecord | None:
        for path in reversed(self.runs()):
            record = self._load_own(path)
            if record.snapshot.get("id"):
                return record
        return None

    def _load_own(self, path: Path) -> RunRecord:
        """Read a record of this server and of the run that its path names. A copied one would name another server's snapshot."""
        record = RunRecord.load(path)
        if record.server_key != self._server_key or record.run_id != path.parent.name:
            raise _invalid_record_error(path, f"is of another server or run ({record.server_label}, {record.run_id})")
        return record

    def record_path(self, run_id: str) -> Path:
        return self.path / run_id / "run.json"

    def prune_old(self) -> None:
        """Remove what is older than the newest MAX_RUNS."""
        for path in self.runs()[:-MAX_RUNS]:
            with contextlib.suppress(RewindError):
                if RunRecord.load(path).state == ENDED:
                    shutil.rmtree(path.parent, ignore_errors=True)


def latest_records(state_dir: str | Path) -> list[RunRecord]:
    """Return the newest run record of every server, without those that can't be read."""
    records = []
    root = Path(state_dir).expanduser()
    for directory in sorted(root.iterdir()) if root.is_dir() else []:
        runs = sorted(directory.glob("[0-9]*/run.json"))
        if runs:
            with contextlib.suppress(RewindError):
                records.append(RunRecord.load(runs[-1]))
    return records


def make_private_directory(path: Path) -> None:
    """Create it with its missing parents, for the owner only."""
    missing = [path, *path.parents]
    for directory in reversed([directory for directory in missing if not directory.exists()]):
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)


def write_private(path: Path, text: str) -> None:
    """Write the whole text or nothing, for the owner only. It is on the disk when this returns."""
    make_private_directory(path.parent)
    _files.write_private(path, text)


# --- the schema: anything else is never taken for permission to restore or delete

Check = Callable[[Any], bool]


def parse_timestamp(text: str) -> datetime:
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
    if not isinstance(value, dict) or not _text(value.get("state")) or not _text(value.get("at")):
        return False
    try:
        return parse_timestamp(value["at"]).tzinfo is not None
    except ValueError:
        return False


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(_text(item) for item in value.values())


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(_number(item) for item in value.values())


def _values_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(check(item) for item in value.values())


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


_PACKAGE_VERSIONS = _mapping({"from": _text, "to": _text}, {})
_PROBE = {
    "boot_id": _text, "kernel": _text, "failed_units": _list_of(_text), "markers": _list_of(_text), "checksums": _texts,
    "times": _texts, "system_state": _text,
    "restarts": _counts, "restarting": _list_of(_text), "running": _list_of(_text), "stopped": _list_of(_text), "jobs": _texts, "modules_run": _flag,
    "broken_packages": _texts, "disks": _values_of(_mapping({"free_kb": _number, "free_inodes": _number}, {})), "read_only": _list_of(_text),
}
_CHANGES = _mapping(
    {"config_files": _list_of(_text), "rebooted": _flag},
    {"packages": _mapping({"added": _texts, "removed": _texts, "upgraded": _values_of(_PACKAGE_VERSIONS)}, {}), "kernel": _PACKAGE_VERSIONS},
)
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
        "boot_before_restore": _text, "markers_before_restore": _list_of(_text), "checksums_before_restore": _texts,
        "times_at_snapshot": _texts, "times_after_snapshot": _texts, "times_before_restore": _texts, "verified": _flag,
        "acknowledged": _flag, "marker_written": _flag, "seconds_allowed": _number,
        "guard": _mapping({}, _PROCESS), "tasks": _list_of(_text), "checks": _list_of(_text), "roles": _list_of(_text),
        "diagnostics": _list_of(_text), "soaked": _flag, "keep_snapshots": _number, "changes": _CHANGES,
        "check_results": _list_of(_mapping({"check": _text, "level": _text, "result": _text, "detail": _text}, {})),
        "rescue": _mapping({"result": _text, "detail": _text}, {"directory": _text}), "restored": _mapping({"result": _text, "detail": _text}, {}),
        "progress": _text, "snapshot_params": _mapping({"match": _snapshot_pattern, "stop_server": _flag, "seconds": _number}, {}),
        "snapshot_result": _mapping(
            {"changed": _flag, "msg": _text},
            {"failed": _flag, "error": _mapping({}, {}), "snapshot": _mapping({}, {}), "pruned": _list_of(_mapping({"name": _text}, {})),
             "warnings": _list_of(_text)},
        ),
        "before": _mapping({}, _PROBE), "after": _mapping({"observed_at": _number}, _PROBE),
    },
)


def is_valid_record(data: Any) -> bool:
    """Whether it is one in whole: every part that is ever read is what it should be."""
    return (
        _SCHEMA(data)
        and {"outcome", "message"} <= set(data)
        and data["state"] in STATES
        and (data["outcome"] is None or data["outcome"] in OUTCOMES)
        and bool(data["history"])
        and is_marker(data["marker"], data["run_id"])
    )


def is_marker(path: str, run_id: str) -> bool:
    """Whether a path is the marker of that run; the role removes what stands there from the server."""
    return path.startswith("/") and path.rpartition("/")[2] == MARKER_PREFIX + run_id and not set(path) & {"\0", "\n"}
