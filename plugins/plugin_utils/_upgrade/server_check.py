# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would make an upgrade of a server fail although nothing is wrong with it, found before the snapshot.

`find_obstacle` compares the output of `preflight_script` with what the run needs. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError
from ...module_utils._text import sanitize
from .health import STARTING_STATES
from .package_scripts import MODULE_MANAGERS, SCRIPT_MANAGERS, WITHOUT_SECURITY
from .package_selection import PACKAGES_OPTION, Selection
from .probe import parse_probe

MAX_DETAIL_CHARS = 300  # of what a server prints
MIN_FREE_KB = 10_240  # of each file system that an upgrade of packages writes to
MIN_FREE_INODES = 100
MAX_BOOT_SECONDS = 600  # a server that is still starting after this time never finishes

# With it a script knows whether the login shell understands sh, and which one it is. Understood by all shells, or by sh alone.
SHELL_TEST = 'echo "sh-compatible $((6 * 7))"; echo "login-shell $SHELL"'
LOGIN_SHELL = "echo login-shell $SHELL"

_APT_OBSTACLE = re.compile("^E: (dpkg was interrupted|Unmet dependencies|.*needs to be reinstalled)")
# apt's own estimates, of what is to be downloaded and of the space afterwards.
_ARCHIVES = re.compile(r"^Need to get ([\d.,]+) ([kMG]?B)[ /]")
_ADDITIONAL = re.compile(r"^After this operation, ([\d.,]+) ([kMG]?B) of additional disk space will be used")
_ARCHIVE_DIRECTORY, _PROGRAM_DIRECTORY = "/var/cache/apt/archives", "/usr"
_UNITS_KB = {"B": 0.001, "kB": 1, "MB": 1000, "GB": 1_000_000}


class ServerUnreachable(RewindError):
    """Ansible can't log in to the server."""


@dataclass(frozen=True)
class Needs:
    """What the run needs of the server.

    Attributes:
        root, python: What needs root, or a Python for Ansible's modules. Empty if nothing does.
        packages: The role itself upgrades packages.
    """

    root: tuple[str, ...]
    python: tuple[str, ...]
    packages: bool


def needs_of(parameters: Mapping[str, Any]) -> Needs:
    """Return what the role's own steps need with these options. What the user's tasks need is unknown."""
    packages = not parameters["tasks"] and not parameters["roles"]
    steps = {
        "the upgrade of packages": (packages, packages),
        "guarded_upgrade_quiesce_services": (bool(parameters["quiesce_services"]),) * 2,
        "a reboot": (parameters["reboot"] != "never" and not parameters["reboot_command"], False),
    }
    return Needs(
        root=tuple(name for name, (root, dummy) in steps.items() if root), python=tuple(name for name, (dummy, python) in steps.items() if python),
        packages=packages,
    )


def _values(text: str, word: str) -> list[str]:
    return [line[len(word) + 1:].strip() for line in text.replace("\r", "").split("\n") if line.startswith(word + " ")]


def is_booting(text: str) -> bool:
    """Whether systemd is still starting a server that was booted just now."""
    uptimes = _values(text, "uptime")
    is_recent = not uptimes or not uptimes[0].isdigit() or int(uptimes[0]) < MAX_BOOT_SECONDS
    return is_recent and (parse_probe(text) or {}).get("system_state") in STARTING_STATES


def find_obstacle(text: str, needs: Needs, marker: str, host: str, become: str | None = None) -> RewindError | None:
    """Return the error that states what would make the upgrade fail; None if nothing is known. `become` is the method that is in use."""
    uids = _values(text, "uid")
    if needs.root and uids and uids[0].isdigit() and uids[0] != "0":
        return RewindError(
            f"The tasks of this play run on {host} as a user without root privileges (uid {uids[0]}), which {_join(needs.root)} would need",
            kind=errors.FORBIDDEN, server=host,
            hint=("set become_user to root" if become else "run the playbook with -b, or set become: true in the play") + (
                "" if needs.root != ("a reboot",) else "; for an upgrade that never needs root, set guarded_upgrade_reboot: never"),
        )
    return _space_obstacle(text, needs, marker.rpartition("/")[0] or "/", host)


def _space_obstacle(text: str, needs: Needs, directory: str, host: str) -> RewindError | None:
    problems = [
        f"the marker can't be written to {directory}: {sanitize(problem.rpartition(': ')[2] or problem)}" for problem in _values(text, "unwritable")
    ]
    free_kb = dict(_numbers(_values(text, "space")))
    inodes = {point: values for point, *values in _inodes(_values(text, "inodes"))}
    mounts = {point: state for state, dummy, point in (value.partition(" ") for value in _values(text, "mount"))}
    if needs.packages:
        problems += [f"{point} is mounted read-only" for point in free_kb if mounts.get(point) == "ro"]
        problems += [f"{point} has {kilobytes} kB of free space" for point, kilobytes in free_kb.items() if kilobytes < MIN_FREE_KB]
        problems += [f"{point} has {free} free inodes" for point, (total, free) in inodes.items() if total and free < MIN_FREE_INODES]
        problems += _apt_problems(_values(text, "apt"), free_kb, list(mounts))
    if not problems:
        return None
    return RewindError(
        f"Server {host} can't be upgraded: {'; '.join(dict.fromkeys(problems))}", kind=errors.NOT_READY, server=host,
        hint="fix this on the server, or choose another directory with guarded_upgrade_marker_dir" if "marker" in problems[0]
        else "fix this on the server, and run again",
    )


def _apt_problems(lines: list[str], free_kb: dict[str, int], mount_points: list[str]) -> list[str]:
    problems = [f"apt reports: {sanitize(line)}" for line in lines if _APT_OBSTACLE.match(line)]
    needed_kb: dict[str, float] = {}
    for pattern, directory in ((_ARCHIVES, _ARCHIVE_DIRECTORY), (_ADDITIONAL, _PROGRAM_DIRECTORY)):
        for found in filter(None, map(pattern.match, lines)):
            point = _mount_point(directory, mount_points)
            needed_kb[point] = needed_kb.get(point, 0) + float(found[1].replace(",", "")) * _UNITS_KB[found[2]]
    return problems + [
        f"the packages need {needed / 1000:.0f} MB on {point}, and {free_kb[point] / 1000:.0f} MB are free"
        for point, needed in needed_kb.items() if point in free_kb and needed > free_kb[point]
    ]


def _mount_point(directory: str, mount_points: list[str]) -> str:
    """Return the mount point of a directory: the longest one that contains it."""
    return max((point for point in mount_points if f"{directory}/".startswith(f"{point.rstrip('/')}/")), key=len, default="/")


def _numbers(values: Iterable[str]) -> list[tuple[str, int]]:
    """Return mount points with their free kilobytes. The heading of df has none."""
    split = (value.partition(" ") for value in values)
    return [(point, int(number)) for number, dummy, point in split if number.isdigit()]


def _inodes(values: Iterable[str]) -> list[tuple[str, int, int]]:
    split = (value.split(" ", 2) for value in values)
    return [(parts[2], int(parts[0]), int(parts[1])) for parts in split if len(parts) == 3 and parts[0].isdigit() and parts[1].isdigit()]


def _join(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def package_manager_error(name: Any, selection: Selection, host: str) -> RewindError | None:
    """Return the error for a package manager with which the role can't upgrade what is selected; None if it can."""
    if name not in (*SCRIPT_MANAGERS, *MODULE_MANAGERS):
        return RewindError(
            f"This role can't upgrade the packages of {host} with its package manager ({sanitize(str(name or 'unknown'))})",
            kind=errors.UNSUPPORTED, server=host, hint="write the tasks that upgrade them into a file, and name it in guarded_upgrade_tasks",
        )
    if selection.security and name in WITHOUT_SECURITY:
        return RewindError(
            f"The repositories of {name} on {host} do not mark security updates, so {PACKAGES_OPTION}: security is impossible",
            kind=errors.UNSUPPORTED, server=host, hint=f"set {PACKAGES_OPTION} to all, or to a list of names",
        )
    return None


def packages_error(package_manager: Any, host: str) -> RewindError:
    return RewindError(
        f"It is unknown which packages are installed on {host}: {sanitize(str(package_manager))} could not be asked",
        kind=errors.NOT_READY, server=host, hint="run the playbook with -vvv",
    )


def python_error(needs: Needs, detail: str, host: str) -> RewindError:
    return RewindError(
        f"Ansible's modules do not run on {host}, which {_join(needs.python)} would need ({detail})", kind=errors.NOT_READY, server=host,
        hint="install a Python there that this version of Ansible supports, or set ansible_python_interpreter",
    )


def incomplete_error(shell_test: str, output: str, become: str | None, host: str) -> RewindError:
    """Return the error for a script whose output is not complete.

    Args:
        shell_test: What the shell test printed without become.
        output: What the script printed. A shell names the problem first, become last.
        become: The method of become that is in use.
    """
    shells = [value for value in _values(shell_test, "login-shell") if value]
    lines = [sanitize(" ".join(line.split()))[:MAX_DETAIL_CHARS] for line in output.splitlines() if line.strip()]
    if "sh-compatible 42" not in shell_test.replace("\r", "").split("\n"):
        name = f" ({sanitize(shells[0])})" if shells else ""
        return RewindError(
            f"The login shell of Ansible's user on {host}{name} does not run sh commands{_printed(lines[:1])}", kind=errors.NOT_READY, server=host,
            hint="give this user a shell that is compatible with sh, such as bash, or log in as another user",
        )
    if become:
        return RewindError(
            f"Ansible can't run commands on {host} with {become}{_printed(lines[-1:])}", kind=errors.FORBIDDEN, server=host,
            hint="check that the user may use it, and become_method, become_user and the password",
        )
    return RewindError(
        f"The probe of server {host} did not complete{_printed(lines[-1:])}", kind=errors.NOT_READY, server=host, hint="run the playbook with -vvv",
    )


def _printed(lines: list[str]) -> str:
    return f"; it printed: {lines[0]}" if lines else ""


def become_error(method: str, detail: str, host: str) -> RewindError:
    return RewindError(
        f"Ansible can't become another user on {host} with {method}: {detail}", kind=errors.FORBIDDEN, server=host,
        hint="check the password (-K, or ansible_become_password), and that the user may use it",
    )


def unreachable_error(detail: str, explanation: str, host: str) -> ServerUnreachable:
    return ServerUnreachable(
        f"Ansible can't log in to {host}: {sanitize(' '.join(detail.split()))}", kind=errors.UNREACHABLE, server=host,
        hint=sanitize(explanation) or f"check that the server runs and answers (ansible -m ansible.builtin.raw -a true {host}), and run again",
    )
