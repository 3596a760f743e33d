# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the machine that cannot work, and a byte order mark in every response."""

from __future__ import annotations

from typing import Any

import pytest
from support.cases import RESET_CALLS, TaskFactory, fault
from support.playbook_runner import PlaybookRunner, TaskCase

pytestmark = pytest.mark.playbook

PROBLEMS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "not a proxy": ({"https_proxy": "http://user:s3cret-word@proxy:port"}, ("https_proxy is not the URL of",)),
    "missing authorities": ({"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, ("/nowhere/ca.pem", "REQUESTS_CA_BUNDLE", "cannot be read")),
    "missing SOCKS library": ({"ALL_PROXY": "socks5h://user:s3cret-word@127.0.0.1:9"}, ("ALL_PROXY names a SOCKS proxy", "PySocks")),
}


def test_settings_of_the_machine(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    elsewhere = {"api_url": "https://cloud.invalid/api/v1"}  # an API on this machine uses no proxy
    tasks: list[TaskCase] = [
        vpsorg("snapshot", *RESET_CALLS, step=name, name="one", keywords={"environment": environment}, **elsewhere)
        for name, (environment, dummy) in PROBLEMS.items()
    ]
    run = runner.run(*tasks)
    for name, (_environment, parts) in PROBLEMS.items():
        with subtests.test(name):
            error: dict[str, Any] = run[name].error
            assert (error["kind"], error["outcome"]) == ("invalid_argument", "not_applied")
            assert "on the machine where this task runs" in run[name].msg
            assert all(part in run[name].msg for part in parts) and "s3cret" not in run.output


def test_a_byte_order_mark_before_every_response(runner: PlaybookRunner, clouds: list[TaskFactory]) -> None:
    run = runner.run(*(
        tasks("snapshot", *RESET_CALLS, fault("byte_order_mark", times=None, encoding=encoding), name="one", step=f"{tasks.cloud} snapshot")
        for tasks, encoding in zip(clouds, ("utf-8-sig", "utf-16"), strict=True)
    ))
    for result in run.results:
        assert not result.failed and result.result["snapshot"]["status"] == "ready", result.result
        assert result.changing == ["snapshots.create"]
