# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of schedules, and rejected options."""

from __future__ import annotations

import fnmatch
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.rewind.vps.plugins.filter.schedule_plan import TIMESTAMP_FORMAT, schedule_plan

OPTIONS = {"name": "nightly", "method": "auto", "state": "present", "every_days": 1, "hour": 3, "minute": 0, "timezone": "", "retain_count": ""}


def vpsorg(**options):
    return schedule_plan({**OPTIONS, "provider": "vpsorg", "server": "web1", **options})


def ilkbyte(**options):
    return schedule_plan({**OPTIONS, "provider": "ilkbyte", "server": "app1", **options})


def test_method():
    assert vpsorg()["method"] == "runner" and ilkbyte()["method"] == "cloud"
    assert ilkbyte(method="systemd")["method"] == ilkbyte(method="cron")["method"] == "runner"


@pytest.mark.parametrize(("zone", "hour", "at"), [("", 3, 3), ("Europe/Istanbul", 3, 3), ("UTC", 3, 6), ("UTC", 22, 1)])
def test_the_time_zone_of_the_provider(zone, hour, at):
    assert ilkbyte(timezone=zone, hour=hour, minute=7, every_days="2")["provider_schedule"] == {"day": 2, "hour": at, "minute": 7}


@pytest.mark.parametrize("plan", [vpsorg(), ilkbyte(method="systemd")], ids=["vpsorg", "ilkbyte"])
def test_the_pattern_matches_the_snapshots_of_the_schedule_only(plan):
    job = plan["job"]
    timestamps = [datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=7919 * step) for step in range(3000)]
    assert all(fnmatch.fnmatchcase(job["prefix"] + timestamp.strftime(TIMESTAMP_FORMAT), job["match"]) for timestamp in timestamps)
    for other in ("nightly", "nightly-before", "nightly-202601010300x", "xnightly-202601010300", "nightly-20260101", "weekly-202601010300",
                  "nightly-2-202601010300"):
        assert not fnmatch.fnmatchcase(other, job["match"])


@pytest.mark.parametrize(("plan", "text"), [
    (vpsorg(method="cloud"), "has no schedules"), (vpsorg(retain_count=5), "allows 5 snapshots"),
    (vpsorg(method="cron", timezone="UTC"), "the time zone of its host"), (ilkbyte(retain_count=2), "cannot keep 2"),
    (ilkbyte(timezone="Europe/Berlin"), "use the time zone Europe/Istanbul"), (ilkbyte(name="night-ly"), "letters and digits"),
    (vpsorg(name="a b"), "snapshot_schedule_name"), (vpsorg(name="n" * 65), "at most 64"), (vpsorg(name="nightly\n"), "snapshot_schedule_name"),
    (vpsorg(server=" "), "is empty"), (vpsorg(server="a{{ b }}"), "template"), (vpsorg(server="a\x1b[2J"), "unprintable"),
    (vpsorg(every_days=0), "from 1 to 365"), (vpsorg(hour=24), "from 0 to 23"), (vpsorg(minute="-1"), "from 0 to 59"), (vpsorg(hour=3.5), "hour"),
    (ilkbyte(proxy="http://p:1"), "snapshot_schedule_proxy has no effect"), (ilkbyte(on_failure="a@b.org"), "snapshot_schedule_on_failure"),
    (vpsorg(method="cron", on_failure="x.service"), "cannot start"), (vpsorg(on_failure="a\nb"), "one line"), (vpsorg(account="{{ x }}"), "template"),
    (vpsorg(timezone="UTC; reboot"), "snapshot_schedule_timezone"), (vpsorg(method="at"), "must be one of"),
    (schedule_plan({**OPTIONS, "provider": "elsewhere", "server": "a"}), "snapshot_schedule_provider"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_rejected(plan, text):
    assert list(plan) == ["error"] and text in plan["error"] and "Nothing was changed" in plan["error"]


@pytest.mark.parametrize("url", ["https://[::1", "https://a.org:port", "https://a.org:99999", "none"])
def test_what_is_no_url_is_left_to_the_modules_whose_message_names_it(url):
    assert vpsorg(api_url=url)["error"] == "" and ilkbyte(api_url=url)["error"] == ""


def test_the_job_and_the_time_of_a_runner():
    assert vpsorg()["job"]["prefix"] == "nightly-" and ilkbyte(method="cron")["job"]["prefix"] == "nightly"
    assert [vpsorg(every_days=days)["job"]["skip_if_newer_than"] for days in (1, 3, 365)] == ["2h", "50h", "8738h"]
    assert vpsorg(hour="4", minute=5)["on_calendar"] == "*-*-* 04:05:00"
    assert vpsorg(timezone="Europe/Istanbul")["on_calendar"] == "*-*-* 03:00:00 Europe/Istanbul"
    assert vpsorg()["job"]["count"] == 3 and vpsorg(retain_count="4")["job"]["count"] == 4
    assert ilkbyte(method="cron", retain_count=30)["job"]["count"] == 30 and "provider_schedule" in ilkbyte(retain_count=1)


def test_absent_needs_no_times():
    assert vpsorg(state="absent", hour="what") == {
        "error": "", "method": "runner", "state": "absent", "provider": "vpsorg", "server": "web1", "name": "nightly", "account": "",
        "address": "admin.vps.org", "address_given": False, "file_stem": "rewind-snapshot-vpsorg-web1",
    }


@pytest.mark.parametrize(("value", "kind"), [
    ("ops@example.org", "mail"), ("alert.service", "unit"), ("notify@%n.service", "unit"), ("notify@ops.service", "unit"),
    ("/usr/local/bin/alert --to ops@example.org", "command"), ("logger failed", "command"),
])
def test_what_a_failure_starts(value, kind):
    assert vpsorg(on_failure=value)["on_failure"] == {"unit": "", "mail": "", "command": "", kind: value}


def test_a_proxy_and_its_password():
    assert vpsorg(proxy="http://u:p@proxy:3128")["proxy"] == "http://u:p@proxy:3128" and vpsorg()["proxy"] == ""
    for wrong in ("proxy:3128", 'http://u:p$ecret"@proxy', "ftp://p$ecret", "http://p$ecret x"):
        error = vpsorg(proxy=wrong)["error"]
        assert "snapshot_schedule_proxy must be a URL" in error and "ecret" not in error
