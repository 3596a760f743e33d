# SPDX-License-Identifier: GPL-3.0-or-later
"""Options are checked and normalized before anything is sent."""

from __future__ import annotations

import json
import os

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from builders import OPERATIONS
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._argspec import normalize_params, parse_duration
from ansible_collections.rewind.vps.plugins.module_utils._errors import INVALID_ARGUMENT, NOT_APPLIED, RewindError
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY

VPSORG = {"provider": "vpsorg", "api_token": "vps_0123456789"}
ILKBYTE = {"provider": "ilkbyte", "access_key": "access0123456789", "secret_key": "secret0123456789"}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def normalized(module, environ=None, **given_options):
    """Return the options of a module as its operation receives them."""
    operation = OPERATIONS[module]
    validation = ArgumentSpecValidator(**operation.SPEC.to_kwargs()).validate(given_options)
    assert not validation.error_messages, validation.error_messages
    options = normalize_params(validation.validated_parameters, environ or {})
    operation.validate(options)
    return options


def rejection(module, environ=None, **given_options):
    with pytest.raises(RewindError) as caught:
        normalized(module, environ, **given_options)
    assert (caught.value.kind, caught.value.outcome) == (INVALID_ARGUMENT, NOT_APPLIED)
    return caught.value.format()


def ansible_rejection(module, **given_options):
    messages = ArgumentSpecValidator(**OPERATIONS[module].SPEC.to_kwargs()).validate(given_options).error_messages
    assert messages
    return " ".join(messages)


@pytest.fixture(autouse=True)
def no_credentials_in_environment(monkeypatch, tmp_path):
    for name in ("REWIND_PROVIDER", "VPS_API_TOKEN", "ILKBYTE_ACCESS_KEY", "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRET_KEY",
                 "ILKBYTE_SECRETKEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


# --- durations


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("smhdw")), min_size=1, max_size=8))
def test_duration_is_the_sum_of_its_parts(parts):
    text = "".join(f"{amount}{unit}" for amount, unit in parts)
    seconds = sum(amount * UNITS[unit] for amount, unit in parts)
    if seconds:
        assert parse_duration("max_age", f" {text.upper()} ") == seconds
    else:
        with pytest.raises(RewindError):
            parse_duration("max_age", text)


@pytest.mark.parametrize("text", ["", " ", "0", "0s", "0d0h", "-5", "-1d", "1.5h", "7 d", "1d 12h", "1y", "h", "d7",
                                  "1d12", "12h!", "1_0s", "٣d", "²", "None", "12h\n7d", "9" * 5000, "9" * 5000 + "d"])
def test_durations_that_are_invalid(text):
    with pytest.raises(RewindError, match="max_age must be a duration"):
        parse_duration("max_age", text)


# --- api_url


@pytest.mark.parametrize(("credentials", "variable", "default"), [
    (VPSORG, "VPS_API_URL", "https://admin.vps.org/api/v1"), (ILKBYTE, "ILKBYTE_HOST", "https://api.ilkbyte.com"),
])
def test_where_the_url_comes_from(credentials, variable, default):
    other = {"VPS_API_URL": "ILKBYTE_HOST", "ILKBYTE_HOST": "VPS_API_URL"}[variable]
    assert normalized("server_info", **credentials)["api_url"] == default
    environ = {variable: "https://env.example/x/", other: "https://wrong.example"}
    assert normalized("server_info", environ, **credentials)["api_url"] == "https://env.example/x"
    option = normalized("server_info", environ, **credentials, api_url="https://option.example/y")
    assert option["api_url"] == "https://option.example/y"
    assert normalized("server_info", environ, **credentials, api_url="")["api_url"] == "https://env.example/x"
    assert variable in rejection("server_info", {variable: "ftp://env.example"}, **credentials)


@pytest.mark.parametrize(("url", "kept"), [
    ("https://cloud.example/api/v1", "https://cloud.example/api/v1"),
    ("https://cloud.example/api/v1/", "https://cloud.example/api/v1"),
    ("https://cloud.example///", "https://cloud.example/api/v1"),
    (" https://cloud.example:8443\n", "https://cloud.example:8443/api/v1"),
    ("HTTPS://cloud.example", "HTTPS://cloud.example/api/v1"),
    ("https://cloud.example/api", "https://cloud.example/api/v1"),
    ("https://cloud.example/gateway/api/v1", "https://cloud.example/gateway/api/v1"),
    ("https://cloud.example/v1", "https://cloud.example/v1"),
    ("https://203.0.113.7/v2", "https://203.0.113.7/v2"),
    ("http://localhost:8000/api/v1/", "http://localhost:8000/api/v1"),
    ("http://127.8.9.10", "http://127.8.9.10/api/v1"),
])
def test_urls_that_can_be_used(url, kept):
    """VPS.org's own clients take the address with and without its path."""
    assert normalized("server_info", **VPSORG, api_url=url)["api_url"] == kept
    assert normalized("server_info", {"VPS_API_URL": url}, **VPSORG)["api_url"] == kept


@pytest.mark.parametrize("url", [
    "http://cloud.example", "http://203.0.113.7/api/v1", "http://0.0.0.0:80", "http://10.0.0.1",
    "http://localhost.cloud.example", "http://127.0.0.1.cloud.example", "http://[2001:db8::1]",
])
def test_plain_http_only_to_this_machine(url):
    text = rejection("server_info", **VPSORG, api_url=url)
    assert "unprotected" in text and "https" in text and "Nothing was changed." in text


@pytest.mark.parametrize("url", [
    "https://", "https:///api/v1", "https://:443/", "https://cloud.example:0", "https://cloud.example:99999",
    "https://cloud.example:port", "https://[::1", "https:cloud.example", "cloud.example", "cloud.example/api/v1",
    "//cloud.example", "ftp://cloud.example", "file:///etc/passwd", "   ", "https://cloud example", "https://clo\nud.example",
    "https://clo\tud.example", "https://bücher.example", "https://user@cloud.example", "https://user:word@cloud.example",
    "https://@cloud.example", "https://cloud.example/?page=1", "https://cloud.example?", "https://cloud.example/#top",
    "https://cloud.example/#", "http://localhost@cloud.example", "http://localhost\\@cloud.example",
])
def test_urls_that_can_not_be_used(url):
    text = rejection("server_info", **VPSORG, api_url=url)
    assert "api_url" in text
    assert "word" not in text and "page=1" not in text  # a part of a URL may be a secret


# --- credentials


@pytest.mark.parametrize(("credentials", "option", "environment_names"), [
    (VPSORG, "api_token", ["VPS_API_TOKEN"]),
    (ILKBYTE, "access_key", ["ILKBYTE_ACCESS_KEY", "ILKBYTE_ACCESSKEY"]),
    (ILKBYTE, "secret_key", ["ILKBYTE_SECRET_KEY", "ILKBYTE_SECRETKEY"]),
])
def test_credentials(credentials, option, environment_names, monkeypatch):
    others = {key: value for key, value in credentials.items() if key != option}
    for blank in ("", "   ", "\n", "\t\r\n"):
        text = rejection("server_info", **others, **{option: blank})
        assert option in text and environment_names[0] in text
    assert option in rejection("server_info", **others)
    assert normalized("server_info", **others, **{option: " \n key-0123456789+/= \r\n"})[option] == "key-0123456789+/="
    for odd in ("first-line\nsecond-line", "two words", "schlüssel-0123", "nul\x00byte", "tab\tinside", "zero\u200bwidth"):
        text = rejection("server_info", **others, **{option: odd})
        assert option in text and "Next:" in text
        assert odd not in text and odd[:8] not in text
    for variable in environment_names:
        with monkeypatch.context() as patch:
            patch.setenv(variable, "from-the-environment")
            assert normalized("server_info", **others)[option] == "from-the-environment"


# --- the configuration file of VPS.org's own command-line client


@pytest.fixture
def client_config(tmp_path):
    """Write the client's file and return its path."""

    def write(content, mode=0o600):
        path = tmp_path / ".vps" / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else json.dumps(content).encode())
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize(("url", "resolved"), [
    (None, "https://admin.vps.org/api/v1"), ("https://own.example", "https://own.example/api/v1"),
    ("https://own.example/api/v1/", "https://own.example/api/v1"), ("https://own.example/gateway", "https://own.example/gateway/api/v1"),
])
def test_the_clients_file_is_the_last_source_of_the_token(client_config, monkeypatch, url, resolved):
    client_config({"api_token": " vps_of_the_file\n", **({"api_url": url} if url else {})})
    for blank in (None, "", " "):
        if blank is not None:
            monkeypatch.setenv("VPS_API_TOKEN", blank)
        options = normalized("server_info", provider="vpsorg")
        assert (options["api_token"], options["api_url"]) == ("vps_of_the_file", resolved)
    assert normalized("server_info", {"VPS_API_URL": "https://env.example/v1"}, provider="vpsorg")["api_url"] == "https://env.example/v1"
    # The address in the file is that of its own token, and of no other.
    for token in ("option", "environment"):
        monkeypatch.setenv("VPS_API_TOKEN", f"vps_{token}")
        options = normalized("server_info", provider="vpsorg", **({"api_token": "vps_option"} if token == "option" else {}))
        assert (options["api_token"], options["api_url"]) == (f"vps_{token}", "https://admin.vps.org/api/v1")
    assert normalized("server_info", **ILKBYTE)["api_url"] == "https://api.ilkbyte.com"


@pytest.mark.parametrize(("content", "mode", "reason"), [
    ({"api_token": "vps_of_the_file"}, 0o640, "others can read it"),
    ({"api_token": "vps_of_the_file"}, 0o604, "others can read it"),
    ({"api_token": "vps_of_the_file"}, 0o620, "others can read it"),
    ("{vps_of_the_file", 0o600, "it is not a JSON object"), ("[]", 0o600, "it is not a JSON object"), ("\xff", 0o600, "it is not a JSON object"),
    ("[" * 100_000, 0o600, "it is not a JSON object"), (" " * 2_000_000, 0o600, "it is too large"),
    # Another program uses a file of this name.
    ({"domain": "https://other.example", "apiKey": "vps_of_the_file"}, 0o600, "it contains no api_token"),
    ({"api_token": 7}, 0o600, "it contains no api_token"), ({"api_token": " "}, 0o600, "it contains no api_token"),
])
def test_a_clients_file_that_is_not_used(client_config, content, mode, reason):
    path = client_config(content, mode)
    text = rejection("server_info", provider="vpsorg")
    assert f"{path} was not used: {reason}" in text and "vps_of_the_file" not in text
    assert "chmod 600" in text or mode == 0o600


def test_a_clients_file_that_is_no_file_of_the_user_is_not_used(client_config, monkeypatch):
    path = client_config({"api_token": "vps_of_the_file"})
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert "it belongs to another user" in rejection("server_info", provider="vpsorg")
    path.unlink()
    assert ".vps" not in rejection("server_info", provider="vpsorg")
    os.mkfifo(path, 0o600)
    assert "it is not a file" in rejection("server_info", provider="vpsorg")
    path.unlink()
    path.mkdir(0o700)
    assert "it is not a file" in rejection("server_info", provider="vpsorg")


def test_an_address_in_the_clients_file_is_checked_as_any_other(client_config):
    client_config({"api_token": "vps_of_the_file", "api_url": "http://cloud.example"})
    text = rejection("server_info", provider="vpsorg")
    assert "api_url in" in text and ".vps/config.json" in text and "unprotected" in text


def test_other_providers_credentials_are_not_accepted():
    assert "api_token" in rejection("server_info", provider="vpsorg", access_key="a" * 9, secret_key="b" * 9)
    text = rejection("server_info", provider="ilkbyte", api_token="t" * 9)
    assert "access_key" in text and "secret_key" in text


def test_unusable_credentials_of_another_provider_do_not_matter(client_config):
    client_config({"api_token": "two words"})
    assert normalized("server_info", **ILKBYTE)["access_key"] == ILKBYTE["access_key"]
    assert "api_token contains characters" in rejection("server_info", provider="vpsorg")


def test_provider_from_the_environment(monkeypatch):
    monkeypatch.setenv("REWIND_PROVIDER", "ilkbyte")
    options = {key: value for key, value in ILKBYTE.items() if key != "provider"}
    assert normalized("server_info", **options)["provider"] == "ilkbyte"
    monkeypatch.setenv("REWIND_PROVIDER", "another")
    assert "provider" in ansible_rejection("server_info", **options)


def test_no_two_providers_share_a_credential_or_a_variable():
    """Else a secret of one would be sent to the other."""
    each = [one for provider in REGISTRY.values() for one in provider.endpoint.credentials]
    options = [one.option for one in each]
    env_vars = [name for one in each for name in one.env_vars] + [provider.endpoint.url_env_var for provider in REGISTRY.values()]
    assert len(options) == len(set(options)) and len(env_vars) == len(set(env_vars))


# --- everything else

SNAPSHOT = {**VPSORG, "server": "web1", "name": "nightly"}
CRON = {**ILKBYTE, "server": "app1", "name": "nightly", "day": 1, "hour": 2, "minute": 3}
ONE = {"count": 1, "match": "*"}


@pytest.mark.parametrize(("module", "options", "option", "good", "bad"), [
    ("server_info", VPSORG, "api_timeout", (1, 600), (0, -1, 601)),
    ("server_info", VPSORG, "concurrency", (1, 64), (0, -1, 65)),
    ("snapshot", SNAPSHOT, "wait_timeout", (1, 86400), (0, -1, 86401)),
    ("snapshot_restore", SNAPSHOT, "wait_timeout", (1, 86400), (0, -1, 86401)),
    ("snapshot", SNAPSHOT, "max_age", ("1d12h",), ("soon", "0")),
    ("snapshot_info", VPSORG, "older_than", ("1d12h",), ("soon", "0")),
    ("snapshot_info", VPSORG, "newer_than", ("1d12h",), ("soon", "0")),
    ("snapshot_cron", CRON, "day", (1, 365), (0, -1, 366)),
    ("snapshot_cron", CRON, "hour", (0, 23), (-1, 24)),
    ("snapshot_cron", CRON, "minute", (0, 59), (-1, 60)),
])
def test_ranges(module, options, option, good, bad):
    for value in good:
        assert normalized(module, **{**options, option: value})[option] == (129600 if value == "1d12h" else value)
    for value in bad:
        text = rejection(module, **{**options, option: value})
        assert option in text and str(value) in text


@pytest.mark.parametrize(("module", "options", "named"), [
    *(("snapshot", {**SNAPSHOT, "retain": {"count": count, "match": "night*"}}, "retain.count") for count in (0, -1, 10001)),
    *(("snapshot", {**SNAPSHOT, name: blank}, f"{name} is empty") for name in ("server", "name", "id") for blank in ("", "  ")),
    ("snapshot", {**SNAPSHOT, "retain": {"count": 1, "match": " "}}, "retain.match is empty"),
    ("snapshot_restore", {**SNAPSHOT, "name": ""}, "name is empty"),
    ("snapshot_info", {**VPSORG, "match": ""}, "match is empty"),
    ("snapshot_cron", {**CRON, "name": ""}, "name is empty"),
    # contradictions
    ("snapshot", {**SNAPSHOT, "state": "absent", "max_age": "1d"}, "max_age"),
    ("snapshot", {**SNAPSHOT, "state": "absent", "retain": ONE}, "retain"),
    ("snapshot", {**SNAPSHOT, "state": "absent", "stop_server": True}, "stop_server"),
    ("snapshot", {**SNAPSHOT, "state": "absent", "description": "why"}, "description"),
    ("snapshot", {**SNAPSHOT, "wait": False, "retain": ONE}, "retain"),
    ("snapshot", {**SNAPSHOT, "wait": False, "stop_server": True}, "stop_server"),
    # servers
    ("snapshot", {**VPSORG, "name": "nightly", "servers": ["web1", " "]}, "servers is empty"),
    ("snapshot_restore", {**VPSORG, "id": "801", "servers": ["web1", "web2"]}, "several servers"),
    ("snapshot", {**SNAPSHOT, "server": None}, "no server is given"),
    ("snapshot_restore", {**SNAPSHOT, "server": None}, "no server is given"),
    ("snapshot_info", {**VPSORG, "servers": ["all", "web1"]}, "all means every server"),
])
def test_what_a_type_can_not_express_is_refused(module, options, named):
    assert named in rejection(module, **options)


def shape(module, **options):
    made = normalized(module, **options)
    return made["server"], made["servers"]


def test_server_is_always_one_and_servers_decides_the_shape():
    some = {**VPSORG, "name": "nightly"}
    assert shape("snapshot", **SNAPSHOT) == ("web1", None)
    assert shape("snapshot", **{**SNAPSHOT, "server": "web1,web2"}) == ("web1,web2", None), "one server, whatever it is called"
    assert shape("snapshot", **some, servers="web1") == (None, ["web1"])
    assert shape("snapshot", **some, servers=["web1", "web2", "web1"]) == (None, ["web1", "web2"])
    assert shape("snapshot", **some, servers=[]) == (None, []), "nothing to do, which is reported"
    assert normalized("snapshot_restore", **VPSORG, id="801", servers=["web1"])["id"] == "801"
    assert normalized("snapshot_cron", **CRON)["servers"] is None
    for module in ("snapshot", "snapshot_restore"):
        assert shape(module, **some, servers="all") == (None, ["all"]), "a name, for what changes something"
    for module in ("snapshot_info", "server_info"):
        assert shape(module, **VPSORG) == (None, None) == shape(module, **VPSORG, servers="all"), "the whole account"
        assert shape(module, **VPSORG, server="all") == ("all", None), "a server may be called so"
        assert shape(module, **VPSORG, servers=["web1"]) == (None, ["web1"])


@pytest.mark.parametrize(("module", "options", "named"), [
    ("snapshot", {**VPSORG, "server": "web1"}, "name"),
    ("snapshot", {**VPSORG, "server": "web1", "id": "801"}, "name"),  # present needs the name
    ("snapshot", {**VPSORG, "name": "nightly"}, "server, servers"),
    *((module, {**VPSORG, "server": "web1", "servers": ["web2"]}, "mutually exclusive: server|servers")
      for module in ("snapshot", "snapshot_restore", "snapshot_info", "server_info")),
    ("snapshot_cron", {**CRON, "servers": ["web1"]}, "servers"),
    ("snapshot", {**SNAPSHOT, "when_full": "prune"}, "retain"),
    ("snapshot_restore", {**VPSORG, "server": "web1"}, "name"),
    ("snapshot_info", {**VPSORG, "name": "nightly", "match": "n*"}, "match"),
    ("snapshot_cron", {**ILKBYTE, "server": "app1", "name": "nightly", "day": 1, "hour": 2}, "minute"),
    ("snapshot_cron", {**ILKBYTE, "server": "app1"}, "name"),
    ("server_info", {"api_token": "x"}, "provider"),
])
def test_what_ansible_itself_refuses(module, options, named):
    assert named in ansible_rejection(module, **options)


def test_secrets_and_only_they_are_hidden():
    for operation in OPERATIONS.values():
        hidden = {name for name, option in operation.SPEC.options.items() if option.get("no_log")}
        assert hidden == {"api_token", "access_key", "secret_key"}


def test_nothing_of_the_caller_is_changed():
    options = {**SNAPSHOT, "api_token": " vps_0123456789 ", "max_age": "1d"}
    operation = OPERATIONS["snapshot"]
    parameters = ArgumentSpecValidator(**operation.SPEC.to_kwargs()).validate(options).validated_parameters
    before = dict(parameters)
    operation.validate(normalize_params(parameters, {}))
    assert parameters == before
