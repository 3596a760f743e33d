# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in and running commands on a machine."""

from __future__ import annotations

import asyncio
import os

import asyncssh
import pytest
from machine_helpers import logged_in, login, run, running_machine


async def test_commands_have_input_output_status_signals_and_environment(tmp_path, kind):
    data = os.urandom(5_000_000)
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        done = await connection.run("cat; echo wrong >&2; exit 7", input="some\ninput\n")
        assert (done.stdout, done.stderr, done.exit_status) == ("some\ninput\n", "wrong\n", 7)
        assert (await connection.run("kill -KILL $$")).exit_signal[0] == "KILL"
        assert (await connection.run("cat", input=data, encoding=None)).stdout == data
        assert (await connection.run('echo "$LC_TEST:$USER"', env={"LC_TEST": "a b"}, check=True)).stdout == "a b:root\n"
        process = await connection.create_process("trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
        assert await process.stdout.readline() == "ready\n"
        process.send_signal("TERM")
        done = await process.wait()
        assert (done.stdout, done.exit_status) == ("caught\n", 5)


async def test_terminals_have_a_name_and_a_size_and_lose_no_output(tmp_path, kind):
    async with logged_in(tmp_path / "s", kind) as (machine_pool, machine, connection):
        process = await connection.create_process("tty; stty size; read line; stty size", term_type="xterm", term_size=(90, 30))
        assert (await process.stdout.readline()).startswith("/dev/pts/")
        assert await process.stdout.readline() == "30 90\r\n"
        process.change_terminal_size(100, 40)
        process.stdin.write("\n")
        assert "40 100" in (await process.wait()).stdout
        for _attempt in range(4):
            answers = await asyncio.gather(*(connection.run("echo last words", term_type="xterm") for _attempt in range(8)))
            assert [answer.stdout for answer in answers] == ["last words\r\n"] * 8


async def test_another_key_and_a_password_are_refused(tmp_path):
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    async with running_machine(tmp_path / "s", "directory") as (machine_pool, machine):
        for credentials in ({"client_keys": [stranger]}, {"client_keys": None, "password": "x"}):
            with pytest.raises(asyncssh.PermissionDenied):
                async with login(machine_pool, machine, **credentials):
                    pass
        assert machine_pool.client_key_path.stat().st_mode & 0o777 == 0o600


async def test_a_machine_has_a_root_of_its_own_and_the_hosts_programs_read_only(tmp_path, namespace_kind):
    secret = tmp_path / "secret"
    secret.write_text("x")
    async with running_machine(tmp_path / "s", namespace_kind) as (machine_pool, machine):
        async with login(machine_pool, machine, username="admin") as connection:  # any user is root
            done = await connection.run("id -u; hostname; cat /etc/hostname; pwd; echo $$; echo mine > /etc/only-here", check=True)
            assert done.stdout.split()[:4] == ["0", "web1", "web1", "/root"] and int(done.stdout.split()[4]) < 1000
            assert (machine.disk_path / "etc/only-here").read_text() == "mine\n" and not os.path.exists("/etc/only-here")
            done = await connection.run(f"{machine_pool.python} -c 'import json, ssl, hashlib; print(1)' && : > /usr/bin/no-such-program")
            assert done.stdout == "1\n" and done.exit_status != 0
            done = await connection.run(f"touch {os.path.dirname(machine_pool.python)}/x; echo 1 > /proc/sys/kernel/core_uses_pid")
            assert done.exit_status != 0 and ("ead-only" in done.stderr or "denied" in done.stderr.lower())
            done = await connection.run(f"cat {secret}; ls -d /proc/{os.getpid()}0 /proc/[0-9]* | wc -l")
            assert "No such file" in done.stderr and int(done.stdout.split()[0]) < 12


async def test_a_directory_machine_starts_on_its_disk(tmp_path):
    async with running_machine(tmp_path / "s", "directory") as (machine_pool, machine):
        assert machine.root_inside == str(machine.disk_path)
        output = await run(machine_pool, machine, 'pwd; echo "$HOME"; echo "$REWIND_DISK"; echo x > etc/only-here')
        assert output.split() == [str(machine.disk_path), str(machine.disk_path / "root"), str(machine.disk_path)]
        assert (machine.disk_path / "etc/only-here").exists()
