# SPDX-License-Identifier: GPL-3.0-or-later
"""Server names and addresses with a meaning for templates, shells, terminals and Ansible itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import inventory_file
from support.inventory_file import accounts, write
from support.playbook_runner import PlaybookRunner, Run
from test_hostile_names import CONTROLS, FEW, NAMES, OWNED

pytestmark = pytest.mark.playbook

MORE = {"localhost": "localhost", "all": "all", "group": "ungrouped", "host_vars": "../host_vars/evil"}
ALL = {**NAMES, **MORE}
OPTIONS: dict[str, Any] = {
    "keyed_groups": [{"key": "rewind_server_name", "prefix": "name"},
                     {"key": "rewind_server_power_state", "prefix": "power", "parent_group": "powers"}],
    "compose": {"label": "rewind_server_name ~ '/' ~ rewind_server_power_state", "again": "rewind_server_name"},
    "groups": {"web": "rewind_server_task_state is none"},
    "filters": [{"exclude": "rewind_server_name == 'unused'"}], "strict": True,
}


def list_servers(runner: PlaybookRunner, cloud: str, names: list[str]) -> None:
    """Make the provider list these servers."""
    rows = [{"id": 700 + number, "name": name, "status": name, "ip_address": name, "ipv4": name, "root_password": "hunter2hunter2"}
            for number, name in enumerate(names)]
    body = {"count": len(rows), "next": None, "results": rows} if cloud == "vpsorg" else {"status": True, "data": {"server_list": rows}}
    runner.sandbox.admin.fault("raw", cloud=cloud, operation="servers.list", times=None, body=body)


def run(runner: PlaybookRunner, program: str, *arguments: str) -> Run:
    """Run a program, and check that it shows no traceback, no control character and no secret."""
    result = runner.command(program, *arguments, environment=inventory_file.environment(runner.sandbox))
    assert "Traceback" not in result.output and not CONTROLS.search(result.output), result.output
    assert "hunter2" not in result.output
    return result


def test_hostile_names_are_only_text(runner: PlaybookRunner, tmp_path: Path) -> None:
    list_servers(runner, "vpsorg", list(ALL.values()))
    path = write(tmp_path, **accounts(runner.sandbox)[0], **OPTIONS)
    found = json.loads(run(runner, "ansible-inventory", "-i", path, "--list").stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    variables = found["_meta"]["hostvars"]
    assert sorted(variables) == sorted(str(700 + number) for number, name in enumerate(ALL.values()))
    assert not any("ansible_host" in each for each in variables.values()), "no name is an address"
    # Unchanged except for control characters, not evaluated, and on the right host.
    for host, each in variables.items():
        name = list(ALL.values())[int(host) - 700]
        assert each["rewind_server_name"] == each["again"] == CONTROLS.sub("\ufffd", name.replace("\n", "\ufffd"))
        assert each["rewind_server_id"] == host and "root_password" not in each
    playbook = tmp_path / "play.yml"
    few = ":".join(str(700 + number) for number, key in enumerate(ALL) if key in FEW)
    playbook.write_text(json.dumps([{"hosts": few, "gather_facts": False, "connection": "local", "tasks": [
        {"ansible.builtin.debug": {"msg": "{{ rewind_server_name }} {{ label }} {{ again }} {{ hostvars[inventory_hostname].label }}"}},
        {"ansible.builtin.assert": {"that": ["again == rewind_server_name", "rewind_server_name in label"]}},
    ]}]), encoding="utf-8")
    played = run(runner, "ansible-playbook", "-i", path, str(playbook), "-vvv")
    assert played.status == 0 and '"msg": "{{ 7*7 }} {{ 7*7 }}/{{ 7*7 }} {{ 7*7 }} {{ 7*7 }}/{{ 7*7 }}"' in played.stdout, played.output
    assert not [file for file in tmp_path.rglob("*") if OWNED in file.name] and not Path(OWNED).exists()
