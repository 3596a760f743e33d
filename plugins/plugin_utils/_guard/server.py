# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard at work: its lock, its socket, and the loop in which it listens and watches."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError
from ...module_utils._execute import execute
from ...module_utils._text import sanitize, to_valid_utf8
from .._upgrade import process_identity
from .._upgrade.record import RunRecord, describe_state, make_private_directory, utc_timestamp
from .guard import Guard, ProgressCallback, World, refusal

LOOK_SECONDS = 0.5  # how often it looks whether the run still lives
LONGEST_REQUEST = 4_000_000  # bytes
REQUEST_SECONDS = 10.0  # for one request to arrive
CHUNK = 65536


def serve(order: dict[str, Any]) -> int:
    """Guard as the order says.

    :arg order: C(record_path), C(record) (a new one, or None to take up the one that is there), C(run), C(parameters)
        (which cloud, with which credentials), C(rollback_seconds), C(terminal).
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    answers = sys.stdout
    path = Path(order["record_path"])
    make_private_directory(path.parent)
    lock = _lock(path.parent.parent / "lock")
    if lock is None:
        _put(answers, {"refused": {"kind": errors.BUSY, "message": "locked"}})
        return 1
    home = Path(tempfile.mkdtemp(prefix="rewind-guard-"))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.bind(str(home / "socket"))
            door.listen(8)
            door.settimeout(LOOK_SECONDS)
            guard = _guard(order, path, home / "socket")
            _put(answers, {"done": {"record": guard.record.data}})
            _let_go_of_streams()
            _loop(guard, door)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


def _lock(path: Path) -> int | None:
    """Held until this process ends; None where another guard holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _guard(order: dict[str, Any], path: Path, door: Path) -> Guard:
    here = {
        "run": {**order["run"]["process"], "what": order["run"]["what"]},
        "guard": {**process_identity.identity(os.getpid()), "socket": str(door)},
    }
    resumed = order["record"] is None
    record = RunRecord.load(path) if resumed else RunRecord(path, order["record"])
    if resumed:
        record.data["history"].append({"at": utc_timestamp(), "state": record.state, "note": f"taken up again, {describe_state(record)}"})
    record.update(**here, acknowledged=False)

    def operate(module: str, wishes: dict[str, Any], wait_seconds: int, progress: ProgressCallback) -> dict[str, Any]:
        server = {"server": record.data["server"]["id"], "wait": True, "wait_timeout": wait_seconds}
        return execute(
            module, {**order["parameters"], **server, **wishes}, check_mode=False, diff_mode=False,
            progress=progress, redeliver_signal=_end_by, environ={},
        )

    def ask_restore(snapshot_id: str, wait_seconds: int, progress: ProgressCallback) -> dict[str, Any]:
        return operate("snapshot_restore", {"id": snapshot_id, "name": None, "start_server": True}, wait_seconds, progress)

    def ask_snapshot(wishes: dict[str, Any], wait_seconds: int, progress: ProgressCallback) -> dict[str, Any]:
        return operate("snapshot", {
            "name": record.snapshot["name"], "id": None, "description": None, "state": "present", "max_age": None,
            "stop_server": wishes["stop_server"],
            # Only to make room where it is full; trimming waits until the upgrade is confirmed.
            "when_full": "prune", "retain": {"count": 10000, "match": wishes["match"]},
        }, wait_seconds, progress)

    def tell_terminal(text: str) -> None:
        if order["terminal"]:
            with contextlib.suppress(OSError):
                handle = os.open(order["terminal"], os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
                with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as terminal:
                    terminal.write(f"\r\n[rewind.vps guard] {sanitize(text)}\r\n")

    world = World(ask_restore, ask_snapshot, lambda: process_identity.is_alive(order["run"]["process"]), tell_terminal)
    return Guard(record, world, order["rollback_seconds"], resumed)


def _end_by(number: int) -> None:
    """Take a signal that was held back while the server was stopped for its snapshot."""
    os.kill(os.getpid(), number)


def _let_go_of_streams() -> None:
    """Whoever reads the run's output must not have to wait for its guard."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def _loop(guard: Guard, door: socket.socket) -> None:
    while not guard.is_over:
        with contextlib.suppress(OSError):
            caller, dummy = door.accept()
            with caller, contextlib.suppress(OSError):
                _attend(guard, caller)
        with contextlib.suppress(Exception):  # a full disk, a mistake: a guard that ends by it guards no more
            guard.watch()


def _attend(guard: Guard, caller: socket.socket) -> None:
    request = _request(caller)
    if request is None:
        return
    try:
        done: dict[str, Any] = {"done": guard.answer(request)}
    except RewindError as error:
        done = refusal(error)
    except Exception as error:  # a guard that ends by a mistake guards no more
        done = refusal(RewindError(f"The guard made a mistake ({type(error).__name__})", kind=errors.INTERNAL, outcome=errors.UNKNOWN))
    caller.settimeout(REQUEST_SECONDS)
    with caller.makefile("w", encoding="utf-8") as outgoing:
        _put(outgoing, done)


def _request(caller: socket.socket) -> Any:
    """One line of JSON; None for whatever else a caller sends, and for one who takes longer than all of it may take."""
    give_up_at = time.monotonic() + REQUEST_SECONDS
    line = bytearray()
    while b"\n" not in line[-CHUNK:]:
        left = give_up_at - time.monotonic()
        if left <= 0 or len(line) > LONGEST_REQUEST:
            return None
        caller.settimeout(left)
        part = caller.recv(CHUNK)
        if not part:
            return None
        line += part
    try:
        return to_valid_utf8(json.loads(line.partition(b"\n")[0].decode("utf-8")))
    except (ValueError, RecursionError):
        return None


def _put(stream: IO[str], answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()
