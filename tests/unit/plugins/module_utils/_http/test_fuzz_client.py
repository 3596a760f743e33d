# SPDX-License-Identifier: GPL-3.0-or-later
"""Any bytes end as a response or as a correct RewindError, within limits of time and memory."""

from __future__ import annotations

import json
import math
import tracemalloc
from datetime import datetime, timezone

import pytest
from fakes.http_server import raw_bytes, serving
from fakes.malformed import ANYTHING, NAMES, RAW_BODIES, TEXTS, FakeSession, assert_valid
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http import client
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiClient
from ansible_collections.rewind.vps.plugins.module_utils._http.session import HttpError, HttpResponse
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import age_seconds
from ansible_collections.rewind.vps.plugins.module_utils._provider.values import parse_timestamp, to_iso8601
from ansible_collections.rewind.vps.plugins.module_utils._text import sanitize

DATES = st.sampled_from([
    "Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0100 00:00:00 +2359", "Mon, 01 Jan 0001 00:00:00 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 -0000", "Wed, 21 Oct 2026 07:28:00 +99999999999", "21 Oct 2026 7:28", "9" * 5000,
    "1 Jan 99999999999999999999 00:00:00", "(((((", "Mon, 32 Foo 2026 25:61:61 GMT",
])
HEADER = DATES | st.sampled_from(["0", "-1", "1e9", "٣", "9" * 400, "inf", "nan", " 5 ", "5,5", ""]) | st.text(st.characters(max_codepoint=255),
                                                                                                               max_size=12)
HEADERS = st.fixed_dictionaries({}, optional=dict.fromkeys(["date", "retry-after", "content-type", "content-length", "location"], HEADER))
RESPONSES = st.builds(HttpResponse, st.integers(-1, 999), HEADERS, ANYTHING.map(lambda body: json.dumps(body).encode()) | RAW_BODIES)
ERRORS = st.builds(HttpError, st.sampled_from(["unreachable", "tls", "timeout", "invalid_response"]), st.booleans(), st.just("SomeError"))


def client_on(*responses):
    delays = []
    made = ApiClient("Cloud", "https://cloud.test", timeout=5, sleep=delays.append)
    made.delays = delays
    made._http = FakeSession(list(responses))
    return made


@given(st.lists(RESPONSES | ERRORS, min_size=1, max_size=6), st.booleans())
def test_any_responses(responses, changes):
    made = client_on(*responses)
    try:
        answer = made.change("GET", "/x", operation="x") if changes else made.read("/x", operation="x")
    except RewindError as error:
        assert error.kind != errors.INTERNAL
        assert error.outcome == errors.NOT_APPLIED or changes and error.outcome == errors.UNKNOWN
        assert_valid([error.format(), error.to_result()])
        assert sanitize(error.format()) == error.format() and len(error.format()) < 2000
    else:
        assert 200 <= answer.status < 300
        json.dumps(answer.data, ensure_ascii=False).encode("utf-8")
    assert len(made._http.sent) <= client.MAX_ATTEMPTS
    assert all(0 <= delay < 60 for delay in made.delays)
    before = datetime.now(timezone.utc)
    assert abs((made.server_time() - before).total_seconds()) <= client.MAX_CLOCK_OFFSET + 60


@given(RESPONSES, st.datetimes(timezones=st.just(timezone.utc)))
@example(HttpResponse(429, {"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359"}, b""), datetime(1, 1, 1, tzinfo=timezone.utc))
@example(HttpResponse(429, {"retry-after": "9" * 400}, b""), datetime(2026, 1, 1, tzinfo=timezone.utc))
def test_retry_after_is_a_time_or_nothing(response, now):
    seconds = client._retry_after(response, now)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


@given(TEXTS | st.sampled_from([
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0999-01-01", "2026-W01-1", "2026-01-01T24:00:00", "20260101", "2026-01-01\ud80012:00",
    "2026-01-01T00:00:00.999999999Z", "2026-01-01T00:00:00+00:00:00.1", "ZZZ", "2026-01-01T00:00:00ZZ",
]) | st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=False).map(lambda moment: moment.isoformat()))
def test_a_date_is_a_date_that_sorts_as_text_or_none(text):
    made = to_iso8601(text)
    if made is not None:
        assert len(made) == 20 and made.isascii()
        assert to_iso8601(made) == made, "it is read again as it was written"
        assert parse_timestamp(made) <= parse_timestamp(text)
    age = age_seconds(text, datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert age is None or (age >= 0 and math.isfinite(age))


# --- down to the bytes

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"\r\n{}"
RAW_ANSWERS = {
    "nothing": b"", "no HTTP": b"SSH-2.0-OpenSSH\r\n", "a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of 99": b"HTTP/1.1 99 OK\r\n\r\n", "HTTP/9.9": b"HTTP/9.9 200 OK\r\n" + BODY, "NUL": b"HTTP/1.1 200 \0\r\n\0: \0\r\n" + BODY,
    "a length that is none": OK + b"Content-Length: many\r\n" + BODY, "a negative length": OK + b"Content-Length: -5\r\n" + BODY,
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n" + BODY, "lengths": OK + b"Content-Length: 2, 3\r\n" + BODY,
    "a length of digits": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n" + BODY, "many headers": OK + b"a: b\r\n" * 500 + BODY,
    "a long header": OK + b"a: " + b"b" * 200_000 + b"\r\n" + BODY, "a header without a colon": OK + b"nonsense\r\n" + BODY,
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks without end": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 999,
    "many encodings": OK + b"Content-Encoding: " + b"gzip, " * 99 + b"gzip\r\n" + BODY,
    "a Location that is no UTF-8": b"HTTP/1.1 302 Found\r\nLocation: \xff\r\n" + BODY,
    "a Location that is no URL": b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n" + BODY,
    "a Location of another kind": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n" + BODY,
    "a cookie": OK + b"Set-Cookie: \xff=\0; expires=" + b"9" * 999 + b"; domain=[::\r\n" + BODY,
    "many 100s": b"HTTP/1.1 100 Continue\r\n\r\n" * 999 + OK + BODY,
    "a link": OK + b"Link: <\xff>; rel=[\r\n" + BODY, "a charset": OK + b"Content-Type: text/\xff; charset=\0\r\n" + BODY,
}


def send_raw(answer, changes=True):
    with serving(raw_bytes(answer)) as server:
        made = ApiClient("Cloud", server.url, timeout=5, sleep=lambda seconds: None)
        try:
            return (made.change if changes else made.read)(*(["GET"] if changes else []), "/x", operation="x")
        except RewindError as error:
            assert error.kind != errors.INTERNAL and error.http_status is None or 0 <= error.http_status
            assert error.outcome == errors.UNKNOWN or 400 <= (error.http_status or 0) < 500 or not changes
            return error


@pytest.mark.parametrize("answer", RAW_ANSWERS.values(), ids=list(RAW_ANSWERS))
def test_raw_responses(answer):
    send_raw(answer)


@pytest.mark.parametrize("answer", [RAW_ANSWERS["chunks"], OK + BODY], ids=["chunks", "plain"])
def test_valid_raw_responses_are_read(answer):
    assert send_raw(answer).data == {}


@given(st.binary(max_size=40), st.binary(max_size=20),
       st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nLocation: ", b"", OK + b"Content-Length: "]))
def test_random_raw_responses(start, end, before):
    send_raw(before + start + b"\r\n\r\n" + end)


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n", OK + b"\r\n", OK + b"Content-Length: 999999999999\r\n\r\n",
], ids=["a redirect", "a chunk of -1", "a chunk of terabytes", "no length", "a length of terabytes"])
def test_no_response_fills_the_memory(head, monkeypatch):
    """Whatever the headers announce: no more is read than the limit."""
    monkeypatch.setattr("ansible_collections.rewind.vps.plugins.module_utils._http.session.MAX_RESPONSE_BYTES", 1_000_000)
    endless = b"x" * 1_000_000

    def step(connection):
        connection.sendall(head)
        for _number in range(30):
            connection.sendall(endless)
        return False

    with serving(step) as server:
        made = ApiClient("Cloud", server.url, timeout=5, sleep=lambda seconds: None)
        tracemalloc.start()
        try:
            with pytest.raises(RewindError) as caught:
                made.change("GET", "/x", operation="x")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert caught.value.outcome == errors.UNKNOWN and caught.value.kind in (errors.INVALID_RESPONSE, errors.UNREACHABLE, errors.TIMEOUT)
    assert peak < 12_000_000, f"{peak} bytes of memory for an answer of at most 1000000"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_sanitized_text_has_no_control_characters(name):
    shown = sanitize(name)
    assert len(shown) == len(name) and all(letter.isprintable() or letter == "\ufffd" or letter == name[index] for index, letter in enumerate(shown))
    assert not set(shown) & {chr(code) for code in (*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    assert sanitize("yükseltme \U0001f600 漢字 ok") == "yükseltme \U0001f600 漢字 ok"
