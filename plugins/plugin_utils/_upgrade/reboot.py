# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides whether an upgraded server needs a reboot. Pure functions.

The role's script prints `reboot file PATH` for a file that requests a reboot, `reboot yes PROGRAM` or `reboot no PROGRAM` for the answer of a
program, `kernel running VERSION`, `kernel installed VERSION`, and `end`.
"""

from __future__ import annotations

import re
from typing import Any

_PARTS = re.compile("[0-9]+|[^0-9]+")


def decide_reboot(output: str, kernel_before: str | None) -> dict[str, Any] | None:
    """Return `required`, `known` and `reason`; None if the output is not complete.

    A file or a program that requests a reboot, or a newer kernel, is enough. It is unknown only if there is neither such a program nor an
    installed kernel.

    Args:
        kernel_before: The running kernel, if it was installed on the server before the upgrade. The provider may boot one of its own.
    """
    lines = output.replace("\r\n", "\n").split("\n")
    if "end" not in lines:
        return None
    answers = [line.split(" ", 2)[1:] for line in lines if re.match("reboot (file|yes|no) .", line)]
    running = next((line[len("kernel running "):] for line in lines if line.startswith("kernel running ")), "")
    installed = [line[len("kernel installed "):] for line in lines if line.startswith("kernel installed ")]
    reasons = [f"{source} exists" if answer == "file" else f"{source} requests it" for answer, source in answers if answer != "no"]
    is_own_kernel = bool(running) and (running in installed or running == kernel_before)
    newer = [version for version in installed if is_own_kernel and is_newer_kernel(version, running)]
    if newer:
        reasons.append(f"the kernel {max(newer, key=_sort_key)} is installed, and {running} is running")
    elif is_own_kernel and installed and running not in installed:
        reasons.append(f"the running kernel {running} is not installed any more")
    return {"required": bool(reasons), "known": bool(answers or (is_own_kernel and installed)), "reason": "; ".join(reasons)}


def is_newer_kernel(version: str, running: str) -> bool:
    """Whether a kernel is newer than the running one. Another flavour of the same version, as 6.1.0-18-cloud-amd64 of 6.1.0-18-amd64, is not."""
    if not running or not version[:1].isdigit():
        return False
    number, running_number = _number(version), _number(running)
    if number != running_number:
        return number > running_number
    flavour, running_flavour = (re.sub("[0-9]+", "", text) for text in (version, running))
    return flavour == running_flavour and _sort_key(version) > _sort_key(running)


def _number(version: str) -> list[int]:
    """Return the numbers before the first letter: 6.1.0-18-amd64 is [6, 1, 0, 18]."""
    return [int(part) for part in re.findall("[0-9]+", re.split("[A-Za-z_+~]", version)[0])]


def _sort_key(version: str) -> list[tuple[int, int, str]]:
    """Compare numbers by value, and other text by its characters."""
    return [(1, int(part), "") if part.isdigit() and part.isascii() else (0, 0, part) for part in _PARTS.findall(version)]
