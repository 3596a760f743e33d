# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cloud says may quote the credentials: in any form, in any part of an answer, in an error or in what it lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.cases import CLOUDS, RESET_CALLS, TaskFactory, add_snapshot, fault
from support.playbook_runner import EXECUTION_MODES, IN_PROCESS, TaskCase
from support.secret_cases import ADD_CREDENTIALS, OPTIONS, SECRETS, message_with_secrets, split_message
from support.secret_search import encodings_of

if TYPE_CHECKING:
    from functional.secret_scan.conftest import SecretScanRunner

pytestmark = [pytest.mark.playbook, pytest.mark.secret_scan]


class Responses:
    """Steps with one provider's responses to the list of snapshots."""

    def __init__(self, tasks: TaskFactory) -> None:
        self._tasks = tasks
        self.cloud = tasks.cloud

    def step(self, title: str, kind: str, *, module: str = "snapshot_info", **details: object) -> TaskCase:
        operation = "servers.list" if module == "server_info" else "snapshots.list"
        response = fault(kind, cloud=self.cloud, operation=operation, times=None, **details)
        more = {"server": None} if module == "server_info" else {}
        return self._tasks(module, *RESET_CALLS, ADD_CREDENTIALS, add_snapshot(self.cloud, "one"), response, step=title, **OPTIONS[self.cloud],
                           **more)

    def refusal(self, title: str, message: object) -> TaskCase:
        body = {"detail": message} if self.cloud == "vpsorg" else {"status": False, "message": "", "error": message, "data": None}
        return self.step(title, "raw", status=400 if self.cloud == "vpsorg" else 200, body=body)

    def listing(self, title: str, row: dict[str, object], *, module: str = "snapshot_info") -> TaskCase:
        if module == "server_info":
            body = {"count": 1, "results": [row]} if self.cloud == "vpsorg" else {"status": True, "data": {"server_list": [row]}}
        else:
            body = {"count": 1, "results": [row]} if self.cloud == "vpsorg" else {"status": True, "data": {"snapshots": [row]}}
        return self.step(title, "raw", module=module, body=body)


def steps_for(tasks: TaskFactory) -> list[TaskCase]:
    responses = Responses(tasks)
    cloud, message, secret = tasks.cloud, message_with_secrets(tasks.cloud), SECRETS[tasks.cloud][0]
    quoted = [responses.refusal(f"quoted {number}", piece) for number, piece in enumerate(split_message(message))]
    # The length limit cuts a key at different positions.
    cut = [responses.refusal(f"cut {length}", "x" * (500 - length) + form) for length in (9, 14, 21)
           for form in [encodings_of(secret)["percent" if length == 14 else "plain"]]]
    one_line = " ".join(message.split())
    row = {"id": 7, "server_id": 12345, "server_name": secret, "name": f"n {one_line[:300]}", "description": message, "status": message, "size_mb": 1,
           "created_at": "2026-01-01T00:00:00Z", message: message, "server": {"name": message}}
    return [
        *quoted, *cut,
        responses.step("fields", "raw", status=400, body={message: [message], secret: {secret: [secret]}}),
        responses.step("nested", "raw", status=400, body={"error": {"code": secret, "fields": [{secret: message}]}, "message": [message]}),
        responses.step("a list", "raw", status=400, body=[message, secret]),
        responses.step("page", "html", status=503, headers={"Retry-After": "0"},
                       body=f"<html><head><title>{message}</title></head><body>{message}</body></html>"),
        responses.step("page for JSON", "html", status=200, body=f"<title>{secret}</title>"),
        responses.step("header fields", "status", status=403, body={"detail": secret}, headers={
            "Retry-After": one_line, "WWW-Authenticate": f'Bearer realm="{one_line}"', "Date": secret, "X-Key": one_line}),
        responses.step("redirect", "redirect", location=f"https://example.com/?{one_line}"),
        responses.step("redirect to nowhere", "redirect", location=f"http://{secret}:80:80/"),
        responses.step("shape", "raw", module="snapshot_info", body={"results": {message: message}} if cloud == "vpsorg" else {message: message}),
        responses.listing("odd row", {message: message}),
        responses.listing("listed", row if cloud == "vpsorg" else {**row, "name": "n1", "state": message, "current": True, "creation_time": secret}),
        responses.listing("listed servers", {**row, "hostname": secret, "ip_address": secret, "status": "running"}, module="server_info"),
        tasks("server_info", *RESET_CALLS, ADD_CREDENTIALS, step="secrets in the URL", api_url=f"https://key@example.com/{secret}", **OPTIONS[cloud]),
        tasks("server_info", *RESET_CALLS, ADD_CREDENTIALS, step="unreachable", api_url="http://127.0.0.1:9/api", **OPTIONS[cloud]),
        tasks("server_info", *RESET_CALLS, ADD_CREDENTIALS, step="no such server", **{**OPTIONS[cloud], "server": secret}),
        tasks("snapshot_restore", *RESET_CALLS, step="unauthorized", name="one", **OPTIONS[cloud]),
        tasks("snapshot", *RESET_CALLS, step="wrong type", name="two", wait=secret, **OPTIONS[cloud]),
        tasks("snapshot", *RESET_CALLS, step="wrong choice", name="two", state=secret, **OPTIONS[cloud]),
        tasks("snapshot", *RESET_CALLS, step="dict for a key", name="two", **{**OPTIONS[cloud], next(iter(OPTIONS[cloud])): {secret: [secret]}}),
        tasks("snapshot", *RESET_CALLS, step="blank in a key", name="two", **{name: f" {value} x" for name, value in OPTIONS[cloud].items()}),
    ]


@pytest.mark.parametrize(("cloud", "mode"), [
    pytest.param(cloud, mode, marks=() if (cloud, mode) == ("vpsorg", IN_PROCESS) else pytest.mark.slow) for cloud in CLOUDS
    for mode in EXECUTION_MODES])
def test_in_every_part_of_a_response(secret_scan: SecretScanRunner, cloud: str, mode: str) -> None:
    tasks = TaskFactory(secret_scan.runner.sandbox, cloud)
    run = secret_scan.run(*steps_for(tasks), mode=mode, arguments=("-vvvvv", "--diff"), environment={"ANSIBLE_DISPLAY_TRACEBACK": "always"})
    for outcome in run.results:
        if outcome.name.startswith("quoted"):
            assert "********" in outcome.error["provider_message"]
            assert outcome.error["provider_message"].count(">********<") >= 1, "masked, not left out"
    for name, kind in {"unauthorized": "unauthorized", "header fields": "forbidden", "page": "provider_error", "redirect": "invalid_response",
                       "unreachable": "unreachable", "shape": "invalid_response", "secrets in the URL": "invalid_argument"}.items():
        assert run[name].error["kind"] == kind, (name, run[name].result)
    ends = {secret[-4:] for secret in SECRETS[tasks.cloud]}
    assert any(f"{end} in the end" in run.stdout for end in ends), "the last four characters may be shown"
