# SPDX-License-Identifier: GPL-3.0-or-later
"""SFTP and scp see a machine's files under the paths that its commands use."""

from __future__ import annotations

import os
import shutil

import asyncssh
import pytest
from machine_helpers import login, openssh_options, output_of, running_machine


async def test_files_are_sent_listed_moved_and_removed(tmp_path, kind):
    data = os.urandom(1_000_000)
    (tmp_path / "up").write_bytes(data)
    async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
        async with login(machine_pool, machine) as connection, connection.start_sftp_client() as sftp:
            await sftp.put(str(tmp_path / "up"), f"{machine.root_inside}/etc/sent", preserve=True)
            await sftp.chmod(f"{machine.root_inside}/etc/sent", 0o640)
            await sftp.get(f"{machine.root_inside}/etc/sent", str(tmp_path / "down"))
            assert await sftp.realpath(".") == ("/root" if machine.root_inside == "/" else str(machine.disk_path / "root"))
            directory = f"{machine.root_inside}/srv/d"
            await sftp.mkdir(directory)
            await sftp.symlink("nowhere", f"{directory}/dangling")
            assert (await sftp.lstat(f"{directory}/dangling")).type == asyncssh.FILEXFER_TYPE_SYMLINK
            await sftp.rename(f"{directory}/dangling", f"{directory}/moved")
            await sftp.posix_rename(f"{directory}/moved", f"{directory}/again")
            assert set(await sftp.listdir(directory)) == {".", "..", "again"}
            await sftp.remove(f"{directory}/again")
            await sftp.rmdir(directory)
            if kind == "directory":
                async with sftp.open("/etc/hostname") as file:  # outside the disk: relative to the disk's root
                    assert await file.read() == "web1\n"
            else:
                assert await sftp.exists("/bin/sh") and await sftp.exists(machine_pool.python) and await sftp.exists("/run/sandbox")
        assert sorted(os.listdir(machine.disk_path / "srv")) == ["www"]
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
