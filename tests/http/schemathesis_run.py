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
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
DAEMON = os.environ.get("LAYERMASKD", str(ROOT / "build" / "layermaskd"))
TOOLS = ["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"]
VENV = ROOT / "build" / "venv-schemathesis"
START_S, STOP_S = 30, 60


def install():
    """The folder of the tools; None if they cannot be had."""
    mark = VENV / "tools"
    if mark.exists() and mark.read_text().split() == TOOLS:
        return VENV / "bin"
    shutil.rmtree(VENV, ignore_errors=True)
    for command in ([sys.executable, "-m", "venv", VENV],
                    [VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check",
                     *TOOLS]):
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
            return None
    mark.write_text("\n".join(TOOLS))
    return VENV / "bin"


def is_valid(tools):
    """Is the document OpenAPI?"""
    return subprocess.run([tools / "python", "-m", "openapi_spec_validator",
                           ROOT / "openapi.yaml"]).returncode == 0


def copy_models(folder):
    """The embedded model, under its name and another one."""
    source = ROOT / "config" / "models" / "shapes"
    for name in ("shapes", "spare"):
        (folder / name).mkdir(parents=True)
        for file in ("model.onnx", "model.json", "labels.txt"):
            shutil.copy(source / file, folder / name / file)


def start(folder):
    """(the daemon, its port, the lines of its log as they come)."""
    copy_models(folder / "models")
    daemon = subprocess.Popen(
        [DAEMON, "--listen", "127.0.0.1:0", "--store", f"sqlite:{folder}/jobs.db", "--models",
         folder / "models", "--model-control", "--log-level", "info"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(START_S, daemon.kill)
    watchdog.start()
    log, port, ready = [], None, False
    for line in daemon.stderr:
        log.append(line)
        event = json.loads(line) if line.startswith("{") else {}
        port = event.get("port", port) if event.get("event") == "listening" else port
        ready = ready or event.get("event") == "ready"
        if port and ready:
            break
    watchdog.cancel()
    threading.Thread(target=lambda: log.extend(daemon.stderr), daemon=True).start()
    if not (port and ready):
        daemon.kill()
        daemon.wait()
        sys.exit("the daemon did not start:\n" + "".join(log))
    return daemon, port, log


def stop(daemon):
    """What is wrong with its end, or None."""
    if daemon.poll() is not None:
        return f"the daemon went down with status {daemon.returncode}"
    daemon.send_signal(signal.SIGTERM)
    try:
        status = daemon.wait(STOP_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
        return f"the daemon did not stop in {STOP_S} s"
    return f"the daemon stopped with status {status}" if status else None


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
    if not os.access(DAEMON, os.X_OK):
        sys.exit(f"{DAEMON} is not there; make builds it")
    tools = install()
    if not tools:
        print("skipped: schemathesis cannot be installed")
        return 0
    valid = is_valid(tools)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon, port, log = start(folder)
        passed, failed = run(tools, port, folder, arguments)
        problem = stop(daemon)
    passed, failed = passed + valid, failed + (not valid)
    if problem:
        print(problem, "".join(log[-20:]), sep="\n")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
