# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's examples work as they are, and the tables of the providers' capabilities match the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.cases import credentials_environment
from support.playbook_runner import ROOT, PlaybookRunner

if TYPE_CHECKING:
    from sandbox import SandboxHandle

README = (ROOT / "README.md").read_text("utf-8")
PROVIDERS = (ROOT / "docs" / "providers.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```yaml\n(.*?)```", README, re.DOTALL))


# The changes that each example requests when it is run for the first time.
EXPECTED = {
    "vpsorg": ["snapshots.create", "snapshots.delete"],
    "fleet": ["snapshots.create"],
    "vault": [],
}


def test_every_example_is_known() -> None:
    assert sorted(EXAMPLES) == sorted({*EXPECTED, "guarded"})  # run in guarded/test_readme_guarded.py


@pytest.mark.playbook
@pytest.mark.parametrize("names", [("vpsorg", "fleet"), ("vault",)], ids="-".join)
def test_examples(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path, names: tuple[str, ...]) -> None:
    for number in (1, 2, 3):
        sandbox.admin.add_snapshot("vpsorg", 12345, f"preupgrade-2026010{number}", created_at=f"2026-01-0{number}T00:00:00Z")
    (tmp_path / "hosts").write_text("[web]\nweb1\n[app]\napp1\n", encoding="utf-8")
    for name in names:
        (tmp_path / f"{name}.yml").write_text(EXAMPLES[name], encoding="utf-8")
    environment = credentials_environment(sandbox)
    if "vault" in names:
        del environment["VPS_API_TOKEN"]
    run = runner.command("ansible-playbook", "-i", str(tmp_path / "hosts"), *(str(tmp_path / f"{name}.yml") for name in names),
                         "-e", f"vault_vps_api_token={sandbox.vpsorg_token}", environment=environment)
    assert run.status == 0, run.output
    changing = [request["operation"] for request in sandbox.admin.requests(changing=True)]
    assert changing == [operation for name in names for operation in EXPECTED[name]]


def test_capability_tables() -> None:
    from ansible_collections.rewind.vps.plugins.module_utils._provider.ilkbyte import Ilkbyte
    from ansible_collections.rewind.vps.plugins.module_utils._provider.vpsorg import VpsOrg

    providers = [VpsOrg.capabilities, Ilkbyte.capabilities]

    def row(title: str, cells: list[str]) -> str:
        return f"| {title} | {' | '.join(cells)} |"

    def yes_or_no(values: list[bool], no: str = "no") -> list[str]:
        return ["yes" if value else no for value in values]

    name = row("snapshot name", [each.name_rule for each in providers])
    limit = row("snapshots per server", [f"at most {each.max_snapshots}" if each.max_snapshots else "no known limit" for each in providers])
    unique, schedules = [each.unique_names for each in providers], [each.schedule for each in providers]
    in_readme = [name, limit, row("unique names", yes_or_no(unique)), row("schedules", yes_or_no(schedules, "by `snapshot_schedule`"))]
    in_full = [
        name,
        limit,
        row("unique snapshot names", yes_or_no(unique, "no: select by ID")),
        row("all snapshots of an account in one call", yes_or_no([each.lists_all_snapshots for each in providers])),
        row("snapshot descriptions", yes_or_no([each.description for each in providers])),
        row("re-creation in place", yes_or_no(
            [each.recreate for each in providers], "no: the new snapshot is created first, then the old one is deleted")),
        row("schedules", yes_or_no(schedules, "no: use the role `snapshot_schedule`")),
        row("start and stop", yes_or_no([each.power for each in providers])),
        row("snapshot tree with a current snapshot", yes_or_no([each.snapshot_tree for each in providers])),
        row("expected time for a snapshot", [f"{each.expected_create_seconds / 60:g} minutes" for each in providers]),
        row("expected time for a restore", [f"{each.expected_restore_seconds / 60:g} minutes" for each in providers]),
    ]
    assert not [line for line in in_readme if line not in README]
    assert not [line for line in in_full if line not in PROVIDERS]
