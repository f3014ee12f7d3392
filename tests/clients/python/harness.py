"""What the conformance scripts of this folder share: checks that are found by their mark, run some at once, each within a time limit.

    BOOTSTRAP=host:port script.py [regex]     checks whose names match; TRACE=1 prints stacks, AT_ONCE=4 checks at once
"""

import asyncio
import inspect
import itertools
import os
import re
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

BOOTSTRAP = os.environ.get("BOOTSTRAP", "127.0.0.1:9092")
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LIMIT_S = 120
_checks = []
_numbers = itertools.count(1)
_run = f"{time.time_ns() // 1_000_000:x}"


class NotYet(Exception):
    """What the check wants is written down in docs/status.md as missing."""


def check(function):
    _checks.append(function)
    return function


def unique(what):
    """A name that no other check and no earlier run has."""
    return f"{what}-{_run}-{next(_numbers)}"


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what} came {actual!r}, expected {expected!r}"[:400])


def until(condition, seconds, what):
    """Waits for condition() to be true and returns what it gave."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return value


async def until_async(condition, seconds, what):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        await asyncio.sleep(0.05)
    return value


def _run_one(function):
    outcome = []

    def body():
        try:
            result = function()
            if inspect.iscoroutine(result):
                asyncio.run(result)
            outcome.append(("PASS", ""))
        except NotYet as reason:
            outcome.append(("NOT YET", str(reason)))
        except BaseException as error:
            if os.environ.get("TRACE"):
                traceback.print_exc()
            where = traceback.extract_tb(error.__traceback__)
            line = next((f.lineno for f in reversed(where) if f.filename == sys.argv[0]), 0)
            outcome.append(("FAIL", f"line {line}: {type(error).__name__}: {error}"))

    start = time.monotonic()
    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    verdict, detail = outcome[0] if outcome else ("FAIL", f"still runs after {LIMIT_S} s")
    print(f"{verdict:7} {time.monotonic() - start:6.1f} s  {function.__name__}  {detail[:400]}".rstrip(), flush=True)
    return verdict


def main():
    pattern = re.compile(sys.argv[1] if len(sys.argv) > 1 else ".")
    chosen = [function for function in _checks if pattern.search(function.__name__)]
    if not chosen:
        sys.exit("no check has such a name")
    with ThreadPoolExecutor(int(os.environ.get("AT_ONCE", "4"))) as pool:
        verdicts = list(pool.map(_run_one, chosen))
    failed = verdicts.count("FAIL")
    print(f"{verdicts.count('PASS')} passed, {failed} failed, {verdicts.count('NOT YET')} not yet", flush=True)
    sys.stdout.flush()
    os._exit(1 if failed else 0)  # a client that hangs must not keep the process
