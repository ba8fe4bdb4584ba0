#!/usr/bin/python3
"""Runs the tests: every C test binary under BUILD/tests and every test_*.py of golden and project.

    tests/run.py [-b BUILD] [-t SECONDS] [--compiler CC] [--preload LIBRARIES] [WORD ...]

LIBRARIES are preloaded into Python: the runtime of the sanitizers that liblayermask.so was built
with, if any.  With words, only tests with one of them in their path, such as unit/test_mask.

Each test has a time limit.  The last line is `N passed, N failed, N skipped`; the exit status is 1
if a test failed or none ran.  Skipped tests say why.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERDICT = re.compile(r"^\[ *(OK|FAILED|SKIPPED) *\] (\S.*)$", re.MULTILINE)  # cmocka's lines
OUTCOME = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}

# A program that runs one file of unittest and prints a line for each test, as cmocka does.
# Programs that the tests start load their sanitizers themselves, and look for leaks.
PYTHON_DRIVER = """
import importlib.util, os, sys, unittest
for name in ("LD_PRELOAD", "ASAN_OPTIONS"): os.environ.pop(name, None)
class Lines(unittest.TestResult):
    def say(self, outcome, test): print(f"[ {outcome} ] {test.id().replace(' ', '_')}", flush=True)
    def addSuccess(self, test): super().addSuccess(test); self.say("OK", test)
    def addSkip(self, test, reason):
        super().addSkip(test, reason); print(reason); self.say("SKIPPED", test)
    def addFailure(self, test, error):
        super().addFailure(test, error); self.fell(test, self.failures)
    def addError(self, test, error): super().addError(test, error); self.fell(test, self.errors)
    def fell(self, test, kind): print(kind[-1][1]); self.say("FAILED", test)
    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error: print(subtest, (self.failures + self.errors)[-1][1]); self.say("FAILED", test)
spec = importlib.util.spec_from_file_location("test", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.path.insert(0, sys.argv[1].rsplit("/", 1)[0])
try:
    spec.loader.exec_module(module)
except unittest.SkipTest as reason:
    sys.exit(print(f"{reason}\\n[ SKIPPED ] {sys.argv[1]}"))
result = Lines()
unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
sys.exit(not result.wasSuccessful())
"""


def find_tests(build, words, preload):
    """(name, command) of every test, C first."""
    python = [sys.executable]
    if preload:  # Python itself leaks
        python = ["env", f"LD_PRELOAD={preload}", "ASAN_OPTIONS=detect_leaks=0", *python]
    tests = []
    for pattern in ("unit/test_*.c", "property/test_*.c", "fault/test_*.c", "fuzz/test_*.c",
                    "server/*/test_*.c", "http/test_*.c"):
        for source in sorted((ROOT / "tests").glob(pattern)):
            name = source.relative_to(ROOT / "tests").with_suffix("")
            tests.append((str(name), [str(build / "tests" / name)]))
    for pattern in ("golden/test_*.py", "project/test_*.py", "server/*/test_*.py"):
        for source in sorted((ROOT / "tests").glob(pattern)):
            name = source.relative_to(ROOT / "tests").with_suffix("")
            tests.append((str(name), [*python, "-c", PYTHON_DRIVER, str(source)]))
    return [test for test in tests if not words or any(word in test[0] for word in words)]


def run(command, limit, environment):
    """(what was printed, why it failed as a whole or None)."""
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT, timeout=limit, env=environment,
                                  cwd=ROOT)
            problem = f"exit status {done.returncode}" if done.returncode else None
            if done.returncode < 0:
                problem = f"killed by signal {-done.returncode}"
        except subprocess.TimeoutExpired:
            problem = f"not done after {limit:g} s"
        except OSError as error:
            problem = f"could not be run: {error.strerror}"
        output.seek(0)
        return output.read().decode(errors="replace"), problem


def judge(text, problem):
    """Counts of outcomes; a test that broke down without saying so counts as one failure.

    cmocka names failed and skipped tests a second time at the end."""
    last = {name: outcome for outcome, name in VERDICT.findall(text)}
    counts = Counter(OUTCOME[outcome] for outcome in last.values())
    if problem and not counts["failed"]:
        counts["failed"] += 1
    if not problem and not counts:
        counts["failed"] += 1
    return counts


def skip_notes(text):
    """What skipped tests said before they were."""
    said, notes = [], set()
    for line in text.splitlines():
        verdict = VERDICT.match(line)
        if verdict and verdict[1] == "SKIPPED":
            notes.update(said)
        if line.startswith("["):
            said = []
        elif line.strip():
            said.append(line)
    return sorted(notes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-b", "--build", type=Path, default=ROOT / "build")
    parser.add_argument("-t", "--timeout", type=float, default=300, help="seconds for each test")
    parser.add_argument("--compiler", default="gcc", help="for tests that compile something")
    parser.add_argument("--preload", default="", help="libraries, for Python")
    parser.add_argument("words", nargs="*", help="only tests with one of these in their path")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    environment = dict(os.environ, LAYERMASK_BUILD=str(build),
                       LAYERMASK_CC=arguments.compiler, CMOCKA_MESSAGE_OUTPUT="stdout")
    environment.setdefault("LAYERMASK_BIN", str(build / "layermask"))
    environment.setdefault("LAYERMASKD", str(build / "layermaskd"))
    environment.setdefault("LAYERMASK_LIB", str(build / "liblayermask.so"))
    flags = build / "flags"
    if flags.exists() and "-fsanitize" in flags.read_text():
        environment["LAYERMASK_SANITIZED"] = "1"

    total = Counter()
    for name, command in find_tests(build, arguments.words, arguments.preload.strip()):
        start = time.monotonic()
        text, problem = run(command, arguments.timeout, environment)
        counts = judge(text, problem)
        total += counts
        summary = ", ".join(f"{counts[key]} {key}" for key in OUTCOME.values() if counts[key])
        print(f"{name:32} {time.monotonic() - start:6.1f} s  {summary}", flush=True)
        for note in skip_notes(text):
            print(f"    skipped: {note}")
        if counts["failed"]:
            print(text.rstrip())
            print(f"    {name}: {problem or 'no test ran'}", flush=True)
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not sum(total.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
