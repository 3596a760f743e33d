# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The provider, its credentials, and how to reach its API."""

    DOCUMENTATION = r"""
options:
  provider:
    description:
      - The provider of the server.
      - V(vpsorg) is VPS.org and requires O(api_token). V(ilkbyte) is Ilkbyte and requires O(access_key) and O(secret_key).
      - Defaults to the host variable C(rewind_provider), which the inventory P(rewind.vps.servers#inventory) sets, then to the
        environment variable E(REWIND_PROVIDER) where the task runs.
    type: str
    required: true
    choices: [vpsorg, ilkbyte]
  api_token:
    description:
      - The API token of the VPS.org account. Required with O(provider=vpsorg). Never sent to another provider.
      - Defaults to the environment variable E(VPS_API_TOKEN) where the task runs, then to the token that VPS.org's own client has stored there
        in C(~/.vps/config.json). That file is used only if it belongs to the user of the task and others have no access to it.
        The C(api_url) of that file is used with its own token only.
      - Surrounding white space is removed. A blank value counts as unset.
    type: str
  access_key:
    description:
      - The access key of the Ilkbyte account. Required with O(provider=ilkbyte). Never sent to another provider.
      - Defaults to the environment variables E(ILKBYTE_ACCESS_KEY), then E(ILKBYTE_ACCESSKEY), where the task runs.
    type: str
  secret_key:
    description:
      - The secret key of the Ilkbyte account. Required with O(provider=ilkbyte). Never sent to another provider.
      - Defaults to the environment variables E(ILKBYTE_SECRET_KEY), then E(ILKBYTE_SECRETKEY), where the task runs.
    type: str
  api_url:
    description:
      - The base URL of the provider's API, for example that of your own gateway.
      - Defaults to the host variable C(rewind_api_url), then to the environment variable E(VPS_API_URL) (VPS.org) or
        E(ILKBYTE_HOST) (Ilkbyte) where the task runs, then to V(https://admin.vps.org/api/v1) or V(https://api.ilkbyte.com).
      - At VPS.org the path V(/api/v1) can be omitted. Another path, such as that of a gateway, is used as it is.
      - Must use https. Plain http is allowed only for the machine itself (V(localhost), V(127.0.0.0/8), V(::1)).
      - Must not contain a user name, a C(?) or a C(#). Redirects are never followed.
    type: str
  api_timeout:
    description:
      - Time limit of one API request in seconds, from connecting to the last byte, from 1 to 600.
      - The default is 30, and 60 for a request that changes something, since a provider may respond only when the change is done.
      - This does not limit how long a snapshot takes. A change without a timely response is read back, not sent again.
    type: int
  validate_certs:
    description:
      - Whether to verify the API's TLS certificate.
      - With V(false), anyone on the network path can read the credentials. For a private certificate authority use O(ca_path).
    type: bool
    default: true
  ca_path:
    description:
      - File (PEM) or directory with the certificate authorities to trust, on the machine where the task runs.
      - Ignored with O(validate_certs=false).
    type: path
requirements:
  - python >= 3.9
  - requests (Python library)
notes:
  - Environment variables are read where the task runs, including the task's C(environment). With
    C(delegate_to=localhost) that is the controller. Without it, variables exported on the controller are not visible.
  - Run the task on the controller or on a bastion host (C(delegate_to), C(connection=local)), not on the managed server.
    Stopping or restoring a server would kill the task. If a provider limits a key to IP addresses, allow the address of the
    machine where the task runs.
  - For hosts of the inventory P(rewind.vps.servers#inventory), tasks on the controller take credentials, O(api_timeout),
    O(validate_certs) and O(ca_path) from the host's account. Task options take precedence, the environment comes last.
  - Proxies are taken from the environment (E(HTTPS_PROXY), E(NO_PROXY)), but never for an API on the machine itself.
  - Reads are retried after transient errors. A change is sent again only if it provably did not happen, that is, if no
    connection was established or the provider responded with HTTP 429. This also applies to Ilkbyte, where changes are HTTP GET requests.
  - If the response to a change is lost, the module reads the state back. If that is inconclusive, the task fails with
    RV(ignore:error.outcome) V(unknown) and states what to check. A rerun reads the state first.
  - Secrets are removed from results, messages and progress, also where a provider quotes them encoded or truncated.
  - Snapshots are not backups. They share the server's infrastructure and are lost with it.
"""
