# SPDX-License-Identifier: GPL-3.0-or-later
"""Invalid options, states and responses: every message says what, where and what next, and nothing is changed.

Invalid options are rejected before the first request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from support.cases import RESET_CALLS, SERVER, TaskFactory, add_snapshot, fault
from support.playbook_runner import Call, PlaybookRunner

pytestmark = pytest.mark.playbook


@dataclass(frozen=True)
class Case:
    """A task that must fail. `says` are parts of the message; `sends` is whether it may read before it fails."""

    name: str
    module: str
    options: dict[str, Any]
    kind: str
    says: tuple[str, ...]
    setup: tuple[Call, ...] = ()
    sends: bool = True
    changing: tuple[str, ...] = ()


def play_and_check(runner: PlaybookRunner, cases: list[tuple[TaskFactory, Case]], subtests: pytest.Subtests) -> None:
    run = runner.run(*(
        tasks(case.module, *(RESET_CALLS if case.sends else ()), *case.setup, step=f"{tasks.cloud}: {case.name}", **case.options)
        for tasks, case in cases
    ))
    assert "Traceback" not in run.output
    for tasks, case in cases:
        name = f"{tasks.cloud}: {case.name}"
        with subtests.test(name):
            outcome = run[name]
            assert outcome.failed, outcome.result
            error = outcome.error
            assert (error["kind"], error["outcome"]) == (case.kind, "not_applied"), outcome.result
            missing = [part for part in case.says if part not in outcome.msg]
            assert not missing, f"{missing} not in: {outcome.msg}"
            assert outcome.changing == list(case.changing)
            assert case.sends or outcome.requests == []
            assert outcome.result["changed"] is False
            assert "Nothing was changed." in outcome.msg


def cases_of_options(cloud: str) -> list[Case]:
    """What is rejected before anything is sent."""
    one = {"name": "one"}
    secret = "VPS_API_TOKEN" if cloud == "vpsorg" else "ILKBYTE_SECRET_KEY"
    without = {"api_token": None} if cloud == "vpsorg" else {"secret_key": None}

    def bad(name: str, module: str, options: dict[str, Any], *says: str, kind: str = "invalid_argument") -> Case:
        return Case(name, module, options, kind, says, sends=False)

    cases = [
        bad("no credentials", "snapshot", {**one, **without}, secret, "Next:"),
        bad("http to a real host", "snapshot", {**one, "api_url": "http://192.0.2.1/api/v1"}, "192.0.2.1", "use https"),
        bad("a CA bundle that is not there", "snapshot", {**one, "ca_path": "/no/such.pem"}, "/no/such.pem"),
    ]
    if cloud == "vpsorg":
        cases += [
            bad("a space in a name", "snapshot", {"name": "pre upgrade"}, "'pre upgrade'", "hyphens", "'preupgrade'"),
            bad("a schedule", "snapshot_cron", {**one, "day": 1, "hour": 2, "minute": 3}, "VPS.org", "schedule",
                "rewind.vps.snapshot", kind="unsupported"),
        ]
    else:
        cases += [
            bad("a hyphen in a name", "snapshot", {"name": "pre-upgrade"}, "'pre-upgrade'", "letters and digits",
                "'preupgrade'"),
            bad("a description", "snapshot", {**one, "description": "x"}, "description"),
        ]
    return cases


def test_options(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    play_and_check(runner, [(tasks, case) for tasks in clouds for case in cases_of_options(tasks.cloud)], subtests)


def test_options_that_ansible_rejects(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    """Ansible's own validation has other messages, and no `error` in the result."""
    cases: dict[str, tuple[str, dict[str, Any], str]] = {
        "a list as one": ("snapshot", {"name": "one", "server": [vpsorg.server]}, "a list was given: use servers for a list"),
        "no such option": ("snapshot", {"name": "one", "names": "two"}, "Unsupported parameters"),
    }
    run = runner.run(*(vpsorg(module, step=name, **options) for name, (module, options, dummy) in cases.items()))
    assert "Traceback" not in run.output
    for name, (_dummy, _dummy, says) in cases.items():
        with subtests.test(name):
            assert run[name].failed and says in run[name].msg, run[name].result
            assert run[name].requests == []


def cases_of_setups(cloud: str) -> list[Case]:
    """What only the provider can detect."""
    one = {"name": "one"}
    there = add_snapshot(cloud, "one")
    server = SERVER[cloud]
    wrong = {"api_token": "vps_wrong_token"} if cloud == "vpsorg" else {"secret_key": "wrong-secret-key"}
    cases = [
        Case("wrong credentials", "snapshot", {**one, **wrong}, "unauthorized", ("rejected the credentials", "Next:")),
        Case("an unknown server", "snapshot", {**one, "server": "nowhere"}, "not_found", ("'nowhere'", "Next:")),
        Case("nearly a server", "snapshot", {**one, "server": f"{server}x"}, "not_found", ("did you mean", server)),
        Case("restore what is missing", "snapshot_restore", {"name": "two"}, "not_found",
             (server, "has no snapshot two", "one"), (there,)),
        Case("id and name disagree", "snapshot_restore", {"name": "two", "id": "801" if cloud == "vpsorg" else "one"},
             "invalid_argument", ("do not match", "'two'", "'one'"), (there, add_snapshot(cloud, "two"))),
        Case("delete where id and name disagree", "snapshot",
             {"name": "two", "id": "801" if cloud == "vpsorg" else "one", "state": "absent"},
             "invalid_argument", ("do not match",), (there, add_snapshot(cloud, "two"))),
        Case("an id for a new one", "snapshot", {"name": "one", "id": "99"}, "not_found", ("99", "omit id")),
    ]
    return cases + (_vpsorg_setups(there) if cloud == "vpsorg" else _ilkbyte_setups(there))


def _vpsorg_setups(there: Call) -> list[Case]:
    one = {"name": "one"}
    five = tuple(add_snapshot("vpsorg", f"s{n}") for n in range(5))
    foreign = ("add_snapshot", {"cloud": "vpsorg", "server": "web2", "name": "theirs"})
    twins = ("update_server", {"cloud": "vpsorg", "server": "web2", "name": "web1"})
    reader = ("add_credentials", {"vpsorg_token": {"token": "vps_reader", "permissions": ["servers:read"]}})

    def status(word: str) -> Call:
        return ("update_server", {"cloud": "vpsorg", "server": "web1", "status": word})

    return [
        Case("a token that may only read", "snapshot", {**one, "api_token": "vps_reader"}, "forbidden",
             ("denied permission", "web1", "rights"), (reader,), changing=("snapshots.create",)),
        Case("two servers of one name", "snapshot", one, "ambiguous", ("12345", "12346", "by its id"), (twins,)),
        Case("a sixth snapshot", "snapshot", one, "limit_reached", ("web1", "5", "s0", "s4", "when_full: prune"), five),
        Case("full, and nothing to prune", "snapshot",
             {**one, "when_full": "prune", "retain": {"count": 1, "match": "nightly-*"}}, "limit_reached",
             ("'nightly-*'", "widen the pattern"), five),
        Case("a snapshot of another server", "snapshot_restore", {"id": "801"}, "not_found",
             ("web1 (12345) has no snapshot 801", "a snapshot of server web2 (12346)"), (foreign,)),
        Case("restore a pending one", "snapshot_restore", one, "not_ready", ("pending", "in_progress", "when it is ready"),
             (add_snapshot("vpsorg", "one", status="in_progress"),)),
        Case("restore a failed one", "snapshot_restore", one, "not_ready", ("failed", "s0"),
             (add_snapshot("vpsorg", "one", status="failed"), five[0])),
        Case("one with an unknown status is in the way", "snapshot", one, "not_ready", ("web1", "'archived'", "801", "Next:"),
             (add_snapshot("vpsorg", "one", status="archived"),)),
        Case("restore a busy server", "snapshot_restore", one, "busy", ("web1", "starting", "Next:"),
             (there, status("starting"))),
        Case("snapshot a busy server", "snapshot", {**one, "wait": False}, "busy", ("web1", "restoring", "wait: true"),
             (status("restoring"),)),
        Case("delete one of two of a name", "snapshot", {**one, "state": "absent"}, "ambiguous",
             ("801", "802", "select one with id"), (there, there)),
        Case("restore one of two of a name", "snapshot_restore", one, "ambiguous", ("801", "802", "id"), (there, there)),
    ]


def _ilkbyte_setups(there: Call) -> list[Case]:
    one = {"name": "one"}
    elsewhere = ("add_credentials", {"ilkbyte_key": {"access_key": "elsewhere", "secret_key": "secret-of-elsewhere",
                                                     "allowed_ips": ["192.0.2.7"]}})
    return [
        Case("a key for another address", "snapshot",
             {**one, "access_key": "elsewhere", "secret_key": "secret-of-elsewhere"}, "forbidden",
             ("denied permission", "IP addresses"), (elsewhere,)),
        Case("restore a busy server", "snapshot_restore", {**one, "wait": False}, "busy", ("app1", "paused"),
             (there, ("update_server", {"cloud": "ilkbyte", "server": "app1", "status": "paused"}))),
        Case("a schedule on nothing", "snapshot_cron", {**one, "day": 1, "hour": 2, "minute": 3}, "not_found",
             ("app1", "no snapshot one", "rewind.vps.snapshot")),
        Case("a refusal with HTTP 200", "snapshot", one, "provider_rejected", ("app1", "Paket yetersiz!"),
             (fault("raw", operation="snapshots.create", apply=False, body={
                 "status": False, "message": "", "error": "Paket yetersiz!", "data": None}),),
             changing=("snapshots.create",)),
    ]


def broken_responses(sandbox_url: str) -> list[Case]:
    """The reads fail, and the message names it. (More, at each provider: provider_contract/test_contract_refusals.py.)"""
    one, hint = {"name": "one"}, "check api_url"
    broken = {"cloud": "vpsorg", "operation": "snapshots.list", "times": None}
    unused = "http://127.0.0.1:9"  # the port of discard
    no_tls = sandbox_url.replace("http:", "https:")
    return [
        Case("a web page with 403", "snapshot", one, "forbidden", ("denied permission",), (fault("html", status=403, **broken),)),
        Case("500", "snapshot", one, "provider_error", ("HTTP 500", "status page"), (fault("status", **broken),)),
        Case("a redirect", "snapshot", one, "invalid_response", ("redirect", "never followed"), (fault("redirect", **broken),)),
        Case("nothing listens", "snapshot", {**one, "api_url": unused}, "unreachable", ("could not be reached", hint), sends=False),
        Case("no TLS", "server_info", {"api_url": no_tls}, "unreachable", ("could not be reached", "SSLError", hint), sends=False),
    ]


@pytest.mark.duration(12)
def test_states_and_responses(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    cases = [(tasks, case) for tasks in clouds for case in cases_of_setups(tasks.cloud)]
    play_and_check(runner, [*cases, *((clouds[0], case) for case in broken_responses(runner.sandbox.vpsorg_url))], subtests)
