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
      - Tasks that run on the controller anyway run in the controller's process. This saves about half a second per task
        and shows progress. Results, errors and check mode are the same.
      - The task runs as a module if the connection is not local, with C(async) or C(become), with another Python interpreter, or if
        the controller's Python lacks C(requests). C(-vvv) shows the reason.
  action_group:
    description: Is in these action groups, for C(module_defaults).
    support: full
    membership: [rewind.vps.all]
  async:
    description: Can be run with C(async).
    support: full
    details: The task then runs as a module and shows no progress.
  check_mode:
    description: Can run with C(--check) and predict whether it would change something.
    support: full
    details:
      - Reads from the provider, so credentials are required. Sends no request that changes anything.
      - Fails where a real run would fail before its first change. The result has the same keys as a real run.
  diff_mode:
    description: Shows with C(--diff) what is changed, or in check mode what would be changed.
    support: full
  platform:
    description: Operating systems that the task can run on, as opposed to that of the managed server.
    support: full
    platforms: posix
"""

    # For modules that only read. Listed before the part above, since the first one wins.
    INFO = r"""
attributes:
  check_mode:
    description: Can run with C(--check) and predict whether it would change something.
    support: full
    details: Changes nothing in any mode. Reads from the provider, so credentials are required.
  diff_mode:
    description: Shows with C(--diff) what is changed, or in check mode what would be changed.
    support: none
    details: There is never a change.
"""
