# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in and running commands on a machine."""

from __future__ import annotations

import asyncio
import os
import shutil

import asyncssh
import pytest
from machine_helpers import logged_in, login, openssh_options, output_of, run, running_machine

needs_openssh = pytest.mark.skipif(not shutil.which("ssh"), reason="OpenSSH's client is not installed")


async def test_a_command_has_input_output_errors_and_a_status(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        done = await connection.run("cat; echo wrong >&2; exit 7", input="some\ninput\n")
        assert (done.stdout, done.stderr, done.exit_status) == ("some\ninput\n", "wrong\n", 7)


async def test_a_command_killed_by_a_signal_says_which(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        done = await connection.run("kill -KILL $$")
        assert done.exit_signal[0] == "KILL"


async def test_a_signal_reaches_the_command(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        process = await connection.create_process("trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
        assert await process.stdout.readline() == "ready\n"
        process.send_signal("TERM")
        done = await process.wait()
        assert (done.stdout, done.exit_status) == ("caught\n", 5)


async def test_megabytes_pass_both_ways_unharmed(tmp_path, kind):
    data = os.urandom(5_000_000)
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        done = await connection.run("cat", input=data, encoding=None)
        assert done.stdout == data


async def test_environment_variables_of_the_client_arrive(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        done = await connection.run('echo "$LC_TEST:$USER"', env={"LC_TEST": "a b"}, check=True)
        assert done.stdout == "a b:root\n"


async def test_a_terminal_has_a_name_a_size_and_can_be_resized(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        process = await connection.create_process("tty; stty size; read line; stty size", term_type="xterm", term_size=(90, 30))
        assert (await process.stdout.readline()).startswith("/dev/pts/")
        assert await process.stdout.readline() == "30 90\r\n"
        process.change_terminal_size(100, 40)
        process.stdin.write("\n")
        done = await process.wait()
        assert "40 100" in done.stdout


async def test_many_sessions_share_a_connection(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        answers = await asyncio.gather(*(connection.run(f"sleep 0.05; echo {n}", check=True) for n in range(8)))
        assert [answer.stdout.strip() for answer in answers] == [str(n) for n in range(8)]


async def test_any_user_name_is_root(tmp_path, namespace_kind):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        async with login(machine_pool, machine, username="admin") as connection:
            assert (await connection.run("id -un; pwd", check=True)).stdout == "root\n/root\n"


async def test_another_key_and_a_password_are_refused(tmp_path, kind):
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
        for credentials in ({"client_keys": [stranger]}, {"client_keys": None, "password": "x"}):
            with pytest.raises(asyncssh.PermissionDenied):
                async with login(machine_pool, machine, **credentials):
                    pass
        assert machine_pool.client_key_path.stat().st_mode & 0o777 == 0o600


async def test_a_machine_has_a_root_of_its_own(tmp_path, namespace_kind):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        output = await run(machine_pool, machine, "id -u; hostname; cat /etc/hostname; echo $$; echo mine > /etc/only-here; pwd")
        assert output.split()[:3] == ["0", "web1", "web1"]
        assert int(output.split()[3]) < 1000
        assert (machine.disk_path / "etc/only-here").read_text() == "mine\n"
        assert not os.path.exists("/etc/only-here")
        assert machine.root_inside == "/"


async def test_the_hosts_programs_are_there_but_read_only(tmp_path, namespace_kind):
    async with logged_in(tmp_path / "s", namespace_kind) as (machine_pool, machine, connection):
        done = await connection.run(f"{machine_pool.python} -c 'import json, ssl, hashlib; print(1)' && : > /usr/bin/no-such-program")
        assert done.stdout == "1\n"
        assert done.exit_status != 0
        done = await connection.run(f"touch {os.path.dirname(machine_pool.python)}/x; echo 1 > /proc/sys/kernel/core_uses_pid")
        assert done.exit_status != 0
        assert "ead-only" in done.stderr or "denied" in done.stderr.lower()


async def test_the_hosts_files_and_processes_are_out_of_sight(tmp_path, namespace_kind):
    secret = tmp_path / "secret"
    secret.write_text("x")
    async with logged_in(tmp_path / "s", namespace_kind) as (machine_pool, machine, connection):
        done = await connection.run(f"cat {secret}; ls -d /proc/{os.getpid()}0 /proc/[0-9]* | wc -l; grep -c {tmp_path} /proc/*/cmdline")
        assert "No such file" in done.stderr
        assert int(done.stdout.split()[0]) < 12


async def test_a_directory_machine_starts_on_its_disk(tmp_path):
    async with running_machine(tmp_path / "s", "directory") as (machine_pool, machine):
        assert machine.root_inside == str(machine.disk_path)
        output = await run(machine_pool, machine, 'pwd; echo "$HOME"; echo "$REWIND_DISK"; echo x > etc/only-here')
        assert output.split() == [str(machine.disk_path), str(machine.disk_path / "root"), str(machine.disk_path)]
        assert (machine.disk_path / "etc/only-here").exists()


@needs_openssh
async def test_openssh_with_a_terminal_and_a_control_master(tmp_path, kind):
    async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
        ssh = ["ssh", *openssh_options(machine_pool), "-p", str(machine.port), "-o", "ControlMaster=auto", "-o", "ControlPersist=10",
               "-o", f"ControlPath={tmp_path}/c"]
        assert "web1" in await output_of(*ssh, "root@127.0.0.1", "cat $REWIND_DISK/etc/hostname")
        assert os.path.exists(tmp_path / "c")
        assert "/dev/pts/" in await output_of(*ssh, "-tt", "root@127.0.0.1", "tty")
        await output_of(*ssh, "-O", "exit", "root@127.0.0.1")


async def test_reboot_inside_brings_a_new_boot_id(tmp_path, namespace_kind):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        port, before = machine.port, await run(machine_pool, machine, "cat /proc/sys/kernel/random/boot_id")
        await run(machine_pool, machine, "touch /run/volatile; shutdown -r now bye")
        await _until(lambda: machine.boots == 2)
        assert machine.powered_on and machine.port == port
        after = await run(machine_pool, machine, "cat /proc/sys/kernel/random/boot_id; ls /run/volatile 2>&1 || true")
        assert before not in after
        assert "No such file" in after


async def test_poweroff_inside_switches_the_machine_off(tmp_path, namespace_kind):
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        await run(machine_pool, machine, "poweroff")
        await _until(lambda: not machine.powered_on)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", machine.port)


async def _until(condition) -> None:
    while not condition():
        await asyncio.sleep(0.02)


async def test_the_last_output_on_a_terminal_is_not_lost(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        for _attempt in range(4):
            answers = await asyncio.gather(*(connection.run("echo last words", term_type="xterm") for _attempt in range(8)))
            assert [answer.stdout for answer in answers] == ["last words\r\n"] * 8
