# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tasks of one machine meet: the lock is one process's and ends with it, and notes are whole, private and believed for a while."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._state import server_lock

# At the time of the import: the tests of this folder put another in its place.
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import LocalState, state_directory

URL = "https://api.example/v1"

# Another task of this machine: takes the place, and does as it is told.
OTHER = """
import os, runpy, signal, sys
module = runpy.run_path(sys.argv[1])
lock = module["LocalState"](sys.argv[2], "vpsorg", sys.argv[3], "12345")
print("acquired" if lock.try_acquire() else "refused", flush=True)
if sys.argv[4] == "write":
    os.rename = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)
    lock.put("made", id="new")
sys.stdin.read()
lock.release(True)
"""


@contextlib.contextmanager
def another_process(directory: Path, doing: str = "hold") -> Iterator[subprocess.Popen]:
    other = subprocess.Popen(
        [sys.executable, "-I", "-c", OTHER, server_lock.__file__, str(directory), URL, doing],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        yield other
    finally:
        other.kill()
        other.communicate()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "a directory, é"
    made.mkdir()
    return made


@pytest.fixture
def lock(directory: Path) -> LocalState:
    return LocalState(str(directory), "vpsorg", URL, "12345")


def lock_file(directory: Path) -> Path:
    (found,) = directory.glob("*.lock")
    return found


def notes_file(directory: Path) -> Path:
    (found,) = directory.glob("*.notes")
    return found


# --- the lock


def test_two_processes_never_hold_the_same_lock(directory: Path, lock: LocalState) -> None:
    assert lock.try_acquire()
    with another_process(directory) as other:
        assert other.stdout.readline() == "refused\n"
    lock.release(False)
    with another_process(directory) as other:
        assert other.stdout.readline() == "acquired\n"
        assert not lock.try_acquire()
        other.communicate("")
        assert lock.try_acquire(), "it has left"


def test_a_killed_process_releases_the_lock(directory: Path, lock: LocalState) -> None:
    with another_process(directory) as other:
        assert other.stdout.readline() == "acquired\n"
        assert not lock.try_acquire()
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert lock.try_acquire()


def test_a_program_that_the_task_starts_does_not_keep_the_lock(directory: Path, lock: LocalState) -> None:
    assert lock.try_acquire()
    started = subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        lock.release(False)
        other = LocalState(str(directory), "vpsorg", URL, "12345")
        # The new program closes it when it begins, so a moment later at most.
        end = time.monotonic() + 5
        while not (free := other.try_acquire()) and time.monotonic() < end:
            time.sleep(0.01)
        assert free and started.poll() is None
    finally:
        started.communicate(b"\n")


def test_a_refused_process_releases_nothing(directory: Path, lock: LocalState) -> None:
    other = LocalState(str(directory), "vpsorg", URL, "12345")
    assert lock.try_acquire() and not other.try_acquire()
    other.release(True)
    assert not other.try_acquire()
    assert lock_file(directory).read_bytes() == b""
    lock.release(False)
    lock.release(False)
    assert other.try_acquire()


def next_handle() -> int:
    """The lowest number that is free."""
    handle = os.dup(0)
    os.close(handle)
    return handle


def test_a_kernel_that_does_not_lock_is_no_lock_taken(lock: LocalState, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems. No handle is left open either."""

    def no_locks(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    before = next_handle()
    monkeypatch.setattr(server_lock.fcntl, "flock", no_locks)
    for _attempt in range(3):
        with pytest.raises(OSError, match="No locks"):
            lock.try_acquire()
    assert next_handle() == before


def test_a_symlink_instead_of_the_lock_is_not_followed(directory: Path, lock: LocalState, tmp_path: Path) -> None:
    assert lock.try_acquire()
    lock.release(False)
    path = lock_file(directory)
    path.unlink()
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    path.symlink_to(precious)
    with pytest.raises(OSError) as caught:
        lock.try_acquire()
    assert caught.value.errno == errno.ELOOP
    assert precious.read_text() == "as it was"


HARD_NAMES = ["web1", "a/b", "a_b", "..", ".", "../../etc/passwd", "şanlı-sunucu", "x" * 300, "x" * 301, "a\nb", "a\0b", "\udc80", "-rf", "a b", ""]


def test_every_server_has_one_plain_file_of_its_own(directory: Path) -> None:
    wanted = [("vpsorg", URL, name) for name in HARD_NAMES]
    wanted += [("ilkbyte", URL, "web1"), ("vpsorg", "https://other.example/v1", "web1")]
    for provider, url, name in wanted:
        lock = LocalState(str(directory), provider, url, name)
        assert lock.try_acquire(), f"{name!r} shares its lock with another"
        lock.put("mine", of=repr((provider, url, name)))
    files = list(directory.parent.rglob("*"))
    assert len([path for path in files if path.suffix == ".lock"]) == len(wanted)
    assert all(path.parent == directory for path in files if path != directory)
    assert all(len(path.name) < 100 and path.name.isascii() and path.name.isprintable() for path in files if path != directory)
    for provider, url, name in wanted:
        assert LocalState(str(directory), provider, url, name).all()["mine"]["of"] == repr((provider, url, name))


def test_what_lies_there_is_for_its_user_alone(directory: Path, lock: LocalState) -> None:
    """Whatever the umask, and without the address, which may hold a password."""
    secret = LocalState(str(directory), "vpsorg", "https://user:hunter22secret@api.example", "12345")
    before = os.umask(0)
    try:
        for each in (lock, secret):
            assert each.try_acquire()
            each.put("made", id="801")
            each.release(True)
    finally:
        os.umask(before)
    files = list(directory.iterdir())
    assert len([path for path in files if path.suffix in (".lock", ".notes")]) == 4
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "hunter22" not in path.name and "hunter22" not in path.read_text()


# --- whether somebody has asked meanwhile


def test_a_change_is_known_to_the_next_holder(directory: Path, lock: LocalState) -> None:
    assert lock.try_acquire()
    assert not lock.changed_since(server_lock.monotonic_ns()), "nobody ever has"
    before = server_lock.monotonic_ns()
    lock.release(True)
    after = server_lock.monotonic_ns()
    other = LocalState(str(directory), "vpsorg", URL, "12345")
    assert other.try_acquire()
    assert other.changed_since(before) and not other.changed_since(after)
    other.release(False)
    assert lock.try_acquire()
    assert lock.changed_since(before) and not lock.changed_since(after), "one that asked for nothing changes nothing"


def test_all_processes_share_one_clock(directory: Path, lock: LocalState) -> None:
    before = server_lock.monotonic_ns()
    with another_process(directory) as other:
        other.communicate("")  # it leaves, and has asked
    assert lock.try_acquire()
    assert lock.changed_since(before) and not lock.changed_since(server_lock.monotonic_ns())


@pytest.mark.parametrize("content", [b"garbage", b"\xff" * 20, b"12.5"])
def test_an_unreadable_mark_means_read_again(directory: Path, lock: LocalState, content: bytes) -> None:
    """The last: from before a reboot, since which moments are counted anew."""
    assert lock.try_acquire()
    lock_file(directory).write_bytes(content)
    assert lock.changed_since(server_lock.monotonic_ns())


def test_an_empty_mark_means_no_change(directory: Path, lock: LocalState) -> None:
    assert lock.try_acquire()
    assert lock_file(directory).read_bytes() == b""
    assert not lock.changed_since(1)


# --- notes


def test_notes_are_kept_side_by_side(directory: Path, lock: LocalState) -> None:
    assert lock.all() == {}
    lock.put("made", id="801")
    lock.put("stopped")
    lock.put("made", id="802 \udc80 é")
    other = LocalState(str(directory), "vpsorg", URL, "12345")
    assert set(other.all()) == {"made", "stopped"}
    assert other.get("made", 60.0)["id"] == "802 \udc80 é"
    other.delete("made")
    other.delete("made")
    assert set(lock.all()) == {"stopped"}


def test_a_process_that_is_killed_while_it_writes_leaves_the_old_notes(directory: Path, lock: LocalState) -> None:
    lock.put("made", id="old")
    with another_process(directory, "write") as other:
        assert other.wait() == -signal.SIGKILL
    assert lock.get("made", 60.0)["id"] == "old"
    assert len(list(directory.glob("*.new"))) == 1, "the half is there, and in nobody's way"
    lock.put("made", id="newer")
    assert lock.get("made", 60.0)["id"] == "newer"


def test_a_left_half_of_the_same_number_is_written_over(directory: Path, lock: LocalState, tmp_path: Path) -> None:
    """Process numbers come again. Where a link lies there, what it points to is left alone."""
    lock.put("made", id="801")
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    half = notes_file(directory).with_name(notes_file(directory).name.replace(".notes", f".{os.getpid()}.new"))
    half.symlink_to(precious)
    lock.put("made", id="802")
    assert lock.get("made", 60.0)["id"] == "802" and not notes_file(directory).is_symlink()
    assert precious.read_text() == "as it was" and not half.exists()


FRESH = time.time()


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"5", b"null", b'"text"', b"\xff\xfe", b"[" * 90_000, b'{"made": 5}', b'{"made": {}}', b'{"made": {"at": "now"}}',
    b'{"made": {"at": null}}', b'{"made": {"at": NaN}}', b'{"made": {"at": 1e999}}', b'{"made": {"at": ' + b"9" * 400 + b"}}",
    b'{"made": {"at": true}}', json.dumps({"made": {"at": FRESH, "id": "x" * server_lock.MAX_STATE_CHARS}}).encode(),
])
def test_notes_that_are_none_are_passed_over(directory: Path, lock: LocalState, content: bytes) -> None:
    lock.put("made", id="801")
    notes_file(directory).write_bytes(content)
    assert lock.get("made", 60.0) is None
    lock.delete("made")
    lock.put("made", id="802")
    assert lock.get("made", 60.0)["id"] == "802"


def test_a_note_among_garbage_is_found(directory: Path, lock: LocalState) -> None:
    lock.put("made", id="801")
    notes_file(directory).write_text(json.dumps({"gone": 5, "made": {"at": time.time(), "id": "801"}, "": {"at": []}}))
    assert set(lock.all()) == {"made"}


@pytest.mark.parametrize(("ago", "believed"), [(0.0, True), (50.0, True), (61.0, False), (1e9, False), (-5.0, False), (-1e9, False)])
def test_a_note_is_believed_for_a_while(lock: LocalState, ago: float, believed: bool) -> None:
    """One from the future was written before somebody has set the clock back, nobody knows when."""
    lock.put("made", at=time.time() - ago)
    assert (lock.get("made", 60.0) is not None) is believed
    assert "made" in lock.all()


def test_a_full_disk_is_an_error_and_harms_no_old_note(directory: Path, lock: LocalState, monkeypatch: pytest.MonkeyPatch) -> None:
    lock.put("made", id="801")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(server_lock.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        lock.put("made", id="802")
    assert lock.get("made", 60.0)["id"] == "801"
    lock.delete("made")  # the last one needs no room
    assert lock.all() == {}


# --- a restore that is waited for


def test_during_a_restore_only_another_restore_gets_the_lock(directory: Path, lock: LocalState) -> None:
    other = LocalState(str(directory), "vpsorg", URL, "12345")
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
    other.release(False)


def test_an_unusable_restore_lock_leaves_no_lock_behind(directory: Path, lock: LocalState) -> None:
    assert lock.try_acquire()
    lock.release(False)
    next_lock = lock_file(directory).with_suffix(".restoring")
    next_lock.unlink()
    next_lock.symlink_to(directory / "elsewhere")
    before = next_handle()
    with pytest.raises(OSError):
        lock.try_acquire()
    assert next_handle() == before
    next_lock.unlink()
    assert lock.try_acquire()
    lock.release(False)


# --- the folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, and a folder for temporary files beside it."""
    (tmp_path / "home é").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home é"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "home é"


def home_directory(home: Path) -> Path:
    return home / ".local" / "state" / "rewind.vps" / "locks"


def temporary_directory(home: Path) -> Path:
    return home.parent / "temporary" / f"rewind.vps-{os.getuid()}"


def test_the_directory_is_created_below_the_home_directory_and_private(home: Path) -> None:
    before = os.umask(0)
    try:
        assert state_directory(create=True) == str(home_directory(home))
    finally:
        os.umask(before)
    assert stat.S_IMODE(home_directory(home).stat().st_mode) == 0o700
    assert state_directory(create=True) == state_directory(create=False) == str(home_directory(home))
    assert not temporary_directory(home).exists()


def test_nothing_is_created_without_create(home: Path) -> None:
    assert state_directory(create=False) is None
    assert list(home.iterdir()) == list((home.parent / "temporary").iterdir()) == []


def test_no_home_directory_is_created(home: Path) -> None:
    home.rmdir()
    assert state_directory(create=True) == str(temporary_directory(home))
    assert not home.exists()
    assert stat.S_IMODE(temporary_directory(home).stat().st_mode) == 0o700


@pytest.mark.parametrize("part", [".local", ".local/state", ".local/state/rewind.vps", ".local/state/rewind.vps/locks"])
def test_the_temporary_directory_is_used_where_a_file_is_in_the_way(home: Path, part: str) -> None:
    (home / part).parent.mkdir(parents=True, exist_ok=True)
    (home / part).write_text("a file")
    assert state_directory(create=True) == str(temporary_directory(home))


def test_the_temporary_directory_is_used_where_the_home_directory_is_read_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.makedirs

    def read_only(path: str, **options: object) -> None:
        if path.startswith(str(home)):
            raise OSError(errno.EROFS, "Read-only file system")
        make(path, **options)

    monkeypatch.setattr(server_lock.os, "makedirs", read_only)
    assert state_directory(create=True) == str(temporary_directory(home))


def test_a_directory_that_is_not_writable_any_more_is_skipped(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_directory(create=True) == str(home_directory(home))
    monkeypatch.setattr(server_lock.os, "access", lambda path, mode: not path.startswith(str(home)))
    assert state_directory(create=True) == str(temporary_directory(home))


class OwnedByOthers:
    """What os.stat says, where these are somebody else's."""

    def __init__(self, patch: pytest.MonkeyPatch, *paths: Path) -> None:
        self._stat, self._paths = os.stat, [str(path) for path in paths]
        patch.setattr(server_lock.os, "stat", self)

    def __call__(self, path: object, **options: object) -> os.stat_result:
        found = self._stat(path, **options)
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:]]) if str(path) in self._paths else found


def test_another_users_directory_is_not_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_directory(create=True)
    OwnedByOthers(monkeypatch, home_directory(home))
    assert state_directory(create=True) == str(temporary_directory(home))


def test_nothing_is_created_in_another_users_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As sudo -E hands it on: what root makes there its owner could not write any more."""
    OwnedByOthers(monkeypatch, home)
    assert state_directory(create=True) == str(temporary_directory(home))
    assert list(home.iterdir()) == []


def test_a_symlink_is_no_state_directory(home: Path) -> None:
    home_directory(home).parent.mkdir(parents=True)
    (home / "elsewhere").mkdir()
    home_directory(home).symlink_to(home / "elsewhere")
    assert state_directory(create=True) == str(temporary_directory(home))
    temporary_directory(home).rmdir()
    temporary_directory(home).symlink_to(home / "elsewhere")
    assert state_directory(create=True) is None


def test_where_nothing_works_there_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_directory(create=True)
    OwnedByOthers(monkeypatch, home_directory(home), temporary_directory(home))
    assert state_directory(create=True) is None
