# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin in Ansible's own programs, and tasks that take their options from it."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import inventory_file
from support.inventory_file import DISTINCT_NAMES, accounts, cache, write
from support.playbook_runner import IN_PROCESS, MODULE, PlaybookRunner, Run, other_python
from support.secret_search import Searcher

if TYPE_CHECKING:
    from sandbox import SandboxHandle

pytestmark = pytest.mark.playbook

GROUPED: dict[str, Any] = {
    "keyed_groups": [{"key": "rewind_account", "prefix": "account"}], "groups": {"web": "rewind_server_name is match('web')"},
    "compose": {"label": "rewind_provider ~ '/' ~ rewind_server_id"}, "filters": [{"exclude": "rewind_server_name is match('.*2')"}],
}
LIST = ["servers.list"] * 3


def take_operations(sandbox: SandboxHandle) -> list[str]:
    """Return the operations of all requests since the last call."""
    found = [request["operation"] for request in sandbox.admin.requests()]
    sandbox.admin.clear_request_log()
    return found


def inventory(runner: PlaybookRunner, path: str, *arguments: str, **environment: str) -> Run:
    variables = {**inventory_file.environment(runner.sandbox), **environment}
    return runner.command("ansible-inventory", "-i", path, *(arguments or ("--list",)), environment=variables)


def hosts(run: Run) -> dict[str, dict[str, Any]]:
    """Return the hosts and their variables without Ansible's tag for unsafe values."""
    assert run.status == 0, run.output
    found = json.loads(run.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    return found["_meta"]["hostvars"]


def test_three_accounts_in_one_file_and_then_one_fails(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path) -> None:
    path = write(tmp_path, accounts=accounts(sandbox), **DISTINCT_NAMES, **GROUPED, strict=True, **cache(tmp_path))
    take_operations(sandbox)
    first = hosts(inventory(runner, path))
    assert take_operations(sandbox) == LIST, "one request for each account"
    assert set(first) == {"shop-web1", "blog-web1", "ilkbyte-app1"}
    assert first["shop-web1"] == {
        "ansible_host": "127.0.0.1", "label": "vpsorg/12345", "rewind_account": "shop", "rewind_api_url": sandbox.vpsorg_url,
        "rewind_inventory": path, "rewind_provider": "vpsorg", "rewind_server_address": "127.0.0.1", "rewind_server_task_state": None,
        "rewind_server_id": "12345", "rewind_server_name": "web1", "rewind_server_power_state": "running",
    }
    graph = inventory(runner, path, "--graph")
    assert take_operations(sandbox) == [], "from the cache"
    groups = "all ungrouped account_blog account_ilkbyte account_shop web".split()
    names = "blog-web1 blog-web1 ilkbyte-app1 shop-web1 shop-web1".split()
    assert sorted(line.strip(" |-:") for line in graph.stdout.splitlines()) == sorted([*(f"@{group}" for group in groups), *names])
    for entry in (tmp_path / "cache").iterdir():
        os.utime(entry, times=(time.time() - 7200,) * 2)  # older than cache_timeout
    sandbox.admin.fault("status", status=403, cloud="ilkbyte", times=None)
    run = inventory(runner, path)
    assert hosts(run) == {}, "neither the other accounts nor a stale cache"
    assert "Account ilkbyte:" in " ".join(run.stderr.split()) and "Traceback" not in run.output


@pytest.mark.parametrize("mode", [IN_PROCESS, pytest.param(MODULE, marks=pytest.mark.slow)])
def test_a_task_takes_its_provider_options_from_the_inventory(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path, mode: str) -> None:
    path = write(tmp_path, accounts=accounts(sandbox), **DISTINCT_NAMES, filters=GROUPED["filters"])
    task = {"rewind.vps.snapshot": {"name": "before"}, "ignore_errors": True, **({"delegate_to": "localhost"} if mode == IN_PROCESS else {})}
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{
        "hosts": "all", "gather_facts": False, "connection": "local", "tasks": [task],
        "vars": {"ansible_python_interpreter": other_python()} if mode == MODULE else {}}]), encoding="utf-8")
    run = runner.command("ansible-playbook", "-i", path, str(playbook), "-vvv", environment=inventory_file.environment(sandbox))
    assert run.status == 0 and ("since another Python is configured" in run.stdout) == (mode == MODULE), run.output
    assert set(re.findall(r"^changed: \[([\w-]+)", run.stdout, re.MULTILINE)) == {"shop-web1", "ilkbyte-app1"}
    # The token of this account is read-only, so the task found the snapshot of the other account or was denied.
    assert re.search(r'^ok: \[blog-web1|^fatal: \[blog-web1.*?"kind": "forbidden"', run.stdout, re.MULTILINE | re.DOTALL), run.output
    created = Counter((event["cloud"], event["server"]) for event in sandbox.admin.events("snapshot_ready"))
    assert created == {("vpsorg", "web1"): 1, ("ilkbyte", "app1"): 1}


@pytest.mark.slow
@pytest.mark.duration(6)
def test_a_token_in_a_vault_is_used_and_never_shown(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("vault-Password-0123456789", encoding="utf-8")
    sealed = runner.command("ansible-vault", "encrypt_string", "--vault-password-file", str(password), "--name", "api_token", sandbox.vpsorg_token)
    assert sealed.status == 0, sealed.output
    path = tmp_path / "sealed.rewind_vps.yml"
    path.write_text(f"plugin: rewind.vps.servers\nprovider: vpsorg\napi_url: {sandbox.vpsorg_url}\n{sealed.stdout}", encoding="utf-8")
    opened = {"ANSIBLE_VAULT_PASSWORD_FILE": str(password)}
    listed = inventory(runner, str(path), "--list", "-vvvv", **opened)
    listing = replace(listed, stdout=listed.stdout[listed.stdout.index("{\n"):])  # without the output of -vvvv before it
    assert set(hosts(listing)) == {"web1", "web2"}
    playbook = tmp_path / "play.yml"
    task = {"rewind.vps.snapshot": {"name": "before"}, "delegate_to": "localhost"}
    playbook.write_text(json.dumps([{"hosts": "web1", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    played = runner.command("ansible-playbook", "-i", str(path), str(playbook), "-vvvv", environment=opened)
    assert played.status == 0, played.output
    assert [event["server"] for event in sandbox.admin.events("snapshot_ready")] == ["web1"]
    closed = inventory(runner, str(path))
    assert hosts(closed) == {} and "vault" in closed.stderr.lower() and "Traceback" not in closed.output
    searcher = Searcher([sandbox.vpsorg_token, password.read_text("utf-8")])
    for name, run in {"listed": listed, "played": played, "closed": closed}.items():
        searcher.search(name, run.output)
    assert not searcher.hits, "\n".join(map(str, searcher.hits))
