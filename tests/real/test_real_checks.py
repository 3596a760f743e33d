# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks, the soak and the confirmation by a person, on machines with systemd."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE
from support.real_upgrades import RealUpgrades, shell, unit

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]

CHECK = {"systemd": "lab", "baseline": False}


def test_a_unit_that_dies_during_the_soak(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    dies = shell(unit("lab", "ExecStart=/bin/sh -c \"sleep 40; exit 1\""))
    run = real.run("web1", tasks=real.tasks("break", CHANGE, dies), checks=[CHECK], soak_time=90, reboot="never")
    assert run.status == 2, run.output
    assert "lab.service" in real.record("web1")["reason"]
    real.assert_restored("web1", before)


def test_a_slow_boot_and_a_service_that_starts_late(real: RealUpgrades) -> None:
    """The boot takes a minute longer, and the service's first start fails."""
    slow = unit("lab-slow", "Type=oneshot\\nExecStart=/bin/sleep 60", start="true")
    late = unit("lab", "ExecStart=/bin/sh -c \"[ -e /run/lab ] || { touch /run/lab; exit 1; }; exec sleep 900\"\\nRestart=on-failure\\nRestartSec=10",
                start="true")
    checks = [CHECK, {"port": 22}, {"command": "systemctl is-active ssh"}]
    run = real.run("web1", tasks=real.tasks("change", CHANGE, shell(slow), shell(late)), checks=checks, reboot="always", check_timeout=300)
    real.assert_upgraded("web1", run)
    assert {item["check"]: item["result"] for item in real.record("web1")["check_results"]} == {
        "lab.service": "passed", "port 22": "passed", "systemctl is-active ssh": "passed"}
    assert real.record("web1")["changes"]["rebooted"]


def test_a_check_that_never_passed(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good")
    real.assert_not_started("web1", "check lab.service: there is no such unit", checks=[{"systemd": "lab"}])


def test_what_has_changed(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good")
    run = real.run("web1")
    real.assert_upgraded("web1", run)
    changes = real.record("web1")["changes"]
    assert changes["packages"]["upgraded"]["lab-good"] == {"from": "1", "to": "2"} and not changes["rebooted"]
    assert "1 package" in run.stdout


@pytest.mark.parametrize("how", ["in time", "too late", "after kill -9"])
def test_a_person_confirms(real: RealUpgrades, how: str) -> None:
    before = real.inspect("web1")
    running = real.start("web1", tasks=real.tasks("change", CHANGE), confirm="manual", confirm_within=20 if how == "too late" else 600)
    real.wait_for_state("web1", "awaiting_confirmation")
    if how == "after kill -9":
        running.kill()
    if how != "too late":
        confirm = real.run("web1", playbook="rewind.vps.confirm")
        assert confirm.status == 0, confirm.output
        real.assert_upgraded("web1", running.finish(real.run_seconds) if how == "in time" else None)
        return
    run = running.finish(real.run_seconds)
    assert run.status == 2, run.output
    assert "it was not confirmed in time" in real.record("web1")["reason"]
    real.assert_restored("web1", before)
    late = real.run("web1", playbook="rewind.vps.confirm")
    assert late.status == 2 and "awaits its confirmation" in late.output


def database(statement: str) -> str:
    return f"python3 -c \"import sqlite3; base = sqlite3.connect('/srv/shop.db'); {statement}\""


def test_no_row_of_a_database_is_lost(real: RealUpgrades) -> None:
    real.ssh("web1", database("base.executescript('CREATE TABLE orders(id); INSERT INTO orders VALUES (1), (2)')"))
    before = real.inspect("web1")
    order = shell(database("base.executescript('INSERT INTO orders VALUES (3)')"))
    dump = shell(database("print(*base.iterdump(), sep='\\\\n', file=open('/root/shop.sql', 'w'))"))
    fetch = {"ansible.builtin.fetch": {"src": "/root/shop.sql", "dest": "{{ guarded_upgrade_rescue_dir }}/shop.sql", "flat": True}}
    copy = {"ansible.builtin.copy": {"src": "{{ guarded_upgrade_rescue_dir }}/shop.sql", "dest": "/root/shop.sql", "mode": "0600"}}
    load = shell("rm /srv/shop.db; " + database("base.executescript(open('/root/shop.sql').read())"))
    run = real.run(
        "web1", tasks=real.tasks("upgrade", CHANGE, order, shell("false")), reboot="never",
        rescue_tasks=[real.tasks("rescue", dump, fetch)], restored_tasks=[real.tasks("restored", copy, load)],
    )
    assert run.status == 2, run.output
    real.assert_restored("web1", before)
    assert real.ssh("web1", database("print(*base.execute('SELECT id FROM orders ORDER BY id'))")) == "(1,) (2,) (3,)"
