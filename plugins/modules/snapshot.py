#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Take or delete a snapshot of a VPS
version_added: 0.1.0
description:
  - Makes sure that a server has a ready snapshot of a name, or has none.
  - A snapshot of that name that is being made already is adopted and waited for, and no second one made. A failed one is
    deleted and taken again. Tasks of one user on one machine take turns at a server; only from two machines at
    the very same moment can two of one name be made, and only at VPS.org.
  - Can retake a snapshot that is too old (O(max_age)) and delete old ones by a name pattern (O(retain)). Nothing that the
    pattern does not name is deleted, except failed or outdated snapshots of O(name) itself.
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
      - The snapshot's name. Required with O(state=present).
      - VPS.org takes letters, digits, hyphens and underscores. Ilkbyte takes letters and digits only. Another name is
        refused before anything is sent. A name of letters and digits suits both.
      - VPS.org may have several snapshots of one name on a server. V(present) is satisfied by the newest that is ready;
        V(absent) then needs O(id), and the error lists them.
    type: str
  id:
    description:
      - The snapshot's identity at the cloud. At Ilkbyte that is its name.
      - With O(state=absent) it says which snapshot to delete. When O(name) is given too, both must mean the same one.
      - Not with several O(servers).
      - With O(state=present) it can only confirm that this snapshot is there, ready (or being made) and young enough; else
        the task fails, since an id for a new one can't be chosen.
    type: str
  description:
    description:
      - A text for people, kept by VPS.org. Set when the snapshot is made and never changed afterwards, since there is no
        call for it; a different text on one that is there is not a change.
      - Refused at Ilkbyte, which keeps no descriptions, and with O(state=absent).
    type: str
  state:
    description:
      - V(present) makes sure that there is a ready snapshot of that name.
      - V(absent) deletes it for good. One that is not there is fine.
    type: str
    choices: [present, absent]
    default: present
  max_age:
    description:
      - Retake the snapshot when it is older than this, by the cloud's clock. One without a date counts as too old.
      - A number of seconds, or numbers with V(s), V(m), V(h), V(d), V(w), such as V(45m), V(12h), V(1d12h). Greater than zero.
      - At VPS.org the new one is made first and the old one deleted when the new one is ready, so a free place is needed.
        With O(wait=false) the old one stays, and a warning says so.
      - At Ilkbyte the cloud takes it anew in place; if that goes wrong, the old one may be gone.
      - Refused with O(state=absent).
    type: str
  retain:
    description:
      - Delete old snapshots of this server once the wished one is ready, also when it was there already.
      - Snapshots on which a schedule hangs and those without a date are never deleted by this.
      - Refused with O(state=absent) and with O(wait=false).
    type: dict
    suboptions:
      count:
        description:
          - How many ready snapshots to keep among those that O(retain.match) names, from 1 to 10000. The newest stay.
          - The snapshot of this task is never deleted, and counts if the pattern names it.
        type: int
        required: true
      match:
        description:
          - Shell-style pattern of the names that may be deleted, case-sensitive, for example V(nightly*).
          - Choose it so that it names only what your own automation made.
        type: str
        required: true
  when_full:
    description:
      - What to do when the server has as many snapshots as the cloud allows. VPS.org allows 5 per server. For Ilkbyte no
        limit is known, so there this does nothing; a limit that it has all the same is an error with its own words.
      - V(fail) changes nothing and lists the snapshots.
      - V(prune) first deletes what O(retain.match) names, failed ones first, then the oldest, just as many as needed. The
        place is made before the new snapshot is, so for that time there is one less to go back to. Where the pattern does
        not name enough, nothing is deleted and the task fails.
      - V(prune) needs O(retain).
    type: str
    choices: [fail, prune]
    default: fail
  stop_server:
    description:
      - Shut the server down before the snapshot is taken, and start it again afterwards, also when the snapshot fails.
      - A snapshot of a running server may hold an inconsistent file system. Use this, or stop the services that write
        (databases above all), when the snapshot must be sound.
      - The system inside is asked to shut down; it is never switched off hard. If it does not stop within O(wait_timeout),
        the task fails; it is watched then, so that a late stop does not leave it off.
      - Starting it again may take longer than O(wait_timeout), up to 300 seconds and the usual time of a snapshot, since a
        cloud may refuse it while the snapshot is still being made.
      - With O(servers) at most O(concurrency) are off at the same time.
      - A server that is off already stays off. When there is nothing to take, the server is left alone. Where a task with this
        option was killed (C(kill -9)), the next task of this module on the same machine starts the server within a day, with a
        warning, whatever else it does.
      - At Ilkbyte a snapshot of a stopped server restores to a stopped server; M(rewind.vps.snapshot_restore) then starts it.
      - Refused with O(state=absent) and with O(wait=false).
    type: bool
    default: false
  wait:
    description:
      - Whether the task waits until the snapshot is ready. VPS.org needs 3 to 10 minutes; Ilkbyte does not say.
      - With V(true) a server in the middle of something else is waited for as well; with V(false) that is an error. Where it
        becomes busy only after the task has looked, the cloud may refuse, and nothing is changed.
      - With V(false) RV(snapshot.status) is V(pending), and nobody has seen yet whether the snapshot succeeds. Run the task
        again with V(true), or look with M(rewind.vps.snapshot_info), before you rely on it.
      - With O(state=absent) and V(true), a snapshot that is being made is waited for, then deleted.
  wait_timeout:
    default: 1200
notes:
  - Delete the snapshot when the upgrade has gone well. At VPS.org it holds one of five places, and an old snapshot is
    tempting and wrong to restore, since everything written after it would be lost.
seealso:
  - module: rewind.vps.snapshot_info
  - module: rewind.vps.snapshot_restore
  - module: rewind.vps.snapshot_cron
"""

EXAMPLES = r"""
# From the command line, with VPS_API_TOKEN exported:
#   ansible localhost -m rewind.vps.snapshot -a "provider=vpsorg server=web1 name=preupgrade" --check

- name: Snapshot every web server before an upgrade
  hosts: web
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: vpsorg
      api_token: "{{ vault_vpsorg_token }}" # from a file encrypted with ansible-vault
  tasks:
    - name: Take a snapshot, at most an hour old
      rewind.vps.snapshot:
        server: "{{ inventory_hostname }}"
        name: preupgrade
        description: Before the upgrade to release 24
        max_age: 1h
      delegate_to: localhost
      register: before_upgrade

    - name: Remember which one it is
      ansible.builtin.debug:
        msg: "Way back: {{ before_upgrade.snapshot.id }} of {{ before_upgrade.snapshot.created_at }}"

- name: Snapshot a whole fleet in one task
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Take all snapshots at the same time
      rewind.vps.snapshot:
        provider: vpsorg
        servers: "{{ groups['web'] }}"
        name: preupgrade
        max_age: 1h
      register: before_upgrade

    - name: Remember which ones they are
      ansible.builtin.debug:
        msg: "Way back of {{ item.key }}: {{ item.value.snapshot.id }}"
      loop: "{{ before_upgrade.by_server | dict2items }}"
      loop_control:
        label: "{{ item.key }}"

- name: Nightly snapshots of a database server, the newest three kept
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: vpsorg # the token comes from VPS_API_TOKEN
  tasks:
    - name: Take tonight's snapshot with the server stopped
      rewind.vps.snapshot:
        server: db1
        name: "nightly-{{ now(utc=true, fmt='%Y%m%d') }}"
        stop_server: true
        when_full: prune
        retain:
          count: 3
          match: nightly-*

- name: Clean up after a successful upgrade
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Delete the snapshot at Ilkbyte
      rewind.vps.snapshot:
        provider: ilkbyte
        access_key: "{{ vault_ilkbyte_access_key }}"
        secret_key: "{{ vault_ilkbyte_secret_key }}"
        server: app1
        name: preupgrade
        state: absent

    - name: Delete one of two of the same name at VPS.org
      rewind.vps.snapshot:
        provider: vpsorg
        server: web1
        id: "798"
        state: absent
"""

RETURN = r"""
msg:
  description: What was found or done, or what went wrong and what to do next, for people.
  returned: always
  type: str
  sample: Snapshot before-update-snapshot (802) of server web-server-01 (12345) is made
snapshot:
  description:
    - The snapshot that is there now. Null with O(state=absent), and where there is none.
    - In check mode one that would be made has no RV(snapshot.id) yet.
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
  description: All snapshots of the server after the task, newest first. Each has the keys of RV(snapshot).
  returned: success, with O(server)
  type: list
  elements: dict
  sample:
    - id: "802"
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
pruned:
  description:
    - What was deleted besides, or in check mode would be, by O(retain), O(when_full) or because it had failed or was too
      old. Each has the keys of RV(snapshot). The snapshot that O(state=absent) deletes is not in it.
    - On failure what had been deleted by then.
  returned: with O(server) on success; on failure where something had been deleted
  type: list
  elements: dict
  sample: []
server:
  description: The server. Where the task had no need to ask for it, all but RV(server.id) may be null.
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
      msg: Snapshot preupgrade (802) of server web1 (12345) is made
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
    kind: limit_reached
    outcome: not_applied
    operation: null
    server: web-server-01 (12345)
    snapshot: before-update-snapshot
    http_status: null
    provider_message: null
    hint: "delete one (state: absent), or let old ones go: when_full: prune with retain.match"
"""

from ..module_utils._ansible_module import run_module


def main() -> None:
    """Run the module."""
    run_module("snapshot")


if __name__ == "__main__":
    main()
