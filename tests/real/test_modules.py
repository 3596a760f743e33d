# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module as an ad-hoc command, and the schedule of the role, with real machines as servers."""

from __future__ import annotations

import json

import pytest
from support.cases import credentials_environment
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]


def ad_hoc(real: RealUpgrades, module: str, arguments: dict[str, object], *, succeeds: bool = True) -> str:
    run = real.command("ansible", "localhost", "-m", f"rewind.vps.{module}", "-a", json.dumps(arguments),
                       environment=credentials_environment(real.sandbox))
    assert (run.status == 0) == succeeds, run.output
    return run.output


def test_snapshot_restore_and_info(real: RealUpgrades) -> None:
    server = {"provider": "ilkbyte", "server": "app1"}
    before = real.inspect("app1")
    assert "ready" in ad_hoc(real, "snapshot", {**server, "name": "first"})
    assert '"changed": false' in ad_hoc(real, "snapshot", {**server, "name": "first"})
    real.ssh("app1", "rm -rf /etc/lab; touch /root/later")
    assert "first" in ad_hoc(real, "snapshot_info", server)
    assert "app1" in ad_hoc(real, "server_info", {"provider": "ilkbyte"})
    ad_hoc(real, "snapshot_restore", {**server, "name": "first"})
    real.wait_for_ssh("app1")
    assert real.inspect("app1").tree == before.tree
    assert real.ssh("app1", "ls /root") == ""
    ad_hoc(real, "snapshot_restore", {**server, "name": "nosuch"}, succeeds=False)
    ad_hoc(real, "snapshot_cron", {**server, "name": "first", "day": 1, "hour": 3, "minute": 5})
    ad_hoc(real, "snapshot_cron", {**server, "name": "first", "state": "absent"})
    ad_hoc(real, "snapshot", {**server, "name": "first", "state": "absent"})
    assert real.snapshots("app1") == []


def test_report(real: RealUpgrades) -> None:
    path = real.directory / "report.html"
    ad_hoc(real, "report", {"dest": str(path), "accounts": [{"provider": "vpsorg"}, {"provider": "ilkbyte"}]})
    assert "web1" in path.read_text()


def test_a_server_that_is_stopped_for_its_snapshot(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    ad_hoc(real, "snapshot", {"provider": "vpsorg", "server": "web1", "name": "cold", "stop_server": True})
    real.wait_for_ssh("web1")
    after = real.inspect("web1")
    assert after.boot != before.boot
    assert after.tree == before.tree
