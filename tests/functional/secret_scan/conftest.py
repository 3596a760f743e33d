# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs whose every channel is searched for secrets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.playbook_runner import PlaybookRunner, Run, TaskCase
from support.secret_cases import SECRETS
from support.secret_channels import ProcessWatch, report_search, search_run
from support.secret_search import Searcher

if TYPE_CHECKING:
    from sandbox import SandboxHandle


class SecretScanRunner:
    """Runs steps and searches everything that they leave."""

    def __init__(self, sandbox: SandboxHandle, directory: Path) -> None:
        self.directory = directory
        self.runner = PlaybookRunner(sandbox, directory)
        self.searcher = Searcher([secret for secrets in SECRETS.values() for secret in secrets])
        # Short: sockets lie in it, whose paths may have some 100 characters.
        self.temporary = Path(tempfile.mkdtemp(prefix="rw-"))

    @property
    def environment(self) -> dict[str, str]:
        return {"TMPDIR": str(self.temporary)}

    def run(self, *steps: TaskCase, inherited: bool = False, environment: dict[str, str] | None = None, **how: Any) -> Run:
        """Run and search; see `PlaybookRunner.run`."""
        with ProcessWatch(str(self.directory)) as watch:
            run = self.runner.run(*steps, environment={**self.environment, **(environment or {})}, **how)
        self.search(run, watch, inherited=inherited)
        return run

    def search(self, run: Run, watch: ProcessWatch | None = None, *, inherited: bool = False) -> None:
        """Search all channels of a run."""
        search_run(self.searcher, run, [self.directory, self.temporary], watch, inherited=inherited)


@pytest.fixture
def secret_scan(sandbox: SandboxHandle, tmp_path: Path, record_property: Any) -> Iterator[SecretScanRunner]:
    """Fails the test if a secret is found."""
    runner = SecretScanRunner(sandbox, tmp_path)
    yield runner
    shutil.rmtree(runner.temporary, ignore_errors=True)
    report_search(runner.searcher, record_property)
