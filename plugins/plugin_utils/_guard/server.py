# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running guard: its lock, its socket, and the loop in which it listens and watches."""

from __future__ import annotations

import contextlib
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
from ...module_utils._files import FileLock
from ...module_utils._module import snapshot, snapshot_restore
from ...module_utils._text import sanitize, to_valid_utf8
from ...module_utils._wait.polling import Clock
from .._upgrade import process_identity
from .._upgrade.record import RunRecord, describe_state, make_private_directory, utc_timestamp
from .guard import Guard
from .protocol import error_response
from .retry import ProgressCallback

TICK_INTERVAL = 0.5  # between checks whether the run still lives
MAX_REQUEST_BYTES = 4_000_000  # bytes
REQUEST_TIMEOUT = 10.0  # for one request to arrive
CHUNK_BYTES = 65536


def serve(config: dict[str, Any]) -> int:
    """Guard one run, and return the exit status.

    Args:
        config: `record_path`, `record` (a new one, or None to resume the existing one), `run`, `parameters` (the provider and its
            credentials), `rollback_seconds`, `terminal`.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    output = sys.stdout
    path = Path(config["record_path"])
    make_private_directory(path.parent)
    lock = _acquire_lock(path.parent.parent / "lock")
    if lock is None:
        _write_json_line(output, {"error": {"kind": errors.BUSY, "message": "locked"}})
        return 1
    runtime_dir = Path(tempfile.mkdtemp(prefix="rewind-guard-"))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(runtime_dir / "socket"))
            listener.listen(8)
            listener.settimeout(TICK_INTERVAL)
            guard = _create_guard(config, path, runtime_dir / "socket")
            _write_json_line(output, {"result": {"record": guard.record.data}})
            _detach_stdio()
            _loop(guard, listener)
    finally:
        shutil.rmtree(runtime_dir, ignore_errors=True)
    return 0


def _acquire_lock(path: Path) -> FileLock | None:
    """Acquire the lock until this process ends. Return None if another guard holds it."""
    lock = FileLock(path)
    if not lock.try_acquire():
        return None
    with contextlib.suppress(OSError):  # on a full disk, a guard without its name there is better than none
        os.ftruncate(lock.handle, 0)
        os.write(lock.handle, json.dumps(process_identity.identity(os.getpid())).encode())  # see client.is_guard_running
    return lock


def _create_guard(config: dict[str, Any], path: Path, socket_path: Path) -> Guard:
    process_fields = {
        "run": {**config["run"]["process"], "command": config["run"]["command"]},
        "guard": {**process_identity.identity(os.getpid()), "socket": str(socket_path)},
    }
    resumed = config["record"] is None
    record = RunRecord.load(path) if resumed else RunRecord(path, config["record"])
    if resumed:
        record.data["history"].append({"at": utc_timestamp(), "state": record.state, "note": f"resumed, {describe_state(record)}"})
    record.update(**process_fields, acknowledged=False)
    return Guard(record, ProviderActions(record, config), config["rollback_seconds"], resumed)


class ProviderActions:
    """The guard's actions at the provider and on this machine, with the settings that its run has given it."""

    def __init__(self, record: RunRecord, config: dict[str, Any]) -> None:
        self.clock = Clock()
        self._record = record
        self._config = config

    def restore_snapshot(self, snapshot_id: str, wait_seconds: int, progress: ProgressCallback) -> dict[str, Any]:
        """Run the operation of snapshot_restore, and return its result."""
        return self._run_operation(snapshot_restore, {"id": snapshot_id, "name": None, "start_server": True}, wait_seconds, progress)

    def take_snapshot(self, params: dict[str, Any], wait_seconds: int, progress: ProgressCallback) -> dict[str, Any]:
        """Run the operation of snapshot with `match`, what may be deleted to make room, and `stop_server`; return its result."""
        return self._run_operation(snapshot, {
            "name": self._record.snapshot["name"], "id": None, "description": None, "state": "present", "max_age": None,
            "stop_server": params["stop_server"],
            # Deletes only to make room for the new one. Older snapshots are deleted after the upgrade is confirmed.
            "when_full": "prune", "retain": {"count": 10000, "match": params["match"]},
        }, wait_seconds, progress)

    def is_run_alive(self) -> bool:
        return process_identity.is_alive(self._config["run"]["process"])

    def notify_terminal(self, text: str) -> None:
        """Write a line to the terminal of a run that is gone, if it had one."""
        if self._config["terminal"]:
            with contextlib.suppress(OSError):
                handle = os.open(self._config["terminal"], os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
                with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as terminal:
                    terminal.write(f"\r\n[rewind.vps guard] {sanitize(text)}\r\n")

    def _run_operation(self, operation: Any, params: dict[str, Any], wait_seconds: int, progress: ProgressCallback) -> dict[str, Any]:
        server = {"server": self._record.data["server"]["id"], "wait": True, "wait_timeout": wait_seconds}
        return execute(
            operation, {**self._config["parameters"], **server, **params}, check_mode=False, diff_mode=False,
            progress=progress, environ={},
            # One that was deferred while the server was stopped for its snapshot.
            redeliver_signal=lambda number: os.kill(os.getpid(), number),
        )


def _detach_stdio() -> None:
    """Close the run's output, so that its readers do not wait for the guard."""
    null_device = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null_device, number)


def _loop(guard: Guard, listener: socket.socket) -> None:
    while not guard.finished:
        with contextlib.suppress(OSError):
            caller, dummy = listener.accept()
            with caller, contextlib.suppress(OSError):
                _handle_connection(guard, caller)
        with contextlib.suppress(Exception):  # a full disk or an internal error must not end the guard
            guard.tick()


def _handle_connection(guard: Guard, caller: socket.socket) -> None:
    request = _read_request(caller)
    if request is None:
        return
    try:
        response: dict[str, Any] = {"result": guard.handle(request)}
    except RewindError as error:
        response = error_response(error)
    except OSError as error:
        response = error_response(RewindError(
            f"The guard can't write the run record ({error.strerror})", kind=errors.INTERNAL, hint="free space on the controller's disk",
        ))
    except Exception as error:  # an internal error must not end the guard
        response = error_response(RewindError(f"Internal error of the guard ({type(error).__name__})", kind=errors.INTERNAL, outcome=errors.UNKNOWN))
    caller.settimeout(REQUEST_TIMEOUT)
    with caller.makefile("w", encoding="utf-8") as outgoing:
        _write_json_line(outgoing, response)


def _read_request(caller: socket.socket) -> Any:
    """Read one line of JSON. Return None for anything else, and if it does not arrive in time."""
    deadline = time.monotonic() + REQUEST_TIMEOUT
    line = bytearray()
    while b"\n" not in line[-CHUNK_BYTES:]:
        seconds_left = deadline - time.monotonic()
        if seconds_left <= 0 or len(line) > MAX_REQUEST_BYTES:
            return None
        caller.settimeout(seconds_left)
        part = caller.recv(CHUNK_BYTES)
        if not part:
            return None
        line += part
    try:
        return to_valid_utf8(json.loads(line.partition(b"\n")[0].decode("utf-8")))
    except (ValueError, RecursionError):
        return None


def _write_json_line(stream: IO[str], response: dict[str, Any]) -> None:
    stream.write(json.dumps(response) + "\n")
    stream.flush()
