# SPDX-License-Identifier: GPL-3.0-or-later
"""A private copy of the checkout in which one defect at a time is put, and the tests are run."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.collection_link import copy_collection

from mutation.mutant import Mutant

PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "--tb=short", "-q", "-rfE", "-m", "not slow")
TESTS_FAILED, NO_TESTS = 1, 5  # pytest's exit statuses; 0 is success
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR|SUBFAIL\w*)\b.*?(tests/\S+?::\w+)", re.MULTILINE)
TEARDOWN_TIMEOUT = 20.0  # seconds that pytest gets to stop its sandboxes


@dataclass(frozen=True)
class Result:
    """How a process ended; `status` is None where it exceeded its time limit."""

    status: int | None
    output: str

    @property
    def first_failure(self) -> str:
        found = FIRST_FAILURE.search(self.output)
        return found[1].rpartition("/")[2] if found else "a test that the output does not name"


class BrokenCheckout:
    """One copy of the checkout at `directory`/ansible_collections/rewind/vps. One thread at a time may use it."""

    def __init__(self, root: Path, directory: Path) -> None:
        self._directory = directory
        self._temporary = directory / "t"
        self._temporary.mkdir(parents=True)
        self._running: subprocess.Popen | None = None
        self._stopped = False
        self.path = copy_collection(root, directory)

    @contextlib.contextmanager
    def broken(self, mutant: Mutant) -> Iterator[None]:
        """Put the defect into the copy, and restore the file afterwards."""
        path = self.path / mutant.file
        original = path.read_text(encoding="utf-8")
        path.write_text(mutant.applied_to(original), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(original, encoding="utf-8")

    def import_file(self, file: str) -> Result:
        """Import one of the collection's Python files: a defect that breaks the import proves nothing."""
        name = "ansible_collections.rewind.vps." + file.removesuffix(".py").replace("/", ".")
        return self._run(["-c", f"import sys; sys.path.insert(0, {str(self._directory)!r}); import {name}"], 60)

    def run_tests(self, tests: Sequence[str], timeout: float, *options: str) -> Result:
        """Run tests, named relative to tests/."""
        return self._run([*PYTEST, "--basetemp", str(self._temporary / "b"), *options, *(f"tests/{test}" for test in tests)], timeout)

    def stop(self) -> None:
        """Interrupt the tests that run now, and run no more. Another thread may call this."""
        self._stopped = True
        if running := self._running:
            running.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End the processes that this copy left running, and remove it."""
        self._kill_leftovers()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, arguments: Sequence[str], timeout: float) -> Result:
        if self._stopped:
            raise KeyboardInterrupt
        with tempfile.TemporaryFile() as output:
            # A session of its own: Ctrl-C in the terminal reaches pytest through `stop` only.
            process = self._running = subprocess.Popen(
                [sys.executable, *arguments], cwd=self.path, env=self.environment(), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end(process)
                self._running = None
                self._kill_leftovers()
            output.seek(0)
            return Result(status, output.read().decode("utf-8", "replace"))

    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "REWIND_TEST_VIEW"},
            "PYTHONPATH": str(self.path / "extensions"),
            # Python can't see that a file changed when its size and the second are the same.
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self._temporary),
            "ANSIBLE_CONFIG": str(self.path / "tests" / "ansible.cfg"),
            "ANSIBLE_HOME": str(self._temporary / "ansible-home"),
            "ANSIBLE_COLLECTIONS_PATH": str(self._directory),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._temporary / "cp"),
        }

    def _kill_leftovers(self) -> None:
        """End what the tests left running, such as a broken guard. Its arguments or environment name this directory."""
        mark = os.fsencode(self._directory) + b"/"
        for process in Path("/proc").glob("[0-9]*"):
            if int(process.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if any(mark in (process / name).read_bytes() for name in ("cmdline", "environ")):
                        os.kill(int(process.name), signal.SIGKILL)
        for path in self._temporary.iterdir():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _end(process: subprocess.Popen) -> None:
    """Let pytest stop what it started; kill its process group if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TEARDOWN_TIMEOUT)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
