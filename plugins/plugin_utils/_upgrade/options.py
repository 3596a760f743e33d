# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the action `upgrade_guard`, and what it knows of the Ansible run that it works for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...module_utils._argspec import SECRET_OPTIONS, provider_spec
from ...module_utils._wait.polling import Clock
from .server_access import ServerAccess

# Steps that may run in check mode: they change nothing then.
READ_ONLY_STEPS = ("plan", "check_server", "find_interrupted", "find_last", "find_awaiting", "prune", "rollout_table")
STEPS = (
    "plan", "check_server", "find_interrupted", "find_last", "find_awaiting", "ask", "prune", "start_guard", "request_snapshot", "wait_snapshot",
    "arm", "detect_reboot", "reboot", "start_checks", "check_failed", "soak", "confirm", "wait_confirmation", "confirm_manually",
    "save_diagnostics", "start_rescue", "end_rescue", "roll_back", "wait_restore", "reconnect", "check_restored", "verify", "start_restored",
    "end_restored", "finish", "rollout_table", "close_run",
)

# Set by the role's user as `guarded_upgrade_X`. The role passes them once, to the first step, which returns them in the run.
ROLE_OPTIONS: dict[str, dict[str, Any]] = {
    "accept_run": {"type": "str"},
    "after_tasks": {"type": "list", "elements": "str", "default": []},
    "auto_recover_within": {"type": "int", "default": 1800},
    "before_snapshot_tasks": {"type": "list", "elements": "str", "default": []},
    "builtin_checks": {"type": "bool", "default": True},
    "check_timeout": {"type": "int", "default": 300},
    "checks": {"type": "list", "elements": "raw", "default": []},
    "confirm": {"type": "str", "choices": ["automatic", "manual"], "default": "automatic"},
    "confirm_wait": {"type": "bool", "default": True},
    "confirm_within": {"type": "int", "default": 600},
    "connection_timeout": {"type": "int", "default": 300},
    "diagnostics_log_files": {"type": "list", "elements": "str", "default": []},
    "diagnostics_timeout": {"type": "int", "default": 30},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "grace_period": {"type": "int", "default": 120},
    "keep_snapshots": {"type": "int", "default": 1},
    "marker_dir": {"type": "str", "default": "/var/tmp"},
    "packages": {"type": "raw", "default": "all"},
    "quiesce_services": {"type": "list", "elements": "str", "default": []},
    "reboot": {"type": "str", "choices": ["if_needed", "always", "never"], "default": "if_needed"},
    "reboot_command": {"type": "str"},
    "reboot_timeout": {"type": "int", "default": 600},
    "rescue_tasks": {"type": "list", "elements": "str", "default": []},
    "rescue_timeout": {"type": "int", "default": 120},
    "restored_tasks": {"type": "list", "elements": "str", "default": []},
    "roles": {"type": "list", "elements": "str", "default": []},
    "rollback_timeout": {"type": "int", "default": 3600},
    "show_report": {"type": "bool", "default": True},
    "snapshot_prefix": {"type": "str", "default": "rewind"},
    "snapshot_timeout": {"type": "int", "default": 1800},
    "soak_time": {"type": "int", "default": 30},
    "state_dir": {"type": "path", "default": "~/.local/state/rewind.vps"},
    "stop_server": {"type": "bool", "default": False},
    "tasks": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 3600},
    "verify_files": {"type": "list", "elements": "str", "default": []},
}
OPTIONS: dict[str, dict[str, Any]] = {
    **provider_spec(),
    "provider": {**provider_spec()["provider"], "required": False},  # only where the provider is asked
    "step": {"type": "str", "choices": list(STEPS), "required": True},
    "server": {"type": "str"},
    "run": {"type": "dict"},
    "options": {"type": "dict", "options": ROLE_OPTIONS},
    # What a step is given besides the run.
    "script": {"type": "str"},
    "probe": {"type": "str"},
    "failed_task": {"type": "raw"},
    "failed_result": {"type": "raw"},
    "server_log": {"type": "str"},
    "connection_error": {"type": "str"},
    "reason": {"type": "str"},
    "check": {"type": "dict"},
    "deadline": {"type": "int"},
    "checks_result": {"type": "str", "choices": ["passed", "failed", "not_run"], "default": "not_run"},
    "outcome": {"type": "str"},
    "message": {"type": "str"},
    "verification": {"type": "list", "elements": "dict", "default": []},
}

PROVIDER_OPTIONS = tuple(provider_spec())
# Read from the variables `guarded_upgrade_X` by name, so that no credential is in a task's options or in a registered result.
VARIABLE_OPTIONS = (*PROVIDER_OPTIONS, "server")
# What an inventory may know of a host.
INVENTORY_VARIABLES = {"provider": ("rewind_provider",), "api_url": ("rewind_api_url",), "server": ("rewind_server_id",)}
# How Ansible logs in and becomes root; a log or a result may quote them.
SECRET_VARIABLES = (
    "ansible_password", "ansible_ssh_pass", "ansible_ssh_password", "ansible_become_password", "ansible_become_pass",
    "ansible_ssh_private_key", "ansible_ssh_private_key_passphrase", "ansible_sudo_pass",
)
# Lowest and highest value; in seconds, except for keep_snapshots.
RANGES = {
    "auto_recover_within": (0, 604800), "snapshot_timeout": (1, 86400), "timeout": (1, 86400), "check_timeout": (1, 86400), "soak_time": (0, 86399),
    "confirm_within": (1, 604800),
    "rollback_timeout": (1, 86400), "grace_period": (1, 3600), "keep_snapshots": (0, 100), "api_timeout": (1, 600), "reboot_timeout": (1, 86400),
    "connection_timeout": (1, 86400), "diagnostics_timeout": (1, 3600), "rescue_timeout": (1, 3600),
}


def select_provider_options(parameters: dict[str, Any]) -> dict[str, Any]:
    """The options that say which provider, with which credentials."""
    return {name: parameters[name] for name in PROVIDER_OPTIONS}


def credential_values(parameters: dict[str, Any]) -> list[str | None]:
    return [parameters.get(name) for name in SECRET_OPTIONS]


@dataclass(frozen=True)
class RunContext:
    """What the action knows of the Ansible run."""

    host: str  # in the inventory
    address: str | None  # where Ansible reaches it
    connection: str  # the connection plugin in use for it
    search_paths: list[str]  # where the user's files are looked up, in this order
    process: dict[str, Any]  # identity of the process of ansible-playbook, see process_identity.identity
    command: str  # what it runs, for a person
    batch: list[str]  # the hosts that Ansible works on together, without failed ones
    play_keywords: set[str]  # those of planning.HANDLER_KEYWORD_RISKS that the play has
    conditional: str | None  # the conditions that the role's tasks inherit
    delegated: str | None  # the host that the role is delegated to
    check_mode: bool
    has_handlers: bool = False  # whether the play has handlers, which take their keywords from it
    login: dict[str, Any] = field(default_factory=dict)  # how Ansible logs in to the host now, see _server_login.read_login
    forks: int | None = None  # None where one host does not wait for another's fork
    all_hosts: list[str] = field(default_factory=list)  # of the play, failed ones included
    more_secrets: list[str] = field(repr=False, default_factory=list)  # passwords of the connection
    # Runs a script on the server over a new connection, within some seconds, with the `become` of a login; raises ServerUnavailable.
    probe_as_planned: Callable[[str, float, dict[str, Any]], str] = lambda script, seconds, login: ""
    refresh_facts: Callable[[], dict[str, Any]] = dict  # reads again what Ansible knows of the server
    progress: Callable[[str], None] = lambda text: None
    # Raises if the command line's tags do not select all of the upgrade; see play_analysis.PlayAnalysis.check_selection.
    check_selection: Callable[[list[str], list[str]], None] = lambda files, roles: None
    # Analyses the upgrade's files and roles, and other files, and returns warnings; see play_analysis.PlayAnalysis.check.
    user_collections: Callable[[], list[str]] = list  # the play's `collections`, for the user's tasks
    is_linear: bool = True  # whether all servers of the batch pass a step before any starts the next one
    ask: Callable[[str], str] = lambda question: ""  # returns what a person at the terminal answers
    check_tasks: Callable[[list[str] | None, list[str], list[str]], list[str]] = lambda tasks, roles, others: []
    clock: Clock = field(default_factory=Clock)
    server: Any = field(repr=False, default=None)  # a _server_connection.ServerConnection
    has_ssh_server: Callable[[str, int], bool | None] = lambda address, port: None  # see controller_observer.answers
    shell: ServerAccess | None = field(repr=False, default=None)
