# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes snapshots that take long in virtual time. Run as a program, since what makes time virtual must touch nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from datetime import datetime
from typing import Any

sys.path[:0] = json.loads(os.environ["BENCHMARK_PATH"])

from virtual_time import VirtualTime  # noqa: E402

from sandbox import SandboxHandle, launch  # noqa: E402

SERVER = {"vpsorg": "web1", "ilkbyte": "app1"}
ANSWER_SECONDS = 30.0

Row = dict[str, Any]


def main(plan: str) -> None:
    """Play all, and print the rows as JSON.

    :param plan: JSON: a list of clouds, one of seconds, and how often each is played (jitter makes each time another).
    """
    clouds, durations, times = json.loads(plan)
    # As good as no time passes by itself.
    with launch(servers=1, speed=0.001, ssh=False, disks=False) as sandbox, VirtualTime(sandbox, ANSWER_SECONDS).open() as virtual_time:
        print(json.dumps([_worst([_play(sandbox, virtual_time, cloud, seconds) for _time in range(times)]) for cloud in clouds
            for seconds in durations]))


def _worst(rows: list[Row]) -> Row:
    return {**rows[0], **{key: max(row[key] for row in rows) for key in ("polls", "noticed after s", "reads")}}


def _play(sandbox: SandboxHandle, virtual_time: VirtualTime, cloud: str, seconds: float) -> Row:
    sandbox.admin.reset()
    virtual_time.clear_local_state()
    sandbox.admin.settings(seconds={f"{cloud}.snapshots.create": seconds})
    result = virtual_time.task(cloud, "snapshot", server=SERVER[cloud], name="one", wait_timeout=3600)
    if result.get("failed"):
        raise RuntimeError(result["msg"])
    (create,) = sandbox.admin.requests(cloud=cloud, operation="snapshots.create")
    looks = [request for request in sandbox.admin.requests(cloud=cloud, changing=False) if request["n"] > create["n"]]
    last = (_moment(looks[-1]) - _moment(create)).total_seconds()
    asked = Counter(request["operation"] for request in looks)
    return {"cloud": cloud, "operation s": seconds, "polls": max(asked.values()), "noticed after s": max(0.0, last - seconds),
            "reads": len(looks), "which": " and ".join(sorted(asked))}


def _moment(entry: Row) -> datetime:
    return datetime.fromisoformat(entry["at"].replace("Z", "+00:00"))


if __name__ == "__main__":
    main(sys.argv[1])
