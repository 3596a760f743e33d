# SPDX-License-Identifier: GPL-3.0-or-later
"""One QEMU process: start, control through QMP, the guest agent, and snapshots inside its qcow2 disk."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qemu.qmp import ExecuteError, QMPClient, QMPError
from qemu.qmp.events import EventListener

BOOTED = "booted"
"""The saved state of an image: memory and disk of a machine that has just booted."""

UP_LINE = b"machine-is-up"
MEMORY_MB = 512
# Emulation of a small CPU is much cheaper than of the largest one.
ACCELERATORS = {"kvm": ("-accel", "kvm", "-cpu", "host"), "tcg": ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem")}
CONSOLE_POLL_INTERVAL = 0.1
CONNECT_TIMEOUT = 30.0
AGENT_TIMEOUT = 60.0
JOB_POLL_INTERVAL = 0.05
_DISK_NODE = "disk0"


class GuestError(Exception):
    """QEMU could not be started or rejected a command; the message names it."""


class Guest:
    """A QEMU machine with a disk, a network with one forwarded port, a serial console in a file, and a control socket.

    `on_event` is called with each of QEMU's events by name, for example SHUTDOWN or RESET, and with EXIT when the process has ended.
    """

    def __init__(self, kernel: Path, initrd: Path, disk: Path, directory: Path, *, accelerator: str, ssh_port: int = 0,
                 on_event: Callable[[str], None] = lambda name: None) -> None:
        self._kernel, self._initrd, self.disk, self._directory = kernel, initrd, disk, directory
        self._accelerator = accelerator
        self._ssh_port = ssh_port
        self._on_event = on_event
        self._process: asyncio.subprocess.Process | None = None
        self._qmp: QMPClient | None = None
        self._agent: QMPClient | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.console_path = directory / "console"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, saved_state: str | None = None) -> None:
        """Start QEMU; with `saved_state` the machine continues from it, otherwise it boots. Returns when QEMU answers, not when it is booted."""
        self.console_path.unlink(missing_ok=True)
        # Inherited sockets: a path in a long directory would exceed the limit for socket names.
        (qmp, qmp_inside), (agent, agent_inside) = socket.socketpair(), socket.socketpair()
        with qmp_inside, agent_inside:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(qmp_inside.fileno(), agent_inside.fileno(), saved_state), stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True,
                pass_fds=(qmp_inside.fileno(), agent_inside.fileno()))
        self._agent = QMPClient("agent")
        self._agent.await_greeting = self._agent.negotiate = False
        self._qmp = QMPClient("machine")
        events = EventListener()
        self._qmp.register_listener(events)
        try:
            await self._agent.connect(agent)
            await asyncio.wait_for(self._qmp.connect(qmp), CONNECT_TIMEOUT)
        except (OSError, QMPError, EOFError, TimeoutError) as error:
            if self._process.returncode is None:
                self._process.kill()
            output = (await self._process.stderr.read()).decode(errors="replace").strip() if self._process.stderr else ""
            raise GuestError(f"QEMU did not start: {output[-300:] or error}") from error
        self._tasks = [asyncio.create_task(self._forward_events(events)), asyncio.create_task(self._report_exit(self._process))]

    async def kill(self) -> None:
        """End QEMU at once, as a power cut. Does nothing if it is not running."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        for client in (self._qmp, self._agent):
            try:
                if client is not None:
                    await client.disconnect()
            except (QMPError, OSError, EOFError):
                pass  # QEMU has ended before
        self._qmp = self._agent = None
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None

    async def press_power_button(self) -> None:
        """Ask the machine to shut down (ACPI). A machine may ignore it."""
        await self._execute("system_powerdown")

    async def set_link(self, up: bool) -> None:
        """Connect or disconnect the network cable."""
        await self._execute("set_link", {"name": "net0", "up": up})

    async def wait_until_up(self, timeout: float) -> None:
        """Wait for the line that the machine writes to its console when it is up. Raises GuestError."""
        deadline = time.monotonic() + timeout
        while not self.is_up():
            if not self.is_running:
                raise GuestError("QEMU ended before the machine was up")
            if time.monotonic() > deadline:
                raise GuestError(f"the machine was not up after {timeout:g} s; the end of its console: {self.console_end()}")
            await asyncio.sleep(CONSOLE_POLL_INTERVAL)

    def is_up(self, boots: int = 1) -> bool:
        """Whether the machine has announced on its console that it is up, after this many boots of this process."""
        try:
            return self.console_path.read_bytes().count(UP_LINE) >= boots
        except FileNotFoundError:
            return False

    def console_end(self) -> str:
        return self.console_path.read_text(errors="replace")[-600:] if self.console_path.exists() else ""

    # Snapshots

    async def save_memory(self, name: str) -> None:
        """Save memory and disk as `name`, replacing an older one."""
        await self.delete_snapshot(name)
        await self._run_job("snapshot-save", {"tag": name, "vmstate": _DISK_NODE, "devices": [_DISK_NODE]})

    async def save_disk(self, name: str) -> None:
        """Save the disk of the running machine as after a power cut, replacing an older one."""
        await self.delete_snapshot(name)
        await self._execute("blockdev-snapshot-internal-sync", {"device": _DISK_NODE, "name": name})

    async def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot of the running machine, with or without memory. Does nothing if there is none."""
        if name in await asyncio.to_thread(snapshot_names, self.disk):
            await self._run_job("snapshot-delete", {"tag": name, "devices": [_DISK_NODE]})

    # The guest agent: programs inside the machine, without its network

    async def wait_until_idle(self, timeout: float) -> None:
        """Wait until systemd has finished to start everything."""
        await self.run_inside("timeout", str(int(timeout)), "systemctl", "is-system-running", "--wait", timeout=timeout)

    async def set_identity(self, hostname: str) -> None:
        """Give a machine that continues from a saved state this machine's time and its own name."""
        script = 'date -s "@$2"; hostname "$1"; echo "$1" >/etc/hostname; sed -i "s/^127.0.1.1.*/127.0.1.1 $1/" /etc/hosts'
        await self.run_inside("sh", "-c", script, "sh", hostname, f"{time.time():.3f}")

    async def run_inside(self, *command: str, timeout: float = AGENT_TIMEOUT) -> int:
        """Run a command as root in the machine. Return its exit status."""
        pid = (await self._ask_agent("guest-exec", {"path": command[0], "arg": list(command[1:])}))["pid"]
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status = await self._ask_agent("guest-exec-status", {"pid": pid})
            if status["exited"]:
                return int(status.get("exitcode", -1))
            await asyncio.sleep(CONSOLE_POLL_INTERVAL)
        raise GuestError(f"{command[0]} did not end in the machine within {timeout:g} s")

    async def _ask_agent(self, command: str, arguments: dict[str, Any]) -> Any:
        if self._agent is None:
            raise GuestError(f"{command}: the machine is off")
        try:
            return await asyncio.wait_for(self._agent.execute(command, arguments), AGENT_TIMEOUT)
        except (ExecuteError, QMPError, TimeoutError) as error:
            raise GuestError(f"{command} in the machine failed: {error}") from error

    # Inside

    def _command(self, qmp_fd: int, agent_fd: int, saved_state: str | None) -> list[str]:
        forward = f",hostfwd=tcp:127.0.0.1:{self._ssh_port}-:22" if self._ssh_port else ""
        return [
            # However the sandbox ends, its machines end too.
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-smp", "1", "-m", str(MEMORY_MB), "-machine", "q35",
            *ACCELERATORS[self._accelerator],
            "-kernel", str(self._kernel), "-initrd", str(self._initrd), "-append", "console=ttyS0 root=/dev/vda rw net.ifnames=0 quiet panic=-1",
            "-blockdev", f"driver=qcow2,node-name={_DISK_NODE},file.driver=file,file.filename={_escape(self.disk)},"
                         "file.cache.no-flush=on,cache.no-flush=on,discard=unmap",
            "-device", f"virtio-blk-pci,drive={_DISK_NODE}",
            "-netdev", f"user,id=lan,restrict=on{forward}", "-device", "virtio-net-pci,netdev=lan,id=net0,romfile=",
            "-device", "virtio-rng-pci", "-serial", f"file:{_escape(self.console_path)}",
            # A kernel panic stops the machine and not QEMU, and costs no processor time.
            "-device", "pvpanic-pci", "-action", "panic=pause",
            "-chardev", f"socket,id=agent,fd={agent_fd}", "-device", "virtio-serial",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-chardev", f"socket,id=qmp,fd={qmp_fd}", "-mon", "chardev=qmp,mode=control", *(("-loadvm", saved_state) if saved_state else ())]

    async def _execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        if self._qmp is None:
            raise GuestError(f"{command}: the machine is off")
        try:
            return await self._qmp.execute(command, arguments)
        except (ExecuteError, QMPError) as error:
            raise GuestError(f"{command} failed: {error}") from error

    async def _run_job(self, command: str, arguments: dict[str, Any]) -> None:
        job = f"{command}-{time.monotonic_ns()}"
        await self._execute(command, {"job-id": job, **arguments})
        while True:
            state = next(one for one in await self._execute("query-jobs") if one["id"] == job)
            if state["status"] == "concluded":
                await self._execute("job-dismiss", {"id": job})
                if "error" in state:
                    raise GuestError(f"{command} failed: {state['error']}")
                return
            await asyncio.sleep(JOB_POLL_INTERVAL)

    async def _forward_events(self, events: EventListener) -> None:
        async for event in events:
            self._on_event(event["event"])

    async def _report_exit(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._on_event("EXIT")


def snapshot_names(disk: Path) -> list[str]:
    """Return the names of the snapshots in a disk, also of a running machine."""
    listing = subprocess.run(["qemu-img", "snapshot", "-U", "-l", str(disk)], check=True, capture_output=True, text=True).stdout
    return [line.split()[1] for line in listing.splitlines()[2:]]


def _escape(path: Path) -> str:
    return str(path).replace(",", ",,")
