# SPDX-License-Identifier: GPL-3.0-or-later
"""The upgrade of packages that the role selects, with a made-up apt-get on the server, which only logs how it was called."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, UpgradeRunner

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

STATUS = "Package: {name}\nStatus: install ok installed\nArchitecture: all\nMaintainer: a <a@example.invalid>\nVersion: 1\nDescription: test\n\n"
DIRECTORY = "/run/sandbox/sbin"  # the first one of the PATH on a server of the sandbox
LOG = """#!/bin/sh
echo "${0##*/} $*" >>/var/lib/calls
"""
APT_GET = LOG + """
case "$*" in
  *--simulate*)
    echo 'Inst nginx [1] (2 Debian-Security:12/stable-security [all])'
    echo 'Inst curl [1] (2 Debian:12.5/stable [all])' ;;
  *dist-upgrade* | *install*)
    echo new >/etc/changed
    [ ! -e /etc/broken ] || { echo 'E: nginx is broken' >&2; exit 100; } ;;
esac
"""


def install(upgrades: UpgradeRunner, *names: str) -> None:
    """Put a made-up apt on web1, where these packages are installed."""
    disk = upgrades.disk("web1")
    (disk / "var/lib/dpkg").mkdir(parents=True, exist_ok=True)
    (disk / "var/lib/dpkg/status").write_text("".join(STATUS.format(name=name) for name in names))
    programs = {"apt-get": APT_GET, "apt-mark": LOG, "df": "#!/bin/sh"}  # a server of the sandbox has a read-only /usr, which ends a run
    script = "\n".join(
        f"cat >{DIRECTORY}/{name} <<'END'\n{text}\nEND\nchmod 755 {DIRECTORY}/{name}" for name, text in programs.items())
    run = upgrades.command("ansible", "web1", "-i", upgrades.sandbox.inventory, "-m", "ansible.builtin.raw", "-a", script, environment={})
    assert run.status == 0, run.output


def calls(upgrades: UpgradeRunner) -> list[str]:
    lines = (upgrades.disk("web1") / "var/lib/calls").read_text("utf-8").splitlines()
    return [line for line in lines if "--print-uris" not in line and "showhold" not in line]


def test_security_updates_without_an_excluded_package(upgrades: UpgradeRunner) -> None:
    install(upgrades, "nginx", "curl", "php")
    run = upgrades.run("web1", packages="security", exclude=["php", "absent"], reboot="never")
    assert run.status == 0, run.output
    assert "guarded_upgrade_exclude names what is not installed on web1: absent" in run.output.replace("\n", " ")
    hold, update, simulate, automatic, upgrade, unhold = calls(upgrades)
    assert (hold, automatic, unhold) == ("apt-mark hold php", "apt-mark showauto nginx", "apt-mark unhold php")
    assert update.endswith(" update") and simulate.endswith(" --simulate dist-upgrade") and upgrade.endswith(" --only-upgrade install nginx")
    assert "--yes" in upgrade and "--force-confold" in upgrade
    record = upgrades.record("web1")
    assert (record["outcome"], record["packages"], record["exclude"]) == ("upgraded", "security", ["php", "absent"])


def test_a_list_of_names_that_fails_is_rolled_back(upgrades: UpgradeRunner) -> None:
    install(upgrades, "nginx", "curl")
    (upgrades.disk("web1") / "etc/broken").touch()
    run = upgrades.run("web1", packages=["nginx"], reboot="never")
    assert run.status == 2 and "E: nginx is broken" in run.output, run.output
    upgrades.assert_rolled_back("web1")


def test_what_is_not_installed_ends_the_run_before_the_snapshot(upgrades: UpgradeRunner) -> None:
    install(upgrades, "nginx")
    run = upgrades.run("web1", "--check", packages=["nginx", "nginxx"], reboot="never")
    assert run.status == 2 and "NOT_STARTED: web1: guarded_upgrade_packages names what is not installed on web1: nginxx" in run.output, run.output
    run = upgrades.run("web1", packages=["nginx", "nginxx"], reboot="never")
    assert run.status == 2 and upgrades.record("web1")["outcome"] == "not_started", run.output
    upgrades.assert_untouched("web1")
    assert "install nginx" not in " ".join(calls(upgrades))


def test_check_mode_shows_what_is_upgraded(upgrades: UpgradeRunner) -> None:
    install(upgrades, "nginx")
    run = upgrades.run("web1", "--check", packages="security", exclude=["nginx"], reboot="never")
    assert run.status == 0 and "Upgrade: the security updates of the operating system, without nginx, within 60 s" in run.output, run.output
    upgrades.assert_untouched("web1")


@pytest.mark.parametrize(("options", "expected"), [
    ({"packages": "security", "own": True}, "guarded_upgrade_packages has no effect together with guarded_upgrade_tasks"),
    ({"exclude": ["nginx"], "own": True}, "guarded_upgrade_exclude has no effect together with guarded_upgrade_tasks"),
    ({"packages": ["php*"]}, "'php*' is no name of a package"), ({"packages": "nginx"}, "guarded_upgrade_packages is 'nginx'"),
])
def test_wrong_selections_are_rejected_by_the_plan(upgrades: UpgradeRunner, options: dict[str, object], expected: str) -> None:
    own = [upgrades.tasks("own", CHANGE)] if "own" in options else []
    run = upgrades.run("web1", tasks=own, **{name: value for name, value in options.items() if name != "own"})
    assert run.status == 2 and expected in run.output and "Traceback" not in run.output, run.output
    upgrades.assert_untouched("web1")
