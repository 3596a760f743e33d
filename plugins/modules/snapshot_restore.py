#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_restore
short_description: Overwrite a VPS with one of its snapshots
version_added: 0.1.0
description:
  - Puts a server back to one of its own snapshots. Everything written on it since is lost, and this cannot be undone.
  - The server is down meanwhile. VPS.org stops it by itself and needs 5 to 15 minutes; Ilkbyte does not say how long it needs.
  - Every run restores again, however often it was restored before. Only a restore that is still under way is not asked for
    a second time, but joined (RV(already_in_progress)).
  - A snapshot that is missing, ambiguous, of another server, not ready or failed is an error, and nothing is sent.
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.server.many
  - rewind.vps.waiting
  - rewind.vps.attributes
options:
  name:
    description:
      - The name of the snapshot. One of O(name) and O(id) is required.
      - At VPS.org several snapshots of a server may have one name. Then this is an error that lists them, and O(id) says
        which one.
    type: str
  id:
    description:
      - The snapshot's identity at the cloud, the surest way to say which. At Ilkbyte that is its name.
      - When O(name) is given too, both must mean the same snapshot. Not with several O(servers).
    type: str
  start_server:
    description:
      - Start the server if it is off when the restore is over, for example because the snapshot was taken of a stopped one.
      - Does nothing with O(wait=false).
    type: bool
    default: true
  wait:
    description:
      - Whether the task waits until the restore is over, and with O(start_server) until the server runs.
      - With V(false) RV(server) is as it was before, and nobody has seen yet whether the restore succeeds.
      - The cloud's word that the server runs does not mean that it answers by SSH already; for that use
        M(ansible.builtin.wait_for_connection).
  wait_timeout:
    default: 1800
attributes:
  check_mode:
    description: Can run with C(--check) and predict whether it would change something.
    support: full
    details:
      - Looks for the server and the snapshot and refuses what a real run would refuse. Sends no request that changes anything.
      - The result has the same keys as that of a real run.
notes:
  - RV(snapshot.current) never makes this module skip the restore. It names the snapshot that the server's state
    descends from, and says nothing about whether the disk has changed since.
  - What is seen of success differs. At Ilkbyte the snapshot must have become the current one and the server must have the
    power state that the snapshot holds, else the task fails. At VPS.org the server must have been seen restoring and run
    afterwards; one that ends stopped is not called restored and is not started (RV(error.outcome) V(unknown)). What is on
    the disk neither tells (see RV(verified)); to be sure, look for something that was written after the snapshot and must be gone.
  - VPS.org does not tell which snapshot is being restored. When a restore is joined a warning says so; if it may be of
    another snapshot, run the task again when it is done.
  - Ilkbyte does not tell a restore from other work either. There a busy server is waited for (with O(wait=true)), and only
    a snapshot that has become the current one meanwhile counts as a restore that was joined. Everything else, and a
    snapshot that was the current one before, is RV(error.kind) V(busy), and nothing was asked for.
  - SSH connections to the server do not survive. Use M(ansible.builtin.meta) with V(reset_connection) before going on.
seealso:
  - module: rewind.vps.snapshot
  - module: rewind.vps.snapshot_info
"""

EXAMPLES = r"""
# From the command line, with VPS_API_TOKEN exported. Look first, then do it:
#   ansible localhost -m rewind.vps.snapshot_restore -a "provider=vpsorg server=web1 name=preupgrade" --check
#   ansible localhost -m rewind.vps.snapshot_restore -a "provider=vpsorg server=web1 name=preupgrade"

- name: Put a web server back to where it was before the upgrade
  hosts: web1
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: vpsorg
      api_token: "{{ vault_vpsorg_token }}" # from a file encrypted with ansible-vault
  tasks:
    - name: Restore the snapshot
      rewind.vps.snapshot_restore:
        server: "{{ inventory_hostname }}"
        name: preupgrade
      delegate_to: localhost

    - name: Forget the connection to the server as it was
      ansible.builtin.meta: reset_connection

    - name: Wait until it answers
      ansible.builtin.wait_for_connection:
        timeout: 300

- name: Restore the newest ready nightly snapshot at Ilkbyte
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: ilkbyte # the keys come from ILKBYTE_ACCESS_KEY and ILKBYTE_SECRET_KEY
  tasks:
    - name: Look for it
      rewind.vps.snapshot_info:
        server: app1
        match: nightly*
        status: [ready]
      register: nightly

    - name: Restore exactly that one
      rewind.vps.snapshot_restore:
        server: app1
        id: "{{ nightly.snapshots[0].id }}"
"""

RETURN = r"""
msg:
  description: What was done, or what went wrong and what to do next, for people.
  returned: always
  type: str
  sample: Server web-server-01 (12345) is restored to snapshot pre-migration-snapshot (801)
already_in_progress:
  description:
    - Whether a restore was under way already, so that this task asked for none. RV(ignore:changed) is then V(false),
      unless the task had to start the server.
  returned: success, with O(server)
  type: bool
  sample: false
verified:
  description:
    - Whether what the cloud shows would have told a restore that failed half way. V(false) where it would not, with a warning;
      that is so at Ilkbyte, for a snapshot that was the current one already and holds a server that is off. V(false) with O(wait=false), too.
  returned: success, with O(server)
  type: bool
  sample: true
snapshot:
  description: The snapshot, as listed before the restore.
  returned: success, with O(server)
  type: dict
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
      description: The server that it belongs to, as RV(snapshot.server.id) and RV(snapshot.server.name).
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
  sample:
    id: "801"
    name: pre-migration-snapshot
    server: {id: "12345", name: web-server-01}
    status: ready
    provider_status: completed
    size_mb: 5120
    created_at: "2025-01-15T18:30:00Z"
    description: Before major migration
    current: null
    parent: null
    power_state: null
    schedule: null
server:
  description: The server after the restore. With O(wait=false) and in check mode as it was before.
  returned: success, with O(server)
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
    id: "12345"
    name: web-server-01
    power_state: running
    task_state: null
    address: 203.0.113.10
by_server:
  description:
    - What became of each server, by the name that it has in O(servers). Each has the keys that a task of that server alone returns;
      one that failed has C(failed), C(msg) and C(error).
  returned: with O(servers)
  type: dict
  sample:
    web1:
      changed: true
      msg: Server web1 (12345) is restored to snapshot preupgrade (802)
failed_servers:
  description: The servers that failed, each with what went wrong. An empty list where none did.
  returned: with O(servers)
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
    server: web-server-01 (12345)
    snapshot: preupgrade
    http_status: null
    provider_message: null
    hint: "choose one of this server's: pre-migration-snapshot (801) ready from 2025-01-15T18:30:00Z"
"""

from ..module_utils._ansible_module import run_module


def main() -> None:
    """Run the module."""
    run_module("snapshot_restore")


if __name__ == "__main__":
    main()
