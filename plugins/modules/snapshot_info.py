#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: List snapshots of servers
version_added: 0.1.0
description:
  - Lists the snapshots of one server, of several servers or of the whole account, newest first.
  - Changes nothing. Several filter options select the snapshots that match all of them.
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.server.optional
  - rewind.vps.attributes.info
  - rewind.vps.attributes
options:
  name:
    description:
      - Only snapshots of exactly this name. At VPS.org there can be several of one name.
      - Mutually exclusive with O(match).
    type: str
  match:
    description:
      - Only snapshots whose name matches this shell-style pattern, case-sensitive, for example V(nightly*).
      - Mutually exclusive with O(name).
    type: str
  status:
    description:
      - Only snapshots with one of these statuses.
      - V(ready) snapshots can be restored, V(pending) ones are being created, V(failed) ones cannot be restored.
      - V(unknown) snapshots have no status, or one that this collection does not know. They count as neither ready nor failed.
      - Ilkbyte lists finished snapshots only, so they are always V(ready).
    type: list
    elements: str
    choices: [ready, pending, failed, unknown]
  older_than:
    description:
      - Only snapshots older than this, by the provider's clock.
      - A number of seconds, or numbers with the units V(s), V(m), V(h), V(d) and V(w), such as V(45m), V(7d) or V(1d12h).
        Must be greater than zero.
      - If a snapshot that matches otherwise has no readable date, its age is unknown. Then this option and O(newer_than) fail for its
        server. Other servers are not affected.
    type: str
  newer_than:
    description: Only snapshots of at most this age, written like O(older_than).
    type: str
notes:
  - VPS.org lists all snapshots of an account, page by page. Ilkbyte requires one request per server, over O(concurrency)
    connections, so specify O(server) or O(servers) where possible.
seealso:
  - module: rewind.vps.snapshot
  - module: rewind.vps.snapshot_restore
  - module: rewind.vps.server_info
"""

EXAMPLES = r"""
# From the command line, with VPS_API_TOKEN exported:
#   ansible localhost -m rewind.vps.snapshot_info -a "provider=vpsorg server=web1"

- name: Find old snapshots
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: vpsorg
      api_token: "{{ vault_vpsorg_token }}" # from a file encrypted with ansible-vault
  tasks:
    - name: List snapshots that are older than a month in the whole account
      rewind.vps.snapshot_info:
        older_than: 30d
      register: forgotten

- name: Upgrade only servers with a recent snapshot
  hosts: web
  gather_facts: false
  tasks:
    - name: Find a ready snapshot of the last two hours
      rewind.vps.snapshot_info:
        provider: vpsorg
        server: "{{ inventory_hostname }}"
        match: preupgrade*
        status: [ready]
        newer_than: 2h
      delegate_to: localhost
      register: way_back

    - name: Fail if there is none
      ansible.builtin.assert:
        that: way_back.snapshots | length > 0
        fail_msg: "{{ inventory_hostname }} has no fresh snapshot to go back to"
"""

RETURN = r"""
msg:
  description: How many of the listed snapshots match, or what failed and what to do next.
  returned: always
  type: str
  sample: 1 of 2 snapshots
snapshots:
  description:
    - The matching snapshots, newest first.
    - They have the keys of RV(rewind.vps.snapshot#module:snapshot), and C(age_seconds), the whole seconds since their creation by the
      provider's clock, or null if the date is unknown.
  returned: success
  type: list
  elements: dict
  sample:
    - id: DenemeSnapshot
      name: DenemeSnapshot
      server: {id: app1, name: app1}
      status: ready
      provider_status: null
      size_mb: null
      created_at: "2020-11-23T12:31:07Z"
      description: null
      current: false
      parent: null
      power_state: running
      schedule: {day: 1, hour: 2, minute: 3, last_run: "2020-11-23T23:03:00Z", next_run: "2020-11-24T23:03:00Z"}
      age_seconds: 91833
server:
  description:
    - The O(server), with the keys of RV(rewind.vps.snapshot#module:server), or null without O(server).
    - All keys except C(id) may be null if the task did not need them.
  returned: success
  type: dict
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
from ..module_utils._module import snapshot_info


def main() -> None:
    run_module(snapshot_info)


if __name__ == "__main__":
    main()
