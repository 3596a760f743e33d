# SPDX-License-Identifier: GPL-3.0-or-later
"""Only a clear statement that credentials permit no change counts."""

from __future__ import annotations

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._provider.permissions import (
    level_permits_changes,
    parse_caller_address,
    parse_permissions,
    permit_changes,
)

AREAS = frozenset({"servers", "snapshots"})


@pytest.mark.parametrize(("value", "permits"), [
    (["servers:*"], True), (["*:*"], True), (["dns:*", "servers:*"], True), (["SERVERS:*"], True), ([" *:* "], True), ("servers:*", True),
    ("dns:*, servers:*", True), (["servers:write"], True), (["*:write"], True), (["snapshots:create"], True), (["read", "write"], True),
    (["*"], True), (["admin"], True), (["servers"], True),
    (["servers:read"], False), (["servers:Read"], False), (["*:read"], False), (["dns:*"], False), (["dns:*", "domains:*", "ssh_keys:*"], False),
    (["servers:read", "dns:*"], False), (["servers:read-only"], False), (["read"], False), (["read_only"], False), (["dns"], False), ([], False),
    ("servers:read dns:*", False), ("", False), (["backups:*"], False),
])
def test_permissions_of_a_token(value, permits):
    assert permit_changes(parse_permissions(value), AREAS) is permits


@pytest.mark.parametrize("value", [None, 5, True, {"servers": "*"}, [5], ["servers:read", None], [{"name": "servers:*"}]])
def test_permissions_that_are_not_understood(value):
    assert parse_permissions(value) is None


@pytest.mark.parametrize(("level", "permits"), [
    ("Full", True), ("FULL", True), (" full access ", True), ("ReadWrite", True), ("Tam Yetki", True), (True, True),
    ("Read", False), ("ReadOnly", False), ("Read Only", False), ("read-only", False), ("View", False), ("Salt Okunur", False),
    ("None", False), (False, False), ("Custom", None), ("", None), (None, None), (7, None), ({"a": 1}, None), (["Full"], None),
])
def test_level_of_a_key(level, permits):
    assert level_permits_changes(level) is permits


@pytest.mark.parametrize(("value", "address"), [
    ("203.0.113.7", "203.0.113.7"), (" 2001:DB8::1 ", "2001:db8::1"), ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
    ("", None), ("somewhere", None), ("\x1b[2J", None), (None, None), (7, None),
])
def test_address_of_the_caller(value, address):
    assert parse_caller_address(value) == address
