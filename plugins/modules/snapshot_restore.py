#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_restore
short_description: Restore a server from one of its snapshots
version_added: 0.1.0
description:
  - Restores a server from one of its own snapshots. All data written since the snapshot is lost. This cannot be undone.
  - The server is down during the restore. VPS.org stops it and needs 5 to 15 minutes; Ilkbyte does not document a time.
  - Every run restores again. Only a restore that is still in progress is joined instead of requested again
    (RV(already_in_progress)).
  - If the snapshot is missing, ambiguous, of another server, not ready or failed, the task fails and sends nothing.
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
      - The name of the snapshot. O(name), O(id) or both are required.
      - At VPS.org, several snapshots of a server can have the same name. The task then fails and lists them; select one with O(id).
    type: str
  id:
    description:
      - The snapshot's ID at the provider, the safest way to select it. At Ilkbyte the ID is the name.
      - If O(name) is also set, both must match the same snapshot. Not supported with several O(servers).
      - A snapshot that the provider lists without a readable date, a known status or its server can be selected only by its ID.
    type: str
  start_server:
    description:
      - Start the server if it is stopped after the restore, for example because the snapshot was taken of a stopped server.
      - Has no effect with O(wait=false).
    type: bool
    default: true
  wait:
    description:
      - Whether to wait until the restore is finished, and with O(start_server) until the server runs.
      - With V(false) RV(server) is the state before the restore, and the restore may still fail.
      - A running server may not accept SSH connections yet. Use M(ansible.builtin.wait_for_connection) to wait for that.
  wait_timeout:
    default: 1800
notes:
  - The module never skips a restore because of RV(rewind.vps.snapshot#module:snapshot.current). This flag marks the snapshot from which
    the server's state descends. The disk may have changed since.
  - At Ilkbyte, a restore is successful if the snapshot has become the current one and the server has the snapshot's power state.
    Otherwise the task fails.
  - At VPS.org, a restore is successful if the server was restoring and runs afterwards. A server that is stopped afterwards is
    not started, and the task fails with RV(ignore:error.outcome) V(unknown).
  - Neither provider verifies the disk's content (see RV(verified)). To verify it, check that something written after the snapshot is gone.
  - VPS.org does not state which snapshot is being restored. If the task joins a restore, it warns. If that restore may be of
    another snapshot, run the task again.
  - Ilkbyte does not distinguish a restore from other operations. With O(wait=true), the task waits for a busy server. It joins a restore only
    if the snapshot becomes the current one during that time. In all other cases, also if the snapshot was current before, it fails
    with RV(ignore:error.kind) V(busy) and requests nothing.
  - SSH connections to the server do not survive. Reset them with M(ansible.builtin.meta) and V(reset_connection).
seealso:
  - module: rewind.vps.snapshot
  - module: rewind.vps.snapshot_info
"""

EXAMPLES = r"""
# From the command line, with VPS_API_TOKEN exported. First a preview, then the restore:
#   ansible localhost -m rewind.vps.snapshot_restore -a "provider=vpsorg server=web1 name=preupgrade" --check
#   ansible localhost -m rewind.vps.snapshot_restore -a "provider=vpsorg server=web1 name=preupgrade"

- name: Restore a web server to its state before the upgrade
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

    - name: Reset the SSH connection
      ansible.builtin.meta: reset_connection

    - name: Wait for SSH
      ansible.builtin.wait_for_connection:
        timeout: 300

- name: Restore the newest ready nightly snapshot at Ilkbyte
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: ilkbyte # the keys are in ILKBYTE_ACCESS_KEY and ILKBYTE_SECRET_KEY
  tasks:
    - name: Find it
      rewind.vps.snapshot_info:
        server: app1
        match: nightly*
        status: [ready]
      register: nightly

    - name: Restore it by its ID
      rewind.vps.snapshot_restore:
        server: app1
        id: "{{ nightly.snapshots[0].id }}"
"""

RETURN = r"""
msg:
  description: What was done, or what failed and what to do next.
  returned: always
  type: str
  sample: Server web-server-01 (12345) is restored to snapshot pre-migration-snapshot (801)
already_in_progress:
  description:
    - Whether a restore was already in progress, so that this task requested none. RV(ignore:changed) is then V(false),
      unless the task started the server.
  returned: success, with O(server)
  type: bool
  sample: false
verified:
  description:
    - Whether the provider's status would have revealed a failed restore.
    - V(false) with a warning at Ilkbyte, if the snapshot was already the current one and contains a stopped server.
    - V(false) with O(wait=false).
  returned: success, with O(server)
  type: bool
  sample: true
snapshot:
  description: The snapshot as listed before the restore, with the keys of RV(rewind.vps.snapshot#module:snapshot).
  returned: success, with O(server)
  type: dict
server:
  description:
    - The server after the restore, with the keys of RV(rewind.vps.snapshot#module:server).
    - With O(wait=false) and in check mode, its state before the restore.
  returned: success, with O(server)
  type: dict
by_server:
  description: The result of each server, as RV(rewind.vps.snapshot#module:by_server).
  returned: with O(servers)
  type: dict
failed_servers:
  description: The servers that failed, with the keys of RV(rewind.vps.snapshot#module:failed_servers). Empty if none failed.
  returned: with O(servers)
  type: list
  elements: dict
error:
  description: The error as data, with the keys of RV(rewind.vps.snapshot#module:error).
  returned: on failure, unless Ansible itself rejects the options
  type: dict
"""

from ..module_utils._ansible_module import run_module
from ..module_utils._module import snapshot_restore


def main() -> None:
    run_module(snapshot_restore)


if __name__ == "__main__":
    main()
