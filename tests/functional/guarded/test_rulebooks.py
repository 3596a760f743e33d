# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks of Event-Driven Ansible, run by the real ansible-rulebook: who may start an upgrade, and what comes of what is sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.awx_controller import content
from support.guarded_upgrade import CHANGE, UpgradeRunner
from support.rulebooks import TOKEN, Controller, RulebookProcess, free_port, run_rulebook
from support.secret_search import Searcher

from sandbox.certificates import Certificates

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.rulebook]

GROUP = "web"


def inventory(upgrades: UpgradeRunner) -> str:
    """The sandbox's servers with a group that the rulebooks know, which upgrades C(web1) by changing a file."""
    tasks = upgrades.tasks("upgrade", CHANGE)
    known = yaml.safe_load(Path(upgrades.sandbox.inventory).read_text("utf-8"))
    options = {"guarded_upgrade_tasks": tasks, "guarded_upgrade_grace_period": 5, "guarded_upgrade_soak_time": 0}
    known[GROUP] = {"hosts": {"web1": {}}, "vars": options}
    path = upgrades.directory / "inventory.yml"
    path.write_text(yaml.safe_dump(known), encoding="utf-8")
    return str(path)


def unauthorized_requests_are_rejected(events: RulebookProcess, mark: Path) -> None:
    """Events that are rejected, or start nothing, for any sender."""
    assert events.post({"upgrade": "packages", "hosts": GROUP}, token="another") == 401
    for hosts in ("all", "web1", f"{GROUP}:all", [GROUP], {"in": GROUP}, None, f"{{{{ lookup('pipe', 'touch {mark}') }}}}"):
        assert events.post({"upgrade": "packages", "hosts": hosts}) == 200, hosts
    assert events.post({"hosts": GROUP}) == 200
    assert events.post([{"upgrade": "packages", "hosts": GROUP}]) == 200


def wait_until(happened: Callable[[], bool], events: RulebookProcess) -> None:
    """Look for it, for a while."""
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end and events.process.poll() is None, events.output
        time.sleep(0.1)


def hostile(mark: Path) -> dict[str, Any]:
    """A request that is allowed, with more in it than it needs."""
    code = f"{{{{ lookup('pipe', 'touch {mark}') }}}}"
    return {"upgrade": "packages", "hosts": GROUP, "guarded_upgrade_tasks": code, "note": code, "meta": {"limit": "all", "hosts": "all"}}


@pytest.mark.duration(60)
def test_a_request_starts_one_local_guarded_upgrade(upgrades: UpgradeRunner) -> None:
    mark = upgrades.directory / "mark"
    directory = upgrades.directory / "home"
    directory.mkdir(exist_ok=True)
    with run_rulebook(
        directory, "rewind.vps.guarded_upgrade_local", inventory=inventory(upgrades), variables={"webhook_port": free_port()},
        environment=upgrades.environment,
    ) as events:
        unauthorized_requests_are_rejected(events, mark)
        assert events.post(hostile(mark)) == 200
        assert events.post({"upgrade": "packages", "hosts": GROUP}) == 200, "within the hour"
        upgrades.wait_for_state("web1", "confirmed")
        upgrades.wait_until(lambda: "PLAY RECAP" in events.output, "the run's end")
    assert len(upgrades.records("web1")) == 1
    assert upgrades.count_requests("web1", "snapshots.create") == 1 and upgrades.count_requests("web1", "snapshots.restore") == 0
    assert (upgrades.disk("web1") / "etc" / "changed").read_text("utf-8") == "new\n"
    assert {request["server"] for request in upgrades.sandbox.admin.requests(changing=True)} == {"web1"}
    assert not mark.exists(), "what was sent is data"
    searcher = Searcher([TOKEN, upgrades.sandbox.vpsorg_token])
    searcher.search("output", events.output)
    assert not searcher.hits


@pytest.mark.duration(20)
def test_a_request_starts_the_workflow_at_the_controller_with_the_group_and_nothing_else(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    workflow, dummy = content("workflows.yml")["controller_workflows"]
    template = {
        "id": 7, "type": "workflow_job_template", "name": workflow["name"], "related": {"launch": "/api/v2/workflow_job_templates/7/launch/"},
        "summary_fields": {"organization": {"name": workflow["organization"]}}, "ask_limit_on_launch": False, "ask_labels_on_launch": False,
        "ask_inventory_on_launch": False, "ask_variables_on_launch": workflow["ask_variables_on_launch"],
    }
    controller = Controller([{**template, "id": 8, "name": "another"}, template])
    certificates = Certificates(tmp_path / "certificates")
    good = certificates.path("good")
    (tmp_path / "inventory.yml").write_text("all: {hosts: {web1: {}}}", encoding="utf-8")
    variables = {"webhook_host": "127.0.0.1", "webhook_port": free_port(), "webhook_certfile": str(good), "webhook_keyfile": str(good)}
    directory = tmp_path / "home"
    directory.mkdir()
    with controller.serving() as url, run_rulebook(
        directory, "rewind.vps.guarded_upgrade", inventory=str(tmp_path / "inventory.yml"), variables=variables, environment={},
        controller=url, ca=certificates.ca_path,
    ) as events:
        unauthorized_requests_are_rejected(events, mark)
        assert events.post(hostile(mark)) == 200
        assert events.post({"upgrade": "packages", "hosts": GROUP}) == 200, "within the hour"
        assert events.post({"upgrade": "packages", "hosts": "app"}) == 200
        wait_until(lambda: len(controller.launched) == 2, events)
    assert [path for path, _body in controller.launched] == [template["related"]["launch"]] * 2
    assert [body["extra_vars"] for _path, body in controller.launched] == [{"target": GROUP}, {"target": "app"}]
    assert not mark.exists() and TOKEN not in events.output
