# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine in Linux namespaces: its disk is its root, absolute paths are its own, and it sees only its own processes.

`unshare` creates the namespaces, and `namespace_init.py` is PID 1 in them while the machine is on. Each command enters with `nsenter` (about 3
ms). The network is the host's loopback.
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

from . import namespace_init
from .disk_content import bound_from_host
from .runtime import CRASH, POWER_OFF, REBOOT, SYSTEM_PATH, Command, MachineRuntimeError, Runtime, RuntimeSpec

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
# Root inside is root outside, so capabilities that change the host (network, clock, kernel) are dropped.
_DROPPED_CAPABILITIES = "-net_admin,-sys_module,-sys_rawio,-sys_time,-syslog,-mac_admin,-mac_override,-audit_control"
# The command runs with a known umask and in root's home, however the sandbox was started.
_LOGIN = 'umask 022; cd "$HOME" 2>/dev/null || cd /; exec "$@"'
_TIOCGPTPEER, _TIOCSPTLCK = 0x5441, 0x40045431

# One script is `reboot`, `shutdown`, `poweroff` and `halt` inside a machine. It replaces the host's own, which need systemd.
POWER_COMMANDS = ("reboot", "shutdown", "poweroff", "halt")
_PROGRAM_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
# The host's own programs are available here.
HIDDEN_PROGRAMS = "/run/sandbox/hidden"

POWER_SCRIPT = f"""#!/bin/sh
# The power switch of a sandbox machine. Times and messages are ignored; it acts at once.
action=${{0##*/}}
if [ "$action" = systemctl ]; then
  for word; do
    case $word in
      -*) ;;
      reboot|poweroff|halt) action=$word; break;;
      *) break;;
    esac
  done
  [ "$action" = systemctl ] && exec {HIDDEN_PROGRAMS}/systemctl "$@"
fi
if [ "$action" = shutdown ]; then
  action=poweroff
  for word; do
    case $word in
      -c|-k) exit 0;;
      --reboot|-[!-]*r*|-r*) action=reboot; break;;
    esac
  done
fi
# PID 1 handles these signals as busybox's init does.
if [ "$action" = reboot ]; then kill -TERM 1; else kill -USR2 1; fi
"""


class NamespaceRuntime(Runtime):
    """With `user_namespace` no root is needed: the user who runs the sandbox is root inside."""

    root_inside = "/"
    home_inside = "/root"

    def __init__(self, spec: RuntimeSpec, *, user_namespace: bool) -> None:
        super().__init__(spec, user_namespace=user_namespace)
        self._init_process: asyncio.subprocess.Process | None = None
        self._exit_watch: asyncio.Task[None] | None = None
        self._pid = 0

    @property
    def root_outside(self) -> str:
        return f"/proc/{self._pid}/root"

    async def start(self, on_exit: Callable[[str], None]) -> None:
        init_config = {"disk": str(self._spec.disk), "hostname": self._spec.hostname, "boot_id": str(uuid.uuid4()),
                       "bound": bound_from_host(self._spec.python_prefixes), "real_root": not self._user_namespace,
                       "power_tool": {"names": POWER_COMMANDS, "script": POWER_SCRIPT, "hidden": HIDDEN_PROGRAMS, "replaced": _programs_to_replace()}}
        user = ("--user", "--map-root-user") if self._user_namespace else ()
        init_process = await asyncio.create_subprocess_exec(
            "unshare", *user, "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--",
            self._spec.python, "-I", "-S", namespace_init.__file__,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            # In its own session, so Ctrl-C at the sandbox's terminal does not reboot every machine.
            start_new_session=True, cwd="/", env={"PATH": SYSTEM_PATH, "LC_ALL": "C"})
        try:
            init_process.stdin.write(json.dumps(init_config).encode() + b"\n")
            line = await asyncio.wait_for(init_process.stdout.readline(), START_TIMEOUT)
            reply = json.loads(line) if line else {"ready": False}
        except BaseException as problem:
            await _stop_init(init_process)
            if isinstance(problem, asyncio.TimeoutError):
                raise MachineRuntimeError(f"the machine did not start within {START_TIMEOUT:g} s") from None
            raise
        if not reply["ready"]:
            errors = (await init_process.stderr.read()).decode(errors="replace").strip()
            await _stop_init(init_process)
            raise MachineRuntimeError(reply.get("problem") or errors[-300:] or "unshare ended without output")
        self._init_process, self._pid = init_process, reply["pid"]
        self._exit_watch = asyncio.create_task(self._report_end(init_process, on_exit))

    async def _report_end(self, init_process: asyncio.subprocess.Process, on_exit: Callable[[str], None]) -> None:
        line = await init_process.stdout.readline()
        code = await init_process.wait()
        reason = json.loads(line).get("end") if line else ""
        # A reboot(2) system call inside ends PID 1 with a signal for its kind.
        by_signal = {-signal.SIGHUP: REBOOT, -signal.SIGINT: POWER_OFF}.get(code, CRASH)
        on_exit(reason or by_signal)

    async def stop(self) -> None:
        init_process, self._init_process = self._init_process, None
        watch, self._exit_watch = self._exit_watch, None
        if watch:
            watch.cancel()
        if init_process:
            await _stop_init(init_process)
        self._pid = 0

    def build_command(self, command: str | None, environment: Mapping[str, str], *, terminal: bool) -> Command:
        if not self._pid:
            raise MachineRuntimeError("the machine is off")
        shell = self._spec.shell
        if self._user_namespace:
            argv = ["nsenter", "--user", "--preserve-credentials"]
        else:
            argv = ["setpriv", "--bounding-set", _DROPPED_CAPABILITIES, "nsenter"]
        argv += ["--target", str(self._pid), "--mount", "--uts", "--ipc", "--pid", "--", "setsid", *(["--ctty"] if terminal else [])]
        argv += ["/bin/sh", "-c", _LOGIN, "sh", shell, *(["-l"] if command is None else ["-c", command])]
        variables = {"HOME": self.home_inside, "USER": "root", "LOGNAME": "root", "SHELL": shell, "LANG": "C.UTF-8",
                     **environment, "PATH": f"{namespace_init.TOOLS}:{SYSTEM_PATH}"}
        return Command(argv, variables, wrapped=True)

    def open_terminal(self) -> tuple[int, int]:
        # From the machine's own /dev/pts, so `tty` and opening the terminal by name work inside.
        parent_fd = os.open(f"{self.root_outside}/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.ioctl(parent_fd, _TIOCSPTLCK, struct.pack("i", 0))
        return parent_fd, fcntl.ioctl(parent_fd, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)


def _programs_to_replace() -> list[str]:
    """Return the host's programs (links resolved) that the script replaces."""
    candidates = {os.path.realpath(f"{directory}/{name}") for directory in _PROGRAM_DIRECTORIES for name in (*POWER_COMMANDS, "systemctl")}
    # busybox is not replaced: its `reboot` sends the right signal.
    return sorted(path for path in candidates if os.path.basename(path) in (*POWER_COMMANDS, "systemctl") and os.path.isfile(path))


async def _stop_init(init_process: asyncio.subprocess.Process) -> None:
    """End PID 1 and everything inside; return when it is gone."""
    if init_process.stdin and not init_process.stdin.is_closing():
        init_process.stdin.close()
    try:
        await asyncio.wait_for(init_process.wait(), STOP_TIMEOUT)
    except TimeoutError:
        # unshare and PID 1 share a process group; the kernel then kills the rest of the namespace.
        os.killpg(init_process.pid, signal.SIGKILL)
        await init_process.wait()
