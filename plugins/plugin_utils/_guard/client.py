# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run's side of its guard: starts it, asks it, and learns when it is gone."""

from __future__ import annotations

import contextlib
import fcntl
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
from .._upgrade.record import RunRecord

LOOK_SECONDS = 1.0
PROGRAM = Path(__file__).with_name("__main__.py")
# What a program needs to reach a cloud; credentials and settings of Ansible stay behind.
KEPT_VARIABLES = (
    "HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER", "LOGNAME",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
)


def start_guard(order: dict[str, Any]) -> RunRecord:
    """Start a guard; it lives on when this process ends.

    :arg order: see guard_service.serve; a C(parameters) with credentials reaches it through a pipe.
    :returns: the receipt as it stands now.
    :raises RewindError: C(busy), another guard watches this server; C(internal), it didn't start.
    """
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    guard = subprocess.Popen(
        [sys.executable, str(PROGRAM), order["record_path"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment, cwd="/", start_new_session=True, text=True, encoding="utf-8",
    )
    answer: dict[str, Any] | None = None
    with contextlib.suppress(OSError, ValueError):
        guard.stdin.write(json.dumps({**order, "sys_path": [path for path in sys.path if path]}) + "\n")
        guard.stdin.close()
        answer = json.loads(guard.stdout.readline())
    guard.stdout.close()
    if answer and "done" in answer:
        return RunRecord(Path(order["record_path"]), answer["done"]["record"])
    guard.wait()
    if answer and answer["refused"]["kind"] == errors.BUSY:
        raise RewindError("Another run guards this server", kind=errors.BUSY)
    raise RewindError(
        f"The guard's process did not start (it ended with status {guard.returncode})",
        kind=errors.INTERNAL, hint=f"can {sys.executable} write to {order['record_path']}, and to its folder for temporary files?",
    )


def ask_guard(record: RunRecord, request: dict[str, Any], meanwhile: Callable[[], None] = lambda: None) -> RunRecord | None:
    """Ask for something and wait for the answer; a guard at work answers when it is done.

    :arg meanwhile: called once a second.
    :returns: the receipt as it stands then; None where no guard is there, so nothing was done, or where it went away meanwhile.
    :raises RewindError: the guard refuses.
    """
    door = (record.data.get("guard") or {}).get("socket")
    answer: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, RecursionError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        if door is None:
            return None
        line.connect(door)
        line.sendall((json.dumps(request) + "\n").encode())
        _wait_for(line, meanwhile)
        with line.makefile("r", encoding="utf-8") as stream:
            answer = _answer(stream.readline())
    if isinstance(answer.get("refused"), dict):
        raise _refusal(answer["refused"])
    done = answer["done"].get("record") if isinstance(answer.get("done"), dict) else None
    if not isinstance(done, dict) or done.get("run_id") != record.run_id or not record.accepts(done):
        return None
    return RunRecord(record.path, done)


def _wait_for(line: socket.socket, meanwhile: Callable[[], None]) -> None:
    """Until there is something to read, or the guard is gone."""
    line.settimeout(LOOK_SECONDS)
    while True:
        try:
            line.recv(1, socket.MSG_PEEK)
            break
        except TimeoutError:
            meanwhile()
    line.settimeout(None)


def _answer(text: str) -> dict[str, Any]:
    """What a line says; nothing where the guard went away in the middle of it, or whoever that is is no guard."""
    answer = to_valid_utf8(json.loads(text)) if text.endswith("\n") else {}
    return answer if isinstance(answer, dict) else {}


def _refusal(said: dict[str, Any]) -> RewindError:
    hint = said.get("hint")
    return RewindError(
        str(said.get("message")), kind=str(said.get("kind")), outcome=str(said.get("outcome", errors.NOT_APPLIED)),
        hint=None if hint is None else str(hint),
    )


def guard_is_there(lock_path: Path) -> bool:
    """Whether some guard watches the server: it holds the lock for as long as it lives."""
    if not lock_path.exists():
        return False
    handle = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
