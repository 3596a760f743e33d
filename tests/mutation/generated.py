# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutants of the pure modules that cosmic-ray generates: every operator, number and condition, one after the other.

It needs `tests/requirements-mutation.txt` in the environment. Survivors are a reading list, not a failure: many of them
are equivalent to the original code.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from mutation.checkout import BrokenCheckout

TIMEOUT = 60.0  # seconds for the tests of one mutant
UTILS = "plugins/module_utils"
UPGRADE = "plugins/plugin_utils/_upgrade"
UNIT = "tests/unit/plugins"
# Each module with the tests that must detect its mutants.
MODULES = {
    f"{UTILS}/_module/snapshot_plan.py": (
        f"{UNIT}/module_utils/_module/test_snapshot_plan.py", f"{UNIT}/module_utils/_module/test_retention.py",
    ),
    f"{UTILS}/_provider/values.py": (f"{UNIT}/module_utils/_provider/test_values.py",),
    f"{UTILS}/_argspec.py": (f"{UNIT}/module_utils/test_argspec.py",),
    f"{UPGRADE}/planning.py": (f"{UNIT}/plugin_utils/_upgrade/test_upgrade_planning.py",),
    f"{UPGRADE}/probe.py": (f"{UNIT}/plugin_utils/_upgrade/test_probe.py",),
    f"{UPGRADE}/evidence.py": (f"{UNIT}/plugin_utils/_upgrade/test_evidence.py",),
    f"{UPGRADE}/record.py": (f"{UNIT}/plugin_utils/_upgrade/test_run_record.py",),
}
# `|` is in type annotations only, which nothing evaluates; a deleted decorator is never a pure function's defect.
NOT_USEFUL = (r"core/ReplaceBinaryOperator_BitOr_", r"core/RemoveDecorator")


def run(root: Path, text: str) -> int:
    """Generate and judge the mutants of the modules with `text` in their name. Return the exit status."""
    if importlib.util.find_spec("cosmic_ray") is None:
        print("cosmic-ray is missing: run make mutants ARGS=--generated", file=sys.stderr)
        return 2
    chosen = {module: tests for module, tests in MODULES.items() if text in module}
    with tempfile.TemporaryDirectory(prefix="rw-") as directory:
        checkout = BrokenCheckout(root, Path(directory) / "0")
        try:
            for module, tests in chosen.items():
                _judge(checkout, Path(directory), module, tests)
        finally:
            checkout.close()
    return 0 if chosen else 2


def _judge(checkout: BrokenCheckout, directory: Path, module: str, tests: tuple[str, ...]) -> None:
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import WorkerOutcome

    config, session = directory / "config.toml", directory / f"{Path(module).stem}.sqlite"
    command = f"{sys.executable} -m pytest -p no:cacheprovider -n 0 -x -q {' '.join(tests)}"
    config.write_text(
        f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = {TIMEOUT}\nexcluded-modules = []\ntest-command = {json.dumps(command)}\n'
        'distributor.name = "local"\n'
        f"[cosmic-ray.filters.operators-filter]\nexclude-operators = {json.dumps(NOT_USEFUL)}\n", encoding="utf-8",
    )
    print(f"==> {module}", flush=True)
    for main, arguments in (
        ("cosmic_ray.cli", ("baseline", config)), ("cosmic_ray.cli", ("init", config, session)),
        ("cosmic_ray.tools.filters.operators_filter", (session, config)), ("cosmic_ray.cli", ("exec", config, session)),
    ):
        program = f"import sys; from {main} import main; sys.exit(main())"
        subprocess.run([sys.executable, "-c", program, *map(str, arguments)], cwd=checkout.path, env=checkout.environment(), check=True)
    with use_db(str(session), WorkDB.Mode.open) as work:
        results = [result for dummy, result in work.completed_work_items if result.worker_outcome == WorkerOutcome.NORMAL]
    survivors = [result for result in results if not result.is_killed]
    for result in survivors:
        changed = [line for line in result.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        print("survived: " + "  ->  ".join(line[1:].strip() for line in changed), flush=True)
    print(f"score of {module}: {len(results) - len(survivors)} of {len(results)} killed", flush=True)
