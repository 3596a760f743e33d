# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README shows is run as it stands there, and its table of what the clouds can do is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.playbook_runner import ROOT, PlaybookRunner

if TYPE_CHECKING:
    from sandbox import SandboxHandle

README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```yaml\n(.*?)```", README, re.DOTALL))
AD_HOC = re.findall(r"^\$ ansible localhost (-m .*)$", README, re.MULTILINE)


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    path = tmp_path / "hosts"
    path.write_text("[web]\nweb1\n[app]\napp1\n", encoding="utf-8")
    return str(path)


def credentials(sandbox: SandboxHandle) -> dict[str, str]:
    return {
        "VPS_API_TOKEN": sandbox.vpsorg_token, "VPS_API_URL": sandbox.vpsorg_url,
        "ILKBYTE_ACCESS_KEY": sandbox.ilkbyte_access_key, "ILKBYTE_SECRET_KEY": sandbox.ilkbyte_secret_key,
        "ILKBYTE_HOST": sandbox.ilkbyte_url,
    }


def changing(sandbox: SandboxHandle) -> list[str]:
    return [request["operation"] for request in sandbox.admin.requests(changing=True)]


# What each example asks the cloud to change, the first time it is run.
EXPECTED = {
    "vpsorg": ["snapshots.create", "snapshots.delete"],
    "ilkbyte": ["snapshots.create"],
    "fleet": ["snapshots.create"],
    "restore": ["snapshots.restore"],
    "vault": [],
}


def test_every_example_is_known() -> None:
    assert sorted(EXAMPLES) == sorted({*EXPECTED, "guarded"})  # that one is run in guarded/test_readme_guarded.py


@pytest.mark.playbook
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path, inventory: str, name: str) -> None:
    for number in (1, 2, 3):
        sandbox.admin.add_snapshot("vpsorg", 12345, f"preupgrade-2026010{number}", created_at=f"2026-01-0{number}T00:00:00Z")
    if name == "restore":
        sandbox.admin.add_snapshot("ilkbyte", "app1", "preupgrade")
    playbook = tmp_path / f"{name}.yml"
    playbook.write_text(EXAMPLES[name], encoding="utf-8")
    command = ("ansible-playbook", "-i", inventory, str(playbook), "-e", f"vault_vps_api_token={sandbox.vpsorg_token}")
    environment = credentials(sandbox)
    if name == "vault":
        del environment["VPS_API_TOKEN"]
    run = runner.command(*command, environment=environment)
    assert run.status == 0, run.output
    assert changing(sandbox) == EXPECTED[name]
    if name != "restore":
        again = runner.command(*command, environment=environment)
        assert again.status == 0, again.output
        assert changing(sandbox) == EXPECTED[name], "a second run changed something"


@pytest.mark.playbook
def test_ad_hoc_commands(runner: PlaybookRunner, sandbox: SandboxHandle) -> None:
    sandbox.admin.add_snapshot("ilkbyte", "app1", "nightly")
    modules = set()
    for line in AD_HOC:
        run = runner.command("ansible", "localhost", *shlex.split(line), environment=credentials(sandbox))
        assert run.status == 0, run.output
        modules.add(shlex.split(line)[1].rsplit(".", 1)[1])
    assert modules == {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")} - {"report", "upgrade_guard"}
    assert changing(sandbox) == ["snapshots.create", "snapshots.restore", "cron.add"]


def test_capability_table() -> None:
    from ansible_collections.rewind.vps.plugins.module_utils._provider.ilkbyte import Ilkbyte
    from ansible_collections.rewind.vps.plugins.module_utils._provider.vpsorg import VpsOrg

    clouds = [VpsOrg.capabilities, Ilkbyte.capabilities]

    def row(title: str, words: list[str]) -> str:
        return f"| {title} | {' | '.join(words)} |"

    def yes_or_no(values: list[bool], no: str = "no") -> list[str]:
        return ["yes" if value else no for value in values]

    expected = [
        row("a snapshot's name", [cloud.name_rule for cloud in clouds]),
        row("snapshots of one server", [
            f"{cloud.max_snapshots} at most" if cloud.max_snapshots else "no limit known" for cloud in clouds]),
        row("two snapshots of one name", [
            "not possible" if cloud.unique_names else "possible; the id tells them apart" for cloud in clouds]),
        row("all servers' snapshots in one call", yes_or_no([cloud.lists_all_snapshots for cloud in clouds])),
        row("description", yes_or_no([cloud.description for cloud in clouds])),
        row("taken anew in place", yes_or_no(
            [cloud.recreate for cloud in clouds], "no: a new one is made, then the old one goes")),
        row("schedules", yes_or_no([cloud.schedule for cloud in clouds], "no; the role `snapshot_schedule` brings them")),
        row("start and stop", yes_or_no([cloud.power for cloud in clouds])),
        row("tree of snapshots, a current one", yes_or_no([cloud.snapshot_tree for cloud in clouds])),
        row("usual time for a snapshot", [f"within {cloud.expected_create_seconds / 60:g} minutes" for cloud in clouds]),
        row("usual time for a restore", [f"within {cloud.expected_restore_seconds / 60:g} minutes" for cloud in clouds]),
    ]
    missing = [line for line in expected if line not in README]
    assert not missing
