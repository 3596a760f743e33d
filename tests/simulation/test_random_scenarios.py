# SPDX-License-Identifier: GPL-3.0-or-later
"""Random scenarios under random faults; the request log must show that every promise was kept."""

from __future__ import annotations

import collections
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from scenario import Scenario, Step
from strategies import steps

if TYPE_CHECKING:
    from virtual_time import VirtualTime

QUICK_COUNT, FULL_COUNT = 8, 100  # scenarios in each part
STEPS_PER_SCENARIO = 6


def run_scenarios(virtual_time: VirtualTime, cloud: str, number: int, scenarios: int) -> collections.Counter[str]:
    """Run that many scenarios. Return how often each kind of fault was triggered."""
    hit_faults: collections.Counter[str] = collections.Counter()

    class ScenarioMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.scenario = Scenario(virtual_time, cloud)
            hit_faults["scenarios"] += 1

        @initialize(small_pages=st.booleans(), late_answers=st.sampled_from([False, False, True]))
        def configure(self, small_pages: bool, late_answers: bool) -> None:
            self.scenario.configure(small_pages, late_answers)

        @rule(step=steps(cloud))
        def play(self, step: Step) -> None:
            self.scenario.run_step(step)

        def teardown(self) -> None:
            hit_faults["steps"] += len(self.scenario.steps)
            hit_faults.update(self.scenario.hit_faults)

    # Shrinking takes minutes, and six steps can be read as they are.
    phases = (Phase.generate, Phase.shrink) if os.environ.get("REWIND_SHRINK") else (Phase.generate,)
    machine_settings = settings(max_examples=scenarios, stateful_step_count=STEPS_PER_SCENARIO, deadline=None, database=None, print_blob=False,
                                phases=phases,
                                suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(seed(number)(ScenarioMachine), settings=machine_settings)
    return hit_faults


@pytest.mark.duration
@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_scenarios(virtual_time: VirtualTime, cloud: str, record_property) -> None:
    record_property("tried", str(run_scenarios(virtual_time, cloud, 0, int(os.environ.get("REWIND_SCENARIOS", QUICK_COUNT)))))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(100, 102))
@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_many_scenarios(virtual_time: VirtualTime, cloud: str, number: int, record_property) -> None:
    record_property("tried", str(run_scenarios(virtual_time, cloud, number, FULL_COUNT)))
