# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin with fake accounts: hosts, variables and errors. A failure never adds a host."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from fakes.inventory import NAME, InventoryFile, server

from ansible_collections.rewind.vps.plugins.plugin_utils import _inventory_accounts as inventory_accounts

ONE, TWO = "vps_first_0123456789", "vps_second_0123456789"
SHOP = {"name": "shop", "provider": "vpsorg", "api_token": ONE}
BLOG = {"name": "blog", "provider": "vpsorg", "api_token": TWO}
ILK = {"provider": "ilkbyte", "access_key": "access_0123456789", "secret_key": "secret_0123456789"}


@pytest.fixture
def file(tmp_path, monkeypatch):
    inventory_file = InventoryFile(tmp_path, monkeypatch)
    inventory_file.servers = {ONE: [server("web1"), server("web2", power_state="stopped", address=None)], TWO: [server("db1")],
                              ILK["access_key"]: [server("app1")]}
    return inventory_file


def error_of(file, config, inventory=None):
    """Return the error, and check that nothing was added."""
    inventory = inventory or InventoryData()
    hosts, groups = {name: dict(host.vars) for name, host in inventory.hosts.items()}, set(inventory.groups)
    with pytest.raises(AnsibleParserError) as caught:
        file.read(config, inventory)
    assert {name: host.vars for name, host in inventory.hosts.items()} == hosts and set(inventory.groups) == groups
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    message = str(caught.value)
    assert str(file.path) in message and "Traceback" not in message
    assert not [secret for secret in (ONE, TWO, ILK["access_key"], ILK["secret_key"]) if secret in message]
    return message


def variables(inventory, name):
    return {key: value for key, value in inventory.hosts[name].vars.items() if key not in ("inventory_file", "inventory_dir")}


# --- hosts and their variables


def test_host_variables(file):
    inventory = file.read({**SHOP, "api_url": "https://gate.example/api/v1/"})
    assert variables(inventory, "web1") == {
        "ansible_host": "192.0.2.1", "rewind_account": "shop", "rewind_api_url": "https://gate.example/api/v1",
        "rewind_inventory": str(file.path), "rewind_provider": "vpsorg", "rewind_server_address": "192.0.2.1", "rewind_server_task_state": None,
        "rewind_server_id": "id-web1", "rewind_server_name": "web1", "rewind_server_power_state": "running",
    }
    assert variables(inventory, "web2")["rewind_server_power_state"] == "stopped" and "ansible_host" not in variables(inventory, "web2")


@pytest.mark.parametrize("address", ["-oProxyCommand=touch X", "localhost", "example.com", "192.0.2.1 -p 1", "fe80::1%eth0", "", "{{ 7*7 }}", "1"])
def test_only_an_ip_address_becomes_ansible_host(file, address):
    file.servers[ONE] = [server("web1", address=address)]
    found = variables(file.read(SHOP), "web1")
    assert "ansible_host" not in found and found["rewind_server_address"] == address
    file.servers[ONE] = [server("web1", address="2001:db8::1")]
    assert variables(file.read(SHOP), "web1")["ansible_host"] == "2001:db8::1"


def test_several_accounts_in_the_order_of_the_file(file):
    inventory = file.read({"accounts": [ILK, SHOP, BLOG], "keyed_groups": [{"key": "rewind_account", "prefix": "account"}]})
    assert list(inventory.hosts) == ["app1", "web1", "web2", "db1"] and file.read_accounts == [ILK["access_key"], ONE, TWO]
    assert [host.name for host in inventory.groups["account_shop"].hosts] == ["web1", "web2"]
    assert variables(inventory, "app1")["rewind_account"] == "ilkbyte", "by default an account has the name of its provider"


def test_constructed(file):
    inventory = file.read({
        **SHOP, "compose": {"fqdn": "rewind_server_name ~ '.example'"}, "groups": {"web": "rewind_server_power_state == 'running'"},
        "keyed_groups": [{"key": "rewind_server_power_state", "prefix": "power", "parent_group": "powers"}], "strict": True,
    })
    assert variables(inventory, "web1")["fqdn"] == "web1.example"
    assert [host.name for host in inventory.groups["web"].get_hosts()] == ["web1"]
    assert {group.name for group in inventory.groups["powers"].child_groups} == {"power_running", "power_stopped"}


def test_strict(file):
    options = {"compose": {"x": "no_such.thing"}, "groups": {"g": "no_such.thing"}, "keyed_groups": [{"key": "no_such.thing"}]}
    assert set(file.read({**SHOP, **options}).hosts) == {"web1", "web2"}
    for name, option in options.items():
        assert "web1" in error_of(file, {**SHOP, "strict": True, name: option})


@pytest.mark.parametrize(("filters", "expected"), [
    ([], "web1 web2"),
    ([{"include": "rewind_server_name is match('web1')"}, {"exclude": True}], "web1"),
    ([{"exclude": "rewind_server_power_state != 'running'"}], "web1"),
    ([{"exclude": "rewind_server_address is none"}], "web1"),
    ([{"include": True}, {"exclude": True}], "web1 web2"),
    ([{"exclude": True}], ""),
    ([{"exclude": "rewind_account == 'shop' and inventory_hostname is defined"}], "web1 web2"),
])
def test_filters(file, filters, expected):
    assert " ".join(file.read({**SHOP, "filters": filters}).hosts) == expected


@pytest.mark.parametrize("entry", [
    {"include": "no_such"}, {"include": "rewind_server_name"}, {"include": "1"}, {"include": "{{"},
    {"include": True, "exclude": True}, {"only": "true"}, {}, None, "true",
])
def test_an_invalid_filter_is_an_error_regardless_of_strict(file, entry):
    assert "filters" in error_of(file, {**SHOP, "strict": False, "filters": [entry]})


# --- host names


@pytest.mark.parametrize("name", [
    "localhost", "LOCALHOST", "127.0.0.1", "all", "ungrouped", "..", "../up", "a/b", "-x", "a b", "a,b", "a:b", "[a]", "*", "!a", "&a", "~a", "@a",
    "", "x" * 254, "a\nb", "\x1b[2J", "é", "{{ 7*7 }}", None,
])
def test_an_invalid_host_name_is_replaced_by_the_id(file, name):
    file.servers[ONE] = [server(name, id="4711")]
    inventory = file.read(SHOP)
    assert list(inventory.hosts) == ["4711"]
    assert not name or ("is not a valid host name" in file.warnings[0] and "4711" in file.warnings[0])
    assert "\x1b" not in "".join(file.warnings) and not inventory.groups["all"].vars
    file.servers[ONE] = [server(name, id=name or "")]
    assert "has no valid host name" in error_of(file, SHOP)


def test_two_servers_with_one_host_name_are_an_error(file):
    file.servers[TWO] = [server("web1", id="2")]
    message = error_of(file, {"accounts": [SHOP, BLOG]})
    assert "web1 (id-web1) of account shop" in message and "web1 (2) of account blog" in message and "hostnames" in message
    inventory = file.read({"accounts": [SHOP, BLOG], "hostnames": ["rewind_account ~ '-' ~ rewind_server_name"]})
    assert list(inventory.hosts) == ["shop-web1", "shop-web2", "blog-web1"]
    file.servers[ONE] = [server("web1", id="1"), server("web1", id="2")]
    assert "host name web1" in error_of(file, SHOP), "also in one account"
    assert list(file.read({**SHOP, "filters": [{"exclude": "rewind_server_id == '2'"}]}).hosts) == ["web1"]


def test_a_host_of_another_file_is_an_error(file, tmp_path):
    inventory = file.read(SHOP)
    other = InventoryFile(tmp_path / "more", file._patch)
    other.path.parent.mkdir()
    other.servers = file.servers
    message = error_of(other, SHOP, inventory)
    assert str(file.path) in message and "web1" in message
    assert file.read(SHOP, inventory), "reading the same file twice is no conflict"


def test_a_host_of_another_source_keeps_its_variables(file):
    inventory = InventoryData()
    inventory.add_host("web1")
    inventory.set_variable("web1", "site", "north")
    inventory.set_variable("web1", "ansible_host", "198.51.100.1")
    file.read({**SHOP, "keyed_groups": [{"key": "site | default('none')"}], "compose": {"there": "site | default('none')"}}, inventory)
    found = variables(inventory, "web1")
    assert (found["site"], found["there"], found["ansible_host"]) == ("north", "north", "192.0.2.1")
    assert {"_north", "_none"} <= set(inventory.groups)


def test_no_host_and_group_have_one_name(file):
    inventory = InventoryData()
    inventory.add_group("web1")
    file.read(SHOP, inventory)
    assert "id-web1" in inventory.hosts and "web1" not in inventory.hosts and not inventory.groups["web1"].vars
    for option in ({"keyed_groups": [{"key": "rewind_server_name", "separator": ""}]}, {"groups": {"web1": True}},
                   {"keyed_groups": [{"key": "rewind_account", "parent_group": "web2"}]}):
        message = error_of(file, {**SHOP, **option})
        assert "would have the name of a host" in message


def test_group_names_are_sanitized(file):
    file.servers[ONE] = [server("web1", power_state="\x1b[2J{{ 7*7 }}-x")]
    inventory = file.read({**SHOP, "keyed_groups": [{"key": "rewind_server_power_state", "prefix": "p"}]})
    assert all(name.replace("_", "").isalnum() for name in inventory.groups)
    assert "\x1b" not in json.dumps(variables(inventory, "web1"))


# --- accounts


@pytest.mark.parametrize(("config", "text"), [
    ({}, "provider"), ({"provider": "aws"}, "provider"), ({"provider": "vpsorg"}, "VPS_API_TOKEN"), ({**ILK, "secret_key": " "}, "secret_key"),
    ({"accounts": []}, "at least one"), ({"accounts": {"provider": "vpsorg"}}, "accounts"),
    ({"accounts": ["vpsorg"]}, "accounts"), ({"accounts": None}, "accounts"),
    ({**SHOP, "accounts": [BLOG]}, "combined with accounts"), ({"accounts": [{**SHOP, "tokn": 1}]}, "account 1"), ({**SHOP, "tokn": "x"}, "tokn"),
    ({"accounts": [SHOP, {**BLOG, "name": "shop"}]}, "name shop"),
    ({"accounts": [{**BLOG, "name": ""}, {**SHOP, "name": "vpsorg"}]}, "name vpsorg"),
    ({**SHOP, "name": "a b"}, "name"), ({**SHOP, "name": "{{ 'x' * 65 }}"}, "name"), ({**SHOP, "api_url": "http://evil.example"}, "https"),
    ({**SHOP, "api_timeout": 0}, "api_timeout"), ({**SHOP, "api_timeout": "soon"}, "api_timeout"),
    ({**SHOP, "validate_certs": "perhaps"}, "validate_certs"),
    ({**SHOP, "api_token": "{{ no_such }}"}, "api_token of the account"), ({**SHOP, "api_token": "{{ lookup('file', '/no/such') }}"}, "api_token"),
    ({**SHOP, "api_token": "two words"}, "api_token"), ({**SHOP, "cache_timeout": f"{ONE}"}, "cache_timeout"),
    ({**SHOP, "cache": True, "cache_plugin": "jsonfile"}, "cache plugin"),
])
def test_invalid_options_are_rejected_before_any_request(file, config, text):
    assert text.lower() in error_of(file, config).lower()
    assert file.read_accounts == []


@pytest.mark.parametrize("text", [
    "", "[]", "plugin: other.one.thing", f"plugin: {NAME}\napi_token: \"{ONE}", f"plugin: {NAME}\n- {ONE}", "\tx: y", "x",
])
def test_an_unreadable_file_is_not_quoted(file, text):
    assert "cannot be read" in error_of(file, text)


def test_templates_and_the_environment(file, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", f" {ONE} ")
    file.read({"accounts": [{**SHOP, "api_token": "{{ lookup('env', 'MY_TOKEN') }}"}]})
    assert file.read_accounts == [ONE]
    monkeypatch.setenv("VPS_API_TOKEN", TWO)
    monkeypatch.setenv("REWIND_PROVIDER", "vpsorg")
    monkeypatch.setenv("VPS_API_URL", "https://gate.example/v1")
    inventory = file.read({})
    assert file.read_accounts == [ONE, TWO] and variables(inventory, "db1")["rewind_api_url"] == "https://gate.example/v1"


def test_an_account_that_fails_makes_the_whole_file_fail(file):
    file.servers[TWO] = f"The API does not answer. {TWO[:9]}"
    for accounts in ([SHOP, BLOG], [BLOG, SHOP]):
        message = error_of(file, {"accounts": accounts})
        assert "Account blog: The API does not answer." in message and TWO[:9] not in message
        assert not inventory_accounts._registry.get(str(file.path)), "a file without hosts registers no credentials"


# --- the cache


def cached(tmp_path, **more):
    return {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache"), **more}


def test_the_cache_replaces_requests(file, tmp_path):
    config = {"accounts": [SHOP, ILK], **cached(tmp_path)}
    first = file.read(config)
    assert len(file.read_accounts) == 2
    file.servers = {ONE: "down", ILK["access_key"]: "down"}
    again = file.read(config)
    assert len(file.read_accounts) == 2
    assert {name: variables(again, name) for name in again.hosts} == {name: variables(first, name) for name in first.hosts}
    texts = [path.name + path.read_text("utf-8") for path in (tmp_path / "cache").iterdir()]
    assert len(texts) == 2 and not [text for text in texts for part in (ONE, ILK["access_key"], ILK["secret_key"]) if part[:8] in text]


def test_when_the_cache_is_not_used(file, tmp_path):
    config = {**SHOP, **cached(tmp_path)}
    file.read(config)
    file.servers[ONE] = [server("new")]
    assert list(file.read(config, cache=False).hosts) == ["new"], "--flush-cache"
    assert list(file.read(config).hosts) == ["new"], "the cache has the new servers"
    file.servers[ONE] = "down"
    with pytest.raises(AnsibleParserError, match="Account shop: down"):
        file.read(config, cache=False)
    assert list(file.read({**config, "cache_timeout": 0}).hosts) == ["new"]
    file.servers[TWO] = [server("other")]
    assert list(file.read({**config, "api_token": TWO}).hosts) == ["other"], "other credentials"
    assert "down" in error_of(file, {**config, "api_url": "https://gate.example"}), "another address"


@pytest.mark.parametrize("content", [
    [], {}, {"version": 2, "servers": []}, {"version": 1}, {"version": 1, "servers": [{"id": "1"}]},
    {"version": 1, "servers": [{**server("x"), "address": {"__ansible_unsafe": 1}}]},
    {"version": 1, "servers": [{**server("x"), "root_password": "y"}]},
])
def test_an_invalid_cache_entry_is_refreshed(file, tmp_path, content):
    config = {**SHOP, **cached(tmp_path)}
    file.read(config)
    (path,) = (tmp_path / "cache").iterdir()
    entry = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**entry, "__payload__": json.dumps(content)} if "__payload__" in entry else content), encoding="utf-8")
    assert list(file.read(config).hosts) == ["web1", "web2"] and len(file.read_accounts) == 2


@pytest.mark.parametrize(("name", "valid"), [
    ("rewind_vps.yml", True), ("rewind_vps.yaml", True), ("x.rewind_vps.yml", True), ("a.b.rewind_vps.yaml", True), ("xrewind_vps.yml", False),
    ("rewind_vps.json", False), ("rewind_vps.yml.bak", False), ("hosts.yml", False), ("rewind_vps.YML", False),
])
def test_file_names(file, tmp_path, name, valid):
    (tmp_path / name).write_text("", encoding="utf-8")
    assert file.plugin().verify_file(str(tmp_path / name)) is valid
    assert file.plugin().verify_file(str(tmp_path / "missing" / name)) is False
