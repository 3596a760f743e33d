#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: List snapshots of VPS servers
version_added: 0.1.0
description:
  - Lists the snapshots of one server, of several or of the whole account, newest first.
  - Changes nothing. What is asked for by several options must all be true of a snapshot.
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
      - Only snapshots of exactly this name. At VPS.org there may be several of one name.
      - Not together with O(match).
    type: str
  match:
    description:
      - Only snapshots whose name fits this shell-style pattern, case-sensitive, for example V(nightly*).
      - Not together with O(name).
    type: str
  status:
    description:
      - Only snapshots with one of these statuses. Without it, all.
      - V(ready) is finished and can be restored, V(pending) is being made, V(failed) went wrong and can't be restored.
      - At VPS.org any word of the cloud's that is not known counts as V(failed). Ilkbyte lists a snapshot when it is
        finished, so all of its snapshots are V(ready).
    type: list
    elements: str
    choices: [ready, pending, failed]
  older_than:
    description:
      - Only snapshots older than this, by the cloud's clock.
      - A number of seconds, or numbers with V(s), V(m), V(h), V(d), V(w), such as V(45m), V(7d), V(1d12h). Greater than zero.
      - A snapshot without a date fits neither this nor O(newer_than).
    type: str
  newer_than:
    description:
      - Only snapshots of at most this age, written like O(older_than).
    type: str
notes:
  - VPS.org lists an account's snapshots in one go (page by page); Ilkbyte is asked once for each server, over
    O(concurrency) connections, so give O(server) or O(servers) there where you can.
seealso:
  - module: rewind.vps.snapshot
  - module: rewind.vps.snapshot_restore
  - module: rewind.vps.server_info
"""

EXAMPLES = r"""
# From the command line, with VPS_API_TOKEN exported:
#   ansible localhost -m rewind.vps.snapshot_info -a "provider=vpsorg server=web1"

- name: Look for snapshots that somebody forgot
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: vpsorg
      api_token: "{{ vault_vpsorg_token }}" # from a file encrypted with ansible-vault
  tasks:
    - name: List what is older than a month in the whole account
      rewind.vps.snapshot_info:
        older_than: 30d
      register: forgotten

    - name: Show them
      ansible.builtin.debug:
        msg: "{{ item.server.name }}: {{ item.name }} ({{ item.id }}), {{ item.size_mb }} MB, of {{ item.created_at }}"
      loop: "{{ forgotten.snapshots }}"
      loop_control:
        label: "{{ item.id }}"

- name: Upgrade only servers that have a way back
  hosts: web
  gather_facts: false
  tasks:
    - name: Look for a ready snapshot of the last two hours
      rewind.vps.snapshot_info:
        provider: vpsorg
        server: "{{ inventory_hostname }}"
        match: preupgrade*
        status: [ready]
        newer_than: 2h
      delegate_to: localhost
      register: way_back

    - name: Stop where there is none
      ansible.builtin.assert:
        that: way_back.snapshots | length > 0
        fail_msg: "{{ inventory_hostname }} has no fresh snapshot to go back to"
"""

RETURN = r"""
msg:
  description: How many fit out of how many that were listed, or what went wrong and what to do next, for people.
  returned: always
  type: str
  sample: 1 of 2 snapshots
snapshots:
  description: The snapshots that fit, newest first. An empty list where there are none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The snapshot's identity at the cloud; at Ilkbyte its name. Null while it is not known yet.
      type: str
      returned: always
    name:
      description: The name that it was given.
      type: str
      returned: always
    server:
      description: The server that it belongs to, as RV(snapshots[].server.id) and RV(snapshots[].server.name).
      type: dict
      returned: always
      contains:
        id:
          description: What the cloud knows the server by.
          type: str
          returned: always
        name:
          description: What people call the server.
          type: str
          returned: always
    status:
      description:
        - V(ready), V(pending) or V(failed). At VPS.org a word of the cloud's that is not known counts as V(failed).
        - Ilkbyte lists finished snapshots only, so there it is always V(ready).
      type: str
      returned: always
    provider_status:
      description: The cloud's own word for the status, or null where it has none (Ilkbyte).
      type: str
      returned: always
    size_mb:
      description: Size in MB, or null where the cloud does not say (always so at Ilkbyte).
      type: int
      returned: always
    created_at:
      description: When it was made, UTC, ISO 8601, or null.
      type: str
      returned: always
    description:
      description: Its description, or null.
      type: str
      returned: always
    current:
      description:
        - Whether the server's state descends from this snapshot. It says nothing about whether the disk has changed since.
        - Null at VPS.org, which does not tell.
      type: bool
      returned: always
    parent:
      description: The name of the snapshot that it was taken on top of (Ilkbyte), or null.
      type: str
      returned: always
    power_state:
      description: The power state that a restore brings back (Ilkbyte), V(running) or V(stopped), or null.
      type: str
      returned: always
    schedule:
      description:
        - The schedule that takes it anew (Ilkbyte), or null.
        - A dictionary of C(day), C(hour), C(minute), C(last_run) and C(next_run), as RV(rewind.vps.snapshot_cron#module:schedule).
      type: dict
      returned: always
    age_seconds:
      description: Whole seconds since it was made, by the cloud's clock, or null where its date is unknown.
      type: int
      returned: always
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
      schedule:
        day: 1
        hour: 2
        minute: 3
        last_run: "2020-11-23T23:03:00Z"
        next_run: "2020-11-24T23:03:00Z"
      age_seconds: 91833
server:
  description:
    - The O(server) that was asked for, else null.
    - Where the task had no need to ask for it, all but RV(server.id) may be null.
  returned: success
  type: dict
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
    id: app1
    name: app1
    power_state: null
    task_state: null
    address: null
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
    kind: not_found
    outcome: not_applied
    operation: null
    server: web9
    snapshot: null
    http_status: null
    provider_message: null
    hint: did you mean web1 (12345), web2 (12346)?
"""

from ..module_utils._ansible_module import run_module


def main() -> None:
    """Run the module."""
    run_module("snapshot_info")


if __name__ == "__main__":
    main()
