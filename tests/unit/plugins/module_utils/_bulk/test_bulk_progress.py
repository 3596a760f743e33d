# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a bulk operation: each change once, many alike in one line, and a summary from time to time."""

from __future__ import annotations

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._bulk.progress import FIRST_SUMMARY_AFTER, MAX_INDIVIDUAL_LINES, SUMMARY_INTERVAL, Progress


class RecordedProgress:
    def __init__(self, total: int, expected: float = 100.0) -> None:
        self.now, self.lines = 0.0, []
        self.progress = Progress(self.lines.append, total, expected, lambda: self.now)

    def lines_at(self, now: float) -> list[str]:
        """Return the lines reported by then."""
        self.now, before = now, len(self.lines)
        self.progress.tick()
        return self.lines[before:]


def test_each_change_is_reported_once():
    recorded = RecordedProgress(2)
    recorded.progress.started("web1", "snapshot nightly requested")
    assert recorded.lines_at(1.0) == []
    assert recorded.lines_at(2.5) == ["web1: snapshot nightly requested"]
    assert recorded.lines_at(5.0) == []


def test_many_that_changed_alike_have_one_line():
    recorded = RecordedProgress(1000)
    for number in range(1000):
        recorded.progress.started(f"web{number}", "requested")
    assert recorded.lines_at(3.0) == ["web0, web1, web2 and 997 more: requested"]
    for number in range(MAX_INDIVIDUAL_LINES):
        recorded.progress.finished(f"web{number}", "done", failed=False)
    assert len(recorded.lines_at(6.0)) == MAX_INDIVIDUAL_LINES


def test_the_summary_has_what_is_done_pending_failed_the_slowest_and_the_time_left():
    recorded = RecordedProgress(5)
    recorded.now = 2.0
    recorded.progress.started("web1", "requested")
    recorded.now = 4.0
    recorded.progress.started("web2", "requested")
    recorded.progress.finished("web3", "done", failed=False)
    recorded.progress.finished("web4", "failed (busy, not_applied)", failed=True)
    (summary,) = [line for line in recorded.lines_at(FIRST_SUMMARY_AFTER + 2.0) if "pending" in line]
    assert summary == (
        "1 of 5 servers are done, 3 pending, 1 failed, after 12 s; slowest: web1 (10 s); about 92 s left"
    )
    assert not any("pending" in line for line in recorded.lines_at(FIRST_SUMMARY_AFTER + 2.0 + SUMMARY_INTERVAL - 1))
    (later,) = recorded.lines_at(200.0)
    assert later.endswith("longer than the provider's estimate")


def test_an_hour_is_no_more_than_a_line_each_half_minute():
    recorded = RecordedProgress(1)
    recorded.progress.started("web1", "requested")
    lines = [line for second in range(1, 14400) for line in recorded.lines_at(second / 4)]
    assert len(lines) <= 2 + 3600 / SUMMARY_INTERVAL


def test_servers_for_which_there_was_nothing_to_do_have_no_line():
    recorded = RecordedProgress(2)
    recorded.progress.finished("web1", None, failed=False)
    recorded.progress.flush()
    assert recorded.lines == []


@pytest.mark.parametrize("last", [True, False])
def test_nothing_is_lost_at_the_end(last):
    recorded = RecordedProgress(1)
    recorded.progress.started("web1", "requested")
    recorded.progress.finished("web1", "done" if last else None, failed=False)
    recorded.progress.flush()
    recorded.progress.flush()
    assert recorded.lines == ["web1: requested", "web1: done"][:1 + last]
