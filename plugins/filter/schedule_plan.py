# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_plan
short_description: Plan a schedule of snapshots for the role snapshot_schedule
version_added: 0.1.0
description:
  - Internal filter of the role C(rewind.vps.snapshot_schedule). Use the role.
  - Selects the method of a schedule, its times and its names by the capabilities of the provider, or returns why the options are rejected.
  - Sends no request and changes nothing.
author:
  - rewind.vps contributors (@rewind-vps)
options:
  _input:
    description:
      - The options of the role without their prefix C(snapshot_schedule_) (C(provider), C(server), C(name),
        C(method), C(state), C(every_days), C(hour), C(minute), C(timezone), C(retain_count)).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the plan of a schedule
  ansible.builtin.debug:
    msg: "{{ options | rewind.vps.schedule_plan }}"
  vars:
    options:
      {provider: ilkbyte, server: app1, name: nightly, method: auto, state: present, every_days: 1, hour: 3, minute: 0}
"""

RETURN = r"""
_value:
  description:
    - The plan (C(method), C(unit), C(when), and the settings of the provider, systemd, cron and the playbook) and C(error).
    - C(error) is empty, or the reason why the options are rejected. Then there are no other keys.
  type: dict
"""

from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError, invalid_argument
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY
from ansible_collections.rewind.vps.plugins.plugin_utils._schedule import plan


def schedule_plan(options: dict[str, Any]) -> dict[str, Any]:
    """Return the plan, or the error as data: Ansible would add text of its own to an exception of a filter."""
    try:
        provider = REGISTRY.get(str(options["provider"]))
        if provider is None:
            raise invalid_argument(
                f"snapshot_schedule_provider must be one of {', '.join(REGISTRY)}",
                "set it, the host variable rewind_provider, or REWIND_PROVIDER in the controller's environment",
            )
        return {"error": "", **plan(options, provider.capabilities, provider.display_name)}
    except RewindError as error:
        return {"error": error.format()}


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Any]:
        return {"schedule_plan": schedule_plan}
