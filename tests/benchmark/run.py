# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the collection against the sandbox, and prints tables and targets.

Compare figures within one run only, on a machine without other load.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests")
sys.path.insert(1, str(ROOT / "extensions"))

from rich.console import Console  # noqa: E402
from support.collection_link import collection_dir, link_collection  # noqa: E402

from benchmark import execution_mode, fleet, listing, role  # noqa: E402
from benchmark.bench import TINY, WHOLE, Bench  # noqa: E402
from benchmark.report import as_data, show, show_targets  # noqa: E402

PARTS = {module.NAME: module.run for module in (execution_mode, fleet, listing, role)}
RESULTS = ROOT / "tests" / "output" / "benchmark.json"
MAX_WIDTH = 200


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 measured (whether targets are met or not), 2 wrong arguments, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which parts (all): {', '.join(PARTS)}")
    parser.add_argument("--tiny", action="store_true", help="a tiny round: shows that the benchmark runs, and measures nothing")
    parser.add_argument("--provider", dest="providers", choices=WHOLE.providers, nargs=1, help="one provider only (all parts but role)")
    parser.add_argument("--servers", type=int, nargs="+", metavar="N", help="servers in one task (fleet)")
    parser.add_argument("--forks", type=int, nargs="*", metavar="N", help="forks of plays with a task for each host (fleet)")
    parser.add_argument("--operation-seconds", type=float, metavar="S", help="how long an operation takes (fleet)")
    parser.add_argument("--role-servers", type=int, nargs="+", metavar="N", help="servers in one upgrade (role)")
    parser.add_argument("--repeats", type=int, metavar="N", help="how often each playbook runs (execution_mode, role)")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE", help="where the results go (%(default)s)")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    names = ("providers", "servers", "forks", "operation_seconds", "role_servers", "repeats")
    given = {name: tuple(value) if isinstance(value, list) else value for name in names if (value := getattr(chosen, name)) is not None}
    scale = replace(TINY if chosen.tiny else WHOLE, **given)
    console = Console(width=None if sys.stdout.isatty() else MAX_WIDTH)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    parts = []
    try:
        with tempfile.TemporaryDirectory(prefix="rw-bench-") as directory:
            _link_checkout(Path(directory))
            for name in chosen.parts or PARTS:
                started_at = time.monotonic()
                (Path(directory) / name).mkdir()
                parts.append(PARTS[name](Bench(scale, Path(directory) / name)))
                for title, rows in parts[-1].tables.items():
                    show(console, f"{name}: {title}", rows)
                console.print(f"({name}: {time.monotonic() - started_at:.0f} s)\n")
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)
    show_targets(console, parts)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(as_data(parts, machine()), indent=1) + "\n", encoding="utf-8")
    console.print(f"results: {chosen.json}", soft_wrap=True)
    return 0


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
