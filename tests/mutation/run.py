# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaks the code on purpose, one defect after the other, and reports whether the tests detect it.

Everything happens in private copies of the checkout. For each defect only the tests that it names are run. Exits with
0 only if they kill every mutant. With --generated, cosmic-ray generates the mutants of the pure modules instead.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests")

from mutation import generated  # noqa: E402
from mutation.all import MUTANTS  # noqa: E402
from mutation.checkout import NO_TESTS, TESTS_FAILED, BrokenCheckout  # noqa: E402
from mutation.mutant import Mutant, check  # noqa: E402

TIMEOUT = 180.0  # seconds for the tests of one mutant
BASELINE_TIMEOUT = 1800.0
KILLED, SURVIVED, HUNG, OUT_OF_DATE = "killed", "SURVIVED", "HUNG", "LIST IS WRONG"


def _print(text: str) -> None:
    print(text, flush=True)


def _print_error(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str], mutants: Sequence[Mutant] = MUTANTS, root: Path = ROOT) -> int:
    """Return the exit status: 0 all killed, 1 not all, 2 no verdict, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("-k", metavar="TEXT", default="", help="only those with TEXT in their name, file or promise")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=2, help="how many at the same time (2)")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help=f"seconds for the tests of one ({TIMEOUT:.0f})")
    parser.add_argument("--list", action="store_true", help="print the list, and run nothing")
    parser.add_argument("--generated", action="store_true", help="generated mutants of the pure modules; -k chooses among the modules")
    options = parser.parse_args(arguments)
    if options.generated:
        return generated.run(root, options.k)
    chosen = [mutant for mutant in mutants if options.k.lower() in f"{mutant.name} {mutant.file} {mutant.promise}".lower()]
    if options.list or not chosen:
        for mutant in chosen:
            _print(f"{mutant.promise:<22} {mutant.name} ({mutant.file}, {mutant.function})")
        return 0 if chosen else 2
    errors = check(chosen, root)
    if errors:
        _print_error("The list is out of date:\n" + "\n".join(errors))
        return 2
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # A short name: the tests open sockets below it, and the path of a socket has at most about 100 characters.
        with tempfile.TemporaryDirectory(prefix="rw-") as directory:
            return _run_all(chosen, root, Path(directory), options.workers, options.timeout)
    except KeyboardInterrupt:
        _print_error("interrupted")
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)


def _run_all(mutants: list[Mutant], root: Path, directory: Path, workers: int, timeout: float) -> int:
    checkouts = [BrokenCheckout(root, directory / str(number)) for number in range(min(workers, len(mutants)))]
    free: SimpleQueue[BrokenCheckout] = SimpleQueue()
    for checkout in checkouts:
        free.put(checkout)
    stopped = False

    def run_one(mutant: Mutant) -> str | None:
        if stopped:
            return None
        checkout, start = free.get(), time.monotonic()
        verdict, detail = judge(checkout, mutant, timeout)
        free.put(checkout)
        _print(f"{verdict:<13} {time.monotonic() - start:6.1f} s  {mutant.name} ({detail})")
        return verdict

    pool = ThreadPoolExecutor(len(checkouts))
    try:
        tests = named_tests(mutants)
        _print(f"==> the {len(tests)} named tests without a defect")
        baseline = checkouts[0].run_tests(tests, BASELINE_TIMEOUT, "-n", str(len(checkouts)) if len(tests) > 5 else "0")
        if baseline.status != 0:
            _print_error(f"{baseline.output[-6000:]}\nThe tests fail without any defect, so they can't judge one.")
            return 2
        _print(f"==> {len(mutants)} mutants")
        killed = list(pool.map(run_one, mutants)).count(KILLED)
        _print(f"score: {killed} of {len(mutants)} killed ({100 * killed // len(mutants)} %)")
        return 0 if killed == len(mutants) else 1
    finally:
        stopped = True
        for checkout in checkouts:
            checkout.stop()
        pool.shutdown()
        for checkout in checkouts:
            checkout.close()


def named_tests(mutants: Iterable[Mutant]) -> list[str]:
    """Return every named test once; a file that is named as a whole includes its tests."""
    named = {test for mutant in mutants for test in mutant.tests}
    return sorted(test for test in named if "::" not in test or test.partition("::")[0] not in named)


def judge(checkout: BrokenCheckout, mutant: Mutant, timeout: float) -> tuple[str, str]:
    """Return the verdict on one mutant, and its reason."""
    with checkout.broken(mutant):
        if mutant.file.endswith(".py"):
            imported = checkout.import_file(mutant.file)
            if imported.status != 0:
                return OUT_OF_DATE, f"it can't be imported: {(imported.output.strip().splitlines() or ['no message'])[-1]}"
        result = checkout.run_tests(mutant.tests, timeout, "-x")
    if result.status is None:
        return KILLED if mutant.may_hang else HUNG, f"no end within {timeout:.0f} s"
    if result.status == TESTS_FAILED:
        return KILLED, f"by {result.first_failure}"
    if result.status == 0:
        return SURVIVED, "no named test fails"
    return OUT_OF_DATE, "make test runs none of the named tests" if result.status == NO_TESTS else f"pytest: {result.output[-1500:]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
