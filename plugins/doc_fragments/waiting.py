# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How long a task waits. A module that uses it sets the default of wait_timeout."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether the task waits until the cloud is done.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds that everything the task waits for may take together, from 1 to 86400.
      - When they are over, the task fails with RV(ignore:error.kind) V(wait_timeout) and RV(ignore:error.outcome)
        V(unknown). The cloud works on nevertheless. Run the task again; it looks first, and waits on for what is under way.
      - A passing trouble while reading does not end a wait. Looks become rarer, up to a minute apart.
    type: int
"""
