# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarded upgrades of hosts that the inventory plugin gives: no option of the role, and no credentials but those in the inventory file."""

from __future__ import annotations

import pytest
import yaml
from support import inventory_file
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

NONE = {"VPS_API_TOKEN": "", "ILKBYTE_ACCESS_KEY": "", "ILKBYTE_SECRET_KEY": ""}


def upgrade(upgrades: UpgradeRunner, hosts: str, *arguments: str, tasks: str) -> int:
    """Run the collection's playbook; its exit status."""
    sandbox = upgrades.sandbox
    with open(sandbox.inventory, encoding="utf-8") as file:
        sandbox_inventory = yaml.safe_load(file)["sandbox"]
    known = [accounts for accounts in inventory_file.accounts(sandbox) if accounts.get("name") != "blog"]
    ports = {name: host["ansible_port"] for cloud in sandbox_inventory["children"].values() for name, host in cloud["hosts"].items()}
    path = inventory_file.write(upgrades.directory, accounts=known, compose={"ansible_port": f"{ports!r}[rewind_server_name]"}, strict=True)
    of_one = next(iter(sandbox_inventory["children"].values()))["hosts"]["web1"]
    not_these = ("rewind_", "ansible_host", "ansible_port")  # those come from the plugin
    variables = {key: value for key, value in {**sandbox_inventory["vars"], **of_one}.items() if not key.startswith(not_these)}
    variables |= {"guarded_upgrade_timeout": 60, "guarded_upgrade_check_timeout": 30, "guarded_upgrade_soak_time": 0}
    variables |= {"guarded_upgrade_grace_period": 5}
    (upgrades.directory / "group_vars").mkdir(exist_ok=True)
    (upgrades.directory / "group_vars" / "all.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
    given = ("-e", f"target={hosts}", "-e", f"guarded_upgrade_tasks={tasks}", *arguments)
    environment = {**NONE, **inventory_file.environment(sandbox)}
    run = upgrades.command("ansible-playbook", "-i", path, "rewind.vps.guarded_upgrade", *given, environment=environment)
    print(run.output)
    return run.status


@pytest.mark.slow
def test_the_plan_for_hosts_of_both_clouds(upgrades: UpgradeRunner) -> None:
    assert upgrade(upgrades, "web1:app1", "--check", tasks=upgrades.tasks("upgrade", CHANGE)) == 0
    assert not upgrades.sandbox.admin.requests(changing=True)
    assert {request["server"] for request in upgrades.sandbox.admin.requests(operation="snapshots.list")} == {"web1", "app1"}


def test_the_guard_has_the_accounts_credentials(upgrades: UpgradeRunner) -> None:
    assert upgrade(upgrades, "app1", tasks=upgrades.tasks("upgrade", CHANGE, FAIL)) != 0
    upgrades.assert_rolled_back("app1")
