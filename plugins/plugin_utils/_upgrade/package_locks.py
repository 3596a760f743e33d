# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Detects running package managers on a server with nothing but a shell, and waits for them.

The script of `lock_script` prints a line `held PID COMMAND PATH` for each lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError
from ...module_utils._text import sanitize
from ...module_utils._wait.polling import Clock, Deadline

MAX_WAIT = 300  # seconds
POLL_INTERVAL = 5.0

# Locked with fcntl or flock for as long as a package manager works; the files stay. /proc/locks has the inode of each lock.
LOCK_FILES = (
    "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock", "/var/lib/apt/daily_lock",
    "/run/unattended-upgrades.lock", "/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock", "/run/dnf/rpmtransaction.lock",
    "/run/apk/db.lock", "/lib/apk/db/lock",
)
# They contain the id of the process that has the lock, and may be left by one that is gone.
PID_FILES = ("/var/cache/dnf/*_lock.pid", "/var/lib/dnf/*_lock.pid", "/run/dnf.pid", "/run/yum.pid", "/run/zypp*.pid")
# They exist for as long as the database is locked.
EXISTING_FILES = ("/var/lib/pacman/db.lck",)

# zsh else ends at a pattern without a match. The names of variables avoid those that are special there, such as `options` and `status`.
_SCRIPT = r"""
[ -z "${ZSH_VERSION:-}" ] || emulate sh
report_holder() {
  echo "held $1 $(cat "/proc/$1/comm" 2>/dev/null || echo unknown) $2"
}
has_open() {
  ls "/proc/$1/fd/" >/dev/null 2>&1 || return 0
  for descriptor in "/proc/$1/fd/"*; do
    [ "$descriptor" -ef "$2" ] && return 0
  done
  return 1
}
for file in @LOCK_FILES@; do
  inode=$(ls -di "$file" 2>/dev/null) || continue
  inode=$(echo "$inode" | { read -r number rest; echo "$number"; })
  while read -r number kind advice mode pid location rest; do
    [ "$mode" = WRITE ] || continue
    case $location in *":$inode") has_open "$pid" "$file" && report_holder "$pid" "$file" ;; esac
  done </proc/locks
done 2>/dev/null
for file in @PID_FILES@; do
  [ -r "$file" ] || continue
  pid=
  read -r pid rest <"$file"
  case $pid in '' | *[!0-9]*) ;; *) [ ! -d "/proc/$pid" ] || report_holder "$pid" "$file" ;; esac
done 2>/dev/null
for file in @EXISTING_FILES@; do
  [ ! -e "$file" ] || echo "held - - $file"
done
"""


@dataclass(frozen=True)
class Holder:
    """A process that has locked a package manager, or a file that shows this."""

    pid: str
    command: str
    path: str

    def __str__(self) -> str:
        return f"{self.path} exists" if self.pid == "-" else f"{self.command} (process {self.pid}) has locked {self.path}"


def lock_script() -> str:
    """Return the script. It needs a POSIX shell and nothing else, reads no input, and changes nothing."""
    replacements = {"@LOCK_FILES@": LOCK_FILES, "@PID_FILES@": PID_FILES, "@EXISTING_FILES@": EXISTING_FILES}
    script = _SCRIPT.lstrip("\n")
    for placeholder, paths in replacements.items():
        script = script.replace(placeholder, " ".join(paths))
    return script


def holders(text: str) -> list[Holder]:
    """Return who has locked a package manager, each process once."""
    found = {}
    for value in [line[len("held "):].strip() for line in text.replace("\r", "").split("\n") if line.startswith("held ")]:
        pid, dummy, rest = value.partition(" ")
        command, dummy, path = rest.partition(" ")
        found.setdefault(pid if pid != "-" else path, Holder(pid, sanitize(command), sanitize(path)))
    return list(found.values())


def busy_error(busy: list[Holder], seconds: int, host: str) -> RewindError:
    """Return the error for a package manager that stays locked."""
    stale = any(holder.pid == "-" for holder in busy)
    return RewindError(
        f"The package manager of {host} is busy, also after {seconds} s: {'; '.join(map(str, busy))}", kind=errors.BUSY, server=host,
        hint="if no package manager is running there, remove that file" if stale else "run again when it has finished",
    )


def wait_while_busy(
    output: str, run_script: Callable[[], str], *, seconds: int, clock: Clock, progress: Callable[[str], None], host: str,
) -> str:
    """Return the first output without a lock.

    Args:
        output: What the script has printed just now.
        run_script: Runs it again.

    Raises:
        RewindError: A package manager stays busy.
    """
    deadline, shown = Deadline(seconds, clock), None
    while True:
        busy = holders(output)
        if not busy:
            return output
        if deadline.remaining <= 0:
            raise busy_error(busy, seconds, host)
        if busy != shown:
            progress(f"waiting for the package manager: {'; '.join(map(str, busy))}")
            shown = busy
        clock.sleep(min(POLL_INTERVAL, deadline.remaining))
        output = run_script()
