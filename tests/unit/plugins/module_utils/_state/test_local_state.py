# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes are written completely, private, and expire; their directory belongs to this user alone."""

from __future__ import annotations

import errno
import json
import os
import stat
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
SECRET_URL = "https://user:hunter22secret@api.example"
HARD_NAMES = ["web1", "a/b", "a_b", "..", ".", "../../etc/passwd", "şanlı-sunucu", "x" * 300, "x" * 301, "a\nb", "a\0b", "\udc80", "-rf", "a b", ""]


@pytest.fixture
def state(directory: Path) -> LocalState:
    return LocalState(str(directory), server_key("vpsorg", URL, "12345"))


def test_every_server_has_one_plain_and_private_file_of_its_own(directory: Path) -> None:
    """Whatever the umask, and without the address, which may contain a password."""
    wanted = [*(("vpsorg", URL, name) for name in HARD_NAMES), ("ilkbyte", URL, "web1"), ("vpsorg", SECRET_URL, "web1")]
    locks = []  # held until the end of the test
    before = os.umask(0)
    try:
        for number, names in enumerate(wanted):
            lock = ServerLock(str(directory), server_key(*names))
            assert lock.try_acquire(), f"{names!r} shares its lock with another"
            locks.append(lock)
            LocalState(str(directory), server_key(*names)).put("mine", number=number)
    finally:
        os.umask(before)
    assert [LocalState(str(directory), server_key(*names)).all()["mine"]["number"] for names in wanted] == list(range(len(wanted)))
    files = [path for path in directory.parent.rglob("*") if path != directory]
    assert len([path for path in files if path.suffix == ".lock"]) == len(wanted)
    for path in files:
        assert path.parent == directory and len(path.name) < 100 and path.name.isascii() and path.name.isprintable()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "hunter22" not in path.name and "hunter22" not in path.read_text()


# --- notes


def test_notes_are_kept_side_by_side(directory: Path, state: LocalState) -> None:
    assert state.all() == {}
    state.put("made", id="801")
    state.put("stopped")
    state.put("made", id="802 \udc80 é")
    assert set(state.all()) == {"made", "stopped"}
    assert state.get("made", 60.0)["id"] == "802 \udc80 é"
    state.delete("made")
    state.delete("made")
    assert set(state.all()) == {"stopped"}


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"5", b"null", b'"text"', b"\xff\xfe", b"[" * 90_000, b'{"made": 5}', b'{"made": {}}', b'{"made": {"at": "now"}}',
    b'{"made": {"at": null}}', b'{"made": {"at": NaN}}', b'{"made": {"at": 1e999}}', b'{"made": {"at": ' + b"9" * 400 + b"}}",
    b'{"made": {"at": true}}', json.dumps({"made": {"at": time.time(), "id": "x" * local_state.MAX_STATE_CHARS}}).encode(),
])
def test_notes_that_are_none_are_passed_over(directory: Path, state: LocalState, content: bytes) -> None:
    state.put("made", id="801")
    (path,) = directory.glob("*.notes")
    path.write_bytes(content)
    assert state.get("made", 60.0) is None
    state.delete("made")
    state.put("made", id="802")
    assert state.get("made", 60.0)["id"] == "802"


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


class Machine:
    """A user's home, and a directory for temporary files beside it. `foreign` paths belong to another user."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch) -> None:
        self.home = path / "home é"
        self.in_home = self.home / ".local" / "state" / "rewind.vps" / "locks"
        self.in_temporary = path / "temporary" / f"rewind.vps-{os.getuid()}"
        self.foreign: list[Path] = []
        self._stat = os.stat
        self.home.mkdir()
        self.in_temporary.parent.mkdir()
        patch.setenv("HOME", str(self.home))
        patch.setattr(tempfile, "tempdir", str(self.in_temporary.parent))
        patch.setattr(local_state.os, "stat", self._stat_with_owner)

    def _stat_with_owner(self, path: object, **options: object) -> os.stat_result:
        found = self._stat(path, **options)
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:]]) if path in map(str, self.foreign) else found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_directory_is_created_below_the_home_directory_and_private(machine: Machine) -> None:
    assert state_directory(create=False) is None
    assert list(machine.home.iterdir()) == list(machine.in_temporary.parent.iterdir()) == [], "nothing is created without create"
    before = os.umask(0)
    try:
        assert state_directory(create=True) == str(machine.in_home)
    finally:
        os.umask(before)
    assert stat.S_IMODE(machine.in_home.stat().st_mode) == 0o700
    assert state_directory(create=False) == str(machine.in_home)
    assert not machine.in_temporary.exists()


def home_is_missing(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    machine.home.rmdir()


def home_belongs_to_another_user(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    """As with `sudo -E`: the owner could no longer write what root creates there."""
    machine.foreign.append(machine.home)


def directory_belongs_to_another_user(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    state_directory(create=True)
    machine.foreign.append(machine.in_home)


def directory_is_a_symlink(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    machine.in_home.parent.mkdir(parents=True)
    machine.in_home.symlink_to(machine.home)


def directory_is_a_file(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    machine.in_home.parent.parent.mkdir(parents=True)
    machine.in_home.parent.write_text("a file")


def directory_is_not_writable_any_more(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    state_directory(create=True)
    patch.setattr(local_state.os, "access", lambda path, mode: not path.startswith(str(machine.home)))


@pytest.mark.parametrize("obstacle", [
    home_is_missing, home_belongs_to_another_user, directory_belongs_to_another_user, directory_is_a_symlink, directory_is_a_file,
    directory_is_not_writable_any_more,
])
def test_otherwise_it_is_in_the_temporary_directory(machine: Machine, monkeypatch: pytest.MonkeyPatch, obstacle) -> None:
    obstacle(machine, monkeypatch)
    before = sorted(machine.home.parent.glob("home é/**/*"))
    assert state_directory(create=True) == str(machine.in_temporary)
    assert stat.S_IMODE(machine.in_temporary.stat().st_mode) == 0o700
    assert sorted(machine.home.parent.glob("home é/**/*")) == before, "nothing is created in the home directory"
    machine.in_temporary.rmdir()
    machine.in_temporary.symlink_to(machine.home.parent)
    assert state_directory(create=True) is None, "there is none"
