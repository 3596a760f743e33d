# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounded number of lines, whose turn it is, and batches that always open again."""

from __future__ import annotations

import threading

import pytest
from fleet_world import SOON, in_thread, until

from ansible_collections.rewind.vps.plugins.module_utils._bulk import connection_pool as lines_module
from ansible_collections.rewind.vps.plugins.module_utils._bulk.admission import Batches
from ansible_collections.rewind.vps.plugins.module_utils._bulk.connection_pool import Lines


class Calls:
    """Calls that last until the test lets them go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.inside = self.most = 0
        self._lock = threading.Lock()
        self._go = threading.Semaphore(0)

    def named(self, name: str):
        def call(provider):
            with self._lock:
                self.began.append(name)
                self.inside += 1
                self.most = max(self.most, self.inside)
            assert self._go.acquire(timeout=SOON)
            with self._lock:
                self.inside -= 1
            return provider
        return call

    def let(self, count: int) -> None:
        for _each in range(count):
            self._go.release()


def test_no_more_calls_at_once_than_there_are_lines():
    lines, calls = Lines(["a", "b", "c"]), Calls()
    threads = [in_thread(lambda: lines.ask(calls.named("x"))) for _number in range(12)]
    until(lambda: calls.inside == 3)
    calls.let(12)
    [thread.join(SOON) for thread in threads]
    assert calls.most == 3 and len(calls.began) == 12 and len(lines._free) == 3


def test_who_decides_comes_before_who_only_looks_again():
    lines, calls = Lines(["a"]), Calls()
    threads = [in_thread(lambda: lines.ask(calls.named("first")))]
    until(lambda: calls.began)
    for name, urgent in (("patient", False), ("urgent", True)):
        threads.append(in_thread(lambda name=name, urgent=urgent: lines.ask(calls.named(name), urgent)))
        until(lambda urgent=urgent: lines._urgent if urgent else lines._patient)
    calls.let(3)
    [thread.join(SOON) for thread in threads]
    assert calls.began == ["first", "urgent", "patient"]


def test_a_call_that_fails_gives_its_line_back():
    lines = Lines(["a"])

    def fail(provider):
        raise ValueError

    for _again in range(2):
        with pytest.raises(ValueError):
            lines.change(fail)
        with pytest.raises(ValueError):
            lines.list_all(fail)
    assert lines.ask(lambda provider: provider) == "a" and set(lines._under_way.values()) == {0}


def test_changes_wait_for_a_listing_of_the_account_and_only_for_a_while(monkeypatch):
    lines, calls = Lines(["a", "b"]), Calls()
    listing = in_thread(lambda: lines.list_all(calls.named("list")))
    until(lambda: calls.began)
    change = in_thread(lambda: lines.change(calls.named("change")))
    change.join(0.1)
    assert calls.began == ["list"]
    calls.let(2)
    listing.join(SOON), change.join(SOON)
    assert calls.began == ["list", "change"]

    monkeypatch.setattr(lines_module, "CALM_SECONDS", 0.05)
    listing = in_thread(lambda: lines.list_all(calls.named("endless")))
    until(lambda: len(calls.began) == 3)
    change = in_thread(lambda: lines.change(calls.named("all the same")))
    until(lambda: len(calls.began) == 4)
    calls.let(2)
    listing.join(SOON), change.join(SOON)


def test_a_listing_waits_for_changes_that_are_under_way():
    lines, calls = Lines(["a", "b"]), Calls()
    change = in_thread(lambda: lines.change(calls.named("change")))
    until(lambda: calls.began)
    listing = in_thread(lambda: lines.list_all(calls.named("list")))
    listing.join(0.1)
    assert calls.began == ["change"]
    calls.let(2)
    change.join(SOON), listing.join(SOON)
    assert calls.began == ["change", "list"]


class Inside:
    def __init__(self, batches: Batches) -> None:
        self._batches, self.entered, self.most, self.now = batches, 0, 0, 0
        self._lock, self._go = threading.Lock(), threading.Semaphore(0)

    def come(self) -> threading.Thread:
        def work() -> None:
            with self._batches.place():
                with self._lock:
                    self.entered, self.now = self.entered + 1, self.now + 1
                    self.most = max(self.most, self.now)
                assert self._go.acquire(timeout=SOON)
                with self._lock:
                    self.now -= 1
        return in_thread(work)

    def let(self, count: int) -> None:
        for _each in range(count):
            self._go.release()


def test_the_next_batch_is_let_in_when_few_are_left_of_the_last():
    inside = Inside(Batches(size=4, rest=1))
    threads = [inside.come() for _number in range(8)]
    until(lambda: inside.entered == 4)
    inside.let(2)
    until(lambda: inside.now == 2)
    assert inside.entered == 4
    inside.let(1)
    until(lambda: inside.entered == 7)  # one is left of the first four
    inside.let(5)
    [thread.join(SOON) for thread in threads]
    assert inside.entered == 8 and inside.most == 4


@pytest.mark.parametrize("width", [1, 2, 8])
def test_where_each_place_counts_there_are_never_more_inside(width):
    inside = Inside(Batches(width, width - 1))
    threads = [inside.come() for _number in range(3 * width)]
    inside.let(3 * width)
    [thread.join(SOON) for thread in threads]
    assert inside.most <= width and inside.entered == 3 * width


def test_a_batch_opens_again_though_those_inside_fail():
    batches = Batches(1, 0)
    for _again in range(3):
        with pytest.raises(ValueError), batches.place():
            raise ValueError
