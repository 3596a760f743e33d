#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation only: the work is done on the controller by the action plugin of this name.

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write an HTML page on servers, their snapshots and guarded upgrades
version_added: 0.1.0
description:
  - Writes one HTML file that shows the servers of one or many accounts with their snapshots on a common time line, their ages, sizes
    and schedules, which servers are near the cloud's limit, and how the last guarded upgrades from this controller ended. What needs
    attention comes first.
  - The file needs nothing else, sends nothing and has no scripts. It holds names and addresses of servers but no credentials.
  - Changes nothing at a cloud.
  - The playbook C(rewind.vps.report) does this from the command line.
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
options:
  provider:
    description:
      - The cloud of the one account to report on. V(vpsorg) is VPS.org and V(ilkbyte) is Ilkbyte.
      - Falls back to the environment variable E(REWIND_PROVIDER).
      - Without it, and without O(accounts) and O(hosts), the page has one account of each cloud whose credentials are in the environment.
    required: false
  accounts:
    description:
      - The accounts to report on. O(provider) and the other options of the cloud beside it do not count then.
      - What an account leaves out is taken from the environment.
    type: list
    elements: dict
    suboptions:
      label:
        description: How the page calls the account. By default the cloud's name, numbered where there are several.
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
        default: 30
      validate_certs:
        description: As O(validate_certs).
        type: bool
        default: true
      ca_path:
        description: As O(ca_path).
        type: path
  hosts:
    description:
      - Hosts of the inventory. The page has each account that one of them is at, with all of its servers.
      - A host's account is told by its variables C(guarded_upgrade_provider) or C(rewind_provider), C(guarded_upgrade_api_url) or
        C(rewind_api_url), C(guarded_upgrade_api_token) and so on, then by the environment.
      - Does not count with O(accounts).
    type: list
    elements: str
  path:
    description:
      - The file to write, on the controller. A relative path begins where C(ansible-playbook) was called.
      - A new file can be read by its owner only. One that is there keeps its mode.
    type: path
    default: rewind-report.html
  state_dir:
    description: The folder with the receipts of guarded upgrades, on the controller.
    type: path
    default: ~/.local/state/rewind.vps
  upgrades:
    description:
      - How many of the newest guarded upgrades to show, from 1 to 1000.
      - The last one of a server that has been left in doubt is shown however old it is.
    type: int
    default: 50
attributes:
  action:
    description: Has an action plugin of the same name that does the work on the controller.
    support: full
    details: There is no module besides.
  action_group:
    description: Is in these action groups, for C(module_defaults).
    support: full
    membership: [rewind.vps.all]
  async:
    description: Can be run with C(async).
    support: none
  check_mode:
    description: Can run with C(--check) and predict whether it would change something.
    support: full
    details: Asks the clouds and writes nothing. Credentials are needed.
  diff_mode:
    description: Shows with C(--diff) what is changed, or in check mode what would be.
    support: none
  platform:
    description: Operating systems that the task can run on (not that of the server it is about).
    support: full
    platforms: posix
notes:
  - A page tells its moment, and ages as of then. So each run writes it anew, and RV(ignore:changed) is always true.
  - Where an account can't be asked, the page says so, has the rest, and the task fails after writing it.
  - A receipt that can't be read is shown as such.
seealso:
  - module: rewind.vps.snapshot_info
  - module: rewind.vps.server_info
"""

EXAMPLES = r"""
# From the command line, with the credentials of one or both clouds exported:
#   ansible-playbook rewind.vps.report -e report_path=fleet.html

- name: Write a page every morning
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
          - provider: ilkbyte # its keys from the environment
        path: /srv/reports/fleet.html
      register: page

    - name: Show who needs attention
      ansible.builtin.debug:
        msg: "{{ item.server.name }}: {{ item.findings | join('; ') }}"
      loop: "{{ page.attention }}"
      loop_control:
        label: "{{ item.server.id }}"
"""

RETURN = r"""
msg:
  description: What the page tells and where it is, or what went wrong and what to do next, for people.
  returned: always
  type: str
  sample: 12 servers with 31 snapshots, 3 of them need attention. The page is /srv/reports/fleet.html
path:
  description: The file, absolute. In check mode it is not written.
  returned: when the clouds were asked
  type: str
accounts:
  description: The accounts on the page.
  returned: when the clouds were asked
  type: list
  elements: dict
  contains:
    label:
      description: How the page calls it.
      type: str
      returned: always
    provider:
      description: Its cloud.
      type: str
      returned: always
    servers:
      description: How many servers were listed, or null where they could not be.
      type: int
      returned: always
    snapshots:
      description: How many snapshots were listed, or null where they could not be.
      type: int
      returned: always
    error:
      description: Why it could not be asked in full, or null.
      type: str
      returned: always
attention:
  description: The servers that need attention, the worst first.
  returned: when the clouds were asked
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
      description: What there is about it, for people.
      type: list
      elements: str
      returned: always
error:
  description: What went wrong before a page could be made, as RV(rewind.vps.snapshot_info#module:error).
  returned: on failure, except where Ansible itself refuses the options, an account can't be asked or the page can't be written
  type: dict
"""
