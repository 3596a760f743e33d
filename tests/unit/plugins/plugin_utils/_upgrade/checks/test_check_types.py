# SPDX-License-Identifier: GPL-3.0-or-later
"""Each type of check, with real commands on this machine, and programs of a directory of its own in place of systemctl and docker."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.checks.base import Target
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.checks.parsing import parse_checks
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.checks.runner import observe_checks
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import ServerUnavailable


class Shell:
    """This machine as the server, with programs of a directory."""

    def __init__(self, programs: Path, path: str | None = None) -> None:
        self.programs, self.path = programs, path or f"{programs}:{os.environ['PATH']}"
        self.limits: list[float] = []

    def add(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        program.chmod(0o755)

    def run(self, script: str, seconds: float, *, new_login: bool = False) -> str:
        self.limits.append(seconds)
        ran = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False, env={"PATH": self.path}, timeout=60)
        return ran.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def observe(shell: Any, **entry: Any) -> tuple[bool, str]:
    (result,) = observe_checks(parse_checks([entry]), Target(shell, "127.0.0.1"), lambda seconds: seconds)
    return result["result"] == "passed", result["detail"]


@pytest.mark.parametrize(("answer", "passed", "detail"), [
    ("LoadState=loaded\nActiveState=active\nSubState=running", True, "active (running)"),
    ("LoadState=loaded\nActiveState=failed\nSubState=failed", False, "failed (failed)"),
    ("LoadState=loaded\nActiveState=activating\nSubState=auto-restart", False, "activating (auto-restart)"),
    ("LoadState=not-found\nActiveState=inactive\nSubState=dead", False, "there is no such unit"),
    ("", False, "unknown (unknown)"),
])
def test_systemd(shell: Shell, answer: str, passed: bool, detail: str) -> None:
    shell.add("systemctl", f'[ "$6" = nginx.service ] && printf "{answer}\\n"')
    assert observe(shell, systemd="nginx") == (passed, detail)


def test_systemd_that_does_not_answer(shell: Shell) -> None:
    shell.add("systemctl", "echo Failed to connect to bus >&2; exit 1")
    assert observe(shell, systemd="nginx") == (False, "status 1: Failed to connect to bus")


@pytest.mark.parametrize("source", ["server", "controller"])
def test_port(shell: Shell, source: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert observe(shell, port=port, **{"from": source}) == (True, "accepts connections")
    assert observe(shell, port=port, host="127.0.0.1", **{"from": source}) == (False, "does not accept connections (Connection refused)")


def test_port_without_bash(tmp_path: Path) -> None:
    """With a netcat, and without."""
    shell = Shell(tmp_path, path=str(tmp_path))
    for name in ("sh", "tail"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
    passed, detail = observe(shell, port=9)
    assert not passed and "neither bash nor nc is installed there" in detail
    shell.add("nc", '[ "$1 $4 $5" = "-z 127.0.0.1 9" ]')
    assert observe(shell, port=9) == (True, "accepts connections")
    shell.add("nc", "exit 1")
    assert observe(shell, port=9) == (False, "status 1")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the status in the path; /loop redirects for ever."""

    def do_GET(self) -> None:
        word = self.path.partition("?")[0][1:]
        self.send_response(302 if word in ("loop", "redirect") else int(word))
        if word in ("loop", "redirect"):
            self.send_header("Location", "/loop" if word == "loop" else "/200")
        self.end_headers()
        self.wfile.write(b"the shop is open\n" if word != "204" else b"")

    def log_message(self, *arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


needs_curl = pytest.mark.skipif(subprocess.run(["sh", "-c", "command -v curl"], capture_output=True, check=False).returncode != 0,
                                reason="there is no curl on this machine")


@pytest.mark.parametrize("source", ["controller", pytest.param("server", marks=needs_curl)])
@pytest.mark.parametrize(("path", "options", "expected"), [
    ("/200", {}, (True, "responds with status 200")), ("/redirect", {}, (True, "responds with status 200")),
    ("/204", {"status": [200, 204]}, (True, "responds with status 204")), ("/500", {}, (False, "responds with status 500")),
    ("/401", {"status": 401}, (True, "responds with status 401")), ("/200", {"contains": "shop is open"}, (True, "responds with status 200")),
    ("/200", {"contains": "closed"}, (False, "responds with status 200, but without the text 'closed'")),
    ("/503", {"status": [503], "contains": "open"}, (True, "responds with status 503")),
])
def test_url(shell: Shell, web: str, source: str, path: str, options: dict[str, Any], expected: tuple[bool, str],
             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # of the provider
    assert observe(shell, url=f"{web}{path}?token=x", **options, **{"from": source}) == expected


@pytest.mark.parametrize("source", ["controller", pytest.param("server", marks=needs_curl)])
def test_url_without_a_response(shell: Shell, source: str) -> None:
    passed, detail = observe(shell, url="http://user:secret@127.0.0.1:9/?token=secret", **{"from": source})
    assert not passed and "no response (" in detail and "secret" not in detail and detail.count("\n") == 0


def test_url_with_the_proxy(shell: Shell, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    passed, detail = observe(shell, url=f"{web}/200", use_proxy=True)
    assert not passed and detail == "no response (Connection refused)"


def test_url_from_a_server_without_curl(tmp_path: Path, web: str) -> None:
    shell = Shell(tmp_path, path=str(tmp_path))
    for name in ("sh", "tail"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
    passed, detail = observe(shell, url=f"{web}/200", **{"from": "server"})
    assert not passed and "curl is not installed there; set from to controller" in detail


def test_command(shell: Shell) -> None:
    assert observe(shell, command="true") == (True, "exits with 0")
    assert observe(shell, command="echo 'it is'; echo closed >&2; exit 3") == (False, "status 3: closed")
    assert observe(shell, command="cat; echo \"'x'\" | grep -q \"'x'\"") == (True, "exits with 0"), "it has no input"
    assert observe(shell, command="seq 100000; exit 4") == (False, "status 4: 100000")
    assert observe(shell, command="printf 'check-status 0'; exit 5") == (False, "status 5: check-status 0")
    assert max(shell.limits) <= 40


def test_a_command_that_hangs_or_breaks_the_shell(shell: Shell) -> None:
    (result,) = observe_checks(parse_checks([{"command": "sleep 50"}]), Target(shell, ""), lambda seconds: 1)  # type: ignore[arg-type]
    assert result["detail"] == "no result within 1 s"
    assert observe(shell, command="if")[0] is False
    shell.path = "/nowhere"
    with pytest.raises(ServerUnavailable):
        observe(shell, command="true")


@pytest.mark.parametrize(("engine", "answer", "expected"), [
    ("docker", "echo 'state running healthy'", (True, "running, healthy")), ("docker", "echo 'state running '", (True, "running")),
    ("podman", "echo 'state running starting'", (False, "running, starting")), ("podman", "echo 'state exited '", (False, "exited")),
    ("docker", "echo 'state running unhealthy'", (False, "running, unhealthy")),
    ("docker", "echo 'Error: no such container: web' >&2; exit 1", (False, "status 1: Error: no such container: web")),
    # An older podman.
    ("podman", 'case "$4" in *Healthcheck*) echo "state running healthy" ;; *) exit 125 ;; esac', (True, "running, healthy")),
])
def test_container(shell: Shell, engine: str, answer: str, expected: tuple[bool, str]) -> None:
    shell.add(engine, f'[ "$1 $2 $3" = "container inspect --format" ] && [ "$6" = web ] || exit 9\n{answer}')
    for other in {"docker", "podman"} - {engine}:
        shell.add(other, "echo 'Error: no such container: web' >&2; exit 1")
    assert observe(shell, container="web") == expected


def test_container_without_an_engine(tmp_path: Path) -> None:
    shell = Shell(tmp_path, path=str(tmp_path))
    for name in ("sh", "tail"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
    assert observe(shell, container="web") == (False, "status 1: neither docker nor podman is installed on the server")
