# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the servers and snapshots of each account with the operations of the info modules.

If an account cannot be read, its entry holds the reason. The other accounts are not affected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ...module_utils import _argspec as argspec
from ...module_utils._errors import RewindError
from ...module_utils._execute import execute
from ...module_utils._module import server_info, snapshot_info
from ...module_utils._provider.registry import REGISTRY

_READS = ((server_info, "servers"), (snapshot_info, "snapshots"))


def with_labels(accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each account a unique label: its own or the provider's name, numbered if several accounts share it."""
    labels = [account.get("label") or REGISTRY[account["provider"]].display_name for account in accounts]
    totals, seen = Counter(labels), Counter()
    result = []
    for account, label in zip(accounts, labels):
        seen[label] += 1
        result.append({**account, "label": label if totals[label] == 1 else f"{label} {seen[label]}"})
    return result


def read_account(account: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Read one account as plain data without secrets.

    Args:
        account: The validated provider options and `label`.
        progress: Receives one line for each request.

    Returns:
        `servers` and `snapshots` are None if they could not be listed. `unlisted` has the IDs of the servers whose snapshots
        could not be listed although those of other servers were. `error` has the reason.
    """
    provider = REGISTRY[account["provider"]]
    limits = provider.capabilities
    report: dict[str, Any] = {
        "label": account["label"], "provider": account["provider"], "api_url": None, "limit": limits.max_snapshots,
        "expected_seconds": limits.expected_create_seconds, "servers": None, "snapshots": None, "unlisted": [], "error": None,
    }
    options = {name: account[name] for name in argspec.provider_spec()}
    try:
        report["api_url"] = argspec.normalize_params(options)["api_url"]
    except RewindError as error:
        return {**report, "error": error.format()}
    for operation, key in _READS:
        progress(f"{account['label']}: listing {key}")
        defaults = {name: option.get("default") for name, option in operation.SPEC.options.items() if name not in options}
        result = execute(operation, {**defaults, **options}, check_mode=False, diff_mode=False, progress=progress)
        report[key] = result.get(key)
        if result.get("failed"):
            return {**report, "error": result["msg"], "unlisted": [failed["server"] for failed in result.get("failed_servers", [])]}
    return report
