# SPDX-License-Identifier: GPL-3.0-or-later
"""All kinds of faults, in three groups. A request can have one fault of each group."""

from __future__ import annotations

from . import connection, content, lists, values
from .kind import FaultKind


def _by_name(*kinds: FaultKind) -> dict[str, FaultKind]:
    return {kind.name: kind for kind in kinds}


# Change the HTTP response or the connection.
RESPONSE_FAULTS = _by_name(*connection.KINDS, *content.KINDS, *values.KINDS, *lists.KINDS)
# Make the operation fail that the provider has accepted.
OUTCOME_FAULTS = _by_name(
    FaultKind("snapshot_fails", "the snapshot is accepted, runs for a while and fails", operations=("snapshots.create", "snapshots.update")),
    FaultKind("restore_fails", "the restore is accepted, fails half way and leaves the server off", operations=("snapshots.restore",)),
    FaultKind("restore_stuck", "the restore is accepted and never finishes; with `seconds` it finishes after that many sandbox seconds",
              {"seconds": None}, operations=("snapshots.restore",)),
    FaultKind("power_stuck", "the power action is accepted and never finishes; with `seconds` it finishes after that many sandbox seconds; "
                             "for the operation snapshots.restore the disk is restored and the server is left off",
              {"seconds": None}, operations=("servers.power", "snapshots.restore")),
)
# Change the server from another client, before or after the request.
CONCURRENT_FAULTS = _by_name(FaultKind(
    "concurrent_change",
    "another client performs `action` on the request's server, or on the server `on`; `when` is before or after the request is executed; "
    "`snapshot` is newest, oldest, an id or a name; `name` is for a new snapshot; `day`, `hour` and `min` are for a new schedule",
    {"action": None, "when": "before", "on": None, "snapshot": "newest", "name": "byhand", "day": 1, "hour": 0, "min": 0}))
ALL_FAULTS = {**RESPONSE_FAULTS, **OUTCOME_FAULTS, **CONCURRENT_FAULTS}
