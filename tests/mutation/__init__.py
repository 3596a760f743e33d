# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation testing: deliberate defects in the code, each of which the tests must detect."""
