# SPDX-License-Identifier: GPL-3.0-or-later
"""Responses of a hostile or broken provider, as hypothesis strategies, and a session that returns them without a socket."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import requests
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._http.session import HttpError, HttpResponse
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Provider
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import connect

BASE_URLS = {"vpsorg": "https://cloud.test/api/v1", "ilkbyte": "https://cloud.test"}
CREDENTIALS = {
    "vpsorg": {"provider": "vpsorg", "api_token": "vps_0123456789"},
    "ilkbyte": {"provider": "ilkbyte", "access_key": "access0123456789", "secret_key": "secret0123456789"},
}

UUID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
VPS_SERVER = {
    "id": 12345, "uuid": UUID, "name": "web1", "hostname": "web1.example", "status": "active", "ip_address": "192.0.2.1",
    "ipv4_addresses": ["192.0.2.1"],
}
VPS_SNAPSHOT = {
    "id": 801, "name": "nightly", "description": "", "status": "completed", "size_mb": 2048, "created_at": "2026-01-01T00:00:00Z",
    "server": {"id": 12345, "name": "web1"},
}
ILK_SERVER = {"name": "app1", "status": "running", "ipv4": "192.0.2.1", "ipv6": None}
ILK_SNAPSHOT = {
    "name": "nightly", "state": "running", "date": "2026-01-01T00:00:00+03:00", "current": True, "parent": "-",
    "params": {"is_cron": True, "cron_time": "Her 1 günde bir 02:03 saatinde", "last_run": None, "next_run": "2026-01-02T02:03:00+03:00"},
}


def ok(data=None):
    return {"status": True, "message": "", "error": "", "data": data}


def page(*items, following=None):
    return {"count": len(items), "next": following, "results": list(items)}


# All paths. At Ilkbyte a server's name is part of the path.
PATHS = {
    "vpsorg": "/api/v1/(servers/|servers/12345/(power/)?|servers/[0-9a-f-]{36}/|snapshots/|snapshots/801/(restore/)?|account/me/)",
    "ilkbyte": "/(|account|server/list/all|server/manage/[A-Za-z0-9][A-Za-z0-9._-]*/"
               "(show|power|snapshot(/(create|revert|update|delete|cron/add|cron/delete))?))",
}

# Names with a meaning in a path, a query, a shell, a template, a terminal, a C library or a number parser.
NAMES = [
    "..", ".", "../snapshot", "%2e%2e", "%2E%2E/", "a/b", "a%2Fb", "a\\b", "a?b=c", "a#b", "a;b", "a&name=b", " ", "a b", "a\nb", "a\r\nX: y", "\0",
    "a\0b", "-oProxyCommand=touch X", "$(touch X)", "`touch X`", "; touch X", "{{ 7*7 }}", "{% for x in y %}", "{{ lookup('pipe', 'touch X') }}",
    "\x1b[2J\x1b]0;owned\x07", "\x9b2J", "\u202eevil\u2066", "\u2028", "\U0001f600", "\ud800", "ı", "٣", "²", "0", "00", "-1", "9" * 5000,
    "x" * 10_000, "None", "null", "CON", "~root", "",
]
HUGE = [10**18, 10**400, -(10**400), 10**4299]
# JSON can contain lone surrogates such as \ud800, and UTF-8 cannot.
TEXTS = st.sampled_from(NAMES) | st.text(st.characters(), max_size=8) | st.text(st.characters(categories=["Cs", "Cc", "Cf"]), max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.sampled_from(HUGE) | st.floats() | TEXTS
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6,
)


def _nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    return opening * depth + b"1" + closing * depth


# What json.dumps does not write.
RAW_BODIES = st.sampled_from([
    b"", b" ", b"{", b'{"results": [', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"<html>", b"null", b"NaN", b"1e999", b"9" * 5000, b'"\xed\xa0\x80"',
    b'{"status": true, "status": false}', b'{"id": 1, "id": 2, "results": [], "results": {}}', *(
        template.replace(b"@", _nested(depth, opening, closing))
        for depth in (90, 900, 5000, 30_000) for opening, closing in ((b"[", b"]"), (b'{"a":', b"}"))
        for template in (b"@", b'{"status": @, "error": @, "data": @, "results": [@]}', b'{"status": true, "data": {"name": "a", "status": @}}',
                         b'{"id": 1, "name": "web1", "status": @, "server": {"id": 1}}')
    ),
]) | st.binary(max_size=12)


@st.composite
def corrupted(draw: Any, valid: Any) -> Any:
    """A valid response with one value replaced or missing."""
    root = {"body": copy.deepcopy(valid)}
    container, key = root, "body"
    for _step in range(draw(st.integers(0, 5))):
        inner = container[key]
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner))) if isinstance(inner, list) else []
        if not keys:
            break
        container, key = inner, draw(st.sampled_from(keys))
    if isinstance(container, dict) and container is not root and draw(st.booleans()) and draw(st.booleans()):
        del container[key]
    else:
        container[key] = draw(ANYTHING)
    return root["body"]


def bodies(*valid: Any) -> st.SearchStrategy[bytes]:
    """Response bodies: mostly similar to a valid one, else any JSON, else hardly JSON or none."""
    near = [corrupted(one) for one in valid]
    return st.one_of(*near, *near, *[st.just(one) for one in valid], ANYTHING).map(lambda body: json.dumps(body).encode()) | RAW_BODIES


@dataclass(frozen=True)
class Sent:
    """A request as it would be sent: with the URL that the libraries would produce."""

    method: str
    url: str
    path: str


class FakeSession:
    """A fake HttpSession: returns these responses in turn, and the last one again and again. One may be an HttpError."""

    def __init__(self, responses: list[HttpResponse | HttpError]) -> None:
        self._responses = list(responses)
        self.sent: list[Sent] = []
        self.changes: list[Sent] = []

    def request(self, method: str, url: str, *, params: dict | None, json: Any, timeout: float, new_connection: bool) -> HttpResponse:
        prepared = requests.Request(method, url, params=params, json=json).prepare()
        sent = Sent(method, prepared.url, prepared.path_url.partition("?")[0])
        self.sent.append(sent)
        assert len(self.sent) <= 5000, "it sends requests without end"
        if new_connection:
            self.changes.append(sent)
        response = self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]
        if isinstance(response, HttpError):
            raise response
        return response


def provider_with_session(name: str, session: FakeSession) -> Provider:
    """Return a provider that uses this session and never sleeps."""
    made = connect({**CREDENTIALS[name], "api_url": BASE_URLS[name], "verify": True, "api_timeout": 5})
    use_session(made, session)
    return made


def use_session(made: Provider, session: Any) -> None:
    """Make a provider use this session."""
    made._api._http = session
    made._api._sleep = lambda seconds: None


def assert_valid(result: Any) -> None:
    """Assert that a result is valid JSON and UTF-8, without NaN and infinity."""
    json.dumps(result, allow_nan=False, ensure_ascii=False).encode("utf-8")
