# SPDX-License-Identifier: GPL-3.0-or-later
"""Both clouds' APIs as plain calls, for the sandbox's own tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import requests

from sandbox import SandboxHandle

REQUEST_TIMEOUT = 10


class Api:
    """A cloud's API with valid credentials."""

    def __init__(self, sandbox: SandboxHandle) -> None:
        self._box = sandbox
        self.session = requests.Session()

    def until(self, condition: Callable[[], Any], step: float = 30.0) -> Any:
        """Return the condition's first true value, advancing sandbox time by `step` seconds per poll."""
        for _attempt in range(300):
            if value := condition():
                return value
            self._box.admin.advance(step)
            time.sleep(0.01)
        raise AssertionError("it did not come true in time")


class VpsOrgCalls(Api):
    def call(self, method: str, path: str, token: str | None = None, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token or self._box.vpsorg_token}", **more.pop("headers", {})}
        return self.session.request(method, self._box.vpsorg_url + path, headers=headers, allow_redirects=False,
                                    **{"timeout": REQUEST_TIMEOUT, **more})

    def snapshot(self, name: str = "s", server: int = 12345) -> dict[str, Any]:
        """A completed one."""
        response = self.call("POST", "/snapshots/", json={"server_id": server, "name": name})
        assert response.status_code == 201, response.text
        return self.until(lambda: next((row for row in self.call("GET", "/snapshots/").json()["results"]
                                        if row["id"] == response.json()["id"] and row["status"] == "completed"), None))

    def status(self, server: int = 12345) -> str:
        return self.call("GET", f"/servers/{server}/").json()["status"]


class IlkbyteCalls(Api):
    def call(self, path: str, timeout: float | tuple[float, float] = REQUEST_TIMEOUT, **parameters: Any) -> requests.Response:
        keys = {"access": self._box.ilkbyte_access_key, "secret": self._box.ilkbyte_secret_key}
        return self.session.get(self._box.ilkbyte_url + path, params={**keys, **parameters}, allow_redirects=False, timeout=timeout)

    def manage(self, path: str, server: str = "app1", **parameters: Any) -> dict[str, Any]:
        return self.call(f"/server/manage/{server}{path}", **parameters).json()

    def snapshots(self, server: str = "app1") -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.manage("/snapshot", server)["data"]["snapshots"]}

    def status(self, server: str = "app1") -> str:
        return self.manage("/show", server)["data"]["status"]


def soon(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """The condition's first true value, or its last when time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return value
