# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in any form leaves through either door, however loud Ansible is asked to be and however it was given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.clouds import Tasks
from support.leaky_tasks import VARIABLES, WAYS, tempting
from support.stage import DOORS

if TYPE_CHECKING:
    from integration.leaks.conftest import LeakStage

pytestmark = [pytest.mark.playbook, pytest.mark.leaks]

LOUDEST = {"ANSIBLE_DEBUG": "1", "ANSIBLE_KEEP_REMOTE_FILES": "1"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("door", DOORS)
def test_the_loudest_run(leaks: LeakStage, tasks: Tasks, door: str, way: str, tmp_path: Path) -> None:
    environment = {**LOUDEST, "ANSIBLE_LOG_PATH": str(tmp_path / "log"), **(VARIABLES[tasks.cloud] if way == "controller" else {})}
    run = leaks.play(*tempting(tasks, way), door=door, arguments=("-vvvvv", "--diff"), environment=environment, inherited=way == "controller")
    assert not run[f"{way}: works"].failed, run[f"{way}: works"].result
    assert run[f"{way}: refused"].error["provider_message"].startswith("plain >********")
