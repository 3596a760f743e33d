# SPDX-License-Identifier: GPL-3.0-or-later
"""Running steps and programs: what is printed, what is returned, and how signals are passed on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.console import Problem
from tools.environment import Environment
from tools.processes import run
from tools.steps import Step, run_steps
from tools.workspace import neutral_variables

TESTS = Path(__file__).resolve().parents[2]


def test_all_steps_run_and_one_failure_is_enough(capfd: pytest.CaptureFixture[str]) -> None:
    ran = []

    def broken() -> int:
        ran.append("broken")
        raise Problem("no network")

    steps = [Step("bad", lambda: ran.append("bad") or 3), Step("broken", broken), Step("good", lambda: 0)]

    assert run_steps(steps) == 1
    out, err = capfd.readouterr()
    assert ran == ["bad", "broken"]
    assert "no network" in err
    lines = out.splitlines()[-3:]
    assert [line.split()[0] for line in lines] == ["bad", "broken", "good"]
    assert lines[0].endswith("FAILED (exit status 3)")
    assert lines[1].endswith("FAILED (exit status 1)")
    assert lines[2].endswith("ok")


def test_when_all_is_well_the_status_is_zero() -> None:
    assert run_steps([Step("good", lambda: 0)]) == 0


def test_a_program_gets_the_variables_and_folder_it_is_given_and_its_status_comes_back(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import os; print(os.getcwd()); print(os.environ); raise SystemExit(7)"

    status = run([sys.executable, "-c", code], env={"ONLY": "this"}, cwd=tmp_path, on_line=lines.append)

    assert status == 7
    assert lines[0] == str(tmp_path)
    assert "'ONLY': 'this'" in lines[1]
    assert "HOME" not in lines[1]


def test_a_program_killed_by_a_signal_is_a_failure(tmp_path: Path) -> None:
    code = "import os; os.kill(os.getpid(), 9)"

    assert run([sys.executable, "-c", code], env={}, cwd=tmp_path) == 137


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_program_and_nothing_is_left_running(tmp_path: Path, number: int) -> None:
    inner = (
        "import os, signal, time\n"
        "def stop(number, frame):\n    os.write(1, b'inner stopped\\n'); os._exit(0)\n"
        f"signal.signal({int(number)}, stop)\n"
        "os.write(1, b'ready\\n')\ntime.sleep(60)\n"
    )
    outer = (
        "import os, sys\nfrom pathlib import Path\nfrom tools.processes import Interrupted, run\n"
        f"try:\n    run([sys.executable, '-c', {inner!r}], env=os.environ, cwd=Path('.'))\n"
        "except Interrupted as interrupted:\n    sys.exit(interrupted.exit_status)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(
        [sys.executable, "-c", outer], env=environ, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        started = time.monotonic()
        process.send_signal(number)
        rest = process.stdout.read()  # ends only when no process holds the pipe any more
        status = process.wait()

    assert rest == b"inner stopped\n"
    assert status == 128 + number
    assert time.monotonic() - started < 30


def test_closed_standard_streams_are_mended() -> None:
    code = (
        "import subprocess, sys\nfrom tools.processes import mend_standard_streams\nmend_standard_streams()\n"
        "child = 'import os, sys; os.fstat(0); os.fstat(1); sys.exit(42)'\n"
        "sys.exit(subprocess.call([sys.executable, '-c', child]))\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(TESTS)}
    closing = ["sh", "-c", 'exec "$0" "$@" <&- >&-', sys.executable, "-c", code]

    assert subprocess.run(closing, env=environ, check=False).returncode == 42


def test_neither_real_credentials_nor_foreign_settings_reach_the_programs(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "odd dir 'x'", tmp_path / "venv")
    environ = {
        "PATH": "/usr/bin",
        "HOME": "/home/someone",
        "VPS_API_TOKEN": "vps_precious",
        "ILKBYTE_SECRET_KEY": "precious",
        "ANSIBLE_STDOUT_CALLBACK": "json",
        "MAKEFLAGS": "n",
        "SSH_AUTH_SOCK": "/tmp/agent",
        "XDG_CONFIG_HOME": "/home/someone/.config",
        "NO_PROXY": "intranet",
        "TERM": "xterm",
    }

    result = neutral_variables(environment, tmp_path / "collections", tmp_path / "rw", environ)

    assert "precious" not in " ".join(result.values())
    assert {"ANSIBLE_STDOUT_CALLBACK", "MAKEFLAGS", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME"}.isdisjoint(result)
    assert result["HOME"] == str(tmp_path / "venv/home")
    assert result["TERM"] == "xterm"
    assert result["NO_PROXY"] == "intranet,127.0.0.1,localhost,::1"
    assert result["PATH"] == f"{tmp_path / 'venv/bin'}:/usr/bin"
    assert result["PYTHONPATH"] == str(tmp_path / "odd dir 'x'/extensions")


def test_a_checkout_with_a_colon_is_imported_through_the_view(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "a:b", tmp_path / "venv")

    result = neutral_variables(environment, tmp_path / "collections", tmp_path / "rw", {})

    assert ":" not in result["PYTHONPATH"]
    assert result["PYTHONPATH"].endswith("/ansible_collections/rewind/vps/extensions")
