#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation only: the work is done on the controller by the action plugin of this name.

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade_guard
short_description: One step of the role guarded_upgrade
version_added: 0.1.0
description:
  - Internal. Use the role C(rewind.vps.guarded_upgrade). Its options are shown by C(ansible-doc -t role rewind.vps.guarded_upgrade).
  - Each step continues the run where the step before it has left it. A step that can't follow is refused.
  - From O(step=start_guard) on a watchdog process on the controller, the guard, outlives C(ansible-playbook). It alone writes the run
    record, takes the snapshot and requests the restore, so that none of them happens twice.
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.attributes
options:
  step:
    description:
      - V(plan) reads the provider, the user's files and the run records, and decides what comes next. Changes nothing.
      - V(check_server) runs commands on the server, waits for its package manager, and fails if something there would make the upgrade fail.
        Changes nothing.
      - V(find_interrupted) finds what an interrupted run has left. Changes nothing.
      - V(find_awaiting) finds an upgrade that awaits the confirmation by a person. Changes nothing.
      - V(find_last) finds the snapshot of the last run, for a manual restore. Changes nothing.
      - V(ask) asks the person at the terminal whether to restore. Changes nothing.
      - V(prune) deletes the role's snapshots of the server beyond C(keep_snapshots) of O(options), without an upgrade.
      - V(start_guard) starts the guard and writes the run record.
      - V(request_snapshot) has the guard take the run's snapshot, and does not wait for it.
      - V(wait_snapshot) waits until that snapshot is ready, and fails if it does not become ready.
      - V(arm) makes the guard roll back from now on if the run ends unexpectedly, and starts the time for the upgrade.
      - V(detect_reboot) finds out with O(script) whether the server needs a reboot. Changes nothing.
      - V(reboot) reboots a server on which no module of Ansible runs, and waits until it answers in another boot.
      - V(start_checks) starts the time for the checks. It fails if a new login is not possible, the server is worse than before the upgrade, or
        a check fails until the time is over.
      - V(check_failed) waits before the role repeats O(check), and fails if the time for checks is over.
      - V(soak) repeats the checks for C(soak_time), and fails as V(start_checks).
      - V(confirm) does the same if V(soak) has not, and ends the guard's watch over the upgrade. It is not rolled back any more. With
        C(confirm=manual) the guard waits for a person instead.
      - V(wait_confirmation) waits until a person has confirmed the upgrade, and fails if it is rolled back.
      - V(confirm_manually) confirms an upgrade that V(find_awaiting) has found.
      - V(save_diagnostics) saves the failed task and the server's logs, without secrets.
      - V(roll_back) has the guard restore the run's snapshot, and does not wait for it.
      - V(wait_restore) waits until that restore is finished.
      - V(reconnect) waits until the server answers, and probes it. Needs only a shell there. Does not fail if the server does not answer.
      - V(check_restored) makes the checks on the restored server. Does not fail.
      - V(verify) compares the restored server with its state before the snapshot. Changes nothing.
      - V(finish) records the outcome, and after an upgrade deletes the role's older snapshots.
      - V(rollout_table) writes the report of all hosts of the run, and shows it once per batch.
      - V(close_run) records that the outcome was reported, and fails unless the upgrade is confirmed. The guard exits.
    type: str
    required: true
    choices: [plan, check_server, find_interrupted, find_last, find_awaiting, ask, prune, start_guard, request_snapshot, wait_snapshot, arm,
              detect_reboot, reboot, start_checks, check_failed, soak, confirm, wait_confirmation, confirm_manually, save_diagnostics,
              start_rescue, end_rescue, roll_back, wait_restore, reconnect, check_restored, verify, start_restored, end_restored, finish,
              rollout_table, close_run]
  provider:
    description: Falls back to the host's variable C(rewind_provider), too.
    required: false
  server:
    description: The server's name or id at the provider. Falls back to C(rewind_server_id), then to the host's name or address.
    type: str
  run:
    description: The run as the first step has returned it, RV(run). Needed by all steps that start none.
    type: dict
  options:
    description:
      - The role's options without their prefix C(guarded_upgrade_), as C(ansible-doc -t role rewind.vps.guarded_upgrade) describes them.
      - The first step validates them. Later steps take them from O(run).
    type: dict
  script:
    description: What a step runs in the server's shell. It gets no terminal and no input.
    type: str
  probe:
    description: Output of the role's probe of the server.
    type: str
  failed_task:
    description: Name, action and C(no_log) of the task that failed.
    type: raw
  failed_result:
    description: Its result.
    type: raw
  check:
    description: A check of the run that has failed.
    type: dict
  deadline:
    description: When the time for checks is over, in seconds since 1970.
    type: int
  server_log:
    description: The server's logs as text. The last 2000000 characters are saved.
    type: str
  reason:
    description: Why the snapshot is restored.
    type: str
  connection_error:
    description: Why the restored server does not answer, as V(reconnect) has returned it.
    type: str
  checks_result:
    description: Result of the checks on the restored server.
    type: str
    choices: [passed, failed, not_run]
    default: not_run
  outcome:
    description: How the run ended, RV(outcome).
    type: str
  message:
    description: The same in a sentence, RV(message).
    type: str
  verification:
    description: What was verified, RV(verification).
    type: list
    elements: dict
    default: []
attributes:
  action:
    description: Has an action plugin of the same name that does the work on the controller.
    details: There is no module code. V(check_server) runs a module on the server if a later step needs one.
  async:
    support: none
    details: The task always runs in the controller's process.
  become:
    description: Is usable alongside C(become).
    support: partial
    details: It applies to O(script). All other work is done as the user who runs C(ansible-playbook).
  check_mode:
    support: partial
    details: V(plan), V(check_server), V(find_interrupted), V(find_last), V(prune) and V(rollout_table) can. The role skips the other steps.
  delegation:
    description: Can be used with C(delegate_to).
    support: none
    details: It always runs on the controller, for the host of the inventory.
  diff_mode:
    support: none
notes:
  - Credentials and the other options of the provider are read from the role's variables C(guarded_upgrade_X), which come before
    C(module_defaults). They reach the guard through a pipe and are in no file, command line or environment.
  - The guard ends with the machine or container that it runs in. The next run then finds the run record, and rolls back or asks.
seealso:
  - module: rewind.vps.snapshot_restore
  - plugin: rewind.vps.guarded_ssh
    plugin_type: connection
"""

EXAMPLES = r"""
- name: Upgrade web servers with automatic rollback
  hosts: web
  serial: 1
  gather_facts: false
  roles:
    - role: rewind.vps.guarded_upgrade
"""

RETURN = r"""
msg:
  description: What was done, or what went wrong and what to do next.
  returned: always
  type: raw
  sample: The upgrade of server web1 (12345) is confirmed; it is not rolled back any more
run:
  description: State of the run. The value of the first step is O(run) of all later steps.
  returned: success, with all steps but V(prune), V(detect_reboot), V(reboot) and V(rollout_table)
  type: dict
  contains:
    next:
      description: V(upgrade), V(roll_back), V(clean_up), V(report) or V(none), what is to be done with the server.
      type: str
    options:
      description: The validated O(options).
      type: dict
    run_id:
      description: The run's id.
      type: str
    run_record:
      description: The path of its run record on the controller.
      type: str
    marker:
      description: The path of its rollback marker on the server.
      type: str
    state:
      description: State of the run record.
      type: str
      returned: from O(step=start_guard) on
    deadline:
      description: When the time of this phase ends, in seconds since 1970 (UTC).
      type: int
      returned: O(step=arm) and O(step=start_checks)
plan:
  description: What would be done, line by line.
  returned: O(step=plan), O(step=find_interrupted) and O(step=find_last)
  type: list
  elements: str
user_input:
  description: What the person at the terminal answered; empty without a terminal.
  returned: O(step=ask)
  type: str
package_manager:
  description: The package manager of the server, if the role itself upgrades packages.
  returned: O(step=check_server)
  type: str
upgrade_script:
  description: A shell script that upgrades the selected packages; empty if a module of Ansible does it.
  returned: O(step=check_server)
  type: str
lock_script:
  description: A shell script that shows who has locked a package manager, for the probe of O(step=arm).
  returned: O(step=check_server)
  type: str
snapshot:
  description: The snapshot, as RV(rewind.vps.snapshot#module:snapshot).
  returned: O(step=wait_snapshot)
  type: dict
pruned:
  description: The snapshots that were deleted, or would be in check mode, as RV(rewind.vps.snapshot_info#module:snapshots).
  returned: O(step=wait_snapshot), O(step=finish) and O(step=prune)
  type: list
  elements: dict
server:
  description: The server, as RV(rewind.vps.server_info#module:servers).
  returned: O(step=prune)
  type: dict
stdout:
  description: Output of the probe; with O(step=reconnect) empty if the server does not answer.
  returned: O(step=check_server) and O(step=reconnect)
  type: str
connection_error:
  description: Why the server does not answer, in ssh's own words; empty if it answers.
  returned: O(step=reconnect)
  type: str
outcome:
  description: V(upgraded), V(rolled_back), V(rollback_failed), V(unknown) or V(not_started).
  returned: O(step=confirm) and O(step=verify)
  type: str
message:
  description: The same in a sentence.
  returned: O(step=confirm) and O(step=verify)
  type: str
reason:
  description: Why the snapshot was restored.
  returned: O(step=confirm) and O(step=verify)
  type: str
next:
  description: What to do now.
  returned: O(step=confirm) and O(step=verify)
  type: str
verification:
  description: Findings, each with C(check), C(result) (V(passed), V(inconclusive) or V(failed)) and C(detail).
  returned: O(step=confirm) and O(step=verify)
  type: list
  elements: dict
error:
  description: What went wrong, as RV(rewind.vps.snapshot_restore#module:error).
  returned: on failure
  type: dict
"""
