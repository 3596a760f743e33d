# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module with any options and any responses: the result is valid, and there is never an internal error."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from builders import OPERATIONS, FakeClock
from fakes.malformed import (
    BASE_URLS,
    CREDENTIALS,
    ILK_SERVER,
    ILK_SNAPSHOT,
    NAMES,
    PATHS,
    VPS_SERVER,
    VPS_SNAPSHOT,
    FakeSession,
    assert_valid,
    bodies,
    ok,
    page,
    use_session,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils import _execute as execution
from ansible_collections.rewind.vps.plugins.module_utils._http.session import HttpError, HttpResponse
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import connect
from ansible_collections.rewind.vps.plugins.module_utils._text import sanitize
from ansible_collections.rewind.vps.plugins.module_utils._wait import polling

ERROR_KEYS = {"kind", "outcome", "operation", "server", "snapshot", "http_status", "provider_message", "hint"}
# What a server or a snapshot may be called in a task: what is there, what is not, and anything.
REFERENCES = st.sampled_from(["web1", "12345", "app1", "nightly", "801", "-"]) | st.sampled_from([name for name in NAMES if name.strip()]) | st.text(
    "./%2eEfF\\;", min_size=1, max_size=8)
HONEST = {
    # Every answer of an honest cloud at once, so that one body serves whatever is asked.
    "vpsorg": [
        {**VPS_SNAPSHOT, **page({**VPS_SERVER, **VPS_SNAPSHOT, "id": 12345}), "id": 12345, "status": word, "uuid": None}
        for word in ("active", "completed", "in_progress", "restoring", "stopped", "failed")
    ] + [{**VPS_SERVER, **page(VPS_SERVER)}, page(VPS_SNAPSHOT), page({**VPS_SNAPSHOT, "status": "in_progress"})],
    "ilkbyte": [
        ok({**ILK_SERVER, "status": word, "server_list": [ILK_SERVER], "snapshots": [snapshot]})
        for word in ("running", "paused", "shut off") for snapshot in (ILK_SNAPSHOT, {**ILK_SNAPSHOT, "params": None, "current": False})
    ] + [ok({**ILK_SERVER, "server_list": [ILK_SERVER], "snapshots": []}), {"status": False, "error": "domain snapshot nightly already exists"}],
}
DEFAULTS = {"api_timeout": 5, "validate_certs": True, "wait_timeout": 30, "concurrency": 2}
CHOSEN = {
    "state": st.sampled_from(["present", "absent"]), "when_full": st.sampled_from(["fail", "prune"]), "wait": st.booleans(),
    "stop_server": st.booleans(),
    "start_server": st.booleans(), "max_age": st.sampled_from([None, "1s", "9999w"]), "older_than": st.sampled_from([None, "1d"]),
    "newer_than": st.sampled_from([None, "1d"]), "match": st.none() | st.sampled_from(["*", "night*", "[", "!", "[!]", "\0"]),
    "retain": st.none() | st.fixed_dictionaries({"count": st.integers(1, 2), "match": st.sampled_from(["*", "[", "night*"])}),
    "status": st.none() | st.just(["ready"]), "day": st.integers(1, 2), "hour": st.integers(0, 3), "minute": st.integers(0, 3),
    "description": st.none() | REFERENCES, "id": st.none() | REFERENCES, "name": REFERENCES,
}


@st.composite
def tasks(draw, module, cloud):
    made = {}
    for name in OPERATIONS[module].SPEC.options:
        if name == "server":
            made[name] = draw((st.just(None) if module.endswith("info") else st.nothing()) | REFERENCES)
        elif name in CHOSEN:
            made[name] = draw(CHOSEN[name])
        else:
            made[name] = DEFAULTS.get(name)
    if "day" not in made and made.get("wait") is False:
        made.update({name: made[name] and None for name in ("retain", "stop_server") if name in made})
    return {**made, **CREDENTIALS[cloud], "api_url": BASE_URLS[cloud]}


@contextlib.contextmanager
def fake_provider(session):
    """A clock that advances only during a sleep, and a provider that this session simulates."""
    clock = FakeClock()

    def connected(options):
        made = connect(options)
        use_session(made, session)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "connect", connected)
        patch.setattr(polling.Clock, "__init__", lambda self: self.__dict__.update(vars(clock)))
        yield


def check_result(module, result, session, progress_lines, check_mode):
    assert_valid(result)
    assert isinstance(result["changed"], bool) and isinstance(result["warnings"], list)
    assert result["msg"] == sanitize(result["msg"]) and all(text == sanitize(text) for text in [*result["warnings"], *progress_lines])
    if result.get("failed"):
        error = result["error"]
        assert set(error) == ERROR_KEYS and error["kind"] != errors.INTERNAL, result
        assert error["outcome"] in (errors.NOT_APPLIED, errors.FAILED, errors.UNKNOWN)
        assert session.changes or error["outcome"] == errors.NOT_APPLIED
        assert error["outcome"] != errors.NOT_APPLIED or result["changed"] or "Nothing was changed." in result["msg"]
    assert not result["changed"] or session.changes or check_mode
    assert not (session.changes and (check_mode or module.endswith("info")))


@pytest.mark.parametrize("cloud", CREDENTIALS)
@pytest.mark.parametrize("module", OPERATIONS)
@settings(max_examples=max(20, settings().max_examples // 2))
@given(data=st.data())
def test_a_module_never_has_an_internal_error(module, cloud, data):
    parameters = data.draw(tasks(module, cloud))
    body = st.sampled_from([json.dumps(one).encode() for one in HONEST[cloud]]) | bodies(*HONEST[cloud])
    response = st.builds(
        HttpResponse, st.sampled_from([200] * 9 + [201, 204, 400, 404, 429, 500]),
        st.just({"date": "Thu, 01 Jan 2026 00:00:00 GMT"}), body,
    )
    responses = data.draw(st.lists(response | response | response | st.just(HttpError("timeout", True, "ReadTimeout")), min_size=1, max_size=8))
    session, progress_lines = FakeSession(responses), []
    check_mode = data.draw(st.booleans() if cloud == "ilkbyte" else st.just(False))
    with fake_provider(session):
        result = execution.execute(OPERATIONS[module], parameters, check_mode=check_mode, diff_mode=True, progress=progress_lines.append, environ={})
    check_result(module, result, session, progress_lines, check_mode)
    paths = PATHS[cloud].replace("12345", "[0-9]+").replace("801", "[0-9]+")
    assert all(re.fullmatch(paths, sent.path) for sent in session.sent), session.sent
