# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider and its simulated provider in the sandbox, seen from both sides.

`FACTS` has what a test must know about a provider, for example the names of its servers. A new provider needs an entry
there, and all tests then apply to it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from unittest import mock

from example_sandbox import provider_module
from examplecloud.sandbox_side import KEY as EXAMPLE_KEY
from examplecloud.sandbox_side import READ_ONLY_KEY

from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Provider, Server, Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY, connect
from sandbox import SandboxHandle

MAX_WAIT = 20.0  # how long disks may take to be copied on a busy machine
IDLE_SECONDS = 2000.0  # sandbox seconds after which everything that was started is finished


@dataclass(frozen=True)
class ProviderFacts:
    """The names that the sandbox uses for one provider."""

    server_name: str
    other_name: str
    new_name: str
    running: str  # its power states, as the sandbox's admin API takes them
    stopped: str
    pages: bool = True  # whether its list of servers comes in pages


FACTS = {
    "vpsorg": ProviderFacts("web1", "web2", "web3", "active", "stopped"),
    "ilkbyte": ProviderFacts("app1", "app2", "app3", "running", "shut off"),
    "examplecloud": ProviderFacts("box1", "box2", "box3", "active", "stopped", pages=False),
}
# By name: the real ones, and the one of docs/adding-a-cloud.md.
PROVIDERS = {**REGISTRY, "examplecloud": provider_module().ExampleCloud}


class SimulatedProvider:
    """One simulated provider of the sandbox."""

    def __init__(self, name: str, sandbox: SandboxHandle) -> None:
        self.name = name
        self.sandbox = sandbox
        self.admin = sandbox.admin
        self.facts = FACTS[name]
        self.sleeps: list[float] = []
        self.provider = self.connect()

    def connect(self, **options: Any) -> Provider:
        """Return a provider with valid credentials, unless the options say otherwise."""
        with mock.patch.dict(REGISTRY, PROVIDERS):
            provider = connect({
                "provider": self.name, "api_url": getattr(self.sandbox, f"{self.name}_url"), **self._credentials(),
                "verify": self.sandbox.ca_path or True, "api_timeout": 10, **options,
            })
        provider._api._sleep = self.sleeps.append  # no wait between attempts
        return provider

    def _credentials(self) -> dict[str, str]:
        if self.name == "examplecloud":
            return {"example_key": EXAMPLE_KEY}
        return {"api_token": self.sandbox.vpsorg_token, "access_key": self.sandbox.ilkbyte_access_key, "secret_key": self.sandbox.ilkbyte_secret_key}

    def wrong_credentials(self) -> Provider:
        """Return a provider with unknown credentials."""
        return self.connect(api_token="vps_wrong0123456789", secret_key="wrong0123456789", example_key="example_wrong0123456789")

    def credentials_without_rights(self) -> Provider:
        """Return a provider whose credentials are known and permit no change."""
        if self.name == "vpsorg":
            self.admin.add_credentials(vpsorg_token={"token": "vps_readonly0123456789", "permissions": ["servers:read"]})
            return self.connect(api_token="vps_readonly0123456789")
        if self.name == "examplecloud":
            return self.connect(example_key=READ_ONLY_KEY)
        key = {"access_key": "bastiononly0123456789", "secret_key": "bastionsecret0123456789", "allowed_ips": ["203.0.113.7"]}
        self.admin.add_credentials(ilkbyte_key=key)
        return self.connect(access_key=key["access_key"], secret_key=key["secret_key"])

    # --- what is there

    def server(self) -> Server:
        """The first server, as the provider finds it."""
        return self.provider.get_server(self.facts.server_name)

    def listed(self) -> list[Snapshot]:
        """The first server's snapshots, as the provider lists them."""
        return self.provider.list_snapshots(self.server())

    def add_snapshot(self, name: str = "nightly", server: str | None = None, **fields: Any) -> Snapshot:
        """Add a finished snapshot through the sandbox's admin API, and return it as the provider lists it."""
        server = server or self.facts.server_name
        self.admin.add_snapshot(self.name, server, name, **fields)
        listed = self.provider.list_snapshots(self.provider.get_server(server))
        found = max((item for item in listed if item.name == name), key=lambda item: item.id)
        self.admin.clear_request_log()
        return found

    def finish(self, event: str) -> None:
        """Let running operations finish, and wait until the sandbox has recorded this event once more."""
        before = self.events().count(event)
        self.admin.advance(IDLE_SECONDS)
        deadline = time.monotonic() + MAX_WAIT
        while self.events().count(event) == before:
            assert time.monotonic() < deadline, f"no {event} came: {self.events()}"
            time.sleep(0.01)

    # --- what was sent

    def requests(self, changing: bool | None = None) -> list[tuple[str, str]]:
        """Method and path of the requests so far."""
        return [(row["method"], row["path"]) for row in self.admin.requests(changing=changing, cloud=self.name)]

    def events(self) -> list[str]:
        """The events behind the provider's API so far."""
        return [row["event"] for row in self.admin.events(cloud=self.name)]
