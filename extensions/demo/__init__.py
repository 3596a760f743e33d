# SPDX-License-Identifier: GPL-3.0-or-later
"""The role guarded_upgrade, shown on the sandbox: one upgrade goes well, two go wrong and are undone byte for byte."""
