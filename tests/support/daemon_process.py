"""The daemon as a process, and clients of it, for measurements in Python."""
import base64
import functools
import http.client
import json
import multiprocessing
import os
from pathlib import Path
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "config/models/shapes/examples"
PREDICT = "/v1/models/shapes:predict"
EXPLAIN = "/v1/models/shapes:explain"


class Daemon:
    """with Daemon(program, "--workers", "2") as daemon: ...  It is ready inside."""

    def __init__(self, program, *flags, folder=None):
        self.program, self.flags = str(program), flags
        self.own = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="layermask-bench-"))
        self.log = self.folder / "log"
        self.process = None

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LAYERMASK_")}
        self.begun = time.perf_counter()
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--listen", "127.0.0.1:0",
                 "--store", f"sqlite:{self.folder}/jobs.db", *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self.port = self.wait_for_port(offset)
        while self.ask("GET", "/readyz")[0] != 200:
            time.sleep(0.001)
        self.ready_ms = 1000 * (time.perf_counter() - self.begun)
        return self

    def wait_for_port(self, offset):
        while self.process.poll() is None and time.perf_counter() < self.begun + 30:
            with open(self.log, encoding="utf-8") as log:
                log.seek(offset)
                for line in log:
                    if line.endswith("\n") and line.startswith("{"):
                        event = json.loads(line)
                        if event["event"] == "listening":
                            return event["port"]
            time.sleep(0.001)
        raise RuntimeError(f"{self.program} does not listen: {self.log.read_text()[-2000:]}")

    def client(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, *request):
        """(status, headers, body) on a connection of its own."""
        client = self.client()
        try:
            return call(client, *request)
        finally:
            client.close()

    def rss(self):
        """Bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return 1024 * int(line.split()[1])
        return 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        if self.own:
            shutil.rmtree(self.folder)


def call(client, method, path, body=None, headers=None):
    client.request(method, path, body, headers or {})
    answer = client.getresponse()
    return answer.status, answer.headers, answer.read()


@functools.lru_cache
def picture(name="star"):
    return (EXAMPLES / f"{name}.png").read_bytes()


def predict(client):
    status, _, body = call(client, "POST", PREDICT, picture(), {"Content-Type": "image/png"})
    if status != 200:
        raise RuntimeError(f"predict: {status} {body[:300]}")


@functools.lru_cache
def explain_body(samples, seed=0):
    image = base64.b64encode(picture()).decode()
    return json.dumps({"instances": [{"image": {"b64": image}}],
                       "parameters": {"samples": samples, "seed": seed}})


def explain(client, samples, seed=0, headers=None):
    return call(client, "POST", EXPLAIN, explain_body(samples, seed),
                {"Content-Type": "application/json", **(headers or {})})


def timed(function, *arguments):
    """Milliseconds."""
    start = time.perf_counter()
    function(*arguments)
    return 1000 * (time.perf_counter() - start)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Load:
    """Callers of function(client), over and over: with Load(daemon, explain_once, 4): ...

    They are processes, so that they do not take this one's time; threads=True: threads, which share
    its variables."""

    def __init__(self, daemon, function, n, threads=False):
        self.daemon, self.function = daemon, function
        self.ending = multiprocessing.Event()
        self.errors = multiprocessing.Value("i", 0)
        kind = threading.Thread if threads else multiprocessing.get_context("fork").Process
        self.callers = [kind(target=self.run) for _ in range(n)]

    def run(self):
        client = self.daemon.client()
        while not self.ending.is_set():
            try:
                self.function(client)
            except (OSError, http.client.HTTPException, RuntimeError):
                with self.errors.get_lock():
                    self.errors.value += 1
                client.close()
        client.close()

    def __enter__(self):
        for caller in self.callers:
            caller.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for caller in self.callers:
            caller.join()
