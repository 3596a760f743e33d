# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's main job, shown on the sandbox: an upgrade breaks a server, and the server is put back."""
