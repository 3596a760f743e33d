# SPDX-License-Identifier: GPL-3.0-or-later
"""What test_parity.py runs in both execution modes: every kind of option, source of credentials, and failure."""

from __future__ import annotations

import json
from typing import Any

from support.cases import RESET_CALLS, SECOND, SHORT, TaskFactory, add_snapshot, ago, fault, provider_options, set_durations, unscheduled_hour
from support.playbook_runner import PlaybookRunner, TaskCase

CHECK = {"check_mode": True, "diff": True}
DIFF = {"diff": True}
ONE = {"name": "one"}


def parity_cases(runner: PlaybookRunner, tasks: TaskFactory) -> list[TaskCase]:
    """Cases for one provider, each with its own setup."""
    only = _only_vpsorg(tasks) if tasks.cloud == "vpsorg" else _only_ilkbyte(tasks)
    return [*_operations(tasks), *_failures(tasks), *_credentials(runner, tasks), *only]


def _operations(tasks: TaskFactory) -> list[TaskCase]:
    cloud = tasks.cloud
    old = add_snapshot(cloud, "one", created_at=ago(days=3))
    two = add_snapshot(cloud, "two", created_at=ago(days=1))
    # One of two servers is changed, so that the order of the requests is always the same.
    both: dict[str, Any] = {"server": None, "servers": [tasks.server, SECOND[cloud]], **ONE}
    return [
        tasks("snapshot", *RESET_CALLS, step="created, check", keywords=CHECK, **ONE),
        tasks("snapshot", *RESET_CALLS, step="created with texts for numbers", keywords=DIFF, wait="yes", wait_timeout="90", **ONE),
        tasks("snapshot_restore", *RESET_CALLS, old, two, step="restored, diff", keywords=DIFF, **ONE),
        tasks("snapshot_info", *RESET_CALLS, old, two, step="info by pattern", match="t*", status="ready,failed", server=None, servers=tasks.server),
        tasks("snapshot", *RESET_CALLS, old, step="two servers, diff", keywords=DIFF, **both),
        tasks("snapshot", *RESET_CALLS, old, step="one of two unknown", **{**both, "servers": [tasks.server, "nowhere"]}),
    ]


def _failures(tasks: TaskFactory) -> list[TaskCase]:
    return [
        tasks("snapshot", *RESET_CALLS, step="wrong choice", state="gone", **ONE),
        tasks("snapshot", *RESET_CALLS, step="unknown option", nmae="two", **ONE),
        tasks("snapshot", *RESET_CALLS, step="unknown suboption", retain={"count": 1, "match": "*", "keep": 2}, **ONE),
        tasks("snapshot", *RESET_CALLS, step="wrong type", wait_timeout="long", **ONE),
        tasks("snapshot", *RESET_CALLS, step="two rules broken", when_full="prune", state="absent", server=None),
        tasks("snapshot", *RESET_CALLS, fault("drop_after", cloud=tasks.cloud, operation="snapshots.create"),
              set_durations(SHORT, f"{tasks.cloud}.snapshots.create"), step="answer is lost", **ONE),
    ]


def _credentials(runner: PlaybookRunner, tasks: TaskFactory) -> list[TaskCase]:
    """The controller's environment always has the right ones, which the task may override."""
    opens = provider_options(runner.sandbox, tasks.cloud)
    secret = "api_token" if tasks.cloud == "vpsorg" else "secret_key"
    variable = "VPS_API_TOKEN" if tasks.cloud == "vpsorg" else "ILKBYTE_SECRET_KEY"
    none: dict[str, Any] = dict.fromkeys(opens)
    provider = {**none, "provider": tasks.cloud}
    defaults = {"module_defaults": {"group/rewind.vps.all": opens}}
    cases = [
        tasks("server_info", *RESET_CALLS, step="from the controller's environment", **provider),
        tasks("server_info", *RESET_CALLS, step="wrong in the task's environment", **provider,
              keywords={"environment": {variable: "wrong-but-long-enough"}}),
        tasks("server_info", *RESET_CALLS, step="none in the task's environment", **provider,
              keywords={"environment": [{variable: "x"}, {variable: ""}]}),
    ]
    if tasks.cloud == "ilkbyte":
        return cases
    return [
        *cases,
        tasks("server_info", *RESET_CALLS, step="from module_defaults", keywords=defaults, **none),
        tasks("server_info", *RESET_CALLS, step="wrong in the task", keywords=defaults, **{secret: "wrong-but-long-enough"}),
        tasks("server_info", *RESET_CALLS, step="a URL in the task's environment", **provider,
              keywords={"environment": {"VPS_API_URL": "http://192.0.2.1"}}),
        tasks("server_info", *RESET_CALLS, step="from the provider's own client", **provider,
              keywords={"environment": {"HOME": _home_of_client(runner), "VPS_API_TOKEN": "", "VPS_API_URL": ""}}),
        tasks("server_info", *RESET_CALLS, step="a provider in the task's environment", **none,
              keywords={"environment": {"REWIND_PROVIDER": tasks.cloud}}),
        tasks("server_info", *RESET_CALLS, step="no provider", **none),
        tasks("snapshot", *RESET_CALLS, step="no_log", keywords={"no_log": True}, **ONE),
        tasks("snapshot", *RESET_CALLS, step="no_log and a failure", keywords={"no_log": True, **DIFF}, name="a b"),
    ]


def _home_of_client(runner: PlaybookRunner) -> str:
    """A home directory with the file of VPS.org's own client, which keeps the address without its path."""
    path = runner.directory / "user é" / ".vps" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(json.dumps({"api_token": runner.sandbox.vpsorg_token, "api_url": runner.sandbox.vpsorg_url.removesuffix("/api/v1")}), "utf-8")
    return str(path.parent.parent)


def _only_vpsorg(tasks: TaskFactory) -> list[TaskCase]:
    full = [add_snapshot("vpsorg", f"night{n}", created_at=ago(days=n)) for n in range(5)]
    return [
        tasks("snapshot", *RESET_CALLS, *full, step="numbers for texts", server=12345, id=803, state="absent"),
        tasks("snapshot", *RESET_CALLS, fault("snapshot_fails"), step="fails", description="x", **ONE),
    ]


def _only_ilkbyte(tasks: TaskFactory) -> list[TaskCase]:
    hour = unscheduled_hour()
    there = add_snapshot("ilkbyte", "one", created_at=ago(days=3))
    scheduled = add_snapshot("ilkbyte", "one", created_at=ago(days=3), is_cron=True, day=1, hour=hour, min=30)
    odd = ("update_snapshot", {"cloud": "ilkbyte", "server": "app1", "snapshot": "one", "cron_time": "Haftada bir"})
    desired = {"name": "one", "day": 1, "hour": hour, "minute": 30}
    return [
        tasks("snapshot_cron", *RESET_CALLS, there, step="schedule set, diff", keywords=DIFF, **desired),
        tasks("snapshot_cron", *RESET_CALLS, scheduled, odd, step="schedule not readable", **desired),
    ]
