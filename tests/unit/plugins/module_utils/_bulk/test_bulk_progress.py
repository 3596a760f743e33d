# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a bulk operation: each change once, many alike in one line, and a summary from time to time."""

from __future__ import annotations

from ansible_collections.rewind.vps.plugins.module_utils._bulk.progress import MAX_INDIVIDUAL_LINES, Progress
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import FIRST_PROGRESS_AFTER, PROGRESS_INTERVAL


class RecordedProgress:
    def __init__(self, total: int, expected: float = 100.0) -> None:
        self.now, self.lines = 0.0, []
        self.progress = Progress(self.lines.append, total, expected, lambda: self.now)

    def lines_at(self, now: float) -> list[str]:
        """Return the lines reported by then."""
        self.now, before = now, len(self.lines)
        self.progress.tick()
        return self.lines[before:]


def test_each_change_is_reported_once_and_many_alike_in_one_line():
    recorded = RecordedProgress(1000)
    recorded.progress.started("web1", "requested")
    assert recorded.lines_at(1.0) == []
    assert recorded.lines_at(2.5) == ["web1: requested"] and recorded.lines_at(5.0) == []
    for number in range(1000):
        recorded.progress.started(f"web{number}", "requested")
    assert recorded.lines_at(7.0) == ["web0, web1, web2 and 997 more: requested"]
    for number in range(MAX_INDIVIDUAL_LINES):
        recorded.progress.finished(f"web{number}", "done", failed=False)
    recorded.progress.finished("web9", None, failed=False)  # there was nothing to do
    recorded.progress.flush()
    recorded.progress.flush()
    assert recorded.lines[2:] == [f"web{number}: done" for number in range(MAX_INDIVIDUAL_LINES)]


def test_the_summary_has_what_is_done_pending_failed_the_slowest_and_the_time_left():
    recorded = RecordedProgress(5)
    recorded.now = 2.0
    recorded.progress.started("web1", "requested")
    recorded.now = 4.0
    recorded.progress.started("web2", "requested")
    recorded.progress.finished("web3", "done", failed=False)
    recorded.progress.finished("web4", "failed (busy, not_applied)", failed=True)
    (summary,) = [line for line in recorded.lines_at(FIRST_PROGRESS_AFTER + 2.0) if "pending" in line]
    assert summary == (
        "1 of 5 servers are done, 3 pending, 1 failed, after 12 s; slowest: web1 (10 s); about 92 s left"
    )
    assert not any("pending" in line for line in recorded.lines_at(FIRST_PROGRESS_AFTER + 2.0 + PROGRESS_INTERVAL - 1))
    (later,) = recorded.lines_at(200.0)
    assert later.endswith("longer than the provider's estimate")
