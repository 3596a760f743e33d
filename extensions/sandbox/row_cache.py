# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of lists that are made once and kept until what they show changes.

A cloud remembers what its lists showed at each change. With thousands of servers and snapshots it could not make all rows
anew each time; as it is, the lists of all moments share the rows that did not change between them. So a row that was handed
out is never changed, only replaced.
"""

from __future__ import annotations

from typing import Any


class CachedRows:
    """Base of what lists show.

    :ivar cached: what was made of it for lists, with whatever else that depends on; None after any attribute was set.
    """

    cached: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        values = self.__dict__
        values[name] = value
        if name != "cached":
            values["cached"] = None
