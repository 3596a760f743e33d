# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the clouds for a report: each account's servers and snapshots, by the operations of the info modules.

An account that can't be asked is told as such, with the reason; the others are none the worse for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ...module_utils import _argspec as argspec
from ...module_utils._errors import RewindError
from ...module_utils._execute import execute
from ...module_utils._provider.registry import REGISTRY

_READS = (("server_info", "servers"), ("snapshot_info", "snapshots"))


def labelled(accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each with a label of its own: the given one, else the cloud's name, numbered where there are several."""
    labels = [account.get("label") or REGISTRY[account["provider"]].display_name for account in accounts]
    totals, seen = Counter(labels), Counter()
    result = []
    for account, label in zip(accounts, labels):
        seen[label] += 1
        result.append({**account, "label": label if totals[label] == 1 else f"{label} {seen[label]}"})
    return result


def ask(account: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """One account as plain data without secrets.

    :arg account: validated options of a cloud, and C(label).
    :returns: C(servers) is None where they could not be listed, C(snapshots) likewise; C(unlisted) are the ids of servers whose
        snapshots alone could not be; C(error) says why.
    """
    provider = REGISTRY[account["provider"]]
    limits = provider.capabilities
    report: dict[str, Any] = {
        "label": account["label"], "provider": account["provider"], "cloud": provider.display_name, "api_url": None,
        "limit": limits.max_snapshots, "usual_seconds": limits.expected_create_seconds,
        "servers": None, "snapshots": None, "unlisted": [], "error": None,
    }
    options = {name: account[name] for name in argspec.provider_spec()}
    try:
        report["api_url"] = argspec.normalize_params(options)["api_url"]
    except RewindError as error:
        return {**report, "error": error.format()}
    for module, key in _READS:
        progress(f"{account['label']}: asking for its {key}")
        everything = {name: option.get("default") for name, option in argspec.SPECS[module].options.items() if name not in options}
        result = execute(module, {**everything, **options}, check_mode=False, diff_mode=False, progress=progress)
        report[key] = result.get(key)
        if result.get("failed"):
            return {**report, "error": result["msg"], "unlisted": [failed["server"] for failed in result.get("failed_servers", [])]}
    return report
