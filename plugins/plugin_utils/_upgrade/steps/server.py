# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step that checks a server before its snapshot. What can be known by then ends the run, and nothing is changed."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

from ....module_utils._errors import RewindError, invalid_argument
from ....module_utils._wait.polling import Deadline
from .. import package_locks, package_scripts, server_check
from .. import record as states
from ..failure_reason import describe_result
from ..package_selection import Selection, absent_error, absent_warning, parse_selection
from ..preflight_script import preflight_script
from ..probe import parse_probe
from .base import Result
from .checks import CheckSteps
from .reconnect import STARTUP_INTERVAL, STARTUP_TIMEOUT

LAST_LINE = "end"  # of the probe


class ServerSteps(CheckSteps):
    """Runs commands on the server, through Ansible's connection."""

    def _check_server(self) -> Result:
        """Return the probe of a server that can be upgraded. Wait for its startup, and for a package manager that is at work.

        Raises:
            RewindError: It can't be upgraded. The run record states that, unless an earlier run is resumed.
        """
        try:
            return self._checked_server()
        except RewindError as error:
            self._record_not_started(error.message)
            error.message = f"{states.NOT_STARTED.upper()}: {self._context.host}: {error.message}"
            raise

    def _checked_server(self) -> Result:
        params, context = self._params, self._context
        needs = server_check.needs_of(params)
        selection = parse_selection(params) if needs.packages else None
        output = self._wait_for_quiet_server(selection)
        obstacle = server_check.find_obstacle(output, needs, self._run["marker"], context.host, context.server.become_method)
        if obstacle is not None:
            raise obstacle
        facts = self._require_python(needs) if needs.python else {}
        package_manager = facts.get("ansible_pkg_mgr") if selection else None
        package_warnings = self._check_packages(package_manager, selection) if selection else []
        login = self._observe_login(output, modules_run=bool(needs.python))
        warnings = package_warnings + ([] if context.check_mode else self._observe_baseline())
        interpreter = {name: value for name, value in facts.items() if name.startswith("discovered_interpreter_")}
        return {
            "changed": False, "msg": f"Server {context.host} can be upgraded", "package_manager": package_manager,
            "modules_run": bool((parse_probe(login["stdout"]) or {}).get("modules_run")),
            "upgrade_script": package_scripts.upgrade_script(package_manager, selection) if selection else "",
            "warnings": warnings, "lock_script": f"\n{package_locks.lock_script()}",
            **({"ansible_facts": interpreter} if interpreter else {}), **login,
        }

    def _wait_for_quiet_server(self, selection: Selection | None) -> str:
        """Return the output of the script when the server has started and no package manager is running.

        Otherwise a server that was booted just now would be compared with one that is still starting.
        """
        context, params = self._context, self._params
        script = preflight_script(self._run["marker"], selection, test_write=not context.check_mode) + self._script
        output = self._run_script(script)
        deadline = Deadline(STARTUP_TIMEOUT if params["builtin_checks"] and not context.check_mode else 0, context.clock)
        if server_check.is_booting(output) and deadline.remaining > 0:
            context.progress("waiting for the server to finish its startup")
        while server_check.is_booting(output) and deadline.remaining > 0:
            context.clock.sleep(STARTUP_INTERVAL)
            output = self._run_script(script)
        seconds = 0 if context.check_mode else min(package_locks.MAX_WAIT, params["timeout"])
        return package_locks.wait_while_busy(
            output, lambda: self._run_script(script), seconds=seconds, clock=context.clock, progress=context.progress, host=context.host,
        )

    @property
    def _script(self) -> str:
        if not self._params["script"]:
            raise invalid_argument("script is missing: it takes the probe of the server")
        return self._params["script"]

    def _run_script(self, script: str) -> str:
        """Return the complete output of a script.

        Raises:
            RewindError: It did not run to its end.
        """
        host = self._context.host
        result = self._context.server.run(script, True)
        output = str(result["stdout"]).replace("\r\n", "\n")
        # Some shells go on after each line that they do not understand, so the last line alone proves nothing.
        if LAST_LINE in output.split("\n") and re.search("^uid [0-9]+$", output, re.MULTILINE):
            return output
        # Each test in a command of its own: a shell that is not sh stops at what it does not understand.
        tests = [self._context.server.run(test, False) for test in (server_check.SHELL_TEST, server_check.LOGIN_SHELL)]
        printed = result["stderr"] if result["stderr"].strip() else output
        raise server_check.incomplete_error("\n".join(str(test["stdout"]) for test in tests), printed, self._context.server.become_method, host)

    def _require_python(self, needs: server_check.Needs) -> dict[str, Any]:
        """Run a module as the later steps do. Return its facts, with the package manager that Ansible uses if the role upgrades packages."""
        context = self._context
        name, options = ("setup", {"gather_subset": ["!all", "!min", "pkg_mgr"]}) if needs.packages else ("ping", {})
        result = context.server.run_module(f"ansible.legacy.{name}", options)
        if result.get("failed") or result.get("unreachable"):
            raise server_check.python_error(needs, describe_result(result, str), context.host)
        return result.get("ansible_facts") or {}

    def _check_packages(self, package_manager: Any, selection: Selection) -> list[str]:
        """Return warnings about the selection. Raise RewindError if the package manager can't upgrade it."""
        host = self._context.host
        error = server_check.package_manager_error(package_manager, selection, host)
        if error is not None:
            raise error
        names = selection.names or selection.exclude
        if not names:
            return []
        output = str(self._context.server.run(package_scripts.absent_script(package_manager, names), True)["stdout"])
        if LAST_LINE not in output.replace("\r", "").split("\n"):
            raise server_check.packages_error(package_manager, host)
        absent = [name for name in package_scripts.absent_names(output) if name in names]
        if absent and selection.names:
            raise absent_error(absent, host)
        return [absent_warning(absent, host)] if absent else []

    def _record_not_started(self, reason: str) -> None:
        """Write a run record that states why nothing was started, for the report of the rollout."""
        run = self._run
        if self._context.check_mode or run["resumed"]:
            return
        with contextlib.suppress(RewindError, OSError):
            record = self._launch_guard(Path(run["run_record"]), self._new_record(run, None))
            self._send(record, {"command": "update", "fields": {"reason": self._redactor.redact_text(reason)}})
            self._send(record, {
                "command": "finish", "outcome": states.NOT_STARTED, "message": "nothing was changed on the server", "verification": [],
            })
            self._send(record, {"command": "acknowledge"})
