# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that checks a server before its snapshot: how long it waits, what it runs there, and how it ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from builders import FakeClock
from guard_builders import MARKER, RUN_ID, FakeActions, FakeServer, guard_in, on_disk, run_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.checks.parsing import parse_checks
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import OPTIONS, ROLE_OPTIONS
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps import Steps, base

TOKEN = "vps_S3cretToken0123456789"
FINE = "uid 0\nspace 5000000 /\nboot 11111111-1111\nend\n"
BUSY = "held 77 apt-get /var/lib/dpkg/lock-frontend\n" + FINE
OWN = {"tasks": ["own.yml"], "reboot": "never"}  # needs neither root nor Python

# A new login is possible, and a module runs; see test_check_steps.
SHELL = SimpleNamespace(run=lambda *arguments, **how: "", find_module_problem=lambda seconds: None, facts={}, requires_terminal=False)


class Server:
    """A server that answers scripts one after the other; the last answer is repeated.

    :ivar scripts: the scripts that it was sent, each with whether become applied.
    :ivar modules: the modules that were run there.
    """

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.answers: list[Any] = [FINE]
        self.tests = "sh-compatible 42\nlogin-shell /bin/bash\n"
        self.module_result: dict[str, Any] = {"ansible_facts": {"ansible_pkg_mgr": "apt"}}
        self.scripts: list[tuple[str, bool]] = []
        self.modules: list[tuple[str, dict[str, Any]]] = []
        self.progress: list[str] = []
        self.clock = FakeClock()
        self.resumed = False
        self.checks: list[dict[str, Any]] = []
        self.guard: Any = None

        def start_guard(config: dict[str, Any]) -> RunRecord:
            self.guard = guard_in(directory, states.PLANNED, FakeActions())
            return self.guard.record

        monkeypatch.setattr(base, "start_guard", start_guard)
        monkeypatch.setattr(base, "send_request", lambda record, request, on_idle: RunRecord(record.path, self.guard.handle(request)["record"]))
        monkeypatch.setattr(Steps, "_require_live_run", lambda steps, record: None)

    def check(self, *, check_mode: bool = False, become: str | None = None, **options: Any) -> dict[str, Any]:
        run = {"run_record": str(self.directory / "run.json"), "marker": MARKER, "run_id": RUN_ID, "snapshot_name": "s", "resumed": self.resumed,
               "server": {"id": "1"}, "cloud": "VPS.org", "tasks": [], "checks": self.checks}
        validation = ArgumentSpecValidator({**OPTIONS, **ROLE_OPTIONS}).validate(
            {"step": "check_server", "provider": "vpsorg", "api_token": TOKEN, "run": run, "script": "echo probe\n", **options})
        assert not validation.error_messages
        access = FakeServer(self._run, self._run_module, become_method=become)
        context = run_context(check_mode=check_mode, clock=self.clock, progress=self.progress.append, server=access, shell=SHELL)
        return Steps(validation.validated_parameters, context).run("check_server")

    def refusal(self, **options: Any) -> RewindError:
        with pytest.raises(RewindError) as caught:
            self.check(**options)
        assert caught.value.message.startswith("NOT_STARTED: web1: ")
        return caught.value

    def _run(self, script: str, privileged: bool) -> dict[str, Any]:
        self.scripts.append((script, privileged))
        answers: list[Any] = self.answers if privileged else [self.tests]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, dict) else {"stdout": answer, "stderr": ""}

    def _run_module(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        self.modules.append((name, options))
        return self.module_result


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(tmp_path, monkeypatch)


def test_a_server_that_can_be_upgraded_is_asked_once(server: Server) -> None:
    result = server.check()
    assert (result["changed"], result["stdout"], result["package_manager"]) == (False, FINE, "apt")
    (script, privileged), = server.scripts
    assert privileged and script.endswith("</dev/null\necho probe\n") and "apt-get" in script
    assert [name for name, dummy in server.modules] == ["ansible.legacy.setup"] and server.guard is None


def test_no_module_runs_where_no_step_needs_one(server: Server) -> None:
    assert server.check(**OWN)["package_manager"] is None
    assert not server.modules and "apt-get" not in server.scripts[0][0]
    server.check(**OWN, quiesce_services=["app"])
    assert [name for name, dummy in server.modules] == ["ansible.legacy.ping"]


def test_later_steps_know_whether_modules_run(server: Server) -> None:
    server.answers = [FINE.replace("boot", "begin\nboot")]
    assert server.check(**OWN)["modules_run"] is True
    server.answers = ["uid 0\nend\n"]
    assert server.check(**OWN)["modules_run"] is False


def test_a_package_manager_at_work_is_waited_for(server: Server) -> None:
    server.answers = [BUSY, BUSY, FINE.replace("11111111", "22222222")]
    assert "22222222" in server.check(**OWN)["stdout"], "the probe is as new as the end of the wait"
    assert server.progress == ["waiting for the package manager: apt-get (process 77) has locked /var/lib/dpkg/lock-frontend"]


@pytest.mark.parametrize(("timeout", "seconds"), [(3600, 300), (20, 20)])
def test_a_package_manager_that_stays_busy_ends_the_run(server: Server, timeout: int, seconds: int) -> None:
    server.answers = [BUSY]
    started = server.clock.monotonic()
    error = server.refusal(timeout=timeout)
    assert error.kind == errors.BUSY and f"also after {seconds} s: apt-get (process 77)" in error.message
    assert server.clock.monotonic() - started == seconds and not server.modules


STARTING = FINE.replace("boot", "begin\nuptime 40\nboot").replace("end\n", "units known\nsystem starting\nend\n")


@pytest.mark.parametrize("uptime", ["uptime 40\n", "", "uptime \n"])
def test_a_server_that_was_booted_just_now_finishes_its_startup_first(server: Server, uptime: str) -> None:
    """Otherwise a server that is still starting after the upgrade would be as before."""
    answers = [answer.replace("uptime 40\n", uptime) for answer in (STARTING, STARTING, STARTING.replace("starting", "running"))]
    server.answers = list(answers)
    assert "system running" in server.check(**OWN)["stdout"]
    assert server.progress == ["waiting for the server to finish its startup"] and sum(server.clock.sleeps) == 20
    for options in ({"builtin_checks": False}, {"check_mode": True}):
        server.answers = list(answers)
        assert "system starting" in server.check(**OWN, **options)["stdout"]


@pytest.mark.parametrize(("uptime", "seconds"), [(40, 120), (86400, 0)])
def test_a_startup_that_never_finishes_ends_no_run(server: Server, uptime: int, seconds: int) -> None:
    server.answers = [STARTING.replace("uptime 40", f"uptime {uptime}")]
    assert "system starting" in server.check(**OWN)["stdout"]
    assert sum(server.clock.sleeps) == seconds


def test_an_interpreter_that_was_discovered_again_replaces_the_old_one(server: Server) -> None:
    server.module_result = {"ansible_facts": {"ansible_pkg_mgr": "apt", "discovered_interpreter_python": "/usr/bin/python3.11"}}
    result = server.check()
    assert result["ansible_facts"] == {"discovered_interpreter_python": "/usr/bin/python3.11"} and result["package_manager"] == "apt"


def test_check_mode_waits_for_nothing_and_writes_nothing(server: Server) -> None:
    server.answers = [BUSY]
    assert server.refusal(check_mode=True).kind == errors.BUSY
    assert len(server.scripts) == 1 and ".test-of-" not in server.scripts[0][0] and server.guard is None


def test_the_run_record_says_why_nothing_was_started(server: Server) -> None:
    server.answers = [f"{FINE}unwritable {TOKEN}\n"]
    server.refusal(**OWN)
    data = on_disk(server.guard)
    assert (data["state"], data["outcome"], data["acknowledged"]) == (states.ENDED, states.NOT_STARTED, True)
    assert data["reason"] == "Server web1 can't be upgraded: the marker can't be written to /var/tmp: ********"


def test_a_resumed_run_keeps_its_record(server: Server) -> None:
    server.answers, server.resumed = [BUSY], True
    server.refusal(**OWN)
    assert server.guard is None


@pytest.mark.parametrize(("result", "expected"), [
    ({"failed": True, "msg": "MODULE FAILURE", "module_stdout": "/bin/sh: 1: /usr/bin/python3: not found\n"}, "/usr/bin/python3: not found"),
    ({"failed": True, "msg": "ansible-core requires a minimum of Python version 3.9. Current version: 3.6.8"}, "minimum of Python version 3.9"),
    ({"unreachable": True, "msg": "Failed to create temporary directory."}, "Failed to create temporary directory"),
])
def test_modules_that_do_not_run(server: Server, result: dict[str, Any], expected: str) -> None:
    server.module_result = result
    error = server.refusal()
    assert "do not run on web1, which the upgrade of packages would need (" in error.message and expected in error.message
    assert "which guarded_upgrade_quiesce_services would need" in server.refusal(**OWN, quiesce_services=["app"]).message


@pytest.mark.parametrize("name", ["portage", "unknown", None, ["apt"], "\x1b"])
def test_an_unknown_package_manager(server: Server, name: Any) -> None:
    server.module_result = {"ansible_facts": {"ansible_pkg_mgr": name}}
    error = server.refusal()
    assert error.kind == errors.UNSUPPORTED and "guarded_upgrade_tasks" in error.hint
    server.module_result = {}
    assert server.refusal().kind == errors.UNSUPPORTED


@pytest.mark.parametrize(("name", "expected"), [("apt", ""), ("pacman", "pacman --sync"), ("dnf", ""), ("yum", "")])
def test_how_packages_are_upgraded(server: Server, name: str, expected: str) -> None:
    """By a script, or by one of Ansible's modules."""
    server.module_result = {"ansible_facts": {"ansible_pkg_mgr": name}}
    script = server.check()["upgrade_script"]
    assert expected in script if expected else not script
    assert server.check(**OWN)["upgrade_script"] == ""


@pytest.mark.parametrize("name", ["apk", "pacman"])
def test_security_updates_that_are_not_marked(server: Server, name: str) -> None:
    server.module_result = {"ansible_facts": {"ansible_pkg_mgr": name}}
    error = server.refusal(packages="security")
    assert error.kind == errors.UNSUPPORTED and f"The repositories of {name} on web1 do not mark security updates" in error.message
    assert on_disk(server.guard)["outcome"] == states.NOT_STARTED


def test_named_packages_must_be_installed(server: Server) -> None:
    server.answers = [FINE, "absent nginxx\r\nabsent evil\r\nend\r\n"]
    error = server.refusal(packages=["nginxx", "openssl"])
    assert error.kind == errors.INVALID_ARGUMENT and "not installed on web1: nginxx" in error.message and "evil" not in error.message
    assert server.scripts[0][0].count("--only-upgrade install nginxx openssl") == 1 and "for name in nginxx openssl" in server.scripts[1][0]
    server.answers = [FINE, "end\n"]
    assert "names='nginxx openssl'" in server.check(packages=["nginxx", "openssl"])["upgrade_script"]


def test_excluded_packages_need_not_be_installed(server: Server) -> None:
    server.answers = [FINE, "absent nginxx\nend\n"]
    assert server.check(exclude=["nginxx", "openssl"])["warnings"] == ["guarded_upgrade_exclude names what is not installed on web1: nginxx"]


def test_a_server_that_does_not_say_what_is_installed(server: Server) -> None:
    server.answers = [FINE, "absent nginx\n"]
    error = server.refusal(packages=["nginx"])
    assert error.kind == errors.NOT_READY and "apt could not be asked" in error.message


@pytest.mark.parametrize(("tests", "become", "expected"), [
    ("", None, "login shell"), ("login-shell /bin/csh\n", "sudo", "(/bin/csh) does not run sh commands; it printed: This account is not available"),
    ("sh-compatible 42\n", "sudo", "can't run commands on web1 with sudo; it printed: This account"),
])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_script_that_did_not_run(server: Server, tests: str, become: str | None, expected: str, stream: str) -> None:
    server.answers, server.tests = [{"stdout": "", "stderr": "", stream: "This account is not available\r\n"}], tests
    assert expected in server.refusal(**OWN, become=become).message
    assert [privileged for dummy, privileged in server.scripts] == [True, False, False]


def test_a_shell_that_goes_on_after_what_it_does_not_understand(server: Server) -> None:
    server.answers, server.tests = [{"stdout": "boot 1\nend\n", "stderr": "Illegal variable name.\n"}], "login-shell /bin/tcsh\n"
    assert "(/bin/tcsh) does not run sh commands; it printed: Illegal variable name." in server.refusal(**OWN).message


def test_an_error_of_the_connection_ends_the_run_too(server: Server) -> None:
    server.answers = [RewindError("Ansible can't log in to web1: no", kind=errors.UNREACHABLE)]
    assert server.refusal().kind == errors.UNREACHABLE
    assert on_disk(server.guard)["outcome"] == states.NOT_STARTED


def test_what_was_refused_is_not_hidden_by_a_record_that_can_not_be_written(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(config: dict[str, Any]) -> RunRecord:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(base, "start_guard", fail)
    server.answers = [BUSY]
    assert server.refusal().kind == errors.BUSY


# --- the checks, before the upgrade


def test_a_check_that_fails_before_the_upgrade_ends_the_run(server: Server) -> None:
    server.checks = parse_checks([{"port": 9, "from": "controller", "host": "127.0.0.1"}])
    error = server.refusal()
    assert "check port 9 of 127.0.0.1 from the controller: does not accept connections (Connection refused)" in error.message
    assert "level: warn" in error.hint and "baseline: false" in error.hint
    assert server.guard.record.outcome == states.NOT_STARTED


def test_checks_that_do_not_prevent_the_upgrade(server: Server) -> None:
    port = {"port": 9, "from": "controller", "host": "127.0.0.1"}
    server.checks = parse_checks([{**port, "level": "warn"}, {**port, "baseline": False}])
    label = "port 9 of 127.0.0.1 from the controller"
    assert server.check()["warnings"] == [f"Before the upgrade: check {label}: does not accept connections (Connection refused)"]
    server.checks = parse_checks([port])
    assert server.check(check_mode=True)["warnings"] == []
