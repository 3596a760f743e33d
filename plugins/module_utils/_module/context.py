# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operation receives, and what it has done so far.

An operation receives an `OperationContext` and returns the module's result as plain data. It uses neither HTTP nor AnsibleModule.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Generic, TypeVar

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import PROVISIONING, Account, Provider, Server, Snapshot, not_provisioned
from .._wait.polling import Deadline

T = TypeVar("T")

MAX_NAME_LENGTH = 255  # assumed: no provider documents a limit, and file systems take no more


@dataclass
class Changes:
    """What a task has done.

    Attributes:
        request_sent: A change was sent and not rejected, so something may have happened.
        changed: Something was changed.
        pruned: Other snapshots that this task has deleted.
    """

    request_sent: bool = False
    changed: bool = False
    pruned: list[Snapshot] = field(default_factory=list)


class OncePerTask(Generic[T]):
    """A value that one server of a task reads for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: list[T] = []

    def get(self, read: Callable[[], T]) -> T:
        """Return the value. If the read fails, the next caller reads."""
        with self._lock:
            if not self._values:
                self._values.append(read())
            return self._values[0]


@dataclass
class OperationContext:
    """One task, or one server of a bulk task.

    Attributes:
        options: Normalized options, see `_argspec.py` and `validate` of the module's file.
        progress: Shows a line of progress: how long the task has waited, and for what.
        redeliver_signal: Called with a signal that was deferred, once nothing is left half done.
        changes: Also part of the result of a failed task.
        warnings: For Ansible to show.
        lock: The server's `ServerLock`, while the task holds it (see `server_lock.py`).
        state: The server's `LocalState`, under the same conditions.
        on_server_progress: Shows what is in progress on the server; `progress` by default.
        connect: Opens another connection to the same account.
        account: What the provider says about the credentials; None if it does not.
        admission: Entered while the task holds the lock, to limit how many servers of a bulk task do.
    """

    provider: Provider
    options: dict[str, Any]
    check_mode: bool = False
    diff_mode: bool = False
    progress: Callable[[str], None] = lambda text: None
    redeliver_signal: Callable[[int], None] = lambda number: None
    changes: Changes = field(default_factory=Changes)
    warnings: list[str] = field(default_factory=list)
    lock: Any = None  # not the types: modules that only read are built without `_state`
    state: Any = None
    on_server_progress: Callable[[str], None] | None = None
    connect: Callable[[], Provider] | None = None
    account: OncePerTask[Account | None] = field(default_factory=OncePerTask)
    admission: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext

    def for_server(self, reference: str, provider: Provider, warnings: list[str], **fields: Any) -> OperationContext:
        """Return the context of one server of a bulk task. It shows no waiting time: the summary has that of all servers."""
        options = {**self.options, "server": reference, "servers": None}
        return replace(
            self, provider=provider, options=options, progress=lambda text: None, changes=Changes(), warnings=warnings, **fields,
        )

    @functools.cached_property
    def deadline(self) -> Deadline:
        """The deadline of everything that this task waits for. It starts when it is first used."""
        return Deadline(self.options["wait_timeout"])

    @property
    def is_part_of_bulk(self) -> bool:
        """Whether other servers of the same task are in progress at the same time."""
        return self.admission is not contextlib.nullcontext

    @property
    def server_reference(self) -> str:
        """What the user calls the server."""
        return self.options["server"]

    def report_progress(self, server: Server, description: str) -> None:
        if self.on_server_progress is not None:
            self.on_server_progress(description)
        else:
            self.progress(f"server {server.label}: {description}")

    def send_change(self, change: Callable[[], Any]) -> Any:
        """Send a change, once. Unless it was rejected, `request_sent` is set."""
        sent_before, self.changes.request_sent = self.changes.request_sent, True
        try:
            return change()
        except RewindError as error:
            if error.outcome == errors.NOT_APPLIED:
                self.changes.request_sent = sent_before
            raise

    def get_server_and_snapshots(self, server: Server | None = None) -> tuple[Server, list[Snapshot]]:
        """Return the server and its snapshots, with one request if the reference identifies the server.

        A list that is not empty proves that the server exists. Otherwise the server is read as well.

        Args:
            server: As identified or read before.
        """
        provider, reference = self.provider, server.id if server else self.server_reference  # another server may have the name by now
        server = server or provider.server_from_reference(self.server_reference) or provider.get_server(self.server_reference)
        if server.power_state is not None:  # it was read
            return server, provider.list_snapshots(server)
        try:
            snapshots = provider.list_snapshots(server)
        except RewindError as error:
            if error.kind == errors.NOT_FOUND:
                provider.get_server(reference)  # its error lists similar names
            raise
        if snapshots:
            return snapshots[0].server, snapshots
        return provider.get_server(reference), snapshots


def validate_snapshot_name(provider: Provider, name: str) -> None:
    """Raise `RewindError` if the provider does not allow the name. Nothing is sent."""
    if len(name) > MAX_NAME_LENGTH:
        raise RewindError(
            f"A snapshot name can have at most {MAX_NAME_LENGTH} characters; this one has {len(name)}",
            kind=errors.INVALID_ARGUMENT, hint="choose a shorter name; use description for more text, if the provider supports it",
        )
    if not re.fullmatch(provider.capabilities.name_pattern, name):
        raise RewindError(
            f"{provider.display_name} allows only {provider.capabilities.name_rule} in a snapshot name, so {name!r} is invalid",
            kind=errors.INVALID_ARGUMENT,
            snapshot=name,
            hint=f"choose a name like {_suggest_name(provider, name)!r}",
        )


def _suggest_name(provider: Provider, name: str) -> str:
    allowed = [character for character in name if re.fullmatch(provider.capabilities.name_pattern, character)]
    return "".join(allowed) or "preupgrade"


def select_snapshot(provider: Provider, server: Server, snapshots: list[Snapshot], name: str | None, id_: str | None) -> Snapshot | None:
    """Return the only snapshot with this name, id or both, or None.

    Raises:
        RewindError: `ambiguous` if the name is not unique; `invalid_argument` if id and name differ.
    """
    if id_ is not None:
        found = next((snapshot for snapshot in snapshots if snapshot.id == id_), None)
        if found is not None and name is not None and found.name != name:
            raise RewindError(
                f"id {id_} and name {name!r} do not match: at {provider.display_name}, {id_} is called {found.name!r}",
                kind=errors.INVALID_ARGUMENT,
                server=server.label,
                snapshot=id_,
                hint="use one of them",
            )
        return found
    matches = [snapshot for snapshot in snapshots if snapshot.name == name]
    if len(matches) > 1:
        raise RewindError(
            f"{len(matches)} snapshots of server {server.label} are called {name!r}: {format_snapshots(matches)}",
            kind=errors.AMBIGUOUS,
            server=server.label,
            snapshot=name,
            hint="select one with id",
        )
    return matches[0] if matches else None


def require_complete(snapshot: Snapshot, id_: str | None) -> None:
    """Check that a snapshot that was selected by its name alone lacks nothing: another one may be meant.

    Raises:
        RewindError: `not_ready`, with its id.
    """
    if not snapshot.missing or id_ is not None:
        return
    raise RewindError(
        f"Snapshot {snapshot.label} of server {snapshot.server.label} is listed without a {' and a '.join(snapshot.missing)} "
        f"(provider status {snapshot.provider_status!r}), so its name is not enough to select it",
        kind=errors.NOT_READY, server=snapshot.server.label, snapshot=snapshot.label,
        hint="check it in the provider's panel" + (f"; if it is the right one, select it with id: {snapshot.id}" if snapshot.id else ""),
    )


def require_provisioned(server: Server) -> None:
    """Check that the provider has finished creating the server. Otherwise it has nothing to snapshot or to restore."""
    if server.task_state == PROVISIONING:
        raise not_provisioned(server)


def candidates_hint(snapshots: list[Snapshot]) -> str:
    """Return a hint for a snapshot that is not in the list."""
    return f"choose one of this server's: {format_snapshots(snapshots)}" if snapshots else "this server has none"


def format_snapshots(snapshots: list[Snapshot]) -> str:
    return ", ".join(f"{item.label} {item.status} from {item.created_at or 'an unknown time'}" for item in snapshots)
