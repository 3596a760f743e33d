#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation only: the work is done on the controller by the action plugin of this name.

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade_guard
short_description: One step of the role guarded_upgrade, rarely used alone
version_added: 0.1.0
description:
  - Does one step of the role C(rewind.vps.guarded_upgrade), which upgrades a server and undoes the upgrade unless it is confirmed.
    Use the role; its options and what it promises are shown by C(ansible-doc -t role rewind.vps.guarded_upgrade).
  - The steps belong together. Each takes the run from where the step before has left it, and one that can't follow is refused.
  - From O(step=start_guard) on, a process of its own on the controller, the guard, watches over the server. It outlives
    C(ansible-playbook). It alone writes the run's receipt, takes the snapshot and asks for the restore, so that none of them is done twice.
  - From O(step=arm) on, the guard restores the run's snapshot when the run ends without a word, or when a part of the upgrade has
    taken longer than it may.
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
options:
  step:
    description:
      - V(plan) looks at the cloud, the user's files and the receipts, and decides what comes next. Changes nothing.
      - V(find_interrupted) looks for what an earlier run has left, to be ended. Where there is nothing, RV(run.next) is V(none), and nothing
        is to be begun. Changes nothing.
      - V(start_guard) starts the guard and writes the receipt.
      - V(request_snapshot) has the guard take the run's snapshot, and does not wait for it. So the snapshots of many hosts are taken together,
        however few forks there are.
      - V(wait_snapshot) waits until that snapshot is ready, and fails where it does not become so. It asks for none.
      - V(arm) makes the guard act, from here on, on an end without a word.
      - V(start_upgrade) and V(start_checks) begin the two parts of the upgrade, each with its time.
      - V(check_units) fails where a unit of the server fails that did not fail before.
      - V(confirm) ends the guard's watch over the upgrade. It is not rolled back any more.
      - V(trim) deletes the role's snapshots of the server beyond O(keep_snapshots).
      - V(save_diagnostics) keeps the failed task and the server's logs, with secrets taken out.
      - V(roll_back) has the guard restore exactly the run's snapshot, and does not wait for it.
      - V(wait_restore) waits until that restore is over. It asks for none.
      - V(verify) holds the restored server against what it was before its snapshot. Changes nothing.
      - V(finish) writes the outcome into the receipt.
      - V(rollout_table) gathers all hosts of this run in a table, and writes it as JSON too.
      - V(acknowledge) writes into the receipt that the outcome was told, so that the next run need not. The guard goes.
      - V(find_last) finds the snapshot of the last run, for a restore by hand. Changes nothing.
      - V(prune) does what V(trim) does, without an upgrade.
    type: str
    required: true
    choices:
      - plan
      - find_interrupted
      - start_guard
      - request_snapshot
      - wait_snapshot
      - arm
      - start_upgrade
      - start_checks
      - check_units
      - confirm
      - trim
      - save_diagnostics
      - roll_back
      - wait_restore
      - verify
      - finish
      - rollout_table
      - acknowledge
      - find_last
      - prune
  provider:
    description:
      - Needed where the cloud is asked, which is all steps but a few. Falls back to the host's variable C(rewind_provider), too.
    required: false
  server:
    description:
      - What the cloud calls the server. At VPS.org its number, UUID, name or hostname; at Ilkbyte its name.
      - Where it is not given, it is found by the host's name in the inventory, else by its address C(ansible_host). A host whose name
        belongs to one server and its address to another is refused.
      - Falls back to the host's variable C(rewind_server_id), too.
    type: str
  state_dir:
    description:
      - Folder on the controller for receipts, evidence and reports. What is made there is for its owner's eyes only.
    type: path
    default: ~/.local/state/rewind.vps
  run:
    description:
      - The run as the step before has returned it, RV(run). Needed by all steps but V(plan), V(find_interrupted),
        V(find_last), V(prune) and V(rollout_table).
    type: dict
  snapshot_prefix:
    description:
      - What the names of the snapshots begin with, letters and digits only. The run's id follows.
    type: str
    default: rewind
  tasks:
    description:
      - Files of tasks that upgrade the server. O(step=plan) looks whether they are there.
      - Looked for beside the playbook, in its C(tasks), in the current folder, and beside the inventory.
    type: list
    elements: str
    default: []
  checks:
    description:
      - Files of tasks that check the server. O(step=plan) looks whether they are there.
    type: list
    elements: str
    default: []
  notify_tasks:
    description:
      - Files of tasks that tell others how it ended. O(step=plan) looks whether they are there.
    type: list
    elements: str
    default: []
  roles:
    description: Roles to upgrade with, beside or in place of O(tasks).
    type: list
    elements: str
    default: []
  check_ports:
    description: TCP ports that must answer on the server itself after the upgrade, each from 1 to 65535.
    type: list
    elements: int
    default: []
  check_urls:
    description: URLs that must answer the controller after the upgrade.
    type: list
    elements: str
    default: []
  quiesce_services:
    description: Services that are stopped while the snapshot is taken.
    type: list
    elements: str
    default: []
  verify_files:
    description: Files on the server that must be the same after a rollback as before the snapshot.
    type: list
    elements: str
    default: []
  diagnostics_log_files:
    description: Files on the server whose ends are kept before a rollback.
    type: list
    elements: str
    default: []
  reboot_timeout:
    description: Seconds within which the server must be back from its reboot, from 1 to 86400.
    type: int
    default: 600
  connection_timeout:
    description: Seconds within which one must be able to log in after the restore, from 1 to 86400.
    type: int
    default: 300
  diagnostics_timeout:
    description: Seconds that fetching the logs may take, from 1 to 3600.
    type: int
    default: 30
  auto_recover_within:
    description:
      - Seconds within which a run that was cut off may be taken up or rolled back without asking, from 0 to 604800. They are counted
        from when the time was up that its last part had.
    type: int
    default: 1800
  accept_run:
    description:
      - The id of a run that was cut off, and whose server is to be taken as it is.
    type: str
  marker_dir:
    description:
      - Folder on the server for the marker, a file that is written after the snapshot, so that a restore takes it away.
    type: str
    default: /var/tmp
  stop_server:
    description:
      - Whether the server is stopped for its snapshot and started again.
    type: bool
    default: false
  snapshot_timeout:
    description:
      - Seconds that the snapshot may take, from 1 to 86400. They begin with O(step=request_snapshot).
    type: int
    default: 1800
  timeout:
    description:
      - Seconds that the upgrade may take with its reboot, from 1 to 86400. They begin with O(step=start_upgrade).
    type: int
    default: 3600
  check_timeout:
    description:
      - Seconds that the checks may take, from 1 to 86400. They begin with O(step=start_checks).
    type: int
    default: 300
  rollback_timeout:
    description:
      - Seconds that the guard may try to restore the snapshot, from 1 to 86400.
      - As long, or as long as O(snapshot_timeout) if that is longer, O(step=plan) waits for the guard of an earlier run that was cut off.
    type: int
    default: 3600
  grace_period:
    description:
      - Seconds that the guard waits beyond O(timeout) and O(check_timeout) before it acts, from 1 to 3600. In them the run itself
        can end what it does and collect evidence.
    type: int
    default: 120
  keep_snapshots:
    description:
      - How many of the role's snapshots of the server O(step=trim) and O(step=prune) leave, newest first, from 0 to 100.
      - A snapshot counts as the role's when its name is O(snapshot_prefix) and the id of a run. One with a schedule is never deleted.
    type: int
    default: 1
  probe:
    description:
      - What the role's look at the server has printed. Its boot id, failed units, markers and checksums of files.
    type: str
  failed_task:
    description:
      - The task that failed, C(ansible_failed_task). Its result is not kept where it has C(no_log).
    type: raw
  failed_result:
    description:
      - Its result, C(ansible_failed_result).
    type: raw
  server_log:
    description:
      - The server's logs as text. The last 2000000 characters are kept.
    type: str
  reason:
    description:
      - Why the snapshot is restored, for people.
    type: str
  checks_result:
    description:
      - What the checks on the restored server have shown.
    type: str
    choices: [passed, failed, not_run]
    default: not_run
  outcome:
    description:
      - How the run ended, RV(outcome).
    type: str
  message:
    description:
      - The same for people, RV(message).
    type: str
  verification:
    description:
      - What speaks for it, RV(verification).
    type: list
    elements: dict
    default: []
  hosts:
    description:
      - The hosts of the table, in its order.
    type: list
    elements: str
    default: []
attributes:
  action:
    description: Has an action plugin of the same name that does the work on the controller.
    support: full
    details: There is no module besides. The server's own Python is not needed.
  action_group:
    description: Is in these action groups, for C(module_defaults).
    support: full
    membership: [rewind.vps.all]
  async:
    description: Can be run with C(async).
    support: none
  become:
    description: Is usable alongside C(become).
    support: none
    details: Whatever C(become) says, the work is done as the user who runs C(ansible-playbook).
  check_mode:
    description: Can run with C(--check) and predict whether it would change something.
    support: partial
    details:
      - V(plan), V(find_last), V(prune) and V(rollout_table) can, and change nothing then. Credentials are needed.
      - The other steps do not look at check mode and do their work. The role leaves them out then.
  connection:
    description: Uses the host's connection.
    support: none
    details: Only the name of the host's connection plugin is looked at.
  delegation:
    description: Can be used with C(delegate_to).
    support: none
    details: It runs on the controller in any case, and is about the host that the inventory names.
  diff_mode:
    description: Shows with C(--diff) what is changed, or in check mode what would be.
    support: none
  platform:
    description: Operating systems that the task can run on (not that of the server it is about).
    support: full
    platforms: posix
notes:
  - The options that the role has too are read from the role's variables, C(guarded_upgrade_timeout) for O(timeout). A credential, a
    cloud's address and the like in such a variable come before C(module_defaults). What a task says itself comes first for all
    other options.
  - Credentials reach the guard through a pipe. They are not on its command line, in its environment or in any file.
  - The guard ends with the machine or container that it runs in. The next run then finds the receipt, and rolls back or asks.
seealso:
  - module: rewind.vps.snapshot_restore
  - module: rewind.vps.snapshot_info
  - plugin: rewind.vps.guarded_ssh
    plugin_type: connection
"""

EXAMPLES = r"""
- name: Upgrade web servers behind a guard, which is what this is for
  hosts: web
  serial: 1
  gather_facts: false
  roles:
    - role: rewind.vps.guarded_upgrade

- name: See what the last guarded upgrade of each server has left
  hosts: web
  gather_facts: false
  tasks:
    - name: Find its snapshot, which is an error where there is none any more
      rewind.vps.upgrade_guard:
        step: find_last
        provider: vpsorg
        server: "{{ inventory_hostname }}"
      register: last

    - name: Show what a restore would mean
      ansible.builtin.debug:
        msg: "{{ last.plan }}"
"""

RETURN = r"""
msg:
  description: What was done, or what went wrong and what to do next, for people.
  returned: always
  type: str
  sample: The upgrade of server web1 (12345) is confirmed; it is not rolled back any more
run:
  description: How the run stands. It goes into O(run) of the next step.
  returned: success, with all steps but V(prune) and V(rollout_table)
  type: dict
  contains:
    next:
      description:
        - What is to be done with the server, as O(step=plan) and O(step=find_last) decide.
        - V(upgrade), V(roll_back) (an earlier run was cut off, or it is asked for by hand), V(clean_up) (an earlier run had confirmed
          its upgrade) or V(report) (an earlier run has ended, and nobody was told how).
      type: str
      returned: always
    resumed:
      description: Whether the receipt of an earlier run is used on.
      type: bool
      returned: always
    manual:
      description: V(true) for a restore that is asked for by hand.
      type: bool
      returned: after O(step=find_last)
    run_id:
      description: The run's id, the time in UTC when it was planned and four random characters.
      type: str
      returned: always
    snapshot_name:
      description: The name of its snapshot.
      type: str
      returned: always
    run_record:
      description: The path of its receipt on the controller. Evidence lies beside it.
      type: str
      returned: always
    marker:
      description: The path of its marker on the server.
      type: str
      returned: always
    marker_written:
      description: Whether the marker was written.
      type: bool
      returned: from O(step=start_guard) on
    server:
      description: The server as the cloud has it, as RV(rewind.vps.server_info#module:servers).
      type: dict
      returned: always
    cloud:
      description: What the cloud is called.
      type: str
      returned: always
    match:
      description: The pattern of the role's snapshot names.
      type: str
      returned: always
    connection:
      description: The host's connection plugin.
      type: str
      returned: always
    tasks:
      description: The paths of O(tasks).
      type: list
      elements: str
      returned: always
    checks:
      description: The paths of O(checks).
      type: list
      elements: str
      returned: always
    notify_tasks:
      description: The paths of O(notify_tasks).
      type: list
      elements: str
      returned: always
    state:
      description:
        - V(planned), V(snapshotting), V(snapshot_ready), V(armed), V(upgrading), V(checking), V(confirmed), V(restoring),
          V(restored) or V(ended).
      type: str
      returned: from O(step=start_guard) on
    outcome:
      description: As RV(outcome), or null while it has not ended.
      type: str
      returned: from O(step=start_guard) on
    snapshot:
      description: C(id), C(name) and C(created_at) of the snapshot. The first and the last are null before it is ready.
      type: dict
      returned: from O(step=start_guard) on
    deadline:
      description: When the time of this part is up, in seconds since 1970 (UTC).
      type: int
      returned: O(step=start_upgrade) and O(step=start_checks)
plan:
  description: What would be done, in lines for people.
  returned: O(step=plan), O(step=find_interrupted) and O(step=find_last)
  type: list
  elements: str
snapshot:
  description: The snapshot, as RV(rewind.vps.snapshot#module:snapshot).
  returned: O(step=wait_snapshot)
  type: dict
pruned:
  description: The snapshots that were deleted, or would be in check mode, as RV(rewind.vps.snapshot_info#module:snapshots).
  returned: O(step=wait_snapshot), O(step=trim) and O(step=prune)
  type: list
  elements: dict
server:
  description: The server, as RV(rewind.vps.server_info#module:servers).
  returned: O(step=prune)
  type: dict
outcome:
  description:
    - How the run ended. V(upgraded) the upgrade is confirmed. V(rolled_back) the snapshot is restored. V(rollback_failed) it is not, or
      the server shows otherwise. V(unknown) nobody can tell. V(not_started) nothing was changed on the server.
  returned: O(step=verify)
  type: str
message:
  description: The same in a sentence.
  returned: O(step=verify)
  type: str
reason:
  description: Why the snapshot was restored, or null.
  returned: O(step=verify)
  type: str
next:
  description: What a person does now, or an empty text.
  returned: O(step=verify)
  type: str
verification:
  description: What speaks for the outcome and what does not.
  returned: O(step=verify)
  type: list
  elements: dict
  contains:
    check:
      description: V(cloud), V(server), V(marker), V(boot), V(files) or V(checks).
      type: str
      returned: always
    result:
      description: V(passed), V(inconclusive) or V(failed).
      type: str
      returned: always
    detail:
      description: What was seen.
      type: str
      returned: always
  sample:
    - check: marker
      result: passed
      detail: the marker that was written after the snapshot is gone
rows:
  description: One dictionary for each of O(hosts).
  returned: O(step=rollout_table)
  type: list
  elements: dict
  contains:
    host:
      description: How the inventory calls the server.
      type: str
      returned: always
    cloud:
      description: What the cloud is called, or null where the run did not come to the host.
      type: str
      returned: always
    server:
      description: C(id), C(name) and C(address) of the server, or null.
      type: dict
      returned: always
    snapshot:
      description: C(id), C(name) and C(created_at) of the snapshot, or null.
      type: dict
      returned: always
    outcome:
      description:
        - As RV(outcome), or V(in_progress) while the run has not ended, or V(not_reached) where the run did not come to the host.
      type: str
      returned: always
    state:
      description: The state that the run is in, as RV(run.state), or null where the run did not come to the host.
      type: str
      returned: always
    message:
      description: The same in a sentence, or null.
      type: str
      returned: always
    reason:
      description: Why the snapshot was restored, or null.
      type: str
      returned: always
    seconds_upgrading:
      description: Seconds from the beginning of the upgrade to its confirmation or to the restore, or null.
      type: float
      returned: always
    seconds_rolling_back:
      description: Seconds that the restore took, or null.
      type: float
      returned: always
    verification:
      description: As RV(verification).
      type: list
      elements: dict
      returned: always
    run_record:
      description: The path of the receipt, or null.
      type: str
      returned: always
    run_id:
      description: The run's id, or null.
      type: str
      returned: always
table:
  description: The same in lines for people.
  returned: O(step=rollout_table)
  type: list
  elements: str
path:
  description: The file with the same as JSON, or null where nothing was begun and in check mode.
  returned: O(step=rollout_table)
  type: str
error:
  description: What went wrong, as RV(rewind.vps.snapshot_restore#module:error).
  returned: on failure, except where Ansible itself refuses the options or a file of the collection's own can't be read or written
  type: dict
"""
