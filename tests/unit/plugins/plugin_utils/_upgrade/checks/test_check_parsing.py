# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of checks: what it takes, and how it rejects anything else before a request is sent."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._errors import INVALID_ARGUMENT, NOT_APPLIED, RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.checks.parsing import parse_checks
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.checks.registry import CHECK_TYPES


def test_each_type_with_its_defaults() -> None:
    checks = parse_checks([
        "smoke.yml", {"tasks": "dir/smoke.yml", "level": "warn", "baseline": False}, {"systemd": "nginx"}, {"systemd": "backup.timer"},
        {"port": "5432"}, {"port": 22, "host": "db.example", "from": "controller"}, {"url": "https://shop.example.com/health"},
        {"url": "http://u:p@shop.example.com:8080/a?token=x", "status": [200, 204], "contains": "ok", "from": "server"},
        {"command": "/usr/local/bin/selftest"}, {"container": "web"},
    ])
    assert [check["label"] for check in checks] == [
        "smoke.yml", "dir/smoke.yml", "nginx.service", "backup.timer", "port 5432", "port 22 of db.example from the controller",
        "https://shop.example.com/health", "http://shop.example.com:8080/a from the server", "/usr/local/bin/selftest", "container web",
    ]
    assert [(check["level"], check["baseline"]) for check in checks] == [("required", True), ("warn", False), *[("required", True)] * 8]
    assert checks[6]["options"] == {
        "url": "https://shop.example.com/health", "status": [200], "contains": None, "ca_path": None, "validate_certs": True, "use_proxy": False,
        "from": "controller",
    }
    assert {check["type"] for check in checks} == set(CHECK_TYPES)


@pytest.mark.parametrize(("entry", "expected"), [
    (5, "must be a mapping"), (None, "must be a mapping"), ("", "tasks is empty"), ({}, "has no type of check"),
    ({"prot": 5}, "has no type of check"), ({"port": 5, "url": "https://a.example"}, "more than one type of check (port, url)"),
    ({"port": 5, "lvl": "warn"}, "unknown key: lvl"), ({"port": 5, "status": 200}, "unknown key: status"), ({"port": 0}, "from 1 to 65535"),
    ({"port": 65536}, "from 1 to 65535"), ({"port": "http"}, "port"), ({"port": None}, "port"), ({"port": 5, "level": "fatal"}, "level"),
    ({"port": 5, "baseline": "perhaps"}, "baseline"), ({"port": 5, "host": "a b"}, "host takes"), ({"port": 5, "host": "-e"}, "host takes"),
    ({"port": 5, "from": "moon"}, "from"), ({"url": "https://"}, "a URL with a host"), ({"url": "/health"}, "a URL with a host"),
    ({"url": "ftp://a.example"}, "a URL with a host"), ({"url": "http://a.example:x/"}, "a URL with a host"),
    ({"url": "http://[::1"}, "a URL with a host"), ({"url": "https://a.example", "status": [99]}, "from 100 to 599"),
    ({"url": "https://a.example", "status": []}, "from 100 to 599"), ({"url": "https://a.example", "ca_path": "/none.pem"}, "no ca_path"),
    ({"systemd": "a b"}, "name of a unit"), ({"systemd": ""}, "name of a unit"), ({"systemd": "a;reboot"}, "name of a unit"),
    ({"command": " "}, "command is empty"), ({"container": "-f"}, "name or an id"), ({"container": ""}, "name or an id"), ({"tasks": " "}, "empty"),
    ({1: 2}, "has no type of check"),
])
def test_what_is_rejected(entry: Any, expected: str) -> None:
    with pytest.raises(RewindError) as caught:
        parse_checks(["smoke.yml", entry])
    assert (caught.value.kind, caught.value.outcome) == (INVALID_ARGUMENT, NOT_APPLIED)
    assert caught.value.message.startswith("guarded_upgrade_checks, entry 2") and expected in caught.value.message
