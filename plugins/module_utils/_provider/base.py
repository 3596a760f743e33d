# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cloud is to this collection: plain data, capabilities, and one set of calls.

Operations know this file only. What a cloud can't do it says in its L(Capabilities); nobody asks which cloud it is.
Where a call returns None, the thing is not there; trouble is always a RewindError.
"""

from __future__ import annotations

import abc
import difflib
import functools
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .. import _errors as errors
from .._errors import RewindError

READY = "ready"
PENDING = "pending"
FAILED = "failed"

RUNNING = "running"
STOPPED = "stopped"

RESTORING = "restoring"  # Server.task_state, where the cloud tells a restore from other work

START = "start"
STOP = "stop"  # graceful: the system inside shuts itself down


@dataclass(frozen=True)
class Server:
    """One server.

    :ivar id: what the cloud knows it by (VPS.org: the number as text; Ilkbyte: the name).
    :ivar name: what people call it; None while only the id is known.
    :ivar power_state: C(running), C(stopped), another word of the cloud's, or None while not asked.
    :ivar task_state: what it is in the middle of (C(restoring), ...), or None.
    :ivar address: its first IP address, or None.
    :ivar raw: the cloud's own object. Never shown: it may hold a root password.
    """

    id: str
    name: str | None = None
    power_state: str | None = None
    task_state: str | None = None
    address: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.name} ({self.id})" if self.name and self.name != self.id else self.id

    def to_result(self) -> dict[str, Any]:
        """For a task's result."""
        return {"id": self.id, "name": self.name, "power_state": self.power_state, "task_state": self.task_state, "address": self.address}


@dataclass(frozen=True)
class Schedule:
    """When a snapshot is taken anew: every C(day) days at C(hour):C(minute), the cloud's time of day.

    :ivar day: None where the cloud's words for it can't be read.
    :ivar last_run: UTC, ISO 8601, or None.
    :ivar next_run: UTC, ISO 8601, or None.
    """

    day: int | None
    hour: int | None
    minute: int | None
    last_run: str | None = None
    next_run: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all three parts are known, so that it could be set again."""
        return None not in (self.day, self.hour, self.minute)

    def to_result(self) -> dict[str, Any]:
        """For a task's result."""
        return {
            "day": self.day, "hour": self.hour, "minute": self.minute,
            "last_run": self.last_run, "next_run": self.next_run,
        }


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of one server.

    :ivar id: its identity at the cloud (Ilkbyte: its name).
    :ivar server: the server it belongs to.
    :ivar status: C(ready), C(pending) or C(failed).
    :ivar provider_status: the cloud's own word for it, or None.
    :ivar failure_confirmed: the word is known to mean that it failed; a word that nobody knows is C(failed), but not surely.
    :ivar size_mb: MB, or None while not known.
    :ivar created_at: UTC, ISO 8601 with Z, or None.
    :ivar current: whether the server's state descends from it; says nothing about whether it has changed since.
    :ivar parent: the snapshot it was taken on top of, or None.
    :ivar power_state: the power state that it holds and a restore brings back (C(running), C(stopped)), or None.
    """

    id: str | None
    name: str
    server: Server
    status: str
    provider_status: str | None = None
    failure_confirmed: bool = False
    size_mb: int | None = None
    created_at: str | None = None
    description: str | None = None
    current: bool | None = None
    parent: str | None = None
    power_state: str | None = None
    schedule: Schedule | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def to_result(self) -> dict[str, Any]:
        """For a task's result."""
        return {
            "id": self.id,
            "name": self.name,
            "server": {"id": self.server.id, "name": self.server.name},
            "status": self.status,
            "provider_status": self.provider_status,
            "size_mb": self.size_mb,
            "created_at": self.created_at,
            "description": self.description,
            "current": self.current,
            "parent": self.parent,
            "power_state": self.power_state,
            "schedule": self.schedule.to_result() if self.schedule else None,
        }


@dataclass(frozen=True)
class Account:
    """Whose credentials these are.

    :ivar name: the account's email address or name.
    :ivar permissions: what the token may do, in the cloud's words; None where it doesn't say.
    """

    name: str | None
    permissions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Credential:
    """One secret that the provider requires, and where a request carries it: in a header or in the query.

    Attributes:
        option: Name of the option. No other provider uses it, so that no secret is ever sent to another provider.
        description: What messages call it, with its article.
        env_vars: Environment variables that hold it; the first one that is set counts.
        header: Name of the header, or None.
        query: Name of the query parameter, or None.
        prefix: Text in front of the secret.
    """

    option: str
    description: str
    env_vars: tuple[str, ...]
    header: str | None = None
    query: str | None = None
    prefix: str = ""


@dataclass(frozen=True)
class ProviderEndpoint:
    """Where a cloud's API is and what it wants to see. The options of all modules are made of it.

    :ivar url: the API's own base URL, without a slash at its end.
    :ivar url_env_var: the environment variable that holds another one.
    :ivar credentials: what the cloud can't do without.
    """

    url: str
    url_env_var: str
    credentials: tuple[Credential, ...]


@dataclass(frozen=True)
class Capabilities:
    """What a cloud can do, and the rules it has.

    :ivar name_pattern: what a snapshot's name must match in whole.
    :ivar name_rule: the same in words.
    :ivar max_snapshots: of one server; None where no limit is known.
    :ivar unique_names: whether two snapshots of one server can't bear one name.
    :ivar lists_all_snapshots: whether one call lists the snapshots of all servers.
    :ivar server_list_has_details: whether the list of servers tells of each what a look at it alone tells.
    :ivar description: whether a snapshot can have one.
    :ivar recreate: whether there is a call that takes a snapshot anew under its name.
    :ivar schedule: whether the cloud has schedules.
    :ivar schedule_timezone: the time zone of their time of day, and the minutes that it is ahead of UTC all year; None without schedules.
    :ivar power: whether servers can be started and stopped.
    :ivar snapshot_tree: whether snapshots have parents and a current one.
    :ivar synchronous_delete: whether a snapshot is gone when its deletion is answered.
    :ivar reports_restoring: whether a server's C(task_state) tells a restore (C(restoring)) from other work.
    :ivar restore_leaves_running: whether a restore that succeeded leaves the server running, whatever the snapshot holds.
    :ivar expected_create_seconds: by when a snapshot is usually done.
    :ivar expected_restore_seconds: by when a restore is usually done.
    """

    name_pattern: str
    name_rule: str
    max_snapshots: int | None
    unique_names: bool
    lists_all_snapshots: bool
    server_list_has_details: bool
    description: bool
    recreate: bool
    schedule: bool
    schedule_timezone: tuple[str, int] | None
    power: bool
    snapshot_tree: bool
    synchronous_delete: bool
    reports_restoring: bool
    restore_leaves_running: bool
    expected_create_seconds: float
    expected_restore_seconds: float


class Provider(abc.ABC):
    """One cloud, spoken to with one set of credentials."""

    display_name: str
    endpoint: ProviderEndpoint
    capabilities: Capabilities

    @abc.abstractmethod
    def server_time(self) -> datetime:
        """The time at the cloud, UTC."""

    @abc.abstractmethod
    def server_from_reference(self, reference: str) -> Server | None:
        """The server that the reference itself identifies, without asking; None where the cloud must be asked."""

    @abc.abstractmethod
    def get_server(self, reference: str) -> Server:
        """The one server with that id, uuid, hostname or name, its power included.

        :raises RewindError: C(not_found) or C(ambiguous), with the candidates.
        """

    def aliases_of(self, server: Server) -> set[str]:
        """Everything that a listed server answers to."""
        return {name for name in (server.id, server.name) if name}

    def resolve_server(self, reference: str, servers: list[Server]) -> Server:
        """The one of the account's servers that a reference means.

        :raises RewindError: as L(get_server).
        """
        identified = self.server_from_reference(reference)
        if identified is not None:
            matches = [server for server in servers if server.id == identified.id]
        else:
            matches = [server for server in servers if reference in self.aliases_of(server)]
        return require_single_match(self.display_name, reference, matches, servers)

    def invalidate(self) -> None:
        """Whatever was read before does not count from now on, where a provider keeps anything for others."""
        return

    @abc.abstractmethod
    def list_servers(self) -> list[Server]:
        """Every server of the account."""

    @abc.abstractmethod
    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        """The snapshots of one server, or of all."""

    @abc.abstractmethod
    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot | None:
        """Start one. None where the cloud accepts without showing it: look for it in the list."""

    @abc.abstractmethod
    def restore_snapshot(self, snapshot: Snapshot) -> None:
        """Overwrite the snapshot's server with it."""

    @abc.abstractmethod
    def delete_snapshot(self, snapshot: Snapshot) -> bool:
        """Delete it for good. False where it was gone already."""

    @abc.abstractmethod
    def recreate_snapshot(self, snapshot: Snapshot) -> None:
        """Take it anew under its name (only with the capability C(recreate))."""

    @abc.abstractmethod
    def set_power(self, server: Server, action: str) -> None:
        """C(start) or C(stop) (gracefully). The answer may come before it is done."""

    @abc.abstractmethod
    def add_schedule(self, snapshot: Snapshot, schedule: Schedule) -> None:
        """Hang a schedule on an existing snapshot (only with the capability C(schedule))."""

    @abc.abstractmethod
    def remove_schedule(self, snapshot: Snapshot) -> None:
        """Take the schedule off a snapshot (only with the capability C(schedule))."""

    @abc.abstractmethod
    def whoami(self) -> Account:
        """Whose credentials these are and what they may do."""


def unsupported(provider: Provider, feature: str, hint: str | None = None) -> RewindError:
    """A cloud's no to something that it never can."""
    return RewindError(f"{provider.display_name} has no {feature}", kind=errors.UNSUPPORTED, hint=hint)


def require_single_match(display_name: str, reference: str, matches: list[Server], servers: list[Server]) -> Server:
    """The only match; else an error that lists whom it could have meant."""
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RewindError(
            f"{len(matches)} servers at {display_name} are called {reference!r}: {_format_servers(matches)}",
            kind=errors.AMBIGUOUS,
            server=reference,
            hint="name the server by its id",
        )
    by_name = {server.name or server.id: server for server in servers}
    suggestions = [by_name[name] for name in difflib.get_close_matches(reference, by_name, n=5, cutoff=0.5)]
    if suggestions:
        hint = f"did you mean {_format_servers(suggestions)}?"
    elif servers:
        hint = f"this account's servers are {_format_servers(servers[:8])}{', …' if len(servers) > 8 else ''}"
    else:
        hint = "this account has no servers: are these the right credentials?"
    raise RewindError(
        f"There is no server {reference!r} in this {display_name} account", kind=errors.NOT_FOUND, server=reference, hint=hint
    )


def _format_servers(servers: list[Server]) -> str:
    return ", ".join(server.label for server in servers)


def to_iso8601(text: Any) -> str | None:
    """A cloud's ISO 8601 time as UTC with Z, to the second; None for what can't be read."""
    timestamp = parse_timestamp(text)
    # Not strftime: it writes the year 999 with three digits, and texts are compared.
    return timestamp.replace(microsecond=0, tzinfo=None).isoformat() + "Z" if timestamp else None


def parse_timestamp(text: Any) -> datetime | None:
    """An ISO 8601 time; one without a zone is taken as UTC. None for what can't be read."""
    return _parse_iso8601(text) if isinstance(text, str) else None


@functools.lru_cache(maxsize=20_000)  # a listing parses each time up to three times
def _parse_iso8601(text: str) -> datetime | None:
    try:
        timestamp = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return (timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def age_seconds(created_at: str | None, now: datetime) -> float | None:
    """Seconds since a snapshot was made, never below 0; None where its date is unknown."""
    created = parse_timestamp(created_at)
    return max(0.0, (now - created).total_seconds()) if created else None


def str_or_none(value: Any) -> str | None:
    """A cloud's text; numbers are taken as their digits, everything else as nothing."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def is_transitional(status: str) -> bool:
    """Whether a power word tells of something under way: C(starting), C(restoring), C(pending) ..."""
    return (status.endswith("ing") and status != RUNNING) or status in ("pending", "in_progress", "queued", "unknown")


def unexpected_response(display_name: str, operation: str, problem: str) -> RewindError:
    """An answer that is JSON but not what the API promises."""
    return RewindError(
        f"{display_name} gave an answer of another shape than expected ({operation}: {problem})",
        kind=errors.INVALID_RESPONSE,
        operation=operation,
        hint="check api_url; if it is right, the cloud's API may have changed: please report this",
    )
