#!/usr/bin/python
# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: account_info
short_description: Show whose credentials these are
version_added: 0.1.0
description:
  - Shows the account that the credentials belong to, and what they permit.
  - Changes nothing.
author:
  - rewind.vps contributors (@rewind-vps)
extends_documentation_fragment:
  - rewind.vps.provider
  - rewind.vps.attributes.info
  - rewind.vps.attributes
seealso:
  - module: rewind.vps.server_info
"""

EXAMPLES = r"""
- name: Show whose token this is
  rewind.vps.account_info:
    provider: vpsorg
    api_token: "{{ vault_vps_api_token }}" # from a file encrypted with ansible-vault
  register: token

- name: Show the account
  ansible.builtin.debug:
    msg: "{{ token.account.name }} {{ token.account.permissions }}"
"""

RETURN = r"""
msg:
  description: The account, or what failed and what to do next.
  returned: always
  type: str
  sample: The credentials belong to ops@example.com at VPS.org
account:
  description: The account of the credentials.
  returned: success
  type: dict
  contains:
    name:
      description: The account's email address or name, or null.
      type: str
      sample: ops@example.com
    identity:
      description:
        - A text that differs between accounts and stays the same when the credentials are replaced.
        - Null if the provider does not say whose credentials these are.
      type: str
      sample: ops@example.com
    permissions:
      description: What the credentials permit, in the provider's terms, or null if the provider does not say.
      type: list
      elements: str
      sample: [read, write]
error:
  description: The error as data, with the keys of RV(rewind.vps.snapshot#module:error).
  returned: on failure, unless Ansible itself rejects the options
  type: dict
"""

from ..module_utils._ansible_module import run_module
from ..module_utils._module import account_info


def main() -> None:
    run_module(account_info)


if __name__ == "__main__":
    main()
