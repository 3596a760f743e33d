# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange: a request out, a bounded answer back, within a time limit that really ends it.

Nothing here retries, follows a redirect or reads credentials from the user's files (C(.netrc) would silently
replace the token). C(requests) is used as it is, but for one addition: a connection tells when it has been made,
so that a failure is known to have come before anything was sent.
"""

from __future__ import annotations

import http.client
import json as json_module
import logging
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any

from .timeouts import request_timeout

try:
    import requests
    import requests.adapters
    import urllib3.connectionpool
except ImportError:
    requests = None

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
CONNECT_TIMEOUT = 10.0


@dataclass(frozen=True)
class HttpResponse:
    """What came back: HTTP status, headers (names in lower case), the whole body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ValueError when it is none."""
        return json_module.loads(self.body.decode("utf-8"))


class HttpError(Exception):
    """No whole answer came.

    :arg reason: C(unreachable), C(tls), C(timeout) or C(invalid_response).
    :arg connected: False when no connection was made, so nothing can have been sent.
    :arg detail: the class of what happened, never its text.
    """

    def __init__(self, reason: str, connected: bool, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.connected = connected
        self.detail = detail


@dataclass
class _RequestState:
    """What is known of the exchange under way, shared with its connection and its alarm."""

    socket: Any = None
    connected: bool = False
    expired: threading.Event = field(default_factory=threading.Event)

    def abort(self) -> None:
        self.expired.set()
        if self.socket is not None:
            try:
                # The base class's shutdown: SSLSocket's own would pull the TLS object from under the reader.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
            except OSError:
                pass


class HttpSession:
    """A session to one API. Not for use by two threads at once.

    :arg headers: sent with every request, credentials included.
    :arg verify: True, False, or the path of a CA bundle.
    :arg timeout: seconds for one exchange, from connecting to the last byte.
    :arg loopback: the API is on this machine: no proxy is asked for it.
    """

    def __init__(self, headers: dict[str, str], verify: bool | str, timeout: float, loopback: bool) -> None:
        _silence_urllib3()
        self._verify = verify
        self._timeout = timeout
        self._state = _RequestState()
        self._session = requests.Session()
        # requests works out where a redirect leads even where it is not to follow it: it reads the whole body for that, and
        # stumbles over a Location that is none.
        self._session.get_redirect_target = lambda response: None
        self._session.trust_env = not loopback
        self._session.auth = _no_auth
        self._session.headers.clear()
        self._session.headers.update(headers)
        self._adapter = _instrumented_adapter(self)
        self._session.mount("https://", self._adapter)
        self._session.mount("http://", self._adapter)

    def request(self, method: str, url: str, *, params: dict | None, json: Any, new_connection: bool) -> HttpResponse:
        """Send one request and read its whole answer.

        :arg new_connection: open a new connection, so that a failure before it is made proves that nothing was sent.
        :raises HttpError: no whole answer came.
        """
        if new_connection:
            self._adapter.close()
        state = self._state = _RequestState(connected=False)
        reason = detail = ""
        try:
            with request_timeout(self._timeout, state.abort):
                return self._read(method, url, params, json)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, _ResponseTooLarge) as error:
            reason = "timeout" if state.expired.is_set() else _failure_reason(error)
            detail = type(error).__name__
        raise HttpError(reason, connected=state.connected, detail=detail) from None

    def _read(self, method: str, url: str, params: dict | None, json: Any) -> HttpResponse:
        timeouts = (min(CONNECT_TIMEOUT, self._timeout), self._timeout)
        with self._session.request(
            method, url, params=params, json=json, timeout=timeouts, verify=self._verify, allow_redirects=False, stream=True
        ) as response:
            body = bytearray()
            for chunk in response.iter_content(65536):
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise _ResponseTooLarge
            if self._state.expired.is_set():
                raise requests.exceptions.ReadTimeout  # the alarm ended a body that has no length of its own
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpResponse(response.status_code, headers, bytes(body))

    def on_connected(self, sock: Any) -> None:
        """Called by a connection that is ready to carry a request (after TLS, when there is TLS)."""
        if self._state.expired.is_set():
            raise TimeoutError  # the time was used up by connecting: send nothing any more
        self._state.connected = True
        self._state.socket = sock

    def on_request_start(self, sock: Any) -> None:
        """Called when a request is about to be written: a connection that is used again has its socket already."""
        if sock is not None:
            self._state.connected = True
            self._state.socket = sock


class _ResponseTooLarge(Exception):
    """The answer has more bytes than any honest one."""


def _silence_urllib3() -> None:
    """urllib3 logs whole URLs, and with them the keys that Ilkbyte wants there: at DEBUG always, and as a warning where
    an answer's headers are malformed. Each task has a process of its own, so nobody else is silenced.
    """
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("urllib3.")] + ["urllib3"]:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # each: one may have been turned on by itself


def _no_auth(request: Any) -> Any:
    """As the session's auth: keeps requests from putting .netrc's login over our header."""
    return request


def _failure_reason(error: BaseException) -> str:
    if isinstance(error, _ResponseTooLarge) or (isinstance(error, ValueError) and not isinstance(error, requests.exceptions.RequestException)):
        return "invalid_response"  # too much, or what no library expects of an answer
    if _is_untrusted_certificate(error):
        return "tls"
    if isinstance(error, requests.exceptions.Timeout):
        return "timeout"
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)):
        return "invalid_response"
    return "unreachable"


def _is_untrusted_certificate(error: BaseException) -> bool:
    """Whether the certificate is the cause: requests and urllib3 wrap it several times over."""
    seen: list[BaseException] = []
    pending: list[Any] = [error]
    while pending:
        cause = pending.pop()
        if not isinstance(cause, BaseException) or cause in seen:
            continue
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        seen.append(cause)
        pending += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
    return False


class _BoundedResponse(http.client.HTTPResponse):
    """An answer of which a chunk can't have a negative length, which would be read as: all that ever comes."""

    def _safe_read(self, amt: int) -> bytes:
        if amt < 0:
            raise http.client.IncompleteRead(b"")
        return super()._safe_read(amt)


def _instrumented_adapter(session: HttpSession) -> Any:
    """An adapter without retries whose connections report to the wire."""

    def instrumented(pool_class: type) -> type:
        class Connection(pool_class.ConnectionCls):
            response_class = _BoundedResponse
            debuglevel = 0  # http.client prints every header where somebody has turned its own on

            def connect(self) -> None:
                super().connect()
                session.on_connected(self.sock)

            def request(self, *args: Any, **kwargs: Any) -> Any:
                session.on_request_start(self.sock)
                return super().request(*args, **kwargs)

        return type(pool_class.__name__, (pool_class,), {"ConnectionCls": Connection})

    pools = {
        "http": instrumented(urllib3.connectionpool.HTTPConnectionPool),
        "https": instrumented(urllib3.connectionpool.HTTPSConnectionPool),
    }

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = pools
            return manager

    return Adapter(max_retries=0)
