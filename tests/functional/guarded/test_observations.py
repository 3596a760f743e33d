# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role observes by itself before and after an upgrade: logins, modules, systemd, reboots, and the user's checks before the snapshot."""

from __future__ import annotations

import http.server
import json
import re
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.guarded_upgrade import CHANGE, UpgradeRunner, outcomes, proven

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

# Connects to the server as a firewall does that drops new connections from some time on.
PROXY = """import os, socket, sys, threading
if os.path.exists(sys.argv[1]):
    sys.exit("no new connections")
with socket.create_connection((sys.argv[2], int(sys.argv[3]))) as connection:
    def receive():
        while data := connection.recv(65536):
            os.write(1, data)
        os._exit(0)
    threading.Thread(target=receive, daemon=True).start()
    while data := os.read(0, 65536):
        connection.sendall(data)
"""

# Answers as systemd's would, from files in /srv/systemd: failed and restarting units, and a service's number of restarts.
SYSTEMCTL = """#!/bin/sh
cd /srv/systemd || exit 1
[ ! -e broken ] || exit 1
case "$*" in
list-units*) cat failed ;;
is-system-running) echo running ;;
*NRestarts*)
  echo restart >> /run/restarts
  echo Id=loop.service; echo SubState=running; echo "NRestarts=$(if [ -e loop ]; then wc -l < /run/restarts; fi)" ;;
esac
"""


def install_systemctl(upgrades: UpgradeRunner, *hosts: str) -> None:
    for host in hosts:
        disk = upgrades.disk(host)
        for directory in ("opt/bin", "srv/systemd"):
            (disk / directory).mkdir(parents=True)
        (disk / "opt" / "bin" / "systemctl").write_text(SYSTEMCTL)
        (disk / "opt" / "bin" / "systemctl").chmod(0o755)
        (disk / "srv" / "systemd" / "failed").write_text("old.service loaded failed failed An old one\n")
        (disk / "root" / ".bashrc").write_text("PATH=/opt/bin:$PATH\n")


def connect_through_proxy(upgrades: UpgradeRunner) -> tuple[Path, str]:
    """The file that makes the proxy drop new connections, and the extra variables with which Ansible uses it."""
    proxy, locked = upgrades.directory / "proxy.py", upgrades.directory / "locked"
    proxy.write_text(PROXY)
    command = shlex.join([sys.executable, str(proxy), str(locked), "%h", "%p"])
    return locked, json.dumps({"ansible_ssh_extra_args": shlex.join(["-o", f"ProxyCommand={command}"])})


def on(host: str, command: str) -> dict[str, Any]:
    return {"name": f"Break {host}", "ansible.builtin.shell": command, "when": f"inventory_hostname == '{host}'"}


@pytest.mark.duration(20)
def test_every_new_login_fails(upgrades: UpgradeRunner) -> None:
    """The open connection still works, so the server's logs are saved; only a new login shows the fault."""
    locked, variables = connect_through_proxy(upgrades)
    lock = {"name": "Drop new connections", "ansible.builtin.file": {"path": str(locked), "state": "touch"}, "delegate_to": "localhost"}
    unlock = upgrades.tasks("unlock", {**lock, "ansible.builtin.file": {"path": str(locked), "state": "absent"}})
    log = {"name": "Write a log", "ansible.builtin.shell": "mkdir -p /var/log/apt; echo upgraded libc >> /var/log/apt/history.log"}
    run = upgrades.run("web1", "-e", variables, check_timeout=6,
                       tasks=upgrades.tasks("upgrade", CHANGE, log, lock), after_tasks=unlock, connection_timeout=5)
    assert run.status == 2, run.output
    assert "a new login is not possible" in upgrades.record("web1")["reason"]
    assert upgrades.count_requests("web1", "snapshots.restore") == 1 and upgrades.disk_matches_snapshot("web1")
    assert "upgraded libc" in (upgrades.record_directory("web1") / "server.log").read_text("utf-8")


def test_a_server_without_a_new_login_is_not_upgraded(upgrades: UpgradeRunner) -> None:
    """A connection that a person has opened is lost at the restore."""
    locked, variables = connect_through_proxy(upgrades)
    playbook = upgrades.playbook("book", {"hosts": "web1", "gather_facts": False, "tasks": [
        {"ansible.builtin.raw": "true"}, {"ansible.builtin.file": {"path": str(locked), "state": "touch"}, "delegate_to": "localhost"},
        {"ansible.builtin.raw": "true"}, {"ansible.builtin.include_role": {"name": "rewind.vps.guarded_upgrade"}}]})
    run = upgrades.run("web1", "-e", variables, playbook=playbook,
                       tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 2, run.output
    assert "can't be probed over a new connection" in run.stdout
    upgrades.assert_untouched("web1")


@pytest.mark.duration(25)
def test_python_is_gone_after_the_upgrade(upgrades: UpgradeRunner) -> None:
    python, of_the_host = "/opt/python", re.search("ansible_python_interpreter: (.+)", Path(upgrades.sandbox.inventory).read_text("utf-8"))[1]
    for host in ("web1", "web2"):
        interpreter = upgrades.disk(host) / "opt" / "python"
        interpreter.write_text(f'#!/bin/sh\nexec {of_the_host} "$@"\n')
        interpreter.chmod(0o755)
    replace = on("web2", f"mv {python} /opt/other && ln -s /opt/other {python}")
    run = upgrades.run("web1,web2", "-e", f"ansible_python_interpreter={python}", playbook=upgrades.host_pinned_playbook(), check_timeout=6,
                       tasks=upgrades.tasks("upgrade", CHANGE, on("web1", f"rm {python}"), replace))
    assert outcomes(run) == {"web1": "rolled_back", "web2": "upgraded"}, run.output
    assert "no module of Ansible runs there any more" in upgrades.record("web1")["reason"]
    upgrades.assert_rolled_back("web1")


@pytest.mark.duration(45)
def test_units_are_observed_for_some_time(upgrades: UpgradeRunner) -> None:
    """At once: a unit fails for a moment, one fails later, a service restarts for ever, and systemd can't be queried any more."""
    hosts = ("web1", "web2", "web3", "web4")
    install_systemctl(upgrades, *hosts)
    fail, recover = "echo 'new.service loaded failed failed A new one' >> /srv/systemd/failed", "sed -i /new/d /srv/systemd/failed"
    background = "setsid sh -c '{}' > /dev/null 2>&1 < /dev/null &"
    run = upgrades.run(
        ",".join(hosts), "--forks", "4", playbook=upgrades.host_pinned_playbook(), check_timeout=20, soak_time=12, tasks=upgrades.tasks(
            "upgrade", CHANGE, on("web1", f"{fail}; {background.format(f'sleep 4; {recover}')}"),
            on("web2", background.format("sleep 8; echo new.service loaded failed failed >> /srv/systemd/failed")),
            on("web3", "touch /srv/systemd/loop"), on("web4", "touch /srv/systemd/broken"),
        ),
    )
    assert outcomes(run) == {"web1": "upgraded", **dict.fromkeys(hosts[1:], "rolled_back")}, run.output
    reasons = [upgrades.record(host)["reason"] for host in hosts[1:]]
    expected_reasons = ("failed since the upgrade: new.service", "restarting repeatedly: loop.service", "can't be queried any more")
    for reason, expected in zip(reasons, expected_reasons):
        assert expected in reason
    for host in hosts[1:]:
        upgrades.assert_rolled_back(host)
        assert "units" in proven(upgrades.record(host)) and "checks" not in proven(upgrades.record(host)), "no checks are configured"


def test_a_reboot_command_that_asks_gets_no_answer_and_no_terminal(upgrades: UpgradeRunner) -> None:
    """As molly-guard does, it asks only a person at a terminal; another one reads whatever there is."""
    command = upgrades.disk("web1") / "opt" / "careful_reboot"
    command.write_text("#!/bin/sh\n[ ! -t 0 ] || read -r answer\nwhile read -r answer; do :; done\nreboot\n")
    command.chmod(0o755)
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE), reboot="always", reboot_command="/opt/careful_reboot", reboot_timeout=40)
    assert run.status == 0, run.output
    assert upgrades.record("web1")["outcome"] == "upgraded"


@pytest.fixture
def web_server() -> Iterator[str]:
    """A web server on this machine that responds with the status in the path; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path.strip("/")))
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.duration(25)
def test_a_check_that_fails_before_the_upgrade_starts_none(upgrades: UpgradeRunner, web_server: str, tmp_path: Path) -> None:
    """At once a port, a URL and a file of checks fail before, and one passes though its URL requires a login; the proxy is not used."""
    checks = upgrades.tasks("checks", {"name": "Ask the shop", "ansible.builtin.command": "test -e /nowhere", "when": "inventory_hostname == 'web3'"})
    urls = [{"url": f"{web_server}/401", "status": [200, 401]}, {"url": f"{web_server}/204", "status": 204}, {"url": f"{web_server}/200"}, checks]
    run = upgrades.run(
        "web1,web2,web3,web4", "--forks", "4", playbook=upgrades.host_pinned_playbook(), tasks=upgrades.tasks("upgrade", CHANGE), check_timeout=120,
        checks=f"{{{{ {urls} + ([{{'port': 9}}] if inventory_hostname == 'web1' else []) + "
               f"([{{'url': '{web_server}/500'}}] if inventory_hostname == 'web2' else []) }}}}",
        environment={"http_proxy": "http://127.0.0.1:9", "no_proxy": upgrades.sandbox.vpsorg_url.split("//")[1]},
    )
    assert outcomes(run) == {**dict.fromkeys(("web1", "web2", "web3"), "not_started"), "web4": "upgraded"}, run.output
    for host in ("web1", "web2", "web3"):
        upgrades.assert_untouched(host)
    for expected in ("check port 9: does not accept", "responds with status 500", "Ask the shop", "level: warn", "baseline: false"):
        assert expected in run.stdout


def test_without_a_baseline_the_upgrade_may_repair_what_the_checks_find(upgrades: UpgradeRunner) -> None:
    checks = upgrades.tasks("checks", {"name": "Check the new file", "ansible.builtin.command": "test -e /etc/changed"})
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE), checks=[{"tasks": checks, "baseline": False}])
    assert run.status == 0, run.output
