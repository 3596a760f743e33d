# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts on the server before its snapshot and before a restore: a server that accepts the login and then hangs blocks no step."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from ansible_collections.rewind.vps.plugins.plugin_utils import _server_connection, _server_facts
from ansible_collections.rewind.vps.plugins.plugin_utils._server_connection import ServerConnection
from ansible_collections.rewind.vps.plugins.plugin_utils._server_facts import refresh_facts
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_check import ServerUnreachable

HOST = {"inventory_hostname": "web1"}


def hang(*arguments, **options):
    time.sleep(60)


def test_a_script_that_hangs(monkeypatch):
    monkeypatch.setattr(_server_connection, "COMMAND_TIMEOUT", 0.2)
    action = SimpleNamespace(_connection=SimpleNamespace(become=None), _low_level_execute_command=hang)
    with pytest.raises(ServerUnreachable, match="log in to web1: no answer within 0.2 s"):
        ServerConnection(action, HOST).run("echo answers", False)


def test_a_module_that_hangs(monkeypatch):
    monkeypatch.setattr(_server_connection, "COMMAND_TIMEOUT", 0.2)
    assert ServerConnection(SimpleNamespace(_execute_module=hang), HOST).run_module("ping", {}) == {"failed": True, "msg": "no answer within 0.2 s"}


@pytest.mark.parametrize("known", [{}, {"discovered_interpreter_python": "/usr/bin/python3.9", "distribution": "Debian"}])
def test_an_interpreter_of_a_fact_cache_that_is_not_on_the_server(known):
    attempts = []

    def execute(module_name, module_args, task_vars):
        attempts.append(task_vars["ansible_facts"])
        return {"failed": True, "msg": "not found"} if "discovered_interpreter_python" in task_vars["ansible_facts"] else {"ping": "pong"}

    server = ServerConnection(SimpleNamespace(_execute_module=execute), {**HOST, "ansible_facts": known})
    assert server.run_module("ping", {}) == {"ping": "pong"}
    assert attempts == ([known, {"distribution": "Debian"}] if known else [{}])
    action = SimpleNamespace(_execute_module=lambda **options: {"failed": True, "msg": "no Python"})
    failing = ServerConnection(action, {**HOST, "ansible_facts": known})
    assert failing.run_module("ping", {})["msg"] == "no Python"


def test_facts_that_can_not_be_read_in_time_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(_server_facts, "REFRESH_TIMEOUT", 0.2)
    action = SimpleNamespace(_execute_module=hang)
    assert refresh_facts(action, {**HOST, "ansible_facts": {"distribution": "Debian"}}) == {}
