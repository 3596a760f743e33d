# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that tasks take from the inventory: only unset ones of the same account, and credentials only on the controller."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from builders import OPERATIONS

from ansible_collections.rewind.vps.plugins.plugin_utils import _inventory_accounts as inventory_accounts
from ansible_collections.rewind.vps.plugins.plugin_utils._action import InProcessAction
from ansible_collections.rewind.vps.plugins.plugin_utils._inventory_accounts import Account, options_for_host

TOKEN = "vps_first_0123456789"
URL = "https://gate.example/api/v1"
REST = {"api_timeout": 7, "validate_certs": True, "ca_path": None}
SHOP = Account("shop", {"provider": "vpsorg", "api_token": TOKEN, "access_key": None, "secret_key": None, "api_url": URL, **REST})
ILK = Account("ilk", {"provider": "ilkbyte", "api_token": None, "access_key": "an access key", "secret_key": "a secret key", "api_url": URL, **REST})
HOST = {
    "rewind_provider": "vpsorg", "rewind_api_url": URL, "rewind_server_id": "12345", "rewind_inventory": "/x/rewind_vps.yml",
    "rewind_account": "shop",
}
ILK_HOST = {**HOST, "rewind_provider": "ilkbyte", "rewind_account": "ilk"}
ENDPOINT = {"provider": "vpsorg", "api_url": URL, "server": "12345"}
ALL = {**ENDPOINT, "api_token": TOKEN, "api_timeout": 7, "validate_certs": True}


@pytest.fixture(autouse=True)
def registered_accounts():
    inventory_accounts.register("/x/rewind_vps.yml", [SHOP, ILK])
    yield
    inventory_accounts.register("/x/rewind_vps.yml", ())


@pytest.mark.parametrize(("given", "variables", "added"), [
    ({}, HOST, ALL),
    ({}, {}, {}),
    ({}, {"rewind_server_id": "12345"}, {}),
    ({}, {**HOST, "rewind_provider": "another"}, {**ENDPOINT, "provider": "another"}),
    ({"provider": "ilkbyte"}, HOST, {}),  # another provider has other server IDs and keys
    ({"provider": "vpsorg"}, HOST, {key: value for key, value in ALL.items() if key != "provider"}),
    ({"provider": "", "api_token": None}, HOST, ALL),
    *(({"server": empty}, HOST, {key: value for key, value in ALL.items() if key != "server"}) for empty in ("", None)),
    ({"api_url": "https://other.example"}, HOST, {"provider": "vpsorg", "server": "12345"}),  # no credentials to another address
    *(({"api_url": same}, HOST, {key: value for key, value in ALL.items() if key != "api_url"}) for same in (f"{URL}/", "https://gate.example/")),
    *(({"api_url": odd}, HOST, {"provider": "vpsorg", "server": "12345"}) for odd in ("https://[::1", "https://gate.example/v1")),
    ({"api_token": "own"}, HOST, {key: value for key, value in ALL.items() if key != "api_token"}),
    ({"server": "web9", "api_timeout": 9}, HOST, {key: value for key, value in ALL.items() if key not in ("server", "api_timeout")}),
    ({}, {**HOST, "rewind_account": "blog"}, ENDPOINT),
    ({}, {**HOST, "rewind_inventory": "/y/rewind_vps.yml"}, ENDPOINT),
    ({}, {**HOST, "rewind_account": "ilk"}, ENDPOINT),  # an account of another provider
    ({}, {**HOST, "rewind_api_url": "https://evil.example"}, {**ENDPOINT, "api_url": "https://evil.example"}),
    ({"access_key": "own"}, ILK_HOST, {"provider": "ilkbyte", "api_url": URL, "server": "12345", "api_timeout": 7, "validate_certs": True}),
    ({"api_token": "of another provider"}, ILK_HOST, {**ENDPOINT, "provider": "ilkbyte", "access_key": "an access key", "secret_key": "a secret key",
                                                      "api_timeout": 7, "validate_certs": True}),
])
def test_options_for_host(given, variables, added):
    assert options_for_host(given, variables, on_controller=True) == added
    elsewhere = options_for_host(given, variables, on_controller=False)
    assert elsewhere == {key: value for key, value in added.items() if key in ENDPOINT}, "credentials stay on the controller"


def test_registering_a_file_again_replaces_its_accounts():
    inventory_accounts.register("/x/rewind_vps.yml", [ILK])
    assert "api_token" not in options_for_host({}, HOST, on_controller=True)
    inventory_accounts.register("/x/rewind_vps.yml", ())
    assert "access_key" not in options_for_host({}, ILK_HOST, on_controller=True)


def make_action(module, transport="local", **args):
    action = object.__new__(InProcessAction)
    action.operation = OPERATIONS[module]
    action._connection, action._task = SimpleNamespace(transport=transport), SimpleNamespace(args=args)
    action._templar = SimpleNamespace(template=lambda value: value)
    return action


@pytest.mark.parametrize("module", ["snapshot", "snapshot_restore", "snapshot_cron", "snapshot_info", "server_info"])
def test_arguments_of_a_module(module):
    action = make_action(module, name="one")
    arguments = action._build_arguments({**HOST, "other": 1})
    assert arguments["api_token"] == TOKEN and arguments["provider"] == "vpsorg" and arguments["name"] == "one"
    # The info modules list all servers unless the task names one.
    assert ("server" in arguments) == (not module.endswith("_info"))
    assert action._task.args == {"name": "one"}, "callbacks show the options of the task only"
    assert "server" not in make_action(module, servers=["web2"])._build_arguments(HOST)
    assert not {"api_token", "ca_path", "validate_certs"} & set(make_action(module, transport="ssh")._build_arguments(HOST))
