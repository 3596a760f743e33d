# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the isolation that this host allows, by starting a machine once and running Python in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .directory_runtime import DirectoryRuntime
from .disk_content import make_disk
from .namespace_runtime import NamespaceRuntime
from .runtime import MachineRuntimeError, Runtime, RuntimeSpec

ROOT_NAMESPACE, USER_NAMESPACE, DIRECTORY = "root-namespace", "user-namespace", "directory"
PROBE_TIMEOUT = 20.0
_REASONS = {
    ROOT_NAMESPACE: "Each server has mount and process namespaces of its own, created with root privileges.",
    USER_NAMESPACE: "Each server has mount and process namespaces of its own, created in a user namespace without root.",
    DIRECTORY: "Directory isolation was requested: commands run on this host, and absolute paths are the host's own.",
}


class MachinesUnavailable(Exception):
    """The requested kind of machines is not available on this host; the message states why."""


@dataclass(frozen=True)
class Isolation:
    """The selected isolation, and why, in one sentence."""

    kind: str
    reason: str

    def create_runtime(self, spec: RuntimeSpec) -> Runtime:
        if self.kind == DIRECTORY:
            return DirectoryRuntime(spec)
        return NamespaceRuntime(spec, user_namespace=self.kind == USER_NAMESPACE)


def python_for_machines() -> tuple[str, tuple[str, ...]]:
    """Return the interpreter for machines, and the directories that it needs beyond /usr.

    Not the one of a virtual environment, which is linked to paths that a machine does not see.
    """
    python = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    prefixes = {os.path.realpath(prefix) for prefix in (sys.base_prefix, sys.base_exec_prefix)}
    prefixes.add(os.path.dirname(os.path.dirname(python)))
    return python, tuple(sorted(prefix for prefix in prefixes if prefix not in ("/", "/usr") and not prefix.startswith("/usr/")))


def login_shell() -> str:
    return "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"


def choose_isolation(requested: str, scratch: Path) -> Isolation:
    """Try the kinds that `requested` allows, the best first. `scratch` is a directory for the probe's disk.

    `auto` falls back to a directory, `namespace` does not; the others ask for one kind. Blocks for about 0.1 s. Raises MachinesUnavailable.
    """
    if requested == DIRECTORY:
        return Isolation(DIRECTORY, _REASONS[DIRECTORY])
    kinds = [requested] if requested in (ROOT_NAMESPACE, USER_NAMESPACE) else [USER_NAMESPACE]
    if requested in ("auto", "namespace") and os.geteuid() == 0:
        kinds.insert(0, ROOT_NAMESPACE)
    problems = []
    for kind in kinds:
        problem = _probe(kind, scratch)
        if problem is None:
            return Isolation(kind, _REASONS[kind])
        problems.append(problem)
    reason = f"Namespaces cannot be used here ({'; '.join(dict.fromkeys(problems))}{_known_causes()})"
    if requested == "auto":
        return Isolation(DIRECTORY, f"{reason}, so commands run on this host, and absolute paths are the host's own.")
    raise MachinesUnavailable(f"{reason}.")


def _probe(kind: str, scratch: Path) -> str | None:
    """Return None if a machine of this kind runs Python, else the problem."""
    missing = [tool for tool in ("unshare", "nsenter", "setpriv", "setsid") if not shutil.which(tool)]
    if missing:
        return f"util-linux's {' and '.join(missing)} not found"
    # In a thread with its own event loop: the caller may be in a running one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _run_python_in(kind, scratch / f"try-{kind}")).result()


async def _run_python_in(kind: str, disk: Path) -> str | None:
    python, prefixes = python_for_machines()
    make_disk(disk, hostname="try", shell=login_shell(), python_prefixes=prefixes)
    runtime = Isolation(kind, "").create_runtime(RuntimeSpec(disk, "try", python, prefixes, login_shell()))
    try:
        await runtime.start(lambda _reason: None)
        command = runtime.build_command(f"exec {python} -I -c 'import os, json; print(os.getuid(), os.getpid() > 1)'", {}, terminal=False)
        done = await asyncio.to_thread(
            subprocess.run, command.argv, env=command.environment, cwd=command.directory, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=False)
        if done.returncode or done.stdout.split() != ["0", "True"]:
            return f"a command in it failed: {(done.stderr or done.stdout).strip()[-200:]}"
        return None
    except (MachineRuntimeError, OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    finally:
        await runtime.stop()
        # Not runtime.erase, which may need the forbidden namespace.
        await asyncio.to_thread(shutil.rmtree, disk, ignore_errors=True)


def _known_causes() -> str:
    """Describe the settings of this host that usually forbid namespaces."""
    settings = {
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
            "1", "AppArmor denies them to ordinary users: sysctl kernel.apparmor_restrict_unprivileged_userns=1"),
        "/proc/sys/kernel/unprivileged_userns_clone": ("0", "they are reserved for root: sysctl kernel.unprivileged_userns_clone=0"),
        "/proc/sys/user/max_user_namespaces": ("0", "sysctl user.max_user_namespaces=0"),
    }
    causes = [cause for path, (value, cause) in settings.items() if os.path.exists(path) and Path(path).read_text().strip() == value]
    if "Seccomp:\t2" in Path("/proc/self/status").read_text():
        causes.append("a seccomp filter is in force, as in most containers")
    return f"; likely because {' and '.join(causes)}" if causes else ""
