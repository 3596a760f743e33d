# SPDX-License-Identifier: GPL-3.0-or-later
"""The role snapshot_schedule: what it installs, what the job does, and that it removes everything."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.cases import RESET_CALLS, apply_calls
from support.playbook_runner import Run
from support.schedule_runner import SYSTEMCTL, ScheduleRunner
from support.secret_channels import ProcessWatch, format_hits, search_run
from support.secret_search import Searcher

if TYPE_CHECKING:
    from sandbox import SandboxHandle

pytestmark = pytest.mark.playbook

OLD_UNIT = "rewind-snapshot-vpsorg-web1.nightly"  # of an earlier version of the role
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.fixture
def schedules(sandbox: SandboxHandle, tmp_path: Path) -> ScheduleRunner:
    return ScheduleRunner(sandbox, tmp_path)


def assert_ok(run: Run) -> Run:
    assert run.status == 0, run.output
    return run


def changed(run: Run) -> int:
    """Return the number of changed tasks of a successful run."""
    return int(re.search(r"changed=(\d+)", assert_ok(run).stdout)[1])


def add_snapshot(sandbox: SandboxHandle, name: str, **age: float) -> None:
    """Add one of that age by the clock of the sandbox, which is faster than the system clock."""
    now = datetime.fromisoformat(sandbox.admin.clock()["now"])
    sandbox.admin.add_snapshot("vpsorg", "web1", name, created_at=(now - timedelta(**age)).isoformat(timespec="seconds"))


@pytest.mark.slow
@needs_systemd
def test_the_systemd_job(schedules: ScheduleRunner) -> None:
    """The units are valid. The job takes a snapshot and deletes expired ones of this schedule only."""
    report = schedules.state / "report"
    assert_ok(schedules.role("web1", hour=4, minute=30, timezone="UTC", retain_count=2, on_failure=f"(env; cat) > {report}"))
    assert schedules.changing() == [], "the dry run sends no change"
    unit = schedules.unit()
    assert (schedules.files / f"{unit}.env").stat().st_mode & 0o777 == 0o600 and schedules.files.stat().st_mode & 0o777 == 0o700
    units = [str(schedules.units / f"{unit}{kind}") for kind in (".service", ".timer", "-dry-run.service", "-failed.service")]
    verdict = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert verdict.returncode == 0 and unit not in verdict.stderr, verdict.stderr
    timer = Path(units[1]).read_text("utf-8")
    assert "\nOnCalendar=*-*-* 04:30:00 UTC\n" in timer and "\nPersistent=true\n" in timer
    assert "\nDescription=Every day at 04:30 UTC: snapshot nightly " in timer, "systemctl list-timers and status show it"
    assert {f"{unit}.timer.active", f"{unit}.timer.enabled"} <= set(schedules.installed())

    for name, days in (("nightly-202601010430", 3), ("nightly-202601020430", 2), ("nightly-before-php8", 9), ("byhand", 9)):
        add_snapshot(schedules.sandbox, name, days=days)
    ran = schedules.run_unit(unit)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert schedules.changing() == ["snapshots.create", "snapshots.delete"]
    new, *rest = sorted(schedules.snapshots("web1"), key=lambda name: name in ("byhand", "nightly-before-php8", "nightly-202601020430"))
    assert re.fullmatch(r"nightly-20\d{10}", new) and sorted(rest) == ["byhand", "nightly-202601020430", "nightly-before-php8"]

    schedules.sandbox.admin.remove_server("vpsorg", "web1")
    ran = schedules.run_unit(unit)
    assert ran.returncode == 1 and ran.stdout.startswith("The snapshot failed: There is no server 'web1' in this VPS.org account")
    text = report.read_text("utf-8")
    assert f"REWIND_SCHEDULE={unit}\n" in text and ran.stdout in text and schedules.sandbox.vpsorg_token not in text


def test_a_schedule_of_the_provider(schedules: ScheduleRunner) -> None:
    """The role creates the snapshot, and sets, changes and removes the schedule. The snapshot is kept."""
    apply_calls(schedules.sandbox.admin, *RESET_CALLS)
    desired = {"hour": 23, "minute": 5, "timezone": "UTC"}
    run = assert_ok(schedules.roles("app1", desired, desired, {**desired, "every_days": 3}, {"state": "absent"}))
    # The second run of the role sends no change.
    assert schedules.changing() == ["snapshots.create", "cron.add", "cron.delete", "cron.add", "cron.delete"]
    first, second = schedules.sandbox.admin.requests(operation="cron.add")
    assert {name: first["query"][name] for name in ("name", "day", "hour", "min")} == {"name": "nightly", "day": "1", "hour": "2", "min": "5"}
    assert second["query"]["day"] == "3"
    assert schedules.snapshots("app1") == ["nightly"] and schedules.installed() == {}
    assert "Scheduled: the provider re-creates snapshot nightly of server app1 every 3 days at 23:05 UTC" in " ".join(run.stdout.split())


@pytest.mark.slow
@needs_systemd
def test_the_life_of_a_timer(schedules: ScheduleRunner, subtests: pytest.Subtests) -> None:
    before = schedules.installed()
    with subtests.test("check mode"):
        run = schedules.role("web1", "--check", "--diff")
        assert changed(run) > 0 and "Would be scheduled" in run.stdout
        assert schedules.installed() == before == {} and not schedules.files.exists()
    with subtests.test("installed"):
        assert changed(schedules.role("web1")) > 0
    installed, unit = schedules.installed(), schedules.unit()
    with subtests.test("again"):
        assert changed(schedules.role("web1")) == 0 and schedules.installed() == installed
    with subtests.test("another time, in check mode"):
        run = schedules.role("web1", "--check", "--diff", hour=5)
        assert changed(run) > 0 and "+OnCalendar=*-*-* 05:00:00" in run.stdout
        assert schedules.installed() == installed
    with subtests.test("another time"):
        log = schedules.state / "systemctl.log"
        log.write_text("", encoding="utf-8")
        assert changed(schedules.role("web1", hour=5)) > 0
        calls = log.read_text("utf-8").splitlines()
        assert calls.index("daemon-reload ") < calls.index(f"restart {unit}.timer"), calls
    with subtests.test("a second schedule"):
        assert_ok(schedules.role("web1", name="weekly", every_days=7))
        assert len([name for name in schedules.installed() if name.endswith(".timer.active")]) == 2
        assert '"skip_if_newer_than": "146h"' in (schedules.files / f"{schedules.unit(name='weekly')}.json").read_text("utf-8")
    with subtests.test("removal in check mode"):
        installed = schedules.installed()
        assert changed(schedules.role("web1", "--check", state="absent")) > 0 and schedules.installed() == installed
    with subtests.test("removal without server and credentials"):
        schedules.sandbox.admin.remove_server("vpsorg", "web1")
        plain = {"VPS_API_TOKEN": "", "VPS_API_URL": ""}
        (schedules.state / f"{unit}.service.failed").touch()  # as after a failed run
        assert changed(schedules.role("web1", state="absent", environment=plain)) > 0
        assert not [name for name in schedules.installed() if ".nightly." in name]
        assert [name for name in schedules.installed() if ".weekly." in name], "other schedules are kept"
        assert changed(schedules.role("web1", state="absent", environment=plain)) == 0
    assert schedules.changing() == []


@pytest.mark.slow
@needs_systemd
def test_when_a_snapshot_is_due(schedules: ScheduleRunner, subtests: pytest.Subtests) -> None:
    """The timer runs daily. The age of the schedule's newest snapshot decides whether the job takes one."""
    assert_ok(schedules.role("web1", every_days=3))
    unit = schedules.unit()
    cases = {
        "the first": ([], True), "two days": (["nightly-202601010300", 48], False), "three days": (["nightly-202601010300", 72], True),
        "three days, the last was late": (["nightly-202601010300", 55], True), "not of the schedule": (["nightly-now", 1], True),
    }
    for name, (existing, due) in cases.items():
        with subtests.test(name):
            schedules.sandbox.admin.reset()
            if existing:
                add_snapshot(schedules.sandbox, existing[0], hours=existing[1])
            ran = schedules.run_unit(unit)
            assert ran.returncode == 0, ran.stdout
            assert schedules.changing() == (["snapshots.create"] if due else [])
    with subtests.test("twice at once"):
        schedules.sandbox.admin.reset()
        assert schedules.run_unit(unit).returncode == schedules.run_unit(unit).returncode == 0
        assert schedules.changing() == ["snapshots.create"]
    with subtests.test("a failed run"):
        schedules.sandbox.admin.reset()
        schedules.sandbox.admin.remove_server("vpsorg", "web1")
        assert schedules.run_unit(unit).returncode != 0


@pytest.mark.slow
def test_cron(schedules: ScheduleRunner, subtests: pytest.Subtests) -> None:
    schedules.set_systemd_state("offline")
    (schedules.state / "crontab").write_text("MAILTO=ops\n7 7 * * * /bin/true\n", encoding="utf-8")
    with subtests.test("installed, and again"):
        assert changed(schedules.role("web1", hour=4, minute=30)) > 0
        assert changed(schedules.role("web1", hour=4, minute=30)) == 0
        unit = schedules.unit()
        assert f"#Ansible: {unit}\n30 4 * * * /bin/sh {schedules.files}/{unit}.sh\n" in schedules.crontab
        assert f"{unit}.timer" not in schedules.installed()
    with subtests.test("the cron job"):
        ran = schedules.run_cron(unit)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", ""), "cron mails the output"
        assert schedules.changing() == ["snapshots.create"]
    with subtests.test("a failed cron job"):
        schedules.sandbox.admin.remove_server("vpsorg", "web1")
        ran = schedules.run_cron(unit)
        assert ran.returncode == 1 and "There is no server" in ran.stdout
        schedules.sandbox.admin.reset()
    with subtests.test("a daemon runs the dry run, after a change"):
        schedules.program("pgrep", "#!/bin/sh\necho 1\n")
        assert changed(schedules.role("web1", hour=4, minute=30, retain_count=2, on_failure=f"cat > {schedules.state}/report")) > 0
        assert (schedules.state / "cron-ran").read_text("utf-8") == f"/bin/sh {schedules.files}/{unit}.sh --check\n"
        assert "dry-run" not in schedules.crontab and f"{unit}.dry-run" not in schedules.installed()
        schedules.sandbox.admin.remove_server("vpsorg", "web1")
        assert schedules.run_cron(unit).stdout.startswith("The snapshot failed: There is no server 'web1'")
        assert (schedules.state / "report").read_text("utf-8").startswith("The snapshot failed: There is no server 'web1'")
        schedules.sandbox.admin.reset()
    left = f"#Ansible: {unit}-dry-run\n* * * * * /bin/sh {schedules.files}/{unit}.sh --check\n"
    with subtests.test("the temporary entry of a run that was killed"):
        (schedules.state / "crontab").write_text(schedules.crontab + left, encoding="utf-8")
        with schedules.cron_daemon():  # the entry is there already, so nothing installs it
            assert changed(schedules.role("web1", hour=4, minute=30)) > 0
        assert "dry-run" not in schedules.crontab
        (schedules.state / "crontab").write_text(schedules.crontab + left, encoding="utf-8")
        with schedules.cron_daemon():
            assert changed(schedules.role("web1", hour=4, minute=30)) == 0
        assert "dry-run" not in schedules.crontab
    if shutil.which("systemd-analyze"):
        with subtests.test("change to systemd"):
            schedules.set_systemd_state("running")
            assert changed(schedules.role("web1", hour=4, minute=30)) > 0
            assert unit not in schedules.crontab and f"{unit}.timer.active" in schedules.installed()
        with subtests.test("change back to cron"):
            assert changed(schedules.role("web1", hour=4, minute=30, method="cron")) > 0
            assert unit in schedules.crontab and not [name for name in schedules.installed() if ".timer" in name]
    with subtests.test("removal"):
        (schedules.state / "crontab").write_text(schedules.crontab + left, encoding="utf-8")
        assert changed(schedules.role("web1", state="absent")) > 0
        assert schedules.crontab == "MAILTO=ops\n7 7 * * * /bin/true\n" and schedules.installed() == {}


@pytest.mark.slow
@needs_systemd
def test_another_user_than_root(schedules: ScheduleRunner, subtests: pytest.Subtests) -> None:
    """User timers in the home directory, only with lingering. A replaced `id` simulates the user."""
    schedules.program("id", '#!/bin/sh\n[ "$1" = -u ] && echo 4711 || { [ "$1" = -g ] && echo 4712 || echo tester; }\n')
    own = {"runner_dir": "", "runner_unit_dir": ""}
    (schedules.state / "linger").write_text("no\n", encoding="utf-8")
    with subtests.test("without lingering"):
        run = schedules.role("web1", method="systemd", **own)
        assert run.status == 2 and "loginctl enable-linger tester" in run.stdout and "Nothing was changed" in run.stdout
        assert not (schedules.home / ".config").exists()
    with subtests.test("installed in the home directory"):
        (schedules.state / "linger").write_text("yes\n", encoding="utf-8")
        schedules.units = schedules.home / ".config/systemd/user"
        schedules.files = schedules.home / ".config/rewind.vps/schedules"
        schedules.program("systemctl", SYSTEMCTL)
        assert_ok(schedules.role("web1", **own))
        unit = schedules.unit()
        assert f"{unit}.timer.active" in schedules.installed() and (schedules.files / f"{unit}.env").stat().st_mode & 0o777 == 0o600
        assert "network-online" not in (schedules.units / f"{unit}.service").read_text("utf-8"), "user units cannot use network-online.target"
        assert schedules.run_unit(unit).returncode == 0 and schedules.changing() == ["snapshots.create"]
    with subtests.test("removed"):
        assert_ok(schedules.role("web1", state="absent", **own))
        assert schedules.installed() == {}


@pytest.mark.slow
@pytest.mark.parametrize(("host", "options", "environment", "text"), [
    ("web1", {"retain_count": 5}, {}, "allows 5 snapshots per server"),
    ("web1", {}, {"VPS_API_TOKEN": ""}, "Next: set snapshot_schedule_api_token, or the environment"),
    ("app1", {"method": "cron"}, {"ILKBYTE_SECRET_KEY": ""}, "Next: set snapshot_schedule_access_key and snapshot_schedule_secret_key, or"),
    ("web1", {"ACCOUNT": "shop"}, {}, "credentials for the runner (VPS_API_TOKEN)"),
    ("web1", {}, {"VPS_API_TOKEN": "a-token-with-$(touch b)"}, "credentials for the runner (VPS_API_TOKEN)"),
    ("web1", {"runner_ansible_playbook": "/nonexistent/ansible-playbook"}, {}, "is missing at localhost"),
    ("web1", {"runner_collections_path": "/nonexistent"}, {}, "cannot run the playbook rewind.vps.scheduled_snapshot"),
    ("web1", {"runner_dir": "/tmp/a $(touch b)"}, {}, "cannot be used for a schedule"),
], ids=lambda value: None)
def test_invalid_options_are_rejected(
    schedules: ScheduleRunner, host: str, options: dict[str, object], environment: dict[str, str], text: str,
) -> None:
    options = dict(options)
    account = options.pop("ACCOUNT", None)  # a host of the inventory plugin: the environment may belong to another account
    arguments = ("-e", f"rewind_account={account}") if account else ()
    run = schedules.role(host, *arguments, environment=environment, **options)
    assert run.status == 2 and text in run.stdout.replace('\\"', '"'), run.output
    assert "Nothing was changed" in run.stdout
    assert schedules.changing() == [] and schedules.installed() == {} and schedules.crontab == ""


@pytest.mark.slow
def test_a_runner_without_systemd_and_cron(schedules: ScheduleRunner) -> None:
    schedules.set_systemd_state("offline")
    run = schedules.role("web1", method="systemd")
    assert run.status == 2 and "systemd is not running at localhost" in run.stdout and "state: offline" in run.stdout
    (schedules.programs / "crontab").unlink()
    if not shutil.which("crontab"):
        run = schedules.role("web1")
        assert run.status == 2 and "crontab is missing at localhost" in run.stdout
    assert schedules.installed() == {}
    odd = schedules.directory / "a b"
    odd.symlink_to(Path(sys.executable).parent / "ansible-playbook")
    run = schedules.role("web1", runner_ansible_playbook=str(odd))
    assert run.status == 2 and f"{odd} cannot be used for a schedule" in run.stdout
    assert_ok(schedules.role("web1", runner_ansible_playbook=str(odd), state="absent"))  # removal does not need the path


@pytest.mark.slow
def test_a_failed_dry_run(schedules: ScheduleRunner) -> None:
    """An invalid token is reported at once, and no timer is started."""
    run = schedules.role("web1", environment={"VPS_API_TOKEN": "a-token-of-another-account"})
    assert run.status == 2 and "The dry run of the schedule failed at localhost: VPS.org" in run.stdout, run.output
    assert not [name for name in schedules.installed() if ".timer" in name]
    assert_ok(schedules.role("web1", state="absent"))
    assert schedules.installed() == {}


@pytest.mark.slow
@pytest.mark.secret_scan
@needs_systemd
def test_credentials_are_in_the_one_file_only(schedules: ScheduleRunner) -> None:
    """Search the most verbose output, all files and all command lines, during installation and during the job."""
    sandbox = schedules.sandbox
    searcher = Searcher([sandbox.vpsorg_token, sandbox.ilkbyte_access_key, sandbox.ilkbyte_secret_key])
    marker = {"REWIND_LEAK_MARK": "schedule"}
    for host, options in (("web1", {}), ("web2", {"method": "cron"}), ("app1", {"method": "systemd"})):
        with ProcessWatch(marker["REWIND_LEAK_MARK"]) as watch:
            run = assert_ok(schedules.role(host, "-vvvv", "--diff", environment={**marker, "ANSIBLE_PIPELINING": "false"}, **options))
            ran = schedules.run_cron("web2") if host == "web2" else schedules.run_unit(schedules.unit(host))
        assert ran.returncode == 0 and watch.command_lines
        secret = {path for path in schedules.files.iterdir() if path.suffix == ".env"}
        kept = {path: path.read_text("utf-8") for path in secret}
        for path in secret:
            path.write_text("removed for the search", encoding="utf-8")
        search_run(searcher, run, [schedules.directory], watch, inherited=True)
        searcher.search("output of the job", ran.stdout + ran.stderr)
        for path, text in kept.items():
            path.write_text(text, encoding="utf-8")
        assert any(secret_ in text for text in kept.values() for secret_ in searcher.secrets), "the search had nothing to find"
    assert searcher.hits == [], format_hits(searcher.hits)


def old_schedule(schedules: ScheduleRunner, token: str) -> None:
    """Install what an earlier version of the role did, whose names contain neither address nor account."""
    job = {"provider": "vpsorg", "server": "web1", "prefix": "nightly-", "api_url": schedules.sandbox.vpsorg_url}
    header = "# Ansible: rewind.vps.snapshot_schedule"
    texts = {
        schedules.files / f"{OLD_UNIT}.json": json.dumps({"scheduled_snapshot": job}, indent=4),
        schedules.files / f"{OLD_UNIT}.env": f'{header}, {OLD_UNIT}\nVPS_API_TOKEN="{token}"\n',
        schedules.units / f"{OLD_UNIT}.service": f"{header}\n[Unit]\nDescription=Snapshot nightly of a server at vpsorg ({OLD_UNIT})\n",
        schedules.units / f"{OLD_UNIT}.timer": f"{header}\n[Unit]\nDescription=Every day at 03:00: snapshot nightly ({OLD_UNIT})\n",
    }
    for path, text in texts.items():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for kind in ("active", "enabled"):
        (schedules.state / f"{OLD_UNIT}.timer.{kind}").touch()


HOSTILE_DEFAULTS = {
    "ansible.builtin.copy": {"owner": "nobody", "backup": True, "force": False, "mode": "0644", "unsafe_writes": True, "group": "nogroup"},
    "ansible.builtin.template": {"owner": "nobody", "backup": True, "mode": "0666", "force": False},
    "ansible.builtin.file": {"owner": "nobody", "mode": "0777"},
    "ansible.builtin.cron": {"disabled": True, "backup": True, "special_time": "yearly"}, "cron": {"user": "nobody"},
}


@pytest.mark.slow
@needs_systemd
def test_two_accounts_with_a_server_of_one_name(schedules: ScheduleRunner) -> None:
    """Each has its schedule. The second account has files of an earlier version, whose token has leaked into a backup since."""
    admin = schedules.sandbox.admin
    tokens = {name: f"vps_{name}{'x' * 20}" for name in ("shop", "blog", "rotated")}
    for name, token in tokens.items():
        admin.add_credentials(vpsorg_token={"token": token, "account": f"{name.replace('rotated', 'shop')}@example.org"})
    old_schedule(schedules, tokens["blog"])
    (schedules.files / f"{OLD_UNIT}.env.123.2026-01-01@00:00:00~").write_text(tokens["blog"], encoding="utf-8")
    schedules.keywords = {"module_defaults": HOSTILE_DEFAULTS}
    run = assert_ok(schedules.roles("web1", {"api_token": tokens["shop"]}, {"api_token": tokens["blog"]}, {"api_token": tokens["rotated"]}))
    assert "have other credentials and name no account, so they were kept: " + OLD_UNIT in " ".join(run.stdout.split())
    environments = [path for path in schedules.files.iterdir() if ".env" in path.name]
    texts = [path.read_text("utf-8") for path in environments]
    assert sorted(token for token in tokens.values() if any(token in text for text in texts)) == sorted([tokens["blog"], tokens["rotated"]])
    assert len(environments) == 2 and all(path.stat().st_mode & 0o777 == 0o600 and path.owner() == "root" for path in environments)
    assert len([name for name in schedules.installed() if name.endswith(".timer.active")]) == 2 and OLD_UNIT not in str(schedules.installed())

    before = schedules.installed()
    victim = schedules.units / f"{environments[0].stem}.timer"
    victim.write_text(victim.read_text("utf-8").replace("snapshot_schedule, ", "snapshot_schedule, rewind-of-another-"), encoding="utf-8")
    token = tokens["blog"] if tokens["blog"] in texts[0] else tokens["rotated"]
    rejected = schedules.roles("web1", {"api_token": token, "state": "absent"})
    assert rejected.status == 2 and f"{victim} exists and is not this schedule's" in " ".join(rejected.stdout.split())
    victim.write_bytes(before[victim.name])
    assert_ok(schedules.roles("web1", {"api_token": tokens["shop"], "state": "absent"}))  # not the token that it was installed with
    (left,) = [path for path in schedules.files.iterdir() if ".env" in path.name]
    assert tokens["blog"] in left.read_text("utf-8") and schedules.changing() == []
    assert set(schedules.installed()) == {name for name in before if name.startswith(left.stem)}
