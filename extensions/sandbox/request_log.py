# SPDX-License-Identifier: GPL-3.0-or-later
"""The request log: every request that reached a cloud and every effect it had, in order, without credentials."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import timezone
from typing import Any

from .clock import SandboxClock

Entry = dict[str, Any]
REDACTED = "***"
CREDENTIAL_NAMES = frozenset({"access", "secret", "authorization", "token", "password"})

OTHER_CLIENT = "other_client"

# Who does what is being done: client, schedule, other_client; None: the admin API, or a server by itself.
actor: ContextVar[str | None] = ContextVar("actor", default=None)
# The entry of the request that is being served; None in work that no request asked for (a schedule).
current_request: ContextVar[Entry | None] = ContextVar("current_request", default=None)


class RequestLog:
    """An append-only list of plain dicts, ready for JSON."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._secrets: set[str] = set()
        self._count = 0
        self.entries: list[Entry] = []

    def add_secrets(self, secrets: Iterable[str]) -> None:
        """Never write these values down, wherever they turn up."""
        self._secrets.update(secret for secret in secrets if secret)

    def clear(self) -> None:
        """Forget the entries; numbering goes on, so that no number is used twice."""
        self.entries.clear()

    def add_request(self, **fields: Any) -> Entry:
        """Note a request. The caller fills in ``http_status`` and ``fault`` when they are known."""
        fields["path"] = self._redact(fields["path"])
        fields["query"] = self._redact(fields["query"])
        fields["body"] = self._redact(fields["body"])
        return self._append({"kind": "request", **fields, "http_status": None, "fault": None})

    def add_event(self, **fields: Any) -> Entry:
        """Note what became of something: a snapshot is ready, a server is back."""
        return self._append({"kind": "event", **fields})

    def _append(self, fields: Entry) -> Entry:
        self._count += 1
        at = self._clock.now().astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {"n": self._count, "at": at, **fields}
        self.entries.append(entry)
        return entry

    def _redact(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                self._redact(key): REDACTED if str(key).lower() in CREDENTIAL_NAMES else self._redact(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._redact(item) for item in value]
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, REDACTED)
        return value
