# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for a Python, with fake interpreters that answer the probe in chosen ways."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tools.console import Problem
from tools.pythons import find_python, probe


def fake(path: Path, version: str, *, final: bool = True, threaded: bool = False, missing: tuple[str, ...] = ()) -> str:
    """A program that answers as a Python of that version; its base interpreter is itself."""
    answer = json.dumps(
        {
            "path": str(path),
            "version": [int(part) for part in version.split(".")],
            "final": final,
            "threaded": threaded,
            "missing": list(missing),
        }
    )
    return script(path, f"cat <<'END'\n{answer}\nEND")


def script(path: Path, body: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(name="environ")
def environ_fixture(tmp_path: Path) -> dict[str, str]:
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home")}


def test_the_newest_wins_wherever_it_is(tmp_path: Path, environ: dict[str, str]) -> None:
    fake(tmp_path / "bin/python3.11", "3.11.9")
    newest = fake(tmp_path / "home/.pyenv/versions/3.13.1/bin/python3", "3.13.1")
    fake(tmp_path / "home/.local/share/uv/python/cpython-3.12.4-linux/bin/python3", "3.12.4")

    found = find_python(environ)

    assert (found.path, found.version) == (newest, (3, 13))


@pytest.mark.parametrize(
    "folder",
    [".pyenv/versions/3.12.1", ".asdf/installs/python/3.12.1", ".local/share/mise/installs/python/3.12.1"],
)
def test_version_managers_are_searched(tmp_path: Path, environ: dict[str, str], folder: str) -> None:
    python = fake(tmp_path / "home" / folder / "bin/python3", "3.12.1")

    assert find_python(environ).path == python


def test_path_comes_before_a_version_manager(tmp_path: Path, environ: dict[str, str]) -> None:
    on_path = fake(tmp_path / "bin/python3", "3.12.3")
    fake(tmp_path / "home/.pyenv/versions/3.12.9/bin/python3", "3.12.9")

    assert find_python(environ).path == on_path


def test_a_shim_that_runs_nothing_hides_no_good_one_behind_it(tmp_path: Path, environ: dict[str, str]) -> None:
    script(tmp_path / "shims/python3.12", "echo 'command not found' >&2; exit 127")
    good = fake(tmp_path / "bin/python3.12", "3.12.3")
    environ["PATH"] = f"{tmp_path / 'shims'}:{tmp_path / 'bin'}"

    assert find_python(environ).path == good


def test_limits_are_kept(tmp_path: Path, environ: dict[str, str]) -> None:
    fake(tmp_path / "bin/python3.13", "3.13.0")
    older = fake(tmp_path / "bin/python3.12", "3.12.0")
    fake(tmp_path / "bin/python3", "3.15.0")

    assert find_python(environ, newest=(3, 12)).path == older


def test_a_named_python_is_used_though_a_newer_one_is_there(tmp_path: Path, environ: dict[str, str]) -> None:
    fake(tmp_path / "bin/python3.13", "3.13.0")
    environ["REWIND_PYTHON"] = fake(tmp_path / "odd dir 'x'/python", "3.11.0")

    assert find_python(environ).version == (3, 11)


def test_with_none_the_message_says_what_was_tried_and_what_to_install(tmp_path: Path, environ: dict[str, str]) -> None:
    script(tmp_path / "bin/python3.12", "exit 127")
    fake(tmp_path / "bin/python3.11", "3.11.2", missing=("ensurepip",))
    fake(tmp_path / "bin/python3", "3.9.18")

    with pytest.raises(Problem) as problem:
        find_python(environ)

    text = str(problem.value)
    assert "No usable Python 3.11 to 3.14" in text
    assert "python3.12: does not run (exit status 127)" in text
    assert "python3.11: is 3.11.2, but lacks ensurepip" in text
    assert "python3: is 3.9.18" in text
    assert "apt install python3 python3-venv" in text
    assert "REWIND_PYTHON" in text


def test_with_nothing_at_all_the_message_says_so(environ: dict[str, str]) -> None:
    with pytest.raises(Problem, match="no python3 anywhere"):
        find_python(environ)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("exit 127", "does not run (exit status 127)"),
        ("echo hello", "runs, but does not answer as a Python does"),
        ("echo 42", "runs, but does not answer as a Python does"),
    ],
)
def test_programs_that_are_no_python(tmp_path: Path, body: str, reason: str) -> None:
    assert probe(script(tmp_path / "python3", body), (3, 11), (3, 14)) == (None, reason)


@pytest.mark.parametrize("kind", [{"final": False}, {"threaded": True}])
def test_pre_releases_and_free_threaded_builds_are_refused(tmp_path: Path, kind: dict[str, bool]) -> None:
    interpreter, reason = probe(fake(tmp_path / "python3", "3.14.0", **kind), (3, 11), (3, 14))

    assert interpreter is None
    assert "pre-release or free-threaded" in reason


def test_a_missing_program_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    assert probe(str(tmp_path / "nowhere"), (3, 11), (3, 14)) == (None, "does not run (FileNotFoundError)")


def test_the_python_that_runs_this_test_is_named_by_its_base_and_not_by_its_environment() -> None:
    here = sys.version_info[:2]

    interpreter, reason = probe(sys.executable, here, here)

    assert interpreter, reason
    assert interpreter.version == here
    assert Path(interpreter.path).samefile(sys.executable)
    assert Path(interpreter.path).is_relative_to(sys.base_prefix)
