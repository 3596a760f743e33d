# SPDX-License-Identifier: GPL-3.0-or-later
"""An exception whose text has the credentials, raised in each layer, is shown nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.breaking.sitecustomize import PLACES
from support.cases import CLOUDS, RESET_CALLS, TaskFactory, add_snapshot, apply_calls
from support.playbook_runner import EXECUTION_MODES, IN_PROCESS, MODULE, TaskCase
from support.secret_cases import ADD_CREDENTIALS, OPTIONS, message_with_secrets

if TYPE_CHECKING:
    from functional.secret_scan.conftest import SecretScanRunner

pytestmark = [pytest.mark.playbook, pytest.mark.secret_scan]

BREAKING = Path(__file__).resolve().parents[2] / "support" / "breaking"
# Called in one execution mode only. A task's environment is set only after the last group.
IN_PROCESS_ONLY = ("plugin_utils._action:InProcessAction._run_in_process",)
MODULE_ONLY = ("ansible.module_utils.basic:AnsibleModule.exit_json",)
IN_CONTROLLER = ("plugin_utils._action:InProcessAction._module_reason",
                 "plugin_utils._action:InProcessAction._credentials_as_options")
IN_MODULES = [location for location in PLACES if "_guard." not in location and "_upgrade." not in location and location not in IN_CONTROLLER]


def locations(cloud: str, mode: str) -> list[str]:
    other = {"vpsorg": "ilkbyte", "ilkbyte": "vpsorg"}[cloud]
    skip_location = MODULE_ONLY if mode == IN_PROCESS else IN_PROCESS_ONLY
    return [location for location in IN_MODULES if location not in skip_location and f"_provider.{other}:" not in location]


def breaking(tasks: TaskFactory, location: str, keywords: dict[str, Any] | None = None) -> TaskCase:
    return tasks("snapshot", *RESET_CALLS, ADD_CREDENTIALS, add_snapshot(tasks.cloud, "one"), step=location, name="two", keywords=keywords,
                 **OPTIONS[tasks.cloud])


def environment(directory: Path, cloud: str) -> dict[str, str]:
    (directory / "plan").write_text(f"GET https://example.com/?q={message_with_secrets(cloud)}", encoding="utf-8")
    return {"PYTHONPATH": str(BREAKING), "REWIND_BREAK_TEXT": str(directory / "plan"), "ANSIBLE_DISPLAY_TRACEBACK": "always"}


def raised(directory: Path) -> set[str]:
    return set((directory / "plan.raised").read_text("utf-8").split())


@pytest.mark.parametrize(("cloud", "mode"), [
    pytest.param(cloud, mode, marks=() if (cloud, mode) == ("ilkbyte", IN_PROCESS) else pytest.mark.slow) for cloud in CLOUDS
    for mode in EXECUTION_MODES])
def test_in_each_layer(secret_scan: SecretScanRunner, cloud: str, mode: str, tmp_path: Path) -> None:
    tasks = TaskFactory(secret_scan.runner.sandbox, cloud)
    wanted = locations(cloud, mode)
    steps = [breaking(tasks, location, {"environment": {"REWIND_BREAK": location}}) for location in wanted]
    run = secret_scan.run(*steps, mode=mode, arguments=("-vvvvv",), environment=environment(tmp_path, cloud))
    assert raised(tmp_path) == set(wanted)
    for location in wanted:
        assert run[location].failed, location
        assert "Internal error in rewind.vps (RuntimeError at" in run[location].msg, run[location].msg
        assert run[location].error["kind"] == "internal"


@pytest.mark.slow
@pytest.mark.parametrize("location", IN_CONTROLLER)
def test_before_the_execution_mode_is_known(secret_scan: SecretScanRunner, vpsorg: TaskFactory, location: str, tmp_path: Path) -> None:
    run = secret_scan.run(breaking(vpsorg, location), mode=MODULE, arguments=("-vvvvv",),
                          environment={**environment(tmp_path, "vpsorg"), "REWIND_BREAK": location})
    assert raised(tmp_path) == {location}
    assert run.only.error["kind"] == "internal"


@pytest.mark.slow
@pytest.mark.parametrize("mode", EXECUTION_MODES)
def test_http_debugging_of_libraries_is_silenced(secret_scan: SecretScanRunner, ilkbyte: TaskFactory, mode: str) -> None:
    """Ilkbyte's keys are in every URL."""
    # Here: in the run, the tests' own client would be logged as well.
    apply_calls(secret_scan.runner.sandbox.admin, *RESET_CALLS, ADD_CREDENTIALS)
    run = secret_scan.run(ilkbyte("snapshot", name="two", **OPTIONS["ilkbyte"]), mode=mode, arguments=("-vvvvv",),
                          environment={"PYTHONPATH": str(BREAKING), "REWIND_NOISE": "1"})
    assert not run.only.failed, run.only.result
    assert "send: b" in run.output, "HTTP debugging was not turned on"
