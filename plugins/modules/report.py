#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation only: the action plugin of the same name does the work on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write an HTML report on servers, snapshots and guarded upgrades
version_added: 0.1.0
description:
  - Writes one HTML file that shows the servers of one or more accounts with their snapshots on a common time axis.
  - It also shows schedules, servers near the provider's limit, and the last guarded upgrades from this controller. What needs attention
    comes first.
  - The file has no scripts and no external resources. It holds names and addresses of servers but no credentials.
  - Changes nothing at a provider.
  - The playbook C(rewind.vps.report) runs this module from the command line.
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.attributes
options:
  provider:
    description:
      - The provider of the account to report on. V(vpsorg) is VPS.org and V(ilkbyte) is Ilkbyte.
      - Falls back to the environment variable E(REWIND_PROVIDER).
      - Without it, O(accounts) and O(hosts), the page has one account of each provider whose credentials are in the environment.
    required: false
  accounts:
    description:
      - The accounts to report on. If it is set, O(provider) and the other provider options of the task are ignored.
      - Options that an account does not set are read from the environment.
    type: list
    elements: dict
    suboptions:
      label:
        description: The account's label on the page. By default the provider's name, numbered if several accounts share it.
        type: str
      provider:
        description: As O(provider).
        type: str
        required: true
        choices: [vpsorg, ilkbyte]
      api_token:
        description: As O(api_token).
        type: str
      access_key:
        description: As O(access_key).
        type: str
      secret_key:
        description: As O(secret_key).
        type: str
      api_url:
        description: As O(api_url).
        type: str
      api_timeout:
        description: As O(api_timeout).
        type: int
      validate_certs:
        description: As O(validate_certs).
        type: bool
        default: true
      ca_path:
        description: As O(ca_path).
        type: path
  hosts:
    description:
      - Hosts of the inventory. The page has the accounts of these hosts, with all servers of each account.
      - The account of a host is defined by its variables C(guarded_upgrade_provider) or C(rewind_provider), C(guarded_upgrade_api_url) or
        C(rewind_api_url), C(guarded_upgrade_api_token) and so on, then by the environment.
      - Ignored if O(accounts) is set.
    type: list
    elements: str
  path:
    description:
      - The file to write, on the controller. A relative path is relative to the working directory of C(ansible-playbook).
      - Only the owner can read a new file. An existing file keeps its mode.
    type: path
    default: rewind-report.html
  state_dir:
    description: The directory with the run records of guarded upgrades, on the controller.
    type: path
    default: ~/.local/state/rewind.vps
  upgrades:
    description:
      - The number of guarded upgrades to show, newest first, from 1 to 1000.
      - The last upgrade of a server that needs attention is always shown.
    type: int
    default: 50
attributes:
  action:
    description: Has an action plugin of the same name that does the work on the controller.
    details: There is no module code.
  async:
    support: none
    details: The task always runs in the controller's process.
  check_mode:
    details: Reads the accounts and writes nothing. Credentials are needed.
  diff_mode:
    support: none
notes:
  - The page shows the state and the ages at the time of the run. So each run rewrites it, and RV(ignore:changed) is always true.
  - If an account cannot be read, the page shows the reason and the other accounts, and the task fails after writing it.
  - A run record that cannot be read is shown as unreadable.
seealso:
  - module: rewind.vps.snapshot_info
  - module: rewind.vps.server_info
"""

EXAMPLES = r"""
# From the command line, with the credentials of one or both providers exported:
#   ansible-playbook rewind.vps.report -e report_path=fleet.html

- name: Write a report every morning
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Report on three accounts
      rewind.vps.report:
        accounts:
          - label: Production
            provider: vpsorg
            api_token: "{{ vault_production_token }}" # from a file encrypted with ansible-vault
          - label: Tests
            provider: vpsorg
            api_token: "{{ vault_tests_token }}"
          - provider: ilkbyte # keys from the environment
        path: /srv/reports/fleet.html
      register: page

    - name: Show the servers that need attention
      ansible.builtin.debug:
        msg: "{{ page.attention | map(attribute='server.name') }}"
"""

RETURN = r"""
msg:
  description: A summary of the page and its path, or the error and what to do next.
  returned: always
  type: str
  sample: 12 servers with 31 snapshots, 3 need attention. Written to /srv/reports/fleet.html
path:
  description: The absolute path of the page. In check mode it is not written.
  returned: when the accounts were read
  type: str
accounts:
  description: The accounts on the page.
  returned: when the accounts were read
  type: list
  elements: dict
  contains:
    label:
      description: Its label on the page.
      type: str
      returned: always
    provider:
      description: Its provider.
      type: str
      returned: always
    servers:
      description: The number of servers, or null if they could not be listed.
      type: int
      returned: always
    snapshots:
      description: The number of snapshots, or null if they could not be listed.
      type: int
      returned: always
    error:
      description: Why it could not be read completely, or null.
      type: str
      returned: always
attention:
  description: The servers that need attention, most severe first.
  returned: when the accounts were read
  type: list
  elements: dict
  contains:
    account:
      description: The label of its account.
      type: str
      returned: always
    server:
      description: C(id) and C(name) of the server.
      type: dict
      returned: always
    level:
      description: V(bad) or V(warn).
      type: str
      returned: always
    findings:
      description: The findings about it, as text.
      type: list
      elements: str
      returned: always
error:
  description: The error, as RV(rewind.vps.snapshot_info#module:error).
  returned: on failure, except if Ansible rejects the options, an account cannot be read, or the page cannot be written
  type: dict
"""
