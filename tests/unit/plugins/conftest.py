# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the helpers of this directory importable and disables hypothesis deadlines."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# Which examples are tried is the same on every run; a machine under load is no failure. To hunt: REWIND_EXAMPLES=5000, which
# tries so many, others each time.
examples = os.environ.get("REWIND_EXAMPLES")
settings.register_profile("rewind", deadline=None, max_examples=int(examples or 30), derandomize=not examples, database=None)
settings.load_profile("rewind")


@pytest.fixture(autouse=True)
def fresh_state_directory(tmp_path_factory):
    """Each use of the local state gets a new directory, so no note of a task remains."""
    from ansible_collections.rewind.vps.plugins.module_utils._state import local_state

    directory = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_state, "state_directory", lambda create: tempfile.mkdtemp(prefix="locks", dir=directory))
        yield


@pytest.fixture
def directory(tmp_path):
    """A directory with a difficult name."""
    made = tmp_path / "a directory, é"
    made.mkdir()
    return made


@pytest.fixture
def local_state(tmp_path, monkeypatch):
    """The state directory and the clock of the tasks of a test (see fakes/local_state.py)."""
    from fakes.local_state import LocalStateFixture

    return LocalStateFixture(tmp_path / "locks é", monkeypatch)


@pytest.fixture
def full_disk(monkeypatch):
    """No note can be written."""

    def full(self, notes):
        raise OSError("No space left on device")

    from ansible_collections.rewind.vps.plugins.module_utils._state.local_state import LocalState

    monkeypatch.setattr(LocalState, "_write", full)
