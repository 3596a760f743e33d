# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults within an answer that is else the cloud's own: wrong values, unknown words, a wrong Date. All are carried out."""

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
VERDICT = "success"  # VPS.org's word for "accepted", which is no state of anything


@fault_kind(seed=0)
async def misshape(fault: Fault, exchange: Exchange) -> None:
    """The answer's JSON with one value replaced by another type, null or a huge number, wrapped in a list, or left out;
    ``seed`` says where and by what, the request log's ``misshaped`` where it was."""
    answer = await exchange.carry_out()
    body = answer.json()
    if body is not None:
        exchange.entry["misshaped"], body = misshaped(body, fault["seed"])
        answer = answer.with_json(body)
    await exchange.send_answer(answer)


@fault_kind(word="hibernating")
async def strange_word(fault: Fault, exchange: Exchange) -> None:
    """Every ``status`` and ``state`` of a server or snapshot in the answer is ``word``."""
    answer = await exchange.carry_out()
    body = answer.json()
    for place in _objects(body):
        for key in ("status", "state"):
            if isinstance(place.get(key), str) and place[key] != VERDICT:
                place[key] = fault["word"]
    await exchange.send_answer(answer if body is None else answer.with_json(body))


@fault_kind(seconds=3600, date=None)
async def clock_wrong(fault: Fault, exchange: Exchange) -> None:
    """The answer's Date header is ``seconds`` off (ahead, or behind if negative), or with ``date``: ``missing`` there is
    none, ``garbage`` it is no date. For all answers of a cloud there is the setting ``date_offset_seconds``."""
    if fault["date"] == "missing":
        exchange.say_date(None)
    elif fault["date"] == "garbage":
        exchange.say_date("Someday, 32 Foo 20xx 25:61:61 GMT")
    else:
        exchange.say_date(format_datetime(exchange.date() + timedelta(seconds=float(fault["seconds"])), usegmt=True))
    await exchange.send_answer(await exchange.carry_out())


KINDS = (misshape, strange_word, clock_wrong)


def misshaped(body: Any, seed: Any) -> tuple[str, Any]:
    """Where a value was spoilt (``results.0.id left out``), and the data with it. The same seed does the same."""
    chance = random.Random(seed)
    whole = {"": copy.deepcopy(body)}
    places = list(_places(whole, ()))
    container, path = chance.choice(places)
    key = path[-1]
    old = container[key]
    others: list[Any] = [None, True, False, 0, -1, HUGE, "", "null", "\u0000\U0001f4a5", [], {}, [old], {"value": old}, str(old)]
    others = [other for other in others if _text(other) != _text(old)]
    where = ".".join(str(part) for part in path[1:]) or "all of it"
    if len(path) > 1 and chance.randrange(len(others) + 1) == 0:
        del container[key]
        return f"{where} left out", whole[""]
    container[key] = chance.choice(others)
    return f"{where} became {_text(container[key])[:80]}", whole[""]


def _places(container: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    keys = container if isinstance(container, dict) else range(len(container))
    for key in keys:
        yield container, (*path, key)
        if isinstance(container[key], (dict, list)):
            yield from _places(container[key], (*path, key))


def _objects(body: Any) -> Iterator[dict[str, Any]]:
    if isinstance(body, dict):
        yield body
    for inner in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _objects(inner)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
