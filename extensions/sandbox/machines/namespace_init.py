# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a machine (pid 1 of its pid namespace). Standard library only.

Started by `unshare` in new mount, pid, uts and ipc namespaces, with a plan (one line of JSON) on standard input. It makes the
disk its root, says so on standard output (one JSON line), and then does what a pid 1 does: it collects orphans, and it ends the
machine. When it ends, the kernel kills everything inside and drops every mount; so nothing can be left over. It ends when its
standard input does, that is, also when the sandbox is killed without a chance to tidy up.

Signals from inside, as busybox's init takes them: TERM and INT reboot, USR1 and USR2 power off.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC = 4096, 16384
MNT_DETACH = 2
# A remount replaces all flags of a mount, and a user namespace may not drop those that its owner set: so all are carried over.
CARRIED_FLAGS = {"nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC, "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
                "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
TOOLS = "/run/sandbox/sbin"
PR_SET_NAME = 15
SIGNAL_ACTIONS = {signal.SIGINT: "reboot", signal.SIGTERM: "reboot", signal.SIGUSR1: "poweroff", signal.SIGUSR2: "poweroff"}
# A moment for the command that asked, so that its exit status still reaches the client, as on a server.
SHUTDOWN_DELAY = 0.2

_libc = ctypes.CDLL(None, use_errno=True)


class StepFailed(Exception):
    pass


def check_call(step: str, result: int) -> None:
    if result != 0:
        raise StepFailed(f"{step}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    check_call(f"mount {kind or 'bind'} {source} on {target}", _libc.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None))


def mounts_at_or_below(directory: str) -> list[tuple[str, int]]:
    """Every mount point there, and the flags that a remount must carry over."""
    found = []
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table:
            fields = line.split()
            point = os.fsdecode(fields[4].decode("latin-1").encode().decode("unicode_escape").encode("latin-1"))
            if point == directory or point.startswith(directory + "/"):
                options = fields[5].decode().split(",")
                found.append((point, sum(flag for name, flag in CARRIED_FLAGS.items() if name in options)))
    return found


def bind(source: str, target: str) -> None:
    """Show `source` at `target` too, read-only, with all that is mounted below it."""
    mount(source, target, flags=MS_BIND | MS_REC)
    for point, carried in mounts_at_or_below(target):
        mount("none", point, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | carried)


def make_root(config: dict) -> None:
    root = config["disk"]
    mount(root, root, flags=MS_BIND)
    for path in config["bound"]:
        # The administrator of the machine may have removed an empty mount point while it was off.
        if not os.path.exists(root + path) and os.path.isdir(path):
            os.makedirs(root + path)
        bind(path, root + path)
    for path in ("/proc", "/sys", "/dev", "/run"):
        os.makedirs(root + path, exist_ok=True)
    mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # The kernel's settings are the host's: root of a machine may read them, not turn them.
    for path in ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"):
        if os.path.exists(root + path):
            bind(root + path, root + path)
    if config["real_root"]:
        mount("sysfs", root + "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    else:
        # Only the owner of the network namespace may mount a sysfs of its own.
        bind("/sys", root + "/sys")
    make_devices(root)
    make_run(root, config)


def make_devices(root: str) -> None:
    mount("dev", root + "/dev", "tmpfs", MS_NOSUID, "mode=755")
    for name in DEVICES:
        with open(f"{root}/dev/{name}", "wb"):
            pass
        # Bound, not made: a user namespace may not make device nodes.
        mount(f"/dev/{name}", f"{root}/dev/{name}", flags=MS_BIND)
    for name in ("pts", "shm"):
        os.mkdir(f"{root}/dev/{name}")
    mount("devpts", root + "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    mount("shm", root + "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for name, target in DEVICE_LINKS.items():
        os.symlink(target, f"{root}/dev/{name}")


def make_run(root: str, config: dict) -> None:
    mount("run", root + "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.makedirs(root + TOOLS)
    os.mkdir(root + "/run/lock")
    make_power_tools(root, config["power_tool"])
    boot_id = root + "/run/sandbox/boot_id"
    write(boot_id, config["boot_id"] + "\n", 0o444)
    mount(boot_id, root + "/proc/sys/kernel/random/boot_id", flags=MS_BIND)


def make_power_tools(root: str, tool: dict) -> None:
    for name in tool["names"]:
        write(f"{root}{TOOLS}/{name}", tool["script"], 0o755)
    # A place where ansible.builtin.reboot looks for `shutdown` too.
    if os.path.isdir(root + "/usr/local/sbin"):
        mount(root + TOOLS, root + "/usr/local/sbin", flags=MS_BIND)
    os.mkdir(root + tool["hidden"])
    for path in tool["replaced"]:
        hidden = f"{root}{tool['hidden']}/{os.path.basename(path)}"
        write(hidden, "", 0o755)
        mount(root + path, hidden, flags=MS_BIND)
        mount(f"{root}{TOOLS}/{tool['names'][0]}", root + path, flags=MS_BIND)


def write(path: str, text: str, mode: int) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def enter_root(root: str) -> None:
    # pivot_root(".", ".") stacks the old root upon the new one, where it can be taken off: no folder for it is needed.
    os.chdir(root)
    check_call("pivot_root", _libc.pivot_root(b".", b"."))
    check_call("umount of the host's root", _libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


def wait_for_shutdown(host_pid: int) -> str:
    """Collect orphans until the machine ends; return why: "reboot", "poweroff", or "" when the sandbox ended it.

    :param host_pid: the pid that the host knows this process by; told once it is ready.
    """
    awake, wake = os.pipe()
    os.set_blocking(awake, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *SIGNAL_ACTIONS):
        signal.signal(number, lambda *_: None)
    send_message({"ready": True, "pid": host_pid})
    while True:
        readable, dummy, dummy = select.select([0, awake], [], [])
        if 0 in readable and not os.read(0, 1):
            return ""
        signals = os.read(awake, 4096) if awake in readable else b""
        collect_orphans()
        for number in signals:
            if number in SIGNAL_ACTIONS:
                select.select([0], [], [], SHUTDOWN_DELAY)
                return SIGNAL_ACTIONS[number]


def collect_orphans() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def send_message(message: dict) -> None:
    os.write(1, (json.dumps(message) + "\n").encode())


if __name__ == "__main__":
    # The host's /proc is still mounted here, so this is the pid that the host knows us by.
    HOST_PID = int(os.readlink("/proc/self"))
    try:
        os.umask(0o022)
        CONFIG = json.loads(sys.stdin.buffer.readline())
        make_root(CONFIG)
        enter_root(CONFIG["disk"])
        socket.sethostname(CONFIG["hostname"])
        # Programs that ask which init runs here (Ansible's facts do) look at this name.
        _libc.prctl(PR_SET_NAME, b"init", 0, 0, 0)
    except (StepFailed, OSError) as problem:
        send_message({"ready": False, "problem": str(problem)})
        sys.exit(1)
    send_message({"end": wait_for_shutdown(HOST_PID)})
