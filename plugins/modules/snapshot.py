#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Create, replace or delete a snapshot of a server
version_added: 0.1.0
description:
  - Creates, replaces or deletes a snapshot of a server, or of many servers.
  - If a snapshot of this name is already being created, the task waits for it instead of creating a second one. A failed
    snapshot of this name is deleted and created again.
  - Tasks of one user on one machine lock the server, so they never create two snapshots of one name. At VPS.org, tasks on
    two machines that run at the same time can.
  - Can replace an old snapshot (O(max_age)) and delete old ones by a name pattern (O(retain)). Snapshots that the pattern does not
    match are never deleted, except failed or outdated snapshots named O(name).
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.server.many
  - rewind.vps.server.waiting
  - rewind.vps.attributes
options:
  name:
    description:
      - The snapshot's name. Required with O(state=present).
      - VPS.org accepts letters, digits, hyphens and underscores, Ilkbyte letters and digits. Other names are rejected before
        anything is sent.
      - At VPS.org, a server can have several snapshots of one name. V(present) then uses the newest that is ready.
        V(absent) requires O(id), and the error lists the snapshots.
    type: str
  id:
    description:
      - The snapshot's ID at the provider. At Ilkbyte the ID is the name.
      - With O(state=absent) it selects the snapshot to delete. If O(name) is also set, both must match the same snapshot.
      - With O(state=present) it only verifies that this snapshot exists, is ready or pending, and is not older than O(max_age).
        Otherwise the task fails, since the provider chooses the ID of a new snapshot.
      - Not supported with several O(servers).
    type: str
  description:
    description:
      - A description, stored by VPS.org. It is set on creation and cannot be changed later, so a different description
        of an existing snapshot is not a change.
      - Not supported at Ilkbyte and with O(state=absent).
    type: str
  state:
    description:
      - V(present) ensures that a ready snapshot of this name exists.
      - V(absent) ensures that it does not exist. A deleted snapshot cannot be recovered.
    type: str
    choices: [present, absent]
    default: present
  max_age:
    description:
      - Replace the snapshot if it is older than this, by the provider's clock. The task fails if its date cannot be
        read.
      - A number of seconds, or numbers with the units V(s), V(m), V(h), V(d) and V(w), such as V(45m), V(12h) or V(1d12h).
        Must be greater than zero.
      - At VPS.org, the new snapshot is created first, and the old one is deleted when the new one is ready. This requires a free
        snapshot slot. With O(wait=false) the old snapshot remains, and the task warns.
      - At Ilkbyte, the provider re-creates the snapshot in place. If that fails, the old snapshot may be lost.
      - Not supported with O(state=absent).
    type: str
  retain:
    description:
      - Delete old snapshots of this server when the snapshot of this task is ready, even if it existed before.
      - Never deletes snapshots with a schedule. Snapshots that the provider lists without a name, an ID or a known status do not count.
      - If a ready snapshot that matches has no readable date, its age is unknown. Then the task fails before it changes anything.
      - Not supported with O(state=absent) and O(wait=false).
    type: dict
    suboptions:
      count:
        description:
          - How many ready snapshots that match O(retain.match) to keep, from 1 to 10000. The newest are kept.
          - The snapshot of this task is never deleted. It counts if the pattern matches its name.
        type: int
        required: true
      match:
        description:
          - Shell-style pattern of the names that may be deleted, case-sensitive, for example V(nightly*).
          - Choose a pattern that matches only snapshots of your own automation.
        type: str
        required: true
  when_full:
    description:
      - What to do if the server has as many snapshots as the provider allows. VPS.org allows 5 per server. No limit is
        known for Ilkbyte, so the option has no effect there.
      - V(fail) changes nothing and lists the snapshots.
      - V(prune) deletes snapshots that match O(retain.match), first failed ones, then the oldest, as many as necessary. They are
        deleted before the new snapshot is created; during that time fewer snapshots are available. If too few match, the task
        fails and deletes nothing. Requires O(retain).
    type: str
    choices: [fail, prune]
    default: fail
  stop_server:
    description:
      - Shut the server down before the snapshot, and start it again afterwards, even if the snapshot fails.
      - A snapshot of a running server may contain an inconsistent file system. For a consistent snapshot use this option, or
        stop all services that write, databases above all.
      - The operating system is asked to shut down; the server is never powered off. If it does not stop within
        O(wait_timeout), the task fails and watches for a late stop, after which it starts the server.
      - The start may take longer than O(wait_timeout), up to 300 seconds plus the usual time of a snapshot, since a
        provider may reject it while the snapshot is being created.
      - With O(servers), at most O(concurrency) servers are stopped at the same time.
      - A stopped server remains stopped. If no snapshot is necessary, the server is not stopped. If the task is killed
        (C(kill -9)), the next task of this module on the same machine starts the server within a day and warns.
      - At Ilkbyte, a snapshot of a stopped server restores a stopped server. M(rewind.vps.snapshot_restore) then starts it.
      - Not supported with O(state=absent) and O(wait=false).
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the snapshot is ready. VPS.org needs 3 to 10 minutes; Ilkbyte does not document a time.
      - With V(true) the module also waits for a busy server. With V(false) a busy server is an error. If the server becomes busy
        after the check, the provider may reject the request; nothing is changed.
      - With V(false) RV(snapshot.status) is V(pending), and the snapshot may still fail. Run the task again with V(true), or check it
        with M(rewind.vps.snapshot_info), before you rely on it.
      - With O(state=absent) and V(true), the module waits for a pending snapshot and then deletes it.
  wait_timeout:
    default: 1200
notes:
  - Delete the snapshot after a successful upgrade. It occupies one of five slots at VPS.org, and restoring an old snapshot loses all
    data written since.
seealso:
  - module: rewind.vps.snapshot_info
  - module: rewind.vps.snapshot_restore
  - module: rewind.vps.snapshot_cron
"""

EXAMPLES = r"""
# From the command line, with VPS_API_TOKEN exported:
#   ansible localhost -m rewind.vps.snapshot -a "provider=vpsorg server=web1 name=preupgrade" --check

- name: Create a snapshot of every web server before an upgrade
  hosts: web
  gather_facts: false
  tasks:
    - name: Ensure a snapshot that is at most an hour old
      rewind.vps.snapshot:
        provider: vpsorg
        api_token: "{{ vault_vpsorg_token }}" # from a file encrypted with ansible-vault
        server: "{{ inventory_hostname }}"
        name: preupgrade
        description: Before the upgrade to release 24
        max_age: 1h
      delegate_to: localhost
      register: before_upgrade # before_upgrade.snapshot.id is the ID

- name: Manage snapshots of several servers
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: vpsorg # the token is in VPS_API_TOKEN
  tasks:
    - name: Create snapshots of all web servers concurrently
      rewind.vps.snapshot:
        servers: "{{ groups['web'] }}"
        name: preupgrade
        max_age: 1h
      register: before_upgrade # before_upgrade.by_server['web1'].snapshot.id is the ID of the first

    - name: Create tonight's snapshot of a stopped database server, and keep the newest three
      rewind.vps.snapshot:
        server: db1
        name: "nightly-{{ now(utc=true, fmt='%Y%m%d') }}"
        stop_server: true
        when_full: prune
        retain:
          count: 3
          match: nightly-*

    - name: Delete one of two snapshots of the same name
      rewind.vps.snapshot:
        server: web1
        id: "798"
        state: absent

    - name: Delete a snapshot at Ilkbyte
      rewind.vps.snapshot:
        provider: ilkbyte
        access_key: "{{ vault_ilkbyte_access_key }}"
        secret_key: "{{ vault_ilkbyte_secret_key }}"
        server: app1
        name: preupgrade
        state: absent
"""

RETURN = r"""
msg:
  description: What was found or done, or what failed and what to do next.
  returned: always
  type: str
  sample: Snapshot before-update-snapshot (802) of server web-server-01 (12345) was created
snapshot:
  description:
    - The snapshot after the task. Null with O(state=absent) and if there is none.
    - In check mode, RV(snapshot.id) of a snapshot that would be created is null.
  returned: success, with O(server)
  type: dict
  contains:
    id:
      description: The snapshot's ID at the provider, at Ilkbyte its name. Null if it is not known yet, or if the provider does not show it.
      type: str
    name:
      description: The snapshot's name, or null if the provider does not show it.
      type: str
    server:
      description: C(id) and C(name) of its server.
      type: dict
    status:
      description:
        - V(ready), V(pending), V(failed) or V(unknown). It is V(unknown) without a status, or with one that this collection does not know.
        - Always V(ready) at Ilkbyte, which lists finished snapshots only.
      type: str
    provider_status:
      description: The status as the provider states it. Null at Ilkbyte.
      type: str
    size_mb:
      description: Size in MB. Null if it is unknown, and always null at Ilkbyte.
      type: int
    created_at:
      description: Time of creation, UTC, ISO 8601, or null.
      type: str
    description:
      description: Its description, or null.
      type: str
    current:
      description: Whether the server's state descends from this snapshot. The disk may have changed since. Null at VPS.org.
      type: bool
    parent:
      description: The name of its parent snapshot at Ilkbyte, or null.
      type: str
    power_state:
      description: The power state after a restore at Ilkbyte, V(running) or V(stopped), or null.
      type: str
    schedule:
      description: Its schedule at Ilkbyte, with the keys of RV(rewind.vps.snapshot_cron#module:schedule), or null.
      type: dict
  sample: &snapshot
    id: "802"
    name: before-update-snapshot
    server: {id: "12345", name: web-server-01}
    status: ready
    provider_status: completed
    size_mb: 5120
    created_at: "2025-01-16T16:15:00Z"
    description: Snapshot before system update
    current: null
    parent: null
    power_state: null
    schedule: null
snapshots:
  description: All snapshots of the server after the task, newest first, with the keys of RV(snapshot).
  returned: success, with O(server)
  type: list
  elements: dict
  sample: [*snapshot]
pruned:
  description:
    - Snapshots that were deleted, or in check mode would be, by O(retain), O(when_full), or because they had failed or were too old.
      They have the keys of RV(snapshot). The snapshot that O(state=absent) deletes is not included.
    - On failure, the snapshots that were deleted before.
  returned: with O(server) on success; on failure if a snapshot was deleted
  type: list
  elements: dict
  sample: []
server:
  description: The server. All keys except RV(server.id) may be null if the task did not need them.
  returned: success, with O(server)
  type: dict
  contains:
    id:
      description: The server's ID, at VPS.org its number as a string, at Ilkbyte its name.
      type: str
    name:
      description: The server's name, or null.
      type: str
    power_state:
      description: V(running), V(stopped), V(unknown), another state of the provider, or null.
      type: str
    task_state:
      description:
        - The operation in progress as the provider states it, for example V(restoring), or null.
        - V(provisioning) if the provider has not finished creating the server.
      type: str
    address:
      description: Its first IPv4 address, or without one its first IPv6 address, or null.
      type: str
by_server:
  description:
    - The result of each server, by its name in O(servers). It has the keys of a task with O(server). The result of a failed server has
      C(failed), C(msg) and C(error).
  returned: with O(servers)
  type: dict
  sample:
    web1:
      changed: true
      msg: Snapshot preupgrade (802) of server web1 (12345) was created
failed_servers:
  description: The servers that failed. Empty if none failed.
  returned: with O(servers)
  type: list
  elements: dict
  contains:
    server:
      description: The server as written in O(servers).
      type: str
      returned: always
    changed:
      description: Whether the task had changed something on this server before it failed.
      type: bool
      returned: always
    msg:
      description: What failed and what to do next.
      type: str
      returned: always
    error:
      description: The error as data, with the keys of RV(error).
      type: dict
      returned: always
error:
  description: The error as data, for C(rescue) and RV(ignore:failed) tasks.
  returned: on failure, unless Ansible itself rejects the options
  type: dict
  contains:
    kind:
      description: >-
        One of V(already_exists), V(ambiguous), V(busy), V(forbidden), V(internal), V(interrupted), V(invalid_argument),
        V(invalid_response), V(limit_reached), V(multiple) (servers failed for different reasons), V(not_found), V(not_ready),
        V(operation_failed), V(provider_error), V(provider_rejected), V(rate_limited), V(timeout), V(tls), V(unauthorized),
        V(unreachable), V(unsupported), V(wait_timeout).
      type: str
      returned: always
    outcome:
      description:
        - The outcome of the change that failed.
        - V(not_applied) means that it did not happen, V(failed) that it started and failed, and V(unknown) that it may have happened.
        - RV(ignore:changed) states whether the task had changed something before.
      type: str
      returned: always
    operation:
      description: The API operation that failed, for example V(snapshots.create), or null.
      type: str
      returned: always
    server:
      description: Name and ID of the server, or null.
      type: str
      returned: always
    snapshot:
      description: Name or ID of the snapshot, or null.
      type: str
      returned: always
    http_status:
      description: The HTTP status, or null without a response. Ilkbyte rejects requests with status 200.
      type: int
      returned: always
    provider_message:
      description: The provider's message, or null.
      type: str
      returned: always
    hint:
      description: What to do next, or null.
      type: str
      returned: always
  sample:
    kind: limit_reached
    outcome: not_applied
    operation: null
    server: web-server-01 (12345)
    snapshot: before-update-snapshot
    http_status: null
    provider_message: null
    hint: "delete one (state: absent), or use when_full: prune with retain.match"
"""

from ..module_utils._ansible_module import run_module
from ..module_utils._module import snapshot


def main() -> None:
    run_module(snapshot)


if __name__ == "__main__":
    main()
