# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks judge the output of the ecosystem's tools, since several of them exit with 0 whatever they find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.ecosystem import PAGES_OF_ANSIBLE, context_faults, importer_faults, introspection_faults, linter_faults

SPECIFIC = "WARNING: playbooks/prune.yml:6:10: syntax-check[specific][/]: Error processing keyword 'hosts': 'hosts' is undefined"
UNFOUND = "ERROR    Failed to find {} playbook."
UNLOADED = "ERROR    Failed to load {} playbook due to failing syntax check."


@pytest.mark.parametrize("line", [
    SPECIFIC, "ERROR: Timeout on call to ansible-lint", "ansible-lint not found, skipping lint of collection",
    "Traceback (most recent call last):", f"WARNING: {UNFOUND.format('rewind.vps.gone')}", f"WARNING: {UNFOUND.format('other.collection.prune')}",
])
def test_an_error_of_the_importer_is_found(line: str) -> None:
    ignored = ["Loading role guarded_upgrade", "Loading module_utils errors", "Importer processing completed successfully",
               f"WARNING: {UNFOUND.format('rewind.vps.prune')}"]
    assert importer_faults([*ignored, line], {"prune"}) == [line]


@pytest.mark.parametrize("line", [
    UNFOUND.format("rewind.vps.prune"), UNLOADED.format("rewind.vps.gone"), UNLOADED.format("other.collection.prune"), "ERROR    Broken file",
])
def test_an_error_of_the_linter_is_found_though_it_exits_with_0(line: str) -> None:
    ignored = [UNLOADED.format("rewind.vps.prune"), "Passed: 0 failure(s), 0 warning(s) in 2 files"]
    assert linter_faults([line, *ignored], {"prune"}) == [line]


def test_only_pages_of_ansible_itself_may_be_out_of_reach() -> None:
    prefix = "/tmp/site/rst/snapshot_module.rst:59: WARNING: undefined label: "

    assert PAGES_OF_ANSIBLE.search(prefix + "'ansible_collections.ansible.builtin.reboot_module' [ref.ref]")
    assert PAGES_OF_ANSIBLE.search(prefix + "'common_return_values' [ref.ref]")
    assert not PAGES_OF_ANSIBLE.search(prefix + "'ansible_collections.rewind.vps.snapshots_module' [ref.ref]")
    assert not PAGES_OF_ANSIBLE.search("/tmp/site/rst/index.rst:3: WARNING: Title underline too short.")
    assert not PAGES_OF_ANSIBLE.search("x.rst:1: WARNING: 'envvar' reference target not found: REWIND_SURPRISE [ref.envvar]")


def test_an_image_that_gets_more_or_less_than_requests_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "_build").mkdir()
    (tmp_path / "Containerfile").write_text("FROM x\n", encoding="utf-8")
    needed = tmp_path / "_build/requirements.txt"
    needed.write_text("# why\nrequests\n", encoding="utf-8")
    assert context_faults(tmp_path) == []

    needed.write_text("requests\nhttpx\n", encoding="utf-8")
    (tmp_path / "_build/bindep.txt").write_text("gcc\n", encoding="utf-8")
    (tmp_path / "Containerfile").unlink()
    assert len(context_faults(tmp_path)) == 3


def test_a_collection_in_which_other_things_are_found_is_a_fault() -> None:
    right = ["---", "python:", "- 'requests  # from collection rewind.vps'", "system: []", ""]
    assert introspection_faults(right) == []

    assert introspection_faults(["python: []", "system: []"])
    assert introspection_faults([*right, "- 'httpx  # from collection rewind.vps'"])
    assert introspection_faults([line.replace("system: []", "system:") for line in right])
