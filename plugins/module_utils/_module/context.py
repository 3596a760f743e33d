# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operation is given, and what it has done so far.

An operation gets a L(OperationContext) and returns the module's result as plain data. It knows neither HTTP nor AnsibleModule.
"""

from __future__ import annotations

import contextlib
import functools
import re
from dataclasses import dataclass, field
from typing import Any, Callable

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import Provider, Server, Snapshot
from .._state.local_state import LocalState
from .._state.server_lock import ServerLock
from .._wait.polling import Deadline

MAX_NAME_LENGTH = 255  # inferred: no cloud says, and no file system takes more


@dataclass
class Changes:
    """What a task has done.

    :ivar request_sent: a change was sent and not refused, so something may have happened.
    :ivar changed: something was changed.
    :ivar pruned: snapshots that this task has deleted besides.
    """

    request_sent: bool = False
    changed: bool = False
    pruned: list[Snapshot] = field(default_factory=list)


@dataclass
class ServerResult:
    """What became of one of several servers.

    :ivar reference: as the user calls it.
    :ivar value: what was wanted of it; None where it failed.
    :ivar failure: a failed task's result; None where it went well.
    """

    reference: str
    value: Any = None
    failure: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class OperationContext:
    """One task's wishes and means.

    :ivar options: cleaned options (see arguments.py).
    :ivar progress: says one line of progress to a person: how long something has been waited for.
    :ivar on_server_progress: says what is under way at the task's server now; where not given, L(progress) does.
    :ivar connect: opens another connection to the same account.
    :ivar admission: is entered while the task decides about its server; where many do at once, they take turns.
    :ivar redeliver_signal: what to do with a signal that was held back, once nothing is left half done.
    :ivar changes: what this task has changed so far; a failed task's result reports it too.
    :ivar warnings: for Ansible to show.
    :ivar lock: the server's lock, while this task holds it (see server_lock.py); None where there is none.
    :ivar state: the server's notes, as long as C(lock).
    """

    provider: Provider
    options: dict[str, Any]
    check_mode: bool = False
    diff_mode: bool = False
    progress: Callable[[str], None] = lambda text: None
    redeliver_signal: Callable[[int], None] = lambda number: None
    changes: Changes = field(default_factory=Changes)
    warnings: list[str] = field(default_factory=list)
    lock: ServerLock | None = None
    state: LocalState | None = None
    on_server_progress: Callable[[str], None] | None = None
    connect: Callable[[], Provider] | None = None
    admission: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext

    @functools.cached_property
    def deadline(self) -> Deadline:
        """The one deadline of everything that this task waits for; it runs from the first time it is asked for."""
        return Deadline(self.options["wait_timeout"])

    @property
    def is_part_of_bulk(self) -> bool:
        """Whether others of the same task are at work at the same time."""
        return self.admission is not contextlib.nullcontext

    @property
    def server_reference(self) -> str:
        """How the user calls the server."""
        return self.options["server"]

    def report_progress(self, server: Server, description: str) -> None:
        """Say what is under way at the server now."""
        if self.on_server_progress is not None:
            self.on_server_progress(description)
        else:
            self.progress(f"server {server.label}: {description}")

    def send_change(self, change: Callable[[], Any]) -> Any:
        """Ask for a change, once. Unless it was refused, everything after it counts as having asked."""
        sent_before, self.changes.request_sent = self.changes.request_sent, True
        try:
            return change()
        except RewindError as error:
            if error.outcome == errors.NOT_APPLIED:
                self.changes.request_sent = sent_before
            raise

    def get_server_and_snapshots(self, server: Server | None = None) -> tuple[Server, list[Snapshot]]:
        """The server and its snapshots, in one request where the reference is the server's identity.

        The list then proves that the server exists, unless it is empty: only then the server is asked for as well.

        :arg server: as identified or found before.
        """
        provider, reference = self.provider, server.id if server else self.server_reference  # a name may be another's by now
        server = server or provider.server_from_reference(self.server_reference) or provider.get_server(self.server_reference)
        if server.power_state is not None:  # it was found
            return server, provider.list_snapshots(server)
        try:
            snapshots = provider.list_snapshots(server)
        except RewindError as error:
            if error.kind == errors.NOT_FOUND:
                provider.get_server(reference)  # says it better: with the names that there are
            raise
        if snapshots:
            return snapshots[0].server, snapshots
        return provider.get_server(reference), snapshots


def validate_snapshot_name(provider: Provider, name: str) -> None:
    """Refuse a snapshot name that the cloud forbids, before anything is sent."""
    if len(name) > MAX_NAME_LENGTH:
        raise RewindError(
            f"A snapshot's name has {MAX_NAME_LENGTH} characters at most, and this one has {len(name)}",
            kind=errors.INVALID_ARGUMENT, hint="choose a shorter one; description takes more, where the cloud has it",
        )
    if not re.fullmatch(provider.capabilities.name_pattern, name):
        raise RewindError(
            f"{provider.display_name} takes only {provider.capabilities.name_rule} in a snapshot's name, so {name!r} can't be one",
            kind=errors.INVALID_ARGUMENT,
            snapshot=name,
            hint=f"choose a name like {_suggest_name(provider, name)!r}",
        )


def _suggest_name(provider: Provider, name: str) -> str:
    allowed = [character for character in name if re.fullmatch(provider.capabilities.name_pattern, character)]
    return "".join(allowed) or "preupgrade"


def select_snapshot(provider: Provider, server: Server, snapshots: list[Snapshot], name: str | None, id_: str | None) -> Snapshot | None:
    """The one snapshot that name, id or both mean; None where there is none.

    :raises RewindError: C(ambiguous) where a name means two; C(invalid_argument) where id and name disagree.
    """
    if id_ is not None:
        found = next((snapshot for snapshot in snapshots if snapshot.id == id_), None)
        if found is not None and name is not None and found.name != name:
            raise RewindError(
                f"id {id_} and name {name!r} disagree: at {provider.display_name} {id_} is called {found.name!r}",
                kind=errors.INVALID_ARGUMENT,
                server=server.label,
                snapshot=id_,
                hint="give one of them, the right one",
            )
        return found
    matches = [snapshot for snapshot in snapshots if snapshot.name == name]
    if len(matches) > 1:
        raise RewindError(
            f"{len(matches)} snapshots of server {server.label} are called {name!r}: {format_snapshots(matches)}",
            kind=errors.AMBIGUOUS,
            server=server.label,
            snapshot=name,
            hint="say which one with id",
        )
    return matches[0] if matches else None


def candidates_hint(snapshots: list[Snapshot]) -> str:
    """What to do where the snapshot that was asked for is not one of these."""
    return f"choose one of this server's: {format_snapshots(snapshots)}" if snapshots else "this server has none to choose from"


def format_snapshots(snapshots: list[Snapshot]) -> str:
    """Snapshots in one line of a message."""
    return ", ".join(f"{item.label} {item.status} from {item.created_at or 'an unknown time'}" for item in snapshots)

