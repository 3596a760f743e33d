# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's snapshot tree agrees with a second model of libvirt's rules."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given, settings
from hypothesis import strategies as st
from lineage_model import LineageModel

from sandbox.ilkbyte.snapshot_tree import NoSuchSnapshot, SnapshotExists, SnapshotTree

NAMES = [f"s{number}" for number in range(7)]
LONG_AGO = datetime(2020, 11, 23, tzinfo=timezone.utc)


class TreeWithPower:
    """The sandbox's tree and power state, with the model's interface."""

    def __init__(self) -> None:
        self.tree = SnapshotTree()
        self.power = "running"

    def apply(self, operation: str, argument: str) -> bool:
        try:
            if operation == "power":
                self.power = argument
            elif operation == "create":
                self.tree.create(argument, self.power, LONG_AGO)
            elif operation == "revert":
                self.power = self.tree.revert(argument)
            elif operation == "delete":
                self.tree.delete(argument)
            else:
                self.tree.delete(argument)
                self.tree.create(argument, self.power, LONG_AGO)
        except (SnapshotExists, NoSuchSnapshot):
            return False
        return True

    def rows(self) -> dict:
        fields = ("current", "state", "parent", "children", "descendants")
        return {name: {field: self.tree.describe(name)[field] for field in fields} for name in self.tree.names()}


steps = st.tuples(st.sampled_from(("create", "revert", "delete", "recreate")), st.sampled_from(NAMES)) | st.tuples(
    st.just("power"), st.sampled_from(("running", "shutoff", "paused")))


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=40))
def test_tree_agrees_with_a_differently_written_model(operations: list[tuple[str, str]]) -> None:
    tree, model = TreeWithPower(), LineageModel()
    for operation, argument in operations:
        assert tree.apply(operation, argument) == model.apply(operation, argument), (operation, argument)
        assert (tree.power, tree.tree.current) == (model.power, model.current), (operation, argument)
        assert tree.rows() == model.rows(), (operation, argument)


def test_recreated_snapshot_loses_its_place() -> None:
    tree = TreeWithPower()
    for name in ("s1", "s2", "s3"):
        tree.apply("create", name)
    tree.apply("recreate", "s1")
    assert {name: row["parent"] for name, row in tree.rows().items()} == {"s2": "-", "s3": "s2", "s1": "s3"}
    assert tree.tree.current == "s1"


def test_long_chain_is_counted() -> None:
    tree = TreeWithPower()
    for number in range(1200):
        tree.apply("create", f"n{number}")
    assert tree.tree.describe("n0")["descendants"] == 1199
