# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine in Linux namespaces: its disk is its root, absolute paths are its own, and it sees only its own processes.

`unshare` makes the namespaces and `namespace_init.py` is pid 1 in them for as long as the machine is on; each command enters with
`nsenter` (3 ms on a small server). The network is the host's loopback.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import struct
import uuid
from collections.abc import Callable, Mapping

from . import namespace_init, power_tool
from .disk_content import bound_from_host
from .disk_tree import Trees
from .runtime import CRASH, POWER_OFF, REBOOT, SYSTEM_PATH, Entry, WorldError, WorldPlan

START_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 5.0
# Real root inside is real root outside: what would change the host itself (its network, clock, kernel) is given up on entering.
_GIVEN_UP = "-net_admin,-sys_module,-sys_rawio,-sys_time,-syslog,-mac_admin,-mac_override,-audit_control"
# The client's command runs with a known umask and in root's home, wherever and however the sandbox was started.
_LOGIN = 'umask 022; cd "$HOME" 2>/dev/null || cd /; exec "$@"'
_TIOCGPTPEER, _TIOCSPTLCK = 0x5441, 0x40045431


class NamespaceWorld:
    """See `runtime.World`. With `user_namespace`, no root is needed: the user who runs the sandbox is root inside."""

    root_inside = "/"
    home_inside = "/root"

    def __init__(self, plan: WorldPlan, *, user_namespace: bool) -> None:
        self._plan = plan
        self._user_namespace = user_namespace
        self._trees = Trees(user_namespace=user_namespace)
        self.copy, self.digest, self.erase = self._trees.copy, self._trees.digest, self._trees.erase
        self._holder: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pid = 0

    @property
    def root_outside(self) -> str:
        return f"/proc/{self._pid}/root"

    async def start(self, ended: Callable[[str], None]) -> None:
        plan = {"disk": str(self._plan.disk), "hostname": self._plan.hostname, "boot_id": str(uuid.uuid4()),
                "bound": bound_from_host(self._plan.python_prefixes), "real_root": not self._user_namespace,
                "power_tool": {"names": power_tool.NAMES, "script": power_tool.SCRIPT, "hidden": power_tool.HIDDEN,
                               "replaced": power_tool.programs_to_replace()}}
        user = ("--user", "--map-root-user") if self._user_namespace else ()
        holder = await asyncio.create_subprocess_exec(
            "unshare", *user, "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--",
            self._plan.python, "-I", "-S", namespace_init.__file__,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            # In a session of its own, so that Ctrl-C at the sandbox's terminal is not a reboot of every machine.
            start_new_session=True, cwd="/", env={"PATH": SYSTEM_PATH, "LC_ALL": "C"})
        try:
            holder.stdin.write(json.dumps(plan).encode() + b"\n")
            line = await asyncio.wait_for(holder.stdout.readline(), START_TIMEOUT_SECONDS)
            answer = json.loads(line) if line else {"ready": False}
        except BaseException as problem:
            await _end(holder)
            if isinstance(problem, asyncio.TimeoutError):
                raise WorldError(f"the machine was not up within {START_TIMEOUT_SECONDS:g} s") from None
            raise
        if not answer["ready"]:
            errors = (await holder.stderr.read()).decode(errors="replace").strip()
            await _end(holder)
            raise WorldError(answer.get("problem") or errors[-300:] or "unshare ended without a word")
        self._holder, self._pid = holder, answer["pid"]
        self._watch = asyncio.create_task(self._report_end(holder, ended))

    async def _report_end(self, holder: asyncio.subprocess.Process, ended: Callable[[str], None]) -> None:
        line = await holder.stdout.readline()
        code = await holder.wait()
        said = json.loads(line).get("end") if line else ""
        # A reboot(2) system call inside ends pid 1 without a word; its signal says which kind it was.
        by_signal = {-signal.SIGHUP: REBOOT, -signal.SIGINT: POWER_OFF}.get(code, CRASH)
        ended(said or by_signal)

    async def stop(self) -> None:
        holder, self._holder = self._holder, None
        watch, self._watch = self._watch, None
        if watch:
            watch.cancel()
        if holder:
            await _end(holder)
        self._pid = 0

    def enter(self, command: str | None, environment: Mapping[str, str], *, terminal: bool) -> Entry:
        if not self._pid:
            raise WorldError("the machine is off")
        shell = self._plan.shell
        if self._user_namespace:
            argv = ["nsenter", "--user", "--preserve-credentials"]
        else:
            argv = ["setpriv", "--bounding-set", _GIVEN_UP, "nsenter"]
        argv += ["--target", str(self._pid), "--mount", "--uts", "--ipc", "--pid", "--", "setsid", *(["--ctty"] if terminal else [])]
        argv += ["/bin/sh", "-c", _LOGIN, "sh", shell, *(["-l"] if command is None else ["-c", command])]
        inside = {"HOME": self.home_inside, "USER": "root", "LOGNAME": "root", "SHELL": shell, "LANG": "C.UTF-8",
                  **self._plan.extra_environment, **environment, "PATH": f"{namespace_init.TOOLS}:{SYSTEM_PATH}"}
        return Entry(argv, inside, wrapped=True)

    def open_terminal(self) -> tuple[int, int]:
        # From the machine's own /dev/pts, so that `tty` and whatever opens its terminal by name work inside.
        ours = os.open(f"{self.root_outside}/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.ioctl(ours, _TIOCSPTLCK, struct.pack("i", 0))
        return ours, fcntl.ioctl(ours, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)


async def _end(holder: asyncio.subprocess.Process) -> None:
    """End pid 1 and with it everything inside; return when it is gone."""
    if holder.stdin and not holder.stdin.is_closing():
        holder.stdin.close()
    try:
        await asyncio.wait_for(holder.wait(), STOP_TIMEOUT_SECONDS)
    except TimeoutError:
        # The holder and pid 1 share a process group; the kernel then kills the rest of the namespace.
        os.killpg(holder.pid, signal.SIGKILL)
        await holder.wait()
