# SPDX-License-Identifier: GPL-3.0-or-later
"""The request log: every request to a provider and every event, in order, without credentials."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from .clock import SandboxClock

Entry = dict[str, Any]
REDACTED = "***"
CREDENTIAL_NAMES = frozenset({"access", "secret", "authorization", "token", "password"})

OTHER_CLIENT = "other_client"

# Who acts: client, schedule, other_client; None: the admin API, or a server by itself.
actor: ContextVar[str | None] = ContextVar("actor", default=None)
# The entry of the current request; None in work without a request (a schedule).
current_request: ContextVar[Entry | None] = ContextVar("current_request", default=None)


class RequestLog:
    """An append-only list of JSON-serializable dicts."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._secrets: set[str] = set()
        self._count = 0
        self.entries: list[Entry] = []

    def set_secrets(self, secrets: Iterable[str]) -> None:
        """Redact these values everywhere."""
        self._secrets = {secret for secret in secrets if secret}

    def clear(self) -> None:
        """Clear the entries. Numbering continues, so no number is used twice."""
        self.entries.clear()

    def add_request(self, **fields: Any) -> Entry:
        """Log a request. The caller sets `http_status` and `fault` later."""
        fields["path"] = self._redact(fields["path"])
        fields["query"] = self._redact(fields["query"])
        fields["body"] = self._redact(fields["body"])
        return self._append({"kind": "request", **fields, "http_status": None, "fault": None})

    def add_event(self, **fields: Any) -> Entry:
        """Log an event, for example that a snapshot is ready."""
        return self._append({"kind": "event", **fields})

    def _append(self, fields: Entry) -> Entry:
        self._count += 1
        entry = {"n": self._count, "at": self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"), **fields}
        self.entries.append(entry)
        return entry

    def _redact(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._redact(key): REDACTED if str(key).lower() in CREDENTIAL_NAMES else self._redact(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._redact(item) for item in value]
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, REDACTED)
        return value
