# SPDX-License-Identifier: GPL-3.0-or-later
"""A private copy of the checkout, in which the code is broken and the tests are run, and nothing is left of either."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.collection_link import copy_collection

from mutants.mutant import Mutant

NOT_PATIENT = ("-m", "not patient")
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "--tb=short", "-q", "-rfE", *NOT_PATIENT)
TESTS_FAILED, NOTHING_RAN = 1, 5  # pytest's exit statuses; 0 is well, every other one a trouble of its own
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR|SUBFAIL\w*)\b.*?(tests/\S+?::\w+)", re.MULTILINE)
LAST_WORDS_SECONDS = 20.0  # that pytest gets to take its sandboxes down


class Interrupted(Exception):
    """Whoever runs this wants it to end."""


@dataclass(frozen=True)
class Ran:
    """How a program ended. `status` is None where its time was up."""

    status: int | None
    output: str
    seconds: float

    @property
    def first_failure(self) -> str:
        """The test that failed first, without its folder."""
        found = FIRST_FAILURE.search(self.output)
        return found[1].rpartition("/")[2] if found else "a test that can't be told from the output"


class Workshop:
    """One copy of the checkout at `folder`/ansible_collections/rewind/vps. Not for use by two threads at once."""

    def __init__(self, root: Path, folder: Path, stop: threading.Event) -> None:
        self._stop = stop
        self._folder = folder
        self._temporary = folder / "t"
        self._temporary.mkdir(parents=True)
        self.checkout = copy_collection(root, folder)

    @contextlib.contextmanager
    def broken(self, mutant: Mutant) -> Iterator[None]:
        """The copy has the breakage inside, and is whole again afterwards."""
        path = self.checkout / mutant.file
        whole = path.read_text(encoding="utf-8")
        path.write_text(mutant.applied_to(whole), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(whole, encoding="utf-8")

    def imports(self, file: str) -> Ran:
        """Import one of the collection's Python files."""
        name = "ansible_collections.rewind.vps." + file.removesuffix(".py").replace("/", ".")
        return self._run(["-c", f"import sys; sys.path.insert(0, {str(self._folder)!r}); import {name}"], 60)

    def pytest(self, tests: Sequence[str], seconds: float, *options: str) -> Ran:
        """Run tests, which are named relative to tests/; in this Python, and with none of pytest's own files written."""
        return self._run([*PYTEST, "--basetemp", str(self._temporary / "b"), *options, *(f"tests/{test}" for test in tests)], seconds)

    def close(self) -> None:
        """End what still runs from here, and remove the copy."""
        self._end_leftovers()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, words: Sequence[str], seconds: float) -> Ran:
        if self._stop.is_set():
            raise Interrupted
        began = time.monotonic()
        with tempfile.TemporaryFile() as output:
            # In a session of its own: what ends this one on a terminal must not end that one half way.
            program = subprocess.Popen(
                [sys.executable, *words], cwd=self.checkout, env=self._variables(), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )
            try:
                status = self._wait(program, began + seconds)
            finally:
                _end(program)
                self._end_leftovers()
            output.seek(0)
            return Ran(status, output.read().decode("utf-8", "replace"), time.monotonic() - began)

    def _wait(self, program: subprocess.Popen, until: float) -> int | None:
        while time.monotonic() < until:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return program.wait(0.2)
            if self._stop.is_set():
                raise Interrupted
        return None

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "REWIND_TEST_VIEW"}
        return {
            **kept,
            "PYTHONPATH": str(self.checkout / "extensions"),
            # A file that is changed twice within a second, to the same length, must not be taken for the one before.
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self._temporary),
            "ANSIBLE_CONFIG": str(self.checkout / "tests" / "ansible.cfg"),
            "ANSIBLE_HOME": str(self._temporary / "ansible-home"),
            "ANSIBLE_COLLECTIONS_PATH": str(self._folder),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._temporary / "cp"),
        }

    def _end_leftovers(self) -> None:
        """A guard that was broken may watch for ever. All that was started here has this folder in its arguments or environment."""
        mark = os.fsencode(self._folder) + b"/"
        for process in Path("/proc").glob("[0-9]*"):
            if int(process.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                if any(mark in (process / name).read_bytes() for name in ("cmdline", "environ")):
                    os.kill(int(process.name), signal.SIGKILL)
        for path in self._temporary.iterdir():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _end(program: subprocess.Popen) -> None:
    """Let pytest take down what it has started, and end it with its group if it does not."""
    if program.poll() is not None:
        return
    program.send_signal(signal.SIGINT)
    try:
        program.wait(LAST_WORDS_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
