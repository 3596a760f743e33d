# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the rooms in docs/architecture.md is what the imports say, and what the rules allow."""

from __future__ import annotations

import graphlib

import pytest
from rooms import ARCHITECTURE, BEGIN, END, EVERYBODYS, ROOMS, arrows_between, picture, picture_in, room_of
from test_layering import FILES, MAY_IMPORT, OURS, entry_of, imports


def imported(file):
    return {name[len(OURS):] for name in imports(file) if name.startswith(OURS)}


def allowed(file):
    """The files that the rules let a file import."""
    rules = MAY_IMPORT[entry_of(file)]
    return {other for other in FILES if any(other == rule or rule.endswith(".") and other.startswith(rule) for rule in rules)}


REAL = arrows_between(FILES, imported)


def test_the_picture_shows_the_imports_that_are_there():
    assert picture_in(ARCHITECTURE.read_text(encoding="utf-8")) == picture(REAL), (
        "the picture of the rooms is out of date; to draw it anew: make run ARGS='python tests/unit/plugins/rooms.py'"
    )


def test_the_rules_allow_no_arrow_that_the_picture_does_not_show():
    assert arrows_between(FILES, allowed) == REAL


def test_the_rooms_lie_one_below_the_other():
    order = {room: number for number, room in enumerate(ROOMS)}
    assert list(graphlib.TopologicalSorter(REAL).static_order())
    assert [(room, other) for room, others in REAL.items() for other in others if order[other] < order[room]] == []
    assert not REAL[EVERYBODYS]


def test_every_room_has_a_file_and_every_name_in_it_is_one():
    assert {room_of(file) for file in FILES} == set(ROOMS)
    names = [name for inside in ROOMS.values() for name in inside]
    assert [name for name in names if not (name in FILES or name.endswith(".") and any(file.startswith(name) for file in FILES))] == []


def test_a_file_in_no_room_is_an_error():
    with pytest.raises(AssertionError, match="is in no room yet"):
        room_of("module_utils.surprise")


def test_a_new_import_changes_the_picture_and_so_does_one_that_is_gone():
    more = {**REAL, "operations": REAL["operations"] | {"transport"}}
    less = {**REAL, "operations": REAL["operations"] - {"providers"}}
    assert len({picture(REAL), picture(more), picture(less)}) == 3


def test_arrows_are_drawn_once_and_every_one_is_listed():
    arrows = {room: set() for room in ROOMS}
    arrows.update({"run": {"operations", "providers", "words"}, "operations": {"providers"}})
    drawn, dummy, listed = picture(arrows).partition("```text")
    assert [line.strip() for line in drawn.splitlines() if " --> " in line and "!" not in line] == ["run --> operations", "operations --> providers"]
    assert "run               → operations, providers, words\n" in listed
    assert "words             → (nobody)\n" in listed


def test_a_text_without_a_picture_is_an_error():
    with pytest.raises(AssertionError, match="no picture"):
        picture_in(f"{END}{BEGIN}")
