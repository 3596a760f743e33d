# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_plan
short_description: What a wished schedule of snapshots comes to, for the role snapshot_schedule
version_added: 0.1.0
description:
  - Decides for the role C(rewind.vps.snapshot_schedule) who runs a schedule (the cloud, or a host), when, and under which names, by what
    the cloud can do; or says why a wish can't be kept. Use the role.
  - Asks nobody and changes nothing.
author:
  - rewind.vps contributors (@rewind-vps)
options:
  _input:
    description:
      - The wishes, by the role's names of options without their beginning C(snapshot_schedule_) (C(provider), C(server), C(name),
        C(method), C(state), C(every_days), C(hour), C(minute), C(timezone), C(retain_count)).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show who would run a schedule
  ansible.builtin.debug:
    msg: "{{ wishes | rewind.vps.schedule_plan }}"
  vars:
    wishes:
      {provider: ilkbyte, server: app1, name: nightly, method: auto, state: present, every_days: 1, hour: 3, minute: 0}
"""

RETURN = r"""
_value:
  description:
    - What is to be done (C(by), C(unit), C(when), and what the cloud, systemd or the playbook is given), and C(refusal).
    - C(refusal) is empty, or says why the wish can't be kept; then nothing else is in it.
  type: dict
"""

from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError, invalid_argument
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY
from ansible_collections.rewind.vps.plugins.plugin_utils._schedule import plan


def schedule_plan(options: dict[str, Any]) -> dict[str, Any]:
    """The plan, or a refusal as data: a failed filter would be told with Ansible's words around it."""
    try:
        provider = REGISTRY.get(str(options["provider"]))
        if provider is None:
            raise invalid_argument(
                f"snapshot_schedule_provider must be one of {', '.join(REGISTRY)}",
                "set it, the host's variable rewind_provider, or REWIND_PROVIDER in the controller's environment",
            )
        return {"refusal": "", **plan(options, provider.capabilities, provider.display_name)}
    except RewindError as error:
        return {"refusal": error.format()}


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Any]:
        return {"schedule_plan": schedule_plan}
