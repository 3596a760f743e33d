# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check `container`: a container of docker or podman is running, and healthy if it has a health check."""

from __future__ import annotations

from shlex import quote
from typing import Any

from .base import Observation, Target, failed_command

NAME = "container"
OPTIONS = {"container": {"type": "str", "required": True, "description": "name or id, of docker or podman"}}
PASSES_IF = "it is running, and healthy if it has a health check"

# podman before 4.0 has another name for the health.
_COMMAND = """for engine in docker podman; do
  command -v $engine >/dev/null 2>&1 || continue
  for field in Health Healthcheck; do
    answer=$($engine container inspect --format "state {{.State.Status}} {{with .State.$field}}{{.Status}}{{end}}" -- @NAME@ 2>&1) &&
      { echo "$answer"; exit 0; }
  done
done
echo "${answer:-neither docker nor podman is installed on the server}"
exit 1"""


def normalize(values: dict[str, Any]) -> dict[str, Any]:
    name = values["container"].strip()
    if not name or name.startswith("-") or not name.isprintable() or " " in name:
        raise ValueError(f"container takes a name or an id, not {values['container']!r}")
    return {"container": name}


def label(values: dict[str, Any]) -> str:
    return f"container {values['container']}"


def observe(values: dict[str, Any], target: Target, seconds: float) -> Observation:
    status, lines = target.run(_COMMAND.replace("@NAME@", quote(values["container"])), seconds)
    states = [line.split(" ")[1:] for line in lines if line.startswith("state ")]
    if status != 0 or not states:
        return failed_command(status, lines, seconds)
    state, health = (*states[-1], "")[:2]
    return Observation(state == "running" and health in ("", "healthy"), ", ".join(filter(None, (state, health))))
