# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server can break by writing to its own disk: its network and its boot."""

from __future__ import annotations

import asyncio
import time

import pytest
from machine_helpers import logged_in, processes_of, run, running_machine

from sandbox.machines.boot_files import INTERFACES, KERNEL, NetworkFile, boot_problem

NOTICE_TIMEOUT = 4  # about half a second on a machine that isn't busy


def is_reachable(machine) -> bool:
    return machine._ssh_server.is_open


async def until(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def disk(tmp_path):
    for name in ("boot", "etc/network"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(("text", "up"), [
    ("auto eth0\niface eth0 inet dhcp\n", True), ("auto lo eth0\n", True), ("  auto\teth0", True), ("iface eth0 inet dhcp\n", False),
    ("#auto eth0\n", False), ("# auto eth0\n", False), ("auto eth01\n", False), ("auto lo\nallow-hotplug eth0\n", False), ("", False),
])
def test_what_brings_the_network_up(disk, text, up):
    (disk / INTERFACES[1:]).write_text(text)
    assert NetworkFile(disk).is_enabled() is up


def test_what_boots(disk):
    kernel = disk / KERNEL[1:]
    assert "missing" in boot_problem(disk)
    kernel.touch()
    assert "empty" in boot_problem(disk)
    kernel.write_text("x")
    assert boot_problem(disk) is None
    kernel.rename(disk / "boot/vmlinuz-6.1")
    kernel.symlink_to("/boot/vmlinuz-6.1")
    assert boot_problem(disk) is None
    (disk / "boot/vmlinuz-6.1").unlink()
    assert boot_problem(disk)


async def test_a_server_cuts_itself_off_and_goes_on(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        at = "" if machine.root_inside == "/" else machine.root_inside
        talker = await connection.create_process(
            f"echo started; sed -i /auto.eth0/d {at}{INTERFACES}; while :; do echo x >> {at}/srv/lines; sleep 0.02; done")
        assert await talker.stdout.readline() == "started\n"
        started_at = time.monotonic()
        await asyncio.wait_for(connection.wait_closed(), 5)
        assert time.monotonic() - started_at < NOTICE_TIMEOUT
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", machine.port)
        assert machine.powered_on and not machine.network_up and machine.boots == 1
        at_the_cut = (machine.disk_path / "srv/lines").stat().st_size
        await until(lambda: (machine.disk_path / "srv/lines").stat().st_size > at_the_cut + 6)
        with open(machine.disk_path / INTERFACES[1:], "a", encoding="utf-8") as file:
            file.write("auto eth0\n")
        await until(lambda: is_reachable(machine))
        assert await run(machine_pool, machine, "echo back") == "back"
        assert machine.boots == 1


async def test_connections_of_a_lost_network_end_with_an_error_not_a_goodbye(tmp_path):
    async with running_machine(tmp_path / "s", "directory") as (machine_pool, machine):
        reader, writer = await asyncio.open_connection("127.0.0.1", machine.port)
        await reader.readline()  # the SSH version
        await until(lambda: machine._ssh_server._connections)
        (machine.disk_path / INTERFACES[1:]).unlink()
        with pytest.raises(ConnectionResetError):
            while await asyncio.wait_for(reader.read(4096), 5):
                pass
        writer.close()


async def test_a_cut_from_outside_and_the_servers_own_are_two_things(tmp_path):
    async with running_machine(tmp_path / "s", "directory") as (machine_pool, machine):
        text = (machine.disk_path / INTERFACES[1:]).read_text()
        await machine.set_network(False)
        (machine.disk_path / INTERFACES[1:]).unlink()
        await machine.set_network(True)
        assert not is_reachable(machine)
        await machine.power_off()
        await machine.power_on()
        assert machine.powered_on and not is_reachable(machine)
        await machine.set_network(False)
        (machine.disk_path / INTERFACES[1:]).write_text(text)
        await asyncio.sleep(0.7)
        assert not is_reachable(machine)
        await machine.set_network(True)
        assert is_reachable(machine)


async def test_a_file_that_is_briefly_empty_drops_no_connection(tmp_path):
    async with logged_in(tmp_path / "s", "directory") as (machine_pool, machine, connection):
        path, polls = machine.disk_path / INTERFACES[1:], []
        text, really = path.read_text(), machine._network_file.is_enabled

        def is_enabled() -> bool:
            polls.append(really())
            return polls[-1]

        machine._network_file.is_enabled = is_enabled
        path.write_text("")
        await until(lambda: False in polls)
        path.write_text(text)
        await asyncio.sleep(0.5)
        assert (await connection.run("echo still here")).stdout == "still here\n"


async def test_a_server_without_a_kernel_stays_dark_until_its_disk_is_put_back(tmp_path, namespace_kind):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        saved = await machine.save_disk("first")
        await run(machine_pool, machine, f"rm {KERNEL}; reboot")
        await until(lambda: machine.boot_problem)
        assert machine.powered_on and machine.boots == 1 and "kernel" in machine.boot_problem
        assert processes_of(tmp_path) == set()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", machine.port)
        await machine.power_off()
        await machine.power_on()
        assert machine.powered_on and machine.boots == 1
        await machine.power_off()
        assert await machine.load_disk("first") == saved
        await machine.power_on()
        assert machine.boot_problem is None and await machine.digest() == saved
        assert await run(machine_pool, machine, f"test -s {KERNEL}; echo up") == "up"


async def test_a_disk_for_which_no_runtime_starts_is_no_exception(tmp_path, namespace_kind, capfd):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        await machine.power_off()
        (machine.disk_path / "proc").rmdir()
        (machine.disk_path / "proc").write_text("in the way")
        await machine.power_on()
        assert machine.powered_on and machine.boot_problem and machine.boots == 1
        assert "web1 does not boot" in capfd.readouterr().err
        await machine.power_off()
        (machine.disk_path / "proc").unlink()
        await machine.power_on()
        assert await run(machine_pool, machine, "echo up") == "up"
