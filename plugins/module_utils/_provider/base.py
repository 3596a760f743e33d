# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of a provider: plain data, capabilities, and one set of methods.

Operations know this file only. They ask a provider's `Capabilities` and never which provider it is.
None means absent; a failure is always a `RewindError`.
"""

from __future__ import annotations

import abc
import difflib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .. import _errors as errors
from .._errors import RewindError
from .values import parse_number, parse_text, parse_timestamp, parse_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._http.client import ApiClient

READY = "ready"
PENDING = "pending"
FAILED = "failed"  # the provider's status is known to mean a failure

RUNNING = "running"
STOPPED = "stopped"

UNKNOWN = "unknown"  # a status of a snapshot or a power state that the provider does not show, or shows in an unknown word

UNKNOWN_POWER_WORDS = ("unknown", "unknow", "nil", "null", "none")  # observed: nil and Unknow; as `parse_word` returns them

RESTORING = "restoring"  # Server.task_state, if the provider distinguishes a restore from other operations
PROVISIONING = "provisioning"  # Server.task_state: the provider has not finished creating the server

START = "start"
STOP = "stop"  # graceful: the operating system shuts down

MAX_PAGES = 2000
MAX_LIST_ATTEMPTS = 4  # for a list that changes while it is read


@dataclass(frozen=True)
class Server:
    """A server. A row of the provider may lack anything, so every field may be None."""

    id: str | None  # its identity at the provider (VPS.org: the number as text, or the UUID; Ilkbyte: the name)
    name: str | None = None  # its name, or None while only the id is known
    power_state: str | None = None  # `running`, `stopped`, `unknown`, another value of the provider, or None if it was not read
    task_state: str | None = None  # the operation in progress (`restoring`, …), or None
    addresses: tuple[str, ...] = ()  # all its IP addresses in canonical form, IPv4 first
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the provider's own object; never shown: it may hold a password

    @property
    def address(self) -> str | None:
        """Return its first IP address."""
        return self.addresses[0] if self.addresses else None

    @property
    def label(self) -> str:
        """Return how messages name the server."""
        if self.id is None:
            return f"{self.name or self.address or 'unnamed'} (without an id)"
        return f"{self.name} ({self.id})" if self.name and self.name != self.id else self.id

    def to_result(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "power_state": self.power_state, "task_state": self.task_state, "address": self.address}


@dataclass(frozen=True)
class Schedule:
    """A schedule that takes a snapshot again: every `day` days at `hour`:`minute`, in the provider's time zone."""

    day: int | None  # None if the provider's text cannot be parsed
    hour: int | None
    minute: int | None
    last_run: str | None = None  # UTC, ISO 8601, or None
    next_run: str | None = None  # UTC, ISO 8601, or None

    @property
    def is_complete(self) -> bool:
        """Return whether all three parts are known, so that the schedule can be set again."""
        return None not in (self.day, self.hour, self.minute)

    def to_result(self) -> dict[str, Any]:
        return {"day": self.day, "hour": self.hour, "minute": self.minute, "last_run": self.last_run, "next_run": self.next_run}


@dataclass(frozen=True)
class Snapshot:
    """A snapshot. A row of the provider may lack anything: see `missing`."""

    id: str | None  # its identity at the provider (Ilkbyte: its name)
    name: str | None
    server: Server  # the server it belongs to
    status: str  # `ready`, `pending`, `failed` or `unknown`
    provider_status: str | None = None  # the provider's own status, or None
    size_mb: int | None = None  # MB, or None if unknown
    created_at: str | None = None  # UTC, ISO 8601 with Z, or None
    description: str | None = None
    current: bool | None = None  # Whether the server's state descends from it. Says nothing about changes since then.
    parent: str | None = None  # the snapshot on top of which it was taken, or None
    power_state: str | None = None  # the power state that it contains and that a restore brings back (`running`, `stopped`), or None
    schedule: Schedule | None = None
    names_server: bool = True  # whether the row names its server; otherwise the provider listed it when that server was requested
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def label(self) -> str:
        """Return what messages call it: with its id if that differs from the name."""
        if self.name is None:
            return f"without a name ({self.id or 'and without an id'})"
        return self.name if self.id in (None, self.name) else f"{self.name} ({self.id})"

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what its row lacks. A snapshot that lacks anything is restored and deleted only by its id, and retention ignores it."""
        parts = {
            "id": self.id is not None, "name": self.name is not None, "readable date": self.created_at is not None,
            "known status": self.status != UNKNOWN, "server": self.names_server and self.server.id is not None,
        }
        return tuple(part for part, is_present in parts.items() if not is_present)

    def to_result(self) -> dict[str, Any]:
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
    """What the provider says about the credentials."""

    name: str | None = None  # the account's email address or name
    permissions: tuple[str, ...] | None = None  # what they permit, in the provider's terms; None if the provider does not say
    permits_changes: bool | None = None  # of servers and snapshots; None if that is unknown
    address: str | None = None  # the caller's IP address as the provider sees it
    # What stays the same when the credentials are replaced, and differs between accounts; None if the provider does not say.
    identity: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Credential:
    """One secret that the provider requires, and where a request carries it: in a header or in the query."""

    option: str  # Name of the option. No other provider uses it, so that no secret is ever sent to another provider.
    description: str  # what messages call it, with its article
    env_vars: tuple[str, ...]  # environment variables that hold it; the first one that is set counts
    header: str | None = None  # name of the header, or None
    query: str | None = None  # name of the query parameter, or None
    prefix: str = ""  # text in front of the secret


@dataclass(frozen=True)
class ProviderEndpoint:
    url: str
    url_env_var: str
    credentials: tuple[Credential, ...]
    optional_path: str = ""  # end of the URL that the provider's own clients may leave out
    client_config: str | None = None  # JSON file of the provider's own client, with credentials and `api_url` by the names of the options


@dataclass(frozen=True)
class Capabilities:
    """What a provider can do, and its rules."""

    name_pattern: str  # what the complete name of a snapshot must match
    name_rule: str  # the same rule for people
    max_snapshots: int | None  # limit for one server; None if no limit is known
    unique_names: bool  # whether names are unique among the snapshots of a server
    lists_all_snapshots: bool  # whether one call lists the snapshots of all servers
    server_list_has_details: bool  # whether the list of servers has the same details as the call for one server
    description: bool  # whether a snapshot can have a description
    recreate: bool  # whether one call replaces a snapshot by a new one of the same name
    schedule: bool  # whether the provider has schedules
    schedule_timezone: tuple[str, int] | None  # time zone of a schedule's time and its constant offset to UTC in minutes; None without schedules
    power: bool  # whether servers can be started and stopped
    snapshot_tree: bool  # whether snapshots have parents, and one of them is current
    synchronous_delete: bool  # whether a snapshot is gone when its deletion is answered
    reports_restoring: bool  # whether a server's `task_state` distinguishes a restore (`restoring`) from other operations
    restore_leaves_running: bool  # whether a successful restore leaves the server running, whatever the snapshot contains
    expected_create_seconds: float  # when a snapshot is usually ready
    expected_restore_seconds: float  # when a restore is usually finished


class Provider(abc.ABC):
    """One account at a provider."""

    display_name: str
    endpoint: ProviderEndpoint
    capabilities: Capabilities
    change_permission = "to change servers and snapshots"  # which permission a change needs, in the provider's terms

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def server_time(self) -> datetime:
        return self._api.server_time()

    @abc.abstractmethod
    def server_from_reference(self, reference: str) -> Server | None:
        """Return the server that the reference identifies by itself; None if that needs a request."""

    @abc.abstractmethod
    def get_server(self, reference: str) -> Server:
        """Return the one server with this id, uuid, hostname or name, including its power state.

        Raises:
            RewindError: `not_found` or `ambiguous`, with the candidates.
        """

    def aliases_of(self, server: Server) -> set[str]:
        """Return all references to a listed server."""
        return {name for name in (server.id, server.name) if name}

    def resolve_server(self, reference: str, servers: list[Server]) -> Server:
        """Return the one of these servers that the reference means.

        Raises:
            RewindError: As `get_server`.
        """
        identified = self.server_from_reference(reference)
        if identified is not None:
            matches = [server for server in servers if server.id == identified.id]
        else:
            matches = [server for server in servers if reference in self.aliases_of(server)]
        if len(matches) == 1 and matches[0].id is None:
            raise RewindError(
                f"{self.display_name} lists server {reference!r} without an id, so no request can name it",
                kind=errors.INVALID_RESPONSE, server=reference, hint="check the server in the provider's panel",
            )
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise RewindError(
                f"{len(matches)} servers at {self.display_name} are named {reference!r}: {_format_servers(matches)}",
                kind=errors.AMBIGUOUS, server=reference, hint="name the server by its id",
            )
        by_name = {server.name or server.label: server for server in servers}
        suggestions = [by_name[name] for name in difflib.get_close_matches(reference, by_name, n=5, cutoff=0.5)]
        if suggestions:
            hint = f"did you mean {_format_servers(suggestions)}?"
        elif servers:
            hint = f"servers of this account: {_format_servers(servers[:8])}{', …' if len(servers) > 8 else ''}"
        else:
            hint = "this account has no servers; are these the right credentials?"
        raise RewindError(
            f"There is no server {reference!r} in this {self.display_name} account", kind=errors.NOT_FOUND, server=reference, hint=hint
        )

    def with_addresses(self, server: Server) -> Server:
        """Return a listed server with its addresses, also those that the list does not show."""
        return server

    def is_named_by_snapshots(self, server: Server) -> bool:
        """Return whether the snapshots in the account's list name this server by its id."""
        return server.id is not None

    def invalidate(self) -> None:
        """Discard cached reads, if the provider has any."""
        return

    @abc.abstractmethod
    def list_servers(self) -> list[Server]:
        """Return all servers of the account."""

    @abc.abstractmethod
    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        """Return the snapshots of one server, or of all servers."""

    @abc.abstractmethod
    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot | None:
        """Start a snapshot. None if the provider accepts without returning it: then find it in the list."""

    @abc.abstractmethod
    def restore_snapshot(self, snapshot: Snapshot) -> None:
        """Overwrite the snapshot's server with the snapshot."""

    @abc.abstractmethod
    def delete_snapshot(self, snapshot: Snapshot) -> bool:
        """Delete the snapshot permanently. False if it was gone already."""

    @abc.abstractmethod
    def set_power(self, server: Server, action: str) -> None:
        """Start or stop the server (`start`, `stop`). Does not wait for the new power state."""

    @abc.abstractmethod
    def whoami(self) -> Account:
        """Return the account of the credentials and what they permit, with one read."""

    def get_account(self) -> Account:
        """Return the same with the account's name and identity, where the provider says them elsewhere."""
        return self.whoami()

    # --- optional: see the capabilities

    def recreate_snapshot(self, snapshot: Snapshot) -> None:
        """Replace the snapshot by a new one of the same name (only with the capability `recreate`)."""
        raise unsupported(self, "re-creating a snapshot")

    def add_schedule(self, snapshot: Snapshot, schedule: Schedule) -> None:
        """Add a schedule to an existing snapshot (only with the capability `schedule`)."""
        raise unsupported(self, "snapshot schedules")

    def remove_schedule(self, snapshot: Snapshot) -> None:
        """Remove the schedule of a snapshot (only with the capability `schedule`)."""
        raise unsupported(self, "snapshot schedules")

    # --- for subclasses

    def _read_until_consistent(self, operation: str, read_once: Callable[[], list | None]) -> list:
        """Return a list of several pages. `read_once` returns None if the list changed between two pages; then all are read again."""
        for _attempt in range(MAX_LIST_ATTEMPTS):
            found = read_once()
            if found is not None:
                return found
        raise unexpected_response(self.display_name, operation, f"the list changed {MAX_LIST_ATTEMPTS} times while it was read")

    def _unverified_response(self, operation: str, problem: str, server: str, snapshot: str | None = None) -> RewindError:
        """Return the error for a change whose status is a success and whose body does not confirm it."""
        error = unexpected_response(self.display_name, operation, problem)
        error.outcome = errors.UNKNOWN
        return error.add_context(server, snapshot)


def not_provisioned(server: Server) -> RewindError:
    """Return the error for a server that exists and that the provider has not finished creating."""
    return RewindError(
        f"Server {server.label} is still being provisioned", kind=errors.NOT_READY, server=server.label,
        hint="run again when the provider has finished creating the server",
    )


def unsupported(provider: Provider, feature: str, hint: str | None = None) -> RewindError:
    """Return the error for something that the provider cannot do at all."""
    return RewindError(f"{provider.display_name} does not support {feature}", kind=errors.UNSUPPORTED, hint=hint)


def _format_servers(servers: list[Server]) -> str:
    return ", ".join(server.label for server in servers)


def age_seconds(created_at: str | None, now: datetime) -> float | None:
    """Return the seconds since a snapshot was created, never below 0; None if its date is unknown."""
    created = parse_timestamp(created_at)
    return max(0.0, (now - created).total_seconds()) if created else None


def account_identity(data: dict[str, Any], *keys: str) -> str | None:
    """Return the values of these keys as one text, in this order; None if there is none. Letter case does not count."""
    values = (parse_text(data.get(key)) or parse_number(data.get(key)) for key in keys)
    return " ".join(value.lower() for value in values if value) or None


def is_transitional(status: str) -> bool:
    """Return whether a power state means that something is in progress: `starting`, `restoring`, `pending` …"""
    word = parse_word(status) or ""
    return (word.endswith("ing") and word != RUNNING) or word in ("pending", "inprogress", "queued")


def unexpected_response(display_name: str, operation: str, problem: str) -> RewindError:
    """Return the error for a response that is JSON but not what the API documents."""
    return RewindError(
        f"Unexpected response from {display_name} ({operation}: {problem})",
        kind=errors.INVALID_RESPONSE,
        operation=operation,
        hint="check api_url; if it is right, the provider's API may have changed: please report this",
    )
