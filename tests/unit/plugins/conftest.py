# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes this folder's helpers importable, and lets hypothesis be slow on a busy machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# Which examples are tried is the same on every run; a machine under load is no failure. To hunt: REWIND_EXAMPLES=5000, which
# tries so many, others each time.
hunting = os.environ.get("REWIND_EXAMPLES")
settings.register_profile("rewind", deadline=None, max_examples=int(hunting or 60), derandomize=not hunting, database=None)
settings.load_profile("rewind")
