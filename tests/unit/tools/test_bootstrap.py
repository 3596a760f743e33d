# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts nox: which Python it finds, and what it reports if there is none."""

from __future__ import annotations

import ast
import os
import signal
import sys
from pathlib import Path

import pytest

from tools import bootstrap
from tools.environments import Recipe, find_python

FILE = Path(bootstrap.__file__)


def program(path: Path, body: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(name="environ")
def environ_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Nothing but `bin` on PATH, and a Python that is too old runs bootstrap.py."""
    monkeypatch.setattr(sys, "executable", program(tmp_path / "old/python3", "exit 1"))
    return {"PATH": f"{tmp_path / 'shims'}{os.pathsep}{tmp_path / 'bin'}", "HOME": str(tmp_path / "home")}


def test_python_3_8_can_read_the_file() -> None:
    ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("place", ["old/python3", "bin/python3.12", "home/.local/share/uv/python/cpython-3.12.1-linux/bin/python3"],
                         ids=["the one that runs it", "behind a broken shim", "of a version manager"])
def test_the_first_suitable_python_is_taken(environ: dict[str, str], tmp_path: Path, place: str) -> None:
    program(tmp_path / "shims/python3.12", "echo 'command not found' >&2; exit 127")
    good = program(tmp_path / place, "exit 0")

    assert bootstrap.find_python(environ) == good


def test_an_environment_gets_the_newest_python_that_responds(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "PROBE_TIMEOUT", 5)
    program(tmp_path / "bin/python3.14", "exec sleep 300")
    program(tmp_path / "shims/python3.12", 'case "$3" in *"<= (3, 11)"*) exit 1;; esac')
    program(tmp_path / "bin/python3.11", 'case "$3" in *"(3, 12) <="*) exit 1;; esac')

    assert find_python(Recipe((), newest=12), environ) == str(tmp_path / "shims/python3.12")
    with pytest.raises(SystemExit, match="This machine has no Python 3.11 to 3.14"):
        find_python(Recipe(()), {**environ, "PATH": str(tmp_path / "empty")})


def test_a_named_python_is_the_only_candidate(environ: dict[str, str], tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", "exit 0")
    environ["REWIND_PYTHON"] = program(tmp_path / "odd dir 'x'/python", "exit 1")

    with pytest.raises(SystemExit, match="odd dir 'x'/python is not Python 3.11 to 3.14"):
        bootstrap.find_python(environ)


def test_without_a_suitable_python_one_sentence_names_the_remedy(environ: dict[str, str], tmp_path: Path) -> None:
    program(tmp_path / "shims/python3.12", "exit 127")
    program(tmp_path / "bin/python3.11", "exit 1")  # without ensurepip, for example

    with pytest.raises(SystemExit) as stopped:
        bootstrap.find_python(environ)

    text = str(stopped.value)
    assert "\n" not in text
    assert f"Python {sys.version.split()[0]} is not Python 3.11 to 3.14 with the modules venv, ensurepip and ssl" in text
    assert "apt install python3 python3-venv" in text and "REWIND_PYTHON" in text


def test_environments_are_in_the_checkout_unless_its_path_has_a_colon() -> None:
    assert bootstrap.environments_dir("/odd dir é's 1") == "/odd dir é's 1/.nox"
    elsewhere = bootstrap.environments_dir("/a:b")
    assert ":" not in elsewhere
    assert elsewhere != bootstrap.environments_dir("/a:c")


def test_ctrl_c_is_not_ignored_in_the_background_of_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(bootstrap, "ensure", lambda environ: "python")
        monkeypatch.setattr(os, "execve", lambda *command: None)
        bootstrap.main(["--list"])
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
