# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the collection against the sandbox, and prints tables, targets and where the JSON lies.

Timings say something only beside each other: of one run, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests")
sys.path.insert(1, str(ROOT / "extensions"))

from rich.console import Console  # noqa: E402
from support.collection_link import collection_dir, link_collection  # noqa: E402

from benchmark import execution_modes, fleet, listing, notice, other_collections, role, sandbox_speed  # noqa: E402
from benchmark.report import MET, NOT_MEASURED, NOT_MET, Part, as_data, show, show_targets, write_json  # noqa: E402
from benchmark.scale import TINY, WHOLE, Bench  # noqa: E402

PARTS = {module.NAME: module.run for module in (execution_modes, fleet, listing, notice, other_collections, sandbox_speed, role)}
RESULTS = ROOT / "tests" / "output" / "benchmark.json"
MAX_WIDTH = 200


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 measured (whether targets are met or not), 2 wrong arguments, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which parts (all): {', '.join(PARTS)}")
    parser.add_argument("--tiny", action="store_true", help="a tiny round: shows that the benchmark runs, and measures nothing")
    parser.add_argument("--profile", action="store_true", help="show where the processor's time goes, too (doors, fleet, listing)")
    parser.add_argument("--cloud", choices=WHOLE.clouds, help="at one cloud only (fleet, listing, notice)")
    parser.add_argument("--servers", type=int, nargs="+", metavar="N", help=f"in one task (fleet; {_join(WHOLE.servers)})")
    parser.add_argument("--forks", type=int, nargs="*", metavar="N", help=f"of plays with a task for each host (fleet; {_join(WHOLE.forks)})")
    parser.add_argument("--operation-seconds", type=float, metavar="S", help=f"what an operation takes (fleet; {WHOLE.operation_seconds:g})")
    parser.add_argument("--repeats", type=int, metavar="N", help=f"how often a playbook is played (doors, peers; {WHOLE.repeats})")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE", help="where the results go (%(default)s)")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.parts) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    scale = (TINY if chosen.tiny else WHOLE).changed(
        clouds=(chosen.cloud,) if chosen.cloud else None, repeats=chosen.repeats, operation_seconds=chosen.operation_seconds,
        servers=tuple(chosen.servers) if chosen.servers else None, forks=tuple(chosen.forks) if chosen.forks is not None else None)
    console = Console(width=None if sys.stdout.isatty() else MAX_WIDTH)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="rw-bench-") as directory:
            _link_checkout(Path(directory))
            parts = []
            for name in chosen.parts or PARTS:
                (Path(directory) / name).mkdir()
                parts.append(_measured(name, Bench(scale, Path(directory) / name, chosen.profile), console))
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    verdicts = [target.verdict for part in parts for target in part.targets]
    if verdicts:
        show_targets(parts, console)
    write_json(chosen.json, as_data(parts, machine()))
    console.print(f"results: {chosen.json}", soft_wrap=True)
    counted = ", ".join(f"{verdicts.count(word)} {word}" for word in (MET, NOT_MET, NOT_MEASURED))
    console.print(f"targets: {counted}" if verdicts else "these parts have no targets")
    return 0


def _join(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _measured(name: str, bench: Bench, console: Console) -> Part:
    started_at = time.monotonic()
    part = PARTS[name](bench)
    show(part, console)
    console.print(f"({name}: {time.monotonic() - started_at:.0f} s)\n")
    return part


def machine() -> dict[str, object]:
    """What was measured on."""
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"), "python": platform.python_version(), "system": platform.platform(),
        "cores": os.cpu_count(), "load of 15 minutes": round(os.getloadavg()[2], 2),
        "ansible-core": version("ansible-core"), "requests": version("requests"),
    }


def _link_checkout(directory: Path) -> None:
    """Let Ansible find this checkout as a collection, unless the tooling has done so."""
    for collections in filter(None, os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep)):
        tests = collection_dir(Path(collections)) / "tests"
        if tests.exists() and tests.samefile(ROOT / "tests"):
            break
    else:
        collections = str(link_collection(ROOT, directory / "view"))
        os.environ["ANSIBLE_COLLECTIONS_PATH"] = collections
    sys.path.insert(2, collections)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
