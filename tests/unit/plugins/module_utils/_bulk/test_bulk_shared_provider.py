# SPDX-License-Identifier: GPL-3.0-or-later
"""One read serves all concurrent callers, and no caller gets what was read before its call."""

from __future__ import annotations

import inspect
import threading
import time
from time import monotonic

import pytest
from fakes.bulk import TEST_TIMEOUT, FakeAccount, FakeConnection, start_thread, wait_until

from ansible_collections.rewind.vps.plugins.module_utils._bulk import shared_provider
from ansible_collections.rewind.vps.plugins.module_utils._bulk.reads import ConnectionPool
from ansible_collections.rewind.vps.plugins.module_utils._bulk.shared_provider import AccountCache, CoalescedRead, SharedProvider
from ansible_collections.rewind.vps.plugins.module_utils._errors import INVALID_RESPONSE, UNREACHABLE, Cancelled, RewindError
from ansible_collections.rewind.vps.plugins.module_utils._provider import base
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY

MANY = 20


class Reader:
    """A read that ends when the test lets it."""

    def __init__(self, requests: int = 1, seconds: float = 0.0) -> None:
        self.requests, self.seconds, self.count = requests, seconds, 0
        self.may_finish = threading.Event()
        self.may_finish.set()
        self.error: BaseException | None = None

    def __call__(self) -> tuple[int, int, float]:
        self.count += 1
        value = self.count
        assert self.may_finish.wait(TEST_TIMEOUT)
        if self.error is not None:
            raise self.error
        return value, self.requests, self.seconds


def at_once(cache: CoalescedRead, *calls) -> list:
    """What concurrent calls return or raise."""
    ended: list = []

    def one(call) -> None:
        try:
            ended.append(call())
        except Exception as error:
            ended.append(error)

    cache._is_reading = True  # so the read starts when all have called
    threads = [start_thread(lambda call=call: one(call)) for call in calls]
    wait_until(lambda: cache._callers == len(calls))
    with cache._condition:
        cache._is_reading = False
        cache._condition.notify_all()
    for thread in threads:
        thread.join(TEST_TIMEOUT)
    return ended


def read_at_once(cache: CoalescedRead, callers: int) -> list:
    """What each of so many concurrent callers gets."""
    return at_once(cache, *[lambda: cache.get(monotonic(), True)] * callers)


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount("vpsorg", "web1", "web2")


@pytest.fixture
def cache(account: FakeAccount) -> AccountCache:
    return AccountCache(ConnectionPool([FakeConnection(account), FakeConnection(account)]))


def list_at_once(cache: AccountCache, account: FakeAccount) -> list:
    """What both servers get that list their snapshots at the same time."""
    return at_once(cache.listings["snapshots"], *(
        lambda server=server: SharedProvider(server.id, cache).list_snapshots(server) for server in account.servers.values()
    ))


def test_concurrent_callers_share_one_read_and_later_ones_if_it_is_new_enough():
    reader = Reader()
    cache, before = CoalescedRead(reader), monotonic()
    assert [listing.value for listing in read_at_once(cache, MANY)] == [1] * MANY and reader.count == 1
    assert cache.get(before, True).value == 1 and cache.wait(before, TEST_TIMEOUT) and not cache.wait(monotonic(), 0.0)


def test_a_caller_during_a_read_does_not_share_it():
    reader = Reader()
    cache = CoalescedRead(reader)
    reader.may_finish.clear()
    early = start_thread(lambda: read_at_once(cache, 2))
    wait_until(lambda: reader.count == 1)
    asked_at, late = monotonic(), []
    later = start_thread(lambda: late.append(cache.get(asked_at, True)))
    time.sleep(0.05)
    reader.may_finish.set()
    early.join(TEST_TIMEOUT), later.join(TEST_TIMEOUT)
    assert late[0].value == 2 and late[0].started > asked_at


@pytest.mark.parametrize(("pages", "waiters", "reads"), [(100, 0, 1), (3, 2, 2), (1, 0, 2)])
def test_a_single_server_reads_all_pages_only_if_that_pays(pages, waiters, reads):
    """The first read is for two servers, and finds out the number of pages. Those that wait for the next read count."""
    reader = Reader(requests=pages)
    cache = CoalescedRead(reader)
    read_at_once(cache, 2)
    since = monotonic()
    for _number in range(waiters):
        start_thread(lambda: cache.wait(since, 1.0))
    wait_until(lambda: cache._sleepers == waiters)
    assert (cache.get(since, True).value is None) == (reads == 1) and reader.count == reads


class Odd(Exception):
    def __init__(self, one: str, *, other: str) -> None:
        super().__init__(one)


@pytest.mark.parametrize(("error", "kind"), [(RewindError("no", kind=UNREACHABLE), RewindError), (Odd("x", other="y"), RuntimeError)])
def test_all_callers_get_a_copy_of_the_error_and_the_next_read_is_a_new_one(account, cache, error, kind):
    account.errors["list_snapshots", "*"] = error
    caught = [*list_at_once(cache, account), *list_at_once(cache, account)]
    assert [type(one) for one in caught] == [kind] * 4 and account.servers_of("list_snapshots") == ["*"] * 2
    assert len({id(one) for one in caught}) == 4, "each server adds its own context"


def test_polls_back_off_for_a_while_and_a_decision_does_not_wait_for_it():
    cache = CoalescedRead(Reader(seconds=1000.0))
    read_at_once(cache, 2)
    assert cache._backoff_until - monotonic() <= shared_provider.MAX_BACKOFF
    refreshed = threading.Event()
    start_thread(lambda: (cache.get(monotonic(), False), refreshed.set()))
    assert not refreshed.wait(0.15)
    cache.get(monotonic(), True)
    assert refreshed.wait(1.0)


def test_the_backoff_does_not_count_the_wait_for_a_connection():
    pool = ConnectionPool([FakeConnection(FakeAccount("vpsorg", "web1"))])
    in_use, other = threading.Event(), threading.Event()
    change = start_thread(lambda: pool.call(lambda provider: (in_use.set(), other.wait(1.0))))
    assert in_use.wait(TEST_TIMEOUT)
    dummy, requests, seconds = AccountCache(pool)._list("snapshots")
    change.join(TEST_TIMEOUT)
    assert requests == 1 and seconds < 0.5


# --- what one server's provider returns


@pytest.fixture
def one(account: FakeAccount, cache: AccountCache) -> SharedProvider:
    """The first server's provider. Others have listed the account since it was made, which is known to be one page."""
    made = SharedProvider("1", cache)
    list_at_once(cache, account)
    account.requests.clear()
    return made


def test_a_provider_never_returns_what_was_read_before_its_own_change(account, one):
    server = account.servers["1"]
    assert one.list_snapshots(server) == [] and account.requests == []
    one.create_snapshot(server, "nightly", None)
    assert [item.name for item in one.list_snapshots(server)] == ["nightly"]


def test_an_invalidated_provider_does_not_return_what_others_had_read(account, one):
    server = account.servers["1"]
    FakeConnection(account).create_snapshot(server, "byhand", None)
    one.invalidate()
    assert [item.name for item in one.list_snapshots(server)] == ["byhand"]


def test_no_read_is_returned_twice(account, one):
    for polls in range(3):  # the first uses the listing of the others
        one.list_snapshots(account.servers["1"])
        assert account.servers_of("list_snapshots") == ["*"] * polls


def test_a_provider_that_waits_for_a_lock_is_not_woken_again_and_again(account, cache, one):
    """The listings of others say nothing about the lock: it would poll again at once, and again."""
    other = SharedProvider("2", cache)
    one.list_snapshots(account.servers["1"])
    other.invalidate()
    other.list_snapshots(account.servers["2"])
    started = time.monotonic()
    one.sleep(0.1)
    one.sleep(0.1)
    assert time.monotonic() - started >= 0.1


def test_a_sleep_ends_when_another_has_read_what_is_waited_for(account, cache, one):
    other = SharedProvider("2", cache)
    one.list_snapshots(account.servers["1"])
    ended = threading.Event()
    start_thread(lambda: (one.sleep(TEST_TIMEOUT), ended.set()))
    wait_until(lambda: cache.listings["snapshots"]._sleepers)
    other.invalidate()
    other.list_snapshots(account.servers["2"])
    assert ended.wait(1.0)
    asked = len(account.requests)
    one.list_snapshots(account.servers["1"])
    assert len(account.requests) == asked, "another server has listed it already"


def test_a_change_waits_for_a_listing_in_progress_but_not_without_end(account, cache, monkeypatch):
    """Otherwise it moves the rows between two pages, and a listing of 1,000 servers is read again and again."""
    one, may_finish = SharedProvider("1", cache), threading.Event()
    account.on_request = lambda call, server: may_finish.wait(TEST_TIMEOUT) if call == "list_snapshots" else None
    listing = start_thread(lambda: cache._list("snapshots"))
    wait_until(lambda: account.requests)
    change = start_thread(lambda: one.create_snapshot(account.servers["1"], "nightly", None))
    change.join(0.05)
    assert account.servers_of("create") == []
    monkeypatch.setattr(shared_provider, "MAX_YIELD", 0.01)
    one.create_snapshot(account.servers["1"], "daily", None)
    assert account.servers_of("create") == ["1"]
    may_finish.set()
    listing.join(TEST_TIMEOUT), change.join(TEST_TIMEOUT)
    assert account.servers_of("create") == ["1", "1"]


def test_a_list_that_keeps_changing_fails_no_server(account, cache):
    account.errors["list_snapshots", "*"] = RewindError("the list changed 4 times while it was read", kind=INVALID_RESPONSE)
    assert list_at_once(cache, account) == [[], []] and sorted(account.servers_of("list_snapshots")) == ["*", "1", "2"]


@pytest.mark.parametrize("references", [("web1", "1"), ("1", "web1"), ("01", "1")])
def test_two_names_of_one_server_are_refused_whichever_comes_first(cache, monkeypatch, references):
    def server_from_reference(connection: FakeConnection, reference: str):  # as VPS.org does: digits are a number
        return base.Server(str(int(reference))) if reference.isdecimal() else None

    monkeypatch.setattr(FakeConnection, "server_from_reference", server_from_reference)
    first, second = (SharedProvider(reference, cache) for reference in references)
    assert (first.server_from_reference(references[0]) or first.get_server(references[0])).id == "1"
    with pytest.raises(RewindError, match="are the same server") as caught:
        second.server_from_reference(references[1]) or second.get_server(references[1])
    assert caught.value.kind == "invalid_argument" and all(name in caught.value.message for name in references)
    assert first.get_server("1").id == "1", "the first one continues, by any name"


def test_after_an_interruption_no_method_of_a_provider_sends_a_request():
    """A method in no list is passed on to the first connection: without the check, and while its own thread uses it."""
    without_requests = {"aliases_of", "resolve_server", "server_from_reference", "server_time", "invalidate", "is_named_by_snapshots"}
    methods = {name for kind in (base.Provider, *REGISTRY.values()) for name, value in vars(kind).items() if callable(value) and name[0] != "_"}
    account = FakeAccount("vpsorg", "web1", "web2")

    def interrupt() -> None:
        raise Cancelled

    one = SharedProvider("web1", AccountCache(ConnectionPool([FakeConnection(account)])), interrupt)
    for name in methods - without_requests:
        arguments = [account.servers["1"]] * (len(inspect.signature(getattr(base.Provider, name)).parameters) - 1)
        with pytest.raises(Cancelled):
            getattr(one, name)(*arguments)
    assert account.requests == []
