# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.rewind.vps.plugins.module_utils._module import account_info
from ansible_collections.rewind.vps.plugins.plugin_utils._action import InProcessAction


class ActionModule(InProcessAction):
    operation = account_info
