# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which server the task is about."""

    # For modules that change something, which need to know the server.
    DOCUMENTATION = r"""
options:
  server:
    description:
      - The server that the task is about. Exactly one; for several use a loop, or a task that runs for each host.
      - At VPS.org its number, UUID, name or hostname; text of digits only is taken as the number. At Ilkbyte its name.
      - A reference that fits no server or more than one is an error that lists the candidates, and nothing is changed.
    type: list
    elements: str
    aliases: [servers]
    required: true
"""

    # For modules that only read: without a server they show the whole account.
    OPTIONAL = r"""
options:
  server:
    description:
      - Show this server only. At most one; without it, the whole account is shown.
      - At VPS.org its number, UUID, name or hostname; text of digits only is taken as the number. At Ilkbyte its name.
      - A reference that fits no server or more than one is an error that lists the candidates.
    type: list
    elements: str
    aliases: [servers]
"""
