# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaks the code on purpose, one way after the other, and says whether the tests of make test see it.

Everything happens in private copies of the checkout. The tests that a breakage names are run first, then, if they see
nothing, the other quick unit and contract tests. Exits with 0 only if every breakage was caught.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests")

from mutants.catalogue import MUTANTS  # noqa: E402
from mutants.mutant import Mutant, check  # noqa: E402
from mutants.workshop import NOTHING_RAN, TESTS_FAILED, Interrupted, Ran, Workshop  # noqa: E402

LIMIT = 180.0  # seconds for the tests of one breakage
BASELINE_LIMIT = 1800.0
FEW = 5  # named tests that are not worth a process more
THE_OTHERS = ("unit/plugins", "contract")
OTHERS_LIMIT = 600.0
CAUGHT, SURVIVED, HUNG, OUT_OF_DATE = "caught", "SURVIVED", "HUNG", "LIST IS WRONG"


def say(text: str) -> None:
    print(text, flush=True)


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Verdict:
    """What became of one breakage."""

    mutant: Mutant
    word: str
    detail: str
    seconds: float

    @property
    def caught(self) -> bool:
        return self.word == CAUGHT

    def line(self) -> str:
        return f"{self.word:<13} {self.seconds:6.1f} s  {self.mutant.name} ({self.detail})"


def main(arguments: Sequence[str], mutants: Sequence[Mutant] | None = None, root: Path = ROOT) -> int:
    """Returns the exit status: 0 all caught, 1 not all, 2 nothing can be said, 130 interrupted."""
    mutants = MUTANTS if mutants is None else mutants
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("-k", metavar="TEXT", default="", help="only those that have it in their name or file")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=2, help="how many at the same time (2)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds for the tests of one ({LIMIT:.0f})")
    parser.add_argument("--list", action="store_true", help="name them, and run nothing")
    chosen = parser.parse_args(arguments)
    wanted = [mutant for mutant in mutants if chosen.k.lower() in f"{mutant.name} {mutant.file}".lower()]
    if chosen.list or not wanted:
        for mutant in wanted:
            say(f"{mutant.file}: {mutant.name}")
        return 0 if wanted else 2
    wrong = check(wanted, root)
    if wrong:
        complain("The list is out of date:\n" + "\n".join(wrong))
        return 2
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        # A short name: sockets lie below it, and a socket's path may have a hundred characters.
        with tempfile.TemporaryDirectory(prefix="rw-") as folder:
            return _work(wanted, root, Path(folder), chosen.workers, chosen.limit, stop)
    except (KeyboardInterrupt, Interrupted):
        complain("interrupted")
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _work(mutants: list[Mutant], root: Path, folder: Path, workers: int, limit: float, stop: threading.Event) -> int:
    workshops = [Workshop(root, folder / str(number), stop) for number in range(min(workers, len(mutants)))]
    with ThreadPoolExecutor(len(workshops)) as pool:
        try:
            began = time.monotonic()
            if not pool.submit(_is_well_unbroken, workshops[0], mutants, workers).result():
                return 2
            queue = iter(mutants)
            lock = threading.Lock()
            verdicts: list[Verdict] = []

            def work_through(workshop: Workshop) -> None:
                while True:
                    with lock:
                        mutant = next(queue, None)
                    if mutant is None:
                        return
                    verdict = judge(workshop, mutant, limit)
                    with lock:
                        verdicts.append(verdict)
                        say(f"{len(verdicts):3d}/{len(mutants)}  {verdict.line()}")

            for future in [pool.submit(work_through, workshop) for workshop in workshops]:
                future.result()
            return _summary(mutants, verdicts, time.monotonic() - began)
        except BaseException:
            stop.set()
            raise
        finally:
            pool.shutdown()
            for workshop in workshops:
                workshop.close()


def _is_well_unbroken(workshop: Workshop, mutants: Sequence[Mutant], processes: int) -> bool:
    """The named tests must be green in the copy before any of them says something by being red."""
    tests = all_tests(mutants)
    say(f"==> the {len(tests)} named tests on the unbroken code")
    side_by_side = ("-n", str(processes), "--dist", "worksteal") if len(tests) > FEW else ()
    ran = workshop.pytest(tests, BASELINE_LIMIT, *side_by_side)
    if ran.status == 0:
        say(f"well, in {ran.seconds:.0f} s\n\n==> {len(mutants)} breakages")
        return True
    complain(f"{ran.output[-6000:]}\nThe tests are not green without any breakage, so nothing can be said about them.")
    return False


def all_tests(mutants: Sequence[Mutant]) -> list[str]:
    """Everything that is named, once: a file, or where only some of its tests are named, those."""
    named = {test for mutant in mutants for test in mutant.tests}
    return sorted(test for test in named if "::" not in test or test.partition("::")[0] not in named)


def judge(workshop: Workshop, mutant: Mutant, limit: float) -> Verdict:
    """Break the copy, run the tests, mend it."""
    began = time.monotonic()
    with workshop.broken(mutant):
        word, detail = _judged(mutant, limit, workshop.imports, workshop.pytest)
    return Verdict(mutant, word, detail, time.monotonic() - began)


def _judged(mutant: Mutant, limit: float, imports: Callable[[str], Ran], pytest: Callable[..., Ran]) -> tuple[str, str]:
    if mutant.file.endswith(".py"):
        imported = imports(mutant.file)
        if imported.status != 0:
            return OUT_OF_DATE, f"it can't be imported: {(imported.output.strip().splitlines() or ['no word'])[-1]}"
    for tests, seconds, remark in ((mutant.tests, limit, ""), (THE_OTHERS, OTHERS_LIMIT, ", which the list does not name")):
        ran = pytest(tests, seconds, "-x")
        if ran.status is None:
            return (CAUGHT, "hung") if mutant.may_hang else (HUNG, f"no end within {seconds:.0f} s")
        if ran.status == TESTS_FAILED:
            return CAUGHT, f"by {ran.first_failure}{remark}"
        if ran.status != 0:
            what = "no test of make test was run" if ran.status == NOTHING_RAN else f"pytest ended with {ran.status}"
            return OUT_OF_DATE, f"{what}: {ran.output[-1500:]}"
    return SURVIVED, "no test minds"


def _summary(mutants: Sequence[Mutant], verdicts: Sequence[Verdict], seconds: float) -> int:
    caught = sum(verdict.caught for verdict in verdicts)
    say(f"\nsummary ({seconds:.0f} s)")
    for file in dict.fromkeys(mutant.file for mutant in mutants):
        ours = [verdict for verdict in verdicts if verdict.mutant.file == file]
        say(f"  {sum(verdict.caught for verdict in ours):3d} of {len(ours):3d}  {file}")
    for verdict in verdicts:
        if not verdict.caught:
            say(f"  {verdict.line()}")
    say(f"score: {caught} of {len(mutants)} caught ({100 * caught // len(mutants)} %)")
    return 0 if caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
