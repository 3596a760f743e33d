# SPDX-License-Identifier: GPL-3.0-or-later
"""The role guarded_upgrade on the sandbox: one upgrade succeeds, two fail and are rolled back byte for byte."""
