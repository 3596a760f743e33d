# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the machines share."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh

from sandbox.machines import Machine, MachinePool


@asynccontextmanager
async def running_machine(state_dir: Path, isolation: str):
    """A pool with one machine, powered on."""
    machine_pool = MachinePool(state_dir, isolation=isolation)
    try:
        machine = await machine_pool.add("web1")
        await machine.power_on()
        yield machine_pool, machine
    finally:
        await machine_pool.close()


def login(machine_pool: MachinePool, machine: Machine, **options):
    """An SSH connection, as `async with login(...) as connection`."""
    given = {"username": "root", "client_keys": [str(machine_pool.client_key_path)],
             "known_hosts": str(machine_pool.known_hosts_path), "config": None,
             "agent_path": None, **options}
    return asyncssh.connect("127.0.0.1", machine.port, **given)


@asynccontextmanager
async def logged_in(state_dir: Path, isolation: str):
    """A pool, its one machine, and an SSH connection to it."""
    async with running_machine(state_dir, isolation) as (machine_pool, machine):
        async with login(machine_pool, machine) as connection:
            yield machine_pool, machine, connection


async def run(machine_pool: MachinePool, machine: Machine, command: str, **options) -> str:
    """The standard output of a command that must succeed."""
    async with login(machine_pool, machine) as connection:
        done = await connection.run(command, check=True, **options)
        return done.stdout.strip()


def openssh_options(machine_pool: MachinePool) -> list[str]:
    """What OpenSSH's programs need to know, host and port aside."""
    options = [f"UserKnownHostsFile={machine_pool.known_hosts_path}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "BatchMode=yes"]
    return ["-F", "/dev/null", "-i", str(machine_pool.client_key_path), *(word for option in options for word in ("-o", option))]


async def output_of(*command: str, status: int = 0) -> str:
    """The output (errors included) of a program of the host, run without blocking the machines in this loop."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    output = (await process.communicate())[0]
    assert process.returncode == status, output.decode(errors="replace")
    return output.decode(errors="replace")


def descendants(pid: int | str = "self") -> set[tuple[int, str]]:
    """All processes below `pid`, each with its start time, which a reused pid would not share."""
    found = set()
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            found |= {(int(child), started(child))} | descendants(child)
    return found


# What ran below this process when the test began: another test's sandbox, which this process shares with it.
earlier_processes: set[tuple[int, str]] = set()


def processes_of(state_dir: Path) -> set[tuple[int, str]]:
    """The sandbox's processes: those below this one, and those that only a directory machine's mark still ties to it."""
    found = descendants() - earlier_processes
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"REWIND_DISK={state_dir}/".encode() in environment.read_bytes():
                found.add((int(environment.parent.name), started(environment.parent.name)))
        except OSError:
            continue
    return found


def started(pid: int | str) -> str:
    """When a process started, in the kernel's ticks; "" if it is gone (or a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def wait_until_gone(processes: set[tuple[int, str]], seconds: float = 5.0) -> set[tuple[int, str]]:
    """Those of `processes` that are still alive when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while alive := {(pid, start) for pid, start in processes if start and started(pid) == start}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return alive


def host_mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()
