# SPDX-License-Identifier: GPL-3.0-or-later
"""A schedule on a real runner: systemd's timer fires, the provider gets one snapshot, and a night that fails is reported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.cases import credentials_environment
from support.collection_link import copy_collection
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]

ROOT = Path(__file__).resolve().parents[2]
RUNNER_PYTHON = "3.11"  # of the machines


def install_ansible(real: RealUpgrades, host: str) -> None:
    """Put ansible-core, requests and the collection on a machine, which reaches no package index."""
    target = real.directory / "runner"
    subprocess.run([_uv(), "pip", "install", "--quiet", "--python-version", RUNNER_PYTHON, "--only-binary", ":all:",
                    "--target", str(target / "python"), "ansible-core", "requests"], check=True, timeout=600)
    copy_collection(ROOT, target / "collections")
    archive = subprocess.run(["tar", "-C", str(target), "-c", "."], check=True, capture_output=True).stdout
    command = [*real.machines.ssh_command(host), "mkdir -p /opt/runner && tar -C /opt/runner -x"]
    subprocess.run(command, input=archive, check=True, capture_output=True, timeout=600)
    real.ssh(host, "printf '#!/bin/sh\\nPYTHONPATH=/opt/runner/python exec python3 /opt/runner/python/bin/ansible-playbook \"$@\"\\n' "
                   ">/usr/local/bin/ansible-playbook; chmod 755 /usr/local/bin/ansible-playbook")


def _uv() -> str:
    found = shutil.which("uv", path=os.pathsep.join([str(ROOT / ".nox/tools/bin"), os.environ.get("PATH", "")]))
    if not found:
        pytest.skip("uv is not installed, which fetches packages for a machine with another Python: run make test-real")
    return found


def test_the_timer_takes_a_snapshot_and_a_failure_is_reported(real: RealUpgrades) -> None:
    install_ansible(real, "app1")
    port = urlsplit(real.sandbox.vpsorg_url).port
    # The runner reaches the provider's API at the same address as the controller.
    tunnel = subprocess.Popen([*real.machines.ssh_command("app1"), "-N", "-R", f"127.0.0.1:{port}:127.0.0.1:{port}"], stdin=subprocess.DEVNULL)
    try:
        variables = {
            "snapshot_schedule_name": "nightly", "snapshot_schedule_hour": 3, "snapshot_schedule_minute": 0, "snapshot_schedule_timezone": "UTC",
            "snapshot_schedule_method": "systemd", "snapshot_schedule_runner_host": "app1",
            "snapshot_schedule_runner_ansible_playbook": "/usr/local/bin/ansible-playbook",
            "snapshot_schedule_runner_collections_path": "/opt/runner/collections",
            "snapshot_schedule_on_failure": "cat > /var/lib/report",
        }
        playbook = real.playbook("schedule", {"hosts": "web1", "gather_facts": False, "vars": variables,
                                              "roles": [{"role": "rewind.vps.snapshot_schedule"}]})
        run = real.command("ansible-playbook", "-i", real.sandbox.inventory, playbook, environment=credentials_environment(real.sandbox))
        assert run.status == 0, run.output
        assert real.count_requests("web1", "snapshots.create") == 0  # the dry run changes nothing
        timers = json.loads(real.ssh("app1", "systemctl list-timers --output json 'rewind-snapshot-*'"))
        assert len(timers) == 1, timers
        assert "Finished rewind-snapshot-" in real.ssh("app1", "journalctl --output cat --unit 'rewind-snapshot-*-dry-run.service'")
        real.ssh("app1", "date -s '02:59:58 UTC tomorrow'")
        real.wait_until(lambda: real.count_requests("web1", "snapshots.create") == 1, "the timer's snapshot")
        unit = timers[0]["activates"]
        real.wait_until(lambda: real.ssh("app1", f"systemctl show -P ActiveState {unit}") == "inactive", "the job to end")
        assert real.ssh("app1", f"systemctl show -P Result {unit}") == "success"
        assert real.ssh("app1", "ls /var/lib").count("report") == 0

        real.sandbox.admin.fault("status", status=403, body={"detail": "No."}, cloud="vpsorg", operation="snapshots.create", times=None)
        real.ssh("app1", "date -s '02:59:58 UTC tomorrow'")
        real.wait_until(lambda: "report" in real.ssh("app1", "ls /var/lib"), "the report of the failed night")
        real.wait_until(lambda: real.ssh("app1", f"systemctl show -P ActiveState {unit}") == "failed", "the job to fail")
        first_line = real.ssh("app1", "head -n 1 /var/lib/report")
        assert first_line.startswith("The snapshot failed: ") and "No." in first_line, first_line
        assert first_line in real.ssh("app1", f"journalctl --output cat --unit {unit}").splitlines()
    finally:
        tunnel.kill()
        tunnel.wait()
    (snapshot,) = real.snapshots("web1")
    assert snapshot["name"].startswith("nightly-")
