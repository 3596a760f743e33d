# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run's side of its guard: starts it, sends requests, and detects when it has stopped."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError
from ...module_utils._text import to_valid_utf8
from .._upgrade import process_identity
from .._upgrade.record import RunRecord

PROGRESS_INTERVAL = 1.0
PROGRAM = Path(__file__).with_name("__main__.py")
# What a program needs to reach a provider; credentials and settings of Ansible are not passed on.
INHERITED_ENV = (
    "HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER", "LOGNAME",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
)


def start_guard(config: dict[str, Any]) -> RunRecord:
    """Start a guard, which outlives this process, and return the run record.

    Args:
        config: See `server.serve`. Credentials in its `parameters` reach the guard through a pipe.

    Raises:
        RewindError: `busy`: another guard watches this server; `internal`: it did not start.
    """
    environment = {name: os.environ[name] for name in INHERITED_ENV if name in os.environ}
    guard = subprocess.Popen(
        [sys.executable, str(PROGRAM), config["record_path"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment, cwd="/", start_new_session=True, text=True, encoding="utf-8",
    )
    response: dict[str, Any] | None = None
    with contextlib.suppress(OSError, ValueError):
        guard.stdin.write(json.dumps({**config, "sys_path": [path for path in sys.path if path]}) + "\n")
        guard.stdin.close()
        response = json.loads(guard.stdout.readline())
    guard.stdout.close()
    if response and "result" in response:
        return RunRecord(Path(config["record_path"]), response["result"]["record"])
    guard.wait()
    if response and response["error"]["kind"] == errors.BUSY:
        raise RewindError("Another run guards this server", kind=errors.BUSY)
    raise RewindError(
        f"The guard did not start (it exited with status {guard.returncode})",
        kind=errors.INTERNAL, hint=f"can {sys.executable} write to {config['record_path']}, and to its temporary directory?",
    )


def send_request(record: RunRecord, request: dict[str, Any], on_idle: Callable[[], None] = lambda: None) -> RunRecord | None:
    """Send a request and wait for the response; a busy guard responds when it is done.

    Args:
        on_idle: Called once a second.

    Returns:
        The run record as it is then. None if there is no guard, so nothing was done, or if it has stopped meanwhile.

    Raises:
        RewindError: The guard rejects the request.
    """
    socket_path = (record.data.get("guard") or {}).get("socket")
    response: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, RecursionError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        if socket_path is None:
            return None
        connection.connect(socket_path)
        connection.sendall((json.dumps(request) + "\n").encode())
        _wait_readable(connection, on_idle)
        with connection.makefile("r", encoding="utf-8") as stream:
            response = _parse_response(stream.readline())
    if isinstance(response.get("error"), dict):
        raise _response_error(response["error"])
    record_data = response["result"].get("record") if isinstance(response.get("result"), dict) else None
    if not isinstance(record_data, dict) or record_data.get("run_id") != record.run_id or not record.accepts(record_data):
        return None
    return RunRecord(record.path, record_data)


def _wait_readable(connection: socket.socket, on_idle: Callable[[], None]) -> None:
    """Wait until there is something to read, or the guard has stopped."""
    connection.settimeout(PROGRESS_INTERVAL)
    while True:
        try:
            connection.recv(1, socket.MSG_PEEK)
            break
        except TimeoutError:
            on_idle()
    connection.settimeout(None)


def _parse_response(text: str) -> dict[str, Any]:
    """Return the content of a line; nothing if the guard stopped in the middle of it, or the other side is no guard."""
    response = to_valid_utf8(json.loads(text)) if text.endswith("\n") else {}
    return response if isinstance(response, dict) else {}


def _response_error(fields: dict[str, Any]) -> RewindError:
    hint = fields.get("hint")
    return RewindError(
        str(fields.get("message")), kind=str(fields.get("kind")), outcome=str(fields.get("outcome", errors.NOT_APPLIED)),
        hint=None if hint is None else str(hint),
    )


def is_guard_running(lock_path: Path) -> bool:
    """Whether some guard watches the server: the lock file names the process that holds the lock.

    The lock itself is not tried. To try it is to hold it, and a guard that starts at that instant would be refused.
    """
    try:
        process = json.loads(lock_path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(process, dict) and process_identity.is_alive(process)
