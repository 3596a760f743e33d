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
from .._text import decode_json
from .._version import VERSION
from .provider_message import extract_error_message
from .rate_limit import RateLimit, RateLimitExceeded
from .session import HttpError, HttpResponse, HttpSession
from .urls import is_loopback

USER_AGENT = f"rewind.vps/{VERSION}"
MAX_ATTEMPTS = 5
INITIAL_BACKOFF = 0.5  # seconds; doubled for every further try, with full jitter
MAX_BACKOFF = 15.0
MIN_RETRY_SECONDS = 60.0  # seconds that one call may take with all its tries
MAX_CLOCK_OFFSET = 100 * 365 * 86400.0  # seconds: a Date further off is none, and may be beyond what a date can be

_FAILURE_TEXT = {
    "unreachable": (errors.UNREACHABLE, "could not be reached"),
    "tls": (errors.TLS, "did not show a certificate that can be trusted"),
    "timeout": (errors.TIMEOUT, "did not answer in time"),
    "invalid_response": (errors.INVALID_RESPONSE, "broke off its answer"),
}


@dataclass(frozen=True)
class ApiResponse:
    """A cloud's answer: the HTTP status and the JSON in it (None for an empty body)."""

    status: int
    data: Any


class ApiClient:
    """Calls to one cloud's API.

    :arg provider_name: its name in messages.
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
        provider_name: str,
        base_url: str,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        verify: bool | str = True,
        timeout: float = 30.0,
        rate_limit: RateLimit | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider_name = provider_name
        self.base_url = base_url
        self._query = query or {}
        self._timeout = timeout
        self._rate_limit = rate_limit
        self._sleep = sleep
        self._clock_offset: float | None = None
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

    def read(self, path: str, *, operation: str, params: dict | None = None) -> ApiResponse:
        """Ask for something that changes nothing; asked again after a passing trouble."""
        return self._send_with_retries("GET", path, operation, params, None, changes=False)

    def change(
        self, method: str, path: str, *, operation: str, params: dict | None = None, json: Any = None
    ) -> ApiResponse:
        """Ask for a change; sent again only when it provably did not happen.

        :raises RewindError: with outcome C(unknown) when it may have happened.
        """
        return self._send_with_retries(method, path, operation, params, json, changes=True)

    def server_time(self) -> datetime:
        """The time at the cloud: by its last answer's Date, else by this machine's clock. UTC."""
        return datetime.fromtimestamp(time.time() + (self._clock_offset or 0.0), timezone.utc)

    def _send_with_retries(self, method: str, path: str, operation: str, params: dict | None, json: Any, changes: bool) -> ApiResponse:
        limit = self._rate_limit
        retry_budget = max(MIN_RETRY_SECONDS, 2 * self._timeout)
        rate_limit_deadline = limit.deadline() if limit is not None else 0.0
        started, throttled_seconds, attempt, throttled_count = time.monotonic(), 0.0, 0, 0
        while True:
            if limit is not None:
                wait_started = time.monotonic()
                try:
                    scheduled_at = limit.wait(self._sleep, rate_limit_deadline)
                except RateLimitExceeded as exceeded:
                    error = self._rate_limit_error(method, path, operation, exceeded.seconds)
                    break
                throttled_seconds += time.monotonic() - wait_started
            try:
                response = self._send_once(method, path, operation, params, json, changes)
                result = self._parse_response(response, method, path, operation, changes)
            except _AttemptFailed as failed:
                error, retry_after = failed.error, failed.retry_after
                is_retryable = failed.not_applied if changes else failed.transient
            else:
                if limit is not None:
                    limit.on_success()
                return result
            if error.kind == errors.RATE_LIMITED and limit is not None:
                throttled_count += 1
                limit.on_throttled(_backoff(throttled_count) if retry_after is None else retry_after, scheduled_at)
                continue
            attempt += 1
            delay = _backoff(attempt) if retry_after is None else retry_after
            if not is_retryable or attempt >= MAX_ATTEMPTS or time.monotonic() + delay >= started + throttled_seconds + retry_budget:
                break
            self._sleep(delay)
        raise error from None

    def _rate_limit_error(self, method: str, path: str, operation: str, seconds: float) -> RewindError:
        return RewindError(
            f"{self.provider_name} has had too many requests, and this one was not let out any more ({method} {path})",
            kind=errors.RATE_LIMITED, operation=operation, hint=f"run again in {seconds:.0f} s, when the cloud wants to hear of us again",
        )

    def _send_once(
        self, method: str, path: str, operation: str, params: dict | None, json: Any, changes: bool
    ) -> HttpResponse:
        try:
            response = self._http.request(
                method, self.base_url + path, params={**self._query, **(params or {})}, json=json, new_connection=changes
            )
        except HttpError as http_error:
            reason, connected, detail = http_error.reason, http_error.connected, http_error.detail
        else:
            self._update_clock_offset(response)
            return response
        kind, text = _FAILURE_TEXT[reason]
        is_certificate_error = kind == errors.TLS
        raise _AttemptFailed(
            RewindError(
                f"{self.provider_name} {text} ({method} {path}, {detail})",
                kind=kind,
                outcome=errors.UNKNOWN if changes and connected else errors.NOT_APPLIED,
                operation=operation,
                hint=_connection_hint(kind, is_certificate_error),
            ),
            transient=not is_certificate_error,
            not_applied=not connected and not is_certificate_error,
        )

    def _parse_response(self, response: HttpResponse, method: str, path: str, operation: str, changes: bool) -> ApiResponse:
        """The answer's data, or what its status says."""
        data, readable = _decode_json(response)
        if 200 <= response.status < 300 and readable:
            return ApiResponse(response.status, data)

        kind, text, hint = _status_meaning(response.status)
        if 200 <= response.status < 300:
            kind, text, hint = errors.INVALID_RESPONSE, "gave an answer that is not JSON", _NOT_JSON
        # A page is not the API's word: a firewall may have kept the answer back and not the request.
        is_rejected = 400 <= response.status < 500 and response.status != 408 and (readable or not response.body.strip() or response.status == 429)
        retry_after = _retry_after(response, self.server_time()) if response.status in (429, 503) else None
        raise _AttemptFailed(
            RewindError(
                f"{self.provider_name} {text} ({method} {path}, HTTP {response.status})",
                kind=kind,
                outcome=errors.NOT_APPLIED if is_rejected or not changes else errors.UNKNOWN,
                operation=operation,
                http_status=response.status,
                provider_message=extract_error_message(data) if readable else None,
                hint=hint,
            ),
            transient=response.status in (408, 429, 502, 503, 504) or (200 <= response.status < 300),
            not_applied=response.status == 429,
            retry_after=retry_after,
        )

    def _update_clock_offset(self, response: HttpResponse) -> None:
        try:
            server_date = parsedate_to_datetime(response.headers["date"])
            offset = server_date.timestamp() - time.time()
            if abs(offset) < MAX_CLOCK_OFFSET:
                self._clock_offset = offset
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            pass  # without a Date that can be read, this machine's clock serves


def _backoff(attempt: int) -> float:
    """Seconds to wait before another try, where the cloud names none."""
    return random.uniform(0, min(MAX_BACKOFF, INITIAL_BACKOFF * 2 ** (attempt - 1)))


class _AttemptFailed(Exception):
    """One try's failure, and whether another try makes sense."""

    def __init__(self, error: RewindError, *, transient: bool, not_applied: bool, retry_after: float | None = None) -> None:
        super().__init__(error.kind)
        self.error = error
        self.transient = transient
        self.not_applied = not_applied
        self.retry_after = retry_after


_NOT_JSON = (
    "check api_url; a web application firewall, a proxy or a maintenance page may have answered in the API's place"
)


def _decode_json(response: HttpResponse) -> tuple[Any, bool]:
    """The JSON of an answer, and whether it could be read. Only a 204 may be empty."""
    if response.status == 204 and not response.body.strip():
        return None, True
    try:
        return decode_json(response.body), True
    except (ValueError, RecursionError):
        return None, False


def _status_meaning(status: int) -> tuple[str, str, str | None]:
    """Kind, words and hint for a status that is not a success."""
    if 300 <= status < 400:
        return errors.INVALID_RESPONSE, "answered with a redirect, which is never followed", (
            "check api_url: scheme, host and path must be the API's own"
        )
    meanings = {
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
    if status in meanings:
        return meanings[status]
    if 400 <= status < 500:
        return errors.PROVIDER_REJECTED, "refused the request", None
    return errors.PROVIDER_ERROR, "had an error of its own", "look at the cloud's status page; a rerun is safe"


def _connection_hint(kind: str, is_certificate_error: bool) -> str:
    if is_certificate_error:
        return "check api_url; for a private certificate authority give its bundle as ca_path"
    if kind == errors.UNREACHABLE:
        return "check api_url, the network and the proxy settings, then run again; a rerun is safe"
    return "run again; a rerun looks first and does nothing twice"


def _retry_after(response: HttpResponse, now: datetime) -> float | None:
    """Seconds that the cloud asks to wait, or None where it says nothing sensible."""
    header = response.headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
