# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a new machine's disk.

Programs are the host's, bound read-only while the machine runs (the disk has only empty mount points). The disk has what an administrator
changes, and the files that programs expect.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from .boot_files import DEVICE, INTERFACES, KERNEL

# Bound from the host while the machine runs. A symlink of the host (/bin -> usr/bin) is a symlink on the disk.
SYSTEM_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
# Programs below /usr need the linker's cache to find libraries, and Debian's alternatives to find awk, editor...
SYSTEM_CONFIGURATION = ("/etc/ld.so.cache", "/etc/alternatives")
# Mounted at each power on, empty on the disk.
VOLATILE_DIRECTORIES = ("/proc", "/sys", "/dev", "/run")

_DIRECTORIES = {
    "boot": 0o755, "etc": 0o755, "etc/cron.d": 0o755, "etc/default": 0o755, "etc/network": 0o755, "etc/profile.d": 0o755, "etc/sysctl.d": 0o755,
    "home": 0o755, "mnt": 0o755, "media": 0o755, "opt": 0o755, "root": 0o700, "srv": 0o755, "srv/www": 0o755, "tmp": 0o1777,
    "var": 0o755, "var/cache": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/spool": 0o755, "var/tmp": 0o1777,
}
_SYMLINKS = {"etc/mtab": "../proc/self/mounts", "var/run": "/run", "var/lock": "/run/lock"}
_PROFILE = "# ~/.profile: read by login shells.\nexport PS1='\\u@\\h:\\w\\$ '\n"

_INTERFACES = f"""# The network of this server (see interfaces(5)). Without the line "auto {DEVICE}" it cannot be reached.
auto lo
iface lo inet loopback

auto {DEVICE}
iface {DEVICE} inet dhcp
"""
_KERNEL = "The kernel of this sandbox server, which does not boot without this file.\n"


def make_disk(disk: Path, *, hostname: str, shell: str, python_prefixes: tuple[str, ...]) -> None:
    """Create `disk`, which must not exist."""
    disk.mkdir(mode=0o755, parents=True)
    disk.chmod(0o755)
    for name, mode in _DIRECTORIES.items():
        (disk / name).mkdir()
        (disk / name).chmod(mode)
    for name, target in _SYMLINKS.items():
        (disk / name).symlink_to(target)
    for name, (mode, text) in _files(hostname, shell).items():
        (disk / name).write_text(text, encoding="utf-8")
        (disk / name).chmod(mode)
    _make_mount_points(disk, python_prefixes)


def bound_from_host(python_prefixes: tuple[str, ...]) -> list[str]:
    """Return the host's paths that a running machine sees under the same name, read-only."""
    paths = (*SYSTEM_DIRECTORIES, *SYSTEM_CONFIGURATION, *python_prefixes)
    return [path for path in paths if os.path.exists(path) and not os.path.islink(path)]


def _make_mount_points(disk: Path, python_prefixes: tuple[str, ...]) -> None:
    for path in SYSTEM_DIRECTORIES:
        if os.path.islink(path):
            (disk / path[1:]).symlink_to(os.readlink(path))
    for path in (*VOLATILE_DIRECTORIES, *bound_from_host(python_prefixes)):
        if path in SYSTEM_CONFIGURATION and os.path.isfile(path):
            (disk / path[1:]).touch(mode=0o644)
        elif not path.startswith("/usr/"):
            _make_directories(disk, path[1:])


def _make_directories(disk: Path, relative: str) -> None:
    # Not mkdir(parents=True): its modes depend on the umask.
    directory = disk
    for part in relative.split("/"):
        directory = directory / part
        if not directory.exists():
            directory.mkdir()
            directory.chmod(0o755)


def _files(hostname: str, shell: str) -> dict[str, tuple[int, str]]:
    files = {
        "etc/hostname": (0o644, f"{hostname}\n"),
        "etc/hosts": (0o644, f"127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n::1\tlocalhost ip6-localhost\n"),
        "etc/machine-id": (0o444, f"{secrets.token_hex(16)}\n"),
        "etc/passwd": (0o644, f"root:x:0:0:root:/root:{shell}\n"
                       "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
                       "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
                       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
        "etc/group": (0o644, "root:x:0:\ndaemon:x:1:\ntty:x:5:\nadm:x:4:\nwww-data:x:33:\nnogroup:x:65534:\n"),
        "etc/shadow": (0o640, "root:*:19000:0:99999:7:::\n"),
        "etc/shells": (0o644, "/bin/sh\n/bin/bash\n"),
        "etc/nsswitch.conf": (0o644, "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
        "etc/resolv.conf": (0o644, "# The sandbox resolves only names in /etc/hosts.\n"),
        "etc/fstab": (0o644, "# The disk is mounted by the sandbox.\n"),
        "etc/motd": (0o644, "A server of the rewind.vps sandbox.\n"),
        INTERFACES[1:]: (0o644, _INTERFACES),
        KERNEL[1:]: (0o644, _KERNEL),
        "root/.profile": (0o644, _PROFILE),
        "srv/www/index.html": (0o644, f"<h1>{hostname}</h1>\n"),
        "var/log/syslog": (0o640, ""),
    }
    # The programs are the host's, so the distribution must be the host's too, for Ansible's package manager facts.
    for name in ("etc/os-release", "etc/debian_version", "etc/redhat-release", "etc/alpine-release"):
        if os.path.isfile(f"/{name}"):
            files[name] = (0o644, Path(f"/{name}").read_text(encoding="utf-8"))
    files.setdefault("etc/os-release", (0o644, 'ID=linux\nNAME="Sandbox"\nPRETTY_NAME="rewind.vps sandbox"\nVERSION_ID="1"\n'))
    return files
