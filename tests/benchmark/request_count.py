# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has asked of a cloud, told from the sandbox's request log."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PAGE_SIZE = 100

Request = dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """Requests by what they are for.

    :ivar creates: requests for a new snapshot.
    :ivar reads: reads by path; ids and names stand as ``*``.
    :ivar rounds: how often the snapshots were looked at: all of the account where they are listed so, else of the server that was
        looked at most.
    :ivar pages: requests that one look at all servers needs: pages of the account's list, the longest, or one for each server.
    :ivar allowed_reads: reads that one look a round needs, and one list of servers for each time that it was begun.
    """

    creates: int
    reads: dict[str, int]
    rounds: int
    pages: int
    allowed_reads: int

    @property
    def all_reads(self) -> int:
        """However they are called."""
        return sum(self.reads.values())

    def format_reads(self) -> str:
        """In one line."""
        return ", ".join(f"{number} {path}" for path, number in sorted(self.reads.items())) or "none"


def count(requests: Iterable[Request], servers: int) -> Counts:
    """Count the requests of a run about so many servers, in the order of the request log."""
    asked = list(requests)
    lists_account = any(request["cloud"] == "vpsorg" for request in asked)
    reads = [request for request in asked if not request["changing"]]
    of_account = _looks([request for request in reads if request["operation"] == "snapshots.list" and _is_for_all(request)])
    of_servers = Counter(request["server"] for request in reads if request["operation"] == "snapshots.list" and not _is_for_all(request))
    server_lists = _looks([request for request in reads if request["operation"] == "servers.list"])
    rounds = len(of_account) or max(of_servers.values(), default=0)
    pages = max(of_account, default=math.ceil(servers / PAGE_SIZE) if lists_account else servers)
    return Counts(
        creates=sum(1 for request in asked if request["operation"] == "snapshots.create"),
        reads=dict(Counter(_path(request) for request in reads)),
        rounds=rounds, pages=pages, allowed_reads=rounds * pages + sum(server_lists),
    )


def _is_for_all(request: Request) -> bool:
    return request["cloud"] == "vpsorg" and "server_id" not in request["query"]


def _looks(requests: list[Request]) -> list[int]:
    """How many pages each look through a paged list had; one begins with the first page."""
    looks: list[int] = []
    for request in requests:
        page = request["query"].get("page") or request["query"].get("p") or "1"
        if page == "1" or not looks:
            looks.append(0)
        looks[-1] += 1
    return looks


def _path(request: Request) -> str:
    path = re.sub(r"(/manage/)[^/]+|(/servers/|/snapshots/)[^/]+", lambda found: f"{found[1] or found[2]}*", request["path"])
    return f"{path}?server_id" if "server_id" in request["query"] else path
