# SPDX-License-Identifier: GPL-3.0-or-later
"""Many servers in one batch of the linear strategy: the cloud works on all of them at once, however few forks Ansible has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.cases import DURATIONS, SHORT, SPEED, apply_calls, set_durations
from support.guarded_upgrade import CHANGE, UpgradeRunner, outcomes, upgrade_runner

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

HOSTS = [f"web{number}" for number in range(1, 9)]
NO_SNAPSHOT = "web1"
BROKEN = ["web2", "web3", "web4"]  # more than there are forks
UPGRADED_HOSTS = HOSTS[4:]
STOPPED = "web5"
QUIESCED = ["web2", "web6"]
SECONDS = 6.0  # of a snapshot and of a restore; in them, all servers' must have been asked for


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[UpgradeRunner]:
    """Guarded upgrades of web1 to web8 at VPS.org."""
    from sandbox import launch

    with launch(vpsorg_servers=len(HOSTS), ilkbyte_servers=0, speed=SPEED) as sandbox:
        apply_calls(sandbox.admin, set_durations(SHORT, *DURATIONS), set_durations(SECONDS, "vpsorg.snapshots.create", "vpsorg.snapshots.restore"))
        with upgrade_runner(sandbox, tmp_path) as one:
            yield one


@pytest.mark.slow
def test_the_whole_batch_at_once(fleet: UpgradeRunner) -> None:
    """One has no snapshot, three fail their check; one is stopped for its snapshot, and a service rests on two."""
    admin = fleet.sandbox.admin
    admin.fault("snapshot_fails", operation="snapshots.create", server=NO_SNAPSHOT)
    for host in QUIESCED:
        fleet.install_service(host)
    fall_over = {"name": "Fall over", "ansible.builtin.command": "test ! -e /etc/changed", "when": f"inventory_hostname in {BROKEN}"}
    started_at = time.monotonic()
    run = fleet.run(",".join(HOSTS), "--forks", "2", playbook=fleet.batch_playbook(len(HOSTS)), tasks=fleet.tasks("upgrade", CHANGE),
                    checks=fleet.tasks("checks", fall_over), stop_server=f"{{{{ inventory_hostname == '{STOPPED}' }}}}",
                    quiesce_services=f"{{{{ ['app'] if inventory_hostname in {QUIESCED} else [] }}}}")
    print(f"the batch took {time.monotonic() - started_at:.1f} s")
    print(span(admin, "snapshot_started", "snapshot_ready"), span(admin, "restore_started", "restore_done"))
    assert run.status == 2, run.output
    assert outcomes(run) == {NO_SNAPSHOT: "not_started", **dict.fromkeys(BROKEN, "rolled_back"), **dict.fromkeys(UPGRADED_HOSTS, "upgraded")}
    for host in BROKEN:
        fleet.assert_rolled_back(host)
    for host in [NO_SNAPSHOT, *UPGRADED_HOSTS]:
        assert fleet.count_requests(host, "snapshots.create") == 1, host
        assert fleet.count_requests(host, "snapshots.restore") == 0, host
        assert (fleet.disk(host) / "etc" / "changed").exists() == (host in UPGRADED_HOSTS), host
    assert all_before_the_first(admin, "snapshot_started", HOSTS, "snapshot_ready")
    assert all_before_the_first(admin, "restore_started", BROKEN, "restore_done")
    assert [request["operation"] for request in admin.requests(changing=True, server=STOPPED)] == [
        "servers.power", "snapshots.create", "servers.power"]
    assert admin.server(STOPPED)["powered_on"]
    assert fleet.service_log("web6") == ["stopped", "started"]
    assert fleet.service_log("web2") == ["stopped"], "it rested when its snapshot was taken, which is back now"


def all_before_the_first(admin: Any, starts: str, hosts: list[str], done: str) -> bool:
    first = min(event["n"] for event in admin.events(done))
    return {event["server"] for event in admin.events(starts) if event["n"] < first} == set(hosts)


def span(admin: Any, starts: str, done: str) -> str:
    """Print the figures (-rP)."""
    first, last = admin.events(starts)[0]["at"], admin.events(done)[-1]["at"]
    timestamps = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (first, last)]
    return f"{starts} to {done}: {(timestamps[1] - timestamps[0]).total_seconds() / SPEED:.1f} s"
