# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a machine (PID 1 of its PID namespace). Standard library only.

`unshare` starts it in new namespaces, with its configuration (one line of JSON) on standard input. It makes the disk its root, reports ready on
standard output (one line of JSON), and reaps orphans. When it ends, the kernel kills all processes inside and drops all mounts. It ends with its
standard input, so also when the sandbox is killed.

Signals from inside, as in busybox's init: TERM and INT reboot, USR1 and USR2 power off.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC = 4096, 16384
MNT_DETACH = 2
# A remount replaces all flags of a mount, and a user namespace must not drop its owner's flags, so all are kept.
CARRIED_FLAGS = {"nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC, "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
TOOLS = "/run/sandbox/sbin"
PR_SET_NAME = 15
SIGNAL_ACTIONS = {signal.SIGINT: "reboot", signal.SIGTERM: "reboot", signal.SIGUSR1: "poweroff", signal.SIGUSR2: "poweroff"}
# Time for the exit status of the calling command to reach the client, as on a server.
SHUTDOWN_DELAY = 0.2

_libc = ctypes.CDLL(None, use_errno=True)


def check_call(step: str, result: int) -> None:
    if result != 0:
        raise OSError(f"{step}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    check_call(f"mount {kind or 'bind'} {source} on {target}", _libc.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None))


def mounts_at_or_below(directory: str) -> list[tuple[str, int]]:
    """Return every mount point there, and the flags that a remount must keep."""
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
    """Bind `source` to `target`, read-only, with all mounts below it."""
    mount(source, target, flags=MS_BIND | MS_REC)
    for point, carried in mounts_at_or_below(target):
        mount("none", point, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | carried)


def make_root(config: dict) -> None:
    root = config["disk"]
    mount(root, root, flags=MS_BIND)
    for path in config["bound"]:
        # The mount point may have been removed.
        if not os.path.exists(root + path) and os.path.isdir(path):
            os.makedirs(root + path)
        bind(path, root + path)
    for path in ("/proc", "/sys", "/dev", "/run"):
        os.makedirs(root + path, exist_ok=True)
    mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # The kernel's settings are the host's, so they are read-only.
    for path in ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"):
        if os.path.exists(root + path):
            bind(root + path, root + path)
    if config["real_root"]:
        mount("sysfs", root + "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    else:
        # Only the owner of the network namespace can mount sysfs.
        bind("/sys", root + "/sys")
    make_devices(root)
    make_run(root, config)


def make_devices(root: str) -> None:
    mount("dev", root + "/dev", "tmpfs", MS_NOSUID, "mode=755")
    for name in DEVICES:
        with open(f"{root}/dev/{name}", "wb"):
            pass
        # Bound: a user namespace cannot create device nodes.
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
    # ansible.builtin.reboot searches for `shutdown` here too.
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
    # pivot_root(".", ".") stacks the old root on the new one, so no directory for it is needed.
    os.chdir(root)
    check_call("pivot_root", _libc.pivot_root(b".", b"."))
    check_call("umount of the host's root", _libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


def wait_for_shutdown(host_pid: int) -> str:
    """Reap orphans until the machine ends. Return "reboot", "poweroff", or "" if the sandbox ended it.

    `host_pid` is the host's PID of this process, reported when it is ready.
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
    # The host's /proc is still mounted here, so this is the host's PID.
    HOST_PID = int(os.readlink("/proc/self"))
    try:
        os.umask(0o022)
        CONFIG = json.loads(sys.stdin.buffer.readline())
        make_root(CONFIG)
        enter_root(CONFIG["disk"])
        hostname = CONFIG["hostname"].encode()
        check_call("sethostname", _libc.sethostname(hostname, len(hostname)))  # importing `socket` would be a tenth of a boot
        # Ansible's facts read the init system from this name.
        _libc.prctl(PR_SET_NAME, b"init", 0, 0, 0)
    except OSError as problem:
        send_message({"ready": False, "problem": str(problem)})
        sys.exit(1)
    send_message({"end": wait_for_shutdown(HOST_PID)})
