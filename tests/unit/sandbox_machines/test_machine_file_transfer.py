# SPDX-License-Identifier: GPL-3.0-or-later
"""SFTP and scp see a machine's files under the paths that its commands use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import asyncssh
import pytest
from machine_helpers import login, openssh_options, output_of, run, running_machine

from sandbox.machines.sftp import resolve_on_host


async def test_put_and_get(tmp_path, kind):
    data = os.urandom(1_000_000)
    (tmp_path / "up").write_bytes(data)
    async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
        async with login(machine_pool, machine) as connection, connection.start_sftp_client() as sftp:
            await sftp.put(str(tmp_path / "up"), f"{machine.root_inside}/etc/sent", preserve=True)
            await sftp.chmod(f"{machine.root_inside}/etc/sent", 0o640)
            await sftp.get(f"{machine.root_inside}/etc/sent", str(tmp_path / "down"))
            assert await sftp.realpath(".") == ("/root" if machine.root_inside == "/" else str(machine.disk_path / "root"))
        sent = machine.disk_path / "etc/sent"
        assert sent.read_bytes() == data == (tmp_path / "down").read_bytes()
        assert sent.stat().st_mode & 0o777 == 0o640
        assert not os.path.exists("/etc/sent")


async def test_an_absolute_symlink_stays_inside(tmp_path, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
        os.symlink(outside, machine.disk_path / "srv/way-out")
        os.symlink("../../../../../../../../../../../.." + str(outside), machine.disk_path / "srv/way-out-too")
        os.symlink("/etc/hostname", machine.disk_path / "srv/name")
        async with login(machine_pool, machine) as connection, connection.start_sftp_client() as sftp:
            for link in ("way-out", "way-out-too"):
                with pytest.raises(asyncssh.SFTPNoSuchFile):
                    async with sftp.open(f"{machine.root_inside}/srv/{link}/escaped", "w"):
                        pass
            async with sftp.open(f"{machine.root_inside}/srv/name") as file:
                assert await file.read() == "web1\n"
            assert await sftp.readlink(f"{machine.root_inside}/srv/name") == "/etc/hostname"
            await sftp.remove(f"{machine.root_inside}/srv/name")
        assert list(outside.iterdir()) == []
        assert (machine.disk_path / "etc/hostname").exists()


async def test_a_path_outside_a_directory_machines_disk_is_counted_from_its_root(tmp_path):
    async with running_machine(tmp_path / "s", "directory") as (machine_pool, machine):
        async with login(machine_pool, machine) as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("/etc/hostname") as file:
                assert await file.read() == "web1\n"


async def test_names_can_be_listed_made_moved_and_removed(tmp_path, kind):
    async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
        async with login(machine_pool, machine) as connection, connection.start_sftp_client() as sftp:
            directory = f"{machine.root_inside}/srv/d"
            await sftp.mkdir(directory)
            await sftp.symlink("nowhere", f"{directory}/dangling")
            assert (await sftp.lstat(f"{directory}/dangling")).type == asyncssh.FILEXFER_TYPE_SYMLINK
            await sftp.rename(f"{directory}/dangling", f"{directory}/moved")
            await sftp.posix_rename(f"{directory}/moved", f"{directory}/again")
            assert set(await sftp.listdir(directory)) == {".", "..", "again"}
            await sftp.remove(f"{directory}/again")
            await sftp.rmdir(directory)
        assert sorted(os.listdir(machine.disk_path / "srv")) == ["www"]


@pytest.mark.parametrize("protocol", [(), ("-O",)], ids=["over-sftp", "the-old-protocol"])
@pytest.mark.skipif(not shutil.which("scp"), reason="OpenSSH's scp is not installed")
async def test_scp(tmp_path, kind, protocol):
    (tmp_path / "up").write_text("content")
    async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
        scp = ["scp", *protocol, *openssh_options(machine_pool), "-P", str(machine.port)]
        remote = f"root@127.0.0.1:{machine.root_inside}/srv/sent"
        await output_of(*scp, str(tmp_path / "up"), remote)
        await output_of(*scp, remote, str(tmp_path / "down"))
        assert (machine.disk_path / "srv/sent").read_text() == (tmp_path / "down").read_text() == "content"


async def test_sftp_sees_what_is_bound_in(tmp_path, namespace_kind):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        async with login(machine_pool, machine) as connection, connection.start_sftp_client() as sftp:
            assert await sftp.exists("/bin/sh")
            assert await sftp.exists(machine_pool.python)
            assert await sftp.exists("/run/sandbox")
        assert "root" in await run(machine_pool, machine, "ls -ld /run/sandbox")


@pytest.mark.parametrize(("path", "follow_last", "resolved"), [
    ("/a/file", True, "a/file"),
    ("/../../a/./file", True, "a/file"),
    ("/absolute/file", True, "a/file"),
    ("/up/a/file", True, "a/file"),
    ("/absolute", False, "absolute"),
    ("/chain", True, "a"),
    ("/a/new", True, "a/new"),
    ("/none/below", True, "none/below"),
    ("/", True, ""),
])
def test_paths_are_followed_inside_the_root(tmp_path, path, follow_last, resolved):
    root = _tree(tmp_path)
    assert resolve_on_host(os.fsencode(root), path.encode(), follow_last=follow_last) == os.fsencode(f"{root}/{resolved}")


def test_symlinks_in_a_circle_are_an_error(tmp_path):
    root = _tree(tmp_path)
    with pytest.raises(OSError, match="Too many levels"):
        resolve_on_host(os.fsencode(root), b"/circle/x", follow_last=True)


def _tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/file").write_text("x")
    for name, target in {"absolute": "/a", "up": "../../..", "chain": "absolute", "circle": "/circle"}.items():
        (root / name).symlink_to(target)
    return root
