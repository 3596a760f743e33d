# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the action C(upgrade_guard), and what it knows of the run that it works for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...module_utils._argspec import SECRET_OPTIONS, provider_spec

READ_ONLY_STEPS = ("plan", "find_interrupted", "find_last", "prune", "rollout_table")  # those that a check run may do: they change nothing then
STEPS = (
    "plan", "find_interrupted", "start_guard", "request_snapshot", "wait_snapshot", "arm", "start_upgrade", "start_checks", "check_units",
    "confirm", "trim", "save_diagnostics", "roll_back", "wait_restore", "verify", "finish", "rollout_table", "acknowledge", "find_last", "prune",
)

OPTIONS: dict[str, dict[str, Any]] = {
    **provider_spec(),
    "provider": {**provider_spec()["provider"], "required": False},  # only where the cloud is asked
    "step": {"type": "str", "choices": list(STEPS), "required": True},
    "server": {"type": "str"},
    "state_dir": {"type": "path", "default": "~/.local/state/rewind.vps"},
    "run": {"type": "dict"},
    "snapshot_prefix": {"type": "str", "default": "rewind"},
    "tasks": {"type": "list", "elements": "str", "default": []},
    "checks": {"type": "list", "elements": "str", "default": []},
    "notify_tasks": {"type": "list", "elements": "str", "default": []},
    "roles": {"type": "list", "elements": "str", "default": []},
    "check_ports": {"type": "list", "elements": "int", "default": []},
    "check_urls": {"type": "list", "elements": "str", "default": []},
    "quiesce_services": {"type": "list", "elements": "str", "default": []},
    "verify_files": {"type": "list", "elements": "str", "default": []},
    "diagnostics_log_files": {"type": "list", "elements": "str", "default": []},
    "reboot_timeout": {"type": "int", "default": 600},
    "connection_timeout": {"type": "int", "default": 300},
    "diagnostics_timeout": {"type": "int", "default": 30},
    "auto_recover_within": {"type": "int", "default": 1800},
    "accept_run": {"type": "str"},
    "marker_dir": {"type": "str", "default": "/var/tmp"},
    "stop_server": {"type": "bool", "default": False},
    "snapshot_timeout": {"type": "int", "default": 1800},
    "timeout": {"type": "int", "default": 3600},
    "check_timeout": {"type": "int", "default": 300},
    "rollback_timeout": {"type": "int", "default": 3600},
    "grace_period": {"type": "int", "default": 120},
    "keep_snapshots": {"type": "int", "default": 1},
    "probe": {"type": "str"},
    "failed_task": {"type": "raw"},
    "failed_result": {"type": "raw"},
    "server_log": {"type": "str"},
    "reason": {"type": "str"},
    "checks_result": {"type": "str", "choices": ["passed", "failed", "not_run"], "default": "not_run"},
    "outcome": {"type": "str"},
    "message": {"type": "str"},
    "verification": {"type": "list", "elements": "dict", "default": []},
    "hosts": {"type": "list", "elements": "str", "default": []},
}

PROVIDER_OPTIONS = tuple(provider_spec())
# Those that the role's user sets, as variables guarded_upgrade_X.
ROLE_OPTIONS = (
    *PROVIDER_OPTIONS, "server", "state_dir", "run", "snapshot_prefix", "tasks", "checks", "notify_tasks", "auto_recover_within", "accept_run",
    "marker_dir", "stop_server", "snapshot_timeout", "timeout", "check_timeout", "rollback_timeout", "grace_period", "keep_snapshots", "roles",
    "check_ports", "check_urls", "quiesce_services", "verify_files", "diagnostics_log_files", "reboot_timeout", "connection_timeout",
    "diagnostics_timeout",
)
# Lists that the role goes through itself. The plan hands them on as lists, whether they were given as such or as text.
LIST_OPTIONS = ("roles", "check_ports", "check_urls", "quiesce_services", "verify_files", "diagnostics_log_files")
# What an inventory may know of a host.
INVENTORY_VARIABLES = {"provider": ("rewind_provider",), "api_url": ("rewind_api_url",), "server": ("rewind_server_id",)}
# Each with its lowest and highest value; seconds, but for keep.
RANGES = {
    "auto_recover_within": (0, 604800), "snapshot_timeout": (1, 86400), "timeout": (1, 86400), "check_timeout": (1, 86400),
    "rollback_timeout": (1, 86400), "grace_period": (1, 3600), "keep_snapshots": (0, 100), "api_timeout": (1, 600), "reboot_timeout": (1, 86400),
    "connection_timeout": (1, 86400), "diagnostics_timeout": (1, 3600),
}


def role_variable(option: str) -> str:
    """The variable of the role that holds an option; the plan's result is private to the role."""
    return "__guarded_upgrade_run" if option == "run" else f"guarded_upgrade_{option}"


def select_provider_options(parameters: dict[str, Any]) -> dict[str, Any]:
    """The part that says which cloud, with which credentials."""
    return {name: parameters[name] for name in PROVIDER_OPTIONS}


def credential_values(parameters: dict[str, Any]) -> list[str | None]:
    """The credentials among the options."""
    return [parameters.get(name) for name in SECRET_OPTIONS]


# The role sees to its own tasks and the user's, whatever the play says. Handlers belong to the play.
HANDLER_KEYWORDS = ("force_handlers", "ignore_errors", "any_errors_fatal")


@dataclass(frozen=True)
class RunContext:
    """What the action knows of the run.

    :ivar host: how the inventory calls the server.
    :ivar address: where Ansible reaches it, or None.
    :ivar connection: the connection plugin in use for it.
    :ivar search_paths: where files of the user's are looked for, in this order.
    :ivar process: identity of ansible-playbook's process (processes.identity).
    :ivar command: what it runs, in words for a person.
    :ivar conditional: the conditions that the role's tasks have inherited, or None.
    :ivar delegated: the host that the role is delegated to, or None.
    :ivar batch: the hosts that are worked on together, and still are.
    :ivar forks: how many of them Ansible works on at the same time, or None where that does not make one wait for another.
    :ivar play_keywords: those of HANDLER_KEYWORDS that are on for the play.
    :ivar more_secrets: passwords of the connection.
    :ivar progress: shows a line of progress.
    """

    host: str
    address: str | None
    connection: str
    search_paths: list[str]
    process: dict[str, Any]
    command: str
    batch: list[str]
    play_keywords: set[str]
    conditional: str | None
    delegated: str | None
    check_mode: bool
    forks: int | None = None
    more_secrets: list[str] = field(repr=False, default_factory=list)
    progress: Callable[[str], None] = lambda text: None
