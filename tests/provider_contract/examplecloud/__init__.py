# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider of docs/adding-a-cloud.md. It is not shipped, and passes the same contract tests as the real ones."""
