# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks a cloud, and knows for every call whether it may be asked again.

A read may be repeated. A change is sent again only when it provably did not happen: no connection was made, or
the cloud answered 429. After anything else that is not a clear yes or no, its outcome is C(unknown) and whoever
asked must look before doing more. This holds whatever the HTTP verb: at Ilkbyte a GET changes things.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Callable

from .. import _errors as errors
from .._errors import RewindError
from .._text import plain, writable
from .._version import VERSION
from .rate_limit import RateLimit, TooLong
from .session import HttpError, HttpResponse, HttpSession, is_loopback

USER_AGENT = f"rewind.vps/{VERSION}"
TRIES = 5
FIRST_PAUSE = 0.5  # seconds; doubled for every further try, with full jitter
LONGEST_PAUSE = 15.0
MIN_PATIENCE = 60.0  # seconds that one call may take with all its tries
QUOTED_CHARACTERS = 500  # of what a cloud says
MOST_AHEAD = 100 * 365 * 86400.0  # seconds: a Date further off is none, and may be beyond what a date can be

_WORDS = {
    "unreachable": (errors.UNREACHABLE, "could not be reached"),
    "tls": (errors.TLS, "did not show a certificate that can be trusted"),
    "timeout": (errors.TIMEOUT, "did not answer in time"),
    "invalid_response": (errors.INVALID_RESPONSE, "broke off its answer"),
}


@dataclass(frozen=True)
class Answer:
    """A cloud's answer: the HTTP status and the JSON in it (None for an empty body)."""

    status: int
    data: Any


class Transport:
    """Calls to one cloud's API.

    :arg cloud: its name in messages.
    :arg base_url: up to where a call's path begins; without a slash at its end.
    :arg headers: credentials in headers, if that is where the cloud wants them.
    :arg query: credentials in the query string, if there.
    :arg verify: True, False or the path of a CA bundle.
    :arg timeout: seconds for one exchange.
    :arg rate_limit: shared with the other transports of this task, where there are several.
    :arg sleep: waits so many seconds; tests put their own here.
    """

    def __init__(
        self,
        cloud: str,
        base_url: str,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        verify: bool | str = True,
        timeout: float = 30.0,
        rate_limit: RateLimit | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.cloud = cloud
        self.base_url = base_url
        self._query = query or {}
        self._timeout = timeout
        self._rate_limit = rate_limit
        self._sleep = sleep
        self._clock_ahead: float | None = None
        self._http = HttpSession(
            {
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                # A body that unpacks to gigabytes would pass the bound on what is read.
                "Accept-Encoding": "identity",
                **(headers or {}),
            },
            verify,
            timeout,
            is_loopback(base_url),
        )

    def read(self, path: str, *, operation: str, params: dict | None = None) -> Answer:
        """Ask for something that changes nothing; asked again after a passing trouble."""
        return self._call("GET", path, operation, params, None, changes=False)

    def change(
        self, method: str, path: str, *, operation: str, params: dict | None = None, json: Any = None
    ) -> Answer:
        """Ask for a change; sent again only when it provably did not happen.

        :raises RewindError: with outcome C(unknown) when it may have happened.
        """
        return self._call(method, path, operation, params, json, changes=True)

    def now(self) -> datetime:
        """The time at the cloud: by its last answer's Date, else by this machine's clock. UTC."""
        return datetime.fromtimestamp(time.time() + (self._clock_ahead or 0.0), timezone.utc)

    def _call(self, method: str, path: str, operation: str, params: dict | None, json: Any, changes: bool) -> Answer:
        limit = self._rate_limit
        patience = max(MIN_PATIENCE, 2 * self._timeout)
        patient_until = limit.give_up_at() if limit is not None else 0.0
        began, held_up, attempt, too_many = time.monotonic(), 0.0, 0, 0
        while True:
            if limit is not None:
                before = time.monotonic()
                try:
                    turn = limit.wait(self._sleep, patient_until)
                except TooLong as too_long:
                    error = self._kept_back(method, path, operation, too_long.seconds)
                    break
                held_up += time.monotonic() - before
            try:
                reply = self._exchange(method, path, operation, params, json, changes)
                answer = self._understand(reply, method, path, operation, changes)
            except _Trouble as trouble:
                error, pause = trouble.error, trouble.pause
                again = trouble.never_happened if changes else trouble.passing
            else:
                if limit is not None:
                    limit.went_well()
                return answer
            if error.kind == errors.RATE_LIMITED and limit is not None:
                too_many += 1
                limit.too_many(_backoff(too_many) if pause is None else pause, turn)
                continue
            attempt += 1
            pause = _backoff(attempt) if pause is None else pause
            if not again or attempt >= TRIES or time.monotonic() + pause >= began + held_up + patience:
                break
            self._sleep(pause)
        raise error from None

    def _kept_back(self, method: str, path: str, operation: str, seconds: float) -> RewindError:
        return RewindError(
            f"{self.cloud} has had too many requests, and this one was not let out any more ({method} {path})",
            kind=errors.RATE_LIMITED, operation=operation, hint=f"run again in {seconds:.0f} s, when the cloud wants to hear of us again",
        )

    def _exchange(
        self, method: str, path: str, operation: str, params: dict | None, json: Any, changes: bool
    ) -> HttpResponse:
        try:
            reply = self._http.request(
                method, self.base_url + path, params={**self._query, **(params or {})}, json=json, new_connection=changes
            )
        except HttpError as failure:
            reason, connected, detail = failure.reason, failure.connected, failure.detail
        else:
            self._note_clock(reply)
            return reply
        kind, words = _WORDS[reason]
        certificate = kind == errors.TLS
        raise _Trouble(
            RewindError(
                f"{self.cloud} {words} ({method} {path}, {detail})",
                kind=kind,
                outcome=errors.UNKNOWN if changes and connected else errors.NOT_APPLIED,
                operation=operation,
                hint=_connection_hint(kind, certificate),
            ),
            passing=not certificate,
            never_happened=not connected and not certificate,
        )

    def _understand(self, reply: HttpResponse, method: str, path: str, operation: str, changes: bool) -> Answer:
        """The answer's data, or what its status says."""
        data, readable = _decode(reply)
        if 200 <= reply.status < 300 and readable:
            return Answer(reply.status, data)

        kind, words, hint = _status_meaning(reply.status)
        if 200 <= reply.status < 300:
            kind, words, hint = errors.INVALID_RESPONSE, "gave an answer that is not JSON", _NOT_JSON
        # A page is not the API's word: a firewall may have kept the answer back and not the request.
        said_no = 400 <= reply.status < 500 and reply.status != 408 and (readable or not reply.body.strip() or reply.status == 429)
        pause = _retry_after(reply, self.now()) if reply.status in (429, 503) else None
        raise _Trouble(
            RewindError(
                f"{self.cloud} {words} ({method} {path}, HTTP {reply.status})",
                kind=kind,
                outcome=errors.NOT_APPLIED if said_no or not changes else errors.UNKNOWN,
                operation=operation,
                http_status=reply.status,
                provider_message=quote_message(data) if readable else None,
                hint=hint,
            ),
            passing=reply.status in (408, 429, 502, 503, 504) or (200 <= reply.status < 300),
            never_happened=reply.status == 429,
            pause=pause,
        )

    def _note_clock(self, reply: HttpResponse) -> None:
        try:
            said = parsedate_to_datetime(reply.headers["date"])
            ahead = said.timestamp() - time.time()
            if abs(ahead) < MOST_AHEAD:
                self._clock_ahead = ahead
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            pass  # without a Date that can be read, this machine's clock serves


def _backoff(attempt: int) -> float:
    """Seconds to wait before another try, where the cloud names none."""
    return random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))


class _Trouble(Exception):
    """One try's failure, and whether another try makes sense."""

    def __init__(self, error: RewindError, *, passing: bool, never_happened: bool, pause: float | None = None) -> None:
        super().__init__(error.kind)
        self.error = error
        self.passing = passing
        self.never_happened = never_happened
        self.pause = pause


_NOT_JSON = (
    "check api_url; a web application firewall, a proxy or a maintenance page may have answered in the API's place"
)


def _decode(reply: HttpResponse) -> tuple[Any, bool]:
    """The JSON of an answer, and whether it could be read. Only a 204 may be empty."""
    if reply.status == 204 and not reply.body.strip():
        return None, True
    try:
        return writable(reply.json()), True
    except (ValueError, RecursionError):
        return None, False


def _status_meaning(status: int) -> tuple[str, str, str | None]:
    """Kind, words and hint for a status that is not a success."""
    if 300 <= status < 400:
        return errors.INVALID_RESPONSE, "answered with a redirect, which is never followed", (
            "check api_url: scheme, host and path must be the API's own"
        )
    known = {
        400: (errors.PROVIDER_REJECTED, "refused the request", None),
        401: (errors.UNAUTHORIZED, "does not know these credentials", (
            "check the token or keys for this cloud; a new one is made in its panel"
        )),
        403: (errors.FORBIDDEN, "forbids this to these credentials", (
            "give the token or key the rights it needs; a key limited to IP addresses works only from those"
        )),
        404: (errors.NOT_FOUND, "does not know what was asked for", None),
        409: (errors.BUSY, "says that this conflicts with something under way", "try again when it is done"),
        429: (errors.RATE_LIMITED, "has had too many requests", "wait a little, then run again"),
    }
    if status in known:
        return known[status]
    if 400 <= status < 500:
        return errors.PROVIDER_REJECTED, "refused the request", None
    return errors.PROVIDER_ERROR, "had an error of its own", "look at the cloud's status page; a rerun is safe"


def _connection_hint(kind: str, certificate: bool) -> str:
    if certificate:
        return "check api_url; for a private certificate authority give its bundle as ca_path"
    if kind == errors.UNREACHABLE:
        return "check api_url, the network and the proxy settings, then run again; a rerun is safe"
    return "run again; a rerun looks first and does nothing twice"


def _retry_after(reply: HttpResponse, now: datetime) -> float | None:
    """Seconds that the cloud asks to wait, or None where it says nothing sensible."""
    said = reply.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(0.0, (parsedate_to_datetime(said) - now).total_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def quote_message(data: Any) -> str | None:
    """What an error's body says, in one bounded line. Both clouds' shapes, and Django's field errors."""
    if isinstance(data, dict):
        for key in ("detail", "error", "message"):
            if isinstance(data.get(key), str) and data[key].strip():
                return _one_line(data[key])
        fields = [f"{name}: {_joined(what)}" for name, what in data.items()]
        return _one_line("; ".join(fields)) or None
    return _one_line(_joined(data)) or None if data else None


def _joined(what: Any) -> str:
    return " ".join(str(item) for item in what) if isinstance(what, (list, tuple)) else str(what)


def _one_line(text: str) -> str:
    return plain(" ".join(text.split())[:QUOTED_CHARACTERS])
