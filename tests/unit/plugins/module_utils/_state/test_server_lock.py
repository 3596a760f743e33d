# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a server belongs to one process and ends with it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.rewind.vps.plugins.module_utils import _files
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import ServerLock

KEY = "vpsorg-12345-0a1b2c3d"
COLLECTIONS = str(Path(_files.__file__).parents[5])

# Another task of this machine: it takes the lock, and releases it when its input ends.
OTHER = """
import sys
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import ServerLock
lock = ServerLock(sys.argv[1], sys.argv[2])
print("acquired" if lock.try_acquire() else "refused", flush=True)
sys.stdin.read()
lock.release(True)
"""


@contextlib.contextmanager
def another_process(directory: Path) -> Iterator[subprocess.Popen]:
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(directory), KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": COLLECTIONS},
    )
    try:
        yield other
    finally:
        other.kill()
        other.communicate()


@pytest.fixture
def lock(directory: Path) -> ServerLock:
    return ServerLock(str(directory), KEY)


def lock_file(directory: Path) -> Path:
    (found,) = directory.glob("*.lock")
    return found


def next_handle() -> int:
    """The lowest number that is free."""
    handle = os.dup(0)
    os.close(handle)
    return handle


# --- the lock


def test_two_processes_never_hold_the_same_lock(directory: Path, lock: ServerLock) -> None:
    assert lock.try_acquire()
    with another_process(directory) as other:
        assert other.stdout.readline() == "refused\n"
    lock.release(False)
    before = time.monotonic_ns()
    with another_process(directory) as other:
        assert other.stdout.readline() == "acquired\n"
        assert not lock.try_acquire()
        other.communicate("")  # it releases the lock and has requested a change
    assert lock.try_acquire()
    assert lock.changed_since(before) and not lock.changed_since(time.monotonic_ns()), "all processes share one clock"


def test_a_killed_process_releases_the_lock(directory: Path, lock: ServerLock) -> None:
    with another_process(directory) as other:
        assert other.stdout.readline() == "acquired\n"
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert lock.try_acquire()


def test_a_program_that_the_task_starts_does_not_keep_the_lock(directory: Path, lock: ServerLock) -> None:
    assert lock.try_acquire()
    started = subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        lock.release(False)
        other = ServerLock(str(directory), KEY)
        # The new program closes it when it starts, so shortly afterwards at most.
        end = time.monotonic() + 5
        while not (free := other.try_acquire()) and time.monotonic() < end:
            time.sleep(0.01)
        assert free and started.poll() is None
    finally:
        started.communicate(b"\n")


def test_a_refused_process_releases_nothing(directory: Path, lock: ServerLock) -> None:
    other = ServerLock(str(directory), KEY)
    assert lock.try_acquire() and not other.try_acquire()
    other.release(True)
    assert not other.try_acquire()
    assert lock_file(directory).read_bytes() == b""


def test_a_kernel_that_does_not_lock_is_no_lock_taken(lock: ServerLock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems. No handle is left open either."""

    def no_locks(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    before = next_handle()
    monkeypatch.setattr(_files.fcntl, "flock", no_locks)
    with pytest.raises(OSError, match="No locks"):
        lock.try_acquire()
    assert next_handle() == before


@pytest.mark.parametrize("suffix", [".lock", ".restoring"])
def test_a_symlink_instead_of_a_lock_is_not_followed_and_leaves_no_lock_behind(directory: Path, lock: ServerLock, suffix: str) -> None:
    assert lock.try_acquire()
    lock.release(False)
    path = lock_file(directory).with_suffix(suffix)
    path.unlink()
    path.symlink_to(directory / "elsewhere")
    before = next_handle()
    with pytest.raises(OSError) as caught:
        lock.try_acquire()
    assert caught.value.errno == errno.ELOOP and not (directory / "elsewhere").exists() and next_handle() == before
    path.unlink()
    assert lock.try_acquire()


# --- whether another task has requested a change


def test_a_change_is_known_to_the_next_holder(directory: Path, lock: ServerLock) -> None:
    assert lock.try_acquire()
    assert not lock.changed_since(1), "there was no change yet"
    before = time.monotonic_ns()
    lock.release(True)
    after = time.monotonic_ns()
    other = ServerLock(str(directory), KEY)
    assert other.try_acquire()
    assert other.changed_since(before) and not other.changed_since(after)
    other.release(False)
    assert lock.try_acquire()
    assert lock.changed_since(before) and not lock.changed_since(after), "a release without a change keeps the mark"


@pytest.mark.parametrize(("content", "changed"), [
    (b"garbage", True), (b"\xff" * 20, True), (b"12.5", True),  # unreadable: read again
    (b"9" * 18, False),  # from before a reboot: the clock restarts with the machine
])
def test_a_mark_that_this_boot_has_not_written(directory: Path, lock: ServerLock, content: bytes, changed: bool) -> None:
    assert lock.try_acquire()
    lock_file(directory).write_bytes(content)
    assert lock.changed_since(time.monotonic_ns()) is changed


# --- a restore that is waited for


def test_during_a_restore_only_another_restore_gets_the_lock(directory: Path, lock: ServerLock) -> None:
    other = ServerLock(str(directory), KEY)
    assert lock.try_acquire(allow_during_restore=True)
    lock.hold_restore_lock()
    lock.release(True)
    for _attempt in range(2):
        assert not other.try_acquire()
        assert other.try_acquire(allow_during_restore=True)
        other.hold_restore_lock()  # it joins: the first one's wait goes on
        other.release(False)
        other.release_restore_lock()
    lock.release_restore_lock()
    assert other.try_acquire()
