# SPDX-License-Identifier: GPL-3.0-or-later
"""Execution of an operation: nothing is raised, no secret is in the result, and an internal error is reported as one."""

from __future__ import annotations

import base64
from types import MappingProxyType, SimpleNamespace

import pytest
from builders import snapshot

from ansible_collections.rewind.vps.plugins.module_utils import _execute as execution
from ansible_collections.rewind.vps.plugins.module_utils._errors import BUSY, UNKNOWN, Interrupted, RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import server_info
from ansible_collections.rewind.vps.plugins.module_utils._redaction import MASK

TOKEN = "vps_S3cretToken0123456789"
PARAMETERS = {
    "provider": "vpsorg", "api_token": TOKEN, "access_key": None, "secret_key": None, "api_url": "http://127.0.0.1:9",
    "api_timeout": 1, "validate_certs": True, "ca_path": None, "server": None,
}


def run(run_operation, progress=lambda text: None, environ=MappingProxyType({}), **parameters):
    operation = SimpleNamespace(validate=server_info.validate, run=run_operation)
    return execution.execute(operation, {**PARAMETERS, **parameters}, check_mode=False, diff_mode=False, progress=progress, environ=environ)


@pytest.mark.parametrize("error", [
    ValueError(f"{TOKEN} in https://user:word@host/?secret={TOKEN}"), UnicodeDecodeError("utf-8", b"the-text", 0, 1, "bad"), OSError(5, "the-text"),
])
def test_an_internal_error_is_reported_without_the_exceptions_text(error):
    def operation(ctx):
        ctx.changes.request_sent = ctx.changes.changed = True
        raise error

    result = run(operation)
    assert result["failed"] is True and result["changed"] is True
    assert (result["error"]["kind"], result["error"]["outcome"]) == ("internal", "unknown")
    assert type(error).__name__ in result["msg"] and "test_execute.py:" in result["msg"]
    shown = repr(result)
    assert "the-text" not in shown and TOKEN not in shown and "word" not in shown and "https:" not in shown
    assert "exception" not in result and "Traceback" not in shown


def test_only_an_interruption_of_the_task_itself_is_a_result():
    def operation(ctx):
        raise interruption

    assert not issubclass(Interrupted, Exception), "no handler of errors may catch it"
    interruption = Interrupted(15)
    assert run(operation)["error"]["kind"] == "interrupted"
    interruption = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(operation)


@pytest.mark.parametrize(("monkey", "parameters", "words"), [
    (False, {"api_token": "  "}, "api_token"), (True, {}, "python -m pip install requests"),
])
def test_what_is_missing_ends_the_task_before_the_operation(monkeypatch, monkey, parameters, words):
    monkeypatch.setattr(execution, "requests_available", lambda: not monkey)
    result = run(None, **parameters)
    assert result["error"]["kind"] == "invalid_argument" and words in result["msg"] and result["changed"] is False


def test_a_failure_is_complete_and_redacted():
    def operation(ctx):
        ctx.warnings.append(f"about {TOKEN}")
        raise RewindError(f"No {TOKEN}", kind=BUSY, outcome=UNKNOWN, provider_message=f"Invalid {TOKEN}!", hint=f"renew {TOKEN}")

    result = run(operation, server="web1", name="nightly")
    assert TOKEN not in repr(result) and TOKEN[:8] not in repr(result)
    assert sorted(result) == ["changed", "error", "failed", "msg", "warnings"] and result["warnings"] == [f"about {MASK}"]
    assert result["error"] == {
        "kind": BUSY, "outcome": UNKNOWN, "operation": None, "server": "web1", "snapshot": "nightly", "http_status": None,
        "provider_message": f"Invalid {MASK}!", "hint": f"renew {MASK}",
    }


ENCODINGS = {
    "plain": TOKEN, "base64": base64.b64encode(f"Bearer {TOKEN}".encode()).decode(), "beginning": TOKEN[:9],
    "hex": TOKEN.encode().hex(),
}


@pytest.mark.parametrize("secret_text", ENCODINGS.values(), ids=list(ENCODINGS))
@pytest.mark.parametrize("template", ["{}", " {}", "{}\n", "\n\t{} \r\n"], ids=["bare", "blank before", "break", "both"])
def test_every_result_is_redacted(secret_text, template):
    progress_lines = []

    def operation(ctx):
        ctx.progress(f"waiting for {secret_text}")
        ctx.warnings.append(f"warning of {secret_text}")
        return {"changed": True, "msg": secret_text, "servers": [{secret_text: [secret_text, {"deep": (secret_text,)}]}]}

    result = run(operation, progress_lines.append, api_token=template.format(TOKEN))
    assert result["changed"] is True and result["warnings"] and progress_lines
    for shown in (repr(result), repr(progress_lines)):
        assert secret_text not in shown and MASK in shown


def test_an_error_reports_what_was_changed_before():
    def operation(ctx):
        ctx.changes.changed = True
        ctx.changes.pruned.append(snapshot("nightly", id="801"))
        raise RewindError("Server web1 is busy", kind=BUSY)

    result = run(operation)
    assert result["changed"] is True and [item["id"] for item in result["pruned"]] == ["801"]
    assert "Earlier steps of this task changed something" in result["msg"]


def test_ca_path_must_exist(tmp_path):
    verified = []

    def operation(ctx):
        verified.append(ctx.options["verify"])
        return {"changed": False}

    result = run(operation, ca_path=str(tmp_path / "nowhere.pem"))
    assert result["error"]["kind"] == "invalid_argument" and "nowhere.pem" in result["msg"]
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("", encoding="utf-8")
    run(operation, ca_path=str(bundle))
    run(operation, ca_path=str(bundle), validate_certs=False)
    run(operation)
    assert verified == [str(bundle), False, True]


def test_api_url_comes_from_the_given_environment(monkeypatch):
    seen = []
    monkeypatch.setenv("VPS_API_URL", "https://process.example/x")
    for environ in ({"VPS_API_URL": "https://task.example/x"}, None):
        run(lambda ctx: seen.append(ctx.options["api_url"]) or {}, api_url=None, environ=environ)
    assert seen == ["https://task.example/x", "https://process.example/x"]
