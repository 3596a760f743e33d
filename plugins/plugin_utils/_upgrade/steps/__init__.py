# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the action `upgrade_guard`, one method each. The documentation of the module of that name describes them."""

from __future__ import annotations

from ....module_utils._errors import invalid_argument
from ..options import READ_ONLY_STEPS
from .base import OperationFailed, Result
from .confirmation import ConfirmationSteps
from .reboot import RebootSteps
from .reconnect import ReconnectStep
from .server import ServerSteps
from .upgrade import RollbackSteps, UpgradeSteps

__all__ = ["OperationFailed", "Steps"]


class Steps(ConfirmationSteps, ServerSteps, RebootSteps, UpgradeSteps, RollbackSteps, ReconnectStep):
    """All of them."""

    def run(self, step: str) -> Result:
        """Do one step.

        Raises:
            RewindError: It can't be done, or the guard rejects it.
            OperationFailed: An operation of the modules failed.
        """
        if self._context.check_mode and step not in READ_ONLY_STEPS:
            raise invalid_argument(f"The step {step} changes something, so it can't run in check mode", "skip it in check mode")
        return getattr(self, f"_{step}")()
