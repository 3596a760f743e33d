# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for users of the sandbox: an Ansible inventory without credentials, and the environment file."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from .state import SandboxState


def inventory(sandbox: SandboxState, vpsorg_url: str, ilkbyte_url: str) -> dict[str, Any]:
    """Return the inventory: group `sandbox` with children `vpsorg` and `ilkbyte`."""
    ssh_arguments = " ".join((
        "-F", os.devnull,
        "-o", "StrictHostKeyChecking=yes",
        "-o", shlex.quote(f"UserKnownHostsFile={sandbox.machine_pool.known_hosts_path}"),
        "-o", f"GlobalKnownHostsFile={os.devnull}",
        "-o", "IdentitiesOnly=yes",
    ))
    children: dict[str, Any] = {}
    for cloud, url in ((sandbox.vpsorg, vpsorg_url), (sandbox.ilkbyte, ilkbyte_url)):
        hosts: dict[str, Any] = {}
        for server in cloud.servers:
            hosts[server.name] = {
                "ansible_port": server.machine.port,
                # Ilkbyte's servers are addressed by name, VPS.org's by ID
                "rewind_server_id": server.id if cloud is sandbox.vpsorg else server.name,
                "rewind_server_name": server.name,
                # "/", or without namespaces the disk's path on this host
                "rewind_root": server.machine.root_inside,
                **server.machine.ansible_variables,
            }
        children[cloud.name] = {"hosts": hosts, "vars": {"rewind_provider": cloud.name, "rewind_api_url": url}}
    common = {
        "ansible_host": "127.0.0.1",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(sandbox.machine_pool.client_key_path),
        "ansible_ssh_common_args": ssh_arguments,
        "ansible_python_interpreter": sandbox.machine_pool.python,
    }
    return {"sandbox": {"vars": common, "children": children}}


def write_inventory(path: Path, content: dict[str, Any]) -> None:
    """Write the inventory atomically as YAML."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text("# The sandbox's servers; rewritten when they change.\n" + _yaml(content), encoding="utf-8")
    temporary.replace(path)


def write_environment(path: Path, facts: dict[str, Any]) -> None:
    """Write the file that a shell sources to use the sandbox. It contains credentials, so only the owner can read it."""
    variables = {
        "VPS_API_URL": facts["vpsorg_url"], "VPS_API_TOKEN": facts["vpsorg_token"], "ILKBYTE_HOST": facts["ilkbyte_url"],
        "ILKBYTE_ACCESS_KEY": facts["ilkbyte_access_key"], "ILKBYTE_SECRET_KEY": facts["ilkbyte_secret_key"],
        "SANDBOX_INVENTORY": facts["inventory"],
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.writelines(lines)


def _yaml(value: dict[str, Any], indent: int = 0) -> str:
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines.append(f"{' ' * indent}{key}:\n{_yaml(item, indent + 2)}")
        else:
            lines.append(f"{' ' * indent}{key}: {json.dumps(item)}\n")
    return "".join(lines)
