# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every module, said once for the modules, their action plugins and the inventory.

Two steps, both before the first call: Ansible's own validation against the specs here (types, choices, rules),
then L(normalize_params) for what a type can't say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.common.parameters import env_fallback

from ._errors import invalid_argument
from ._http.urls import is_loopback
from ._provider.registry import REGISTRY

PROVIDERS = tuple(REGISTRY)
# What each can't do without.
REQUIRED_CREDENTIALS = {name: tuple(item.option for item in provider.endpoint.credentials) for name, provider in REGISTRY.items()}
# Of the environment, what says where a cloud is and what opens it.
PROVIDER_ENV_VARS = tuple(
    name for provider in REGISTRY.values()
    for name in (provider.endpoint.url_env_var, *(name for item in provider.endpoint.credentials for name in item.env_vars))
)

_SERVERS = ["server", "servers"]  # one option decides the shape of the result, the other has always one server
_SECONDS_PER_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def provider_spec() -> dict[str, dict[str, Any]]:
    """The options that open a cloud's door, for every spec."""
    return {
        "provider": {"type": "str", "choices": list(PROVIDERS), "required": True, "fallback": (env_fallback, ["REWIND_PROVIDER"])},
        **{
            item.option: {"type": "str", "no_log": True, "fallback": (env_fallback, list(item.env_vars))}
            for provider in REGISTRY.values() for item in provider.endpoint.credentials
        },
        "api_url": {"type": "str"},
        "api_timeout": {"type": "int", "default": 30},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
    }


def _one_or_many() -> dict[str, dict[str, Any]]:
    return {"server": {"type": "str"}, "servers": {"type": "list", "elements": "str"}, "concurrency": {"type": "int", "default": 8}}


def wait_spec(default_timeout: int) -> dict[str, dict[str, Any]]:
    return {"wait": {"type": "bool", "default": True}, "wait_timeout": {"type": "int", "default": default_timeout}}


@dataclass(frozen=True)
class ModuleSpec:
    """One module's options and the rules among them, as Ansible's validators take them."""

    options: dict[str, dict[str, Any]]
    rules: dict[str, list] = field(default_factory=dict)


SPECS: dict[str, ModuleSpec] = {
    "snapshot": ModuleSpec(
        {
            **provider_spec(),
            **_one_or_many(),
            "name": {"type": "str"},
            "id": {"type": "str"},
            "description": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "max_age": {"type": "str"},
            "retain": {
                "type": "dict",
                "options": {"count": {"type": "int", "required": True}, "match": {"type": "str", "required": True}},
            },
            "when_full": {"type": "str", "choices": ["fail", "prune"], "default": "fail"},
            "stop_server": {"type": "bool", "default": False},
            **wait_spec(1200),
        },
        {
            "mutually_exclusive": [_SERVERS],
            "required_one_of": [_SERVERS, ["name", "id"]],
            "required_if": [["state", "present", ["name"]], ["when_full", "prune", ["retain"]]],
        },
    ),
    "snapshot_info": ModuleSpec(
        {
            **provider_spec(),
            **_one_or_many(),
            "name": {"type": "str"},
            "match": {"type": "str"},
            "status": {"type": "list", "elements": "str", "choices": ["ready", "pending", "failed"]},
            "older_than": {"type": "str"},
            "newer_than": {"type": "str"},
        },
        {"mutually_exclusive": [_SERVERS, ["name", "match"]]},
    ),
    "snapshot_restore": ModuleSpec(
        {
            **provider_spec(),
            **_one_or_many(),
            "name": {"type": "str"},
            "id": {"type": "str"},
            "start_server": {"type": "bool", "default": True},
            **wait_spec(1800),
        },
        {"mutually_exclusive": [_SERVERS], "required_one_of": [_SERVERS, ["name", "id"]]},
    ),
    "snapshot_cron": ModuleSpec(
        {
            **provider_spec(),
            "server": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "day": {"type": "int"},
            "hour": {"type": "int"},
            "minute": {"type": "int", "aliases": ["min"]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        {"required_if": [["state", "present", ["day", "hour", "minute"]]]},
    ),
    "server_info": ModuleSpec({**provider_spec(), **_one_or_many()}, {"mutually_exclusive": [_SERVERS]}),
}

ALL = "all"
SECRET_OPTIONS = tuple(option for options in REQUIRED_CREDENTIALS.values() for option in options)


def normalize_params(parameters: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The validated parameters with credentials trimmed, durations in seconds and C(api_url) resolved.

    :raises RewindError: C(invalid_argument), naming the option and what it takes.
    """
    options = dict(parameters)
    for secret in SECRET_OPTIONS:
        options[secret] = _normalize_credential(secret, options.get(secret))
    _require_credentials(options)
    options["api_url"] = _resolve_api_url(options, os.environ if environ is None else environ)
    _require_range("api_timeout", options["api_timeout"], 1, 600)
    _validate_values(options)
    return options


def _validate_values(options: dict[str, Any]) -> None:
    """Everything about the module's own options that a type can't say."""
    if options.get("server") is not None:
        _require_non_empty("server", options["server"])
    options.setdefault("servers", None)
    if options["servers"] is not None:
        _validate_servers(options)
    elif options.get("server") is None and not _only_reads(options):  # given, and null
        raise invalid_argument("no server is given", "is a variable undefined or empty?")
    if "concurrency" in options:
        _require_range("concurrency", options["concurrency"], 1, 64)
    for name in ("name", "id", "match"):
        if options.get(name) is not None:
            options[name] = _require_non_empty(name, options[name])
    if "wait_timeout" in options:
        _require_range("wait_timeout", options["wait_timeout"], 1, 86400)
    for name in ("max_age", "older_than", "newer_than"):
        if options.get(name) is not None:
            options[name] = parse_duration(name, options[name])
    _validate_snapshot_options(options)
    for name, minimum, maximum in (("day", 1, 365), ("hour", 0, 23), ("minute", 0, 59)):
        if options.get(name) is not None:
            _require_range(name, options[name], minimum, maximum)


def _only_reads(options: Mapping[str, Any]) -> bool:
    return "state" not in options and "start_server" not in options


def _validate_servers(options: dict[str, Any]) -> None:
    servers = list(dict.fromkeys(_require_non_empty("servers", reference) for reference in options["servers"]))
    options["servers"] = servers
    if ALL in servers and _only_reads(options):
        if servers != [ALL]:
            raise invalid_argument(f"{ALL} means every server of the account, so no other can stand beside it", "give it alone, or name the servers")
        options["servers"] = None
    elif options.get("id") is not None and len(servers) > 1:
        raise invalid_argument("id is the id of one server's snapshot, and several servers were given", "give name instead, or server for one server")


def is_bulk(options: Mapping[str, Any]) -> bool:
    """Whether cleaned options name servers with C(servers), so that each of them has a result of its own."""
    return options["servers"] is not None


def may_query_many(options: Mapping[str, Any]) -> bool:
    """Whether more than one server may have to be asked about."""
    return "concurrency" in options and options["server"] is None


def _validate_snapshot_options(options: dict[str, Any]) -> None:
    retain = options.get("retain")
    if retain:
        _require_range("retain.count", retain["count"], 1, 10000)
        _require_non_empty("retain.match", retain["match"])
    if options.get("state") == "absent":
        conflicting = [name for name in ("max_age", "retain", "stop_server", "description") if options.get(name)]
        if conflicting:
            raise invalid_argument(f"{', '.join(conflicting)} can't go with state: absent", "leave it out, or use state: present")
    if options.get("wait") is False:
        conflicting = [name for name in ("retain", "stop_server") if options.get(name)]
        if conflicting:
            raise invalid_argument(
                f"{' and '.join(conflicting)} need the finished snapshot, so wait can't be false",
                "leave wait at true, or leave them out",
            )


def parse_duration(option: str, text: str) -> int:
    """Seconds of a duration such as C(90), C(45m), C(12h), C(7d), C(1d12h)."""
    normalized = str(text).strip().lower()
    if re.fullmatch("[0-9]{1,12}", normalized) and int(normalized) > 0:
        return int(normalized)
    parts = re.findall("([0-9]{1,12})([smhdw])", normalized)
    seconds = sum(int(amount) * _SECONDS_PER_UNIT[unit] for amount, unit in parts)
    if not parts or "".join(amount + unit for amount, unit in parts) != normalized or seconds <= 0:
        raise invalid_argument(
            f"{option} must be a duration greater than zero, such as 12h, 7d or 1d12h (s, m, h, d, w; a bare number is "
            f"seconds), not {text!r}"
        )
    return seconds


def _normalize_credential(option: str, value: str | None) -> str | None:
    value = (value or "").strip()
    if not value:
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        raise invalid_argument(
            f"{option} has characters that no token or key has (a space, a line break, a letter outside ASCII)",
            "look at how it is read: a file with several lines, or text around the key?",
        )
    return value


def _require_credentials(options: dict[str, Any]) -> None:
    provider = REGISTRY[options["provider"]]
    required = provider.endpoint.credentials
    missing = [item.option for item in required if not options[item.option]]
    if missing:
        problem = "and none was given" if len(required) == 1 else f"not given: {', '.join(missing)}"
        raise invalid_argument(
            f"{provider.display_name} needs {' and '.join(item.description for item in required)}{',' if len(required) == 1 else ';'} {problem}",
            f"set {' and '.join(item.option for item in required)}, or {' and '.join(item.env_vars[0] for item in required)} "
            "in the environment where the task runs",
        )


# A name or an address, and a port: what every library reads as the same host.
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Za-z:.%_-]+\])(:[0-9]*)?")


def _resolve_api_url(options: dict[str, Any], environ: Mapping[str, str]) -> str:
    """The API's base URL without a slash at its end; https, except to this machine."""
    endpoint = REGISTRY[options["provider"]].endpoint
    source, url = "api_url", options.get("api_url")
    if not url:
        source, url = endpoint.url_env_var, environ.get(endpoint.url_env_var)
    url = (url or endpoint.url).strip()
    expected = f"{source} must look like {endpoint.url}"
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        raise invalid_argument(f"{expected}; the one given can't be read as a URL") from None
    if parts.scheme not in ("http", "https"):
        raise invalid_argument(f"{expected}: it begins with https://")
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise invalid_argument(f"{expected}: it has no host that can be used")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise invalid_argument(f"{expected}: no user name, no ? and no # in it", "credentials have options of their own")
    if not _AUTHORITY.fullmatch(parts.netloc):
        raise invalid_argument(f"{expected}: it has no host that can be used")
    if parts.scheme == "http" and not is_loopback(url):
        raise invalid_argument(
            f"{source} uses http to {host}, which would send the credentials unprotected",
            "use https; plain http is only for this machine (localhost, 127.0.0.1, ::1)",
        )
    return url.rstrip("/")


def _require_non_empty(option: str, value: str) -> str:
    if not value.strip():
        raise invalid_argument(f"{option} is empty", "is a variable undefined or empty?")
    return value


def _require_range(option: str, value: int, minimum: int, maximum: int) -> None:
    if not minimum <= value <= maximum:
        raise invalid_argument(f"{option} must be from {minimum} to {maximum}, not {value}")
