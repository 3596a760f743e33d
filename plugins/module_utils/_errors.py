# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as data.

Everything that goes wrong below a door is a L(RewindError): what happened, to which server and snapshot,
whether anything was changed, and what to do next. Its text is made from our own words, a method, a path
and an exception's class, never from an exception's text or a URL: those may carry credentials.
"""

from __future__ import annotations

from ._text import sanitize, to_valid_utf8

# Outcomes: what became of the change that was asked for.
NOT_APPLIED = "not_applied"  # nothing happened: not sent, or the cloud said no
FAILED = "failed"  # it was begun and did not succeed
UNKNOWN = "unknown"  # it may or may not have happened

# Kinds: what to tell apart by program.
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
MULTIPLE = "multiple"  # of several servers, not all for the same reason

MAX_MESSAGE_CHARS = 4000  # characters of what is said; the results have the rest
MAX_NAME_CHARS = 300

# What a wait survives: the next look may well succeed.
TRANSIENT = frozenset({RATE_LIMITED, UNREACHABLE, TIMEOUT, PROVIDER_ERROR, INVALID_RESPONSE})


class RewindError(Exception):
    """One failure, ready to be shown to a person and read by a program.

    :arg message: one sentence on what happened.
    :arg kind: one of the kinds above.
    :arg outcome: C(not_applied), C(failed) or C(unknown).
    :arg operation: the provider's operation, for example C(snapshots.create).
    :arg server: id or name of the server concerned; filled in by whoever knows it.
    :arg snapshot: id or name of the snapshot concerned.
    :arg http_status: the HTTP status, when an answer came.
    :arg provider_message: the cloud's own words, bounded; the doors scrub secrets from it.
    :arg hint: what to do next, a sentence.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        outcome: str = NOT_APPLIED,
        operation: str | None = None,
        server: str | None = None,
        snapshot: str | None = None,
        http_status: int | None = None,
        provider_message: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.outcome = outcome
        self.operation = operation
        self.server = server
        self.snapshot = snapshot
        self.http_status = http_status
        self.provider_message = provider_message
        self.hint = hint

    def __copy__(self) -> RewindError:
        """Another with the same to say: one that several are told is theirs alone to fill in."""
        duplicate = RewindError(self.message, kind=self.kind)
        duplicate.__dict__.update(self.__dict__)
        return duplicate

    def add_context(self, server: str | None = None, snapshot: str | None = None) -> RewindError:
        """Fill in what the place that raised it could not know; what is there already stays."""
        self.server = self.server or server
        self.snapshot = self.snapshot or snapshot
        return self

    def format(self, already_changed: bool = False) -> str:
        """The whole message for a person: what, to which, whether anything changed, what next. In one line, safe to show."""
        parts = [_truncate(self.message, MAX_MESSAGE_CHARS).rstrip(".") + "."]
        if self.provider_message:
            parts.append(f'The cloud says: "{self.provider_message}".')
        subjects = [
            f"{label} {_truncate(value, MAX_NAME_CHARS)}"
            for label, value in (("server", self.server), ("snapshot", self.snapshot))
            if value and str(value) not in self.message
        ]
        if subjects:
            parts.append(f"Concerned: {', '.join(subjects)}.")
        parts.append(_outcome_sentence(self.outcome, already_changed))
        if self.hint:
            hint = _truncate(self.hint, MAX_MESSAGE_CHARS)
            parts.append(f"Next: {hint}" if hint.endswith("?") else f"Next: {hint.rstrip('.')}.")
        return sanitize(" ".join(parts))

    def to_result(self) -> dict[str, object]:
        """The C(error) part of a failed task's result; always the same keys."""
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
    """Names come from others, and may be as long as an answer."""
    return text if len(text) <= max_chars else text[:max_chars] + "…"


def _outcome_sentence(outcome: str, already_changed: bool) -> str:
    if outcome == UNKNOWN:
        return "It is unknown whether the change happened."
    if already_changed:
        return "This task had changed something before (see the result)."
    if outcome == NOT_APPLIED:
        return "Nothing was changed."
    return "It was begun and did not succeed."


def invalid_argument(message: str, hint: str | None = None) -> RewindError:
    """An option's value that can't work; raised before the first call."""
    return RewindError(message, kind=INVALID_ARGUMENT, hint=hint)
