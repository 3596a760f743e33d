# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between a cloud and its client: the table of all kinds."""

from __future__ import annotations

from . import connection, content, lists, values
from .kind import FaultKind

RESPONSE_FAULTS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (*connection.KINDS, *content.KINDS, *values.KINDS, *lists.KINDS)
}
