# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `account_info`: whose credentials these are."""

from __future__ import annotations

from typing import Any

from .._argspec import PROVIDER
from .context import OperationContext

SPEC = PROVIDER


def validate(options: dict[str, Any]) -> None:
    options["server"] = None  # it is about no server


def run(ctx: OperationContext) -> dict[str, Any]:
    account = ctx.provider.get_account()
    permissions = None if account.permissions is None else list(account.permissions)
    return {
        "changed": False,
        "msg": f"The credentials belong to {account.name or 'an account without a name'} at {ctx.provider.display_name}",
        "account": {"name": account.name, "identity": account.identity, "permissions": permissions},
    }
