# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the schedules on a runner are the same one, and which are not."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rewind.vps.plugins.filter.schedule_plan import schedule_plan
from ansible_collections.rewind.vps.plugins.filter.schedule_state import schedule_state
from ansible_collections.rewind.vps.plugins.plugin_utils._schedule import HEADER, Identity, identity_address, unit_name

DIR, UNITS, URL = "/s", "/u", "https://vps.example.org/api/v1"
OLD = "rewind-snapshot-vpsorg-web1.nightly"
MINE, NEW_TOKEN, THEIRS = {"VPS_API_TOKEN": "mine"}, {"VPS_API_TOKEN": "rotated"}, {"VPS_API_TOKEN": "theirs"}


def plan(**options):
    return schedule_plan({
        "provider": "vpsorg", "server": "web1", "name": "nightly", "method": "auto", "state": "present", "every_days": 1, "hour": 3, "minute": 0,
        "timezone": "", "retain_count": "", "api_url": URL, **options,
    })


def name_of(account="me@example.org", url=URL, server="web1"):
    return unit_name(Identity("vpsorg", identity_address("vpsorg", url), account, server, "nightly"))


def listed(path, *lines):
    return "\n".join([f"== {path}", *(f":{line}" for line in lines)])


def installed(account="me@example.org", credentials=None, url=URL, server="web1", job=None):
    """The listing of a schedule that the role installed; without an account (None), that an earlier version installed."""
    credentials = MINE if credentials is None else credentials
    unit = OLD if account is None else name_of(account, url, server)
    job = {"scheduled_snapshot": job or {"provider": "vpsorg", "server": server, "prefix": "nightly-", "api_url": url}}
    if account is not None:
        identity = Identity("vpsorg", identity_address("vpsorg", url), account, server, "nightly")
        job["scheduled_snapshot_identity"] = identity._asdict()
    header = HEADER if account is None else f"{HEADER}, {unit}"
    return "\n".join([
        listed(f"{DIR}/{unit}.env", f"{HEADER}, {unit}", *(f'{key}="{value}"' for key, value in credentials.items()), 'https_proxy="http://p"'),
        listed(f"{DIR}/{unit}.json", *json.dumps(job, indent=4).splitlines()),
        listed(f"{UNITS}/{unit}.service", header, "[Unit]", f"Description=Snapshot nightly ({unit})", f"EnvironmentFile={DIR}/{unit}.env"),
        listed(f"{UNITS}/{unit}.timer", header, "[Unit]", f"Description=Every day ({unit})"),
    ])


def state(*listings, credentials=None, account="me@example.org", **options):
    return schedule_state(plan(**options), "\n".join(listings), DIR, {"VPS_API_TOKEN": "", **(MINE if credentials is None else credentials)}, account)


def removed(result):
    assert result["error"] == "", result
    return [item["unit"] for item in result["remove"]]


def test_names_contain_everything_that_distinguishes_two_schedules():
    base = {"provider": "vpsorg", "address": "a", "account": "b", "server": "web1", "name": "nightly"}
    variants = [{}, {"provider": "ilkbyte"}, {"address": "a:81"}, {"account": "c"}, {"account": ""}, {"server": "web2"}, {"name": "weekly"},
                {"address": "ab", "account": ""}, {"server": "web1.nightly", "name": "x"}]
    names = [unit_name(Identity(**{**base, **variant})) for variant in variants]
    assert len(set(names)) == len(names)


def test_unit_names_are_safe_and_unique():
    servers = ["web1", "web1.example.org", "web 1", "web_1", "web/1", "../../etc/x", "Ünal", "x" * 300, "x" * 301, ".", "web1.", "a%n", "-x", "@a"]
    names = [unit_name(Identity(provider, "a", "b", server, name)) for provider in ("vpsorg", "ilkbyte") for server in servers for name in ("a", "b")]
    assert len(set(names)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") and len(name) < 200 for name in names)


@pytest.mark.parametrize(("first", "second", "same"), [
    ("", "https://admin.vps.org/api/v1", True), ("https://a.org/api/v1", "https://A.org:443/", True),
    ("https://a.org", "https://a.org/api/v1/", True), ("https://a.org", "https://b.org", False), ("https://a.org", "https://a.org:8443", False),
    ("https://a.org/x/api/v1", "https://a.org/y/api/v1", False),
    ("http://127.0.0.1:1/api/v1", "http://127.0.0.1:2/api/v1", False),
])
def test_addresses(first, second, same):
    assert (identity_address("vpsorg", first) == identity_address("vpsorg", second)) is same


def test_two_accounts_and_two_addresses_are_two_schedules():
    mine = state()
    assert mine["unit"] == name_of() and mine["remove"] == []
    for other in (state(installed(), account="you@example.org", credentials=THEIRS), state(installed(), api_url="https://b.org"),
                  state(installed(account="you@example.org", credentials=THEIRS))):
        assert removed(other) == [] and other["unproven"] == []
    assert state(account="you@example.org")["unit"] != mine["unit"] != state(api_url="https://b.org")["unit"]


def test_a_rotated_token_is_the_same_schedule():
    result = state(installed(), credentials=NEW_TOKEN)
    assert result["unit"] == name_of() and removed(result) == []


def test_an_account_that_is_unknown(subtests):
    with subtests.test("nothing installed"):
        assert state(account="")["unit"] == name_of(account="")
    with subtests.test("the same credentials, and the account was known"):
        assert state(installed(), account="")["unit"] == name_of()
    with subtests.test("the same credentials"):
        assert state(installed(account=""), account="")["error"] == ""
    with subtests.test("other credentials"):
        error = state(installed(account=""), account="", credentials=NEW_TOKEN)["error"]
        assert "snapshot_schedule_account" in error and "Nothing was changed" in error
    with subtests.test("known later"):
        assert removed(state(installed(account=""))) == [name_of(account="")]


def test_the_option_account_comes_first():
    labelled = schedule_state(plan(account="shop"), installed(), DIR, MINE, "me@example.org")
    assert labelled["unit"] == name_of(account="shop") and removed(labelled) == [name_of()], "proven by the credentials"


def test_earlier_names_are_migrated_only_if_proven(subtests):
    with subtests.test("the same credentials"):
        assert removed(state(installed(account=None))) == [OLD]
    with subtests.test("other credentials"):
        result = state(installed(account=None, credentials=THEIRS))
        assert removed(result) == [] and result["unproven"] == [OLD]
    for what, other in {
        "another address": installed(account=None, url="https://b.org"), "another server": installed(account=None, server="web2"),
        "the default address": installed(account=None, job={"provider": "vpsorg", "server": "web1", "prefix": "nightly-"}),
        "another provider": installed(account=None, job={"provider": "ilkbyte", "server": "web1", "prefix": "nightly"}),
    }.items():
        with subtests.test(what):
            result = state(other)
            assert removed(result) == [] and result["unproven"] == []
    with subtests.test("another account, renamed at the provider"):
        assert removed(state(installed(account="old@example.org"))) == [name_of(account="old@example.org")]
    with subtests.test("a unit of another origin under its name"):
        foreign = installed(account=None).replace(f"== {UNITS}/{OLD}.timer\n:{HEADER}", f"== {UNITS}/{OLD}.timer\n:# mine")
        assert f"{UNITS}/{OLD}.timer exists" in state(foreign)["error"]


@pytest.mark.parametrize("listing", [
    listed(f"{UNITS}/{name_of()}.service", "[Unit]", "# mine"), listed(f"{UNITS}/{name_of()}.timer", f"{HEADER}, {name_of(account='x')}"),
    listed(f"{DIR}/{name_of()}.env"), listed(f"{DIR}/{name_of()}.sh", "#!/bin/sh"), f"=! {DIR}/{name_of()}.json",
    listed(f"{DIR}/{name_of()}.json", "{"), installed(account="x").replace(name_of(account="x"), name_of()),
    listed("crontab", f"#Ansible: {name_of()}", "1 2 * * * /bin/sh /s/other.sh"), listed(f"{UNITS}/{name_of()}-failed.service", "[Unit]"),
], ids=range(9))
@pytest.mark.parametrize("options", [{}, {"state": "absent"}], ids=["present", "absent"])
def test_a_file_of_another_schedule_is_rejected(listing, options):
    if options:
        json_file = installed().split("\n== ")[1]
        listing = listing if f"{name_of()}.json" in listing else f"== {json_file}\n{listing}\n{listed(f'{DIR}/x')}"
        if f"{name_of()}.json" in listing and json_file not in listing:
            return  # what is not a schedule's is not found, and so not removed
    result = state(listing, **options)
    assert "exists and is not this schedule's" in result["error"] and "Nothing was changed" in result["error"]


def test_own_files_are_accepted_and_older_directories_found():
    crontab = listed("crontab", f"#Ansible: {name_of()}", f"1 2 * * * /bin/sh /before/{name_of()}.sh", "#Ansible: x", "1 * * * * y")
    result = state(installed(), crontab)
    assert result["error"] == "" and result["moved"] == [f"/before/{name_of()}"]
    assert state(installed())["moved"] == []


def test_absent(subtests):
    both = installed() + "\n" + installed(account="you@example.org", credentials=THEIRS)
    gone = {"state": "absent"}
    cases = {
        "by the credentials, without a request": (both, {"account": None}, [name_of()], True),
        "only its own is there": (installed(), {"account": None}, [name_of()], False),
        "by the account": (both, {"credentials": NEW_TOKEN}, [name_of()], False),
        "by the option, without credentials": (both, {"credentials": {}, "account": "you@example.org"}, [name_of(account="you@example.org")], False),
        "of another account": (installed(), {"credentials": THEIRS, "account": "you@example.org"}, [], False),
        "without credentials and address": (installed(), {"credentials": {}, "account": None, "api_url": ""}, [name_of()], False),
        "without credentials": (installed(), {"credentials": {}, "account": None}, [name_of()], False),
        "another address": (installed(), {"api_url": "https://b.org"}, [], False),
        "an earlier name": (installed(account=None), {"account": None}, [OLD], False),
        "an earlier name, without credentials": (installed(account=None), {"credentials": {}, "account": None}, [OLD], False),
        "nothing": ("", {}, [], False),
    }
    for what, (listing, options, expected, asks) in cases.items():
        with subtests.test(what):
            result = state(listing, **{**gone, **options})
            assert result["needs_account"] is asks
            assert removed(result) == ([] if asks else expected)
    for what, (listing, options) in {
        "two, without credentials": (both, {"credentials": {}, "account": None}),
        "two addresses": (installed() + "\n" + installed(url="https://b.org"), {"credentials": {}, "account": None, "api_url": ""}),
        "another's, by an unknown account": (installed(), {"credentials": THEIRS, "account": ""}),
        "an earlier name with other credentials": (installed(account=None), {"credentials": THEIRS}),
    }.items():
        with subtests.test(what):
            assert "may be of another account" in state(listing, **{**gone, **options})["error"]
    with subtests.test("other credentials need the account"):
        assert state(installed(), credentials=NEW_TOKEN, account=None, state="absent")["needs_account"] is True
