# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests and images of disks; no SSH needed."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager

import pytest

from sandbox.machines import MachineError, MachinePool


@asynccontextmanager
async def a_disk(tmp_path):
    machine_pool = MachinePool(tmp_path / "s", ssh=False)
    try:
        yield await machine_pool.add("web1")
    finally:
        await machine_pool.close()


def _append(path):
    with open(path, "a", encoding="utf-8") as file:
        file.write("#")


def _same_size_same_time(disk):
    path = disk / "etc/hostname"
    status = path.stat()
    path.write_text("web2\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = {
    "content": lambda disk: _append(disk / "etc/hosts"),
    "content-only": _same_size_same_time,
    "mode": lambda disk: (disk / "etc/hosts").chmod(0o600),
    "directory-mode": lambda disk: (disk / "srv").chmod(0o700),
    "added": lambda disk: (disk / "srv/new").touch(),
    "added-directory": lambda disk: (disk / "srv/new").mkdir(),
    "removed": lambda disk: (disk / "etc/motd").unlink(),
    "renamed": lambda disk: (disk / "etc/motd").rename(disk / "etc/motd2"),
    "symlink": lambda disk: ((disk / "etc/mtab").unlink(), (disk / "etc/mtab").symlink_to("elsewhere")),
    "time": lambda disk: os.utime(disk / "etc/hosts", ns=(1, 1)),
    "type": lambda disk: ((disk / "etc/motd").unlink(), os.mkfifo(disk / "etc/motd")),
    "owner": lambda disk: os.chown(disk / "etc/hosts", 1234, 1234),
}


async def test_the_digest_sees_every_kind_of_change(tmp_path):
    async with a_disk(tmp_path) as machine:
        await machine.save_disk("first")
        for name, change in CHANGES.items():
            if name == "owner" and os.geteuid() != 0:
                continue  # only root can give a file away
            before = await machine.load_disk("first")
            assert await machine.digest() == before
            change(machine.disk_path)
            assert await machine.digest() != before, name


async def test_an_image_restores_the_disk_byte_for_byte(tmp_path):
    async with a_disk(tmp_path) as machine:
        disk = machine.disk_path
        os.mkfifo(disk / "srv/fifo")
        os.link(disk / "etc/hosts", disk / "srv/hosts")
        (disk / "srv" / os.fsdecode(b"not-utf8-\xff")).write_text("x")
        os.utime(disk / "srv", ns=(10**18, 10**18 + 123456789))
        (disk / "srv/www").chmod(0o2755)
        if os.geteuid() == 0:
            os.chown(disk / "srv/www/index.html", 33, 33)
        saved = await machine.save_disk("first")
        assert saved == await machine.digest()
        for change in ("content-only", "mode", "added", "removed", "symlink"):
            CHANGES[change](disk)
        assert await machine.digest() != saved
        assert await machine.load_disk("first") == saved == await machine.digest()
        assert disk.joinpath("etc/hostname").read_text() == "web1\n"
        assert disk.joinpath("srv").stat().st_mtime_ns == 10**18 + 123456789
        assert disk.joinpath("srv/hosts").stat().st_ino == disk.joinpath("etc/hosts").stat().st_ino
        # The image itself is still good for another time.
        _append(disk / "etc/hosts")
        assert await machine.load_disk("first") == saved


async def test_images_have_any_name_and_are_replaced_and_dropped(tmp_path):
    async with a_disk(tmp_path) as machine:
        names = ["..", ".", "a/b", "a%2Fb", "ümlaut", "x" * 200]
        digests = {}
        for name in names:
            (machine.disk_path / "srv/which").write_text(name)
            digests[name] = await machine.save_disk(name)
        assert len(set(digests.values())) == len(names)
        for name in names:
            assert await machine.load_disk(name) == digests[name]
            assert (machine.disk_path / "srv/which").read_text() == name
        (machine.disk_path / "srv/which").write_text("newer")
        assert await machine.save_disk("..") != digests[".."]
        await machine.load_disk("..")
        assert (machine.disk_path / "srv/which").read_text() == "newer"
        await machine.power_on()
        with pytest.raises(MachineError, match="must be off"):
            await machine.load_disk("..")
        await machine.power_off()
        await machine.drop_image("..")
        await machine.drop_image("..")
        with pytest.raises(MachineError, match="no image"):
            await machine.load_disk("..")
        assert await machine.load_disk(".") == digests["."]


async def test_a_failed_save_leaves_the_old_image(tmp_path, monkeypatch):
    async with a_disk(tmp_path) as machine:
        saved = await machine.save_disk("first")
        _append(machine.disk_path / "etc/hosts")
        tools = tmp_path / "tools"
        tools.mkdir()
        (tools / "cp").write_text("#!/bin/sh\nfor last; do :; done\nmkdir $last; echo half > $last/half\n"
                                  "echo 'cp: error writing: No space left on device' >&2; exit 1\n")
        (tools / "cp").chmod(0o755)
        with monkeypatch.context() as patch:
            patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
            with pytest.raises(Exception, match="No space left"):
                await machine.save_disk("first")
        assert await machine.load_disk("first") == saved
        assert sorted(path.name for path in (tmp_path / "s/machines/web1/images").iterdir()) == ["image-first"]
