# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers with real machines: SSH follows power and restores."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from api_calls import IlkbyteCalls, VpsOrgCalls, soon

from sandbox import SandboxHandle, launch

pytestmark = pytest.mark.ssh


@pytest.fixture(scope="module")
def ssh_box() -> Iterator[SandboxHandle]:
    with launch(servers=1, speed=5) as sandbox:
        yield sandbox


def run(sandbox: SandboxHandle, host: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a server with the connection variables of the inventory."""
    group = yaml.safe_load(Path(sandbox.inventory).read_text())["sandbox"]
    hosts = {name: facts for child in group["children"].values() for name, facts in child["hosts"].items()}
    facts = {**group["vars"], **hosts[host]}
    return subprocess.run(
        ["ssh", *shlex.split(facts["ansible_ssh_common_args"]), "-i", facts["ansible_ssh_private_key_file"],
         "-o", "BatchMode=yes", "-p", str(facts["ansible_port"]),
         f"{facts['ansible_user']}@{facts['ansible_host']}", command],
        capture_output=True, text=True, timeout=20, check=False)


def path_inside(sandbox: SandboxHandle, host: str, path: str) -> str:
    """A path of the server as its commands have to name it: where there are no namespaces, they see the whole host."""
    return sandbox.admin.server(host)["disk"] + path if sandbox.isolation == "directory" else path


def test_reset_keeps_ports_and_keys_and_mends_the_network(ssh_box: SandboxHandle) -> None:
    file = path_inside(ssh_box, "web1", "/srv/junk")
    run(ssh_box, "web1", f"touch {file}")
    before = Path(ssh_box.inventory).read_text()
    ssh_box.admin.update_server("vpsorg", "web1", network="down")
    started_at = time.monotonic()
    ssh_box.admin.reset()
    assert time.monotonic() - started_at < 5
    assert Path(ssh_box.inventory).read_text() == before
    assert run(ssh_box, "web1", f"test -e {file}").returncode == 1


def test_a_reset_ends_processes_and_leaves_unused_servers_on(ssh_box: SandboxHandle) -> None:
    def children() -> set[str]:
        return {pid for path in Path(f"/proc/{ssh_box.process.pid}/task").glob("*/children") for pid in path.read_text().split()}

    def is_sleeping() -> bool:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if b"sleep\x0098765" in path.read_bytes():
                    return True
        return False

    ssh_box.admin.reset()
    before = children()
    run(ssh_box, "web1", "nohup setsid sleep 98765 >/dev/null 2>&1 </dev/null &")
    assert is_sleeping()
    ssh_box.admin.reset()
    assert not is_sleeping()
    assert len(before) == 2 and len(before & children()) == 1  # app1 was not used


def namespaces_only(sandbox: SandboxHandle) -> None:
    if sandbox.isolation == "directory":
        pytest.skip("without namespaces `reboot` and `poweroff` act on the host")


def test_both_clouds_notice_a_server_that_switches_itself_off(ssh_box: SandboxHandle) -> None:
    namespaces_only(ssh_box)
    vpsorg, ilkbyte = VpsOrgCalls(ssh_box), IlkbyteCalls(ssh_box)
    ssh_box.admin.clear_request_log()
    for host in ("web1", "app1"):
        run(ssh_box, host, "poweroff")
    assert soon(lambda: (vpsorg.status(), ilkbyte.status()) == ("stopped", "shut off"), 10.0)
    assert {event["server"] for event in ssh_box.admin.events("power_stopped")} == {"web1", "app1"}
    vpsorg.call("POST", "/servers/12345/power/", json={"action": "start"})
    ilkbyte.manage("/power", set="start")
    vpsorg.until(lambda: (vpsorg.status(), ilkbyte.status()) == ("active", "running"))
    assert [run(ssh_box, host, "true").returncode for host in ("web1", "app1")] == [0, 0]
