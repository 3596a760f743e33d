# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a failed login is the fault of the controller: only what has changed there since the plan is proven."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import controller_observer, controller_state
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.controller_state import find_cause

DENIED = "Failed to connect to the host via ssh: root@web1: Permission denied (publickey)."
CHANGED = "Failed to connect to the host via ssh: Host key verification failed."
UNRESOLVED = "Failed to connect to the host via ssh: ssh: Could not resolve hostname web1: Name or service not known"
NO_ROUTE = "ssh: connect to host 192.0.2.1 port 22: Network is unreachable"
FULL = "Task failed: [Errno 28] No space left on device"
BEFORE: dict[str, Any] = {
    "observed_at": 1000.0, "agent_socket": "/a", "agent_keys": ["k1", "k2"], "identities": {"/id": "abc 600"}, "certificates": {"/cert": 2000.0},
    "host_keys": ["h1", "h2"], "addresses": ["192.0.2.1", "192.0.2.2"], "port": 22, "full_directory": None,
}


def cause(detail: str, answers: bool | None = None, before: Any = ..., **now: Any) -> str | None:
    before = BEFORE if before is ... else before
    later = {**BEFORE, "observed_at": 1500.0, **now}
    return find_cause(detail, before, later, lambda address, port: answers)


@pytest.mark.parametrize(("detail", "now", "answers", "expected"), [
    (DENIED, {"agent_keys": None}, None, "SSH agent does not answer"),
    (DENIED, {"agent_keys": ["k1"]}, None, "SSH agent has lost a key"),
    (DENIED, {"agent_keys": []}, None, "SSH agent has lost a key"),
    (DENIED, {"identities": {}}, None, "SSH key /id was changed or removed"),
    (DENIED, {"identities": {"/id": "abc 644"}}, None, "SSH key /id was changed"),
    (DENIED, {"observed_at": 2001.0}, None, "SSH certificate /cert has expired"),
    (CHANGED, {"host_keys": ["h2", "h3"]}, None, "known_hosts has lost a key"),
    (CHANGED, {"host_keys": []}, None, "known_hosts has lost a key"),
    (UNRESOLVED, {"addresses": []}, True, "answers at its address 192.0.2.1"),
    (NO_ROUTE, {}, False, "no network any more"),
    (FULL, {"full_directory": "/root/.ansible"}, None, "its disk is full (/root/.ansible)"),
    ("The guard can't write the run record (No space left on device)", {}, None, "can't write the files of this upgrade"),
    ("rewind.vps can't read or write one of its files: Input/output error: /x", {}, None, "can't write the files of this upgrade"),
])
def test_a_proven_cause(detail: str, now: dict[str, Any], answers: bool | None, expected: str) -> None:
    found = cause(detail, answers, **now)
    assert found and expected in found


@pytest.mark.parametrize(("detail", "now", "answers"), [
    # An upgrade may cause the same messages.
    (DENIED, {}, True), (CHANGED, {}, True), (UNRESOLVED, {}, True), (NO_ROUTE, {}, None), (NO_ROUTE, {}, True), (FULL, {}, True),
    (DENIED, {"agent_keys": ["k1", "k2", "k3"], "identities": {"/id": "abc 600", "/new": "x"}, "host_keys": [], "addresses": []}, True),
    (CHANGED, {"host_keys": ["h1", "h2", "added by ssh"], "agent_keys": None}, True),
    # A server that is its own name server does not answer.
    (UNRESOLVED, {"addresses": []}, None), (UNRESOLVED, {"addresses": []}, False),
    ("Connection timed out", {"agent_keys": None, "host_keys": [], "addresses": []}, True),
    ("Failed since the upgrade: nginx.service", {"agent_keys": None}, True), ("", {"agent_keys": None}, True),
])
def test_no_proven_cause(detail: str, now: dict[str, Any], answers: bool | None) -> None:
    assert cause(detail, answers, **now) is None


def test_what_was_never_there_has_not_changed() -> None:
    absent = {**BEFORE, "agent_keys": None, "identities": {}, "certificates": {"/cert": 500.0}, "host_keys": [], "addresses": []}
    for detail in (DENIED, CHANGED, UNRESOLVED, NO_ROUTE):
        assert cause(detail, True, before=absent, agent_keys=None, identities={}, host_keys=[], addresses=[], observed_at=3000.0) is None
        assert cause(detail, True, before=None, agent_keys=None, host_keys=[], addresses=[]) is None
        assert find_cause(detail, BEFORE, None, lambda address, port: True) is None


@pytest.mark.parametrize(("detail", "now", "expected"), [
    (UNRESOLVED, {}, "can't resolve the server's name"), (CHANGED, {}, "known_hosts"), (NO_ROUTE, {}, "no network"), (FULL, {}, "disk is full"),
    (DENIED, {"agent_keys": None}, "SSH agent does not answer"), (DENIED, {"agent_keys": [], "identities": {}}, "SSH agent has no keys"),
    (DENIED, {"observed_at": 2001.0}, "certificate /cert has expired"), (DENIED, {"certificate_starts": {"/cert": 1900.0}}, "is not valid yet"),
    (DENIED, {"missing_identities": ["/id"]}, "SSH key /id does not exist"), (DENIED, {}, "the server rejects the controller's keys"),
    ("Connection refused", {}, ""), ("Connection timed out", {"agent_keys": None}, ""),
])
def test_what_to_check_when_a_login_never_worked(detail: str, now: dict[str, Any], expected: str) -> None:
    explanation = controller_state.explain(detail, {**BEFORE, **now})
    assert expected in explanation and bool(explanation) == bool(expected)
    controller_state.explain(detail, None)


def test_a_certificate_that_expires_during_the_run() -> None:
    warning, = controller_state.certificate_warnings(BEFORE, 1800)
    assert "/cert expires in 17 minutes, and this run may take 30" in warning
    assert controller_state.certificate_warnings(BEFORE, 900) == [] == controller_state.certificate_warnings(None, 9000)
    assert controller_state.certificate_warnings({**BEFORE, "observed_at": 2500.0}, 9000) == [], "it is not in use"


# --- observed with the real OpenSSH


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
    return tmp_path


def observe(home: Path, *options: str, host: str = "127.0.0.1") -> dict[str, Any]:
    known_hosts = ("-o", f"UserKnownHostsFile={home}/known_hosts", "-o", "GlobalKnownHostsFile=/dev/null")
    found = controller_observer.observe(["ssh", "-F", "/dev/null", *known_hosts, "-o", f'IdentityFile="{home}/id"', *options, host], [str(home)])
    assert found is not None
    return found


def test_a_key_file(home: Path) -> None:
    before = observe(home)
    assert list(before["identities"]) == [f"{home}/id"] and before["missing_identities"] == [] and before["agent_keys"] == []
    assert before["addresses"] == ["127.0.0.1"] and before["full_directory"] is None and before["certificates"] == {}
    (home / "id").unlink()
    now = observe(home)
    assert now["missing_identities"] == [f"{home}/id"]
    assert "was changed or removed" in str(find_cause(DENIED, before, now, lambda *how: None))


@pytest.mark.skipif(not shutil.which("ssh-agent"), reason="there is no ssh-agent")
def test_an_agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", home / "agent"], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
        while not (home / "agent").exists():
            time.sleep(0.01)
        assert observe(home)["agent_keys"] == []
        subprocess.run(["ssh-add", "-q", home / "id"], check=True)
        before = observe(home)
        assert len(before["agent_keys"]) == 1 == len(observe(home, "-o", f"IdentityAgent={home}/agent")["agent_keys"])
        assert observe(home, "-o", "IdentityAgent=none")["agent_socket"] is None
    finally:
        agent.kill()
        agent.wait()
    now = observe(home)
    assert now["agent_keys"] is None and now["agent_socket"] == str(home / "agent")
    assert "agent does not answer" in str(find_cause(DENIED, before, now, lambda *how: None))


def test_a_certificate(home: Path) -> None:
    def sign(validity: str) -> None:
        subprocess.run(["ssh-keygen", "-q", "-s", home / "id", "-I", "me", "-n", "root", "-V", validity, home / "id.pub"], check=True)

    sign("-1h:+10m")
    found = observe(home)
    assert list(found["certificates"]) == [f"{home}/id-cert.pub"]
    assert 500 < found["certificates"][f"{home}/id-cert.pub"] - found["observed_at"] <= 610
    sign("-2h:-1h")
    assert "has expired" in controller_state.explain(DENIED, observe(home))
    sign("always:forever")
    assert observe(home)["certificates"] == {}


@pytest.mark.parametrize("port", ["22", "2222"])
def test_known_hosts(home: Path, port: str) -> None:
    key = (home / "id.pub").read_text().split()
    name = "127.0.0.1" if port == "22" else "[127.0.0.1]:2222"
    (home / "known_hosts").write_text(f"{name} {key[0]} {key[1]}\n")
    before = observe(home, "-p", port)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", home / "known_hosts"], check=True, capture_output=True)
    assert len(before["host_keys"]) == 1 and observe(home, "-p", port)["host_keys"] == before["host_keys"], "a hashed name is the same name"
    assert observe(home, "-p", "4")["host_keys"] == []
    (home / "known_hosts").write_text("")
    assert "known_hosts" in str(find_cause(CHANGED, before, observe(home, "-p", port), lambda *how: None))


def test_behind_a_proxy_no_address_is_tried(home: Path) -> None:
    assert observe(home, "-o", "ProxyCommand=nc jump")["addresses"] == [] == observe(home, "-J", "jump")["addresses"]
    assert observe(home, host="no-such-host.invalid")["addresses"] == []


@pytest.mark.parametrize("option", [
    "ProxyJump=user@127.0.0.1:{},192.0.2.9", "ProxyJump=127.0.0.1:{}",
    "ProxyCommand=ssh -W %h:%p -q -p {} user@127.0.0.1", "ProxyCommand=/usr/bin/ssh -p {} 127.0.0.1 nc %h %p",
])
def test_a_jump_host_that_does_not_answer_any_more(home: Path, listener: socket.socket, option: str) -> None:
    port = listener.getsockname()[1]

    def serve() -> None:
        with listener.accept()[0] as connection:
            connection.sendall(b"SSH-2.0-x\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    before = observe(home, "-o", option.format(port))
    thread.join()
    listener.close()
    assert before["jump_host"] == f"127.0.0.1 port {port}" and before["addresses"] == []
    now = observe(home, "-o", option.format(port))
    assert now["jump_host"] is None
    lost = "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535"
    assert find_cause(lost, before, now, lambda *how: None) == f"the jump host 127.0.0.1 port {port} does not answer any more"
    for detail, later in ((lost, before), (DENIED, now), ("E: Sub-process /usr/bin/dpkg returned an error code", now)):
        assert find_cause(detail, before, later, lambda *how: None) is None


def test_without_a_jump_host_none_is_observed(home: Path) -> None:
    for options in ((), ("-o", "ProxyJump=none"), ("-o", "ProxyCommand=nc jump"), ("-o", "ProxyCommand='"), ("-o", "ProxyJump=127.0.0.1:1")):
        found = controller_observer.observe(["ssh", "-F", "/dev/null", *options, "127.0.0.1"], [str(home)])
        assert found is None or found["jump_host"] is None


def test_without_ssh_nothing_is_observed(home: Path) -> None:
    assert controller_observer.observe([str(home / "no-ssh"), "host"], []) is None
    assert controller_observer.observe(["false", "host"], []) is None


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize(("greeting", "expected"), [(b"SSH-2.0-x\r\n", True), (b"HTTP/1.1", None)])
def test_who_answers(listener: socket.socket, greeting: bytes, expected: bool | None) -> None:
    def serve() -> None:
        connection, dummy = listener.accept()
        with connection:
            connection.sendall(greeting)

    thread = threading.Thread(target=serve)
    thread.start()
    assert controller_observer.answers("127.0.0.1", listener.getsockname()[1]) is expected
    thread.join()


def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert controller_observer.answers("127.0.0.1", 1) is None

    def unreachable(*arguments: Any, **how: Any) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    assert controller_observer.answers("192.0.2.1", 22) is False


def test_a_full_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert controller_observer.full_directory([str(tmp_path / "not" / "yet")]) is None
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(controller_observer, "MIN_FREE_BYTES", 1 << 60)
    assert controller_observer.full_directory([str(tmp_path / "not")]) == str(tmp_path)
    monkeypatch.undo()
    if os.path.isdir("/proc/self"):
        assert controller_observer.full_directory(["/proc/self/not"]) == "/proc/self", "it can't be written to"


def test_the_options_that_ansible_passes() -> None:
    options = {"ssh_args": "-C -o ControlMaster=auto", "ssh_common_args": "-o ProxyCommand='nc %h'", "port": 2222, "private_key_file": "/my keys/id",
               "remote_user": "deploy", "host": "web1.example", "ssh_executable": "/usr/bin/ssh"}

    class Connection:
        host = "other"

        def get_option(self, name: str) -> Any:
            return options.get(name)

    command = controller_observer.ssh_command(Connection())
    assert command == ["/usr/bin/ssh", "-C", "-o", "ControlMaster=auto", "-o", "ProxyCommand=nc %h", "-o", "Port=2222", "-o",
                       'IdentityFile="/my keys/id"', "-o", "User=deploy", "web1.example"]
    output = subprocess.run([command[0], "-G", *command[1:]], capture_output=True, text=True, check=True, env={**os.environ}).stdout
    config = controller_state.parse_ssh_config(output)
    assert (config["port"], config["user"], config["identityfile"]) == (["2222"], ["deploy"], ["/my keys/id"])
