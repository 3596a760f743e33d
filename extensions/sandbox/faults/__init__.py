# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that requests can have, and the table that selects the requests."""
