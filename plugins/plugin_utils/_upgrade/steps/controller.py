# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps find out about the controller itself: before the snapshot, and before a restore."""

from __future__ import annotations

from typing import Any

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError
from .. import controller_observer, controller_state
from .base import StepBase

LOGIN_TEST = "echo answers"
RESULT_KEYS_FROM_SERVER = frozenset({"invocation", "rc", "module_stdout"})  # what a module or command on the server returns has one of these


class ControllerSteps(StepBase):
    """Distinguishes problems of the controller from those of the server."""

    def _require_space(self) -> None:
        """Raise RewindError if the controller's disk is full: no run record could be written."""
        self._require_not_full(controller_observer.full_directory([self._params["state_dir"]]))

    def _require_not_full(self, directory: str | None) -> None:
        if directory:
            raise RewindError(
                f"The controller's disk is full: nothing can be written to {directory}", kind=errors.NOT_READY, server=self._context.host,
                hint="free space there, and run again",
            )

    def _observe_controller(self) -> dict[str, Any] | None:
        """Return what the controller's logins depend on now. Raise RewindError if its disk is full."""
        observation = self._context.server.observe_controller() if self._context.server else None
        self._require_not_full((observation or {}).get("full_directory"))
        return observation

    def _warn_certificates(self, observation: dict[str, Any] | None) -> list[str]:
        """Return warnings about certificates that may expire during the run."""
        seconds = sum(self._params[name] for name in ("snapshot_timeout", "timeout", "check_timeout"))
        return controller_state.certificate_warnings(observation, seconds)

    def _find_controller_cause(self) -> str | None:
        """Return the problem of the controller because of which the upgrade has failed. A restore would not help."""
        params, context = self._params, self._context
        result = params["failed_result"] if isinstance(params["failed_result"], dict) else {}
        detail = ""
        if not RESULT_KEYS_FROM_SERVER & set(result):
            detail = " ".join(str(result.get(key) or "") for key in ("msg", "exception", "reason"))
        if not params["probe"]:  # the server did not answer just now
            try:
                context.server.run(LOGIN_TEST, False)
            except RewindError as error:
                detail = f"{detail} {error.message}"
        cause = controller_state.find_cause(detail, self._run.get("controller"), context.server.observe_controller(), context.has_ssh_server)
        return self._redactor.redact_text(cause) if cause else None
