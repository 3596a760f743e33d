# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks for the two providers, with credentials, and the sandbox calls that set up their initial state."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from support.playbook_runner import Call, TaskCase

if TYPE_CHECKING:
    from sandbox import AdminClient, SandboxHandle

SPEED = 100.0  # sandbox seconds in a real one
CLOUDS = ("vpsorg", "ilkbyte")
SERVER = {"vpsorg": "web1", "ilkbyte": "app1"}
SECOND = {"vpsorg": "web2", "ilkbyte": "app2"}
SERVER_ID = {"vpsorg": "12345", "ilkbyte": "app1"}  # its id in results

# Real seconds of each operation: finished at the second poll, 0.4 s after the first.
SHORT = 0.3
DURATIONS = (
    "vpsorg.snapshots.create", "vpsorg.snapshots.restore", "vpsorg.servers.power.start", "vpsorg.servers.power.stop",
    "ilkbyte.snapshots.create", "ilkbyte.snapshots.update", "ilkbyte.snapshots.restore", "ilkbyte.servers.power.start",
    "ilkbyte.servers.power.shutdown",
)


def set_durations(seconds: float, *operations: str) -> Call:
    """Set how many real seconds operations take."""
    return ("settings", {"seconds": {operation: seconds * SPEED for operation in operations}})


RESET_CALLS: tuple[Call, ...] = (("reset", {}), set_durations(SHORT, *DURATIONS), set_durations(0.05, "ilkbyte.snapshots.delete"))


def apply_calls(admin: AdminClient, *calls: Call) -> None:
    """Make the calls now, not before a task."""
    for name, arguments in calls:
        getattr(admin, name)(**arguments)


def add_snapshot(cloud: str, name: str, **fields: Any) -> Call:
    """Add a snapshot to the provider's first server."""
    return ("add_snapshot", {"cloud": cloud, "server": SERVER[cloud], "name": name, **fields})


def fault(kind: str, **details: Any) -> Call:
    """A rule of the sandbox's fault table."""
    return ("fault", {"kind": kind, **details})


def ago(**time: float) -> str:
    """A time in the past, as the admin API takes it (`days=3`)."""
    return (datetime.now(timezone.utc) - timedelta(**time)).isoformat(timespec="seconds")


def unscheduled_hour() -> int:
    """An hour at which no schedule runs during a test."""
    return (datetime.now(timezone(timedelta(hours=3))).hour + 12) % 24


def provider_options(sandbox: SandboxHandle, cloud: str) -> dict[str, Any]:
    """The options with a provider's address and credentials."""
    if cloud == "vpsorg":
        return {"provider": cloud, "api_token": sandbox.vpsorg_token, "api_url": sandbox.vpsorg_url}
    return {"provider": cloud, "access_key": sandbox.ilkbyte_access_key, "secret_key": sandbox.ilkbyte_secret_key,
            "api_url": sandbox.ilkbyte_url}


def credentials_environment(sandbox: SandboxHandle) -> dict[str, str]:
    """Both providers' credentials and addresses as environment variables."""
    return {
        "VPS_API_TOKEN": sandbox.vpsorg_token, "VPS_API_URL": sandbox.vpsorg_url, "ILKBYTE_ACCESS_KEY": sandbox.ilkbyte_access_key,
        "ILKBYTE_SECRET_KEY": sandbox.ilkbyte_secret_key, "ILKBYTE_HOST": sandbox.ilkbyte_url,
    }


class TaskFactory:
    """Makes tasks for one provider.

    `tasks("snapshot", name="one")` is a task of `rewind.vps.snapshot` for the provider's first server.
    """

    def __init__(self, sandbox: SandboxHandle, cloud: str) -> None:
        self._provider_options = provider_options(sandbox, cloud)
        self.cloud = cloud
        self.server = SERVER[cloud]
        self._count = 0

    def __call__(self, module: str, *setup: Call, step: str | None = None, keywords: dict[str, Any] | None = None,
                 **options: Any) -> TaskCase:
        """Make a task with this setup, name (`step`) and keywords. An option of value None is left out."""
        self._count += 1
        all_options = {**self._provider_options, "server": self.server, **options}
        all_options = {name: value for name, value in all_options.items() if value is not None}
        name = step or f"{self.cloud} {self._count} {module}"
        return TaskCase(name, {f"rewind.vps.{module}": all_options, **(keywords or {})}, setup)
