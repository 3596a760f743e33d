# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/hooks.md, with a chat and a load balancer on this machine, and a made-up psql on the server."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, outcomes
from support.playbook_runner import ROOT

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

PAGE = (ROOT / "docs" / "hooks.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```yaml\n(.*?)```", PAGE, re.DOTALL))
# It keeps the setting in a file of the server's disk.
PSQL = """#!/bin/sh
for word; do case $word in
  *"read_only = on"*) echo on >/srv/read_only ;;
  *RESET*) echo off >/srv/read_only ;;
esac; done
"""


@pytest.fixture
def service() -> Iterator[http.server.ThreadingHTTPServer]:
    """A web server that keeps the requests it gets, as method, path and body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.requests.append((self.command, self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        do_POST = do_PUT

        def log_message(self, *arguments: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def write_examples(directory: Path) -> None:
    assert set(EXAMPLES) == {"webhook", "drain", "undrain", "readonly", "writable"}
    for name, text in EXAMPLES.items():
        (directory / f"{name}.yml").write_text(text, "utf-8")


@pytest.mark.duration(25)
def test_the_examples(upgrades: UpgradeRunner, service: http.server.ThreadingHTTPServer) -> None:
    """web1 is upgraded, web2 rolled back, and web3 not started, since its database does not answer."""
    write_examples(upgrades.directory)
    for host in ("web1", "web2"):
        program = upgrades.disk(host) / "opt" / "psql"
        program.write_text(PSQL)
        program.chmod(0o755)
    address = f"http://127.0.0.1:{service.server_port}"
    playbook = upgrades.playbook("book", {
        "hosts": "{{ target }}", "gather_facts": False, "strategy": "ansible.builtin.host_pinned", "environment": {"PATH": "/opt:/usr/bin:/bin"},
        "vars": {"chat_url": f"{address}/chat", "balancer_url": address}, "roles": [{"role": "rewind.vps.guarded_upgrade"}],
    })
    hooks = {"before_snapshot_tasks": ["drain.yml", "readonly.yml"], "after_tasks": ["undrain.yml", "writable.yml", "webhook.yml"]}
    broken = {**FAIL, "when": "inventory_hostname == 'web2'"}
    run = upgrades.run("web1,web2,web3", "--forks", "3", playbook=playbook, tasks=upgrades.tasks("upgrade", CHANGE, broken), **hooks)
    assert outcomes(run) == {"web1": "upgraded", "web2": "rolled_back", "web3": "not_started"}, run.output
    states = [(path, body["state"]) for method, path, body in service.requests if method == "PUT"]
    for host in ("web1", "web2", "web3"):
        assert [state for path, state in states if path == f"/servers/{host}"] == ["drain", "ready"]
    for host in ("web1", "web2"):
        assert (upgrades.disk(host) / "srv" / "read_only").read_text() == "off\n", "also where the snapshot has a read-only database"
    messages = [body["text"] for method, path, body in service.requests if method == "POST"]
    # The last hook of web3 does not run, since the one before it fails, which is a warning.
    assert sorted(text.partition(",")[0] for text in messages) == ["web1: upgraded", "web2: rolled_back"]
    assert "WARNING: a task of guarded_upgrade_after_tasks failed" in run.stdout
    assert upgrades.count_requests("web3", "snapshots.create") == 0


def test_the_plan_shows_hooks(upgrades: UpgradeRunner) -> None:
    write_examples(upgrades.directory)
    run = upgrades.run("web1", "--check", tasks=upgrades.tasks("upgrade", CHANGE), before_snapshot_tasks=["drain.yml"], after_tasks=["missing.yml"])
    assert run.status == 2 and "guarded_upgrade_after_tasks: there is no file missing.yml" in run.output
    run = upgrades.run("web1", "--check", tasks=upgrades.tasks("upgrade", CHANGE), before_snapshot_tasks=["drain.yml"])
    assert run.status == 0 and f"Before the snapshot: {upgrades.directory}/drain.yml" in run.stdout, run.output
    upgrades.assert_untouched("web1")
