# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which server the task is about, or which servers."""

    # For modules that change something of one server.
    DOCUMENTATION = r"""
options:
  server:
    description:
      - The server that the task is about. Exactly one; for several use a loop, or a task that runs for each host.
      - At VPS.org its number, UUID, name or hostname; text of digits only is taken as the number. At Ilkbyte its name.
      - A reference that fits no server or more than one is an error that lists the candidates, and nothing is changed.
      - Left out, it is the host's variable C(rewind_server_id), which the inventory P(rewind.vps.servers#inventory) sets.
    type: str
    required: true
"""

    # For modules that change something of one server or of many.
    MANY = r"""
options:
  server:
    description:
      - The server that the task is about. Exactly one. O(server) and O(servers) are mutually exclusive, and one of them is required.
      - At VPS.org its number, UUID, name or hostname; text of digits only is taken as the number. At Ilkbyte its name.
      - A reference that fits no server or more than one is an error that lists the candidates, and nothing is changed.
      - With neither O(server) nor O(servers), it is the host's variable C(rewind_server_id), which the inventory
        P(rewind.vps.servers#inventory) sets.
    type: str
  servers:
    description:
      - The servers that the task is about, all of one account, each written like O(server). O(servers) and O(server) are mutually exclusive.
      - The result has RV(by_server), RV(failed_servers) and RV(msg) only, also for a list of one. An empty list is fine, and nothing is done.
      - Many servers are worked at together. Requests go out over O(concurrency) connections, and all are waited for at once, at
        VPS.org with one listing of the account for all of them. O(wait_timeout) is each server's own. One server's failure does
        not touch the others; when all are settled the task fails, and RV(failed_servers) tells of each. A rerun makes no snapshot that is there or
        in the making; but it restores once more what was restored, so restore again only those that failed.
    type: list
    elements: str
  concurrency:
    description:
      - With O(servers), how many requests may be under way at the same time, from 1 to 64.
      - Where the cloud has had too many requests (HTTP 429), all wait for as long as it says, and go on more slowly.
    type: int
    default: 8
"""

    # For modules that only read: without a server they show the whole account.
    OPTIONAL = r"""
options:
  server:
    description:
      - Show this server only. With neither O(server) nor O(servers) the whole account is shown.
      - At VPS.org its number, UUID, name or hostname; text of digits only is taken as the number. At Ilkbyte its name.
      - A reference that fits no server or more than one is an error that lists the candidates.
      - O(server) and O(servers) are mutually exclusive.
    type: str
  servers:
    description:
      - Show these servers only, each written like O(server). With V(all), which stands alone, the whole account is shown.
      - Where one of them fails the others are shown nevertheless, and the task fails; RV(failed_servers) tells of each.
      - With an empty list none is shown.
    type: list
    elements: str
  concurrency:
    description:
      - Where several servers have to be asked about, how many requests may be under way at the same time, from 1 to 64.
    type: int
    default: 8
"""
