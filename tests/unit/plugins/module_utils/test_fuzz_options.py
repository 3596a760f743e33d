# SPDX-License-Identifier: GPL-3.0-or-later
"""Any text of an option is valid or rejected by name, and plain http goes only to this machine."""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import urlsplit

import pytest
import requests
import urllib3.util
from builders import OPERATIONS
from fakes.malformed import CREDENTIALS, TEXTS, assert_valid
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils import _argspec as argspec
from ansible_collections.rewind.vps.plugins.module_utils._argspec import normalize_params
from ansible_collections.rewind.vps.plugins.module_utils._errors import INVALID_ARGUMENT, NOT_APPLIED, RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http.session import HttpSession

NUMBERS = st.integers() | st.sampled_from([10**18, -(10**18)])


def values(option):
    """What Ansible's validation lets through for an option of this kind."""
    kind = option["type"]
    if "choices" in option:
        one = st.sampled_from(option["choices"])
        made = st.lists(one, max_size=3) if kind == "list" else one
    elif kind == "dict":
        made = st.fixed_dictionaries({name: values(inner) for name, inner in option["options"].items()})
    else:
        made = {"int": st.integers(-2, 5) | NUMBERS, "bool": st.booleans(), "list": st.lists(TEXTS, min_size=1, max_size=2)}.get(kind, TEXTS)
    return made if option.get("required") else st.none() | made if "default" not in option else st.just(option["default"]) | made


def parameters(module):
    return st.fixed_dictionaries({name: values(option) for name, option in OPERATIONS[module].SPEC.options.items()})


@pytest.mark.parametrize("module", OPERATIONS)
@given(data=st.data())
def test_any_options_are_refused_or_clean(module, data):
    given_options = data.draw(parameters(module))
    try:
        options = normalize_params(given_options, {})
        OPERATIONS[module].validate(options)
    except RewindError as error:
        assert (error.kind, error.outcome) == (INVALID_ARGUMENT, NOT_APPLIED)
        assert_valid([error.format(), error.to_result()])
        return
    assert {*options, "server", "servers"} == {*given_options, "server", "servers"}
    assert options["api_url"].startswith(("http://", "https://", "HTTP://", "HTTPS://"))
    assert options["api_timeout"] is None or 1 <= options["api_timeout"] <= 600
    for name in ("max_age", "older_than", "newer_than"):
        assert options.get(name) is None or (isinstance(options[name], int) and options[name] > 0)
    for name in argspec.REQUIRED_CREDENTIALS[options["provider"]]:
        assert options[name].isascii() and options[name].isprintable()


# --- where requests really go

HOSTS = [
    "localhost", "LOCALHOST", "localhost.", "localhost.evil.com", "127.0.0.1", "127.0.0.1.evil.com", "127.1", "127.0.1", "2130706433", "0x7f000001",
    "0x7f.1", "0177.0.0.1", "127.0.0.1.", "127.000.000.001", "0.0.0.0", "0", "[::1]", "[::1%25lo]", "[::1%lo]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::]", "[fe80::1%25eth0]", "[v1.x]", "evil.com", "127.0.0.1@evil.com", "evil.com@127.0.0.1", "localhost:80@evil.com", "localhost\\@evil.com",
    "localhost\\.evil.com", "localhost%2eevil.com", "localhost%00.evil.com", "localhost%23@evil.com", "localhost;evil.com", "localhost,evil.com",
    "evil.com;localhost", "ⓛocalhost", "loc\u00adalhost", "localhost\u3002evil.com", "127。0。0。1", "localhost\t.evil.com", "local\nhost",
    "localhost\r\nHost: evil.com",
    "localhost evil.com", "a" * 70 + ".com", "-x", "*", ".", "..", "a..b", "localhost:", "localhost:80:80", "localhost:+80", "localhost:８０",
    "localhost:080",
    "localhost:99999999999", "127.0.0.1:-1", "localhost:0", "[::1", "::1", "[::1]evil.com", "[::1]@evil.com", "1.1.1.1 &@2.2.2.2# @3.3.3.3/", "",
]
SCHEMES = st.sampled_from(["http://", "https://", "HTTP://", "hTTp://", "http:", "http:/", "http:///", "http:\\\\", "//", "", "ftp://",
                           "http+unix://", "\x00http://"])
ENDS = st.sampled_from(["", "/", "/v2", "/a/../b", "\\@evil.com", "/\\@evil.com", "/@evil.com", "//evil.com", ":80", ":80/", "?x", "#x", "/%2e%2e/",
                        "/;x", "\n", " "])
URLS = st.builds(
    "{}{}{}".format, SCHEMES, st.sampled_from(HOSTS) | st.text("a.:@\\/%[]019-;,#?xlocalhst ", max_size=14), ENDS,
) | TEXTS


class Stopped(Exception):
    """Raised with the host to which the request would be sent."""


def destination(url, monkeypatch):
    """Return the host that urllib3 opens a socket to for this URL, or None if it rejects the URL."""

    def note(address, *rest, **more):
        raise Stopped(address[0])

    monkeypatch.setattr("urllib3.util.connection.create_connection", note)
    session = HttpSession({}, True, loopback=True)
    try:
        session._session.request("GET", url + "/servers/", timeout=1, allow_redirects=False)
    except Stopped as stopped:
        return str(stopped)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
        return None
    raise AssertionError("nothing was sent")


def is_this_machine(host):
    host = host.strip("[]").lower()
    return host == "localhost" or ipaddress.ip_address(host.replace("%25", "%")).is_loopback


@given(url=URLS)
@example(url="http://localhost\\@evil.com")
@example(url="http://127.0.0.1:80\\@evil.com/")
@example(url="http://[::1%25lo]:8000")
@example(url="http://localhost/\\@evil.com/")
def test_plain_http_goes_to_this_machine_alone(url):
    try:
        kept = normalize_params({**_REST, "api_url": url}, {})["api_url"]
    except RewindError as error:
        assert error.kind == INVALID_ARGUMENT
        return
    with pytest.MonkeyPatch.context() as patch:
        there = destination(kept, patch)
    assert kept.isascii() and kept.isprintable() and not set("@?#") & set(urlsplit(kept).netloc)
    checked = urlsplit(kept).hostname
    if there is not None:
        assert there.strip("[]").lower().replace("%25", "%") == checked.replace("%25", "%"), "the host that was checked is the host that is asked"
        if kept.lower().startswith("http:"):
            assert is_this_machine(there)
    prepared = requests.Request("GET", kept + "/servers/").prepare().url if there is not None else None
    assert prepared is None or (urllib3.util.parse_url(prepared).host or "").strip("[]").lower().replace("%25", "%") == checked.replace("%25", "%")


_REST = {
    **{name: option.get("default") for name, option in OPERATIONS["server_info"].SPEC.options.items()}, **CREDENTIALS["vpsorg"],
}


def test_which_hosts_are_this_machine():
    """All hosts of an explicit list; all others are rejected over plain http."""
    ours = {"localhost", "LOCALHOST", "127.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]", "localhost:", "localhost:080", "[::1%25lo]", "[::1%lo]"}
    accepted = set()
    for host in HOSTS:
        try:
            normalize_params({**_REST, "api_url": f"http://{host}/"}, {})
            accepted.add(host)
        except RewindError as error:
            assert error.kind == INVALID_ARGUMENT and json.dumps(error.format())
    # Python 3.13 knows that the last is the same address, older ones don't.
    assert accepted - {"[::ffff:127.0.0.1]"} == ours
