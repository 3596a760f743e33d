# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that systemd and cron run for the role snapshot_schedule, with a replaced ansible-playbook."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import pytest

TEMPLATES = Path(__file__).resolve().parents[3] / "roles/snapshot_schedule/templates"
UNIT = "rewind-snapshot-vpsorg-web1-0123456789ab.nightly"
FAILED = r"""
PLAY [Take a scheduled snapshot] ***

TASK [Find a recent snapshot of this schedule] ***
fatal: [localhost]: FAILED! => {"changed": false, "error": {"kind": "not_found"}, "msg": "There is no server \"web1\" in this account. Next: a, b"}
"""
BROKEN = """[WARNING]: something
[ERROR]: the playbook: rewind.vps.scheduled_snapshot
could not be found

more
"""


@dataclass
class Job:
    """A rendered script in a directory, whose ansible-playbook writes its environment, umask and arguments to a file."""

    directory: Path
    scheduler: str = "cron"
    on_failure: dict[str, str] = field(default_factory=dict)
    output: str = ""
    status: int = 0

    def __post_init__(self) -> None:
        self.base = self.directory / UNIT
        playbook = self.directory / "ansible-playbook"
        (self.directory / "output").write_text(self.output, encoding="utf-8")
        playbook.write_text(f"#!/bin/sh\n(env; echo umask=$(umask); pwd; echo \"$@\") > {self.directory}/seen\ncat {self.directory}/output\n"
                            f"exit {self.status}\n", encoding="utf-8")
        mailer = self.directory / "sendmail"
        mailer.write_text(f"#!/bin/sh\n(env; echo \"$@\"; cat) > {self.directory}/mail\n", encoding="utf-8")
        for program in (playbook, mailer):
            program.chmod(0o755)
        environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, keep_trailing_newline=True,
                                         undefined=jinja2.StrictUndefined, autoescape=False)
        environment.filters["quote"] = shlex.quote
        text = environment.get_template("snapshot.sh.j2").render(
            __snapshot_schedule_unit=UNIT, __snapshot_schedule_scheduler=self.scheduler, __snapshot_schedule_base=self.base,
            __snapshot_schedule_directory=self.directory, __snapshot_schedule_job_env_list=[f"HOME={self.directory}", "PATH=/usr/bin:/bin"],
            __snapshot_schedule_plan={"on_failure": {"unit": "", "mail": "", "command": "", **self.on_failure}},
            __snapshot_schedule_runner={"sendmail": str(mailer)}, __snapshot_schedule_command=f"{playbook} -e @{self.base}.json",
        )
        Path(f"{self.base}.sh").write_text(text, encoding="utf-8")
        Path(f"{self.base}.env").write_text('VPS_API_TOKEN="a-secret"\nhttps_proxy="http://proxy:1"\n', encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it as cron would, or as systemd would after it has read the file of the credentials."""
        command = ["/bin/sh", f"{self.base}.sh", *arguments]
        return subprocess.run(command, env={"PATH": "/usr/bin:/bin", **environment}, cwd="/", text=True, capture_output=True, timeout=20, check=False)

    def text(self, name: str) -> str:
        path = self.directory / name
        return path.read_text("utf-8") if path.exists() else ""


@pytest.mark.parametrize("scheduler", ["cron", "systemd"])
@pytest.mark.parametrize(("output", "status", "reason"), [
    (FAILED, 2, 'There is no server "web1" in this account. Next: a, b'),
    (BROKEN, 4, "[ERROR]: the playbook: rewind.vps.scheduled_snapshot could not be found"),
    ("some text\nthe last line\n\n", 1, "the last line"), ("", 7, "ansible-playbook ended with status 7"),
    ("", 143, "a signal ended it after too long or at a shutdown (status 143)."),
], ids=["task", "startup", "text", "nothing", "signal"])
def test_the_first_line_names_the_reason(tmp_path, scheduler, output, status, reason):
    ran = Job(tmp_path, scheduler, output=output, status=status).run()
    first, *rest = ran.stdout.splitlines()
    assert (ran.returncode, first.rstrip(), ran.stderr) == (1, f"The snapshot failed: {reason}", "")
    assert [line for line in rest if line] == [line for line in output.splitlines() if line]


def test_a_run_that_succeeds(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "s").mkdir()
    cron = Job(tmp_path / "c", output="done\n", on_failure={"command": f"touch {tmp_path}/x"})
    systemd = Job(tmp_path / "s", "systemd", output="done\n")
    assert (cron.run().stdout, systemd.run().stdout) == ("", "done\n"), "cron would mail it"
    assert not (tmp_path / "x").exists()


def test_cron_runs_it_with_one_environment_only(tmp_path):
    job = Job(tmp_path)
    seen = []
    others = {"HTTPS_PROXY": "http://elsewhere", "LD_LIBRARY_PATH": "/x", "ANSIBLE_CONFIG": "/x"}
    for arguments, environment in (((), {}), ((), others), (("--check",), others)):
        assert job.run(*arguments, **environment).returncode == 0
        seen.append(job.text("seen").replace(" --check", ""))
    assert len(set(seen)) == 1 and "umask=0077" in seen[0] and f"\n{tmp_path}\n" in seen[0]
    assert "VPS_API_TOKEN=a-secret" in seen[0] and "https_proxy=http://proxy:1" in seen[0] and "elsewhere" not in seen[0]


@pytest.mark.parametrize("scheduler", ["cron", "systemd"])
@pytest.mark.parametrize("kind", ["mail", "command"])
def test_a_failed_run_is_reported(tmp_path, scheduler, kind):
    value = {"mail": "ops@example.org", "command": f"(env; cat) > {tmp_path}/reported; echo '%s'"}[kind]
    job = Job(tmp_path, scheduler, {kind: value}, FAILED, 2)
    assert job.run().returncode == 1
    if scheduler == "systemd":
        assert (tmp_path / f"{UNIT}.log").stat().st_mode & 0o777 == 0o600
        assert job.run("--report").returncode == 0
    report = job.text({"mail": "mail", "command": "reported"}[kind])
    assert 'The snapshot failed: There is no server "web1"' in report and "fatal: " in report
    assert "a-secret" not in report, "the command needs no credentials"
    if kind == "mail":
        assert f"\n-i -t\nTo: ops@example.org\nSubject: Snapshot of {UNIT} failed\n\nThe snapshot failed: " in report
    else:
        assert f"REWIND_SCHEDULE={UNIT}\n" in report


def test_a_run_without_output_is_reported(tmp_path):
    """systemd reports also a run that it killed, or that did not start. An earlier failure is not reported again."""
    job = Job(tmp_path, "systemd", {"mail": "ops@example.org"}, FAILED, 2)
    job.run()
    job.run("--report")
    job.run("--report")
    assert "left no output (see journalctl" in job.text("mail")


def test_a_report_that_fails_is_visible(tmp_path):
    job = Job(tmp_path, on_failure={"command": "exit 3"}, output=FAILED, status=2)
    assert "could not be reported" in job.run().stdout


@pytest.mark.parametrize("scheduler", ["cron", "systemd"])
def test_a_dry_run_reports_to_the_role_only(tmp_path, scheduler):
    job = Job(tmp_path, scheduler, {"command": f"touch {tmp_path}/reported"}, FAILED, 2)
    ran = job.run("--check")
    assert ran.returncode == 1 and not job.text("reported") and job.text("seen").endswith(f"-e @{job.base}.json --check\n")
    status, first, *dummy = job.text(f"{UNIT}.dry-run").splitlines()
    assert status == "2" and first.startswith('The snapshot failed: There is no server "web1"')
    assert not (tmp_path / "reported").exists() and not (tmp_path / f"{UNIT}.log").exists()


@pytest.mark.parametrize("scheduler", ["cron", "systemd"])
def test_a_dry_run_is_not_repeated_before_its_result_is_read(tmp_path, scheduler):
    """If the role is killed, its temporary cron entry remains and runs every minute."""
    job = Job(tmp_path, scheduler)
    assert job.run("--check").returncode == 0
    (tmp_path / "seen").unlink()
    ran = job.run("--check")
    assert (ran.returncode, ran.stdout, ran.stderr, job.text("seen")) == (0, "", "", "")
    assert job.run().returncode == 0 and job.text("seen"), "the job itself runs"


def test_credentials_that_cannot_be_read(tmp_path):
    job = Job(tmp_path)
    Path(f"{job.base}.env").unlink()
    ran = job.run()
    assert ran.returncode == 1 and ran.stdout.startswith("The snapshot failed: ") and f"{UNIT}.env" in ran.stdout.splitlines()[0]
    assert not job.text("seen")


def test_a_run_that_systemd_ends(tmp_path):
    """It sends SIGTERM to all processes of the unit, and the script still names the reason."""
    job = Job(tmp_path, "systemd")
    playbook = tmp_path / "ansible-playbook"
    playbook.write_text(f"#!/bin/sh\necho started\ntouch {tmp_path}/started\nsleep 60\n", encoding="utf-8")
    with subprocess.Popen(["/bin/sh", f"{job.base}.sh"], stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not (tmp_path / "started").exists():
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGTERM)
        output = process.communicate(timeout=20)[0]
    assert process.returncode == 1 and output.startswith("The snapshot failed: a signal ended it after too long")
    assert "left no output" not in output and (tmp_path / f"{UNIT}.log").read_text("utf-8") == output
