# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell script that looks for obstacles on a server before its snapshot. It prints lines of a word and its value:

`uid NUMBER`, `uptime SECONDS`, `held PID COMMAND PATH` (see `package_locks`), `space KILOBYTES MOUNT`, `inodes TOTAL FREE MOUNT`,
`mount ro|rw MOUNT`, `unwritable REASON` and `apt LINE`.
"""

from __future__ import annotations

from shlex import quote

from . import package_locks
from .package_selection import Selection

# An upgrade of packages writes to their file systems.
PACKAGE_DIRECTORIES = ("/", "/usr", "/var", "/var/cache", "/var/lib")

_SCRIPT = r"""
echo "uid $(id -u)"
{ read -r uptime rest && echo "uptime ${uptime%%.*}"; } 2>/dev/null </proc/uptime
@LOCKS@df -Pk @DIRECTORIES@ 2>/dev/null | while read -r device total used free percent point; do echo "space $free $point"; done
df -Pi @DIRECTORIES@ 2>/dev/null | while read -r device total used free percent point; do echo "inodes $total $free $point"; done
while read -r device point kind flags rest; do echo "mount ${flags%%,*} $point"; done 2>/dev/null </proc/mounts
"""

_WRITE_TEST = r"""
file=@FILE@
problem=$( (umask 077; set -C; echo "written before a snapshot, and removed at once" >"$file") 2>&1)
[ -s "$file" ] || { [ -e "$file" ] && echo "unwritable No space left on device"; } || echo "unwritable ${problem:-unknown error}"
rm -f "$file"
"""

# With --print-uris apt installs nothing, whatever its configuration says, and takes no lock. It prints what it would need.
_PACKAGES = r"""
if command -v apt-get >/dev/null 2>&1; then
  for file in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$file" ] || echo "apt E: dpkg was interrupted, and left $file"; done
  LC_ALL=C apt-get --print-uris -o Debug::NoLocking=true -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= @UPGRADE@ 2>&1 |
    while read -r line; do
      case $line in @LINES@) echo "apt $line" ;; esac
    done
fi
"""


def preflight_script(marker: str, packages: Selection | None, *, test_write: bool) -> str:
    """Return the script. It needs a POSIX shell and nothing else, and reads no input.

    Args:
        marker: The path where the marker will be written.
        packages: What the package manager is to upgrade; it is asked, too.
        test_write: Whether to write a file beside it, and remove it at once.
    """
    directory, dummy, file_name = marker.rpartition("/")
    # Only `apt-get update` shows which security updates there are, so their size is unknown.
    lines = "E:*" if packages and packages.security else "E:* | Need* | After*"
    upgrade = f"--only-upgrade install {' '.join(packages.names)}" if packages and packages.names else "dist-upgrade"
    parts = [_SCRIPT, _WRITE_TEST if test_write else "", _PACKAGES if packages else ""]
    replacements = {
        "@LOCKS@": package_locks.lock_script(), "@UPGRADE@": upgrade, "@LINES@": lines,
        "@DIRECTORIES@": " ".join([quote(directory or "/"), *PACKAGE_DIRECTORIES]), "@FILE@": quote(f"{directory}/.test-of-{file_name}"),
    }
    script = "".join(parts)
    for placeholder, value in replacements.items():
        script = script.replace(placeholder, value)
    return "{\n" + script.strip("\n") + "\n} </dev/null\n"
