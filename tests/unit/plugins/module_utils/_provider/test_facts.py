# SPDX-License-Identifier: GPL-3.0-or-later
"""Option checks and a provider's facts need no HTTP library; requests carry the credentials as the provider requires."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY

PLUGINS = "ansible_collections.rewind.vps.plugins"
HTTP = ("requests", "urllib3", "http.client", f"{PLUGINS}.module_utils._http.client", f"{PLUGINS}.module_utils._http.session")
OPTIONS = {"api_url": "https://cloud.test", "api_token": "token", "access_key": "access", "secret_key": "secret", "verify": True, "api_timeout": 5}


def loaded_by(statement: str) -> list[str]:
    """The HTTP libraries and files that a fresh Python has loaded after this statement."""
    program = f"import sys\nsys.path[:] = {sys.path!r}\n{statement}\nprint([name for name in {HTTP!r} if name in sys.modules])"
    return eval(subprocess.check_output([sys.executable, "-c", program], text=True))  # noqa: S307


@pytest.mark.parametrize("module", ["module_utils._argspec", "filter.schedule_plan", "module_utils._provider.registry"])
def test_facts_are_imported_without_http(module: str) -> None:
    assert loaded_by(f"import {PLUGINS}.{module}") == []


def test_an_import_of_http_is_noticed() -> None:
    connecting = f"from {PLUGINS}.module_utils._provider.registry import connect\nconnect({{**{OPTIONS!r}, 'provider': 'vpsorg'}})"
    assert loaded_by(connecting) == list(HTTP)


def test_every_provider_declares_where_requests_carry_its_credentials() -> None:
    for provider in REGISTRY.values():
        assert all(bool(item.header) != bool(item.query) for item in provider.endpoint.credentials)
