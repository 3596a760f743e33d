# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the newest Python on this machine that can carry the development environment."""

from __future__ import annotations

import glob
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Tuple

from tools.console import Problem

Version = Tuple[int, ...]  # (major, minor)

OLDEST: Version = (3, 11)
NEWEST: Version = (3, 14)
PROBE_SECONDS = 30

# Asked of every candidate: a name on PATH proves nothing, it may be a version manager's shim that exits with 127.
PROBE = """
import importlib, json, sys, sysconfig
missing = []
for name in ("ctypes", "ensurepip", "ssl", "venv", "zlib"):
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "path": getattr(sys, "_base_executable", None) or sys.executable,
    "version": list(sys.version_info[:3]),
    "final": sys.version_info[3] == "final",
    "threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "missing": missing,
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs. The path is the base interpreter's: neither a shim nor one inside a virtual environment."""

    path: str
    version: Version


def find_python(
    environ: Mapping[str, str], oldest: Version = OLDEST, newest: Version = NEWEST
) -> Interpreter:
    """The newest usable Python from `oldest` to `newest`; REWIND_PYTHON in `environ` names one instead.

    Raises Problem with the reason for every candidate when there is none.
    """
    named = environ.get("REWIND_PYTHON")
    found = []
    rejected = []
    for candidate in [named] if named else _candidates(environ, oldest, newest):
        interpreter, reason = probe(candidate, oldest, newest)
        if interpreter:
            found.append(interpreter)
        else:
            rejected.append(f"  {candidate}: {reason}")
    if not found:
        raise Problem(_none_found(rejected, oldest, newest))
    # max() keeps the first of equals, and PATH comes first.
    return max(found, key=lambda interpreter: interpreter.version)


def probe(candidate: str, oldest: Version, newest: Version) -> tuple[Interpreter | None, str]:
    """Run one candidate. Returns (Interpreter, "") or (None, why it does not do)."""
    try:
        # -I: neither PYTHONPATH nor the current folder may change the answer.
        answer = subprocess.run(
            [candidate, "-I", "-c", PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"does not run ({type(error).__name__})"
    if answer.returncode != 0:
        return None, f"does not run (exit status {answer.returncode})"
    try:
        facts = json.loads(answer.stdout)
        version = tuple(facts["version"][:2])
    except (ValueError, TypeError, KeyError):
        return None, "runs, but does not answer as a Python does"
    text = ".".join(str(number) for number in facts["version"])
    if not oldest <= version <= newest:
        return None, f"is {text}"
    if not facts["final"] or facts["threaded"]:
        return None, f"is {text}, but a pre-release or free-threaded build"
    if facts["missing"]:
        return None, f"is {text}, but lacks {', '.join(facts['missing'])}"
    return Interpreter(facts["path"], version), ""


def _candidates(environ: Mapping[str, str], oldest: Version, newest: Version) -> Iterator[str]:
    """Paths to try, PATH first, each once."""
    seen = set()
    for path in [*_on_path(environ, oldest, newest), *_in_version_folders(environ)]:
        if path not in seen and os.access(path, os.X_OK):
            seen.add(path)
            yield path


def _on_path(environ: Mapping[str, str], oldest: Version, newest: Version) -> Iterable[str]:
    names = [f"python3.{minor}" for minor in range(newest[1], oldest[1] - 1, -1)] + ["python3"]
    folders = [folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    # Every folder, not only the first that has the name: a broken shim may hide a good one.
    return [os.path.join(folder, name) for name in names for folder in folders]


def _in_version_folders(environ: Mapping[str, str]) -> Iterable[str]:
    """The Pythons of pyenv, asdf, mise and uv, which need not be on PATH."""
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    folders = [
        Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
        Path(environ.get("ASDF_DATA_DIR") or home / ".asdf") / "installs/python",
        Path(environ.get("MISE_DATA_DIR") or data / "mise") / "installs/python",
        Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python"),
    ]
    return [path for folder in folders for path in sorted(glob.glob(f"{glob.escape(str(folder))}/*/bin/python3"))]


def _none_found(rejected: list[str], oldest: Version, newest: Version) -> str:
    wanted = f"Python 3.{oldest[1]}" if oldest == newest else f"Python 3.{oldest[1]} to 3.{newest[1]}"
    return "\n".join(
        [
            f"No usable {wanted} was found on this machine. Tried:",
            *(rejected or ["  (no python3 anywhere)"]),
            "Install one, for example: apt install python3 python3-venv | dnf install python3.12 |",
            "brew install python@3.13 | uv python install 3.13 | pyenv install 3.13",
            "or name it: REWIND_PYTHON=/path/to/python3",
        ]
    )
