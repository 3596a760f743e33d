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
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import Place, find_folder

URL = "https://api.example/v1"

# Another task of this machine: takes the place, and does as it is told.
OTHER = """
import os, runpy, signal, sys
turns = runpy.run_path(sys.argv[1])
place = turns["Place"](sys.argv[2], "vpsorg", sys.argv[3], "12345")
print("entered" if place.try_to_enter() else "kept out", flush=True)
if sys.argv[4] == "write":
    os.rename = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)
    place.write_note("made", id="new")
sys.stdin.read()
place.leave(True)
"""


@contextlib.contextmanager
def another_process(folder: Path, doing: str = "hold") -> Iterator[subprocess.Popen]:
    other = subprocess.Popen(
        [sys.executable, "-I", "-c", OTHER, server_lock.__file__, str(folder), URL, doing],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        yield other
    finally:
        other.kill()
        other.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a folder, é"
    made.mkdir()
    return made


@pytest.fixture
def place(folder: Path) -> Place:
    return Place(str(folder), "vpsorg", URL, "12345")


def lock_of(folder: Path) -> Path:
    (found,) = folder.glob("*.lock")
    return found


def notes_of(folder: Path) -> Path:
    (found,) = folder.glob("*.notes")
    return found


# --- the lock


def test_two_processes_are_never_in_the_same_place(folder: Path, place: Place) -> None:
    assert place.try_to_enter()
    with another_process(folder) as other:
        assert other.stdout.readline() == "kept out\n"
    place.leave(False)
    with another_process(folder) as other:
        assert other.stdout.readline() == "entered\n"
        assert not place.try_to_enter()
        other.communicate("")
        assert place.try_to_enter(), "it has left"


def test_a_process_that_is_killed_lets_go(folder: Path, place: Place) -> None:
    with another_process(folder) as other:
        assert other.stdout.readline() == "entered\n"
        assert not place.try_to_enter()
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert place.try_to_enter()


def test_a_program_that_the_task_starts_does_not_keep_the_lock(folder: Path, place: Place) -> None:
    assert place.try_to_enter()
    started = subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        place.leave(False)
        other = Place(str(folder), "vpsorg", URL, "12345")
        # The new program closes it when it begins, so a moment later at most.
        end = time.monotonic() + 5
        while not (free := other.try_to_enter()) and time.monotonic() < end:
            time.sleep(0.01)
        assert free and started.poll() is None
    finally:
        started.communicate(b"\n")


def test_whoever_was_kept_out_lets_go_of_nothing(folder: Path, place: Place) -> None:
    other = Place(str(folder), "vpsorg", URL, "12345")
    assert place.try_to_enter() and not other.try_to_enter()
    other.leave(True)
    assert not other.try_to_enter()
    assert lock_of(folder).read_bytes() == b""
    place.leave(False)
    place.leave(False)
    assert other.try_to_enter()


def next_handle() -> int:
    """The lowest number that is free."""
    handle = os.dup(0)
    os.close(handle)
    return handle


def test_a_kernel_that_does_not_lock_is_no_lock_taken(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems. No handle is left open either."""

    def no_locks(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    before = next_handle()
    monkeypatch.setattr(server_lock.fcntl, "flock", no_locks)
    for _attempt in range(3):
        with pytest.raises(OSError, match="No locks"):
            place.try_to_enter()
    assert next_handle() == before


def test_a_link_in_the_locks_place_is_not_followed(folder: Path, place: Place, tmp_path: Path) -> None:
    assert place.try_to_enter()
    place.leave(False)
    lock = lock_of(folder)
    lock.unlink()
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    lock.symlink_to(precious)
    with pytest.raises(OSError) as caught:
        place.try_to_enter()
    assert caught.value.errno == errno.ELOOP
    assert precious.read_text() == "as it was"


HARD_NAMES = ["web1", "a/b", "a_b", "..", ".", "../../etc/passwd", "şanlı-sunucu", "x" * 300, "x" * 301, "a\nb", "a\0b", "\udc80", "-rf", "a b", ""]


def test_every_server_has_one_plain_file_of_its_own(folder: Path) -> None:
    wanted = [("vpsorg", URL, name) for name in HARD_NAMES]
    wanted += [("ilkbyte", URL, "web1"), ("vpsorg", "https://other.example/v1", "web1")]
    for provider, url, name in wanted:
        place = Place(str(folder), provider, url, name)
        assert place.try_to_enter(), f"{name!r} shares its lock with another"
        place.write_note("mine", of=repr((provider, url, name)))
    files = list(folder.parent.rglob("*"))
    assert len([path for path in files if path.suffix == ".lock"]) == len(wanted)
    assert all(path.parent == folder for path in files if path != folder)
    assert all(len(path.name) < 100 and path.name.isascii() and path.name.isprintable() for path in files if path != folder)
    for provider, url, name in wanted:
        assert Place(str(folder), provider, url, name).notes()["mine"]["of"] == repr((provider, url, name))


def test_what_lies_there_is_for_its_user_alone(folder: Path, place: Place) -> None:
    """Whatever the umask, and without the address, which may hold a password."""
    secret = Place(str(folder), "vpsorg", "https://user:hunter22secret@api.example", "12345")
    before = os.umask(0)
    try:
        for each in (place, secret):
            assert each.try_to_enter()
            each.write_note("made", id="801")
            each.leave(True)
    finally:
        os.umask(before)
    files = list(folder.iterdir())
    assert len([path for path in files if path.suffix in (".lock", ".notes")]) == 4
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "hunter22" not in path.name and "hunter22" not in path.read_text()


# --- whether somebody has asked meanwhile


def test_who_has_asked_meanwhile_is_known_to_whoever_comes_next(folder: Path, place: Place) -> None:
    assert place.try_to_enter()
    assert not place.asked_since(server_lock.now()), "nobody ever has"
    before = server_lock.now()
    place.leave(True)
    after = server_lock.now()
    other = Place(str(folder), "vpsorg", URL, "12345")
    assert other.try_to_enter()
    assert other.asked_since(before) and not other.asked_since(after)
    other.leave(False)
    assert place.try_to_enter()
    assert place.asked_since(before) and not place.asked_since(after), "one that asked for nothing changes nothing"


def test_all_processes_count_moments_alike(folder: Path, place: Place) -> None:
    before = server_lock.now()
    with another_process(folder) as other:
        other.communicate("")  # it leaves, and has asked
    assert place.try_to_enter()
    assert place.asked_since(before) and not place.asked_since(server_lock.now())


@pytest.mark.parametrize("content", [b"garbage", b"\xff" * 20, b"12.5"])
def test_a_mark_that_can_not_be_read_means_look_again(folder: Path, place: Place, content: bytes) -> None:
    """The last: from before a reboot, since which moments are counted anew."""
    assert place.try_to_enter()
    lock_of(folder).write_bytes(content)
    assert place.asked_since(server_lock.now())


def test_an_empty_mark_means_that_nobody_has_asked(folder: Path, place: Place) -> None:
    assert place.try_to_enter()
    assert lock_of(folder).read_bytes() == b""
    assert not place.asked_since(1)


# --- notes


def test_notes_are_kept_side_by_side(folder: Path, place: Place) -> None:
    assert place.notes() == {}
    place.write_note("made", id="801")
    place.write_note("stopped")
    place.write_note("made", id="802 \udc80 é")
    other = Place(str(folder), "vpsorg", URL, "12345")
    assert set(other.notes()) == {"made", "stopped"}
    assert other.note("made", 60.0)["id"] == "802 \udc80 é"
    other.remove_note("made")
    other.remove_note("made")
    assert set(place.notes()) == {"stopped"}


def test_a_process_that_is_killed_while_it_writes_leaves_the_old_notes(folder: Path, place: Place) -> None:
    place.write_note("made", id="old")
    with another_process(folder, "write") as other:
        assert other.wait() == -signal.SIGKILL
    assert place.note("made", 60.0)["id"] == "old"
    assert len(list(folder.glob("*.new"))) == 1, "the half is there, and in nobody's way"
    place.write_note("made", id="newer")
    assert place.note("made", 60.0)["id"] == "newer"


def test_a_left_half_of_the_same_number_is_written_over(folder: Path, place: Place, tmp_path: Path) -> None:
    """Process numbers come again. Where a link lies there, what it points to is left alone."""
    place.write_note("made", id="801")
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    half = notes_of(folder).with_name(notes_of(folder).name.replace(".notes", f".{os.getpid()}.new"))
    half.symlink_to(precious)
    place.write_note("made", id="802")
    assert place.note("made", 60.0)["id"] == "802" and not notes_of(folder).is_symlink()
    assert precious.read_text() == "as it was" and not half.exists()


FRESH = time.time()


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"5", b"null", b'"text"', b"\xff\xfe", b"[" * 90_000, b'{"made": 5}', b'{"made": {}}', b'{"made": {"at": "now"}}',
    b'{"made": {"at": null}}', b'{"made": {"at": NaN}}', b'{"made": {"at": 1e999}}', b'{"made": {"at": ' + b"9" * 400 + b"}}",
    b'{"made": {"at": true}}', json.dumps({"made": {"at": FRESH, "id": "x" * server_lock.MOST_NOTES}}).encode(),
])
def test_notes_that_are_none_are_passed_over(folder: Path, place: Place, content: bytes) -> None:
    place.write_note("made", id="801")
    notes_of(folder).write_bytes(content)
    assert place.note("made", 60.0) is None
    place.remove_note("made")
    place.write_note("made", id="802")
    assert place.note("made", 60.0)["id"] == "802"


def test_a_note_among_garbage_is_found(folder: Path, place: Place) -> None:
    place.write_note("made", id="801")
    notes_of(folder).write_text(json.dumps({"gone": 5, "made": {"at": time.time(), "id": "801"}, "": {"at": []}}))
    assert set(place.notes()) == {"made"}


@pytest.mark.parametrize(("ago", "believed"), [(0.0, True), (50.0, True), (61.0, False), (1e9, False), (-5.0, False), (-1e9, False)])
def test_a_note_is_believed_for_a_while(place: Place, ago: float, believed: bool) -> None:
    """One from the future was written before somebody has set the clock back, nobody knows when."""
    place.write_note("made", at=time.time() - ago)
    assert (place.note("made", 60.0) is not None) is believed
    assert "made" in place.notes()


def test_a_full_disk_is_said_and_harms_no_old_note(folder: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write_note("made", id="801")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(server_lock.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        place.write_note("made", id="802")
    assert place.note("made", 60.0)["id"] == "801"
    place.remove_note("made")  # the last one needs no room
    assert place.notes() == {}


# --- a restore that is waited for


def test_while_a_restore_is_waited_for_only_another_one_may_look(folder: Path, place: Place) -> None:
    other = Place(str(folder), "vpsorg", URL, "12345")
    assert place.try_to_enter(beside_a_restore=True)
    place.begin_restore()
    place.leave(True)
    for _attempt in range(2):
        assert not other.try_to_enter()
        assert other.try_to_enter(beside_a_restore=True)
        other.begin_restore()  # it joins: the first one's wait goes on
        other.leave(False)
        other.end_restore()
    place.end_restore()
    assert other.try_to_enter()
    other.leave(False)


def test_a_restore_that_can_not_be_looked_for_leaves_no_lock_behind(folder: Path, place: Place) -> None:
    assert place.try_to_enter()
    place.leave(False)
    next_lock = lock_of(folder).with_suffix(".restoring")
    next_lock.unlink()
    next_lock.symlink_to(folder / "elsewhere")
    before = next_handle()
    with pytest.raises(OSError):
        place.try_to_enter()
    assert next_handle() == before
    next_lock.unlink()
    assert place.try_to_enter()
    place.leave(False)


# --- the folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, and a folder for temporary files beside it."""
    (tmp_path / "home é").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home é"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "home é"


def ours(home: Path) -> Path:
    return home / ".local" / "state" / "rewind.vps" / "tasks"


def other(home: Path) -> Path:
    return home.parent / "temporary" / f"rewind.vps-{os.getuid()}"


def test_the_folder_is_made_below_the_home_folder_and_private(home: Path) -> None:
    before = os.umask(0)
    try:
        assert find_folder(make=True) == str(ours(home))
    finally:
        os.umask(before)
    assert stat.S_IMODE(ours(home).stat().st_mode) == 0o700
    assert find_folder(make=True) == find_folder(make=False) == str(ours(home))
    assert not other(home).exists()


def test_nothing_is_made_where_nothing_is_to_be_made(home: Path) -> None:
    assert find_folder(make=False) is None
    assert list(home.iterdir()) == list((home.parent / "temporary").iterdir()) == []


def test_no_home_folder_is_made(home: Path) -> None:
    home.rmdir()
    assert find_folder(make=True) == str(other(home))
    assert not home.exists()
    assert stat.S_IMODE(other(home).stat().st_mode) == 0o700


@pytest.mark.parametrize("part", [".local", ".local/state", ".local/state/rewind.vps", ".local/state/rewind.vps/tasks"])
def test_where_the_way_is_barred_the_temporary_folder_is_taken(home: Path, part: str) -> None:
    (home / part).parent.mkdir(parents=True, exist_ok=True)
    (home / part).write_text("a file")
    assert find_folder(make=True) == str(other(home))


def test_where_the_home_folder_can_not_be_written_the_temporary_folder_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.makedirs

    def read_only(path: str, **options: object) -> None:
        if path.startswith(str(home)):
            raise OSError(errno.EROFS, "Read-only file system")
        make(path, **options)

    monkeypatch.setattr(server_lock.os, "makedirs", read_only)
    assert find_folder(make=True) == str(other(home))


def test_a_folder_that_can_not_be_written_any_more_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_folder(make=True) == str(ours(home))
    monkeypatch.setattr(server_lock.os, "access", lambda path, mode: not path.startswith(str(home)))
    assert find_folder(make=True) == str(other(home))


class OwnedByOthers:
    """What os.stat says, where these are somebody else's."""

    def __init__(self, patch: pytest.MonkeyPatch, *paths: Path) -> None:
        self._stat, self._paths = os.stat, [str(path) for path in paths]
        patch.setattr(server_lock.os, "stat", self)

    def __call__(self, path: object, **options: object) -> os.stat_result:
        found = self._stat(path, **options)
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:]]) if str(path) in self._paths else found


def test_somebody_elses_folder_is_not_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_folder(make=True)
    OwnedByOthers(monkeypatch, ours(home))
    assert find_folder(make=True) == str(other(home))


def test_nothing_is_made_in_somebody_elses_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As sudo -E hands it on: what root makes there its owner could not write any more."""
    OwnedByOthers(monkeypatch, home)
    assert find_folder(make=True) == str(other(home))
    assert list(home.iterdir()) == []


def test_a_link_is_no_folder(home: Path) -> None:
    ours(home).parent.mkdir(parents=True)
    (home / "elsewhere").mkdir()
    ours(home).symlink_to(home / "elsewhere")
    assert find_folder(make=True) == str(other(home))
    other(home).rmdir()
    other(home).symlink_to(home / "elsewhere")
    assert find_folder(make=True) is None


def test_where_nothing_works_there_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_folder(make=True)
    OwnedByOthers(monkeypatch, ours(home), other(home))
    assert find_folder(make=True) is None
