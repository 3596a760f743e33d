# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has requested, from the sandbox's request log."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PAGE_SIZE = 100

Request = dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """Requests of one run."""

    creates: int
    reads: int
    rounds: int  # how often the snapshots were polled: the account's list, or the server that was polled most
    needed_reads: int  # one poll of all servers for each round, and each list of servers


def count(requests: Iterable[Request], servers: int) -> Counts:
    """Count the requests of a run with so many servers, in the order of the request log."""
    log = list(requests)
    reads = [request for request in log if not request["changing"]]
    polls = [request for request in reads if request["operation"] == "snapshots.list"]
    account_lists = _pages_of_lists([request for request in polls if _is_of_account(request)])
    server_lists = _pages_of_lists([request for request in reads if request["operation"] == "servers.list"])
    by_server = Counter(request["server"] for request in polls if not _is_of_account(request))
    rounds = len(account_lists) or max(by_server.values(), default=0)
    pages = math.ceil(servers / PAGE_SIZE) if any(request["cloud"] == "vpsorg" for request in log) else servers
    return Counts(
        creates=sum(1 for request in log if request["operation"] == "snapshots.create"),
        reads=len(reads), rounds=rounds, needed_reads=rounds * max(account_lists, default=pages) + sum(server_lists),
    )


def _is_of_account(request: Request) -> bool:
    return request["cloud"] == "vpsorg" and "server_id" not in request["query"]


def _pages_of_lists(requests: list[Request]) -> list[int]:
    """How many pages were read of each list, which starts with its first page."""
    lists: list[int] = []
    for request in requests:
        if not lists or (request["query"].get("page") or request["query"].get("p") or "1") == "1":
            lists.append(0)
        lists[-1] += 1
    return lists
