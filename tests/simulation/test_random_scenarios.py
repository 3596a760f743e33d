# SPDX-License-Identifier: GPL-3.0-or-later
"""Random histories at both clouds under random faults: whatever happens, the request log must show that every promise was kept."""

from __future__ import annotations

import collections
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from scenario import History, Step
from strategies import steps

if TYPE_CHECKING:
    from virtual_time import Room

QUICK, LONG = 25, 580  # histories in each of the parts
STEPS = 6


def attack(room: Room, cloud: str, number: int, histories: int) -> collections.Counter[str]:
    """Play that many histories; the kinds of faults that have hit, each with how often."""
    tried: collections.Counter[str] = collections.Counter()

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.history = History(room, cloud)
            tried["histories"] += 1

        @initialize(small_pages=st.booleans(), late_answers=st.sampled_from([False, False, True]))
        def begin(self, small_pages: bool, late_answers: bool) -> None:
            self.history.begin(small_pages, late_answers)

        @rule(step=steps(cloud))
        def play(self, step: Step) -> None:
            self.history.play(step)

        def teardown(self) -> None:
            tried["steps"] += len(self.history.steps)
            tried.update(self.history.tried)

    # To shrink a history takes minutes, and one of six steps can be read as it is.
    phases = (Phase.generate, Phase.shrink) if os.environ.get("REWIND_SHRINK") else (Phase.generate,)
    chosen = settings(max_examples=histories, stateful_step_count=STEPS, deadline=None, database=None, print_blob=False, phases=phases,
                      suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(seed(number)(Machine), settings=chosen)
    return tried


@pytest.mark.duration(30)
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_histories(room: Room, cloud: str, number: int, record_property) -> None:
    record_property("tried", str(attack(room, cloud, number, int(os.environ.get("REWIND_HISTORIES", QUICK)))))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(100, 102))
@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_many_histories(room: Room, cloud: str, number: int, record_property) -> None:
    record_property("tried", str(attack(room, cloud, number, LONG)))
