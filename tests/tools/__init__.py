# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's own tools, run by tests/tools/dev.py: standard library only, Python 3.8 or newer."""
