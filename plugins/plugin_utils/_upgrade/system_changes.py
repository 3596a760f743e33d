# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an upgrade changes on a server: packages, kernel, boot, and configuration files that a package manager leaves beside the user's.

`SCRIPT` describes the system before and after the upgrade, with nothing but a shell. The rest are pure functions.
"""

from __future__ import annotations

from typing import Any

MAX_CHARS = 4_000_000  # of a description; a longer one is not of this script
LISTED_PACKAGES = 10_000  # that are compared

# A file that a package manager writes because the user has changed the one beside it.
CONFIG_SUFFIXES = ("dpkg-dist", "dpkg-new", "ucf-dist", "rpmnew", "rpmsave", "apk-new", "pacnew", "pacsave")

# `Status-Abbrev` is `ii` for an installed package; others are removed, or not completely installed.
SCRIPT = r"""
echo
echo begin
echo "kernel $(uname -r)"
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) && echo "boot $boot"
if command -v dpkg-query >/dev/null 2>&1; then
  dpkg-query --show --showformat 'package ${db:Status-Abbrev} ${binary:Package} ${Version}\n' 2>/dev/null | sed -n 's/^package ii */package /p'
  echo "packages known"
elif command -v rpm >/dev/null 2>&1; then
  rpm --query --all --queryformat 'package %{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n' 2>/dev/null && echo "packages known"
elif command -v apk >/dev/null 2>&1; then
  apk info --verbose 2>/dev/null | sed -n 's/^\(.*\)-\([^-]*-r[0-9]*\)$/package \1 \2/p'
  echo "packages known"
elif command -v pacman >/dev/null 2>&1; then
  pacman --query 2>/dev/null | sed 's/^/package /' && echo "packages known"
fi
find /etc -type f \( @SUFFIXES@ \) 2>/dev/null | sed 's/^/config /'
echo end
""".replace("@SUFFIXES@", " -o ".join(f"-name '*.{suffix}'" for suffix in CONFIG_SUFFIXES))

Description = dict[str, Any]


def parse_description(text: str) -> Description | None:
    """Return `kernel`, `boot_id`, `packages` (name to version; None if they can't be listed) and `config_files`; None if it is not complete."""
    lines = [line.rstrip("\r") for line in text[:MAX_CHARS].split("\n")]
    if "begin" not in lines or "end" not in lines[lines.index("begin"):]:
        return None
    lines = lines[lines.index("begin") + 1:]
    words = [line.partition(" ")[::2] for line in lines[:lines.index("end")]]
    values = {name: [value for word, value in words if word == name] for name in ("kernel", "boot", "package", "config")}
    packages: dict[str, str] = {}
    for value in values["package"][:LISTED_PACKAGES]:
        name, dummy, version = value.partition(" ")
        # Several versions of one package, such as kernels of rpm, are all named.
        packages[name] = ", ".join(sorted({version, *packages[name].split(", ")})) if name in packages else version
    return {
        "kernel": next(iter(values["kernel"]), None), "boot_id": next(iter(values["boot"]), None),
        "packages": packages if ("packages", "known") in words else None, "config_files": sorted(values["config"]),
    }


def compare(before: Description | None, after: Description | None) -> dict[str, Any] | None:
    """Return what has changed; None if that is unknown.

    Returns:
        `packages` with `added` and `removed` (name to version) and `upgraded` (name to `from` and `to`), or None if they can't be listed; `kernel`
        (`from` and `to`), or None if the same one is running; `config_files`, the new ones; `rebooted`.
    """
    if before is None or after is None:
        return None
    kernels = before["kernel"], after["kernel"]
    return {
        "packages": _compare_packages(before["packages"], after["packages"]),
        "kernel": {"from": kernels[0], "to": kernels[1]} if all(kernels) and kernels[0] != kernels[1] else None,
        "config_files": sorted(set(after["config_files"]) - set(before["config_files"])),
        "rebooted": bool(before["boot_id"] and after["boot_id"] and before["boot_id"] != after["boot_id"]),
    }


def _compare_packages(before: dict[str, str] | None, after: dict[str, str] | None) -> dict[str, Any] | None:
    if before is None or after is None:
        return None
    return {
        "added": {name: version for name, version in sorted(after.items()) if name not in before},
        "removed": {name: version for name, version in sorted(before.items()) if name not in after},
        "upgraded": {
            name: {"from": before[name], "to": version} for name, version in sorted(after.items()) if name in before and before[name] != version
        },
    }


def count(changes: dict[str, Any] | None) -> str:
    """Return the changes as numbers, for a table; a dash if there are none, or they are unknown."""
    if changes is None:
        return "-"
    packages = sum(len(items) for items in (changes["packages"] or {}).values())
    parts = [
        f"{packages} package{'' if packages == 1 else 's'}" if packages else "",
        "kernel" if changes["kernel"] else "", "reboot" if changes["rebooted"] else "",
        f"{len(changes['config_files'])} config file{'' if len(changes['config_files']) == 1 else 's'}" if changes["config_files"] else "",
    ]
    return ", ".join(part for part in parts if part) or "-"
