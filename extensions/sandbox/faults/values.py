# SPDX-License-Identifier: GPL-3.0-or-later
"""Value faults: wrong values, unknown statuses, a wrong Date. All requests are executed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from ..http_exchange import Exchange
from .kind import Fault, fault_kind

HUGE = 10 ** 30
ACCEPTED = "success"  # VPS.org's "accepted", which is not a state


@fault_kind(seed=0)
async def malformed_value(fault: Fault, exchange: Exchange) -> None:
    """One value of the JSON response is replaced by another type, null or a huge number, wrapped in a list, or removed; `seed` selects where and
    how, `malformed` in the request log names it.
    """
    response = await exchange.execute()
    body = response.json()
    if body is not None:
        exchange.entry["malformed"], body = replace_one_value(body, fault["seed"])
        response = response.with_json(body)
    await exchange.send_response(response)


@fault_kind(value="hibernating")
async def unknown_status(fault: Fault, exchange: Exchange) -> None:
    """Every `status` and `state` of a server or snapshot in the response is `value`."""
    response = await exchange.execute()
    body = response.json()
    for item in _objects(body):
        for key in ("status", "state"):
            if isinstance(item.get(key), str) and item[key] != ACCEPTED:
                item[key] = fault["value"]
    await exchange.send_response(response if body is None else response.with_json(body))


@fault_kind(seconds=3600, date=None)
async def wrong_date(fault: Fault, exchange: Exchange) -> None:
    """The Date header is `seconds` off (ahead, or behind if negative); with `date`: `missing` there is none, with `garbage` it is invalid. The
    setting `date_offset_seconds` changes all responses of a provider.
    """
    if fault["date"] == "missing":
        exchange.set_date(None)
    elif fault["date"] == "garbage":
        exchange.set_date("Someday, 32 Foo 20xx 25:61:61 GMT")
    else:
        exchange.set_date(format_datetime(exchange.date() + timedelta(seconds=float(fault["seconds"])), usegmt=True))
    await exchange.send_response(await exchange.execute())


KINDS = (malformed_value, unknown_status, wrong_date)


def replace_one_value(body: Any, seed: Any) -> tuple[str, Any]:
    """Return the change (`results.0.id left out`) and the changed data. The same seed makes the same change."""
    rng = random.Random(seed)
    root = {"": copy.deepcopy(body)}
    locations = list(_locations(root, ()))
    container, path = rng.choice(locations)
    key = path[-1]
    old = container[key]
    replacements: list[Any] = [None, True, False, 0, -1, HUGE, "", "null", "\u0000\U0001f4a5", [], {}, [old], {"value": old}, str(old)]
    replacements = [other for other in replacements if _dump(other) != _dump(old)]
    where = ".".join(str(part) for part in path[1:]) or "all of it"
    if len(path) > 1 and rng.randrange(len(replacements) + 1) == 0:
        del container[key]
        return f"{where} left out", root[""]
    container[key] = rng.choice(replacements)
    return f"{where} became {_dump(container[key])[:80]}", root[""]


def _locations(container: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    keys = container if isinstance(container, dict) else range(len(container))
    for key in keys:
        yield container, (*path, key)
        if isinstance(container[key], (dict, list)):
            yield from _locations(container[key], (*path, key))


def _objects(body: Any) -> Iterator[dict[str, Any]]:
    if isinstance(body, dict):
        yield body
    for inner in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _objects(inner)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
