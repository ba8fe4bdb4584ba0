#!/usr/bin/python3
"""Starts the daemon with the embedded model and runs clients.py against it.

LAYERMASKD: the daemon (default: build/layermaskd).  The clients are installed from PyPI into
build/venv-clients; without a network the run is skipped.  The last line is clients.py's.
"""
import os
from pathlib import Path
import subprocess
import sys
import tempfile

import service
from service import ROOT

HERE = Path(__file__).resolve().parent
PACKAGES = ["tritonclient[http]==2.73.0", "kserve==0.21.0", "pillow"]
PICTURE = ROOT / "config" / "models" / "shapes" / "examples" / "heart.png"


def main():
    if not os.access(service.DAEMON, os.X_OK):
        sys.exit(f"{service.DAEMON} is not there; make builds it")
    tools = service.install("venv-clients", PACKAGES)
    if not tools:
        print("skipped: the clients cannot be installed")
        return 0
    with tempfile.TemporaryDirectory() as name:
        daemon, port, log = service.start(Path(name))
        status = subprocess.run([tools / "python", HERE / "clients.py", f"http://127.0.0.1:{port}",
                                 "shapes", PICTURE], stdin=subprocess.DEVNULL).returncode
        problem = service.stop(daemon)
    if problem:
        print(problem, "".join(log[-20:]), sep="\n")
        print("0 passed, 1 failed")
    return int(status != 0 or problem is not None)


if __name__ == "__main__":
    sys.exit(main())
