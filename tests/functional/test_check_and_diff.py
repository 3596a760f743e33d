# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode sends no change, and predicts the result of the real run."""

from __future__ import annotations

from typing import Any

import pytest
from support.cases import RESET_CALLS, SERVER, TaskFactory, add_snapshot, ago, unscheduled_hour
from support.playbook_runner import Call, PlaybookRunner

pytestmark = pytest.mark.playbook

Case = tuple[str, str, list[Call], dict[str, Any], bool]  # name, module, setup, options, whether it changes something


def snapshots(cloud: str) -> list[Case]:
    """One case for each result of the module `snapshot`."""
    old = add_snapshot(cloud, "one", created_at=ago(days=3))
    others = [add_snapshot(cloud, f"night{n}", created_at=ago(days=n)) for n in (4, 2)]
    keep = {"count": 1, "match": "night*"}
    cases: list[Case] = [
        ("created", "snapshot", others, {"name": "one"}, True),
        ("kept", "snapshot", [old, *others], {"name": "one"}, False),
        ("recreated", "snapshot", [old, *others], {"name": "one", "max_age": "1d"}, True),
        ("created and older ones deleted", "snapshot", others, {"name": "night9", "retain": keep}, True),
        ("kept and older ones deleted", "snapshot", others, {"name": "night2", "retain": keep}, True),
        ("created with the server stopped", "snapshot", [], {"name": "one", "stop_server": True}, True),
        ("deleted", "snapshot", [old, *others], {"name": "one", "state": "absent"}, True),
        ("not there to delete", "snapshot", others, {"name": "one", "state": "absent"}, False),
        ("not waited for", "snapshot", others, {"name": "one", "wait": False}, True),
    ]
    if cloud == "vpsorg":
        full = [old, *others, *(add_snapshot(cloud, name, created_at=ago(days=9)) for name in ("extra", "more"))]
        failed = add_snapshot(cloud, "one", status="failed", created_at=ago(days=1))
        cases += [
            ("with a description", "snapshot", [], {"name": "one", "description": "before"}, True),
            ("failed one replaced", "snapshot", [failed, *others], {"name": "one"}, True),
            ("full and pruned", "snapshot", full, {"name": "night9", "when_full": "prune", "retain": keep}, True),
            ("full with a failed one of its name", "snapshot", [failed, *full[1:]], {"name": "one"}, True),
        ]
    return cases


def other_modules(cloud: str) -> list[Case]:
    there = add_snapshot(cloud, "one", created_at=ago(days=3))
    cases: list[Case] = [
        ("restored", "snapshot_restore", [there], {"name": "one"}, True),
        ("restored, not waited for", "snapshot_restore", [there], {"name": "one", "wait": False}, True),
        ("listed", "snapshot_info", [there], {}, False),
        ("servers", "server_info", [], {}, False),
    ]
    if cloud == "ilkbyte":
        hour = unscheduled_hour()
        scheduled = add_snapshot(cloud, "one", created_at=ago(days=3), is_cron=True, day=1, hour=hour, min=30)
        desired = {"name": "one", "day": 1, "hour": hour, "minute": 30}
        cases += [
            ("schedule set", "snapshot_cron", [there], desired, True),
            ("schedule there", "snapshot_cron", [scheduled], desired, False),
            ("schedule changed", "snapshot_cron", [scheduled], {**desired, "day": 7}, True),
            ("schedule removed", "snapshot_cron", [scheduled], {"name": "one", "state": "absent"}, True),
            ("no schedule to remove", "snapshot_cron", [there], {"name": "one", "state": "absent"}, False),
        ]
    return cases


@pytest.mark.duration(12)
@pytest.mark.parametrize(("cloud", "modules"), [
    ("vpsorg", snapshots), ("ilkbyte", other_modules),
    pytest.param("ilkbyte", snapshots, marks=pytest.mark.slow), pytest.param("vpsorg", other_modules, marks=pytest.mark.slow),
])
def test_check_mode_predicts_the_real_run(runner: PlaybookRunner, cloud: str, modules: Any, subtests: pytest.Subtests) -> None:
    tasks, cases = TaskFactory(runner.sandbox, cloud), modules(cloud)
    steps = []
    for name, module, setup, options, _dummy in cases:
        for mode in ("check", "real"):
            keywords = {"diff": True, "check_mode": mode == "check"}
            steps.append(tasks(module, *RESET_CALLS, *setup, step=f"{name}: {mode}", keywords=keywords, **options))
    run = runner.run(*steps)
    for name, module, _dummy, _dummy, changes in cases:
        with subtests.test(name):
            check, real = run[f"{name}: check"], run[f"{name}: real"]
            assert not check.failed and not real.failed, (check.result, real.result)
            assert check.changing == [] and check.events == []
            assert check.result["changed"] is real.result["changed"] is bool(real.changing) is changes
            assert shape(check.result) == shape(real.result)
            assert check.result.get("diff") == real.result.get("diff")
            assert ("diff" in real.result) is not module.endswith("_info")
            if changes:
                assert real.result["diff"]["before"] != real.result["diff"]["after"]


def test_check_mode_fails_as_the_real_run_does(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    full = [add_snapshot("vpsorg", f"s{n}", created_at=ago(days=1)) for n in range(5)]
    cases: list[tuple[str, str, list[Call], dict[str, Any]]] = [
        ("limit_reached", "snapshot", full, {"name": "one"}),
        ("not_found", "snapshot_restore", full, {"name": "one"}),
        ("not_ready", "snapshot_restore", [add_snapshot("vpsorg", "one", status="failed")], {"name": "one"}),
        ("invalid_argument", "snapshot", [], {"name": "a b"}),
        ("unsupported", "snapshot_cron", [], {"name": "one", "day": 1, "hour": 1, "minute": 1}),
    ]
    steps = [
        vpsorg(module, *RESET_CALLS, *setup, step=f"{kind} {mode}", keywords={"check_mode": mode == "check"}, **options)
        for kind, module, setup, options in cases for mode in ("check", "real")
    ]
    restoring = ("update_server", {"cloud": "vpsorg", "server": SERVER["vpsorg"], "status": "restoring"})
    busy = (*RESET_CALLS, add_snapshot("vpsorg", "one"), restoring)
    steps += [
        vpsorg("snapshot_restore", *busy, step="busy: restore", name="one", keywords={"check_mode": True}),
        vpsorg("snapshot", *busy, step="busy: snapshot", name="two", keywords={"check_mode": True}),
    ]
    run = runner.run(*steps)
    with subtests.test("check mode does not wait for a busy server"):
        restore, snapshot = run["busy: restore"], run["busy: snapshot"]
        assert restore.changing == snapshot.changing == []
        assert restore.result["already_in_progress"] is True and restore.result["changed"] is False
        assert snapshot.result["changed"] is True
    for kind, *_dummy in cases:
        with subtests.test(kind):
            check, real = run[f"{kind} check"], run[f"{kind} real"]
            assert check.error == real.error and check.error["kind"] == kind
            assert check.msg == real.msg
            assert check.changing == real.changing == []


def shape(value: Any) -> Any:
    """The keys in a value, at every level, without the values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items() if key != "invocation"}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "a value"
