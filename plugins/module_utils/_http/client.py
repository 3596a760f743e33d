# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sends requests to a provider's API, and knows which of them may be repeated.

A read may be repeated. A change is sent again only if it provably did not happen: no connection was established, or the
response was 429. After any other failure that is not a clear rejection its outcome is `unknown`, and the caller must read
the state back before it does more. This does not depend on the HTTP method: at Ilkbyte a GET changes things.
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
from .._text import decode_json, extract_error_message
from .._version import VERSION
from .checks import is_loopback
from .rate_limit import RateLimit, RateLimitExceeded
from .session import HttpError, HttpResponse, HttpSession

USER_AGENT = f"rewind.vps/{VERSION}"
READ_TIMEOUT = 30.0  # seconds for one request, by default
CHANGE_TIMEOUT = 60.0  # observed: the public Go client waits as long; a provider may respond only when the change is done
MAX_ATTEMPTS = 5
INITIAL_BACKOFF = 0.5  # seconds; doubled for every further attempt, with full jitter
MAX_BACKOFF = 15.0
MIN_RETRY_SECONDS = 60.0  # seconds that one call may take with all its attempts
MAX_CLOCK_OFFSET = 100 * 365 * 86400.0  # seconds; a Date further off is wrong, and may exceed the range of datetime

_RERUN = "run again; a rerun checks the state first and repeats nothing"
# Kind, text and hint by `HttpError.reason`.
_FAILURES = {
    "unreachable": (errors.UNREACHABLE, "could not be reached", "check api_url, the network and the proxy settings, then run again; a rerun is safe"),
    "tls": (errors.TLS, "presented an untrusted TLS certificate", "check api_url; for a private certificate authority set ca_path to its bundle"),
    "timeout": (errors.TIMEOUT, "did not answer in time", _RERUN),
    "invalid_response": (errors.INVALID_RESPONSE, "closed the connection mid-response", _RERUN),
}


@dataclass(frozen=True)
class ApiResponse:
    """HTTP status and decoded JSON (None for an empty body)."""

    status: int
    data: Any


class ApiClient:
    """Sends requests to one provider's API.

    Args:
        provider_name: Name of the provider in messages.
        base_url: Prefix of all paths, without a slash at its end.
        headers: Credentials, if the provider expects them in headers.
        query: Credentials, if the provider expects them in the query string.
        verify: True, False, or the path of a CA bundle.
        timeout: Seconds for one request. By default they depend on whether it changes something.
        rate_limit: Shared with the other clients of this task, if there are several.
        sleep: Waits for so many seconds; replaced in tests.
    """

    def __init__(
        self,
        provider_name: str,
        base_url: str,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        verify: bool | str = True,
        timeout: float | None = None,
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
                # A compressed body could expand to gigabytes in spite of the limit on its size.
                "Accept-Encoding": "identity",
                **(headers or {}),
            },
            verify,
            is_loopback(base_url),
        )

    def read(self, path: str, *, operation: str, params: dict | None = None, retry: bool = True) -> ApiResponse:
        """Send a request that changes nothing. It is repeated after a transient error, unless `retry` is false."""
        return self._send_with_retries("GET", path, operation, params, None, changes=False, max_attempts=MAX_ATTEMPTS if retry else 1)

    def change(self, method: str, path: str, *, operation: str, params: dict | None = None, json: Any = None) -> ApiResponse:
        """Send a change. It is repeated only if it provably did not happen.

        Raises:
            RewindError: With the outcome `unknown` if the change may have been applied.
        """
        return self._send_with_retries(method, path, operation, params, json, changes=True)

    def server_time(self) -> datetime:
        """Return the provider's time in UTC: by the Date of its last response, or else by this machine's clock."""
        return datetime.fromtimestamp(time.time() + (self._clock_offset or 0.0), timezone.utc)

    def _send_with_retries(
        self, method: str, path: str, operation: str, params: dict | None, json: Any, changes: bool, max_attempts: int = MAX_ATTEMPTS,
    ) -> ApiResponse:
        limit = self._rate_limit
        timeout = self._timeout or (CHANGE_TIMEOUT if changes else READ_TIMEOUT)
        retry_budget = max(MIN_RETRY_SECONDS, 2 * timeout)
        rate_limit_deadline = limit.deadline() if limit is not None else 0.0
        started, throttled_seconds, attempt, throttled_count = time.monotonic(), 0.0, 0, 0
        while True:
            if limit is not None:
                wait_started = time.monotonic()
                try:
                    scheduled_at = limit.wait(self._sleep, rate_limit_deadline)
                except RateLimitExceeded as exceeded:
                    raise RewindError(
                        f"{self.provider_name} rate limit reached; request not sent ({method} {path})",
                        kind=errors.RATE_LIMITED, operation=operation,
                        hint=f"run again in {exceeded.seconds:.0f} s, when the provider accepts requests again",
                    ) from None
                throttled_seconds += time.monotonic() - wait_started
            try:
                response = self._send_once(method, path, operation, params, json, changes, timeout)
                result = self._parse_response(response, method, path, operation, changes)
            except _AttemptFailed as failed:
                error, is_retryable, retry_after = failed.error, failed.is_retryable, failed.retry_after
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
            if not is_retryable or attempt >= max_attempts or time.monotonic() + delay >= started + throttled_seconds + retry_budget:
                break
            self._sleep(delay)
        raise error from None

    def _send_once(self, method: str, path: str, operation: str, params: dict | None, json: Any, changes: bool, timeout: float) -> HttpResponse:
        try:
            response = self._http.request(
                method, self.base_url + path, params={**self._query, **(params or {})}, json=json, timeout=timeout, new_connection=changes
            )
        except HttpError as http_error:
            failure = http_error
        else:
            self._update_clock_offset(response)
            return response
        if failure.reason == "machine_setting":
            raise _AttemptFailed(
                RewindError(
                    f"No request was sent to {self.provider_name}: on the machine where this task runs, {failure.detail}",
                    kind=errors.INVALID_ARGUMENT, operation=operation, hint="correct this setting there, then run again",
                ),
                is_retryable=False,
            )
        kind, text, hint = _FAILURES[failure.reason]
        may_be_applied = changes and failure.connected
        raise _AttemptFailed(
            RewindError(
                f"{self.provider_name} {text} ({method} {path}, {failure.detail})",
                kind=kind, outcome=errors.UNKNOWN if may_be_applied else errors.NOT_APPLIED, operation=operation, hint=hint,
            ),
            is_retryable=kind != errors.TLS and not may_be_applied,
        )

    def _parse_response(self, response: HttpResponse, method: str, path: str, operation: str, changes: bool) -> ApiResponse:
        """Return the response's data. Raises _AttemptFailed if the status or the body is not that of a success."""
        data, readable = _decode_json(response)
        if 200 <= response.status < 300 and readable:
            return ApiResponse(response.status, data)

        kind, text, hint = _status_meaning(response.status)
        if 200 <= response.status < 300:
            kind, text, hint = errors.INVALID_RESPONSE, "returned a non-JSON response", _NOT_JSON
        # A web page proves nothing: a firewall may have blocked the response and not the request.
        is_rejected = 400 <= response.status < 500 and response.status != 408 and (readable or not response.body.strip() or response.status == 429)
        is_transient = response.status in (408, 429, 502, 503, 504) or 200 <= response.status < 300
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
            is_retryable=response.status == 429 if changes else is_transient,
            retry_after=_retry_after(response, self.server_time()) if response.status in (429, 503) else None,
        )

    def _update_clock_offset(self, response: HttpResponse) -> None:
        try:
            server_date = parsedate_to_datetime(response.headers["date"])
            offset = server_date.timestamp() - time.time()
            if abs(offset) < MAX_CLOCK_OFFSET:
                self._clock_offset = offset
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            pass  # without a valid Date this machine's clock is used


def _backoff(attempt: int) -> float:
    """Return seconds to wait before the next attempt if the provider names none."""
    return random.uniform(0, min(MAX_BACKOFF, INITIAL_BACKOFF * 2 ** (attempt - 1)))


class _AttemptFailed(Exception):
    """The failure of one attempt, and whether another attempt makes sense."""

    def __init__(self, error: RewindError, *, is_retryable: bool, retry_after: float | None = None) -> None:
        super().__init__(error.kind)
        self.error, self.is_retryable, self.retry_after = error, is_retryable, retry_after


_NOT_JSON = "check api_url; a web application firewall, a proxy or a maintenance page may have answered instead of the API"


def _decode_json(response: HttpResponse) -> tuple[Any, bool]:
    """Return the response's JSON, and whether it is valid. Only a 204 may be empty."""
    if response.status == 204 and not response.body.strip():
        return None, True
    try:
        return decode_json(response.body), True
    except (ValueError, RecursionError):
        return None, False


def _status_meaning(status: int) -> tuple[str, str, str | None]:
    """Return kind, text and hint for a status that is not a success."""
    if 300 <= status < 400:
        hint = "check api_url: scheme, host and path must be those of the API"
        return errors.INVALID_RESPONSE, "returned a redirect, which is never followed", hint
    meanings = {
        401: (errors.UNAUTHORIZED, "rejected the credentials", "check the token or keys of this provider; create new ones in its panel"),
        403: (errors.FORBIDDEN, "denied permission",
              "give the token or key the rights it needs; a key limited to IP addresses works only from those"),
        404: (errors.NOT_FOUND, "did not find the requested resource", None),
        409: (errors.BUSY, "reported a conflict with another operation", "run again when that operation has finished"),
        429: (errors.RATE_LIMITED, "rate limit reached", "wait a little, then run again"),
    }
    if status in meanings:
        return meanings[status]
    if 400 <= status < 500:
        return errors.PROVIDER_REJECTED, "rejected the request", None
    return errors.PROVIDER_ERROR, "returned a server error", "check the provider's status page, then run again; a rerun is safe"


def _retry_after(response: HttpResponse, now: datetime) -> float | None:
    """Return the seconds that the provider asks to wait, or None without a valid value."""
    header = response.headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
