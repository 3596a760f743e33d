# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of Automation Controller or AWX: ansible-runner with the project's playbooks and the credential types' environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.awx_controller import credentials, launch, secrets
from support.managed_nodes import count_nodes
from support.playbook_runner import PlaybookRunner
from support.secret_search import Searcher

if TYPE_CHECKING:
    from sandbox import SandboxHandle

pytestmark = pytest.mark.playbook


@pytest.mark.duration(8)
def test_a_snapshot_job_shows_its_progress_counts_its_servers_and_leaks_nothing(runner: PlaybookRunner, sandbox: SandboxHandle,
                                                                                tmp_path: Path) -> None:
    job = launch(
        runner, tmp_path / "job", "snapshot.yml", inventory=Path(sandbox.inventory), environment=credentials(sandbox, "vpsorg"),
        extra_vars={"target": "vpsorg", "snapshot_name": "preupgrade"},
    )
    assert job.status == "successful", job.run.output
    assert "snapshot preupgrade requested" in job.output
    assert {node["name"] for node in count_nodes(job.events)} == {"web1", "web2"}
    searcher = Searcher(secrets(sandbox))
    for name, text in job.remaining_files().items():
        searcher.search(name, text)
    assert not searcher.search("output", job.run.output)
    assert not searcher.hits, "\n".join(map(str, searcher.hits))
