# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes this folder's helpers importable, and lets hypothesis be slow on a busy machine."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# Which examples are tried is the same on every run; a machine under load is no failure.
settings.register_profile("rewind", deadline=None, max_examples=60, derandomize=True, database=None)
settings.load_profile("rewind")
