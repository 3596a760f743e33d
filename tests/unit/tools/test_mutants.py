# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaking the code on purpose: the list fits the code, and what is said of a breakage is true."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from pathlib import Path

import pytest
from mutants import run as runner
from mutants.catalogue import MUTANTS
from mutants.mutant import Mutant, OutOfDate, check
from mutants.workshop import Interrupted, Ran, Workshop

ROOT = Path(__file__).resolve().parents[3]
MUTANT = Mutant("a sum is wrong", "plugins/sums.py", "a + b", "a - b", ("unit/plugins/test_sums.py::test_sum",))


def test_the_list_fits_the_code() -> None:
    assert check(MUTANTS, ROOT) == []


def test_every_room_of_the_code_is_broken_somewhere() -> None:
    broken = {mutant.file for mutant in MUTANTS}
    rooms = ("module_utils", "module_utils/operations", "module_utils/providers", "plugin_utils", "plugin_utils/guarded_upgrade", "action",
             "connection")
    for room in rooms:
        assert any(Path(file).parent == Path("plugins", room) for file in broken), room
    assert sum(file.startswith("roles/") for file in broken) >= 10


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small project of its own, with one file, a test that looks at its sums and one that looks at nothing."""
    files = {
        "plugins/sums.py": "def total(a, b):\n    return a + b\n\n\ndef product(a, b):\n    return a * b\n",
        "tests/conftest.py": "import sys\nfrom pathlib import Path\n\nsys.path.insert(0, str(Path(__file__).resolve().parents[4]))\n",
        "tests/unit/plugins/test_sums.py":
            "import pytest\n\nfrom ansible_collections.rewind.vps.plugins.sums import product, total\n\n\n"
            "def test_sum():\n    assert total(1, 2) == 3\n\n\ndef test_nothing():\n    assert product and total\n\n\n"
            "@pytest.mark.patient\ndef test_product():\n    assert product(2, 3) == 6\n",
        "tests/contract/test_empty.py": "def test_well():\n    pass\n",
    }
    root = tmp_path / "a checkout, é"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(("change", "words"), [
    ({"old": "a / b"}, "stands 0 times"),
    ({"old": "def "}, "stands 2 times"),
    ({"new": "a +"}, "can't even be read"),
    ({"new": "a + b"}, "changes nothing"),
    ({"file": "plugins/none.py"}, "there is no file plugins/none.py"),
    ({"tests": ()}, "no tests are named"),
    ({"tests": ("unit/plugins/test_none.py",)}, "there is no file tests/unit/plugins/test_none.py"),
    ({"tests": ("unit/plugins/test_sums.py::test_none",)}, "there is no test"),
    ({"tests": ("unit/plugins/test_sums.py::test_product",)}, "is patient"),
])
def test_what_does_not_fit_is_named(checkout: Path, change: dict, words: str) -> None:
    assert check([MUTANT], checkout) == []
    (said,) = check([dataclasses.replace(MUTANT, **change)], checkout)
    assert said.startswith("a sum is wrong: ") and words in said


def test_a_name_stands_once(checkout: Path) -> None:
    assert check([MUTANT, MUTANT], checkout) == ["a sum is wrong: it stands twice in the list"]


FAILED = Ran(1, "=== short test summary info ===\nFAILED tests/unit/plugins/test_sums.py::test_sum - assert 0\n1 failed", 1.0)
WELL, NOTHING, BROKEN, HUNG = Ran(0, "1 passed", 1.0), Ran(5, "no tests ran", 1.0), Ran(2, "error", 1.0), Ran(None, "", 1.0)


@pytest.mark.parametrize(("imported", "ran", "may_hang", "word", "detail"), [
    (WELL, [FAILED], False, runner.CAUGHT, "by test_sums.py::test_sum"),
    (WELL, [WELL, FAILED], False, runner.CAUGHT, "by test_sums.py::test_sum, which the list does not name"),
    (WELL, [WELL, WELL], False, runner.SURVIVED, "no test minds"),
    (WELL, [HUNG], True, runner.CAUGHT, "hung"),
    (WELL, [HUNG], False, runner.HUNG, "no end within 9 s"),
    (WELL, [NOTHING], False, runner.OUT_OF_DATE, "no test of make test was run"),
    (WELL, [BROKEN], False, runner.OUT_OF_DATE, "pytest ended with 2"),
    (FAILED, [], False, runner.OUT_OF_DATE, "it can't be imported: 1 failed"),
])
def test_what_counts_as_caught(imported: Ran, ran: list[Ran], may_hang: bool, word: str, detail: str) -> None:
    answers = iter(ran)
    mutant = dataclasses.replace(MUTANT, may_hang=may_hang)
    said = runner._judged(mutant, 9, lambda file: imported, lambda tests, seconds, *options: next(answers))
    assert said[0] == word and said[1].startswith(detail)
    assert next(answers, None) is None, "a test run less than expected"


@pytest.mark.parametrize(("line", "test"), [
    ("FAILED tests/integration/test_a.py::test_one[vpsorg] - AssertionError: x", "test_a.py::test_one"),
    ("SUBFAILED[by name] tests/integration/test_a.py::test_one[vpsorg] - AssertionError", "test_a.py::test_one"),
    ("ERROR tests/unit/test_b.py::test_two - OSError", "test_b.py::test_two"),
    ("all is lost", "a test that can't be told from the output"),
])
def test_which_test_has_caught_it(line: str, test: str) -> None:
    assert Ran(1, f"E   FAILED nothing\n{line}\n1 failed", 1.0).first_failure == test


def test_a_file_that_is_named_as_a_whole_is_not_named_again() -> None:
    named = [("b.py::test_two", "a.py"), ("a.py::test_one", "b.py::test_one"), ("b.py::test_two",)]
    mutants = [dataclasses.replace(MUTANT, tests=tests) for tests in named]
    assert runner.all_tests(mutants) == ["a.py", "b.py::test_one", "b.py::test_two"]


def test_from_the_list_to_the_score(checkout: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is caught and one is not; the checkout stays as it is, and the copies vanish."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    unseen = dataclasses.replace(MUTANT, name="a product is wrong", old="a * b", new="a / b", tests=("unit/plugins/test_sums.py::test_nothing",))
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    assert runner.main([], [MUTANT, unseen], checkout) == 1
    out = capfd.readouterr().out
    assert "(by test_sums.py::test_sum)" in out
    assert "SURVIVED" in out and "a product is wrong (no test minds)" in out
    assert "score: 1 of 2 caught (50 %)" in out
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before
    assert [path for path in tmp_path.iterdir() if path.name.startswith("rw-")] == []


def test_where_the_tests_are_red_already_nothing_is_said(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (checkout / "tests/unit/plugins/test_sums.py").write_text("def test_sum():\n    raise OSError\n", encoding="utf-8")
    assert runner.main(["--workers", "1"], [MUTANT], checkout) == 2
    assert "not green without any breakage" in capfd.readouterr().err


def test_a_list_that_does_not_fit_ends_it_before_anything_is_run(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert runner.main([], [dataclasses.replace(MUTANT, old="a / b")], checkout) == 2
    assert "The list is out of date" in capfd.readouterr().err


@pytest.fixture
def workshop(checkout: Path, tmp_path: Path):
    shop = Workshop(checkout, tmp_path / "shop", threading.Event())
    yield shop
    shop.close()
    assert not (tmp_path / "shop").exists()


def test_the_copy_is_broken_for_a_while_only(workshop: Workshop) -> None:
    path = workshop.checkout / MUTANT.file
    whole = path.read_text(encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), workshop.broken(MUTANT):
        assert path.read_text(encoding="utf-8") == whole.replace("a + b", "a - b")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == whole
    with pytest.raises(OutOfDate), workshop.broken(dataclasses.replace(MUTANT, old="none")):
        pass


# Notes the number of a process in a session of its own, as a guard is, and goes on for ever.
PARENT = (
    "import subprocess, sys, time\n"
    "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
    "open('left', 'w').write(str(left.pid))\ntime.sleep(float(sys.argv[1]))\n"
)


def left_over(workshop: Workshop) -> bool:
    """Whether what the program has started still runs."""
    pid = int((workshop.checkout / "left").read_text())
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False  # ended, and nobody has asked how
        except OSError:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_nothing_is_left_running(workshop: Workshop) -> None:
    assert workshop._run(["-c", PARENT, "0"], 50).status == 0
    assert not left_over(workshop)
    assert workshop._run(["-c", PARENT, "300"], 1).status is None
    assert not left_over(workshop)


def test_whoever_stops_it_does_not_wait(workshop: Workshop) -> None:
    timer = threading.Timer(0.3, workshop._stop.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        workshop._run(["-c", "import time; time.sleep(300)"], 200)
    assert time.monotonic() - began < 20
    timer.join()
