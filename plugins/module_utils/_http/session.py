# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request and its bounded response, within a time limit that really ends it.

Nothing here retries, follows a redirect, or reads credentials from the user's files: `.netrc` would silently replace the token.
`requests` is used as it is, with one addition: a connection reports when it is established.
So a failure before that is known to have happened before anything was sent.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from . import connections, machine_settings

try:
    import requests
    import requests.adapters
    import urllib3.util.connection
except ImportError:
    requests = None

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
CONNECT_TIMEOUT = 10.0


@dataclass(frozen=True)
class HttpResponse:
    """HTTP status, headers (names in lower case) and the whole body."""

    status: int
    headers: dict[str, str]
    body: bytes


class HttpError(Exception):
    """No complete response arrived.

    Attributes:
        reason: `unreachable`, `tls`, `timeout`, `invalid_response` or `machine_setting`.
        connected: False if no connection was established, so nothing can have been sent.
        detail: Class name of the cause, never its text. Of a machine's setting: what is wrong with it.
    """

    def __init__(self, reason: str, connected: bool, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.connected, self.detail = reason, connected, detail


@dataclass
class _RequestState:
    """State of the current request, shared with its connection and its timer."""

    connect_deadline: float = 0.0  # by the monotonic clock
    socket: Any = None
    address: Any = None  # that the connection leads to; None if that is unknown
    connected: bool = False
    expired: threading.Event = field(default_factory=threading.Event)

    def abort(self) -> None:
        """End the request. Called by the timer's thread."""
        self.expired.set()
        if self.socket is not None:
            try:
                # The base class's shutdown: SSLSocket's own would pull the TLS object from under the reader.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
            except OSError:
                pass


class HttpSession:
    """A session to one API. Must not be used by two threads at once.

    Args:
        headers: Sent with every request, credentials included.
        verify: True, False, or the path of a CA bundle.
        loopback: The API is on this machine, so no proxy is used.
    """

    def __init__(self, headers: dict[str, str], verify: bool | str, loopback: bool) -> None:
        _silence_urllib3()
        self._loopback = loopback
        self._verify = verify if verify is not True or loopback else machine_settings.ca_bundle() or True
        self._state = _RequestState()
        self._session = requests.Session()
        # requests computes the target of a redirect even if it must not follow it: it reads the whole body for that, and
        # fails on an invalid Location.
        self._session.get_redirect_target = lambda response: None
        self._session.trust_env = False  # machine_settings reads the environment
        self._session.auth = lambda request: request  # without one, requests replaces our header with a login of .netrc
        self._session.headers.clear()
        self._session.headers.update(headers)
        self._adapter = connections.instrumented_adapter(self)
        self._session.mount("https://", self._adapter)
        self._session.mount("http://", self._adapter)

    def request(self, method: str, url: str, *, params: dict | None, json: Any, timeout: float, new_connection: bool) -> HttpResponse:
        """Send one request and read the complete response.

        Args:
            timeout: Seconds, from connecting to the last byte.
            new_connection: Open a new connection, so that a failure before it is established proves that nothing was sent.

        Raises:
            HttpError: No complete response arrived.
        """
        proxies = {} if self._loopback else machine_settings.proxies_for(url)
        problem = machine_settings.find_proxy_problem(url, proxies)
        if problem:
            raise HttpError("machine_setting", connected=False, detail=problem)
        if new_connection:
            self._adapter.close()
        state = self._state = _RequestState()
        # The library's own timeouts are those of single reads, so a slow body would never end.
        timer = threading.Timer(timeout, state.abort)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # the machine allows no further thread
            raise HttpError("unreachable", connected=False, detail="RuntimeError") from None
        try:
            response = self._read(method, url, params, json, timeout, proxies)
            if state.address is not None:
                connections.record_result(state.address, connections.ANSWERED)
            return response
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, _ResponseTooLarge) as error:
            reason = "timeout" if state.expired.is_set() else _failure_reason(error)
            detail = type(error).__name__
        finally:
            timer.cancel()
        if state.address is not None:
            connections.record_result(state.address, connections.FAILED)
        problem = None if state.connected else machine_settings.find_ca_problem(url, self._verify)
        reason, detail = ("machine_setting", problem) if problem else (reason, detail)
        raise HttpError(reason, connected=state.connected, detail=detail) from None

    def _read(self, method: str, url: str, params: dict | None, json: Any, timeout: float, proxies: dict[str, str]) -> HttpResponse:
        timeouts = (min(CONNECT_TIMEOUT, timeout), timeout)
        self._state.connect_deadline = time.monotonic() + timeouts[0]
        with self._session.request(
            method, url, params=params, json=json, timeout=timeouts, verify=self._verify, proxies=proxies, allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            for chunk in response.iter_content(65536):
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise _ResponseTooLarge
            if self._state.expired.is_set():
                raise requests.exceptions.ReadTimeout  # the timer ended a body without a length, which looks complete
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpResponse(response.status_code, headers, bytes(body))

    def open_socket(self, host: str, port: int, socket_options: Any) -> tuple[Any, Any]:
        """Return a connection to one of the host's addresses, and that address."""
        seconds = self._state.connect_deadline - time.monotonic()
        sock, address = connections.connect(host, port, seconds, urllib3.util.connection.allowed_gai_family(), socket_options)
        self._state.address = address
        return sock, address

    def on_connected(self, sock: Any, address: Any) -> None:
        """Record that a connection is ready to carry a request: it was just opened (TLS included), or is used again."""
        self._state.address = address
        if self._state.expired.is_set():
            raise TimeoutError  # connecting took all the time: send nothing
        self._state.connected = True
        self._state.socket = sock


class _ResponseTooLarge(Exception):
    """The response is larger than MAX_RESPONSE_BYTES."""


def _silence_urllib3() -> None:
    """Silence urllib3, which logs whole URLs and with them the credentials that Ilkbyte expects there.

    It does so at DEBUG, and as a warning if a response has malformed headers. Each task has its own process, so no other code is affected.
    """
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("urllib3.")] + ["urllib3"]:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # each one: the level of a child overrides its parent's


def _failure_reason(error: BaseException) -> str:
    if isinstance(error, _ResponseTooLarge) or (isinstance(error, ValueError) and not isinstance(error, requests.exceptions.RequestException)):
        return "invalid_response"  # too large, or malformed in a way that the libraries do not expect
    if _is_untrusted_certificate(error):
        return "tls"
    if isinstance(error, requests.exceptions.Timeout):
        return "timeout"
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)):
        return "invalid_response"
    return "unreachable"


def _is_untrusted_certificate(error: BaseException) -> bool:
    """Return whether the certificate is the cause. requests and urllib3 wrap that error several times."""
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
