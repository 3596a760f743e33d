# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the demo: `make demo`. Exit status 0 on success, 1 on failure, 2 if it cannot start."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

EXTENSIONS = Path(__file__).resolve().parent.parent
# Replaces this script's directory: demo and sandbox are packages in it.
sys.path[0] = str(EXTENSIONS)

PACKAGES = ("ansible", "asyncssh", "requests", "rich", "starlette", "uvicorn")
# Sandbox seconds per second: a restore of 5-15 minutes takes 1-3 seconds, which is visible.
SPEED = 300.0
MAX_TEMP_PATH = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo. Return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.real and (options.restore_fails or options.isolation != "auto"):
        parser.error("--real takes neither --restore-fails nor --isolation")
    if problem := _missing_requirement():
        print(f"The demo cannot start: {problem}", file=sys.stderr)
        return 2
    # These need the packages.
    from demo.checks import DemoCheckFailed
    from demo.console import DemoConsole
    from demo.real_scenario import RealScenario
    from demo.scenario import Scenario
    from sandbox import AdminError, launch
    from sandbox.machine_inspection import InspectionError

    console = DemoConsole()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        console.title("three guarded upgrades; two fail and are rolled back")
        console.print_text("Everything runs on this machine, without an account: the sandbox simulates two providers and their servers.")
        with (
            tempfile.TemporaryDirectory(prefix="rw-demo-", dir=_short_temp_directory(), ignore_cleanup_errors=True) as scratch,
            launch(vpsorg_servers=2, ilkbyte_servers=1, speed=options.speed, isolation=options.isolation,
                   machines="qemu" if options.real else "simulated") as sandbox,
        ):
            if options.real:
                RealScenario(sandbox, console, EXTENSIONS.parent, Path(scratch)).play()
            else:
                Scenario(sandbox, console, EXTENSIONS.parent, Path(scratch)).play(restore_fails=options.restore_fails)
    except (DemoCheckFailed, AdminError, InspectionError, OSError, RuntimeError) as problem:
        console.failure(str(problem))
        return 1
    except SystemExit:
        console.print_text("Stopped. The sandbox was removed.")
        raise
    return 0


def _stop(number: int, _frame: object) -> None:
    # A second Ctrl-C must not interrupt the cleanup.
    for either in (signal.SIGINT, signal.SIGTERM):
        signal.signal(either, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _short_temp_directory() -> str:
    # It contains SSH's control sockets, whose paths are limited to about a hundred characters.
    usual = tempfile.gettempdir()
    return usual if len(usual) <= MAX_TEMP_PATH or not os.access("/tmp", os.W_OK) else "/tmp"


def _missing_requirement() -> str | None:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return f"{sys.executable} has no {', '.join(missing)}. Run `make demo`, which installs everything."
    if not shutil.which("ssh"):
        return "ssh not found; the demo uses SSH. Install it, for example: apt install openssh-client"
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="extensions/demo/run.py", description=__doc__)
    parser.add_argument("--speed", type=float, default=SPEED, metavar="FACTOR", help="sandbox seconds per second (default %(default)g)")
    parser.add_argument("--isolation", default="auto", choices=("auto", "namespace", "directory"),
                        help="how the sandbox isolates its servers (default %(default)s)")
    parser.add_argument("--restore-fails", action="store_true", help="let every restore fail half way; the demo then exits with status 1")
    parser.add_argument("--real", action="store_true", help="with Debian machines in QEMU as servers, which fail by real packages")
    return parser


if __name__ == "__main__":
    sys.exit(main())
