# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin with made-up accounts: which hosts, which variables, and that a failure gives no host at all."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from fakes.inventory import NAME, InventoryFile, server

from ansible_collections.rewind.vps.plugins.plugin_utils import _inventory_credentials as inventory_credentials

ONE, TWO = "vps_first_0123456789", "vps_second_0123456789"
SHOP = {"name": "shop", "provider": "vpsorg", "api_token": ONE}
BLOG = {"name": "blog", "provider": "vpsorg", "api_token": TWO}
ILK = {"provider": "ilkbyte", "access_key": "access_0123456789", "secret_key": "secret_0123456789"}


@pytest.fixture
def file(tmp_path, monkeypatch):
    for name in ("REWIND_PROVIDER", "VPS_API_TOKEN", "VPS_API_URL", "ILKBYTE_HOST", "ILKBYTE_ACCESS_KEY", "ILKBYTE_SECRET_KEY",
                 "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRETKEY"):
        monkeypatch.delenv(name, raising=False)
    made = InventoryFile(tmp_path, monkeypatch)
    made.servers = {ONE: [server("web1"), server("web2", power_state="stopped", address=None)], TWO: [server("db1")],
                    ILK["access_key"]: [server("app1")]}
    return made


def refused(file, config, inventory=None):
    """What is said; and that nothing was added."""
    inventory = inventory or InventoryData()
    hosts, groups = {name: dict(host.vars) for name, host in inventory.hosts.items()}, set(inventory.groups)
    with pytest.raises(AnsibleParserError) as caught:
        file.read(config, inventory)
    assert {name: host.vars for name, host in inventory.hosts.items()} == hosts and set(inventory.groups) == groups
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    said = str(caught.value)
    assert str(file.path) in said and "Traceback" not in said
    assert not [secret for secret in (ONE, TWO, ILK["access_key"], ILK["secret_key"]) if secret in said]
    return said


def variables(inventory, name):
    return {key: value for key, value in inventory.hosts[name].vars.items() if key not in ("inventory_file", "inventory_dir")}


# --- hosts and their variables


def test_what_a_host_is_told(file):
    inventory = file.read({**SHOP, "api_url": "https://gate.example/api/v1/"})
    assert variables(inventory, "web1") == {
        "ansible_host": "192.0.2.1", "rewind_account": "shop", "rewind_api_url": "https://gate.example/api/v1",
        "rewind_inventory": str(file.path), "rewind_provider": "vpsorg", "rewind_server_address": "192.0.2.1", "rewind_server_task_state": None,
        "rewind_server_id": "id-web1", "rewind_server_name": "web1", "rewind_server_power_state": "running",
    }
    assert variables(inventory, "web2")["rewind_server_power_state"] == "stopped" and "ansible_host" not in variables(inventory, "web2")


@pytest.mark.parametrize("address", ["-oProxyCommand=touch X", "localhost", "example.com", "192.0.2.1 -p 1", "fe80::1%eth0", "", "{{ 7*7 }}", "1"])
def test_only_an_ip_address_is_connected_to(file, address):
    file.servers[ONE] = [server("web1", address=address)]
    found = variables(file.read(SHOP), "web1")
    assert "ansible_host" not in found and found["rewind_server_address"] == address
    file.servers[ONE] = [server("web1", address="2001:db8::1")]
    assert variables(file.read(SHOP), "web1")["ansible_host"] == "2001:db8::1"


def test_several_accounts_in_the_files_order(file):
    inventory = file.read({"accounts": [ILK, SHOP, BLOG], "keyed_groups": [{"key": "rewind_account", "prefix": "account"}]})
    assert list(inventory.hosts) == ["app1", "web1", "web2", "db1"] and file.asked == [ILK["access_key"], ONE, TWO]
    assert [host.name for host in inventory.groups["account_shop"].hosts] == ["web1", "web2"]
    assert variables(inventory, "app1")["rewind_account"] == "ilkbyte", "an account without a name is called as its cloud"


def test_constructed(file):
    inventory = file.read({
        **SHOP, "compose": {"fqdn": "rewind_server_name ~ '.example'"}, "groups": {"web": "rewind_server_power_state == 'running'"},
        "keyed_groups": [{"key": "rewind_server_power_state", "prefix": "power", "parent_group": "powers"}], "strict": True,
    })
    assert variables(inventory, "web1")["fqdn"] == "web1.example"
    assert [host.name for host in inventory.groups["web"].get_hosts()] == ["web1"]
    assert {group.name for group in inventory.groups["powers"].child_groups} == {"power_running", "power_stopped"}


def test_what_strict_decides_about(file):
    wishes = {"compose": {"x": "no_such.thing"}, "groups": {"g": "no_such.thing"}, "keyed_groups": [{"key": "no_such.thing"}]}
    assert set(file.read({**SHOP, **wishes}).hosts) == {"web1", "web2"}
    for name, wish in wishes.items():
        assert "web1" in refused(file, {**SHOP, "strict": True, name: wish})


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
def test_a_filter_that_does_not_work_gives_no_hosts_whatever_strict_says(file, entry):
    assert "filters" in refused(file, {**SHOP, "strict": False, "filters": [entry]})


# --- what hosts are called


@pytest.mark.parametrize("name", [
    "localhost", "LOCALHOST", "127.0.0.1", "all", "ungrouped", "..", "../up", "a/b", "-x", "a b", "a,b", "a:b", "[a]", "*", "!a", "&a", "~a", "@a",
    "", "x" * 254, "a\nb", "\x1b[2J", "é", "{{ 7*7 }}", None,
])
def test_a_name_that_no_host_may_have_gives_way_to_the_id(file, name):
    file.servers[ONE] = [server(name, id="4711")]
    inventory = file.read(SHOP)
    assert list(inventory.hosts) == ["4711"]
    assert not name or ("No host can be called" in file.warnings[0] and "4711" in file.warnings[0])
    assert "\x1b" not in "".join(file.warnings) and not inventory.groups["all"].vars
    file.servers[ONE] = [server(name, id=name or "")]
    assert "can't be called" in refused(file, SHOP)


def test_two_servers_never_become_one_host(file):
    file.servers[TWO] = [server("web1", id="2")]
    said = refused(file, {"accounts": [SHOP, BLOG]})
    assert "web1 (id-web1) of account shop" in said and "web1 (2) of account blog" in said and "hostnames" in said
    inventory = file.read({"accounts": [SHOP, BLOG], "hostnames": ["rewind_account ~ '-' ~ rewind_server_name"]})
    assert list(inventory.hosts) == ["shop-web1", "shop-web2", "blog-web1"]
    file.servers[ONE] = [server("web1", id="1"), server("web1", id="2")]
    assert "host web1" in refused(file, SHOP), "of one account, too"
    assert list(file.read({**SHOP, "filters": [{"exclude": "rewind_server_id == '2'"}]}).hosts) == ["web1"]


def test_another_file_has_given_the_host(file, tmp_path):
    inventory = file.read(SHOP)
    other = InventoryFile(tmp_path / "more", file._patch)
    other.path.parent.mkdir()
    other.servers = file.servers
    said = refused(other, SHOP, inventory)
    assert str(file.path) in said and "web1" in said
    assert file.read(SHOP, inventory), "the same file twice is no other one"


def test_a_host_of_another_source_keeps_its_variables(file):
    inventory = InventoryData()
    inventory.add_host("web1")
    inventory.set_variable("web1", "site", "north")
    inventory.set_variable("web1", "ansible_host", "198.51.100.1")
    file.read({**SHOP, "keyed_groups": [{"key": "site | default('none')"}], "compose": {"there": "site | default('none')"}}, inventory)
    found = variables(inventory, "web1")
    assert (found["site"], found["there"], found["ansible_host"]) == ("north", "north", "192.0.2.1")
    assert {"_north", "_none"} <= set(inventory.groups)


def test_no_host_has_the_name_of_a_group(file):
    inventory = InventoryData()
    inventory.add_group("web1")
    file.read(SHOP, inventory)
    assert "id-web1" in inventory.hosts and "web1" not in inventory.hosts and not inventory.groups["web1"].vars
    for wish in ({"keyed_groups": [{"key": "rewind_server_name", "separator": ""}]}, {"groups": {"web1": True}},
                 {"keyed_groups": [{"key": "rewind_account", "parent_group": "web2"}]}):
        said = refused(file, {**SHOP, **wish})
        assert "would have the name of a host" in said


def test_names_of_groups_are_sound_whatever_the_cloud_says(file):
    file.servers[ONE] = [server("web1", power_state="\x1b[2J{{ 7*7 }}-x")]
    inventory = file.read({**SHOP, "keyed_groups": [{"key": "rewind_server_power_state", "prefix": "p"}]})
    assert all(name.replace("_", "").isalnum() for name in inventory.groups)
    assert "\x1b" not in json.dumps(variables(inventory, "web1"))


# --- accounts


@pytest.mark.parametrize(("config", "said"), [
    ({}, "provider"), ({"provider": "aws"}, "provider"), ({"provider": "vpsorg"}, "VPS_API_TOKEN"), ({**ILK, "secret_key": " "}, "secret_key"),
    ({"accounts": []}, "at least one"), ({"accounts": {"provider": "vpsorg"}}, "accounts"),
    ({"accounts": ["vpsorg"]}, "accounts"), ({"accounts": None}, "accounts"),
    ({**SHOP, "accounts": [BLOG]}, "beside accounts"), ({"accounts": [{**SHOP, "tokn": 1}]}, "account 1"), ({**SHOP, "tokn": "x"}, "tokn"),
    ({"accounts": [SHOP, {**BLOG, "name": "shop"}]}, "called shop"),
    ({"accounts": [{**BLOG, "name": ""}, {**SHOP, "name": "vpsorg"}]}, "called vpsorg"),
    ({**SHOP, "name": "a b"}, "name"), ({**SHOP, "name": "{{ 'x' * 65 }}"}, "name"), ({**SHOP, "api_url": "http://evil.example"}, "https"),
    ({**SHOP, "api_timeout": 0}, "api_timeout"), ({**SHOP, "api_timeout": "soon"}, "api_timeout"),
    ({**SHOP, "validate_certs": "perhaps"}, "validate_certs"),
    ({**SHOP, "api_token": "{{ no_such }}"}, "api_token of the account"), ({**SHOP, "api_token": "{{ lookup('file', '/no/such') }}"}, "api_token"),
    ({**SHOP, "api_token": "two words"}, "api_token"), ({**SHOP, "cache_timeout": f"{ONE}"}, "cache_timeout"),
    ({**SHOP, "cache": True, "cache_plugin": "jsonfile"}, "cache plugin"),
])
def test_what_is_not_right_is_said_before_anything_is_asked(file, config, said):
    assert said.lower() in refused(file, config).lower()
    assert file.asked == []


@pytest.mark.parametrize("text", [
    "", "[]", "plugin: other.one.thing", f"plugin: {NAME}\napi_token: \"{ONE}", f"plugin: {NAME}\n- {ONE}", "\tx: y", "x",
])
def test_a_file_that_is_none_of_this_plugins_is_not_quoted(file, text):
    assert "can't be read" in refused(file, text)


def test_templates_and_the_environment(file, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", f" {ONE} ")
    file.read({"accounts": [{**SHOP, "api_token": "{{ lookup('env', 'MY_TOKEN') }}"}]})
    assert file.asked == [ONE]
    monkeypatch.setenv("VPS_API_TOKEN", TWO)
    monkeypatch.setenv("REWIND_PROVIDER", "vpsorg")
    monkeypatch.setenv("VPS_API_URL", "https://gate.example/v1")
    inventory = file.read({})
    assert file.asked == [ONE, TWO] and variables(inventory, "db1")["rewind_api_url"] == "https://gate.example/v1"


def test_an_account_that_fails_fails_the_whole_file_and_is_named(file):
    file.servers[TWO] = f"The API does not answer. {TWO[:9]}"
    for accounts in ([SHOP, BLOG], [BLOG, SHOP]):
        said = refused(file, {"accounts": accounts})
        assert "Account blog: The API does not answer." in said and TWO[:9] not in said
        assert inventory_credentials._registry.get(str(file.path)) is None, "no credentials of a file that gives no hosts"


# --- the cache


def cached(tmp_path, **more):
    return {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache"), **more}


def test_the_cache_answers_in_place_of_the_accounts(file, tmp_path):
    config = {"accounts": [SHOP, ILK], **cached(tmp_path)}
    first = file.read(config)
    assert len(file.asked) == 2
    file.servers = {ONE: "down", ILK["access_key"]: "down"}
    again = file.read(config)
    assert len(file.asked) == 2 and {name: variables(again, name) for name in again.hosts} == {name: variables(first, name) for name in first.hosts}
    texts = [path.name + path.read_text("utf-8") for path in (tmp_path / "cache").iterdir()]
    assert len(texts) == 2 and not [text for text in texts for part in (ONE, ILK["access_key"], ILK["secret_key"]) if part[:8] in text]


def test_the_cache_is_not_believed_where_the_cloud_is_to_be_asked(file, tmp_path):
    config = {**SHOP, **cached(tmp_path)}
    file.read(config)
    file.servers[ONE] = [server("new")]
    assert list(file.read(config, cache=False).hosts) == ["new"], "--flush-cache"
    assert list(file.read(config).hosts) == ["new"], "and what was asked is kept"
    file.servers[ONE] = "down"
    with pytest.raises(AnsibleParserError, match="Account shop: down"):
        file.read(config, cache=False)
    assert list(file.read({**config, "cache_timeout": 0}).hosts) == ["new"]
    file.servers[TWO] = [server("other")]
    assert list(file.read({**config, "api_token": TWO}).hosts) == ["other"], "other credentials, another account"
    assert "down" in refused(file, {**config, "api_url": "https://gate.example"}), "another address, another cloud"


@pytest.mark.parametrize("content", [
    [], {}, {"version": 2, "servers": []}, {"version": 1}, {"version": 1, "servers": [{"id": "1"}]},
    {"version": 1, "servers": [{**server("x"), "address": {"__ansible_unsafe": 1}}]},
    {"version": 1, "servers": [{**server("x"), "root_password": "y"}]},
])
def test_what_is_no_entry_of_ours_is_asked_anew(file, tmp_path, content):
    config = {**SHOP, **cached(tmp_path)}
    file.read(config)
    (path,) = (tmp_path / "cache").iterdir()
    entry = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**entry, "__payload__": json.dumps(content)} if "__payload__" in entry else content), encoding="utf-8")
    assert list(file.read(config).hosts) == ["web1", "web2"] and len(file.asked) == 2


@pytest.mark.parametrize(("name", "ours"), [
    ("rewind_vps.yml", True), ("rewind_vps.yaml", True), ("x.rewind_vps.yml", True), ("a.b.rewind_vps.yaml", True), ("xrewind_vps.yml", False),
    ("rewind_vps.json", False), ("rewind_vps.yml.bak", False), ("hosts.yml", False), ("rewind_vps.YML", False),
])
def test_which_files(file, tmp_path, name, ours):
    (tmp_path / name).write_text("", encoding="utf-8")
    assert file.plugin().verify_file(str(tmp_path / name)) is ours
    assert file.plugin().verify_file(str(tmp_path / "missing" / name)) is False
