# SPDX-License-Identifier: GPL-3.0-or-later
"""Power, network, and that nothing is left over."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from machine_helpers import descendants, host_mounts, logged_in, login, processes_of, run, running_machine, wait_until_gone

from sandbox.machines import MachineError

# Left alone by its session: it ends only when its machine does.
DAEMON = "nohup setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo started"


async def test_power_off_drops_connections_and_kills_everything(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        waiting = await connection.create_process("echo here; sleep 1000")
        assert await waiting.stdout.readline() == "here\n"
        await connection.run(DAEMON, check=True)
        inside = processes_of(tmp_path)
        assert len(inside) >= 3
        await machine.power_off()
        await asyncio.wait_for(connection.wait_closed(), 5)
        assert wait_until_gone(inside, 1) == set()
        assert not machine.powered_on
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", machine.port)


async def test_reboot_and_poweroff_inside(tmp_path, namespace_kind):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        reports, port = [], machine.port
        machine.on_self_power_off = lambda: reports.append(machine.powered_on)
        before = await run(machine_pool, machine, "cat /proc/sys/kernel/random/boot_id")
        await machine.power_on()  # it is on
        assert machine.boots == 1
        await run(machine_pool, machine, "touch /run/volatile; shutdown -r now bye")
        while machine.boots < 2:
            await asyncio.sleep(0.02)
        assert machine.powered_on and machine.port == port and reports == []
        after = await run(machine_pool, machine, "cat /proc/sys/kernel/random/boot_id; ls /run/volatile 2>&1 || true")
        assert before not in after and "No such file" in after
        await run(machine_pool, machine, "poweroff")
        while not reports:
            await asyncio.sleep(0.02)
        assert reports == [False]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await machine.power_off()  # it is off


async def test_no_other_program_gets_the_port_of_a_machine_that_is_off(tmp_path):
    async with running_machine(tmp_path / "s", "directory") as (machine_pool, machine):
        await machine.power_off()
        with pytest.raises(OSError):
            await asyncio.start_server(lambda *_: None, "127.0.0.1", machine.port, reuse_address=False)
        assert (await machine_pool.add("web3")).port != machine.port


async def test_a_disk_can_be_saved_while_files_come_and_go(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        at = "" if machine.root_inside == "/" else machine.root_inside
        await connection.create_process(f"cd {at}/tmp; while :; do for n in 1 2 3 4 5 6 7 8; do echo x > f$n; done; rm -f f*; done")
        for number in range(10):
            await machine.save_disk(f"image{number}")
        await machine.power_off()
        await machine.load_disk("image9")


async def test_a_command_notices_that_its_client_is_gone(tmp_path, kind):
    async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
        for terminal in (None, "xterm"):
            before = descendants()
            connection = await login(machine_pool, machine)
            talker = await connection.create_process("while :; do echo x; sleep 0.02; done", term_type=terminal)
            await talker.stdout.readline()
            inside = descendants() - before
            assert inside
            connection.abort()
            assert await asyncio.to_thread(wait_until_gone, inside) == set()


async def test_close_leaves_no_process_mount_or_file(tmp_path, kind):
    mounts, before, state = host_mounts(), descendants(), tmp_path / "s"
    async with running_machine(state, kind) as (machine_pool, machine):
        second = await machine_pool.add("web2")
        assert machine_pool.known_hosts_path.read_text().count("\n") == 2
        await second.power_on()
        for each in (machine, second):
            await run(machine_pool, each, DAEMON)
        await machine.save_disk("first")
        inside = processes_of(tmp_path) - before
        assert len(inside) >= 4
        assert host_mounts() == mounts
    assert wait_until_gone(inside, 1) == set()
    assert host_mounts() == mounts
    assert list(state.iterdir()) == []
    with pytest.raises(MachineError, match="removed"):
        await machine.power_on()


def test_nothing_outlives_a_sandbox_that_is_killed(tmp_path, kind):
    program = f"""
import asyncio, sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).resolve().parents[3] / "extensions")!r}]
from pathlib import Path
from machine_helpers import logged_in
async def main():
    async with logged_in(Path({str(tmp_path / "s")!r}), {kind!r}) as (pool, machine, connection):
        await connection.run({DAEMON!r}, check=True)
        await connection.create_process("sleep 1000", term_type="xterm")
        process = await connection.create_process("echo; sleep 1000")
        await process.stdout.readline()
        print("ready", flush=True)
        await asyncio.sleep(1000)
asyncio.run(main())
"""
    mounts = host_mounts()
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as sandbox:
        try:
            assert sandbox.stdout.readline() == "ready\n"
            inside = descendants(sandbox.pid) | processes_of(tmp_path)
            assert len(inside) >= 5
        finally:
            sandbox.send_signal(signal.SIGKILL)
    assert wait_until_gone(inside) == set()
    assert host_mounts() == mounts


async def test_a_machine_whose_first_process_is_killed_is_off(tmp_path, namespace_kind):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        os.kill(next(pid for pid, _start in processes_of(tmp_path / "s") if b"namespace_init" in Path(f"/proc/{pid}/cmdline").read_bytes()
                     and b"unshare" not in Path(f"/proc/{pid}/cmdline").read_bytes()), signal.SIGKILL)
        while machine.powered_on:
            await asyncio.sleep(0.02)
        await machine.power_on()
        assert await run(machine_pool, machine, "echo up") == "up"
