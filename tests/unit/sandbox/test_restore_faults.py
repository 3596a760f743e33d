# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a restore, at both clouds: with the request, and with the restore that it asks for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

ON = {"vpsorg": "active", "ilkbyte": "running"}
OFF = {"vpsorg": "stopped", "ilkbyte": "shut off"}
IN_PROGRESS = {"vpsorg": "restoring", "ilkbyte": "paused"}


class Restores:
    """A server at one of the clouds with a snapshot of it."""

    def __init__(self, cloud, sandbox, calls):
        self.cloud, self.sandbox, self._calls = cloud, sandbox, calls
        self.name = {"vpsorg": "web1", "ilkbyte": "app1"}[cloud]
        self.until, self.status = calls.until, calls.status
        self._id = sandbox.admin.add_snapshot(cloud, self.name, "good").get("id")

    def send(self):
        """The answer to the request for a restore."""
        if self.cloud == "vpsorg":
            return self._calls.call("POST", f"/snapshots/{self._id}/restore/")
        return self._calls.call(f"/server/manage/{self.name}/snapshot/revert", name="good")

    def fault(self, kind, **details):
        self.sandbox.admin.fault(kind, cloud=self.cloud, operation="snapshots.restore", server=self.name, **details)

    def events(self, event):
        return len(self.sandbox.admin.events(event, cloud=self.cloud))

    def disk(self):
        return Path(self.sandbox.admin.server(self.name)["disk"])

    def is_on(self):
        return self.sandbox.admin.server(self.name)["powered_on"]


@pytest.fixture(params=("vpsorg", "ilkbyte"))
def restores(request, sandbox):
    return Restores(request.param, sandbox, request.getfixturevalue(request.param))


def test_it_fails_for_good(restores):
    restores.fault("restore_fails", times=None)
    marker = restores.disk() / "srv/marker"
    marker.touch()
    for failures in (1, 2, 3):
        assert restores.send().status_code == 200
        restores.until(lambda failures=failures: restores.events("restore_failed") == failures)
        assert restores.status() == OFF[restores.cloud] and not restores.is_on() and marker.exists()
    assert restores.events("restore_done") == 0
    restores.sandbox.admin.clear_faults()
    restores.send()
    restores.until(lambda: restores.events("restore_done"))
    assert not marker.exists()


def test_it_takes_very_long_or_never_finishes(restores):
    restores.fault("restore_stuck", seconds=100_000)
    restores.send()
    restores.sandbox.admin.advance(90_000)
    time.sleep(0.05)
    assert restores.status() == IN_PROGRESS[restores.cloud]
    restores.until(lambda: restores.events("restore_done"), step=1000)
    assert restores.status() == ON[restores.cloud] and restores.is_on()
    restores.sandbox.admin.clear_request_log()
    restores.fault("restore_stuck")
    restores.send()
    restores.sandbox.admin.advance(1_000_000)
    time.sleep(0.05)
    assert restores.status() == IN_PROGRESS[restores.cloud] and restores.events("restore_done") == 0
    restores.sandbox.admin.reset()
    assert restores.status() == ON[restores.cloud]


def test_the_disk_is_back_but_the_server_stays_off(restores):
    marker = restores.disk() / "srv/marker"
    marker.touch()
    restores.fault("power_stuck")
    restores.send()
    restores.until(lambda: restores.events("restore_done"))
    assert restores.status() == OFF[restores.cloud] and not restores.is_on() and not marker.exists()


def test_a_restored_disk_that_does_not_boot_leaves_the_server_on(restores):
    (restores.disk() / "boot/vmlinuz").unlink()
    restores.sandbox.admin.add_snapshot(restores.cloud, restores.name, "bad")
    if restores.cloud == "vpsorg":
        restores._id += 1
        restores.send()
    else:
        restores._calls.manage("/snapshot/revert", name="bad")
    restores.until(lambda: restores.events("restore_done"))
    assert restores.status() == ON[restores.cloud] and restores.is_on()
    assert "kernel" in restores.sandbox.admin.server(restores.name)["boot_problem"]
