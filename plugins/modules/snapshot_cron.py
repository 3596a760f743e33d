#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_cron
short_description: Schedule a snapshot of a VPS at the cloud
version_added: 0.1.0
description:
  - Sets or removes the cloud's own schedule of a snapshot. The cloud then takes that snapshot anew each time, under the
    same name, so there is always one of that name and never more.
  - Only Ilkbyte has schedules. At VPS.org this module is an error (RV(error.kind) V(unsupported)); there the role
    C(rewind.vps.snapshot_schedule) has a systemd timer or cron of a host of yours take them, with retention.
  - A schedule hangs on a snapshot that is there. Make it first with M(rewind.vps.snapshot).
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.server
  - rewind.vps.attributes
options:
  name:
    description:
      - The name of the snapshot that the schedule hangs on.
      - With O(state=present) a snapshot that is missing is an error; with O(state=absent) it is fine.
    type: str
    required: true
  day:
    description:
      - Take it every so many days, from 1 to 365. Required with O(state=present).
    type: int
  hour:
    description:
      - The hour of the day at the cloud, from 0 to 23. Required with O(state=present).
      - Ilkbyte's time of day is that of Turkey, UTC+03:00, whatever the time zone of the server or the controller. For 03:00
        UTC give V(6).
    type: int
  minute:
    description:
      - The minute of the hour, from 0 to 59. Required with O(state=present).
    type: int
    aliases: [min]
  state:
    description:
      - V(present) makes sure that the snapshot is taken every O(day) days at O(hour):O(minute).
      - V(absent) removes the schedule. The snapshot itself stays; O(day), O(hour) and O(minute) are not looked at.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Ilkbyte has no call that changes a schedule, so the old one is removed and the new one added. If the new one is not
    taken, the old one is put back and the task fails and says so. If that can't be done either, or it is unknown whether
    the new one was taken, the error says that the old one is gone.
  - Ilkbyte tells a schedule as a sentence. Where that can't be read, only the time of day of the next run is compared and
    not every how many days, and a warning says so.
  - Ilkbyte's documentation words O(hour) and O(minute) as "every how many hours" and "every how many minutes", but its
    own listing reads as a time of day, "every 1 day at 02:03". This module takes them as the time of day. Look at
    C(next_run) with M(rewind.vps.snapshot_info) once after you have set a schedule.
  - The cloud takes the snapshot of the server as it is at that time, running or not; a running server's snapshot may hold an
    inconsistent file system.
  - Deleting the snapshot ends its schedule. O(rewind.vps.snapshot#module:retain) and
    O(rewind.vps.snapshot#module:when_full) therefore never delete one that has a schedule.
seealso:
  - module: rewind.vps.snapshot
  - module: rewind.vps.snapshot_info
"""

EXAMPLES = r"""
# From the command line, with ILKBYTE_ACCESS_KEY and ILKBYTE_SECRET_KEY exported:
#   ansible localhost -m rewind.vps.snapshot_cron --check --diff \
#     -a "provider=ilkbyte server=app1 name=nightly day=1 hour=2 minute=3"

- name: Let the cloud take a snapshot of every application server each night
  hosts: app
  gather_facts: false
  module_defaults:
    group/rewind.vps.all:
      provider: ilkbyte
      access_key: "{{ vault_ilkbyte_access_key }}" # from a file encrypted with ansible-vault
      secret_key: "{{ vault_ilkbyte_secret_key }}"
  tasks:
    - name: Make the snapshot that the schedule hangs on
      rewind.vps.snapshot:
        server: "{{ inventory_hostname }}"
        name: nightly
      delegate_to: localhost

    - name: Take it anew every day at 02:03, the cloud's time (23:03 UTC)
      rewind.vps.snapshot_cron:
        server: "{{ inventory_hostname }}"
        name: nightly
        day: 1
        hour: 2
        minute: 3
      delegate_to: localhost

- name: End a schedule and keep its snapshot
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Remove the schedule
      rewind.vps.snapshot_cron:
        provider: ilkbyte # the keys come from ILKBYTE_ACCESS_KEY and ILKBYTE_SECRET_KEY
        server: app1
        name: nightly
        state: absent
"""

RETURN = r"""
msg:
  description: What was found or done, or what went wrong and what to do next, for people.
  returned: always
  type: str
  sample: The schedule of snapshot nightly of server app1 is set
schedule:
  description: The schedule after the task, or null where there is none.
  returned: success
  type: dict
  contains:
    day:
      description: Every so many days, or null where the cloud's words can't be read.
      type: int
      returned: always
    hour:
      description: The hour of the day at the cloud, or null where it can't be read.
      type: int
      returned: always
    minute:
      description: The minute of the hour, or null where it can't be read.
      type: int
      returned: always
    last_run:
      description: When it last ran, UTC, ISO 8601, or null. Null too where this task has just set the schedule.
      type: str
      returned: always
    next_run:
      description: When it runs next, UTC, ISO 8601, or null. Null too where this task has just set the schedule.
      type: str
      returned: always
  sample:
    day: 1
    hour: 2
    minute: 3
    last_run: "2020-11-23T23:03:00Z"
    next_run: "2020-11-24T23:03:00Z"
snapshot:
  description: The snapshot with the schedule that it has after the task, or null where there is none.
  returned: success
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
    id: nightly
    name: nightly
    server: {id: app1, name: app1}
    status: ready
    provider_status: null
    size_mb: null
    created_at: "2020-11-23T12:31:07Z"
    description: null
    current: true
    parent: null
    power_state: running
    schedule: {day: 1, hour: 2, minute: 3, last_run: null, next_run: null}
server:
  description: The server. Where the task had no need to ask for it, RV(server.power_state) and RV(server.address) are null.
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
error:
  description: What went wrong, as data for RV(ignore:failed) tasks and C(rescue).
  returned: on failure, except where Ansible itself refuses the options
  type: dict
  contains:
    kind:
      description: >-
        One of V(already_exists), V(ambiguous), V(busy), V(forbidden), V(internal), V(interrupted), V(invalid_argument),
        V(invalid_response), V(limit_reached), V(not_found), V(not_ready),
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
    server: app1
    snapshot: nightly
    http_status: null
    provider_message: null
    hint: "make it first with rewind.vps.snapshot, or choose one of this server's: weekly ready from 2020-11-16T12:31:07Z"
"""

from ..module_utils._ansible_module import run_module


def main() -> None:
    """Run the module."""
    run_module("snapshot_cron")


if __name__ == "__main__":
    main()
