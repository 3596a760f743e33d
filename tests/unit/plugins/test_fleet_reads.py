# SPDX-License-Identifier: GPL-3.0-or-later
"""One reading serves all who want to know the same, and nobody is told what was read before the question."""

from __future__ import annotations

import threading
import time
from time import monotonic

import pytest
from fleet_world import SOON, Line, World, in_thread, until

from ansible_collections.rewind.vps.plugins.module_utils._bulk import coalescing
from ansible_collections.rewind.vps.plugins.module_utils._bulk.coalescing import SharedRead
from ansible_collections.rewind.vps.plugins.module_utils._bulk.connection_pool import ConnectionPool
from ansible_collections.rewind.vps.plugins.module_utils._bulk.shared_provider import Member, SharedReads
from ansible_collections.rewind.vps.plugins.module_utils._errors import INVALID_RESPONSE, UNREACHABLE, RewindError

MANY = 20


class Reader:
    """A reading whose begin and end a test decides."""

    def __init__(self, requests: int = 1, seconds: float = 0.0) -> None:
        self.requests, self.seconds, self.count = requests, seconds, 0
        self.may_end = threading.Event()
        self.may_end.set()
        self.error: BaseException | None = None

    def __call__(self) -> tuple[int, int, float]:
        self.count += 1
        found = self.count
        assert self.may_end.wait(SOON)
        if self.error is not None:
            raise self.error
        return found, self.requests, self.seconds


def ask(shared: SharedRead, askers: int, urgent: bool = True) -> list:
    """So many at once; what each was told."""
    told: list = [None] * askers

    def one(number: int) -> None:
        try:
            told[number] = shared.get(monotonic(), urgent)
        except Exception as error:
            told[number] = error

    threads = [in_thread(lambda number=number: one(number)) for number in range(askers)]
    for thread in threads:
        thread.join(SOON)
    return told


def test_all_who_ask_at_once_are_answered_by_one_reading():
    reader = Reader()
    rounds = ask(SharedRead(reader), MANY)
    assert {round_.found for round_ in rounds} == {1} and reader.count == 1


def test_who_asks_while_a_reading_is_under_way_is_not_answered_by_it():
    reader = Reader()
    shared = SharedRead(reader)
    reader.may_end.clear()
    early = in_thread(lambda: ask(shared, 2))
    until(lambda: reader.count == 1)
    asked_at, late = monotonic(), []
    later = in_thread(lambda: late.append(shared.get(asked_at, True)))
    time.sleep(0.05)
    reader.may_end.set()
    early.join(SOON), later.join(SOON)
    assert late[0].found == 2 and late[0].began > asked_at


def test_a_reading_that_began_after_the_question_serves_without_another():
    reader = Reader()
    shared = SharedRead(reader)
    before = monotonic()
    ask(shared, 2)
    assert shared.get(before, True).found == 1 and reader.count == 1
    assert shared.has(before) and not shared.has(monotonic())


def test_who_waits_is_woken_by_a_reading_of_others():
    shared = SharedRead(Reader())
    since, woken = monotonic(), threading.Event()
    in_thread(lambda: (shared.wait(since, SOON), woken.set()))
    until(lambda: shared._waiting == 1)
    ask(shared, 2)
    assert woken.wait(SOON / 2) and shared._waiting == 0


def test_who_waits_for_a_newer_reading_does_not_miss_one_that_came_just_before():
    shared = SharedRead(Reader())
    since = monotonic()
    ask(shared, 2)
    began = time.monotonic()
    shared.wait(since, SOON)
    assert time.monotonic() - began < SOON / 2


def test_one_straggler_does_not_read_a_hundred_pages():
    reader = Reader(requests=100)
    shared = SharedRead(reader)
    assert ask(shared, 2)[0].found == 1  # nobody knew how long it is
    assert shared.get(monotonic(), True).alone and reader.count == 1


def test_those_who_wait_count_when_it_is_decided_whether_a_reading_pays():
    reader = Reader(requests=3)
    shared = SharedRead(reader)
    ask(shared, 2)
    since = monotonic()
    for number in range(2):
        in_thread(lambda: shared.wait(since, 0.5))
        until(lambda number=number: shared._waiting == number + 1)
    assert not shared.get(monotonic(), True).alone


def test_a_list_of_one_page_is_read_for_all_even_by_one():
    reader = Reader(requests=1)
    shared = SharedRead(reader)
    ask(shared, 2)
    assert not shared.get(monotonic(), True).alone


def test_all_are_told_the_error_and_each_has_its_own():
    reader = Reader()
    reader.error = RewindError("no way", kind=UNREACHABLE, hint="look")
    told = ask(SharedRead(reader), MANY)
    assert {(error.kind, error.message, error.hint) for error in told} == {(UNREACHABLE, "no way", "look")}
    told[0].add_context("web1", "nightly")
    assert [error.server for error in told[1:]] == [None] * (MANY - 1)


def test_after_an_error_the_next_reading_is_a_new_one():
    reader = Reader()
    shared = SharedRead(reader)
    reader.error = RewindError("no way", kind=UNREACHABLE)
    ask(shared, 2)
    reader.error = None
    assert [round_.found for round_ in ask(shared, 2)] == [2, 2]


class Odd(Exception):
    def __init__(self, one: str, *, other: str) -> None:
        super().__init__(one)


@pytest.mark.parametrize("error", [Odd("x", other="y"), SystemExit()])
def test_whatever_ends_the_reading_ends_it_for_all(error):
    reader = Reader()
    shared = SharedRead(reader)
    reader.error = error
    reader.may_end.clear()
    told: list = []

    def join() -> None:
        try:
            shared.get(monotonic(), True)
        except BaseException as raised:
            told.append(type(raised).__name__)

    threads = [in_thread(join) for _number in range(3)]
    until(lambda: reader.count)
    reader.may_end.set()
    for thread in threads:
        thread.join(SOON)
    assert sorted(told) == sorted(["RuntimeError", "RuntimeError", "RuntimeError" if isinstance(error, Odd) else "SystemExit"])
    reader.error = None
    assert len(ask(shared, 2)) == 2


def test_looking_again_leaves_the_cloud_some_rest_and_a_decision_does_not_wait_for_it():
    shared = SharedRead(Reader(seconds=1.0))
    ask(shared, 2)
    patient = threading.Event()
    in_thread(lambda: (shared.get(monotonic(), False), patient.set()))
    assert not patient.wait(0.15)
    ask(shared, 1, urgent=True)
    assert patient.wait(1.0)


def test_the_rest_has_an_end_and_does_not_count_the_wait_for_a_line():
    shared = SharedRead(Reader(seconds=1000.0))
    ask(shared, 2)
    assert shared._rest_until - monotonic() <= coalescing.LONGEST_REST

    pool = ConnectionPool([Line(World("vpsorg", "web1"))])
    change = in_thread(lambda: pool.change(lambda provider: time.sleep(1.0)))
    until(lambda: pool._in_progress["changes"])
    _found, requests, seconds = SharedReads(pool)._list_snapshots()
    change.join(SOON)
    assert requests == 1 and seconds < 0.5


# --- what one member sees


def member(world: World, reference: str = "web1", shared: SharedReads | None = None) -> Member:
    return Member(reference, shared or SharedReads(ConnectionPool([Line(world), Line(world)])))


def had_read(shared: SharedReads, world: World) -> None:
    """Others have had the account listed, once; from now on all know that it is one page."""
    server = world.servers["2"]
    while not shared.snapshots.has(0.0):
        threads = [in_thread(lambda: Member("2", shared).list_snapshots(server)) for _number in range(2)]
        [thread.join(SOON) for thread in threads]
    world.asked.clear()


def test_a_member_is_never_told_what_was_read_before_its_own_change():
    world = World("vpsorg", "web1", "web2")
    shared = SharedReads(ConnectionPool([Line(world)]))
    one, server = member(world, "1", shared), world.servers["1"]
    had_read(shared, world)
    assert one.list_snapshots(server) == [] and world.asked == []
    one.create_snapshot(server, "nightly", None)
    assert [item.name for item in one.list_snapshots(server)] == ["nightly"]


def test_a_member_that_looks_anew_is_not_told_what_others_had_read():
    world = World("vpsorg", "web1", "web2")
    shared = SharedReads(ConnectionPool([Line(world)]))
    one, server = member(world, "1", shared), world.servers["1"]
    had_read(shared, world)
    Line(world).create_snapshot(server, "byhand", None)
    one.invalidate()
    assert [item.name for item in one.list_snapshots(server)] == ["byhand"]


def test_no_reading_is_told_twice():
    world = World("vpsorg", "web1", "web2")
    shared = SharedReads(ConnectionPool([Line(world)]))
    one = member(world, "1", shared)
    had_read(shared, world)
    for looks in range(3):  # the first is answered by what others have had read
        one.list_snapshots(world.servers["1"])
        assert world.names("list_snapshots") == ["*"] * looks


def test_a_member_that_waits_for_a_lock_is_not_woken_again_and_again():
    """What others have had read says nothing about the lock: it would look at once, and again."""
    world = World("vpsorg", "web1", "web2")
    shared = SharedReads(ConnectionPool([Line(world), Line(world)]))
    had_read(shared, world)
    one, other = member(world, "1", shared), member(world, "2", shared)
    one.list_snapshots(world.servers["1"])
    other.invalidate()
    other.list_snapshots(world.servers["2"])
    began = time.monotonic()
    one.pause(0.1)
    one.pause(0.1)
    assert time.monotonic() - began >= 0.1


def test_a_pause_ends_when_another_has_had_read_what_is_waited_for():
    world = World("vpsorg", "web1", "web2")
    shared = SharedReads(ConnectionPool([Line(world), Line(world)]))
    had_read(shared, world)
    one, other = member(world, "1", shared), member(world, "2", shared)
    one.list_snapshots(world.servers["1"])
    ended = threading.Event()
    in_thread(lambda: (one.pause(SOON), ended.set()))
    until(lambda: shared.snapshots._waiting)
    other.invalidate()
    other.list_snapshots(world.servers["2"])
    assert ended.wait(1.0)
    asked = len(world.asked)
    one.list_snapshots(world.servers["1"])
    assert len(world.asked) == asked, "it was read for one already"


@pytest.mark.parametrize("kind", ["vpsorg", "ilkbyte"])
def test_where_the_cloud_lists_no_account_each_is_asked_about_by_itself(kind):
    world = World(kind, "web1", "web2")
    one = member(world, next(iter(world.servers)))
    server = next(iter(world.servers.values()))
    one.list_snapshots(server)
    assert world.names("list_snapshots") == [server.id]  # at VPS.org since nobody else wanted to know


def test_a_list_that_never_holds_still_is_nobodys_end():
    world = World("vpsorg", "web1", "web2")

    def never_still(call: str, server: str) -> None:
        if server == "*":
            raise RewindError("the list changed 4 times while it was read", kind=INVALID_RESPONSE)

    world.before = never_still
    shared = SharedReads(ConnectionPool([Line(world), Line(world)]))
    told: list = []
    threads = [in_thread(lambda name=name: told.append(member(world, name, shared).list_snapshots(world.servers[name]))) for name in ("1", "2")]
    [thread.join(SOON) for thread in threads]
    assert told == [[], []] and sorted(world.names("list_snapshots")) == ["*", "1", "2"]


@pytest.mark.parametrize("references", [("web1", "1"), ("1", "web1"), ("01", "1")])
def test_two_names_of_one_server_are_refused_whichever_comes_first(references):
    world = World("vpsorg", "web1", "web2")

    def server_from_reference(line: Line, reference: str):  # as VPS.org does: digits are a number
        from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Server
        return Server(str(int(reference))) if reference.isdecimal() else None

    shared = SharedReads(ConnectionPool([Line(world)]))
    Line.server_from_reference, before = server_from_reference, Line.server_from_reference
    try:
        first, second = (member(world, reference, shared) for reference in references)
        assert (first.server_from_reference(references[0]) or first.get_server(references[0])).id == "1"
        with pytest.raises(RewindError, match="are the same server") as caught:
            second.server_from_reference(references[1]) or second.get_server(references[1])
        assert caught.value.kind == "invalid_argument" and all(name in caught.value.message for name in references)
        assert first.get_server("1").id == "1", "the first one goes on, by whatever name"
    finally:
        Line.server_from_reference = before


def test_an_unknown_server_among_good_ones_is_asked_for_by_itself_before_it_is_called_unknown():
    world = World("vpsorg", "web1", "web2")
    with pytest.raises(RewindError) as caught:
        member(world, "nowhere").get_server("nowhere")
    assert caught.value.kind == "not_found" and "nowhere" in world.names("get_server")
