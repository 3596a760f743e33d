# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What every module of the collection supports."""

    DOCUMENTATION = r"""
attributes:
  action:
    description: Has an action plugin of the same name that can do the work on the controller.
    support: full
    details:
      - Where the task runs on the controller anyway, the work is done in the controller's own process, which saves about
        half a second a task and shows how a wait goes. Results, errors and check mode are the same.
      - It runs as an ordinary module where the connection is not local, with C(async) or C(become), where another Python
        is asked for, or where the controller's Python lacks C(requests). With C(-vvv) the reason is shown.
  action_group:
    description: Is in these action groups, for C(module_defaults).
    support: full
    membership: [rewind.vps.all]
  async:
    description: Can be run with C(async).
    support: full
    details: Runs as an ordinary module then, and shows no progress.
  check_mode:
    description: Can run with C(--check) and predict whether it would change something.
    support: full
    details:
      - Reads from the cloud, so credentials are needed. Sends no request that changes anything.
      - The result has the same keys as that of a real run.
  diff_mode:
    description: Shows with C(--diff) what is changed, or in check mode what would be.
    support: full
  platform:
    description: Operating systems that the task can run on (not that of the server it is about).
    support: full
    platforms: posix
"""

    # For modules that only read. Named before the part above, since what comes first wins.
    INFO = r"""
attributes:
  check_mode:
    description: Can run with C(--check) and predict whether it would change something.
    support: full
    details: Changes nothing in any mode. Reads from the cloud, so credentials are needed.
  diff_mode:
    description: Shows with C(--diff) what is changed, or in check mode what would be.
    support: none
    details: There is never a change to show.
"""
