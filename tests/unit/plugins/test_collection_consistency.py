# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said in several places of the collection is the same in all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.rewind.vps.plugins.module_utils import version
from ansible_collections.rewind.vps.plugins.module_utils.arguments import SPECS

# The checkout itself when the tests are run there, the copy when ansible-test runs them.
ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
HEADER = [
    "# Copyright: (c) 2026, rewind.vps contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
]


def loaded(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_version():
    assert loaded("galaxy.yml")["version"] == version.VERSION


def test_five_modules():
    assert MODULES == ["server_info", "snapshot", "snapshot_cron", "snapshot_info", "snapshot_restore"]


def test_the_action_group_lists_every_module():
    runtime = loaded("meta/runtime.yml")
    assert runtime["action_groups"] == {"all": MODULES}
    assert runtime["requires_ansible"] == ">=2.16.0"


def test_every_module_has_its_options_and_its_quick_door():
    assert sorted(SPECS) == MODULES
    assert sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py")) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_doors_and_module_call_the_same(module):
    action = (ROOT / "plugins" / "action" / f"{module}.py").read_text(encoding="utf-8")
    assert f'    module = "{module}"\n' in action
    source = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    assert f'run_module("{module}")' in source


def test_every_python_file_below_plugins_begins_with_the_licence():
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        if path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip():
            continue  # ansible-test wants these empty
        lines = path.read_text(encoding="utf-8").splitlines()
        start = 1 if lines[0].startswith("#!") else 0
        found = [line for line in lines[start:start + 5] if line.startswith("# ") and "coding" not in line]
        assert found[:3] == HEADER, path
        assert "from __future__ import annotations" in lines, path
