# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter with which the role rejects --start-at-task."""

from __future__ import annotations

import pytest
from ansible import context
from ansible.errors import AnsibleFilterError

from ansible_collections.rewind.vps.plugins.filter.unless_start_at_task import FilterModule

FILTER = FilterModule().filters()["unless_start_at_task"]


@pytest.mark.parametrize("options", [{}, {"start_at_task": None}, {"start_at_task": ""}, {"skip_tags": ("slow",)}])
def test_it_returns_its_input(monkeypatch, options):
    monkeypatch.setattr(context, "CLIARGS", options)
    assert FILTER("close_run.yml") == "close_run.yml"


def test_it_rejects_the_option(monkeypatch):
    monkeypatch.setattr(context, "CLIARGS", {"start_at_task": "Arm the guard"})
    with pytest.raises(AnsibleFilterError, match="--start-at-task"):
        FILTER("close_run.yml")


def test_it_rejects_tags_that_skip_the_plan(monkeypatch):
    monkeypatch.setattr(context, "CLIARGS", {"skip_tags": ("slow", "always")})
    with pytest.raises(AnsibleFilterError, match="--skip-tags always"):
        FILTER("close_run.yml")
