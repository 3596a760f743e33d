# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes are written completely, private, and expire; their directory belongs to this user alone."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ansible_collections.rewind.vps.plugins.module_utils import _files
from ansible_collections.rewind.vps.plugins.module_utils._files import server_key
from ansible_collections.rewind.vps.plugins.module_utils._state import local_state

# At the time of the import: the tests of this directory replace it.
from ansible_collections.rewind.vps.plugins.module_utils._state.local_state import LocalState, state_directory
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import ServerLock

URL = "https://api.example/v1"
KEY = server_key("vpsorg", URL, "12345")
COLLECTIONS = str(Path(_files.__file__).parents[5])

# Another task of this machine, killed while it writes a note.
KILLED = """
import os, signal, sys
from ansible_collections.rewind.vps.plugins.module_utils._state.local_state import LocalState
os.rename = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)
LocalState(sys.argv[1], sys.argv[2]).put("made", id="new")
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "a directory, é"
    made.mkdir()
    return made


@pytest.fixture
def state(directory: Path) -> LocalState:
    return LocalState(str(directory), KEY)


def notes_file(directory: Path) -> Path:
    (found,) = directory.glob("*.notes")
    return found


HARD_NAMES = ["web1", "a/b", "a_b", "..", ".", "../../etc/passwd", "şanlı-sunucu", "x" * 300, "x" * 301, "a\nb", "a\0b", "\udc80", "-rf", "a b", ""]


def test_every_server_has_one_plain_file_of_its_own(directory: Path) -> None:
    wanted = [("vpsorg", URL, name) for name in HARD_NAMES]
    wanted += [("ilkbyte", URL, "web1"), ("vpsorg", "https://other.example/v1", "web1")]
    locks = []  # held until the end of the test
    for provider, url, name in wanted:
        key = server_key(provider, url, name)
        lock = ServerLock(str(directory), key)
        assert lock.try_acquire(), f"{name!r} shares its lock with another"
        locks.append(lock)
        LocalState(str(directory), key).put("mine", of=repr((provider, url, name)))
    files = list(directory.parent.rglob("*"))
    assert len([path for path in files if path.suffix == ".lock"]) == len(wanted)
    assert all(path.parent == directory for path in files if path != directory)
    assert all(len(path.name) < 100 and path.name.isascii() and path.name.isprintable() for path in files if path != directory)
    for provider, url, name in wanted:
        assert LocalState(str(directory), server_key(provider, url, name)).all()["mine"]["of"] == repr((provider, url, name))


def test_all_files_are_private(directory: Path) -> None:
    """Whatever the umask, and without the address, which may contain a password."""
    before = os.umask(0)
    try:
        for key in (KEY, server_key("vpsorg", "https://user:hunter22secret@api.example", "12345")):
            lock = ServerLock(str(directory), key)
            assert lock.try_acquire()
            LocalState(str(directory), key).put("made", id="801")
            lock.release(True)
    finally:
        os.umask(before)
    files = list(directory.iterdir())
    assert len([path for path in files if path.suffix in (".lock", ".notes")]) == 4
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "hunter22" not in path.name and "hunter22" not in path.read_text()


# --- notes


def test_notes_are_kept_side_by_side(directory: Path, state: LocalState) -> None:
    assert state.all() == {}
    state.put("made", id="801")
    state.put("stopped")
    state.put("made", id="802 \udc80 é")
    other = LocalState(str(directory), KEY)
    assert set(other.all()) == {"made", "stopped"}
    assert other.get("made", 60.0)["id"] == "802 \udc80 é"
    other.delete("made")
    other.delete("made")
    assert set(state.all()) == {"stopped"}


def test_a_process_that_is_killed_while_it_writes_leaves_the_old_notes(directory: Path, state: LocalState) -> None:
    state.put("made", id="old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(directory), KEY], env={**os.environ, "PYTHONPATH": COLLECTIONS}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert state.get("made", 60.0)["id"] == "old"
    assert len(list(directory.glob(".*.new"))) == 1, "the incomplete file is there, and does no harm"
    state.put("made", id="newer")
    assert state.get("made", 60.0)["id"] == "newer"


def test_a_symlink_instead_of_the_notes_is_replaced(directory: Path, state: LocalState, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    state.put("made", id="801")
    path = notes_file(directory)
    path.unlink()
    path.symlink_to(precious)
    state.put("made", id="802")
    assert state.get("made", 60.0)["id"] == "802" and not path.is_symlink()
    assert precious.read_text() == "as it was"


FRESH = time.time()


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"5", b"null", b'"text"', b"\xff\xfe", b"[" * 90_000, b'{"made": 5}', b'{"made": {}}', b'{"made": {"at": "now"}}',
    b'{"made": {"at": null}}', b'{"made": {"at": NaN}}', b'{"made": {"at": 1e999}}', b'{"made": {"at": ' + b"9" * 400 + b"}}",
    b'{"made": {"at": true}}', json.dumps({"made": {"at": FRESH, "id": "x" * local_state.MAX_STATE_CHARS}}).encode(),
])
def test_notes_that_are_none_are_passed_over(directory: Path, state: LocalState, content: bytes) -> None:
    state.put("made", id="801")
    notes_file(directory).write_bytes(content)
    assert state.get("made", 60.0) is None
    state.delete("made")
    state.put("made", id="802")
    assert state.get("made", 60.0)["id"] == "802"


def test_a_note_among_garbage_is_found(directory: Path, state: LocalState) -> None:
    state.put("made", id="801")
    notes_file(directory).write_text(json.dumps({"gone": 5, "made": {"at": time.time(), "id": "801"}, "": {"at": []}}))
    assert set(state.all()) == {"made"}


@pytest.mark.parametrize(("ago", "believed"), [(0.0, True), (50.0, True), (61.0, False), (1e9, False), (-5.0, False), (-1e9, False)])
def test_a_note_is_believed_for_a_while(state: LocalState, ago: float, believed: bool) -> None:
    """A note from the future was written before the clock was set back, so its age is unknown."""
    state.put("made", at=time.time() - ago)
    assert (state.get("made", 60.0) is not None) is believed
    assert "made" in state.all()


def test_a_full_disk_is_an_error_and_harms_no_old_note(directory: Path, state: LocalState, monkeypatch: pytest.MonkeyPatch) -> None:
    state.put("made", id="801")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        state.put("made", id="802")
    assert state.get("made", 60.0)["id"] == "801"
    assert [path.suffix for path in directory.iterdir()] == [".notes"], "the incomplete file is deleted"
    state.delete("made")  # the last one needs no disk space
    assert state.all() == {}


# --- the state directory


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, and a directory for temporary files beside it."""
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

    monkeypatch.setattr(local_state.os, "makedirs", read_only)
    assert state_directory(create=True) == str(temporary_directory(home))


def test_a_directory_that_is_not_writable_any_more_is_skipped(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_directory(create=True) == str(home_directory(home))
    monkeypatch.setattr(local_state.os, "access", lambda path, mode: not path.startswith(str(home)))
    assert state_directory(create=True) == str(temporary_directory(home))


class OwnedByOthers:
    """A replacement for os.stat that reports another owner for these paths."""

    def __init__(self, patch: pytest.MonkeyPatch, *paths: Path) -> None:
        self._stat, self._paths = os.stat, [str(path) for path in paths]
        patch.setattr(local_state.os, "stat", self)

    def __call__(self, path: object, **options: object) -> os.stat_result:
        found = self._stat(path, **options)
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:]]) if str(path) in self._paths else found


def test_another_users_directory_is_not_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_directory(create=True)
    OwnedByOthers(monkeypatch, home_directory(home))
    assert state_directory(create=True) == str(temporary_directory(home))


def test_nothing_is_created_in_another_users_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `sudo -E`: the owner could no longer write what root creates there."""
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
