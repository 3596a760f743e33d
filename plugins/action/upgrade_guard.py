# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import re
import sys
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible import context as command_line
from ansible.errors import AnsibleError, AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.text.converters import to_text
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display

from ansible_collections.rewind.vps.plugins.module_utils._argspec import PROVIDER_ENV_VARS
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError, internal_error_result, invalid_argument
from ansible_collections.rewind.vps.plugins.module_utils._http.checks import requests_available
from ansible_collections.rewind.vps.plugins.module_utils._redaction import Redactor
from ansible_collections.rewind.vps.plugins.module_utils._text import sanitize_nested
from ansible_collections.rewind.vps.plugins.plugin_utils import _inventory_accounts as inventory_accounts
from ansible_collections.rewind.vps.plugins.plugin_utils._action import ControllerAction
from ansible_collections.rewind.vps.plugins.plugin_utils._server_connection import ServerConnection
from ansible_collections.rewind.vps.plugins.plugin_utils._server_facts import refresh_facts
from ansible_collections.rewind.vps.plugins.plugin_utils._server_login import read_login, use_planned_become
from ansible_collections.rewind.vps.plugins.plugin_utils._server_shell import ServerShell
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import controller_observer, process_identity, server_check
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import (
    INVENTORY_VARIABLES,
    OPTIONS,
    PROVIDER_OPTIONS,
    RANGES,
    SECRET_VARIABLES,
    VARIABLE_OPTIONS,
    RunContext,
    credential_values,
)
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.planning import HANDLER_KEYWORD_RISKS
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.play_analysis import PlayAnalysis, strategy_names
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import ServerUnavailable
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps import OperationFailed, Steps
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.tag_selection import NotSelected
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.unfinished import remember_run, watch_exit

# Only these variables of a task's environment apply: with another HOME the run records would be elsewhere.
PROVIDER_ENV_PATTERN = re.compile(f"{'|'.join(PROVIDER_ENV_VARS)}|REWIND_.*|.*_proxy|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|SSL_CERT_.*", re.IGNORECASE)

# Shown to a person; a provider or a server may have supplied a part of it.
DISPLAYED_KEYS = frozenset({"msg", "message", "reason", "next", "plan", "table", "warnings"})

# Read by later steps. A login password may be a common word, such as the user's name, and must not mask that there. None of them contains one.
STEP_DATA = frozenset({"run", "outcome", "verification", "stdout", "package_manager", "lock_script", "upgrade_script"})

# Every strategy loads this action in the process of ansible-playbook before it starts the first step in another process.
watch_exit(C.DEFAULT_LOCAL_TMP, lambda message: Display().error(message, wrap_text=False))


class ActionModule(ControllerAction):
    """One step of the role guarded_upgrade, always on the controller, whatever the host's connection."""

    _supports_async = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        try:
            return {**result, **self._execute(task_vars)}
        except AnsibleError:  # Ansible's own: a variable that can't be templated
            raise
        except Exception as error:  # Ansible would show its text, which may hold anything
            return {**result, **internal_error_result(error)}

    def _execute(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        with self._task_environment(PROVIDER_ENV_PATTERN):
            validation = ArgumentSpecValidator(OPTIONS).validate(self._options(task_vars))
            if validation.error_messages:
                return {"failed": True, "msg": Redactor(credential_values(validation.validated_parameters)).redact_text(validation.errors.msg)}
            parameters = dict(validation.validated_parameters)
            parameters.update(parameters.pop("options"))
            parameters["state_dir"] = os.path.abspath(parameters["state_dir"])  # the guard has another working directory
            credentials = credential_values(parameters)
            result = self._run_step(parameters, task_vars)
            step_data = Redactor(credentials).redact({key: value for key, value in result.items() if key in STEP_DATA})
            texts = {key: value for key, value in result.items() if key not in STEP_DATA}
            texts = Redactor([*credentials, *self._connection_secrets(task_vars)]).redact(texts)
            return {**step_data, **{key: sanitize_nested(value) if key in DISPLAYED_KEYS else value for key, value in texts.items()}}

    def _options(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The task's options, with those of the run's first step, and with the provider's.

        The provider's and credentials come from the role's variables, else from the inventory's, else from module_defaults,
        else from the host's account.
        """
        options = dict(self._task.args)
        role_options = options.get("options") or (options["run"].get("options") if isinstance(options.get("run"), dict) else None) or {}
        if isinstance(role_options, dict):  # a variable that is set to nothing counts as not set
            role_options = {name: value for name, value in role_options.items() if value not in (None, "")}
        options["options"] = role_options
        for option in VARIABLE_OPTIONS:
            for variable in (f"guarded_upgrade_{option}", *INVENTORY_VARIABLES.get(option, ())):
                value = self._templar.template(task_vars[variable]) if variable in task_vars else None
                if value not in (None, ""):
                    options[option] = value
                    break
        variables = {name: self._templar.template(task_vars[name]) for name in inventory_accounts.HOST_VARIABLES if name in task_vars}
        account_options = inventory_accounts.options_for_host(options, variables, on_controller=True)
        return {**options, **{name: value for name, value in account_options.items() if name in PROVIDER_OPTIONS}}

    def _run_step(self, parameters: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        try:
            self._validate(parameters)
            result = Steps(parameters, self._context(task_vars)).run(parameters["step"])
            if parameters["step"] == "start_guard":
                remember_run(C.DEFAULT_LOCAL_TMP, result["run"]["run_record"])
            return result
        except OperationFailed as failure:
            return failure.result
        except NotSelected as reason:
            Display().warning(str(reason))  # up to ansible-core 2.18 the warnings of a skipped task are not shown
            return {"skipped": True, "changed": False, "msg": str(reason), "skip_reason": str(reason)}
        except server_check.ServerUnreachable as error:
            return {"unreachable": True, "changed": False, "msg": error.format(), "error": error.to_result()}
        except RewindError as error:
            return {"failed": True, "changed": False, "msg": error.format(), "error": error.to_result()}
        except OSError as error:
            return {"failed": True, "changed": False, "msg": f"rewind.vps can't read or write one of its files: {error.strerror}: {error.filename}"}

    def _probe_as_planned(self, script: str, seconds: float, login: dict[str, Any], task_vars: dict[str, Any]) -> str:
        """Log in again, with the `become` of the plan, and return what a script prints. Raise ServerUnavailable as `ServerShell.run`."""
        try:
            use_planned_become(self._connection, login, task_vars, self._templar.template)
        except AnsibleError as failure:  # its plugin is not installed any more
            raise ServerUnavailable(str(failure)) from None
        return ServerShell(self, task_vars).run(script, seconds, new_login=True)

    def _connection_secrets(self, task_vars: dict[str, Any]) -> list[str]:
        """The passwords with which Ansible logs in to the host, as they are used."""
        values = [self._templar.template(task_vars[name]) for name in SECRET_VARIABLES if name in task_vars]
        return [str(value) for value in values if value is not None]

    @staticmethod
    def _validate(parameters: dict[str, Any]) -> None:
        if not requests_available():
            raise invalid_argument("The controller's Python has no requests", f"install it there: {sys.executable} -m pip install requests")
        for name, (low, high) in RANGES.items():
            if parameters[name] is not None and not low <= parameters[name] <= high:
                raise invalid_argument(f"{name} must be from {low} to {high}, not {parameters[name]}")
        if parameters["soak_time"] >= parameters["check_timeout"]:
            raise invalid_argument(
                f"soak_time ({parameters['soak_time']} s) must be shorter than check_timeout ({parameters['check_timeout']} s)",
                "the checks must pass first, and then for the soak time",
            )
        if not parameters["marker_dir"].startswith("/"):
            raise invalid_argument(f"marker_dir takes an absolute path on the server, not {parameters['marker_dir']!r}")
        if not parameters["snapshot_prefix"].isalnum() or not parameters["snapshot_prefix"].isascii():
            raise invalid_argument("snapshot_prefix takes letters and digits only, since snapshot names start with it")

    def _context(self, task_vars: dict[str, Any]) -> RunContext:
        host = task_vars.get("inventory_hostname", "localhost")
        return RunContext(
            host=host,
            address=self._templar.template(task_vars.get("ansible_host")) if task_vars.get("ansible_host") else None,
            connection=_short_name(self._connection),
            search_paths=self._search_paths(task_vars),
            process=process_identity.identity(_ansible_playbook_pid()),  # a task's process is a child of ansible-playbook's
            command=" ".join(["ansible-playbook", *(os.path.basename(str(name)) for name in command_line.CLIARGS.get("args") or [])]),
            conditional=" and ".join(map(str, self._task.when)) or None,
            delegated=self._task.delegate_to or None,
            batch=list(task_vars.get("ansible_play_batch") or [host]),
            forks=self._forks(task_vars),
            # By the playbook, the command line or the configuration.
            play_keywords={
                keyword for keyword in HANDLER_KEYWORD_RISKS
                if boolean(self._templar.template(getattr(self._task.play, keyword, None)), strict=False)
            },
            has_handlers=any(block.block for block in self._task.play.handlers or []),
            login=read_login(self._connection),
            probe_as_planned=lambda script, seconds, login: self._probe_as_planned(script, seconds, login, task_vars),
            refresh_facts=lambda: refresh_facts(self, task_vars),
            check_mode=bool(self._task.check_mode or command_line.CLIARGS.get("check")),
            all_hosts=list(task_vars.get("ansible_play_hosts_all") or [host]),
            user_collections=lambda: self._analysis(task_vars).user_collections,
            is_linear="linear" in strategy_names(getattr(self._task.play, "strategy", None)),
            ask=self._ask,
            check_selection=lambda *files: self._analysis(task_vars).check_selection(*files),
            check_tasks=lambda *files: self._analysis(task_vars).check(*files),
            server=ServerConnection(self, task_vars),
            has_ssh_server=controller_observer.answers,
            shell=ServerShell(self, task_vars),
            more_secrets=self._connection_secrets(task_vars),
            progress=self._progress_callback(task_vars),
        )

    def _ask(self, question: str) -> str:
        """The action `pause` would do this, but under some strategies it ends the whole run."""
        try:
            answer = Display().prompt_until(f"[{self._task.get_name().strip()}]\n{question}:")
        except (AnsiblePromptInterrupt, AnsiblePromptNoninteractive):
            return ""
        return to_text(answer, errors="surrogate_or_strict").strip()

    def _analysis(self, task_vars: dict[str, Any]) -> PlayAnalysis:
        host = task_vars["inventory_hostname"]
        return PlayAnalysis(self._task, self._loader, host, list(task_vars.get("ansible_play_batch") or [host]), _is_own_playbook(task_vars))

    def _forks(self, task_vars: dict[str, Any]) -> int | None:
        """With host_pinned no server waits for a fork of another's between two of its tasks."""
        is_host_pinned = "host_pinned" in strategy_names(getattr(self._task.play, "strategy", None))
        return None if is_host_pinned else int(task_vars.get("ansible_forks") or 5)

    def _search_paths(self, task_vars: dict[str, Any]) -> list[str]:
        """Where the user's files may lie: beside the playbook, unless that is one of ours; where one stands; beside the inventory."""
        playbook = str(task_vars.get("playbook_dir") or "")
        search_paths = [] if not playbook or _is_own_playbook(task_vars) else [playbook, os.path.join(playbook, "tasks")]
        inventory = task_vars.get("inventory_dir")
        return [*search_paths, os.getcwd(), *([str(inventory)] if inventory else [])]


def _is_own_playbook(task_vars: dict[str, Any]) -> bool:
    playbook = str(task_vars.get("playbook_dir") or "")
    return bool(playbook) and Path(playbook).resolve() == Path(__file__).resolve().parents[2] / "playbooks"


def _ansible_playbook_pid() -> int:
    """ansible-playbook's process: the parent of a task's, also when it is gone and another has adopted the task's."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent is not None and parent.pid else os.getppid()


def _short_name(connection: Any) -> str:
    """A connection plugin's name; of those that come with Ansible without the collection's."""
    name = getattr(connection, "ansible_name", None) or getattr(connection, "_load_name", None) or connection.transport
    return name.rpartition(".")[2] if name.startswith(("ansible.builtin.", "ansible.legacy.")) else name
