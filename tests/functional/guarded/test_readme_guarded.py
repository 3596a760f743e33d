# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README shows of guarded upgrades is run as it stands there."""

from __future__ import annotations

import re
import shlex

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, outcomes
from support.playbook_runner import ROOT, Run

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

README = (ROOT / "README.md").read_text("utf-8")
EXAMPLE = re.search(r"<!-- example: guarded -->\n```yaml\n(.*?)```", README, re.DOTALL)[1]
COMMANDS = re.findall(r"^\$ ansible-playbook (rewind\.vps\.(?:guarded_upgrade|rollback|recover|prune)\b[^#\n]*)", README, re.MULTILINE)
NO_SOAK = "[web:vars]\nguarded_upgrade_soak_time=0\n"


@pytest.fixture
def web(upgrades: UpgradeRunner) -> UpgradeRunner:
    """Two servers in the group web; upgrade.yml and checks.yml lie where the playbook and the person stand."""
    (upgrades.directory / "web.ini").write_text(f"[web]\nweb1\nweb2\n{NO_SOAK}", encoding="utf-8")
    upgrades.tasks("checks", {"ansible.builtin.command": "true"})
    return upgrades


def play(web: UpgradeRunner, *words: str) -> Run:
    """As a person who knows nothing of the sandbox's inventory variables but the address of the API."""
    return web.command("ansible-playbook", "-i", web.sandbox.inventory, "-i", str(web.directory / "web.ini"), *words, environment={
        "REWIND_PROVIDER": "vpsorg", "VPS_API_URL": web.sandbox.vpsorg_url})


@pytest.mark.duration(12)
def test_the_example_undoes_a_failed_upgrade_and_goes_no_further(web: UpgradeRunner) -> None:
    web.tasks("upgrade", CHANGE, FAIL)
    (web.directory / "site.yml").write_text(EXAMPLE, encoding="utf-8")
    run = play(web, str(web.directory / "site.yml"))
    assert run.status == 2, run.output
    web.assert_rolled_back("web1")
    assert not web.records("web2"), "the roll-out went on"
    assert outcomes(run) == {"web1": "rolled_back", "web2": "not_reached"}


@pytest.mark.duration(15)
def test_the_commands(web: UpgradeRunner) -> None:
    web.tasks("upgrade", CHANGE)
    check, upgrade, rollback, recover, prune = (shlex.split(command) for command in COMMANDS)
    run = play(web, *check)
    assert run.status == 0, run.output
    assert "Take snapshot rewind" in run.stdout
    web.assert_untouched("web1")
    (web.directory / "web.ini").write_text(f"[web]\nweb1\n{NO_SOAK}", encoding="utf-8")  # one will do
    run = play(web, *upgrade)
    assert run.status == 0, run.output
    assert web.record("web1")["outcome"] == "upgraded"
    run = play(web, *rollback)
    assert run.status == 2, "there is no terminal to confirm on, so it must not continue"
    assert "Nothing was restored" in run.stdout
    run = play(web, *recover)
    assert run.status == 0 and "there is nothing left to recover" in run.stdout, run.output
    run = play(web, *prune)
    assert run.status == 0, run.output
    assert web.count_requests("web1", "snapshots.delete") == 0, "the newest is kept"
