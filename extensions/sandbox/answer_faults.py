# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between a cloud and its client: the table of all kinds."""

from __future__ import annotations

from . import connection_faults, content_faults, list_faults, value_faults
from .fault_kind import Kind

ANSWER_FAULTS: dict[str, Kind] = {
    kind.name: kind
    for kind in (*connection_faults.KINDS, *content_faults.KINDS, *value_faults.KINDS, *list_faults.KINDS)
}
