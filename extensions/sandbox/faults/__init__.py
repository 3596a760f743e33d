# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can go wrong with a request, and the table that says with which."""
