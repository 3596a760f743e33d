# SPDX-License-Identifier: GPL-3.0-or-later
"""Data for tests of the report, as it is read from providers and run records.

    python tests/unit/plugins/plugin_utils/_report/report_builders.py FEW.html MANY.html

writes two example pages. The collection must be importable: installed, or linked from the checkout (tests/conftest.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)
MINUTE, HOUR, DAY = 60, 3600, 86400


def iso(timestamp: datetime) -> str:
    return timestamp.isoformat(timespec="seconds").replace("+00:00", "Z")


def snapshot(name: str, age: float | None, server: str = "12345", **fields: Any) -> dict[str, Any]:
    """Return one as snapshot_info does."""
    created_at = None if age is None else iso(NOW - timedelta(seconds=age))
    return {
        "id": f"8{abs(hash(name)) % 1000:03}", "name": name, "server": {"id": server, "name": None}, "status": "ready", "provider_status": "ready",
        "size_mb": 2048, "created_at": created_at, "description": None, "current": None, "parent": None, "power_state": None, "schedule": None,
        "age_seconds": None if age is None else int(age), **fields,
    }


def schedule(day: int | None = 1, next_in: float | None = 14 * HOUR, hour: int | None = 2, minute: int | None = 3) -> dict[str, Any]:
    after = None if next_in is None else iso(NOW + timedelta(seconds=next_in))
    return {"day": day, "hour": hour, "minute": minute, "last_run": None, "next_run": after}


def server(id_: str = "12345", name: str | None = "web1", **fields: Any) -> dict[str, Any]:
    """Return one as server_info does."""
    return {"id": id_, "name": name, "power_state": "running", "task_state": None, "address": "203.0.113.10", **fields}


def account(servers: list[dict[str, Any]] | None, snapshots: list[dict[str, Any]] | None, **fields: Any) -> dict[str, Any]:
    """Return one as read_account does."""
    return {
        "label": "VPS.org", "provider": "vpsorg", "api_url": "https://cloud.example", "limit": 5, "expected_seconds": 600.0,
        "servers": servers, "snapshots": snapshots, "unlisted": [], "error": None, **fields,
    }


def upgrade(outcome: str, age: float = DAY, host: str = "web1", server_id: str = "12345", **fields: Any) -> dict[str, Any]:
    """Return one as read_upgrades does."""
    started = NOW - timedelta(seconds=age)
    run_id = started.strftime("%Y%m%dT%H%M%SZ") + "ab12"
    return {
        "run_id": run_id, "run_record": f"/home/ops/.local/state/rewind.vps/vpsorg-{server_id}-1a2b3c4d/{run_id}/run.json", "last": True,
        "outcome": outcome, "host": host, "provider_name": "VPS.org", "provider": "vpsorg", "api_url": "https://cloud.example",
        "server": {"id": server_id, "name": host}, "snapshot": f"rewind{run_id}", "started_at": iso(started), "seconds": 312.0,
        "message": None, "reason": None, "verification": [], "changes": None, **fields,
    }


def unreadable(**fields: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("host", "provider_name", "provider", "api_url", "server", "snapshot", "seconds", "message", "reason"))
    return {**upgrade("unreadable"), **nothing, "verification": [], **fields}


def gathered(*accounts: dict[str, Any], runs: list[dict[str, Any]] | None = None, omitted: int = 0, error: str | None = None) -> dict[str, Any]:
    """Return the input of render()."""
    return {"made_at": iso(NOW), "accounts": list(accounts), "upgrades": {"runs": runs or [], "omitted": omitted, "error": error}}


def few() -> dict[str, Any]:
    """Return six servers at two providers, with every kind of finding."""
    shop = [
        snapshot("before-php8", 62 * DAY, description="before the shop moved to PHP 8.3", size_mb=10752),
        snapshot("preupgrade-20260612", 19 * DAY, size_mb=11059), snapshot("preupgrade-20260624", 7 * DAY, size_mb=11264),
        snapshot("rewind20260630T031502Zk2m9", DAY + 9 * HOUR, size_mb=11264),
        snapshot("before-redis", 3 * HOUR, size_mb=11366, description="by Ayşe"),
    ]
    api = [snapshot("preupgrade-20260630", DAY, "12346", size_mb=4096),
           snapshot("before-kernel", 8 * MINUTE, "12346", status="pending", provider_status="pending", size_mb=None)]
    mail = [snapshot("weekly", 5 * DAY, "12347", status="failed", provider_status="error", size_mb=None),
            snapshot("rewind20260629T020000Zp4x7", 2 * DAY, "12347", size_mb=7373)]
    ilkbyte = {"size_mb": None, "provider_status": None, "description": None}
    app = [
        snapshot("nightly", 10 * HOUR, "app1", current=True, schedule=schedule(), **ilkbyte),
        snapshot("base", 140 * DAY, "app1", current=False, **ilkbyte),
        snapshot("preupgrade", 4 * DAY, "app1", current=False, parent="base", **ilkbyte),
    ]
    data = [snapshot("weekly", 9 * DAY, "db1", current=True, schedule=schedule(7, -2 * DAY, 4, 30), **ilkbyte)]
    for item in app + data:
        item["id"] = item["name"]
    return gathered(
        account([server("12345", "shop1"), server("12346", "api1", address="203.0.113.11"), server("12347", "mail1", address="203.0.113.12"),
                 server("12348", "staging", power_state="stopped", address="203.0.113.13")], newest(shop + api + mail), label="VPS.org production"),
        account([server("app1", "app1", address="198.51.100.7"), server("db1", "db1", address="198.51.100.8")], newest(app + data),
                label="Ilkbyte", provider="ilkbyte", limit=None, api_url="https://ilkbyte.example", expected_seconds=120.0),
        runs=[
            upgrade("upgraded", 33 * HOUR, "shop1", message="the upgrade is confirmed", seconds=402),
            upgrade("rolled_back", 2 * DAY, "mail1", "12347", seconds=731, message="the server is as it was before the upgrade",
                    reason="Check that mail is accepted: Timeout when waiting for 127.0.0.1:25",
                    verification=[{"check": what, "result": "passed", "detail": ""} for what in ("cloud", "marker", "boot", "files")]),
            upgrade("rollback_failed", 3 * DAY, "api1", "12346", seconds=1815, reason="Install the new API: non-zero return code",
                    message="the marker is still on the server, so it was not restored",
                    verification=[{"check": "marker", "result": "failed", "detail": ""}, {"check": "boot", "result": "inconclusive", "detail": ""}]),
            unreadable(),
            upgrade("upgraded", 12 * DAY, "app1", "app1", provider_name="Ilkbyte", provider="ilkbyte", api_url="https://ilkbyte.example", seconds=188,
                    message="the upgrade is confirmed"),
        ], omitted=14,
    )


def many(count: int = 500) -> dict[str, Any]:
    """Return that many servers of one account, every fifth without a snapshot."""
    servers = [server(str(number), f"web{number}") for number in range(count)]
    snapshots = [snapshot(f"preupgrade{index}", index * DAY + number * MINUTE, str(number))
                 for number in range(count) for index in range(number % 5)]
    return gathered(account(servers, newest(snapshots)), runs=[upgrade("upgraded", DAY * (1 + n / 5), f"web{n}", str(n)) for n in range(50)])


def newest(snapshots: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(snapshots, key=lambda item: item["age_seconds"])
