# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unless_start_at_task
short_description: Reject --start-at-task and --skip-tags always for the role guarded_upgrade
version_added: 0.1.0
description:
  - Internal filter of the role C(rewind.vps.guarded_upgrade). Use the role.
  - Returns its input, and fails if C(ansible-playbook) was called with C(--start-at-task), or with C(--skip-tags always).
  - The role imports a file of tasks with it. Ansible evaluates that when it loads the playbook, so also if these options skip the role's tasks.
author:
  - rewind.vps contributors (@rewind-vps)
options:
  _input:
    description: The name of a file.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Import tasks that must not be skipped
  ansible.builtin.import_tasks: "{{ 'close_run.yml' | rewind.vps.unless_start_at_task }}"
"""

RETURN = r"""
_value:
  description: The input.
  type: str
"""

from ansible import context
from ansible.errors import AnsibleFilterError


def unless_start_at_task(name: str) -> str:
    if "always" in (context.CLIARGS.get("skip_tags") or ()):
        raise AnsibleFilterError(
            "--skip-tags always would skip the plan of a guarded upgrade, so the playbook was not started. Next: run without it."
        )
    if context.CLIARGS.get("start_at_task"):
        raise AnsibleFilterError(
            "--start-at-task can skip steps of a guarded upgrade, or all of it, so the playbook was not started. Next: run without it."
        )
    return name


class FilterModule:
    def filters(self):
        return {"unless_start_at_task": unless_start_at_task}
