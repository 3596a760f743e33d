# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarded upgrades leave no secret anywhere: not in output, run records, diagnostics, reports or processes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cases import apply_calls
from support.guarded_upgrade import CHANGE, FAIL, GUARD_PROGRAM, UpgradeRunner
from support.playbook_runner import Run
from support.secret_cases import ADD_CREDENTIALS, OPTIONS, SECRETS, VARIABLES, message_with_secrets
from support.secret_channels import ProcessWatch, files_below, report_search, search_run
from support.secret_search import Searcher

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.secret_scan]

HOSTS = {"vpsorg": "web1", "ilkbyte": "app1"}
LOUDEST = {"ANSIBLE_DEBUG": "1", "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_DISPLAY_TRACEBACK": "always"}
BREAKING = Path(__file__).resolve().parents[2] / "support" / "breaking"
BROKEN = ("_guard.client:start_guard", "_guard.client:send_request", "_upgrade.record:RunRecord.load", "_upgrade.steps:Steps.run")


class UpgradeScan:
    """Runs guarded upgrades and searches what they leave behind."""

    def __init__(self, upgrades: UpgradeRunner) -> None:
        self.upgrades, self.directory = upgrades, upgrades.directory
        self.searcher = Searcher([secret for secrets in SECRETS.values() for secret in secrets])
        self.temporary = Path(tempfile.mkdtemp(prefix="rw-"))  # short: sockets lie in it
        apply_calls(upgrades.sandbox.admin, ADD_CREDENTIALS)

    def run(self, cloud: str, source: str, *arguments: str, environment: dict[str, str] | None = None, **how: Any) -> tuple[Run, ProcessWatch]:
        """Run to the end and search every channel."""
        more = {"TMPDIR": str(self.temporary), "ANSIBLE_LOG_PATH": str(self.directory / "log"), **(environment or {})}
        options = OPTIONS[cloud] if source == "vars" else {}
        if source == "controller":
            more |= VARIABLES[cloud]
        with ProcessWatch(str(self.directory)) as watch:
            run = self.upgrades.run(HOSTS[cloud], *arguments, environment=more, **options, **how)
            assert self.upgrades.no_guard_left()
        search_run(self.searcher, run, [self.directory, self.temporary], watch, inherited=source == "controller")
        return run, watch


@pytest.fixture
def secret_scan(upgrades: UpgradeRunner, record_property: Any) -> Iterator[UpgradeScan]:
    """Fails the test where a secret was found."""
    one = UpgradeScan(upgrades)
    yield one
    shutil.rmtree(one.temporary, ignore_errors=True)
    report_search(one.searcher, record_property)


@pytest.mark.duration(12)
@pytest.mark.parametrize(("cloud", "source"), [
    ("ilkbyte", "controller"),
    *(pytest.param(cloud, source, marks=pytest.mark.slow) for cloud, source in (("ilkbyte", "vars"), ("vpsorg", "vars"), ("vpsorg", "controller"))),
])
def test_an_upgrade_that_is_undone_by_a_cloud_that_quotes_its_keys(secret_scan: UpgradeScan, cloud: str, source: str) -> None:
    said = message_with_secrets(cloud)
    body = {"detail": said} if cloud == "vpsorg" else {"status": False, "message": "", "error": said, "data": None}
    secret_scan.upgrades.sandbox.admin.fault(
        "raw", cloud=cloud, operation="snapshots.restore", status=400 if cloud == "vpsorg" else 200, body=body, apply=False)
    run, watch = secret_scan.run(cloud, source, "-vvvvv", "--diff", environment=LOUDEST, tasks=secret_scan.upgrades.tasks("upgrade", CHANGE, FAIL))
    assert secret_scan.upgrades.record(HOSTS[cloud])["outcome"] == "rolled_back", run.output[-3000:]
    assert ">********<" in run.output, "the provider's message was reported"
    if watch.command_lines and Path("/proc/self").exists():
        assert any(GUARD_PROGRAM.encode() in command for command in watch.command_lines), "the guard was not seen"
        assert any(GUARD_PROGRAM.encode() in command for command, dummy in watch.environments)


@pytest.mark.slow
@pytest.mark.parametrize("cloud", HOSTS)
def test_evidence_that_quotes_keys(secret_scan: UpgradeScan, cloud: str) -> None:
    """The user's own tasks show what they show; what is kept of them does not."""
    said = message_with_secrets(cloud)
    secret_scan.searcher.secrets, kept = SECRETS[cloud], secret_scan.searcher
    tasks = secret_scan.upgrades.tasks(
        "upgrade", {"name": "Log", "ansible.builtin.copy": {"dest": "/var/log/dpkg.log", "content": said + "\n" + json.dumps(said), "mode": "0644"}},
        # Not on a command line: other runs of the tests look at those of the whole machine.
        {"name": f"Spill {said[:200]}", "ansible.builtin.command": {"argv": ["sh", "-c", "cat /var/log/dpkg.log; exit 3"]}},
    )
    run = secret_scan.upgrades.run(HOSTS[cloud], tasks=tasks, **OPTIONS[cloud])
    assert run.status == 2, run.output
    directory = secret_scan.upgrades.record_directory(HOSTS[cloud])
    assert ">********<" in (directory / "failed_task.json").read_text("utf-8")
    for path, data in files_below(secret_scan.upgrades.state_dir):
        kept.search(f"file {path.name}", data)


@pytest.mark.slow
@pytest.mark.parametrize("location", BROKEN)
def test_an_exception_in_a_step(secret_scan: UpgradeScan, location: str) -> None:
    text = secret_scan.directory / "given.text"
    text.write_text(message_with_secrets("ilkbyte"), encoding="utf-8")
    whole = f"plugin_utils.{location}"
    environment = {"PYTHONPATH": str(BREAKING), "REWIND_BREAK": whole, "REWIND_BREAK_TEXT": str(text), "ANSIBLE_DISPLAY_TRACEBACK": "always"}
    run, dummy = secret_scan.run("ilkbyte", "vars", "-vvvvv", environment=environment, tasks=secret_scan.upgrades.tasks("upgrade", CHANGE))
    assert run.status != 0
    assert whole in (secret_scan.directory / "given.text.raised").read_text("utf-8")
    assert "Internal error in rewind.vps (RuntimeError at sitecustomize.py" in run.stdout


@pytest.mark.slow
def test_the_playbooks_for_afterwards(secret_scan: UpgradeScan) -> None:
    tasks = secret_scan.upgrades.tasks("upgrade", CHANGE)
    assert secret_scan.run("ilkbyte", "vars", tasks=tasks)[0].status == 0
    for playbook, more in (("rewind.vps.prune", {"keep_snapshots": 0}), ("rewind.vps.rollback", {"confirm": True})):
        secret_scan.run("ilkbyte", "vars", "-vvvvv", "--check", playbook=playbook, environment=LOUDEST, **more)
