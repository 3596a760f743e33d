# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode fails where the credentials do not permit the change, with one read more and without a change."""

from __future__ import annotations

from typing import Any

import pytest
from support.cases import RESET_CALLS, SECOND, TaskFactory, add_snapshot, ago, fault
from support.playbook_runner import Call, PlaybookRunner, TaskCase

pytestmark = pytest.mark.playbook

CHECK = {"check_mode": True}
ONE = {"name": "one"}
SECRET = "secret-of-a-limited-key"


def token(*permissions: str, **fields: Any) -> Call:
    return ("add_credentials", {"vpsorg_token": {"token": "vps_limited", "permissions": list(permissions), **fields}})


def key(permission: Any, **fields: Any) -> Call:
    return ("add_credentials", {"ilkbyte_key": {"access_key": "limited", "secret_key": SECRET, "permission": permission, **fields}})


def test_check_mode_needs_the_permissions_of_the_change(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    cases: list[TaskCase] = []
    forbidden: dict[str, str] = {}  # what the message contains, by the task's name
    reads: dict[str, int] = {}  # of permissions, by the task's name

    def add(step: TaskCase, problem: str | None, permission_reads: int = 1) -> None:
        cases.append(step)
        reads[step.name] = permission_reads
        if problem is not None:
            forbidden[step.name] = problem

    for tasks in clouds:
        cloud = tasks.cloud
        there = (*RESET_CALLS, add_snapshot(cloud, "one", created_at=ago(days=3)))
        if cloud == "vpsorg":
            limited, problem = token("servers:read", "dns:*"), "(permissions: servers:read, dns:*)"
            own: dict[str, Any] = {"api_token": "vps_limited"}
        else:
            limited, problem = key("Read Only", seen_address="203.0.113.7"), "Ilkbyte sees this machine as 203.0.113.7"
            own = {"access_key": "limited", "secret_key": SECRET}
        options = {**own, "keywords": CHECK}
        add(tasks("snapshot", *there, limited, step=f"{cloud} create", name="new", **options), problem)
        add(tasks("snapshot", *there, limited, step=f"{cloud} replace", max_age="1d", **ONE, **options), problem)
        add(tasks("snapshot", *there, limited, step=f"{cloud} delete", state="absent", **ONE, **options), problem)
        add(tasks("snapshot", *there, add_snapshot(cloud, "two", created_at=ago(days=1)), limited, step=f"{cloud} retain",
                  name="two", retain={"count": 1, "match": "*"}, **options), problem)
        add(tasks("snapshot_restore", *there, limited, step=f"{cloud} restore", **ONE, **options), problem)
        both = {"server": None, "servers": [tasks.server, SECOND[cloud]]}
        add(tasks("snapshot", *there, limited, step=f"{cloud} both servers", name="new", **both, **options), problem)
        add(tasks("snapshot", *there, limited, step=f"{cloud} nothing to do", **ONE, **options), None, 0)
        add(tasks("snapshot", *there, limited, step=f"{cloud} nothing to delete", state="absent", name="new", **options), None, 0)
    vpsorg, ilkbyte = clouds
    there = (*RESET_CALLS, add_snapshot("ilkbyte", "one"))
    add(ilkbyte("snapshot_cron", *there, key("Read"), step="schedule", **ONE, day=1, hour=2, minute=3, access_key="limited", secret_key=SECRET,
                keywords=CHECK), "(permissions: Read)")
    for number, (permissions, stated, problem) in enumerate([
        (["servers:*"], None, None), (["*:*"], None, None), (["servers:read"], ["servers:*"], None), (["servers:read"], None, "servers:read"),
        (["servers:read"], [], "permissions: none"), (["servers:read"], "dns:*", "dns:*"), (["servers:*"], {"servers": "all"}, None),
    ]):
        add(vpsorg("snapshot", *RESET_CALLS, token(*permissions, **({} if stated is None else {"stated": stated})), step=f"token {number}",
                   api_token="vps_limited", keywords=CHECK, **ONE), problem)
    missing = fault("status", operation="account", status=404)
    add(vpsorg("snapshot", *RESET_CALLS, missing, step="no answer", keywords=CHECK, **ONE), None)
    add(vpsorg("snapshot", *RESET_CALLS, step="a real run reads no permissions", wait=False, **ONE), None, 0)
    run = runner.run(*cases)
    for result in run.results:
        with subtests.test(result.name):
            assert result.operations.count("account") == reads[result.name]
            assert result.changing == (["snapshots.create"] if result.name.startswith("a real run") else [])
            if result.name in forbidden:
                assert result.error["kind"] == "forbidden" and result.error["outcome"] == "not_applied" and not result.result["changed"]
                assert forbidden[result.name] in result.msg + str(result.error["hint"]) + str(result.result), result.result
                assert SECRET not in str(result.result) and "vps_limited" not in str(result.result)
            else:
                assert not result.failed, result.result
    assert "did not state what these credentials permit" in str(run["no answer"].result["warnings"])


def test_the_hint_of_forbidden_names_the_address_that_the_provider_sees(runner: PlaybookRunner, ilkbyte: TaskFactory) -> None:
    """Also where a rejection has HTTP 200, and only if the provider tells a valid address."""
    elsewhere = {"allowed_ips": ["192.0.2.7"]}
    own = {"access_key": "limited", "secret_key": SECRET}
    rejected = fault("raw", operation="servers.list", body={"status": False, "message": "", "error": "IP adresiniz yetkili değil!", "data": None})
    run = runner.run(
        ilkbyte("server_info", *RESET_CALLS, key("Full", **elsewhere), step="elsewhere", **own),
        ilkbyte("server_info", *RESET_CALLS, key("Full", seen_address="203.0.113.7"), rejected, step="HTTP 200", server=None, **own),
        ilkbyte("server_info", *RESET_CALLS, key("Full", seen_address="no address", **elsewhere), step="no address", **own),
        ilkbyte("snapshot", *RESET_CALLS, key("Read"), step="read only", wait=False, **ONE, **own),
    )
    hints = {result.name: (result.error["kind"], result.error["hint"]) for result in run.results}
    assert all(kind == "forbidden" for kind, dummy in hints.values())
    assert "Ilkbyte sees this machine as 127.0.0.1" in hints["elsewhere"][1]
    assert "Ilkbyte sees this machine as 203.0.113.7" in hints["HTTP 200"][1]
    assert "sees this machine" not in hints["no address"][1] and "IP addresses" in hints["no address"][1]
    assert "permission Full" in hints["read only"][1] and run["read only"].error["outcome"] == "not_applied"
    assert [result.operations.count("account") for result in run.results] == [1, 1, 1, 1]
