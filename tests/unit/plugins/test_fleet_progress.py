# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a fleet: each change once, many alike in one line, and now and then how far it is."""

from __future__ import annotations

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._bulk.progress import EACH_UP_TO, FIRST_SUMMARY_AFTER, SUMMARY_EVERY, Progress


class Watched:
    def __init__(self, total: int, expected: float = 100.0) -> None:
        self.now, self.lines = 0.0, []
        self.progress = Progress(self.lines.append, total, expected, lambda: self.now)

    def at(self, now: float) -> list[str]:
        """What is told by then."""
        self.now, before = now, len(self.lines)
        self.progress.tick()
        return self.lines[before:]


def test_each_change_is_told_once():
    watched = Watched(2)
    watched.progress.changed("web1", "snapshot nightly is asked for")
    assert watched.at(1.0) == []
    assert watched.at(2.5) == ["web1: snapshot nightly is asked for"]
    assert watched.at(5.0) == []


def test_many_that_changed_alike_have_one_line():
    watched = Watched(1000)
    for number in range(1000):
        watched.progress.changed(f"web{number}", "asked for")
    assert watched.at(3.0) == ["web0, web1, web2 and 997 more: asked for"]
    for number in range(EACH_UP_TO):
        watched.progress.over(f"web{number}", "done", failed=False)
    assert len(watched.at(6.0)) == EACH_UP_TO


def test_the_summary_has_what_is_done_pending_failed_the_slowest_and_the_time_left():
    watched = Watched(5)
    watched.now = 2.0
    watched.progress.changed("web1", "asked for")
    watched.now = 4.0
    watched.progress.changed("web2", "asked for")
    watched.progress.over("web3", "done", failed=False)
    watched.progress.over("web4", "failed (busy, not_applied)", failed=True)
    (summary,) = [line for line in watched.at(FIRST_SUMMARY_AFTER + 2.0) if "pending" in line]
    assert summary == (
        "1 of 5 servers are done, 3 pending, 1 failed, after 12 s; slowest: web1 (10 s); some 92 s left by what the cloud says it takes"
    )
    assert not any("pending" in line for line in watched.at(FIRST_SUMMARY_AFTER + 2.0 + SUMMARY_EVERY - 1))
    (later,) = watched.at(200.0)
    assert later.endswith("longer than the cloud says it takes")


def test_an_hour_is_no_more_than_a_line_each_half_minute():
    watched = Watched(1)
    watched.progress.changed("web1", "asked for")
    told = [line for second in range(1, 14400) for line in watched.at(second / 4)]
    assert len(told) <= 2 + 3600 / SUMMARY_EVERY


def test_servers_for_which_there_was_nothing_to_do_have_no_line():
    watched = Watched(2)
    watched.progress.over("web1", None, failed=False)
    watched.progress.flush()
    assert watched.lines == []


@pytest.mark.parametrize("last", [True, False])
def test_nothing_is_lost_at_the_end(last):
    watched = Watched(1)
    watched.progress.changed("web1", "asked for")
    watched.progress.over("web1", "done" if last else None, failed=False)
    watched.progress.flush()
    watched.progress.flush()
    assert watched.lines == ["web1: asked for", "web1: done"][:1 + last]
