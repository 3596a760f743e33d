# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors as data.

Every failure of a task is a `RewindError`: what happened, to which server and snapshot, whether anything was changed, and
what to do next. Its text is built from constant text, a method, a path and an exception's class. It never contains an
exception's text or a URL, since those may contain credentials.
"""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass, replace
from typing import Any

from ._text import sanitize, to_valid_utf8

# Outcomes of the requested change.
NOT_APPLIED = "not_applied"  # nothing happened: not sent, or rejected
FAILED = "failed"  # it started and did not succeed
UNKNOWN = "unknown"  # it may or may not have happened

# Kinds, for programs.
INVALID_ARGUMENT = "invalid_argument"
UNAUTHORIZED = "unauthorized"
FORBIDDEN = "forbidden"
NOT_FOUND = "not_found"
AMBIGUOUS = "ambiguous"
ALREADY_EXISTS = "already_exists"
BUSY = "busy"
NOT_READY = "not_ready"
LIMIT_REACHED = "limit_reached"
UNSUPPORTED = "unsupported"
PROVIDER_REJECTED = "provider_rejected"
RATE_LIMITED = "rate_limited"
UNREACHABLE = "unreachable"
TLS = "tls"
TIMEOUT = "timeout"
PROVIDER_ERROR = "provider_error"
INVALID_RESPONSE = "invalid_response"
WAIT_TIMEOUT = "wait_timeout"
OPERATION_FAILED = "operation_failed"
INTERRUPTED = "interrupted"
INTERNAL = "internal"
MULTIPLE = "multiple"  # several servers failed, not all for the same reason

MAX_MESSAGE_CHARS = 4000  # results contain the rest
MAX_NAME_CHARS = 300

# Kinds that do not end a wait, since the next poll may succeed.
TRANSIENT = frozenset({RATE_LIMITED, UNREACHABLE, TIMEOUT, PROVIDER_ERROR, INVALID_RESPONSE})


@dataclass(eq=False, repr=False)
class RewindError(Exception):
    """One failure, to be shown to a person and to be read by a program.

    Attributes:
        message: One sentence that says what happened.
        kind: One of the kinds above.
        outcome: `not_applied`, `failed` or `unknown`.
        operation: The provider's operation, for example `snapshots.create`.
        server: Id or name of the server. A caller that knows it fills it in.
        snapshot: Id or name of the snapshot.
        http_status: The HTTP status, if a response arrived.
        provider_message: The provider's own message, bounded. Secrets are masked when the result is built.
        hint: What to do next, as a sentence.
    """

    message: str
    kind: str
    outcome: str = NOT_APPLIED
    operation: str | None = None
    server: str | None = None
    snapshot: str | None = None
    http_status: int | None = None
    provider_message: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        return self.message

    def __copy__(self) -> RewindError:
        """Copy the error, so that each of several receivers can add its own context."""
        return replace(self)

    def add_context(self, server: str | None = None, snapshot: str | None = None) -> RewindError:
        """Fill in what the code that raised the error could not know. Existing values stay."""
        self.server = self.server or server
        self.snapshot = self.snapshot or snapshot
        return self

    def format(self, already_changed: bool = False) -> str:
        """Return the complete message: what happened, to what, whether anything changed, what to do next. One line, safe to show."""
        parts = [_truncate(self.message, MAX_MESSAGE_CHARS).rstrip(".") + "."]
        if self.provider_message:
            parts.append(f'Provider message: "{self.provider_message}".')
        for label, value in (("Server", self.server), ("Snapshot", self.snapshot)):
            if value and str(value) not in self.message:
                parts.append(f"{label}: {_truncate(value, MAX_NAME_CHARS)}.")
        parts.append(_outcome_sentence(self.outcome, already_changed))
        if self.hint:
            hint = _truncate(self.hint, MAX_MESSAGE_CHARS)
            parts.append(f"Next: {hint}" if hint.endswith("?") else f"Next: {hint.rstrip('.')}.")
        return sanitize(" ".join(parts))

    def to_result(self) -> dict[str, object]:
        """Return `error` of a failed task's result, always with the same keys."""
        return {
            "kind": self.kind,
            "outcome": self.outcome,
            "operation": self.operation,
            "server": to_valid_utf8(self.server),
            "snapshot": to_valid_utf8(self.snapshot),
            "http_status": self.http_status,
            "provider_message": self.provider_message,
            "hint": sanitize(self.hint) if self.hint else self.hint,
        }


def _truncate(text: str, max_chars: int) -> str:
    """Shorten a text. Names come from the provider and may be as long as a response."""
    return text if len(text) <= max_chars else text[:max_chars] + "…"


def _outcome_sentence(outcome: str, already_changed: bool) -> str:
    if outcome == UNKNOWN:
        return "It is unknown whether the change was applied."
    if already_changed:
        return "Earlier steps of this task changed something; see the result."
    if outcome == NOT_APPLIED:
        return "Nothing was changed."
    return "The operation started and did not succeed."


def invalid_argument(message: str, hint: str | None = None) -> RewindError:
    """Return the error for an option's value that cannot work. It is raised before the first request."""
    return RewindError(message, kind=INVALID_ARGUMENT, hint=hint)


class Interrupted(BaseException):
    """The process received a termination signal. It is raised so that the task can restore what it has changed temporarily."""


class Cancelled(Interrupted):
    """The same in a thread that has nothing to restore."""


def error_result(error: BaseException, ctx: Any) -> dict[str, Any]:
    """Return the result of a task that ended with this error.

    Args:
        error: A `RewindError`, an `Interrupted`, or an internal error. The text of an internal error is not shown, since it
            may contain anything.
        ctx: The task's `OperationContext`; None if the error came before there was one.
    """
    if not isinstance(error, RewindError):
        request_sent = ctx is not None and ctx.changes.request_sent
        error = _interrupted_error(error, request_sent) if isinstance(error, Interrupted) else _internal_error(error, request_sent)
    return _build_result(error, ctx)


def internal_error_result(error: Exception) -> dict[str, Any]:
    """Return the result of a task that ended with an internal error at an unknown point."""
    return _build_result(_internal_error(error, request_sent=True), None)


def _build_result(error: RewindError, ctx: Any) -> dict[str, Any]:
    changed = ctx.changes.changed if ctx else False
    if ctx:
        error.add_context(ctx.options["server"], ctx.options.get("id") or ctx.options.get("name"))
    result = {
        "failed": True,
        "changed": changed,
        "msg": error.format(already_changed=changed),
        "error": error.to_result(),
    }
    if ctx and ctx.changes.pruned:
        result["pruned"] = [item.to_result() for item in ctx.changes.pruned]
    return result


def _interrupted_error(interruption: Interrupted, request_sent: bool) -> RewindError:
    message = "Interrupted while the server was stopped for its snapshot; the server runs again"
    if isinstance(interruption, Cancelled):
        if not request_sent:
            return RewindError("Interrupted before any request was sent", kind=INTERRUPTED, hint="run again")
        message = "Interrupted while waiting for a requested change"
    return RewindError(
        message,
        kind=INTERRUPTED,
        outcome=UNKNOWN,
        hint="check the server's snapshots (rewind.vps.snapshot_info), then run again; a rerun creates no second one",
    )


def _internal_error(error: BaseException, request_sent: bool) -> RewindError:
    frames = traceback.extract_tb(error.__traceback__)
    location = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown location"
    return RewindError(
        f"Internal error in rewind.vps ({type(error).__name__} at {location})",
        kind=INTERNAL,
        outcome=UNKNOWN if request_sent else NOT_APPLIED,
        hint="check the server and its snapshots before running again, and please report this",
    )
