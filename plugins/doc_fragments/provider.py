# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which cloud, with which credentials, and how it is reached."""

    DOCUMENTATION = r"""
options:
  provider:
    description:
      - The cloud that the server is at.
      - V(vpsorg) is VPS.org and needs O(api_token). V(ilkbyte) is Ilkbyte and needs O(access_key) and O(secret_key).
      - Falls back to the host's variable C(rewind_provider), which the inventory P(rewind.vps.servers#inventory) sets, then to the
        environment variable E(REWIND_PROVIDER) where the task runs, so it may be left out of the task when one is set.
    type: str
    required: true
    choices: [vpsorg, ilkbyte]
  api_token:
    description:
      - The API token of the VPS.org account. Needed with O(provider=vpsorg) and never sent to another cloud.
      - Falls back to the environment variable E(VPS_API_TOKEN) where the task runs.
      - White space around it is dropped; a blank one counts as not given.
    type: str
  access_key:
    description:
      - The access key of the Ilkbyte account. Needed with O(provider=ilkbyte) and never sent to another cloud.
      - Falls back to the environment variables E(ILKBYTE_ACCESS_KEY), then E(ILKBYTE_ACCESSKEY), where the task runs.
    type: str
  secret_key:
    description:
      - The secret key of the Ilkbyte account. Needed with O(provider=ilkbyte) and never sent to another cloud.
      - Falls back to the environment variables E(ILKBYTE_SECRET_KEY), then E(ILKBYTE_SECRETKEY), where the task runs.
    type: str
  api_url:
    description:
      - The base URL of the cloud's API, for example when a gateway of your own stands before it.
      - Where it is not given, the host's variable C(rewind_api_url), else the environment variable E(VPS_API_URL) (VPS.org) or
        E(ILKBYTE_HOST) (Ilkbyte) where the task runs is used, then V(https://admin.vps.org/api/v1) or V(https://api.ilkbyte.com).
      - Must be https. Plain http is refused, except to the machine itself (V(localhost), V(127.0.0.0/8), V(::1)).
      - A user name, a C(?) or a C(#) in it is refused. Redirects are never followed.
    type: str
  api_timeout:
    description:
      - Seconds that one exchange with the API may take, from connecting to the last byte, from 1 to 600.
      - This is not the time that a snapshot may take. A change that is not answered in time is looked for, not sent again.
    type: int
    default: 30
  validate_certs:
    description:
      - Whether the API's TLS certificate is verified.
      - With V(false) anybody on the way can read the credentials. For a private certificate authority use O(ca_path).
    type: bool
    default: true
  ca_path:
    description:
      - File (PEM) or folder with the certificates of the authorities to trust, on the machine where the task runs.
      - Ignored with O(validate_certs=false).
    type: path
requirements:
  - python >= 3.9
  - requests (Python library)
notes:
  - The environment variables are those of the machine where the task runs, with the task's C(environment) in it. With
    C(delegate_to=localhost) that is the controller; without it, variables exported on the controller are not seen.
  - Let the task run on the controller or on a bastion host (C(delegate_to), C(connection=local)), not on the server that
    it is about. A server that is stopped or restored takes the task on it down as well. A cloud that limits a key to IP
    addresses must know the address of the machine where the task runs.
  - For hosts of the inventory P(rewind.vps.servers#inventory), a task that runs on the controller takes the credentials, O(api_timeout),
    O(validate_certs) and O(ca_path) that it does not say itself from the host's account there, before it looks into the environment.
  - Proxies are taken from the environment (E(HTTPS_PROXY), E(NO_PROXY)), but never for an API on the machine itself.
  - Reads are tried again after a passing trouble. A change is sent again only when it provably did not happen (no
    connection was made, or the cloud answered HTTP 429). The same holds at Ilkbyte, where every change is an HTTP GET.
  - After a change whose answer was lost, the module looks at the cloud what became of it. Where that does not tell, the
    task fails with RV(ignore:error.outcome) V(unknown) and says what to look at; a rerun looks first.
  - Secrets are taken out of results, messages and progress, also where a cloud quotes them encoded or cut short.
  - A snapshot is not a backup. It lies on the same infrastructure as the server and is lost with it. Use it to go back
    quickly, and keep backups elsewhere.
"""
