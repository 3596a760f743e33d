# SPDX-License-Identifier: GPL-3.0-or-later
"""Names with special characters of paths, shells, templates and terminals, from the user and from the provider.

No request goes to another path, nothing is executed or templated, and no traceback is shown.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.cases import CLOUDS, RESET_CALLS, SERVER_ID, TaskFactory, add_snapshot, apply_calls, fault
from support.playbook_runner import EXECUTION_MODES, IN_PROCESS, Call, PlaybookRunner, Run, TaskCase, TaskResult, execution_mode

pytestmark = pytest.mark.playbook

OWNED = "owned-by-a-name"  # a file that must not be created
NAMES = {
    "up": "..", "up and away": "../snapshot", "encoded": "%2e%2e", "encoded slash": "app1%2Fsnapshot", "slash": "app1/snapshot",
    "query": "app1?name=one",
    "fragment": "app1#x", "semicolon": f"app1;touch {OWNED}", "blank": "app 1", "break": "one\nunits: two", "NUL": "one\0two", "long": "x" * 10_000,
    "right to left": "one\u202etwo", "smiley": "one\U0001f600", "dollar": f"$(touch {OWNED})", "backticks": f"`touch {OWNED}`",
    "template": "{{ 7*7 }}",
    "statement": "{% if true %}49{% endif %}", "lookup": f"{{{{ lookup('pipe', 'touch {OWNED}') }}}}", "option": f"-oProxyCommand=touch {OWNED}",
    "terminal": "\x1b[2J\x1b]0;owned\x07", "C1": "\x9b2J",
}
FEW = ("up", "encoded slash", "NUL", "terminal", "template", "lookup")
PATHS = {
    "vpsorg": "/api/v1/(servers/|servers/(12345|[0-9a-f-]{36})/|snapshots/)",
    "ilkbyte": "/(server/list/all|server/manage/app1/(show|snapshot))",
}
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def unsafe(text: str) -> str:
    """A text in YAML that Ansible must not template."""
    return '!unsafe "' + "".join(f"\\U{ord(letter):08x}" for letter in text) + '"'


def variables(directory: Path, names: dict[str, str]) -> tuple[str, ...]:
    path = directory / "names.yml"
    path.write_text("names:\n" + "".join(f"  {json.dumps(key)}: {unsafe(name)}\n" for key, name in names.items()), encoding="utf-8")
    return ("-e", f"@{path}", "-vvv")


def check(run: Run, directory: Path) -> None:
    assert "Traceback" not in run.output
    assert not [path for path in directory.rglob("*") if OWNED in path.name] and not Path(OWNED).exists()
    assert not CONTROLS.search(run.stderr), CONTROLS.search(run.stderr)
    for outcome in run.results:
        if "shown" in outcome.name or outcome.name == "fact":
            continue  # Ansible's own modules show a name as it is, as JSON
        assert not CONTROLS.search(str(outcome.result.get("msg"))), outcome.result
        assert "49" not in [outcome.result.get(key) for key in ("msg", "fact")]


def check_paths(outcome: TaskResult, cloud: str) -> None:
    for request in outcome.requests:
        assert re.fullmatch(PATHS[cloud], request["path"]) and not request["changing"], request


def given(tasks: TaskFactory, names: dict[str, str]) -> list[TaskCase]:
    """Each name as a server, and as a snapshot to create, restore and delete."""
    steps = []
    for key in names:
        text = f"{{{{ names[{key!r}] }}}}"
        steps += [
            tasks("snapshot", step=f"server {key}", server=text, name="one"),
            tasks("snapshot", step=f"new {key}", server=SERVER_ID[tasks.cloud], name=text),
            tasks("snapshot_restore", step=f"restore {key}", server=SERVER_ID[tasks.cloud], name=text),
            tasks("snapshot", step=f"delete {key}", server=SERVER_ID[tasks.cloud], id=text, state="absent"),
        ]
    return steps


def run_with_names(runner: PlaybookRunner, tasks: TaskFactory, names: dict[str, str], directory: Path, mode: str) -> None:
    apply_calls(runner.sandbox.admin, *RESET_CALLS, add_snapshot(tasks.cloud, "one"))
    run = runner.run(*given(tasks, names), mode=mode, arguments=variables(directory, names))
    assert execution_mode(run) == mode
    check(run, directory)
    for outcome in run.results:
        check_paths(outcome, tasks.cloud)
    for key, name in names.items():
        server, new, restore, delete = (run[f"{what} {key}"] for what in ("server", "new", "restore", "delete"))
        assert server.error["kind"] == "not_found" and server.error["server"] == name, server.result
        assert new.error["kind"] == "invalid_argument" and new.requests == [], "rejected before the first request"
        assert len(new.msg) < 1500
        assert restore.error["kind"] == "not_found" and restore.error["snapshot"] == name
        assert not delete.failed and not delete.result["changed"]


def test_names_from_the_user(runner: PlaybookRunner, ilkbyte: TaskFactory, tmp_path: Path) -> None:
    run_with_names(runner, ilkbyte, {key: NAMES[key] for key in FEW}, tmp_path, IN_PROCESS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", EXECUTION_MODES)
def test_all_names_from_the_user(runner: PlaybookRunner, tasks: TaskFactory, tmp_path: Path, mode: str) -> None:
    run_with_names(runner, tasks, NAMES, tmp_path, mode)


# --- from the provider

MESSAGES = f"{{{{ 7*7 }}}} {NAMES['lookup']} $(touch {OWNED}) \x1b[2J\u202e {{% raw %}}"


def body(cloud: str, name: str) -> dict[str, Any]:
    """A list of one snapshot with this text in every field."""
    if cloud == "vpsorg":
        return {"count": 1, "next": None, "results": [{
            "id": 801, "name": name, "description": name, "status": name, "size_mb": 1, "created_at": "2026-01-01T00:00:00Z",
            "server": {"id": 12345, "name": name},
        }]}
    return {"status": True, "message": name, "error": name, "data": {"snapshots": [
        {"name": name, "date": "2026-01-01T00:00:00Z", "current": True, "parent": name, "state": name,
         "params": {"is_cron": True, "cron_time": name, "last_run": name, "next_run": name}},
    ]}}


def listing(cloud: str, name: str, **more: Any) -> Call:
    return fault("raw", cloud=cloud, operation="snapshots.list", times=None, body=body(cloud, name), **more)


def refusal(cloud: str) -> Call:
    response = {"detail": MESSAGES} if cloud == "vpsorg" else {"status": False, "message": MESSAGES, "error": MESSAGES, "data": None}
    return fault("raw", cloud=cloud, operation="snapshots.list", times=None, status=400 if cloud == "vpsorg" else 200, body=response)


@pytest.mark.parametrize(("cloud", "mode"), [
    pytest.param(cloud, mode, marks=() if (cloud, mode) == ("vpsorg", IN_PROCESS) else pytest.mark.slow) for cloud in CLOUDS
    for mode in EXECUTION_MODES])
def test_names_from_the_provider(runner: PlaybookRunner, cloud: str, tmp_path: Path, mode: str) -> None:
    """They are data for templates, conditions, loops, facts, and further tasks."""
    tasks, mine = TaskFactory(runner.sandbox, cloud), SERVER_ID[cloud]
    text = "{{ listed.snapshots[0].name }}"
    fresh = (*RESET_CALLS, listing(cloud, MESSAGES))

    def builtin(name: str, module: str, options: dict[str, Any], **keywords: Any) -> TaskCase:
        return TaskCase(name, {f"ansible.builtin.{module}": options, **keywords})

    run = runner.run(
        tasks("snapshot_info", *fresh, step="listed", server=mine, keywords={"register": "listed"}),
        builtin("shown", "debug", {"msg": text}), builtin("fact", "set_fact", {"fact": text}), builtin("shown fact", "debug", {"msg": "{{ fact }}"}),
        builtin("asked", "debug", {"msg": "yes"}, when="listed.snapshots[0].name == fact and '7*7' in fact"),
        builtin("each", "debug", {"msg": "{{ item.name }}"}, loop="{{ listed.snapshots }}"),
        tasks("snapshot_restore", step="not ready" if cloud == "vpsorg" else "missing", server=mine,
              id="{{ fact }}" if cloud == "vpsorg" else "none"),
        tasks("snapshot", *RESET_CALLS, refusal(cloud), step="refused", server=mine, name="one", keywords={"register": "refused"}),
        builtin("shown refusal", "debug", {"msg": "{{ refused.msg }} {{ refused.error.provider_message }}"}),
        mode=mode, arguments=("-vvv",),
    )
    check(run, tmp_path)
    (snapshot,) = run["listed"].result["snapshots"]
    assert snapshot["name"] == MESSAGES, "a result has it unchanged"
    assert run["shown"].msg == run["shown fact"].msg == MESSAGES
    assert run["asked"].status == "ok" and run["each"].status == "ok"
    for name in ("refused", "shown refusal"):
        assert "{{ 7*7 }}" in run[name].msg and "\ufffd[2J" in run[name].msg
    assert "49" not in run["refused"].msg
    for name in ("listed", "refused"):
        check_paths(run[name], cloud)
