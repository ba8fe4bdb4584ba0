"""What tests of the daemon with other people's tools share: their installation, and the daemon itself.

LAYERMASKD: the daemon (default: build/layermaskd).
"""
import json
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import threading

ROOT = Path(__file__).resolve().parents[2]
DAEMON = os.environ.get("LAYERMASKD", str(ROOT / "build" / "layermaskd"))
START_S, STOP_S = 30, 60


def install(name, packages):
    """The programs of a virtual environment build/NAME with these packages; None if they cannot be
    had."""
    venv = ROOT / "build" / name
    mark = venv / "packages"
    if mark.exists() and mark.read_text().split() == packages:
        return venv / "bin"
    shutil.rmtree(venv, ignore_errors=True)
    for command in ([sys.executable, "-m", "venv", venv],
                    [venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check",
                     *packages]):
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
            return None
    mark.write_text("\n".join(packages))
    return venv / "bin"


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
