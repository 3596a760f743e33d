# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The types of checks. A new one is a file of this package and a line here; see `base.py`."""

from __future__ import annotations

from typing import Any

from . import command, container, port, systemd, tasks, url

CHECK_TYPES: dict[str, Any] = {check_type.NAME: check_type for check_type in (systemd, port, url, command, container, tasks)}
