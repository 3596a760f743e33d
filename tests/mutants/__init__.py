# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliberate breakages of the code, each of which the quick tests must catch: see run.py."""
