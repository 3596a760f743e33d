# SPDX-License-Identifier: GPL-3.0-or-later
"""An exception whose text holds the credentials, forced into each layer, shows itself nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.breaking.sitecustomize import PLACES
from support.cases import CLOUDS, RESET_CALLS, TaskFactory, add_snapshot
from support.playbook_runner import EXECUTION_MODES, IN_PROCESS, MODULE, TaskCase
from support.secret_cases import ADDED, OPTIONS, quoting

if TYPE_CHECKING:
    from functional.secret_scan.conftest import LeakStage

pytestmark = [pytest.mark.playbook, pytest.mark.secret_scan]

BREAKING = Path(__file__).resolve().parents[2] / "support" / "breaking"
# Where only one of the doors comes by, and where only one of the clouds does. A task's environment is there only behind its door.
IN_PROCESS_ONLY = ("plugin_utils._action:InProcessAction._run_in_process",)
MODULE_ONLY = ("ansible.module_utils.basic:AnsibleModule.exit_json",)
IN_FRONT = ("plugin_utils._action:InProcessAction._module_reason", "plugin_utils._module_execution:ModuleExecutionAction._credentials_as_options")
IN_MODULES = [place for place in PLACES if "guarded_upgrade" not in place and place not in IN_FRONT]


def places(cloud: str, mode: str) -> list[str]:
    other = {"vpsorg": "ilkbyte", "ilkbyte": "vpsorg"}[cloud]
    not_here = MODULE_ONLY if mode == IN_PROCESS else IN_PROCESS_ONLY
    return [place for place in IN_MODULES if place not in not_here and f"providers.{other}:" not in place]


def breaking(tasks: TaskFactory, place: str, keywords: dict[str, Any] | None = None) -> TaskCase:
    return tasks("snapshot", *RESET_CALLS, ADDED, add_snapshot(tasks.cloud, "one"), step=place, name="two", keywords=keywords, **OPTIONS[tasks.cloud])


def environment(directory: Path, cloud: str) -> dict[str, str]:
    (directory / "plan").write_text(f"GET https://example.com/?q={quoting(cloud)}", encoding="utf-8")
    return {"PYTHONPATH": str(BREAKING), "REWIND_BREAK_TEXT": str(directory / "plan"), "ANSIBLE_DISPLAY_TRACEBACK": "always"}


def raised(directory: Path) -> set[str]:
    return set((directory / "plan.raised").read_text("utf-8").split())


@pytest.mark.parametrize(("cloud", "mode"), [
    pytest.param(cloud, mode, marks=() if (cloud, mode) == ("vpsorg", IN_PROCESS) else pytest.mark.slow) for cloud in CLOUDS for mode in EXECUTION_MODES])
def test_in_each_layer(leaks: LeakStage, cloud: str, mode: str, tmp_path: Path) -> None:
    tasks = TaskFactory(leaks.runner.sandbox, cloud)
    wanted = places(cloud, mode)
    steps = [breaking(tasks, place, {"environment": {"REWIND_BREAK": place}}) for place in wanted]
    run = leaks.play(*steps, mode=mode, arguments=("-vvvvv",), environment=environment(tmp_path, cloud))
    assert raised(tmp_path) == set(wanted)
    for place in wanted:
        assert run[place].failed, place
        assert "of its own (RuntimeError at" in run[place].msg, run[place].msg
        assert run[place].error["kind"] == "internal"


@pytest.mark.slow
@pytest.mark.parametrize("place", IN_FRONT)
def test_in_front_of_the_doors(leaks: LeakStage, vpsorg: TaskFactory, place: str, tmp_path: Path) -> None:
    run = leaks.play(breaking(vpsorg, place), mode=MODULE, arguments=("-vvvvv",),
                     environment={**environment(tmp_path, "vpsorg"), "REWIND_BREAK": place})
    assert raised(tmp_path) == {place}
    assert run.only.error["kind"] == "internal"


@pytest.mark.parametrize("mode", [pytest.param(IN_PROCESS, marks=pytest.mark.slow), MODULE])
def test_with_all_that_libraries_say_of_http(leaks: LeakStage, ilkbyte: TaskFactory, mode: str) -> None:
    """Ilkbyte's keys stand in every address."""
    for name, arguments in (*RESET_CALLS, ADDED):  # here: within the run, the tests' own client would be heard as well
        getattr(leaks.runner.sandbox.admin, name)(**arguments)
    run = leaks.play(ilkbyte("snapshot", name="two", **OPTIONS["ilkbyte"]), mode=mode, arguments=("-vvvvv",),
                     environment={"PYTHONPATH": str(BREAKING), "REWIND_NOISE": "1"})
    assert not run.only.failed, run.only.result
    assert "send: b" in run.output, "the noise was not turned on"
