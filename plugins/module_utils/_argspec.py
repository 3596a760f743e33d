# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Option groups that the modules, their action plugins and the inventory share, and checks of their values.

Options are checked in two steps, both before the first request. Ansible validates types, choices and rules. Then
`normalize_params` checks what a type cannot express, and so does `validate` of the module's file in `_module/`.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ._client_config import UnusableConfig, read_client_config
from ._errors import invalid_argument
from ._http.checks import is_loopback
from ._provider.registry import REGISTRY

if TYPE_CHECKING:
    from ._provider.base import ProviderEndpoint

PROVIDERS = tuple(REGISTRY)
REQUIRED_CREDENTIALS = {name: tuple(item.option for item in provider.endpoint.credentials) for name, provider in REGISTRY.items()}
CREDENTIAL_ENV_VARS = tuple(name for provider in REGISTRY.values() for item in provider.endpoint.credentials for name in item.env_vars)
PROVIDER_ENV_VARS = (*CREDENTIAL_ENV_VARS, *(provider.endpoint.url_env_var for provider in REGISTRY.values()))

SERVERS_RULE = ["server", "servers"]  # `server` takes one server; `servers` takes a list and changes the shape of the result
ALL = "all"
SECRET_OPTIONS = tuple(option for options in REQUIRED_CREDENTIALS.values() for option in options)
_CLIENT_CONFIGS = {item.option: provider.endpoint.client_config for provider in REGISTRY.values() for item in provider.endpoint.credentials}
_SECONDS_PER_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class ArgumentSpec:
    """Options and the rules between them, as Ansible's validators take them."""

    options: dict[str, dict[str, Any]]
    mutually_exclusive: list[list[str]] = field(default_factory=list)
    required_one_of: list[list[str]] = field(default_factory=list)
    required_if: list[list[Any]] = field(default_factory=list)

    def merge(self, *others: ArgumentSpec) -> ArgumentSpec:
        """Return a spec with the options and rules of all."""
        specs = (self, *others)
        return ArgumentSpec(
            {name: option for spec in specs for name, option in spec.options.items()},
            [rule for spec in specs for rule in spec.mutually_exclusive],
            [rule for spec in specs for rule in spec.required_one_of],
            [rule for spec in specs for rule in spec.required_if],
        )

    def to_kwargs(self) -> dict[str, Any]:
        """Return the arguments of `AnsibleModule` and `ArgumentSpecValidator`."""
        return {
            "argument_spec": self.options, "mutually_exclusive": self.mutually_exclusive, "required_one_of": self.required_one_of,
            "required_if": self.required_if,
        }


def _env_fallback(*names: str) -> str:
    # Not above: the guard of an upgrade has validated options, and starts a quarter faster without Ansible's validators.
    from ansible.module_utils.common.parameters import env_fallback

    return env_fallback(*names)


def _credential_fallback(option: str, *env_vars: str) -> str:
    """Return a credential of the environment or, if there is none, of the provider's own client."""
    from ansible.module_utils.errors import AnsibleFallbackNotFound

    found = next((os.environ[name] for name in env_vars if os.environ.get(name, "").strip()), None) or client_credential(option)
    if found is None:
        raise AnsibleFallbackNotFound
    return found


def client_credential(option: str) -> str | None:
    """Return a credential that the provider's own client has stored for this user; None if there is none that can be used."""
    path = _CLIENT_CONFIGS[option]
    try:
        return (read_client_config(path) or {}).get(option) if path else None
    except UnusableConfig:
        return None  # _require_credentials names the reason


def provider_spec() -> dict[str, dict[str, Any]]:
    """Return the options that select a provider and an account."""
    return {
        "provider": {"type": "str", "choices": list(PROVIDERS), "required": True, "fallback": (_env_fallback, ["REWIND_PROVIDER"])},
        **{
            item.option: {"type": "str", "no_log": True, "fallback": (functools.partial(_credential_fallback, item.option), list(item.env_vars))}
            for provider in REGISTRY.values() for item in provider.endpoint.credentials
        },
        "api_url": {"type": "str"},
        "api_timeout": {"type": "int"},  # the default depends on the request, see _http/client.py
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
    }


PROVIDER = ArgumentSpec(provider_spec())
SERVERS = ArgumentSpec(
    {"server": {"type": "str"}, "servers": {"type": "list", "elements": "str"}, "concurrency": {"type": "int", "default": 8}},
    mutually_exclusive=[SERVERS_RULE],
)


def wait_spec(default_timeout: int) -> ArgumentSpec:
    return ArgumentSpec({"wait": {"type": "bool", "default": True}, "wait_timeout": {"type": "int", "default": default_timeout}})


def normalize_params(parameters: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return validated parameters with trimmed credentials and a resolved `api_url`. The module's own options stay as they are.

    Raises:
        RewindError: `invalid_argument`, with the option and what it takes.
    """
    options = {**dict.fromkeys(SECRET_OPTIONS), **parameters}
    # Those of the other providers are not used, and may come from a file or variable that has nothing to do with this task.
    for secret in REQUIRED_CREDENTIALS[options["provider"]]:
        options[secret] = _normalize_credential(secret, options.get(secret))
    _require_credentials(options)
    options["api_url"] = _resolve_api_url(options, os.environ if environ is None else environ)
    if options["api_timeout"] is not None:
        require_range("api_timeout", options["api_timeout"], 1, 600)
    return options


def validate_servers(options: dict[str, Any], may_be_all: bool) -> None:
    """Check `server`, `servers` and `concurrency`.

    Args:
        may_be_all: Without a server, and with `servers: all`, the task is about the whole account. `servers` is None then.
    """
    if options["server"] is not None:
        require_non_empty("server", options["server"])
    options.setdefault("servers", None)
    if options["servers"] is not None:
        _normalize_servers(options, may_be_all)
    elif options["server"] is None and not may_be_all:  # given, and null
        raise invalid_argument("no server is given", "is a variable undefined or empty?")
    if "concurrency" in options:
        require_range("concurrency", options["concurrency"], 1, 64)


def _normalize_servers(options: dict[str, Any], may_be_all: bool) -> None:
    servers = list(dict.fromkeys(require_non_empty("servers", reference) for reference in options["servers"]))
    options["servers"] = servers
    if ALL in servers and may_be_all:
        if servers != [ALL]:
            raise invalid_argument(
                f"{ALL} means every server of the account, so it cannot be combined with other servers", "use it alone, or list the servers"
            )
        options["servers"] = None
    elif options.get("id") is not None and len(servers) > 1:
        raise invalid_argument(
            "id identifies a snapshot of one server, but several servers were given", "use name instead, or server for a single server"
        )


def validate_names(options: dict[str, Any], *names: str) -> None:
    """Check that these options are not empty if they are given."""
    for name in names:
        if options[name] is not None:
            require_non_empty(name, options[name])


def normalize_durations(options: dict[str, Any], *names: str) -> None:
    """Convert these options to seconds if they are given."""
    for name in names:
        if options[name] is not None:
            options[name] = parse_duration(name, options[name])


def validate_wait(options: dict[str, Any]) -> None:
    require_range("wait_timeout", options["wait_timeout"], 1, 86400)


def parse_duration(option: str, text: str) -> int:
    """Return the seconds of a duration such as `90`, `45m`, `12h`, `7d` or `1d12h`."""
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
            f"{option} contains characters that are invalid in a token or key (a space, a line break, a non-ASCII letter)",
            "check how it is read: a file with several lines, or text around the key?",
        )
    return value


def _require_credentials(options: dict[str, Any]) -> None:
    provider = REGISTRY[options["provider"]]
    required = provider.endpoint.credentials
    missing = [item.option for item in required if not options[item.option]]
    if missing:
        problem = "and none was given" if len(required) == 1 else f"not given: {', '.join(missing)}"
        raise invalid_argument(
            f"{provider.display_name} needs {' and '.join(item.description for item in required)}{',' if len(required) == 1 else ';'} {problem}"
            f"{_unused_client_config(provider.endpoint.client_config, missing)}",
            f"set {' and '.join(item.option for item in required)}, or {' and '.join(item.env_vars[0] for item in required)} "
            "in the environment where the task runs",
        )


def _unused_client_config(path: str | None, missing: list[str]) -> str:
    """Return a part of the message if the provider's own client has a file that was not used."""
    if path is None:
        return ""
    try:
        reason = None if read_client_config(path) is None else f"it contains no {' and no '.join(missing)}"
    except UnusableConfig as error:
        reason = str(error)
    return f"; {os.path.expanduser(path)} was not used: {reason}" if reason else ""


# A name or an address, and a port: every library reads the same host from it.
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Za-z:.%_-]+\])(:[0-9]*)?")


def _resolve_api_url(options: dict[str, Any], environ: Mapping[str, str]) -> str:
    """Return the API's base URL without a trailing slash. It uses https, except to this machine."""
    endpoint = REGISTRY[options["provider"]].endpoint
    source, url = "api_url", options.get("api_url")
    if not url:
        source, url = endpoint.url_env_var, environ.get(endpoint.url_env_var)
    if not url:
        source, url = f"api_url in {endpoint.client_config}", _client_api_url(endpoint, options)
    url = (url or endpoint.url).strip()
    expected = f"{source} must look like {endpoint.url}"
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        raise invalid_argument(f"{expected}; the given value is not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise invalid_argument(f"{expected}: it must start with https://")
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise invalid_argument(f"{expected}: it has no valid host")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise invalid_argument(f"{expected}: it must not contain a user name, ? or #", "use the options for credentials")
    if not _AUTHORITY.fullmatch(parts.netloc):
        raise invalid_argument(f"{expected}: it has no valid host")
    if parts.scheme == "http" and not is_loopback(url):
        raise invalid_argument(
            f"{source} uses http to {host}, which would send the credentials unprotected",
            "use https; plain http is only for this machine (localhost, 127.0.0.1, ::1)",
        )
    return complete_api_url(options["provider"], url)


def complete_api_url(provider: str, url: str) -> str:
    """Return a URL without a slash at its end, and with the path that the provider's own clients may leave out.

    Another path is that of a gateway, and stays as it is, and so does what is no URL.
    """
    url = url.strip().rstrip("/")
    try:
        optional_path, path = REGISTRY[provider].endpoint.optional_path, urlsplit(url).path
    except (KeyError, ValueError):
        return url
    return url + optional_path[len(path):] if optional_path.startswith(f"{path}/") else url


def _client_api_url(endpoint: ProviderEndpoint, options: dict[str, Any]) -> str | None:
    """Return the address that the provider's own client uses with this credential. The client always adds the path."""
    if endpoint.client_config is None:
        return None
    try:
        config = read_client_config(endpoint.client_config) or {}
    except UnusableConfig:
        return None
    if "api_url" not in config or any(config.get(item.option) != options[item.option] for item in endpoint.credentials):
        return None  # the address belongs to the client's own credentials
    url = config["api_url"].rstrip("/")
    return url if url.endswith(endpoint.optional_path) else url + endpoint.optional_path


def require_non_empty(option: str, value: str) -> str:
    if not value.strip():
        raise invalid_argument(f"{option} is empty", "is a variable undefined or empty?")
    return value


def require_range(option: str, value: int, minimum: int, maximum: int) -> None:
    if not minimum <= value <= maximum:
        raise invalid_argument(f"{option} must be from {minimum} to {maximum}, not {value}")
