# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `python -m sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .app import Options, Sandbox
from .machines import MachinesUnavailable

PARENT_POLL_INTERVAL = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sandbox until SIGTERM or SIGINT. Return the exit status."""
    # Under nohup the servers' commands would inherit an ignored SIGHUP and outlive their terminal.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    parsed = vars(_parser().parse_args(arguments))
    parent, servers = parsed.pop("parent"), parsed.pop("servers")
    for name in ("vpsorg_servers", "ilkbyte_servers"):
        parsed[name] = servers if parsed[name] is None else parsed[name]
    return asyncio.run(_run(Options(**parsed), parent))


async def _run(options: Options, parent: int | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch = loop.create_task(_watch_parent(parent, stop.set)) if parent is not None else None
    sandbox = Sandbox(options)
    try:
        try:
            facts = await sandbox.open()
        except (OSError, ValueError, MachinesUnavailable) as error:
            print(f"sandbox: cannot start: {error}", file=sys.stderr)
            return 1
        print(json.dumps(facts), flush=True)
        _print_summary(facts)
        await stop.wait()
    finally:
        if watch is not None:
            watch.cancel()
        await sandbox.close()
    return 0


async def _watch_parent(pid: int, on_exit: Callable[[], None]) -> None:
    """Call `on_exit` when our parent process `pid` has ended.

    PR_SET_PDEATHSIG follows the thread that started us, and test runners start processes in threads.
    """
    while os.getppid() == pid:
        await asyncio.sleep(PARENT_POLL_INTERVAL)
    on_exit()


def _print_summary(facts: dict[str, object]) -> None:
    for line in (
        *([f"CA       {facts['ca_path']}"] if facts["ca_path"] else []),
        f"VPS.org  {facts['vpsorg_url']}",
        f"Ilkbyte  {facts['ilkbyte_url']}",
        f"admin    {facts['admin_url']}",
        f"servers  {facts['inventory']}",
        f"in another terminal:  . {shlex.quote(str(facts['environment']))}",
        f"isolation {facts['isolation']}: {facts['isolation_reason']}",
        f"one real second is {facts['speed']:g} sandbox seconds; stop with Ctrl-C",
    ):
        print(f"sandbox: {line}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Simulates VPS.org and Ilkbyte on loopback, with servers. The first line on standard output is a "
                    "JSON object with addresses and credentials.")
    parser.add_argument("--servers", type=int, default=2, metavar="N", help="servers at each provider (default 2)")
    parser.add_argument("--vpsorg-servers", type=int, metavar="N", help="servers at VPS.org, if different")
    parser.add_argument("--ilkbyte-servers", type=int, metavar="N", help="servers at Ilkbyte, if different")
    parser.add_argument("--speed", type=float, default=60.0, metavar="X", help="sandbox seconds per real second (default 60)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of random durations and sizes (default 0)")
    parser.add_argument("--state", dest="state_dir", type=Path, metavar="DIR", help="directory for disks and keys (default: temporary)")
    parser.add_argument("--no-ssh", dest="ssh", action="store_false", help="disks only, no SSH")
    parser.add_argument("--no-disks", dest="disks", action="store_false", help="APIs only: servers have no disk and no SSH, and take no time")
    parser.add_argument("--tls", action="store_true", help="HTTPS with its own certificate authority (see ca_path)")
    parser.add_argument("--machines", choices=("simulated", "qemu"), default="simulated",
                        help="what the servers are: processes with a disk, or Debian machines in QEMU (default simulated)")
    parser.add_argument("--distribution", choices=("debian", "rpm"), default="debian",
                        help="of QEMU machines: Debian with apt, or a system with dnf and packages in rpm's format (default debian)")
    parser.add_argument("--snapshots", choices=("disk", "memory"), default="disk",
                        help="what a snapshot of a running QEMU machine contains: the disk as after a power cut, or memory too (default disk)")
    parser.add_argument("--isolation", choices=("auto", "namespace", "directory"), default="auto",
                        help="how the servers' commands are isolated (default auto)")
    for name in ("vpsorg-port", "ilkbyte-port", "admin-port"):
        parser.add_argument(f"--{name}", type=int, default=0, metavar="P", help="default: any free port")
    parser.add_argument("--ssh-port-base", type=int, default=0, metavar="P",
                        help="first server's SSH port, the others follow (default: any free ports)")
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this parent process ends")
    return parser
