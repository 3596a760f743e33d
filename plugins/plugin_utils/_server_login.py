# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Ansible logs in to a host when a run is planned. A restored server is contacted in the same way, whatever the upgrade has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible import constants
from ansible.plugins.loader import become_loader

# Options of the ssh plugin without secrets, and without arguments, which may contain some.
SSH_OPTIONS = ("host", "port", "remote_user", "private_key_file", "host_key_checking")
BECOME_OPTIONS = ("become_user", "become_exe", "become_flags")


def read_login(connection: Any) -> dict[str, Any]:
    """Return how Ansible logs in.

    Returns:
        `settings`, options of the plugin guarded_ssh; `become`, how Ansible becomes another user, None if it does not; `is_left_over`, whether an
        earlier run has left that plugin to the host.
    """
    is_ssh = connection.transport == "ssh"
    return {
        "settings": {name: connection.get_option(name) for name in SSH_OPTIONS} if is_ssh else {},
        "become": _read_become(connection),
        "is_left_over": is_ssh and "loss_fails_task" in connection.option_definitions and not connection.get_option("loss_fails_task"),
    }


def _read_become(connection: Any) -> dict[str, Any] | None:
    plugin = getattr(connection, "become", None)
    if plugin is None:
        return None
    return {"method": plugin._load_name, **{name: plugin.get_option(name) for name in BECOME_OPTIONS if name in plugin.option_definitions}}


def use_planned_become(connection: Any, login: dict[str, Any], task_vars: dict[str, Any], template: Callable[[Any], Any]) -> None:
    """Become the user that the plan has become, if the current variables say something else."""
    if "become" not in login or login["become"] == _read_become(connection):
        return
    if login["become"] is None:
        connection.become = None
        return
    planned = dict(login["become"])
    plugin = become_loader.get(planned.pop("method"))
    variables = {name: template(task_vars[name]) for name in constants.config.get_plugin_vars("become", plugin._load_name) if name in task_vars}
    plugin.set_options(task_keys={"become_pass": connection._play_context.become_pass}, var_options=variables, direct=planned)
    connection.set_become_plugin(plugin)
