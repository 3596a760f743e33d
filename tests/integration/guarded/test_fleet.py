# SPDX-License-Identifier: GPL-3.0-or-later
"""Many servers in one batch of the linear strategy: the cloud works on all of them at once, however few forks Ansible has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.clouds import DURATIONS, SHORT, SPEED, lasting
from support.rollout import CHANGE, Rollout, outcomes, rollout

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

HOSTS = [f"web{number}" for number in range(1, 13)]
NO_SNAPSHOT = "web1"
BROKEN = ["web2", "web3", "web4", "web5"]  # more than there are forks
WELL = HOSTS[5:]
STOPPED = "web6"
RESTING = ["web2", "web7"]
SECONDS = 6.0  # of a snapshot and of a restore; in them, all servers' must have been asked for

# As systems without systemd have it.
SERVICE = """#!/bin/sh
case "$1" in
start) touch /srv/app.runs; echo started >> /srv/app.log ;;
stop) rm -f /srv/app.runs; echo stopped >> /srv/app.log ;;
status) [ -e /srv/app.runs ] && echo "app is running" || { echo "app is stopped"; exit 3; } ;;
esac
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Rollout]:
    """Guarded upgrades of web1 to web12 at VPS.org."""
    from sandbox import launch  # importable once tests/conftest.py has configured this run

    with launch(vpsorg_servers=len(HOSTS), ilkbyte_servers=0, speed=SPEED) as box:
        for name, arguments in (lasting(SHORT, *DURATIONS), lasting(SECONDS, "vpsorg.snapshots.create", "vpsorg.snapshots.restore")):
            getattr(box.control, name)(**arguments)
        with rollout(box, tmp_path) as one:
            yield one


@pytest.mark.patient
def test_the_whole_batch_at_once(fleet: Rollout) -> None:
    """One has no snapshot, four fail their check; one is stopped for its snapshot, and a service rests on two."""
    control = fleet.box.control
    control.fault("snapshot_fails", operation="snapshots.create", server=NO_SNAPSHOT)
    for host in RESTING:
        serve(fleet.disk(host))
    checks = fleet.tasks("checks", {"name": "Fall over", "ansible.builtin.command": "false", "when": f"inventory_hostname in {BROKEN}"})
    began = time.monotonic()
    run = fleet.run(",".join(HOSTS), "--forks", "2", "-e", f"serial={len(HOSTS)}", tasks=fleet.tasks("upgrade", CHANGE),
                    checks=checks, stop_server=f"{{{{ inventory_hostname == '{STOPPED}' }}}}",
                    quiesce_services=f"{{{{ ['app'] if inventory_hostname in {RESTING} else [] }}}}")
    print(f"the batch took {time.monotonic() - began:.1f} s")
    print(span(control, "snapshot_started", "snapshot_ready"), span(control, "restore_started", "restore_done"))
    assert run.status == 2, run.output
    assert outcomes(run) == {NO_SNAPSHOT: "not_started", **dict.fromkeys(BROKEN, "rolled_back"), **dict.fromkeys(WELL, "upgraded")}
    for host in BROKEN:
        fleet.assert_undone(host)
    for host in [NO_SNAPSHOT, *WELL]:
        assert fleet.asked(host, "snapshots.create") == 1, host
        assert fleet.asked(host, "snapshots.restore") == 0, host
        assert (fleet.disk(host) / "etc" / "changed").exists() == (host in WELL), host
    assert all_before_the_first(control, "snapshot_started", HOSTS, "snapshot_ready")
    assert all_before_the_first(control, "restore_started", BROKEN, "restore_done")
    assert [request["operation"] for request in control.requests(changing=True, server=STOPPED)] == [
        "servers.power", "snapshots.create", "servers.power"]
    assert control.server(STOPPED)["powered_on"]
    assert (fleet.disk("web7") / "srv" / "app.log").read_text() == "stopped\nstarted\n"
    assert (fleet.disk("web2") / "srv" / "app.log").read_text() == "stopped\n", "it rested when its snapshot was taken, which is back now"


def serve(disk: Path) -> None:
    (disk / "etc" / "init.d").mkdir(exist_ok=True)
    (disk / "srv").mkdir(exist_ok=True)
    script = disk / "etc" / "init.d" / "app"
    script.write_text(SERVICE, encoding="utf-8")
    script.chmod(0o755)
    (disk / "srv" / "app.runs").touch()


def all_before_the_first(control: Any, begun: str, hosts: list[str], done: str) -> bool:
    first = min(effect["n"] for effect in control.effects(done))
    return {effect["server"] for effect in control.effects(begun) if effect["n"] < first} == set(hosts)


def span(control: Any, begun: str, done: str) -> str:
    """For whoever looks at the figures (-rP)."""
    first, last = control.effects(begun)[0]["at"], control.effects(done)[-1]["at"]
    moments = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (first, last)]
    return f"{begun} to {done}: {(moments[1] - moments[0]).total_seconds() / SPEED:.1f} s"
