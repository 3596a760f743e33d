# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation testing: the list fits the code and the promises, and a verdict on a mutant is right."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest
from mutation import run as runner
from mutation.all import MUTANTS, PROMISES
from mutation.checkout import BrokenCheckout, Result
from mutation.generated import MODULES
from mutation.mutant import Mutant, check

ROOT = Path(__file__).resolve().parents[3]
SUM = "unit/plugins/test_sums.py"
MUTANT = Mutant("a sum is wrong", "plugins/sums.py", "total", r"(\w+) \+ (\w+)", r"\1 - \2", "sums", (f"{SUM}::test_sum",))
TASK = Mutant("a task is left out", "tasks/main.yml", "include_tasks: b.yml", "include_tasks: .*", "meta: noop", "sums", (f"{SUM}::test_sum",))


def test_the_list_fits_the_code() -> None:
    assert check(MUTANTS, ROOT) == []
    assert len(MUTANTS) <= 80
    missing = [name for module, tests in MODULES.items() for name in (module, *tests) if not (ROOT / name).is_file()]
    assert missing == []


def test_every_promise_and_every_provider_has_a_mutant() -> None:
    page = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    table = page.partition("## Promises\n")[2].partition("\n## ")[0]
    rows = [row.removeprefix("| ").replace("**", "") for row in table.splitlines() if row.startswith("| **")]
    assert [[start for start in PROMISES.values() if row.startswith(start)] for row in rows] == [[start] for start in PROMISES.values()]
    assert {mutant.promise for mutant in MUTANTS} == set(PROMISES)
    providers = {"plugins/module_utils/_provider/ilkbyte.py", "plugins/module_utils/_provider/vpsorg.py"}
    assert providers <= {mutant.file for mutant in MUTANTS}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small project with one file, a test that checks its sums, and tests that check nothing."""
    files = {
        "plugins/sums.py": "def total(a, b):\n    return a + b\n\n\ndef product(a, b):\n    return a * b\n",
        "tasks/main.yml": "- a.b.include_tasks: a.yml\n- block:\n    - a.b.include_tasks: b.yml\n      when: true\n",
        "tests/conftest.py": "import sys\nfrom pathlib import Path\n\nsys.path.insert(0, str(Path(__file__).resolve().parents[4]))\n",
        f"tests/{SUM}":
            "import pytest\n\nfrom ansible_collections.rewind.vps.plugins.sums import product, total\n\n\n"
            "def test_sum():\n    assert total(1, 2) == 3\n\n\ndef test_nothing():\n    assert product and total\n\n\n"
            "@pytest.mark.slow\ndef test_product():\n    assert product(2, 3) == 6\n",
    }
    root = tmp_path / "a checkout, é"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(("change", "message"), [
    ({"function": "sum"}, "has sum 0 times"),
    ({"pattern": r"\w+"}, "matches 7 times in total"),
    ({"pattern": r"a \* b"}, "matches 0 times in total"),  # it is in the next function
    ({"replacement": r"\1 +"}, "is not valid then"),
    ({"replacement": r"\1 + \2"}, "it changes nothing"),
    ({"file": "plugins/none.py"}, "there is no file plugins/none.py"),
    ({"tests": ()}, "no tests are named"),
    ({"tests": ("unit/plugins/test_none.py",)}, "there is no file tests/unit/plugins/test_none.py"),
    ({"tests": (f"{SUM}::test_none",)}, "there is no test"),
    ({"tests": (f"{SUM}::test_product",)}, "make test leaves out"),
])
def test_what_does_not_fit_is_named(checkout: Path, change: dict, message: str) -> None:
    assert check([MUTANT, TASK], checkout) == []
    (error,) = check([dataclasses.replace(MUTANT, **change)], checkout)
    assert error.startswith("a sum is wrong: ") and message in error


FAILED = Result(1, f"E   FAILED nothing\n=== short test summary info ===\nFAILED tests/{SUM}::test_sum - assert 0\n1 failed")
PASSED, NONE, BROKEN, HUNG = Result(0, "1 passed"), Result(5, "no tests ran"), Result(2, "error"), Result(None, "")


@pytest.mark.parametrize(("imported", "ran", "may_hang", "verdict", "detail"), [
    (PASSED, FAILED, False, runner.KILLED, "by test_sums.py::test_sum"),
    (PASSED, PASSED, False, runner.SURVIVED, "no named test fails"),
    (PASSED, HUNG, True, runner.KILLED, "no end within 9 s"),
    (PASSED, HUNG, False, runner.HUNG, "no end within 9 s"),
    (PASSED, NONE, False, runner.OUT_OF_DATE, "make test runs none of the named tests"),
    (PASSED, BROKEN, False, runner.OUT_OF_DATE, "pytest: error"),
    (FAILED, PASSED, False, runner.OUT_OF_DATE, "it can't be imported: 1 failed"),
])
def test_only_a_failed_test_kills(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: Result, ran: Result, may_hang: bool, verdict: str, detail: str,
) -> None:
    copy = BrokenCheckout(checkout, tmp_path / "copy")
    monkeypatch.setattr(copy, "import_file", lambda file: imported)
    monkeypatch.setattr(copy, "run_tests", lambda *arguments: ran)
    assert runner.judge(copy, dataclasses.replace(MUTANT, may_hang=may_hang), 9) == (verdict, detail)
    assert (copy.path / MUTANT.file).read_bytes() == (checkout / MUTANT.file).read_bytes()


def test_from_the_list_to_the_score(checkout: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One mutant is killed and one survives; the checkout stays as it is, and the copies are removed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    survivor = dataclasses.replace(
        MUTANT, name="a product is wrong", function="product", pattern=r"\*", replacement="/", tests=(f"{SUM}::test_nothing",),
    )
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    assert runner.main([], [MUTANT, survivor], checkout) == 1
    out = capfd.readouterr().out
    assert "(by test_sums.py::test_sum)" in out
    assert "SURVIVED" in out and "a product is wrong (no named test fails)" in out
    assert "score: 1 of 2 killed (50 %)" in out
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before
    assert [path for path in tmp_path.iterdir() if path.name.startswith("rw-")] == []


# Writes the pid of a process in a session of its own, as a guard is, and sleeps.
PARENT = (
    "import subprocess, sys, time\n"
    "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
    "open('left', 'w').write(str(left.pid))\ntime.sleep(float(sys.argv[1]))\n"
)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize(("seconds", "timeout", "status"), [("0", 50, 0), ("300", 1, None)])
def test_no_process_is_left(checkout: Path, tmp_path: Path, seconds: str, timeout: float, status: int | None) -> None:
    copy = BrokenCheckout(checkout, tmp_path / "copy")
    assert copy._run(["-c", PARENT, seconds], timeout).status == status
    pid = int((copy.path / "left").read_text())
    end = time.monotonic() + 60
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(pid)
    copy.close()
    assert not (tmp_path / "copy").exists()
    copy.stop()
    with pytest.raises(KeyboardInterrupt):
        copy._run(["-c", ""], 9)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
