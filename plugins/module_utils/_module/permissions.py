# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks whether the credentials permit a change before one is sent. One read for each task, however many servers it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _errors as errors
from .._errors import RewindError

if TYPE_CHECKING:
    from .._provider.base import Account
    from .context import OperationContext

# The provider answered, but not with permissions: then it decides about the change itself.
_NOT_STATED = frozenset({
    errors.FORBIDDEN, errors.NOT_FOUND, errors.BUSY, errors.PROVIDER_REJECTED, errors.PROVIDER_ERROR, errors.INVALID_RESPONSE, errors.UNSUPPORTED,
})


def predict_change(ctx: OperationContext) -> None:
    """Record a change that check mode predicts.

    Raises:
        RewindError: `forbidden`: the credentials do not permit it, so the task would fail.
    """
    require_change_permission(ctx)
    ctx.changes.changed = True


def require_change_permission(ctx: OperationContext) -> None:
    """Raise `forbidden` if the provider states that these credentials permit no change."""
    account = ctx.account.get(lambda: _read_account(ctx))
    if account is None:
        warning = f"{ctx.provider.display_name} did not state what these credentials permit, so it is unknown whether they permit changes."
        if warning not in ctx.warnings:
            ctx.warnings.append(warning)
    elif account.permits_changes is False:
        owner = f" of {account.name}" if account.name else ""
        seen_as = f"; {ctx.provider.display_name} sees this machine as {account.address}" if account.address else ""
        raise RewindError(
            f"The {ctx.provider.display_name} credentials{owner} do not permit changes of servers and snapshots "
            f"(permissions: {', '.join(account.permissions or ()) or 'none'})",
            kind=errors.FORBIDDEN, operation="account",
            hint=f"use credentials with the permission {ctx.provider.change_permission}{seen_as}",
        )


def _read_account(ctx: OperationContext) -> Account | None:
    try:
        return ctx.provider.whoami()
    except RewindError as error:
        if error.kind in _NOT_STATED:
            return None
        raise
