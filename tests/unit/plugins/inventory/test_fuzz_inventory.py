# SPDX-License-Identifier: GPL-3.0-or-later
"""Any inventory file, cache entry and response gives valid hosts or one error, and never a partial inventory."""

from __future__ import annotations

import json
import string

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from fakes.inventory import InventoryFile, server
from fakes.malformed import ANYTHING, TEXTS
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._text import sanitize, sanitize_nested
from ansible_collections.rewind.vps.plugins.plugin_utils import _inventory_accounts as inventory_accounts

TOKEN, OTHER = "vps_first_0123456789", "access_0123456789"
HOST_NAME = set(string.ascii_letters + string.digits + "._-")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inventory_accounts, "_ROUNDS", 1)
        yield InventoryFile(tmp_path_factory.mktemp("fuzz"), patch)


def read(file, config):
    """Return the inventory or None after an error, and check it."""
    inventory = InventoryData()
    inventory.add_group("web")
    try:
        file.read(config, inventory)
    except AnsibleParserError as error:
        message = str(error)
        assert message == sanitize(message) and "Internal error" not in message, message
        assert TOKEN not in message and OTHER not in message
        assert not inventory.hosts and set(inventory.groups) == {"all", "ungrouped", "web"}
        return None
    for name, host in inventory.hosts.items():
        assert set(name) <= HOST_NAME and name not in inventory.groups and name.lower() not in ("localhost", "127.0.0.1")
        assert sanitize_nested(host.vars) == host.vars and TOKEN not in repr(host.vars) and OTHER not in repr(host.vars)
    assert not any(group.vars for group in inventory.groups.values())
    assert not file.warnings or file.warnings[-1] == sanitize(file.warnings[-1])
    return inventory


GOOD = {"provider": "vpsorg", "api_token": TOKEN}
ILK = {"provider": "ilkbyte", "access_key": OTHER, "secret_key": TOKEN}
# No templates: the user owns the file, so the plugin evaluates them.
PLAIN = ANYTHING.filter(lambda value: "{" + "{" not in repr(value) and "{" + "%" not in repr(value) and "\\ud" not in ascii(value))
KEYS = st.sampled_from(["name", "provider", "api_token", "access_key", "secret_key", "api_url", "api_timeout", "validate_certs", "ca_path", "tokn"])
CHANGED = st.builds(lambda base, key, value: {**base, key: value}, st.sampled_from([GOOD, ILK, {}]), KEYS, PLAIN)
ACCOUNTS = CHANGED | st.sampled_from([GOOD, ILK]) | PLAIN
OTHERS = st.dictionaries(
    st.sampled_from(["compose", "groups", "keyed_groups", "filters", "hostnames", "strict", "cache", "use_extra_vars", "nonsense"]), PLAIN,
    max_size=2,
)


@given(account=ACCOUNTS, others=OTHERS, several=st.booleans(), more=ACCOUNTS)
def test_any_file(file, account, others, several, more):
    file.servers = {TOKEN: [server("web1"), server("web2")], OTHER: [server("app1")]}
    config = {"accounts": [account, more]} if several else {**(account if isinstance(account, dict) else {"accounts": account})}
    config = {str(key): value for key, value in {**config, **others}.items()}
    try:
        json.dumps(config).encode()
    except (UnicodeEncodeError, ValueError):
        return
    file.read_accounts.clear()
    inventory = read(file, config)
    if inventory is not None and "filters" not in others and "hostnames" not in others:
        expected = {"web1", "web2"} if file.read_accounts == [TOKEN] else {"app1"} if file.read_accounts == [OTHER] else {"web1", "web2", "app1"}
        assert set(inventory.hosts) == expected


SERVERS = st.lists(st.builds(
    lambda name, power, task, address, number: server(name, id=number and f"{number}", power_state=power, task_state=task, address=address),
    st.sampled_from(["web", "web1", "all", "localhost"]) | TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS,
    st.none() | st.integers(1, 3),
), max_size=3)


@given(servers=SERVERS, grouped=st.booleans(), strict=st.booleans())
def test_any_servers(file, servers, grouped, strict):
    file.servers = {TOKEN: servers}
    options = {"keyed_groups": [{"key": "rewind_server_name", "separator": ""}, {"key": "rewind_server_power_state", "prefix": "power"}],
               "compose": {"label": "rewind_server_name ~ rewind_server_task_state"}} if grouped else {}
    inventory = read(file, {**GOOD, "strict": strict, **options})
    ids = [item["id"] for item in servers]
    identified = [id_ for id_ in ids if id_ is not None and ids.count(id_) == 1]
    assert inventory is None or len(inventory.hosts) == len(identified)
    assert inventory is None or not strict or identified == ids
