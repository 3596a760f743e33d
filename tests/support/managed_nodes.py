# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts indirectly managed nodes of a job's events as Automation Controller does, by extensions/audit/event_query.yml."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jq
import yaml

from support.playbook_runner import ROOT

QUERIES: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "extensions" / "audit" / "event_query.yml").read_text("utf-8"))


def query_nodes(module: str, result: Any) -> list[dict[str, Any]]:
    """What a module's query says of one result.

    :raises ValueError: the query fails on it, which would end the controller's count for the whole job.
    """
    return jq.compile(QUERIES[module]["query"]).input_value(result).all()


def count_nodes(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The different nodes of a job. One with a null or without canonical facts would be dropped without a word."""
    nodes: dict[Any, dict[str, Any]] = {}
    for event in events:
        data = event.get("event_data", {})
        if "res" not in data or data.get("resolved_action") not in QUERIES:
            continue
        for node in query_nodes(data["resolved_action"], data["res"]):
            facts = node["canonical_facts"]
            assert facts and all(isinstance(value, (str, int)) for value in facts.values()), node
            nodes.setdefault(tuple(sorted(facts.items())), node)
    return list(nodes.values())
