# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The server or servers that a task manages, and how long it waits for them."""

    # For modules that change one server.
    DOCUMENTATION = r"""
options:
  server:
    description:
      - The server to manage. Exactly one; for several servers use a loop, or run the task for each host.
      - At VPS.org its number, UUID, name or hostname; digits only are taken as the number. At Ilkbyte its name.
      - If no server matches, or more than one, the task fails, lists the candidates and changes nothing.
      - Defaults to the host variable C(rewind_server_id), which the inventory P(rewind.vps.servers#inventory) sets.
    type: str
    required: true
"""

    # For modules that change one server or many.
    MANY = r"""
options:
  server:
    description:
      - The server to manage. Exactly one. O(server) and O(servers) are mutually exclusive, and one of them is required.
      - At VPS.org its number, UUID, name or hostname; digits only are taken as the number. At Ilkbyte its name.
      - If no server matches, or more than one, the task fails, lists the candidates and changes nothing.
      - Without O(server) and O(servers), defaults to the host variable C(rewind_server_id), which the inventory
        P(rewind.vps.servers#inventory) sets.
    type: str
  servers:
    description:
      - The servers to manage, all of one account, each written like O(server).
      - The result consists of RV(by_server), RV(failed_servers) and RV(msg), even for a list of one. With an empty list nothing is done.
      - The servers are processed concurrently, over O(concurrency) connections. O(wait_timeout) applies to each server.
      - A failure on one server does not affect the others. When all servers are done, the task fails and lists the failures
        in RV(failed_servers).
      - A rerun creates no second snapshot, but it repeats completed restores. Rerun a restore only for the servers that failed.
    type: list
    elements: str
  concurrency:
    description:
      - With O(servers), the maximum number of concurrent requests, from 1 to 64.
      - After HTTP 429, all requests pause for the time that the provider states, then continue at a lower rate.
    type: int
    default: 8
"""

    # For modules that only read. Without a server they list the whole account.
    OPTIONAL = r"""
options:
  server:
    description:
      - List this server only. Without O(server) and O(servers), the whole account is listed.
      - At VPS.org its number, UUID, name or hostname; digits only are taken as the number. At Ilkbyte its name.
      - If no server matches, or more than one, the task fails and lists the candidates.
      - O(server) and O(servers) are mutually exclusive.
    type: str
  servers:
    description:
      - List these servers only, each written like O(server). V(all), as the only entry, lists the whole account.
      - If a server fails, the others are listed, the task fails, and RV(failed_servers) lists the failures.
      - With an empty list nothing is listed.
    type: list
    elements: str
  concurrency:
    description: If each server needs a request, the maximum number of concurrent requests, from 1 to 64.
    type: int
    default: 8
"""

    # For modules that wait. Each sets the default of wait_timeout.
    WAITING = r"""
options:
  wait:
    description:
      - Whether to wait until the operation is finished.
    type: bool
    default: true
  wait_timeout:
    description:
      - Total time to wait, in seconds, from 1 to 86400.
      - On timeout the task fails with RV(ignore:error.kind) V(wait_timeout) and RV(ignore:error.outcome) V(unknown). The operation
        continues at the provider. A rerun reads the state first and waits for the operation in progress.
      - Transient read errors do not end the wait. The polling interval grows up to 60 seconds.
    type: int
"""
