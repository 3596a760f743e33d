# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that observe a server, with a made-up server and clock: what is observed again, and what ends as a failure."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from builders import FakeClock
from guard_builders import RUN_ID, FakeActions, guard_in, run_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import attempts, process_identity, system_changes
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.checks.parsing import parse_checks
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import OPTIONS, ROLE_OPTIONS
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.probe import parse_probe
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import ServerUnavailable
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps import OperationFailed, Steps, base
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps.reboot import BOOT_ID_SCRIPT

HEALTHY = "begin\nboot 11111111-1111\nunits known\nsystem running\nend\n"
REFUSED = ServerUnavailable("Failed to connect to the host via ssh: root@192.0.2.1: Permission denied (publickey).")
SILENT = ServerUnavailable("Failed to connect to the host via ssh: ssh: connect to host 192.0.2.1 port 22: Connection timed out")


def output(*lines: str) -> str:
    return HEALTHY.replace("end\n", "".join(f"{line}\n" for line in (*lines, "end")))


class Server:
    """A server that answers each command with the next output; the last one is repeated.

    :ivar logins: for each command, whether it logged in again.
    :ivar module_problems: what `find_module_problem` returns, in the same way.
    """

    def __init__(self, *outputs: str | Exception | Callable[[], str]) -> None:
        self.outputs = list(outputs)
        self.module_problems: list[str | None] = [None]
        self.logins: list[bool] = []
        self.is_open = True
        self.kept_open: list[bool] = []
        self.limits: list[float] = []
        self.facts: dict[str, Any] = {}
        self.requires_terminal = False
        self.scripts: list[str] | None = None  # what it has run, if it may run anything
        self.resets = 0
        self.systems: list[str] = []  # descriptions of what is installed

    def run(self, script: str, seconds: float, *, new_login: bool = False) -> str:
        if script == system_changes.SCRIPT:
            return self.systems.pop(0) if self.systems else ""
        assert script in ("the script", "true") or self.scripts is not None and seconds > 0
        if self.scripts is not None:
            self.scripts.append(script)
        self.logins.append(new_login)
        self.limits.append(seconds)
        found = self.outputs.pop(0) if len(self.outputs) > 1 else self.outputs[0]
        if isinstance(found, Exception):
            raise found
        return found() if callable(found) else found

    def keep_open(self) -> bool:
        self.kept_open.append(self.is_open)
        return self.is_open

    def reset(self) -> None:
        self.resets += 1

    def find_module_problem(self, seconds: float) -> str | None:
        return self.module_problems.pop(0) if len(self.module_problems) > 1 else self.module_problems[0]


class Local(Server):
    """Runs the commands of checks on this machine."""

    def run(self, script: str, seconds: float, *, new_login: bool = False) -> str:
        if "check-status" in script:
            return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
        return super().run(script, seconds, new_login=new_login)


class EventClock(FakeClock):
    """A clock with actions at some times."""

    def __init__(self) -> None:
        super().__init__()
        self._actions: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Run an action so many seconds from now."""
        self._actions.append((self.now + seconds, action))

    def _pass(self, seconds: float) -> None:
        super()._pass(seconds)
        due = [item for item in self._actions if item[0] <= self.now]
        self._actions = [item for item in self._actions if item[0] > self.now]
        for _seconds, action in due:
            action()


def check(name: str, level: str = "required") -> dict[str, Any]:
    return parse_checks([{"tasks": name, "level": level}])[0]


class Upgrade:
    """An upgrade whose guard answers, up to the checks.

    :ivar clock: the time in which the steps pause.
    """

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory, self.clock = directory, EventClock()
        self.guard: Any = None
        self.context_fields: dict[str, Any] = {}
        self.checks: list[dict[str, Any]] = []
        monkeypatch.setattr(base, "send_request", lambda record, request, on_idle=None: RunRecord(record.path, self.guard.handle(request)["record"]))
        monkeypatch.setattr(attempts.time, "sleep", self.clock.sleep)
        monkeypatch.setattr(attempts.time, "monotonic", self.clock.monotonic)

    def start(self, state: str = states.UPGRADING, before: str = HEALTHY, **fields: Any) -> None:
        self.clock.sleeps.clear()
        self.guard = guard_in(self.directory, state, FakeActions(), before=parse_probe(before), seconds_allowed=10**9, **fields)

    @property
    def seconds(self) -> int:
        """The pauses of this upgrade together."""
        return round(sum(self.clock.sleeps))

    @property
    def record(self) -> RunRecord:
        return RunRecord.load(self.directory / "vpsorg-12345-0" / RUN_ID / "run.json")

    def run(self, step: str, server: Server, **options: Any) -> dict[str, Any]:
        return self.steps(step, server, **options).run(step)

    def steps(self, step: str, server: Server, **options: Any) -> Steps:
        given = {"step": step, "provider": "vpsorg", "api_token": "x", "api_url": "https://cloud.example", "state_dir": str(self.directory),
                 "script": "the script", **options}
        if self.guard:
            given["run"] = {"run_record": str(self.record.path), "connection": "ssh", "next": "upgrade", "run_id": RUN_ID,
                            "checks": self.checks}
        validation = ArgumentSpecValidator({**OPTIONS, **ROLE_OPTIONS}).validate(given)
        assert not validation.error_messages
        context = run_context(
            connection="rewind.vps.guarded_ssh", process=process_identity.identity(os.getpid()), shell=server, **self.context_fields,
        )
        return Steps(validation.validated_parameters, context)

    def check(self, server: Server, **options: Any) -> None:
        """Run both steps of the checks."""
        self.run("start_checks", server, **options)
        self.run("confirm", server, **options)

    def fails(self, server: Server, reason: str, **options: Any) -> None:
        with pytest.raises(OperationFailed) as caught:
            self.check(server, **options)
        result = caught.value.result
        assert reason in result["msg"] and result["error"]["outcome"] == errors.FAILED
        assert result["run"]["run_id"] == RUN_ID, "the server's logs are fetched then"
        assert self.record.state == states.CHECKING


@pytest.fixture
def upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    return Upgrade(tmp_path, monkeypatch)


# --- a login of its own


def test_both_observations_log_in_again(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(HEALTHY)
    upgrade.check(server)
    assert server.logins == [True, True, False, False] and upgrade.seconds == 30
    assert upgrade.record.state == states.CONFIRMED


def test_an_open_connection_that_is_lost_too_is_left_alone(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(SILENT)
    server.is_open = False
    upgrade.fails(server, "a new login is not possible")
    assert len(server.logins) > 1 and server.kept_open == [False], "each attempt would be one more login"


@pytest.mark.parametrize("before", [HEALTHY, "boot 11111111-1111\nend\n"])
def test_a_login_that_fails_some_seconds_later(upgrade: Upgrade, before: str) -> None:
    """The connection of the first login would still be open."""
    upgrade.start(before=before)
    server = Server(before, REFUSED)
    upgrade.fails(server, "a new login is not possible (root@192.0.2.1: Permission denied")
    assert all(server.logins) and len(server.kept_open) == 4, "it alone reaches the server's logs"
    upgrade.start(before=before)
    server = Server(before, SILENT, before)
    upgrade.check(server)
    assert server.logins[:3] == [True] * 3 and upgrade.record.state == states.CONFIRMED


@pytest.mark.parametrize("failure", [REFUSED, SILENT, ServerUnavailable("no answer within 60 s")])
def test_every_new_login_fails(upgrade: Upgrade, failure: ServerUnavailable) -> None:
    upgrade.start()
    server = Server(failure)
    upgrade.fails(server, f"a new login is not possible ({failure})")
    assert len(server.kept_open) == len(server.logins), "the open connection alone reaches the logs"
    assert all(server.logins)


def test_refused_logins_are_few_so_that_no_program_blocks_the_controller(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(REFUSED)
    upgrade.fails(server, "Permission denied")
    assert len(server.logins) == 4 and 45 <= upgrade.seconds <= 60


def test_a_login_that_works_after_a_while_is_enough(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(SILENT, REFUSED, SILENT, HEALTHY)
    upgrade.check(server)
    assert server.logins == [True] * 5 + [False] * 2


# --- modules


def test_modules_that_ran_before_must_run_after(upgrade: Upgrade) -> None:
    upgrade.start(before=output("modules run"))
    server = Server(HEALTHY)
    server.module_problems = ["/bin/sh: 1: /usr/bin/python3: not found"]
    upgrade.fails(server, "no module of Ansible runs there any more, as before the upgrade (/bin/sh: 1: /usr/bin/python3: not found)")
    upgrade.start(before=output("modules run"))
    server.module_problems = ["not found", None]
    upgrade.check(server)


def test_a_server_that_never_had_python_needs_none(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(HEALTHY)
    server.module_problems = ["not found"]
    upgrade.check(server)


def test_facts_are_current_when_the_checks_start(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(HEALTHY)
    server.facts = {"discovered_interpreter_python": "/usr/bin/python3"}
    upgrade.context_fields = {"refresh_facts": lambda: {"pkg_mgr": "dnf5"}}
    found = upgrade.run("start_checks", server)
    assert found["ansible_facts"] == {"discovered_interpreter_python": "/usr/bin/python3", "pkg_mgr": "dnf5"}


def test_the_probe_before_the_upgrade_says_whether_modules_run(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(HEALTHY)
    found = upgrade.steps("arm", server)._observe_login(HEALTHY, modules_run=False)
    assert parse_probe(found["stdout"])["modules_run"] and server.logins == [True] and found["requires_terminal"] is False
    server.module_problems, server.facts = ["not found"], {"discovered_interpreter_python": "/usr/bin/python3"}
    found = upgrade.steps("arm", server)._observe_login(HEALTHY, modules_run=False)
    assert not parse_probe(found["stdout"])["modules_run"] and found["ansible_facts"] == server.facts
    found = upgrade.steps("arm", server)._observe_login(HEALTHY, modules_run=True)  # one has run just now
    assert "modules run" in found["stdout"]
    with pytest.raises(RewindError) as caught:
        upgrade.steps("arm", Server(REFUSED))._observe_login(HEALTHY, modules_run=False)
    assert caught.value.outcome == errors.NOT_APPLIED


# --- units, startup, restarts


def test_a_server_that_hangs_does_not_outlast_the_time_for_checks(upgrade: Upgrade) -> None:
    """Otherwise the guard would act first, and the reason would be unknown."""
    upgrade.start()
    server = Server(HEALTHY)

    def hang() -> str:
        upgrade.clock.sleep(server.limits[-1])
        raise ServerUnavailable("no answer")

    server.outputs = [hang]
    upgrade.fails(server, "no answer")
    assert server.limits[0] == 120 and server.limits[-1] <= 60
    assert upgrade.seconds <= 300 + attempts.MIN_PROBE_TIMEOUT


@pytest.mark.parametrize("problem", [
    "unit nginx.service", "restarting nginx.service", "job other nginx.service", "system maintenance", "system starting", "",
])
def test_a_problem_is_observed_until_the_time_is_over(upgrade: Upgrade, problem: str) -> None:
    upgrade.start()
    lines = output(problem) if not problem.startswith("system") else HEALTHY.replace("system running", problem)
    if not problem:
        lines = HEALTHY.replace("units known\n", "")
    server = Server(lines)
    upgrade.fails(server, "is worse than before its upgrade")
    assert 295 <= upgrade.seconds <= 315
    upgrade.start()
    upgrade.check(Server(lines, lines, HEALTHY))
    assert upgrade.record.state == states.CONFIRMED
    upgrade.start(before=lines)
    upgrade.check(Server(lines))
    assert upgrade.record.state == states.CONFIRMED, "it was so before the upgrade"


def test_a_probe_that_does_not_complete(upgrade: Upgrade) -> None:
    upgrade.start()
    upgrade.fails(Server("boot 11111111-1111\n"), "the probe did not complete")


@pytest.mark.parametrize("later", [output("unit nginx.service"), output("restarts 3 nginx.service"), HEALTHY.replace("units known\n", ""), SILENT])
def test_what_happens_some_seconds_later(upgrade: Upgrade, later: Any) -> None:
    upgrade.start()
    growing = (output(f"restarts {count} nginx.service") for count in itertools.count(3))
    server = Server(HEALTHY, (lambda: next(growing)) if isinstance(later, str) and "restarts" in later else later)
    upgrade.fails(server, "is worse than before its upgrade")
    assert upgrade.seconds >= 235, "less than the longer soak of a service that restarts proves nothing"
    upgrade.start()
    upgrade.check(Server(HEALTHY, later, HEALTHY))
    assert upgrade.record.state == states.CONFIRMED


def test_a_problem_restarts_the_soak(upgrade: Upgrade) -> None:
    upgrade.start()
    times: list[float] = []

    def probe_now() -> str:
        times.append(upgrade.clock.monotonic())
        return output("unit nginx.service") if len(times) == 2 else HEALTHY

    upgrade.check(Server(probe_now))
    assert len(times) == 6 and times[-1] - times[2] >= 30, times


def test_the_time_of_the_users_checks_counts(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(HEALTHY)
    upgrade.run("start_checks", server)
    upgrade.clock.sleep(60)
    upgrade.run("confirm", server)
    assert upgrade.seconds == 60


def test_a_reboot_by_itself_starts_the_observation_again(upgrade: Upgrade) -> None:
    upgrade.start()
    boots = (HEALTHY.replace("1111-1111", f"1111-{number:04}") for number in itertools.count(2))
    upgrade.fails(Server(HEALTHY, lambda: next(boots)), "it has rebooted by itself")
    upgrade.start()
    upgrade.check(Server(HEALTHY, HEALTHY.replace("1111-1111", "1111-2222")))


def test_short_time_for_checks_has_a_short_pause(upgrade: Upgrade) -> None:
    upgrade.start()
    upgrade.check(Server(HEALTHY), check_timeout=6, soak_time=3)
    assert upgrade.seconds == 3


@pytest.mark.parametrize(("before", "options"), [("boot 11111111-1111\nend\n", {}), (HEALTHY, {"builtin_checks": False})])
def test_without_systemd_or_the_builtin_checks_the_server_soaks_too(upgrade: Upgrade, before: str, options: dict[str, Any]) -> None:
    for soak_time in (0, 30):
        upgrade.start(before=before)
        server = Server("boot 11111111-1111\nend\n")
        upgrade.check(server, **options, soak_time=soak_time)
        assert server.logins[:2] == [True, True] and upgrade.seconds == soak_time


@pytest.mark.parametrize("period", [15, 20, 25, 40])
@pytest.mark.parametrize("pause", [0, 5])
@pytest.mark.parametrize("age", range(1, 40, 5))
def test_a_service_that_restarts_for_ever_with_long_pauses(upgrade: Upgrade, period: int, pause: int, age: int) -> None:
    """It has restarted once when it is observed for the first time, and may be between two restarts whenever it is observed."""
    upgrade.start()

    def observe() -> str:
        count, seconds = divmod(period + age % period + upgrade.clock.monotonic() - started, period)
        return output(f"restarts {count:.0f} shop.service", *(["restarting shop.service"] if seconds >= period - pause else []))

    started = upgrade.clock.monotonic()
    upgrade.fails(Server(observe), "shop.service")
    assert upgrade.seconds <= 330


def test_a_service_that_restarts_for_some_time_and_recovers(upgrade: Upgrade) -> None:
    upgrade.start()
    started = upgrade.clock.monotonic()
    upgrade.check(Server(lambda: output(f"restarts {min(6, 1 + (upgrade.clock.monotonic() - started) // 20):.0f} shop.service")))


def test_a_service_that_has_restarted_once_is_observed_longer(upgrade: Upgrade) -> None:
    upgrade.start()
    upgrade.check(Server(output("restarts 1 shop.service")))
    assert upgrade.seconds == 60
    upgrade.start(before=output("restarts 1 shop.service"))
    upgrade.check(Server(output("restarts 1 shop.service")))
    assert upgrade.seconds == 30


@pytest.mark.parametrize("before", [output("running shop.service"), HEALTHY])
def test_a_service_that_ends_without_an_error(upgrade: Upgrade, before: str) -> None:
    """After SIGTERM, for example. Nothing starts it again before the next boot."""
    upgrade.start(before=before)
    upgrade.fails(Server(output("running shop.service"), output("stopped shop.service")), "stopped since the upgrade: shop.service")
    upgrade.start(before=before)
    upgrade.check(Server(output("running shop.service"), output("stopped shop.service"), output("running shop.service")))
    for job in (output("stopped shop.service"), output("running shop.service")):  # each boot may run it once
        upgrade.start(before=output("stopped shop.service"))
        upgrade.check(Server(job, output("stopped shop.service")))


def test_a_service_that_restarts_without_an_upgrade_fails_none(upgrade: Upgrade) -> None:
    upgrade.start(states.READY, before=output("restarts 5 flaky.service"), guard={"pid": 1})
    upgrade.run("arm", Server(output("restarts 9 flaky.service")))
    assert upgrade.record.data["before"]["restarting"] == ["flaky.service"]
    counts = itertools.count(1)
    upgrade.check(Server(lambda: output(f"restarts {next(counts)} flaky.service")))
    upgrade.start(states.READY, guard={"pid": 1})
    unused = Server(AssertionError("there was nothing to observe"))
    upgrade.run("arm", unused)
    assert unused.logins == []


def test_no_attempt_is_made_after_the_guard_has_acted(upgrade: Upgrade) -> None:
    upgrade.start()

    def act() -> str:
        upgrade.guard.handle({"command": "roll_back", "reason": "it took too long", "manual": False})
        raise SILENT

    server = Server(act)
    with pytest.raises(OperationFailed):
        upgrade.run("start_checks", server)
    assert len(server.logins) == 1


# --- what has changed


def test_what_the_upgrade_has_changed_is_recorded_whatever_the_checks_find(upgrade: Upgrade) -> None:
    upgrade.start(states.READY, guard={"pid": 1})
    server = Server(output("unit nginx.service"))
    server.systems = [f"begin\nkernel 6.1\npackage php {version}\npackages known\nend\n" for version in ("8.3", "8.4")]
    upgrade.run("arm", server)
    upgrade.fails(server, "nginx.service")
    assert upgrade.record.data["changes"]["packages"]["upgraded"] == {"php": {"from": "8.3", "to": "8.4"}}
    upgrade.start()
    upgrade.check(Server(HEALTHY))
    assert upgrade.record.data["changes"] is None, "it is unknown"


# --- reboot and baseline


def test_a_reboot_is_detected_and_a_warning_says_if_it_can_not_be(upgrade: Upgrade) -> None:
    upgrade.start()
    found = upgrade.run("detect_reboot", Server("reboot file /run/reboot-required\nend\n"))
    assert found["reboot_required"] and "/run/reboot-required exists" in found["msg"] and not found["warnings"]
    found = upgrade.run("detect_reboot", Server(SILENT, "cut off", "kernel running 6.1.0\nkernel installed 6.1.0\nend\n"))
    assert not found["reboot_required"] and not found["warnings"]
    found = upgrade.run("detect_reboot", Server("end\n"))
    assert not found["reboot_required"] and "guarded_upgrade_reboot to always" in found["warnings"][0]
    with pytest.raises(OperationFailed):
        upgrade.run("detect_reboot", Server(SILENT))


@pytest.mark.parametrize("ending", [SILENT, "status 0\n", ServerUnavailable("Connection closed by remote host")])
def test_a_reboot_without_python(upgrade: Upgrade, ending: Any) -> None:
    """The connection may be lost at once, or after the command; and the old boot may answer for some seconds."""
    upgrade.start()
    server = Server("boot-1\n", ending, "boot-1\n", SILENT, REFUSED, REFUSED, REFUSED, REFUSED, "\n", "boot-2\n")
    server.scripts = []
    assert upgrade.run("reboot", server)["changed"]
    assert "shutdown -r now || reboot" in server.scripts[1] and len(server.scripts) == 10 and server.resets == 1
    assert server.logins == [False, False] + [True] * 8


def test_a_reboot_without_python_that_fails(upgrade: Upgrade) -> None:
    for outputs, reason, seconds in (
        (["boot-1\n", "status 127\n"], "the reboot command ended with status 127", 0), ([SILENT], "Connection timed out", 600),
        (["boot-1\n", "status 0\n", "boot-1\n"], "it has not rebooted", 600), (["boot-1\n", SILENT], "Connection timed out", 600),
    ):
        upgrade.start()
        server = Server(*outputs)
        server.scripts = []
        with pytest.raises(OperationFailed, match=reason):
            upgrade.run("reboot", server, reboot_command="systemctl reboot")
        assert seconds <= upgrade.seconds <= seconds + 1 and ["\nsystemctl reboot\n" in script for script in server.scripts].count(True) <= 1


def test_a_reboot_command_that_is_sent_again_reboots_once(upgrade: Upgrade) -> None:
    """As ssh does after a lost connection, if `retries` of Ansible's configuration is set."""
    boot_id = subprocess.run(["sh", "-c", BOOT_ID_SCRIPT], capture_output=True, text=True, check=True).stdout
    for answer, printed in ((boot_id, "rebooting\nstatus 0\n"), ("another boot\n", "")):
        upgrade.start()
        server = Server(answer, SILENT, "boot-2\n")
        server.scripts = []
        upgrade.run("reboot", server, reboot_command="echo rebooting")
        assert subprocess.run(["sh", "-c", server.scripts[1]], capture_output=True, text=True, check=True).stdout == printed


# --- files of tasks, which the role runs


@pytest.mark.parametrize(("result", "observed"), [
    ({"failed": True, "msg": "Timeout when waiting for 127.0.0.1:81"}, "Wait for the ports: Timeout when waiting for 127.0.0.1:81"),
    ({"msg": "One or more items failed", "results": [{"changed": False}, {"failed": True, "msg": "Status code was 500"}]},
     "Wait for the ports: Status code was 500"),
    ({"msg": "non-zero return code", "stderr": "the shop is closed"}, "Wait for the ports: the shop is closed"),
    ({"msg": "non-zero return code", "stdout": "it says x-secret-token"}, "Wait for the ports: it says ********"), ({}, "Wait for the ports: failed"),
    (None, "Wait for the ports: failed"),
])
def test_a_failing_baseline_names_what_it_observed_and_the_remedies(upgrade: Upgrade, result: Any, observed: str) -> None:
    upgrade.start(states.PLANNED)
    failed = {"failed_task": {"name": "Wait for the ports"}, "failed_result": result, "api_token": "x-secret-token", "check": check("smoke.yml")}
    with pytest.raises(RewindError) as caught:
        upgrade.run("check_failed", Server(HEALTHY), **failed)
    assert caught.value.outcome == errors.NOT_APPLIED
    assert f"check smoke.yml: {observed}" in caught.value.message and "level: warn" in caught.value.hint and "baseline: false" in caught.value.hint
    found = upgrade.run("check_failed", Server(HEALTHY), **{**failed, "check": check("smoke.yml", level="warn")})
    assert not found["repeat"] and observed in found["warnings"][0]


def test_a_file_of_tasks_is_repeated_until_its_time_is_over(upgrade: Upgrade) -> None:
    failed = {"check": check("smoke.yml"), "failed_task": {"name": "Ask the shop"}, "failed_result": {"msg": "closed"}}
    upgrade.start()
    upgrade.run("start_checks", Server(HEALTHY))
    upgrade.run("soak", Server(HEALTHY))
    assert upgrade.record.data["soaked"]
    found = upgrade.run("check_failed", Server(HEALTHY), **failed, deadline=int(time.time()) + 300)
    assert found["repeat"] and upgrade.seconds == 30 + 5 and not upgrade.record.data["soaked"], "the soak starts again"
    upgrade.run("confirm", Server(HEALTHY))
    assert upgrade.seconds >= 30 + 5 + 25
    upgrade.start()
    upgrade.run("start_checks", Server(HEALTHY))
    with pytest.raises(RewindError, match=r"check smoke\.yml fails: Ask the shop: closed") as caught:
        upgrade.run("check_failed", Server(HEALTHY), **failed, deadline=int(time.time()))
    assert caught.value.outcome == errors.FAILED


@pytest.mark.parametrize(("left", "pause"), [(300, 5), (290, 5), (200, 25), (100, 30), (8, 8)])
def test_a_file_of_tasks_is_repeated_less_and_less_often(upgrade: Upgrade, left: int, pause: int) -> None:
    """Each time Ansible prints the failed task again."""
    upgrade.start(states.CHECKING)
    failed = {"check": check("smoke.yml"), "failed_task": {"name": "Ask the shop"}, "failed_result": {"msg": "closed"}}
    upgrade.run("check_failed", Server(HEALTHY), **failed, deadline=int(time.time()) + left)
    assert abs(upgrade.seconds - pause) <= 1


def test_after_the_soak_the_confirmation_only_logs_in_again(upgrade: Upgrade) -> None:
    upgrade.start()
    server = Server(HEALTHY)
    upgrade.run("start_checks", server)
    upgrade.run("soak", server)
    upgrade.run("confirm", server)
    assert upgrade.seconds == 30 and server.logins[-1] and upgrade.record.state == states.CONFIRMED


# --- checks that the action makes


def test_a_check_that_fails_until_the_time_is_over(upgrade: Upgrade, tmp_path: Path) -> None:
    upgrade.start()
    upgrade.checks = parse_checks([{"command": f"cat {tmp_path}/ready"}])
    upgrade.fails(Local(HEALTHY), "check cat ")
    assert 295 <= upgrade.seconds <= 315 and upgrade.record.data["outcome"] is None


def test_a_check_that_passes_later_and_one_that_only_warns(upgrade: Upgrade, tmp_path: Path) -> None:
    upgrade.start()
    upgrade.checks = parse_checks([{"command": f"cat {tmp_path}/ready"}, {"command": "echo closed; exit 3", "level": "warn"}])
    upgrade.clock.at(20, lambda: (tmp_path / "ready").write_text("yes"))
    upgrade.run("start_checks", Local(HEALTHY))
    found = upgrade.run("confirm", Local(HEALTHY))
    assert 20 <= upgrade.seconds <= 70 and found["warnings"] == ["check echo closed; exit 3: status 3: closed"]
    results = upgrade.record.data["check_results"]
    assert [(item["level"], item["result"]) for item in results] == [("required", "passed"), ("warn", "failed")]


def test_a_check_that_fails_during_the_soak_restarts_it(upgrade: Upgrade, tmp_path: Path) -> None:
    upgrade.start()
    ready = tmp_path / "ready"
    ready.write_text("yes")
    upgrade.checks = parse_checks([{"command": f"cat {ready}"}])
    upgrade.clock.at(15, ready.unlink)
    upgrade.clock.at(40, lambda: ready.write_text("yes"))
    upgrade.check(Local(HEALTHY))
    assert 70 <= upgrade.seconds <= 90
    upgrade.start()
    upgrade.clock.at(15, ready.unlink)
    upgrade.fails(Local(HEALTHY), "check cat ")


def test_the_restored_server_is_checked_with_what_could_pass_before(upgrade: Upgrade) -> None:
    upgrade.start(states.RESTORED)
    upgrade.checks = parse_checks([{"command": "true"}, {"command": "false", "baseline": False}])
    found = upgrade.run("check_restored", Local(HEALTHY))
    assert found["checks_result"] == "passed" and upgrade.seconds == 0
    upgrade.checks = parse_checks([{"command": "false"}])
    found = upgrade.run("check_restored", Local(HEALTHY))
    assert found["checks_result"] == "failed" and "check false: status 1" in found["msg"] and upgrade.seconds >= 290
    upgrade.checks = []
    assert upgrade.run("check_restored", Local(HEALTHY))["checks_result"] == "not_run"
