# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte: its API, and the servers, snapshots and schedules behind it."""
