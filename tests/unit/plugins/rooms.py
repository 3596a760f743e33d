# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of plugins/ and who knows whom, drawn from the imports that are there. Run it to write docs/architecture.md anew."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ARCHITECTURE = Path(__file__).resolve().parents[3] / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: drawn by tests/unit/plugins/rooms.py -->", "<!-- end of rooms -->"
GUARDED = "plugin_utils.guarded_upgrade."
UTILS = "module_utils."

# From the top down. Each room, and what lies in it: a file, or with a dot at its end all in that folder that no other room names.
ROOMS = {
    "modules": ("modules.",),
    "action": ("action.",),
    "inventory": ("inventory.",),
    "connection": ("connection.",),
    "filter": ("filter.",),
    "doors": ("plugin_utils.quick_door", "plugin_utils.module_door", "plugin_utils.controller_action"),
    "host_account": ("plugin_utils.host_account",),
    "servers_inventory": ("plugin_utils.servers_inventory.",),
    "fleet_report": ("plugin_utils.fleet_report.",),
    "snapshot_schedule": ("plugin_utils.snapshot_schedule",),
    "upgrade: run": tuple(GUARDED + name for name in (
        "guard_link", "options", "planning", "step_base", "steps", "steps_after", "steps_before", "steps_behind", "steps_looking_back")),
    "upgrade: guard": tuple(GUARDED + name for name in (
        "guard", "guard_process", "guard_requests", "guard_service", "rollback", "taking")),
    "upgrade: receipt": (GUARDED,),
    "module": (UTILS + "module",),
    "run": (UTILS + "run",),
    "fleet": (UTILS + "fleet.",),
    "failures": (UTILS + "failures",),
    "operations": (UTILS + "operations.",),
    "arguments": (UTILS + "arguments",),
    "decisions": (UTILS + "retention", UTILS + "turns", UTILS + "polling"),
    "providers": (UTILS + "providers.",),
    "transport": (UTILS + "transport", UTILS + "rate_limit", UTILS + "wire", UTILS + "alarms"),
    "words": (UTILS + "errors", UTILS + "plain_text", UTILS + "secrets", UTILS + "version"),
    "doc_fragments": ("doc_fragments.",),
}
# Known nearly everywhere, so arrows to it would hide the others.
EVERYBODYS = "words"
Arrows = dict[str, set[str]]


def room_of(file: str) -> str:
    """The room of a file named like module_utils.operations.power."""
    fitting = [(len(one), room) for room, inside in ROOMS.items() for one in inside
               if file == one or one.endswith(".") and file.startswith(one)]
    assert fitting, f"{file} is in no room yet: say in ROOMS of tests/unit/plugins/rooms.py in which"
    return max(fitting)[1]


def arrows_between(files: Iterable[str], known_by: Callable[[str], Iterable[str]]) -> Arrows:
    """For each room the other rooms that its files import."""
    arrows: Arrows = {room: set() for room in ROOMS}
    for file in files:
        here = room_of(file)
        arrows[here] |= {room_of(other) for other in known_by(file)} - {here}
    return arrows


def picture(arrows: Arrows) -> str:
    """The picture as it stands in docs/architecture.md: a drawing of the shortest ways, and a list of all of them."""
    return f"{BEGIN}\n\n{_drawing(arrows)}\n\n{_list(arrows)}\n{END}"


def picture_in(text: str) -> str:
    """The picture that stands in a text. Raises AssertionError where there is none."""
    found = re.search(f"{re.escape(BEGIN)}.*?{re.escape(END)}", text, re.DOTALL)
    assert found, f"no picture between {BEGIN} and {END}"
    return found.group()


def _drawing(arrows: Arrows) -> str:
    lines = ["```mermaid", "flowchart TD"]
    drawn = {room: {other for other in arrows[room] if other != EVERYBODYS} for room in ROOMS}
    in_sight = [room for room in ROOMS if drawn[room] or any(room in others for others in drawn.values())]
    lines += [f'    {_id(room)}["{room}"]' for room in in_sight]
    for room in in_sight:
        # An arrow that only says what a longer way says as well is left out.
        further = set().union(*(_reached(other, drawn) for other in drawn[room]))
        lines += [f"    {_id(room)} --> {_id(other)}" for other in ROOMS if other in drawn[room] - further]
    return "\n".join([*lines, "```"])


def _list(arrows: Arrows) -> str:
    width = max(map(len, ROOMS))
    lines = [f"{room:<{width}} → {', '.join(other for other in ROOMS if other in arrows[room]) or '(nobody)'}" for room in ROOMS]
    return "\n".join(["```text", *lines, "```"])


def _reached(room: str, arrows: Arrows) -> set[str]:
    """All rooms along the arrows from a room, the next ones included; ends where arrows go round, too."""
    found: set[str] = set()
    ahead = set(arrows[room])
    while ahead:
        found |= ahead
        ahead = set().union(*(arrows[other] for other in ahead)) - found
    return found


def _id(room: str) -> str:
    return re.sub(r"\W+", "_", room)


def main() -> int:
    """Write the picture into docs/architecture.md."""
    from test_rooms import REAL

    text = ARCHITECTURE.read_text(encoding="utf-8")
    ARCHITECTURE.write_text(text.replace(picture_in(text), picture(REAL)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
