# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarded upgrades as jobs of Automation Controller or AWX, and the workflow's node after one that was cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.awx_controller import Job, content, credentials, launch, secrets
from support.cases import SPEED
from support.guarded_upgrade import CHANGE, FAIL, SHORT_LIMITS, UpgradeRunner
from support.managed_nodes import count_nodes
from support.playbook_runner import PlaybookRunner
from support.secret_search import Searcher

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.slow]


def job_of(upgrades: UpgradeRunner, name: str, playbook: str, *tasks: dict[str, Any]) -> Job:
    """A job with the workflow's variables on C(web1): the second has the options that the first had."""
    upgrade = {"upgrade.yml": list(tasks)} if tasks else {}
    named = {"guarded_upgrade_tasks": "upgrade.yml"} if tasks else {}
    home = upgrades.directory / f"{name}-home"
    home.mkdir()
    return launch(
        PlaybookRunner(upgrades.sandbox, home), upgrades.directory / name, playbook, inventory=Path(upgrades.sandbox.inventory), files=upgrade,
        environment={**upgrades.environment, **credentials(upgrades.sandbox, "vpsorg")},
        extra_vars={"target": "web1", "guarded_upgrade_state_dir": str(upgrades.state_dir), **SHORT_LIMITS, **named},
    )


def assert_no_secret(upgrades: UpgradeRunner, *jobs: Job) -> None:
    searcher = Searcher(secrets(upgrades.sandbox))
    for job in jobs:
        for name, text in job.remaining_files().items():
            searcher.search(name, text)
        searcher.search("output", job.run.output)
    for path in upgrades.state_dir.rglob("*"):
        if path.is_file():
            searcher.search(str(path), path.read_bytes())
    assert not searcher.hits, "\n".join(map(str, searcher.hits))


@pytest.mark.duration(40)
def test_a_failed_upgrade_is_a_failed_job_and_the_node_after_it_changes_nothing(upgrades: UpgradeRunner) -> None:
    good = job_of(upgrades, "good", "guarded_upgrade.yml", CHANGE)
    assert good.status == "successful", good.output
    upgrades.sandbox.admin.settings(seconds={"vpsorg.snapshots.restore": 4 * SPEED})  # long enough to be reported
    bad = job_of(upgrades, "bad", "guarded_upgrade.yml", CHANGE, FAIL)
    assert bad.status == "failed"
    assert "ROLLED_BACK: web1" in bad.output
    assert "web1: server web1 (12345): restore to rewind" in bad.output, "the guard's progress"
    assert count_nodes(bad.events) == [], "its hosts are counted as hosts"
    asked = len(upgrades.sandbox.admin.requests(changing=True))
    node = job_of(upgrades, "node", "recover_after_failure.yml")
    assert node.status == "failed", "else the workflow would be shown as successful"
    assert "there is nothing left to recover" in node.output and "The upgrade job before this one failed" in node.output
    assert len(upgrades.sandbox.admin.requests(changing=True)) == asked
    assert_no_secret(upgrades, good, bad, node)


@pytest.mark.duration(40)
def test_the_node_after_a_job_whose_pod_was_killed_restores(upgrades: UpgradeRunner) -> None:
    upgrades.leave_upgrade_cut_off()
    node = job_of(upgrades, "node", "recover_after_failure.yml")
    assert node.status == "failed"
    assert "ROLLED_BACK: web1" in node.output
    upgrades.assert_rolled_back("web1")
    assert_no_secret(upgrades, node)


def test_the_workflow_s_node_is_what_these_tests_run() -> None:
    workflow, dummy = content("workflows.yml")["controller_workflows"]
    (node,) = [item for item in workflow["workflow_nodes"] if item["identifier"] == "recover"]
    (template,) = [item for item in content("templates.yml")["controller_templates"] if item["name"] == node["unified_job_template"]["name"]]
    assert template["playbook"] == "recover_after_failure.yml"
