#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: List servers and their power state
version_added: 0.1.0
description:
  - Lists the servers of the account, or some of them, with their power state and the operation in progress.
  - Changes nothing.
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.server.optional
  - rewind.vps.attributes.info
  - rewind.vps.attributes
seealso:
  - module: rewind.vps.snapshot_info
"""

EXAMPLES = r"""
# Try a new token or key from the command line, with VPS_API_TOKEN exported:
#   ansible localhost -m rewind.vps.server_info -a "provider=vpsorg"
# or with ILKBYTE_ACCESS_KEY and ILKBYTE_SECRET_KEY exported:
#   ansible localhost -m rewind.vps.server_info -a "provider=ilkbyte"

- name: List servers and check whether they are busy
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: ilkbyte
      access_key: "{{ vault_ilkbyte_access_key }}" # from a file encrypted with ansible-vault
      secret_key: "{{ vault_ilkbyte_secret_key }}"
  tasks:
    - name: List the account's servers
      rewind.vps.server_info:
      register: account

    - name: Show servers that are not running
      ansible.builtin.debug:
        msg: "{{ account.servers | rejectattr('power_state', 'equalto', 'running') | map(attribute='name') }}"

    - name: Read one server
      rewind.vps.server_info:
        server: app1
      register: app1

    - name: Fail if an operation is in progress
      ansible.builtin.assert:
        that: app1.servers[0].task_state is none
        fail_msg: "app1 is in the middle of something: {{ app1.servers[0].task_state }}"
"""

RETURN = r"""
msg:
  description: The number of servers, or what failed and what to do next.
  returned: always
  type: str
  sample: 1 server
servers:
  description:
    - The servers, sorted by name. They have the keys of RV(rewind.vps.snapshot#module:server).
    - With O(server) or O(servers), only the selected servers.
  returned: success
  type: list
  elements: dict
  sample:
    - id: "12345"
      name: web-server-01
      power_state: running
      task_state: null
      address: 203.0.113.10
failed_servers:
  description: The servers that failed, with the keys of RV(rewind.vps.snapshot#module:failed_servers). Empty if none failed.
  returned: always, unless the task fails as a whole
  type: list
  elements: dict
error:
  description: The error as data, with the keys of RV(rewind.vps.snapshot#module:error).
  returned: on failure, unless Ansible itself rejects the options
  type: dict
"""

from ..module_utils._ansible_module import run_module
from ..module_utils._module import server_info


def main() -> None:
    run_module(server_info)


if __name__ == "__main__":
    main()
