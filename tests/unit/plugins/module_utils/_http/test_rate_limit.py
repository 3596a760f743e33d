# SPDX-License-Identifier: GPL-3.0-or-later
"""After a 429 all clients that share a limit pause, and then send slowly."""

from __future__ import annotations

import threading

import pytest
from builders import FakeClock
from fakes.bulk import TEST_TIMEOUT, start_thread, wait_until
from fakes.http_server import api, response, serving

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http.rate_limit import INITIAL_INTERVAL, MAX_INTERVAL, RateLimit


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rate(clock: FakeClock) -> RateLimit:
    return RateLimit(600.0, lambda: clock.now)


def schedule(rate: RateLimit, clock: FakeClock) -> float:
    return rate.wait(clock.sleep, rate.deadline())


def test_no_request_waits_while_none_is_throttled(rate: RateLimit, clock: FakeClock):
    for _request in range(100):
        schedule(rate, clock)
        rate.on_success()
    assert clock.sleeps == []


def test_one_429_delays_all_and_then_they_are_sent_one_after_the_other(rate: RateLimit, clock: FakeClock):
    rate.on_throttled(10.0, schedule(rate, clock))
    scheduled = [rate.wait(lambda seconds: None, rate.deadline()) for _other in range(4)]
    assert scheduled == [1010.0 + number * INITIAL_INTERVAL for number in range(4)]


@pytest.mark.parametrize("pause", [0.0, 0.05, 10.0])
def test_of_concurrent_requests_only_the_first_slows_all_down(rate: RateLimit, clock: FakeClock, pause: float):
    scheduled = [schedule(rate, clock) for _line in range(8)]
    for scheduled_at in scheduled:
        clock.now += 0.01
        rate.on_throttled(pause, scheduled_at)
    first, second = (rate.wait(lambda seconds: None, rate.deadline()) for _other in range(2))
    assert second - first == pytest.approx(INITIAL_INTERVAL)


def test_a_429_to_one_that_waited_slows_further_and_success_makes_it_quicker_again(rate: RateLimit, clock: FakeClock):
    for _again in range(12):
        rate.on_throttled(1.0, schedule(rate, clock))
    assert rate._interval == MAX_INTERVAL
    for _request in range(60):
        schedule(rate, clock)
        rate.on_success()
    assert rate._interval == 0.0


def test_a_pause_that_grows_holds_for_those_who_wait_already():
    """Several wait for the end of the pause. The first is throttled again, and the others wait for the new end."""
    rate, out = RateLimit(600.0), []
    go: list[threading.Event] = []
    rate.on_throttled(30.0, rate.wait(pytest.fail, rate.deadline()))

    def one() -> None:
        mine = threading.Event()

        def sleep(seconds: float) -> None:
            go.append(mine)
            assert mine.wait(TEST_TIMEOUT)

        out.append(rate.wait(sleep, rate.deadline()))

    threads = [start_thread(one) for _line in range(3)]
    wait_until(lambda: len(go) == 3)
    go[0].set()
    wait_until(lambda: out)
    rate.on_throttled(60.0, out[0])
    paused_until = rate._paused_until
    wait_until(lambda: [event.set() for event in go] and len(out) == 3)
    [thread.join(TEST_TIMEOUT) for thread in threads]
    assert min(out[1:]) >= paused_until and out[1] != out[2]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_waits_with_the_others_and_succeeds(method):
    """This includes a change, which a 429 did not apply. The limit of five attempts is for other errors."""
    with serving(*[response(429, retry_after="3")] * 7, response(200, {})) as server:
        client = api(server, rate_limit=RateLimit(600.0))
        assert (client.read("/x", operation="o") if method == "GET" else client.change(method, "/x", operation="o")).data == {}
    assert len(server.requests) == 8 and all(delay >= 2.0 for delay in server.delays)


def test_an_hour_exceeds_the_budget_and_no_other_request_is_sent():
    rate = RateLimit(600.0)
    with serving(response(429, retry_after="3600")) as server:
        for _line in range(3):
            with pytest.raises(RewindError) as caught:
                api(server, rate_limit=rate, sleep=pytest.fail).change("POST", "/x", operation="o")
            assert (caught.value.kind, caught.value.outcome) == ("rate_limited", "not_applied")
            assert "3600 s" in caught.value.hint
    assert len(server.requests) == 1


def test_what_may_have_happened_is_not_resent_after_a_429_either():
    with serving(response(429, retry_after="0"), response(502), response(200, {})) as server:
        with pytest.raises(RewindError) as caught:
            api(server, rate_limit=RateLimit(600.0)).change("POST", "/x", operation="o")
    assert caught.value.outcome == "unknown" and len(server.requests) == 2


def test_other_faults_have_all_their_attempts_after_many_429():
    script = [*[response(429, retry_after="0")] * 6, response(502), response(502), response(200, {})]
    with serving(*script) as server:
        api(server, rate_limit=RateLimit(600.0)).read("/x", operation="o")
    assert len(server.requests) == len(script)


def test_the_budget_is_each_requests_own_and_not_the_tasks(rate: RateLimit, clock: FakeClock):
    """In a bulk task of hours the last request may wait as long as the first."""
    clock.now += 86400.0
    rate.on_throttled(500.0, schedule(rate, clock))
    assert schedule(rate, clock) == pytest.approx(1000.0 + 86400.0 + 500.0)
