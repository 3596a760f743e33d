# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the role that the action C(upgrade_guard) does, one method each."""

from __future__ import annotations

from ansible_collections.rewind.vps.plugins.module_utils.errors import invalid_argument
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.options import READING_STEPS
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.step_base import OperationFailed, Result
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.steps_after import StepsAfter
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.steps_before import StepsBefore
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.steps_behind import StepsBehind
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.steps_looking_back import StepsLookingBack

__all__ = ["OperationFailed", "Steps"]


class Steps(StepsBefore, StepsBehind, StepsAfter, StepsLookingBack):
    """All of them."""

    def do(self, step: str) -> Result:
        """Do one step.

        :raises RewindError: it can't be done, or the guard refuses.
        :raises OperationFailed: a module's operation failed.
        """
        if self._context.check_mode and step not in READING_STEPS:
            raise invalid_argument(f"The step {step} is not for check mode, since it changes something", "in check mode, leave it out")
        return getattr(self, f"_{step}")()
