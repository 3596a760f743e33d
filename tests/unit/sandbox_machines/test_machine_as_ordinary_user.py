# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox for an ordinary user. If root runs the tests, the program runs as the user `nobody`."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncssh
import pytest

DIRECTORY = Path(__file__).resolve().parent
UNPRIVILEGED_UID = 65534
LIBRARIES = Path(asyncssh.__file__).parents[1]


def test_an_ordinary_user_has_machines_in_a_user_namespace(unavailable):
    if "user-namespace" in unavailable:
        pytest.skip(unavailable["user-namespace"])
    with tempfile.TemporaryDirectory(prefix="rw", dir="/tmp") as workspace:
        paths = [str(LIBRARIES), str(DIRECTORY), str(DIRECTORY.parents[2] / "extensions")]
        program = [os.path.realpath(sys._base_executable), "-B", str(DIRECTORY / "ordinary_user.py"), f"{workspace}/state", *paths]
        if os.geteuid() == 0:
            if not shutil.which("setpriv"):
                pytest.skip("setpriv (util-linux) is needed to run a program as an unprivileged user")
            os.chown(workspace, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
            program = _as_unprivileged_user(program, needed=[os.path.realpath(sys.base_prefix), *paths], workspace=workspace)
        done = subprocess.run(program, capture_output=True, text=True, timeout=60, cwd="/", env={"PATH": os.environ["PATH"]}, check=False)
        assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts.pop("user") != 0
    assert "without root" in facts.pop("reason")
    assert facts.pop("tty").startswith("/dev/pts/")
    assert facts == {
        "isolation": "user-namespace", "output": "0\nsecret\n", "errors": "", "sftp": "mine\n", "saved_is_live": True, "changed": True,
        "restored": True, "after": "mine\nsecret\n555\n0\n", "left_processes": 0, "left_mounts": False, "left_files": False}


def _as_unprivileged_user(program: list[str], *, needed: list[str], workspace: str) -> list[str]:
    """`program` run as the user `nobody`, in a mount namespace in which that user can read `needed`.

    Python or the checkout may be below a directory of root (/root). Such a directory is covered by an empty one that shows
    only what is needed.
    """
    steps = ["set -e"]
    closed = sorted({top for path in needed for top in [_first_closed(path)] if top})
    for number, path in enumerate(needed):
        if _first_closed(path):
            os.makedirs(f"{workspace}/kept/{number}", mode=0o755)
            steps.append(f"mount --bind {shlex.quote(path)} {workspace}/kept/{number}")
    steps += [f"mount -t tmpfs -o mode=755 cover {shlex.quote(directory)}" for directory in closed]
    for number, path in enumerate(needed):
        if _first_closed(path):
            steps += [f"mkdir -p {shlex.quote(path)}", f"mount --bind {workspace}/kept/{number} {shlex.quote(path)}"]
    user = f"setpriv --reuid={UNPRIVILEGED_UID} --regid={UNPRIVILEGED_UID} --clear-groups"
    steps.append(f"exec {user} {' '.join(map(shlex.quote, program))}")
    return ["unshare", "--mount", "sh", "-c", "\n".join(steps)]


def _first_closed(path: str) -> str | None:
    """The topmost directory on the way to `path` that only its owner can enter."""
    parts = Path(path).parts
    for number in range(1, len(parts) + 1):
        directory = Path(*parts[:number])
        if not directory.stat().st_mode & 0o001:
            return str(directory)
    return None
