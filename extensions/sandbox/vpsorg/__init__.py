# SPDX-License-Identifier: GPL-3.0-or-later
"""VPS.org: its API, and the servers and snapshots behind it."""
