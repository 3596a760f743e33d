#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: List VPS servers and their power state
version_added: 0.1.0
description:
  - Lists the servers of the account, or some of them, with their power state and what they are in the middle of.
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

- name: See which servers are there, and which are busy
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

    - name: Show those that are not running
      ansible.builtin.debug:
        msg: "{{ account.servers | rejectattr('power_state', 'equalto', 'running') | map(attribute='name') }}"

    - name: Look at one server
      rewind.vps.server_info:
        server: app1
      register: app1

    - name: Go no further while something is under way on it
      ansible.builtin.assert:
        that: app1.servers[0].task_state is none
        fail_msg: "app1 is in the middle of something: {{ app1.servers[0].task_state }}"
"""

RETURN = r"""
msg:
  description: How many servers there are, or what went wrong and what to do next, for people.
  returned: always
  type: str
  sample: 2 servers
servers:
  description:
    - The servers, sorted by name. With O(server) or O(servers) those that were asked for.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: What the cloud knows it by (VPS.org the number as text, Ilkbyte the name).
      type: str
      returned: always
    name:
      description: What people call it, or null where the task did not need to ask.
      type: str
      returned: always
    power_state:
      description: V(running), V(stopped), another word of the cloud's, or null where the task did not need to ask.
      type: str
      returned: always
    task_state:
      description: What it is in the middle of, in the cloud's word, for example V(restoring), or null.
      type: str
      returned: always
    address:
      description: Its first IP address, or null.
      type: str
      returned: always
  sample:
    - id: "12345"
      name: web-server-01
      power_state: running
      task_state: null
      address: 203.0.113.10
    - id: "12346"
      name: web-server-02
      power_state: restoring
      task_state: restoring
      address: 203.0.113.11
failed_servers:
  description: The servers that failed, each with what went wrong. An empty list where none did.
  returned: always, except where the task fails as a whole
  type: list
  elements: dict
  contains:
    server:
      description: The server as it was written in O(servers).
      type: str
      returned: always
    changed:
      description: Whether something had been changed at it before it failed.
      type: bool
      returned: always
    msg:
      description: What went wrong with it and what to do next, for people.
      type: str
      returned: always
    error:
      description: The same as data, with the keys of RV(error).
      type: dict
      returned: always
  sample:
    - server: web9
      changed: false
      msg: >-
        There is no server 'web9' in this VPS.org account. Nothing was changed. Next: did you mean web1 (12345)?
      error:
        kind: not_found
        outcome: not_applied
        operation: null
        server: web9
        snapshot: null
        http_status: null
        provider_message: null
        hint: did you mean web1 (12345)?
error:
  description: What went wrong, as data for RV(ignore:failed) tasks and C(rescue).
  returned: on failure, except where Ansible itself refuses the options
  type: dict
  contains:
    kind:
      description: >-
        One of V(already_exists), V(ambiguous), V(busy), V(forbidden), V(internal), V(interrupted), V(invalid_argument),
        V(invalid_response), V(limit_reached), V(multiple) (of several servers, not all for one reason), V(not_found), V(not_ready),
        V(operation_failed), V(provider_error), V(provider_rejected), V(rate_limited), V(timeout), V(tls), V(unauthorized),
        V(unreachable), V(unsupported), V(wait_timeout).
      type: str
      returned: always
    outcome:
      description:
        - What became of the change that failed.
        - V(not_applied) it did not happen. V(failed) it was begun and did not succeed. V(unknown) it may have happened.
        - What the same task had changed before it failed is told by RV(ignore:changed).
      type: str
      returned: always
    operation:
      description: The call that failed, for example V(snapshots.create), or null.
      type: str
      returned: always
    server:
      description: The server concerned, name and id, or null.
      type: str
      returned: always
    snapshot:
      description: The snapshot concerned, name or id, or null.
      type: str
      returned: always
    http_status:
      description: The HTTP status, or null where no answer came. Ilkbyte refuses with 200.
      type: int
      returned: always
    provider_message:
      description: The cloud's own words, or null.
      type: str
      returned: always
    hint:
      description: What to do next, or null.
      type: str
      returned: always
  sample:
    kind: unauthorized
    outcome: not_applied
    operation: servers.list
    server: null
    snapshot: null
    http_status: 401
    provider_message: Invalid token.
    hint: check the token or keys for this cloud; a new one is made in its panel
"""

from ..module_utils._ansible_module import run_module


def main() -> None:
    """Run the module."""
    run_module("server_info")


if __name__ == "__main__":
    main()
