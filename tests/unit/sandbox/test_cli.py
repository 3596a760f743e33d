# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: its first line, its end, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import launch

EXTENSIONS = Path(__file__).resolve().parents[3] / "extensions"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(EXTENSIONS)}
KEYS = {"vpsorg_url", "vpsorg_token", "ilkbyte_url", "ilkbyte_access_key", "ilkbyte_secret_key", "admin_url",
        "inventory", "environment", "ca_path", "isolation", "isolation_reason", "speed"}


def start(*arguments: str) -> tuple[subprocess.Popen, dict]:
    process = subprocess.Popen([sys.executable, "-m", "sandbox", "--no-ssh", *arguments], env=ENVIRONMENT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return process, json.loads(process.stdout.readline())


@pytest.mark.parametrize(("number", "existed"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_signal_ends_it_with_nothing_left(tmp_path, number, existed):
    state = tmp_path / "state"
    if existed:
        state.mkdir()
        (state / "mine").write_text("the user's own file")
    process, facts = start("--state", str(state), "--servers", "1")
    assert set(facts) == KEYS
    assert facts["vpsorg_url"].endswith("/api/v1") and facts["vpsorg_token"].startswith("vps_")
    assert Path(facts["inventory"]).is_file()
    assert Path(facts["environment"]).stat().st_mode & 0o777 == 0o600
    output = subprocess.run(
        ["sh", "-c", '. "$1"; echo "$VPS_API_URL $VPS_API_TOKEN $ILKBYTE_HOST $ILKBYTE_ACCESS_KEY $ILKBYTE_SECRET_KEY $SANDBOX_INVENTORY"', "sh",
         facts["environment"]], capture_output=True, text=True, check=True, env={}).stdout.split()
    names = ("vpsorg_url", "vpsorg_token", "ilkbyte_url", "ilkbyte_access_key", "ilkbyte_secret_key", "inventory")
    assert output == [facts[name] for name in names]
    process.send_signal(number)
    rest, output = process.communicate(timeout=15)
    assert (process.returncode, rest) == (0, b"")
    for secret in ("vpsorg_token", "ilkbyte_access_key", "ilkbyte_secret_key"):
        assert facts[secret].encode() not in output
    assert (existed and [entry.name for entry in state.iterdir()] == ["mine"]) or not state.exists()


def test_ports_as_asked_and_taken_port(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.listen()
        process = subprocess.run([sys.executable, "-m", "sandbox", "--no-ssh", "--vpsorg-port", str(port), "--state",
                                  str(tmp_path / "state")], env=ENVIRONMENT, capture_output=True, timeout=30, check=False)
        assert process.returncode == 1 and b"cannot start" in process.stderr and b"Traceback" not in process.stderr
    assert not (tmp_path / "state").exists()
    process, facts = start("--vpsorg-port", str(port), "--servers", "0")
    assert facts["vpsorg_url"] == f"http://127.0.0.1:{port}/api/v1"
    process.terminate()
    process.communicate(timeout=15)


def test_it_ends_when_the_process_that_launched_it_is_killed(tmp_path):
    script = ("import sys, time\nfrom sandbox import launch\n"
              "with launch(servers=1, ssh=False) as box:\n"
              "    print(box.process.pid, flush=True)\n    time.sleep(60)\n")
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env={**ENVIRONMENT, "TMPDIR": str(tmp_path)})
    sandbox = int(owner.stdout.readline())
    owner.kill()
    owner.communicate()
    deadline = time.monotonic() + 10
    while running(sandbox) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(sandbox)
    assert list(tmp_path.iterdir()) == []


def test_launch_reports_why_it_did_not_start():
    with pytest.raises(RuntimeError, match="cannot start: speed must be more than zero"):
        with launch(speed=0, ssh=False):
            pass


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
