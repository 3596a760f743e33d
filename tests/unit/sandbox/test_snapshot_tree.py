# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's snapshot tree follows libvirt's rules."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from sandbox.ilkbyte.snapshot_tree import NoSuchSnapshot, SnapshotExists, SnapshotTree

LONG_AGO = datetime(2020, 11, 23, tzinfo=timezone.utc)


def tree_after(steps: str) -> SnapshotTree:
    """The tree after these steps, such as `+a` (create), `=a` (revert) and `-a` (delete)."""
    tree = SnapshotTree()
    for operation, name in steps.split():
        if operation == "+":
            tree.create(name, "running", LONG_AGO)
        else:
            (tree.revert if operation == "=" else tree.delete)(name)
    return tree


@pytest.mark.parametrize(("steps", "current", "parents"), [
    ("+a +b +c", "c", {"a": "-", "b": "a", "c": "b"}),
    ("+a +b =a +c", "c", {"a": "-", "b": "a", "c": "a"}),
    ("+a +b +c =b", "b", {"a": "-", "b": "a", "c": "b"}),
    ("+a +b =a +c -a", "c", {"b": "-", "c": "-"}),  # both children move up
    ("+a +b +c -b", "c", {"a": "-", "c": "a"}),
    ("+a +b -b", "a", {"a": "-"}),
    ("+a +b +c -c -b +d", "d", {"a": "-", "d": "a"}),
    ("+a -a", None, {}), ("+a -a +b", "b", {"b": "-"}),
    ("+a +b +c -a +a", "a", {"b": "-", "c": "b", "a": "c"}),  # one that is recreated is a new leaf
])
def test_what_becomes_current_and_whose_child(steps: str, current: str | None, parents: dict[str, str]) -> None:
    tree = tree_after(steps)
    assert tree.current == current
    assert {name: tree.describe(name)["parent"] for name in tree.names()} == parents
    assert [name for name in tree.names() if tree.describe(name)["current"]] == [name for name in parents if name == current]


def test_a_revert_brings_the_power_state_back_and_a_refusal_changes_nothing() -> None:
    tree = tree_after("+a")
    tree.create("b", "shutoff", LONG_AGO)
    assert (tree.revert("a"), tree.revert("b")) == ("running", "shutoff")
    changes = tree.changes
    with pytest.raises(SnapshotExists):
        tree.create("a", "running", LONG_AGO)
    for refused in (tree.revert, tree.delete, tree.describe):
        with pytest.raises(NoSuchSnapshot):
            refused("c")
    assert (tree.changes, tree.current, tree.names()) == (changes, "b", ["a", "b"])
