# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-playbook reports when it exits while a server has no outcome."""

from __future__ import annotations

import multiprocessing
import sys

import pytest
from guard_builders import record_in

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import unfinished
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.unfinished import remember_run, unfinished_messages, watch_exit


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "tmp")


def run_in(tmp_path, directory, state, **fields):
    record = record_in(tmp_path, state, **fields)
    remember_run(directory, str(record.path))
    return record


def end_process(*status):
    """As ansible-playbook does. (The linter takes what follows a direct call for unreachable.)"""
    sys.exit(*status)


@pytest.fixture
def statuses(monkeypatch):
    """The statuses with which the process would have exited."""
    found = []
    monkeypatch.setattr(sys, "exit", found.append)
    return found


@pytest.mark.parametrize(("state", "expected"), [
    (states.UPGRADING, "restores snapshot"), (states.CHECKING, "restores snapshot"), (states.RESTORING, "restores snapshot"),
    (states.READY, "Nothing was upgraded"), (states.CONFIRMED, "in the run record"), (states.RESTORED, "in the run record"),
    (states.ENDED, "in the run record"),
])
def test_a_server_without_an_outcome_is_reported(tmp_path, directory, state, expected):
    record = run_in(tmp_path, directory, state)
    (message,) = unfinished_messages(directory)
    assert message.startswith("NO OUTCOME: ") and record.data["host"] in message and expected in message and str(record.path) in message
    record.update(acknowledged=True)
    assert unfinished_messages(directory) == []


def test_a_run_record_that_can_not_be_read(tmp_path, directory):
    assert unfinished_messages(directory) == []
    record = run_in(tmp_path, directory, states.UPGRADING)
    record.path.write_text("{}", encoding="utf-8")
    (message,) = unfinished_messages(directory)
    assert "unknown" in message


def test_an_internal_error_ends_no_run_and_its_text_is_not_shown(tmp_path, directory, monkeypatch):
    """Python would print it after everything else."""
    run_in(tmp_path, directory, states.UPGRADING)

    def fail(path):
        raise RuntimeError("x-secret-token")

    monkeypatch.setattr(states.RunRecord, "load", fail)
    (message,) = unfinished_messages(directory)
    assert "internal error in rewind.vps (RuntimeError)" in message and "secret" not in message


def test_the_status_of_the_run(tmp_path, directory, statuses):
    shown = []
    watch_exit(directory, shown.append)
    watch_exit(directory, shown.append)  # a second action of the same run
    end_process(0)
    end_process()
    assert statuses == [0, None] and not shown
    record = run_in(tmp_path, directory, states.UPGRADING)
    end_process(0)
    end_process(None)
    end_process(4)
    assert statuses[2:] == [unfinished.EXIT_STATUS, unfinished.EXIT_STATUS, 4] and len(shown) == 3
    record.update(acknowledged=True)
    end_process(0)
    assert statuses[-1] == 0 and len(shown) == 3


def test_the_process_of_a_task_is_not_the_run(tmp_path, directory, statuses, monkeypatch):
    usual = sys.exit
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "ansible-playbook")
    watch_exit(directory, print)
    assert sys.exit is usual
    monkeypatch.undo()
    monkeypatch.setattr(sys, "exit", statuses.append)
    watch_exit(directory, print)
    run_in(tmp_path, directory, states.UPGRADING)
    monkeypatch.setattr(unfinished.os, "getpid", lambda: 1)  # a process that inherited it
    end_process(0)
    assert statuses == [0]
