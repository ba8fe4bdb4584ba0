#!/usr/bin/python3
"""Sends the daemon what openapi.yaml allows and what it does not, and checks its answers.

    tests/http/schemathesis_run.py [-n EXAMPLES] [--seed N] [OPTION OF SCHEMATHESIS ...]

LAYERMASKD: the daemon (default: build/layermaskd).  The tool is installed from PyPI into
build/venv-schemathesis; without a network the run is skipped.  The last line is
`N passed, N failed`, in requests and different failures; a valid document is one more that passed.
"""
import argparse
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile

import service
from service import ROOT

HERE = Path(__file__).resolve().parent
TOOLS = ["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"]


def is_valid(tools):
    """Is the document OpenAPI?"""
    return subprocess.run([tools / "python", "-m", "openapi_spec_validator",
                           ROOT / "openapi.yaml"]).returncode == 0


def run(tools, port, folder, arguments):
    """(requests that were fine, different failures)."""
    report = folder / "report.json"
    command = [tools / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run",
               f"http://127.0.0.1:{port}/openapi.yaml", "--max-examples", str(arguments.examples),
               "--report", "json", "--report-json-path", report, *arguments.options]
    if arguments.seed >= 0:
        command += ["--seed", str(arguments.seed)]
    environment = dict(os.environ, SCHEMATHESIS_HOOKS="schemathesis_hooks", NO_COLOR="1",
                       PYTHONPATH=str(HERE), PYTHONDONTWRITEBYTECODE="1")
    status = subprocess.run([str(word) for word in command], cwd=folder, env=environment,
                            stdin=subprocess.DEVNULL).returncode
    if not report.exists():
        return 0, 1
    told = json.loads(report.read_text())
    cases = told["test_cases"]
    failures = cases["unique_failures"] + len(told["errors"])
    return (cases["generated"] - cases["with_failures"] - cases["errored"],
            failures or int(status != 0))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--examples", type=int, default=40, help="for each route and phase")
    parser.add_argument("--seed", type=int, default=7, help="-1: another one each time")
    arguments, arguments.options = parser.parse_known_args()
    if not os.access(service.DAEMON, os.X_OK):
        sys.exit(f"{service.DAEMON} is not there; make builds it")
    tools = service.install("venv-schemathesis", TOOLS)
    if not tools:
        print("skipped: schemathesis cannot be installed")
        return 0
    valid = is_valid(tools)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon, port, log = service.start(folder)
        passed, failed = run(tools, port, folder, arguments)
        problem = service.stop(daemon)
    passed, failed = passed + valid, failed + (not valid)
    if problem:
        print(problem, "".join(log[-20:]), sep="\n")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
