# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages the role itself upgrades, from its options `packages` and `exclude`. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils._errors import RewindError, invalid_argument
from ...module_utils._text import sanitize

PACKAGES_OPTION, EXCLUDE_OPTION = "guarded_upgrade_packages", "guarded_upgrade_exclude"
ALL, SECURITY = "all", "security"

# Package managers read a pattern, a version or an option in any other character, and apt removes the package `NAME-`.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9+._:-]*[A-Za-z0-9+._])?")


@dataclass(frozen=True)
class Selection:
    """What is upgraded: all packages, the security updates, or the named ones, each without the excluded ones."""

    security: bool = False
    names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.names:
            return f"the package{'s' if len(self.names) > 1 else ''} {_join(self.names)}"
        what = "the security updates" if self.security else "the packages"
        return f"{what} of the operating system{f', without {_join(self.exclude)}' if self.exclude else ''}"


def parse_selection(parameters: Mapping[str, Any]) -> Selection:
    """Return what the options select. Raise `invalid_argument` if they are wrong, or would have no effect."""
    value, exclude = parameters["packages"], parameters["exclude"]
    if (parameters["tasks"] or parameters["roles"]) and (value != ALL or exclude):
        option = PACKAGES_OPTION if value != ALL else EXCLUDE_OPTION
        raise invalid_argument(
            f"{option} has no effect together with guarded_upgrade_tasks or guarded_upgrade_roles, which replace the upgrade of packages",
            "set one or the other; nothing was started",
        )
    excluded = _names(EXCLUDE_OPTION, exclude)
    if value in (ALL, SECURITY):
        return Selection(security=value == SECURITY, exclude=excluded)
    if not isinstance(value, list):
        raise invalid_argument(f"{PACKAGES_OPTION} is {_shown(value)}", "set it to all, to security, or to a list of names; nothing was started")
    if not value:
        raise invalid_argument(f"{PACKAGES_OPTION} names no package", "set it to all, to security, or to a list of names; nothing was started")
    if excluded:
        raise invalid_argument(
            f"{EXCLUDE_OPTION} has no effect on a list of names in {PACKAGES_OPTION}", "remove the names from that list; nothing was started",
        )
    return Selection(names=_names(PACKAGES_OPTION, value))


def _names(option: str, values: list[Any]) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise invalid_argument(
                f"{option}: {_shown(value)} is no name of a package",
                "use names of letters, digits and +._:- without patterns and versions; nothing was started",
            )
        if value in (ALL, SECURITY):
            raise invalid_argument(
                f"{option} is a list that contains {value}", f"set {PACKAGES_OPTION}: {value}, without a list; nothing was started",
            )
    return tuple(dict.fromkeys(values))


def absent_error(names: list[str], host: str) -> RewindError:
    return invalid_argument(
        f"{PACKAGES_OPTION} names what is not installed on {host}: {', '.join(names)}", "correct the names, or set others for this host",
    )


def absent_warning(names: list[str], host: str) -> str:
    return f"{EXCLUDE_OPTION} names what is not installed on {host}: {', '.join(names)}"


def _shown(value: Any) -> str:
    return sanitize(repr(value))[:100]


def _join(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
