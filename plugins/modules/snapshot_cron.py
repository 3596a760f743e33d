#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_cron
short_description: Schedule a snapshot of a server at the provider
version_added: 0.1.0
description:
  - Creates, replaces or removes the provider's own schedule of a snapshot. On schedule, the provider re-creates the snapshot
    under the same name, so there is always exactly one snapshot of that name.
  - Only Ilkbyte has schedules. At VPS.org the task fails with RV(ignore:error.kind) V(unsupported). Use the role
    C(rewind.vps.snapshot_schedule) there, which uses a systemd timer or cron on another host and supports retention.
  - A schedule is attached to an existing snapshot. Create it first with M(rewind.vps.snapshot).
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.server
  - rewind.vps.attributes
options:
  name:
    description:
      - The name of the snapshot to which the schedule is attached.
      - With O(state=present), a missing snapshot is an error.
    type: str
    required: true
  day:
    description: Re-create the snapshot every this many days, from 1 to 365. Required with O(state=present).
    type: int
  hour:
    description:
      - The hour of the day at the provider, from 0 to 23. Required with O(state=present).
      - Ilkbyte uses Turkish time, UTC+03:00, regardless of the time zone of the server or the controller. For 03:00
        UTC specify V(6).
    type: int
  minute:
    description: The minute of the hour, from 0 to 59. Required with O(state=present).
    type: int
    aliases: [min]
  state:
    description:
      - V(present) ensures that the snapshot is re-created every O(day) days at O(hour):O(minute).
      - V(absent) removes the schedule and keeps the snapshot. O(day), O(hour) and O(minute) are ignored.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Ilkbyte cannot change a schedule, so the module removes the old one and adds the new one. If the new one is rejected, the module
    restores the old one and fails. If that is not possible either, or if it is unknown whether the new one was
    added, the error states that the old schedule is gone.
  - Ilkbyte lists a schedule as a sentence. If the sentence is not recognized, the module compares only the time of day of the next run
    and not the number of days, and warns.
  - Ilkbyte's documentation describes O(hour) and O(minute) as "every how many hours" and "every how many minutes". Its
    listing, however, shows a time of day, "every 1 day at 02:03". This module uses them as the time of day. Check
    C(next_run) with M(rewind.vps.snapshot_info) after you have created a schedule.
  - The provider does not stop the server. A snapshot of a running server may contain an inconsistent file system.
  - Deleting the snapshot removes its schedule. O(rewind.vps.snapshot#module:retain) and
    O(rewind.vps.snapshot#module:when_full) therefore never delete a snapshot with a schedule.
seealso:
  - module: rewind.vps.snapshot
  - module: rewind.vps.snapshot_info
"""

EXAMPLES = r"""
# From the command line, with ILKBYTE_ACCESS_KEY and ILKBYTE_SECRET_KEY exported:
#   ansible localhost -m rewind.vps.snapshot_cron --check --diff \
#     -a "provider=ilkbyte server=app1 name=nightly day=1 hour=2 minute=3"

- name: Schedule a nightly snapshot of every application server
  hosts: app
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: ilkbyte
      access_key: "{{ vault_ilkbyte_access_key }}" # from a file encrypted with ansible-vault
      secret_key: "{{ vault_ilkbyte_secret_key }}"
  tasks:
    - name: Create the snapshot for the schedule
      rewind.vps.snapshot:
        server: "{{ inventory_hostname }}"
        name: nightly
      delegate_to: localhost

    - name: Re-create it every day at 02:03, the provider's time (23:03 UTC)
      rewind.vps.snapshot_cron:
        server: "{{ inventory_hostname }}"
        name: nightly
        day: 1
        hour: 2
        minute: 3
      delegate_to: localhost

    - name: Remove another schedule and keep its snapshot
      rewind.vps.snapshot_cron:
        server: "{{ inventory_hostname }}"
        name: weekly
        state: absent
      delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What was found or done, or what failed and what to do next.
  returned: always
  type: str
  sample: The schedule of snapshot nightly of server app1 is set
schedule:
  description: The schedule after the task, or null without a schedule.
  returned: success
  type: dict
  contains:
    day:
      description: The number of days between two runs, or null if the provider's sentence is not recognized.
      type: int
    hour:
      description: The hour of the day at the provider, or null if it is unknown.
      type: int
    minute:
      description: The minute of the hour, or null if it is unknown.
      type: int
    last_run:
      description: The time of the last run, UTC, ISO 8601, or null. Null if this task has just created the schedule.
      type: str
    next_run:
      description: The time of the next run, UTC, ISO 8601, or null. Null if this task has just created the schedule.
      type: str
  sample:
    day: 1
    hour: 2
    minute: 3
    last_run: "2020-11-23T23:03:00Z"
    next_run: "2020-11-24T23:03:00Z"
snapshot:
  description: The snapshot after the task, with the keys of RV(rewind.vps.snapshot#module:snapshot), or null if there is none.
  returned: success
  type: dict
server:
  description:
    - The server, with the keys of RV(rewind.vps.snapshot#module:server).
    - Its power state and address are null if the task did not need them.
  returned: success
  type: dict
error:
  description: The error as data, with the keys of RV(rewind.vps.snapshot#module:error).
  returned: on failure, unless Ansible itself rejects the options
  type: dict
"""

from ..module_utils._ansible_module import run_module
from ..module_utils._module import snapshot_cron


def main() -> None:
    run_module(snapshot_cron)


if __name__ == "__main__":
    main()
