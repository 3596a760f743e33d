# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud of docs/adding-a-cloud.md: it does not exist, is not shipped, and passes the contract tests as the real ones do."""
