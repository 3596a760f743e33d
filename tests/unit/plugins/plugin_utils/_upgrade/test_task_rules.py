# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks can't be guarded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.task_rules import Situation, TaskFacts, find_problem

ALONE, BATCH = Situation(servers=1, is_linear=True), Situation(servers=3, is_linear=True)
FREE, FREE_ALONE = Situation(servers=3, is_linear=False), Situation(servers=1, is_linear=False)
ELSEWHERE = Situation(servers=3, is_linear=False, is_guarded=False)
EVERYWHERE = (ALONE, BATCH, FREE, FREE_ALONE)


def problem(situation, **fields):
    found = find_problem(TaskFacts(**{"location": "upgrade.yml:7 (Do)", "action": "ansible.builtin.command", **fields}), situation)
    if found:
        assert found[0].startswith("upgrade.yml:7 (Do) ") and found[1]
    return found[0] if found else None


def meta(situation, name, **fields):
    return problem(situation, action="meta", meta=name, **fields)


@pytest.mark.parametrize("name", [
    "end_host", "end_play", "end_batch", "clear_host_errors", "refresh_inventory", "role_complete", "end_hots", "{{ x }}",
])
def test_every_meta_action_that_is_not_known_to_be_harmless(name):
    for situation in EVERYWHERE:
        assert f"has meta: {name}" in meta(situation, name)
        assert f"has meta: {name}" in meta(situation, name, is_handler=True)


@pytest.mark.parametrize("name", ["flush_handlers", "reset_connection", "clear_facts", "noop"])
def test_harmless_meta_actions(name):
    assert not any(meta(situation, name) for situation in (*EVERYWHERE, ELSEWHERE))


def test_meta_actions_that_depend_on_where_they_are():
    assert "would end the whole run" in meta(ALONE, "flush_handlers", is_handler=True)
    assert meta(ALONE, "end_role", in_own_role=True) and not meta(ALONE, "end_role"), "it ends the user's own role"
    assert not meta(ELSEWHERE, "end_host")
    for name in ("end_play", "end_batch", "clear_host_errors", "refresh_inventory"):
        assert "the other servers" in meta(ELSEWHERE, name)


def test_meta_actions_that_this_version_of_ansible_does_not_have():
    for situation in (ALONE, ELSEWHERE):
        assert "does not have" in meta(situation, "end_hots") and "does not have" in meta(situation, "{{ x }}")
        assert not meta(situation, "end_role")
        assert "does not have" in meta(replace(situation, has_end_role=False), "end_role")


@pytest.mark.parametrize(("fields", "situations"), [
    ({"run_once": True}, (BATCH, FREE, ELSEWHERE)), ({"any_errors_fatal": True}, (BATCH, FREE)),
    ({"bypasses_host_loop": True, "action": "pause"}, (BATCH, FREE, FREE_ALONE, ELSEWHERE)),
    ({"unreadable_keyword": "throttle"}, EVERYWHERE), ({"action": None}, EVERYWHERE), ({"plugin_error": "x"}, (*EVERYWHERE, ELSEWHERE)),
    ({"unreadable_keyword": "when", "meta": "noop"}, (*EVERYWHERE, ELSEWHERE)), ({"debugger": "on_failed"}, (*EVERYWHERE, ELSEWHERE)),
    ({"debugger": "never"}, ()), ({}, ()),
])
def test_keywords(fields, situations):
    for situation in (*EVERYWHERE, ELSEWHERE):
        assert bool(problem(situation, **fields)) == (situation in situations), situation
