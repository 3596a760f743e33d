# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_state
short_description: Find the schedules of the role snapshot_schedule on a runner
version_added: 0.1.0
description:
  - Internal filter of the role C(rewind.vps.snapshot_schedule). Use the role.
  - Selects the name of a schedule's files, and which of the installed schedules are the same one, or returns why the role must stop.
  - Sends no request and changes nothing.
author:
  - rewind.vps contributors (@rewind-vps)
positional: listing, directory, credentials, account
options:
  _input:
    description: The plan of the schedule, from the filter C(rewind.vps.schedule_plan).
    type: dict
    required: true
  listing:
    description: The files of the runner that may belong to the schedule, as the role's task lists them.
    type: str
    required: true
  directory:
    description: The directory of the job's files on the runner.
    type: str
    required: true
  credentials:
    description: The credentials of the task, by their environment variables.
    type: dict
    required: true
  account:
    description: The account of the credentials. Null if it was not read, empty if the provider does not say.
    type: str
"""

EXAMPLES = r"""
- name: Show which schedules would be removed
  ansible.builtin.debug:
    msg: "{{ plan | rewind.vps.schedule_state(listing, '/etc/rewind.vps/schedules', credentials, account) }}"
"""

RETURN = r"""
_value:
  description:
    - C(error), empty or the reason why the role must stop. Then there are no other keys.
    - C(unit), the name of the schedule's files, and C(identity), what it is made of; empty with the state C(absent).
    - C(needs_account), whether the decision needs the account of the credentials.
    - C(remove), the installed schedules to remove, each with C(unit) and C(base) (the path of its files without extension).
    - C(moved), the same paths of this schedule's files in other directories.
    - C(unproven), the names of installed schedules that may be the same one.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils._errors import AMBIGUOUS, RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._schedule import (
    Identity,
    Installed,
    installed_schedules,
    moved_bases,
    parse_listing,
    require_own,
    unit_name,
)


def schedule_state(
    plan: Mapping[str, Any], listing: str, directory: str, credentials: Mapping[str, str], account: str | None = None,
) -> dict[str, Any]:
    """Return the state, or the error as data: Ansible would add text of its own to an exception of a filter."""
    files = parse_listing(listing)
    wanted = (plan["provider"], plan["server"], plan["name"])
    found = [
        item for item in installed_schedules(files, directory) if (item.identity.provider, item.identity.server, item.identity.name) == wanted
    ]
    given = {name: value.strip() for name, value in credentials.items() if value.strip()}
    account = plan["account"] or account
    try:
        if plan["state"] == "absent":
            state = _absent(plan, found, given, account)
        else:
            state = _present(plan, found, given, account)
            require_own(files, state["unit"], directory)
            state["moved"] = moved_bases(files, state["unit"], directory)
        for item in state["remove"]:
            require_own(files, item["unit"], directory)
        return {"error": "", **state}
    except RewindError as error:
        return {"error": error.format()}


def _present(plan: Mapping[str, Any], found: list[Installed], credentials: dict[str, str], account: str | None) -> dict[str, Any]:
    same = [item for item in found if item.identity.address == plan["address"]]
    # The provider may not say now whose credentials these are, but may have said so when they were installed.
    known = [item.identity.account for item in same if item.credentials == credentials and item.identity.account]
    identity = Identity(plan["provider"], plan["address"], account or next(iter(known), ""), plan["server"], plan["name"])
    unit = unit_name(identity)
    if not identity.account and any(item.unit == unit and item.credentials != credentials for item in same):
        raise RewindError(
            f"The schedule {unit} exists with other credentials, and the provider does not say whose account these are of",
            kind=AMBIGUOUS, hint="set snapshot_schedule_account; if the schedule is of the same account, remove it with "
            "snapshot_schedule_state=absent and its old credentials",
        )
    others = [item for item in same if item.unit != unit]
    stale = [item for item in others if _is_own(item, credentials, identity.account)]
    return {
        "unit": unit, "identity": identity._asdict(), "needs_account": False, "remove": _removals(stale),
        "unproven": [item.unit for item in others if item not in stale and not item.identity.account],
    }


def _absent(plan: Mapping[str, Any], found: list[Installed], credentials: dict[str, str], account: str | None) -> dict[str, Any]:
    """Select what to remove.

    Without credentials, account and address (the server and its account may no longer exist) the only schedule of the server is removed.
    """
    state: dict[str, Any] = {"unit": "", "identity": {}, "moved": [], "unproven": [], "needs_account": False}
    if not (credentials or account or plan["address_given"]):
        if len(found) > 1:
            raise _ambiguous(found)
        return {**state, "remove": _removals(found)}
    same = [item for item in found if item.identity.address == plan["address"]]
    if not (credentials or account):
        if len(same) > 1:
            raise _ambiguous(same)
        return {**state, "remove": _removals(same)}
    own = [item for item in same if _is_own(item, credentials, account)]
    others = [item for item in same if item not in own]
    if others and account is None:
        return {**state, "needs_account": True, "remove": []}
    unproven = [item for item in others if not (account and item.identity.account)]
    if unproven:
        raise _ambiguous(unproven)
    return {**state, "remove": _removals(own)}


def _is_own(item: Installed, credentials: dict[str, str], account: str | None) -> bool:
    """Return whether an installed schedule is proven to be of this account: by its credentials, or by the account that it names."""
    return bool(credentials) and item.credentials == credentials or bool(account) and item.identity.account == account


def _removals(items: list[Installed]) -> list[dict[str, str]]:
    return [{"unit": item.unit, "base": item.base} for item in items]


def _ambiguous(items: list[Installed]) -> RewindError:
    return RewindError(
        f"{' and '.join(item.unit for item in items)} may be of another account, so none is removed",
        kind=AMBIGUOUS, hint="set snapshot_schedule_account, or snapshot_schedule_api_url and the credentials that the schedule was installed with",
    )


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"schedule_state": schedule_state}
