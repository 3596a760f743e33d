# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections of a session: they report when they are established, and reach one of a host's addresses within one time limit.

The HTTP library gives each address of a name the whole time. So a name with several addresses that do not respond would take
several times as long as the user allows, with every new connection.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Iterable
from typing import Any

try:
    import requests.adapters
    import urllib3.connection
    import urllib3.connectionpool
except ImportError:
    pass  # session.py reports it

ANSWERED, UNTRIED, FAILED = range(3)
_results: dict[Any, int] = {}  # how the last use of an address ended, for all connections of this process


def record_result(address: Any, result: int) -> None:
    """Record how the use of an address ended: those that answered are tried first, and those that failed last."""
    _results[address] = result


def connect(host: str, port: int, seconds: float, family: int, socket_options: Iterable[tuple[Any, ...]]) -> tuple[socket.socket, Any]:
    """Return a connection, and the address it leads to.

    Args:
        seconds: For all addresses together. Each one gets an equal share of what is left.
        family: Of the addresses to try.
        socket_options: Arguments of `setsockopt`.

    Raises:
        OSError: No address accepted a connection in time.
    """
    deadline = time.monotonic() + seconds
    candidates = socket.getaddrinfo(host.strip("[]"), port, family, socket.SOCK_STREAM)
    candidates = sorted(dict.fromkeys(candidates), key=lambda entry: _results.get(entry[4], UNTRIED))
    error: OSError = OSError("the name has no address")
    for number, (each_family, kind, protocol, _name, address) in enumerate(candidates):
        share = (deadline - time.monotonic()) / (len(candidates) - number)
        if share <= 0:
            raise socket.timeout("no time is left for further addresses")
        try:
            return _connect(each_family, kind, protocol, address, share, socket_options), address
        except OSError as failure:
            error = failure
            record_result(address, FAILED)
    raise error


def _connect(family: int, kind: int, protocol: int, address: Any, seconds: float, socket_options: Iterable[tuple[Any, ...]]) -> socket.socket:
    with contextlib.ExitStack() as on_failure:
        connection = socket.socket(family, kind, protocol)
        on_failure.callback(connection.close)
        for option in socket_options:
            connection.setsockopt(*option)
        connection.settimeout(seconds)
        connection.connect(address)
        on_failure.pop_all()
    return connection


class _BoundedResponse(http.client.HTTPResponse):
    """A response that rejects a chunk of negative length, which http.client would read without any limit."""

    def _safe_read(self, amt: int) -> bytes:
        if amt < 0:
            raise http.client.IncompleteRead(b"")
        return super()._safe_read(amt)


def instrumented_adapter(session: Any) -> Any:
    """Return an adapter without retries whose connections report to the session."""

    def instrumented(pool_class: type) -> type:
        connects_itself = pool_class.ConnectionCls._new_conn is not urllib3.connection.HTTPConnection._new_conn  # through a SOCKS proxy

        class Connection(pool_class.ConnectionCls):
            response_class = _BoundedResponse
            debuglevel = 0  # http.client prints every header if its class attribute was turned on
            address: Any = None

            def _new_conn(self) -> Any:
                if connects_itself:
                    return super()._new_conn()
                try:
                    sock, self.address = session.open_socket(self._dns_host, self.port, self.socket_options or ())
                except socket.timeout:
                    raise urllib3.exceptions.ConnectTimeoutError(self, "timed out") from None
                except (OSError, UnicodeError) as error:
                    raise urllib3.exceptions.NewConnectionError(self, type(error).__name__) from None
                sock.settimeout(self.timeout)
                return sock

            def connect(self) -> None:
                super().connect()
                session.on_connected(self.sock, self.address)

            def request(self, *args: Any, **kwargs: Any) -> Any:
                if self.sock is not None:
                    session.on_connected(self.sock, self.address)
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
            # A SOCKS proxy has classes of its own. The library returns the same manager again for the same proxy.
            if not hasattr(manager, "is_instrumented"):
                manager.pool_classes_by_scheme = {scheme: instrumented(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}
                manager.is_instrumented = True
            return manager

    return Adapter(max_retries=0)
