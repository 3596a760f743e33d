# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that fail on purpose: version 1 works and is installed, version 2 breaks the machine in one way.

Definitions only: `package_builder` turns them into files for a package manager.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_UNIT = """[Unit]
Description={description}
[Service]
ExecStart={command}
{more}
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Version:
    """What one version installs and does: `files` by absolute path, `postinst` in POSIX shell after the files are in place."""

    files: dict[str, str] = field(default_factory=dict)
    postinst: str = ""
    config_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabPackage:
    """One package in two versions. `fault` describes what version 2 does."""

    name: str
    fault: str
    old: Version
    new: Version
    is_security: bool = False  # whether version 2 is a security update


def _marker(name: str, version: int) -> dict[str, str]:
    return {f"/usr/share/lab/{name}": f"version {version}\n"}


def _unit(name: str, command: str, more: str = "") -> dict[str, str]:
    return {f"/usr/lib/systemd/system/{name}.service": _UNIT.format(description=f"Service of {name}", command=command, more=more)}


def _package(name: str, fault: str, *, postinst: str = "", files: dict[str, str] | None = None) -> LabPackage:
    return LabPackage(name, fault, Version(_marker(name, 1)), Version({**_marker(name, 2), **(files or {})}, postinst))


def _service(name: str, fault: str, command: str, more: str = "", *, restart: bool = True) -> LabPackage:
    """Return a package with a service that runs in version 1 and runs `command` in version 2."""
    # Without systemd (in a chroot) there is nothing to reload; an enabled unit starts at the next boot.
    start = f"systemctl enable --quiet {name}.service\n"
    if restart:
        start += f"[ ! -d /run/systemd/system ] || {{ systemctl daemon-reload; systemctl restart --no-block {name}.service; }}\n"
    return LabPackage(
        name, fault,
        Version({**_marker(name, 1), **_unit(name, "/usr/bin/sleep infinity")}, start),
        Version({**_marker(name, 2), **_unit(name, command, more)}, start))


PACKAGES = (
    _package("lab-good", "nothing: it works"),
    LabPackage("lab-security", "nothing: it is a security update", Version(_marker("lab-security", 1)), Version(_marker("lab-security", 2)),
               is_security=True),
    _package("lab-postinst-fails", "its postinst fails", postinst="echo 'lab-postinst-fails: cannot migrate the database' >&2; exit 1\n"),
    _package("lab-asks", "its postinst asks a question on the terminal",
             postinst="echo 'Overwrite the data directory? [y/N]'; read answer </dev/tty && [ \"$answer\" = y ]\n"),
    _service("lab-unit-fails", "its service does not start", "/usr/bin/false"),
    _service("lab-unit-dies", "its service fails after 10 s", "/bin/sh -c 'sleep 10; exit 1'"),
    _service("lab-unit-restarts", "its service fails and restarts for ever", "/bin/sh -c 'sleep 1; exit 1'",
             "Restart=always\nRestartSec=5\n"),
    _service("lab-unit-fails-late", "its service fails 25 s after it starts, at the next boot", "/bin/sh -c 'sleep 25; exit 1'",
             "Type=oneshot\nTimeoutStartSec=300\n", restart=False),
    _package("lab-removes-network", "it removes the network configuration",
             postinst="rm -f /etc/systemd/network/*.network\n"
                      "if [ -d /run/systemd/system ]; then systemctl stop systemd-networkd.socket systemd-networkd; ip link set eth0 down; fi\n"),
    _package("lab-rejects-logins", "sshd rejects every new login",
             postinst="mkdir -p /etc/ssh/sshd_config.d\necho 'AllowUsers no-such-user' >/etc/ssh/sshd_config.d/90-lab.conf\nsystemctl restart ssh\n"),
    _package("lab-replaces-init", "it replaces /sbin/init",
             postinst="rm -f /sbin/init\nprintf '#!/bin/sh\\nexit 1\\n' >/sbin/init\nchmod 755 /sbin/init\n"),
    _package("lab-bad-fstab", "fstab names a device that never appears",
             postinst="echo '/dev/disk/by-label/never /mnt ext4 defaults 0 2' >>/etc/fstab\n"),
    _package("lab-removes-python", "it removes Python", postinst="rm -f /usr/bin/python3*\n"),
    LabPackage("lab-config", "nothing: it changes a configuration file that the user has changed too",
               Version({**_marker("lab-config", 1), "/etc/lab/config.conf": "setting = 1\n"}, config_files=("/etc/lab/config.conf",)),
               Version({**_marker("lab-config", 2), "/etc/lab/config.conf": "setting = 2\n"}, config_files=("/etc/lab/config.conf",))),
    _package("lab-fills-disk", "it fills the disk",
             postinst="free=$(df -P /var/lib | awk 'NR==2 {print $4}')\n"
                      "dd if=/dev/zero of=/var/lib/lab-fills-disk bs=1024 count=$((free + 1024))\n"),
    _package("lab-requires-reboot", "nothing: it requires a reboot", postinst="mkdir -p /run && touch /run/reboot-required\n"),
)
