#!/usr/bin/python3
"""Runs the image that test_image.sh built, as a container engine would, and talks to it.

    check_image.py ROOT FOLDER

ROOT is the image's file system, FOLDER has image.json (its configuration) and takes what the runs
leave.  Run it in network and mount namespaces of its own: the image listens where it always does.

Each container is a process tree of its own whose first process is the image's: with the root file
system read-only, as the image's user, without any capability.  What an engine adds on top (limits,
a bridge between networks) is not tried.
"""
import base64
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SHAPES = REPOSITORY / "config/models/shapes"
ROOT, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
IMAGE = json.loads((FOLDER / "image.json").read_text())["Docker"]["config"]
URL = "http://127.0.0.1:8080"
EVERYONE = {"LAYERMASK_INSECURE": "true"}
STORE = "/var/lib/layermask"

# The first process of a container: root, jobs, models and keys are its arguments.
ENTER = f"""
set -e
root=$1 access=$2 jobs=$3 models=$4 keys=$5
shift 5
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount --bind "$jobs" "$root{STORE}"
mount --bind -o ro "$models" "$root/models"
mount --bind -o ro "$keys" "$root/etc/layermask"
mount -o "remount,bind,$access" "$root"
exec chroot "$root" "$@"
"""


def as_user(command, variables):
    """The command as the image's user in the image's environment."""
    uid, gid = IMAGE["User"].split(":")
    inside = dict(item.split("=", 1) for item in IMAGE["Env"]) | variables
    return ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
            "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
            "/usr/bin/env", "-i", f"--chdir={IMAGE['WorkingDir']}",
            *(f"{name}={value}" for name, value in inside.items()), *command]


class Container:
    """A run of the image; a context manager that leaves nothing behind."""

    def __init__(self, name, variables=EVERYONE, command=None, access="ro", jobs=None):
        self.variables = variables
        self.jobs = jobs or fresh_folder(f"{name}.jobs", owner=IMAGE["User"])
        self.log = FOLDER / f"{name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh",
                 ROOT, access, self.jobs, FOLDER / "models", FOLDER / "keys",
                 *as_user(command or IMAGE["Entrypoint"], variables)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except IndexError:  # no first process yet
                self.process.kill()
        self.process.wait()

    @property
    def pid(self):
        """Of the container's first process, seen from outside."""
        first = self.process.pid
        return int(Path(f"/proc/{first}/task/{first}/children").read_text().split()[0])

    def said(self):
        return self.log.read_text()

    def probe(self):
        """The exit status of the image's health check."""
        kind, *check = IMAGE["Healthcheck"]["Test"]
        assert kind == "CMD", kind
        return subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--root",
             *as_user(check, self.variables)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=IMAGE["Healthcheck"]["Timeout"] / 1e9).returncode

    def wait_until_healthy(self, limit_s=10):
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            assert self.process.poll() is None, f"it ended: {self.said()}"
            try:
                if self.probe() == 0:
                    return self
            except IndexError:  # no first process yet
                pass
            time.sleep(0.05)
        raise AssertionError(f"not healthy after {limit_s} s: {self.said()}")

    def end(self, limit_s=60):
        """SIGTERM, and the exit status."""
        os.kill(self.pid, signal.Signals[IMAGE["StopSignal"]])
        return self.process.wait(limit_s)


def fresh_folder(name, owner="0:0"):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.chown(folder, *map(int, owner.split(":")))
    return folder


def call(path, body=None, **headers):
    """(status, JSON or text)."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    if data:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(URL + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    try:
        return status, json.loads(content)
    except ValueError:
        return status, content.decode()


def instance(example):
    picture = (SHAPES / f"examples/{example}.png").read_bytes()
    return {"image": {"b64": base64.b64encode(picture).decode()}}


def examples():
    return sorted(path.stem for path in (SHAPES / "examples").glob("*.png")
                  if not path.stem.endswith(".mask"))


def all_files():
    """What there is in the image's file system, and when it was last changed."""
    found = {}
    for folder, _, files in os.walk(ROOT):
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            status = os.lstat(path)
            found[path] = status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return found


def output_of(*command):
    """What a program of the image prints."""
    with Container("command", command=command) as container:
        status = container.process.wait(60)
        assert status == 0, f"exit status {status}: {container.said()}"
        return container.said()


def wait_for_job(number, limit_s=60):
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        _, job = call(f"/v1/jobs/{number}")
        if job["status"] not in ("queued", "running"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"job {number} has not ended after {limit_s} s")


class Image(unittest.TestCase):
    def test_its_configuration_is_what_the_documentation_says(self):
        self.assertEqual(IMAGE["User"], "10001:10001")
        self.assertEqual(IMAGE["StopSignal"], "SIGTERM")
        self.assertEqual(list(IMAGE["ExposedPorts"]), ["8080/tcp"])
        self.assertEqual(list(IMAGE["Volumes"]), [STORE])
        self.assertEqual(IMAGE["Healthcheck"]["Test"], ["CMD", "layermaskd", "--probe"])
        self.assertEqual(IMAGE["Labels"]["org.opencontainers.image.licenses"], "MIT")

    def test_its_label_has_the_version_of_the_program(self):
        version = IMAGE["Labels"]["org.opencontainers.image.version"]
        self.assertEqual(output_of("layermaskd", "--version"), f"layermaskd {version}\n")

    def test_it_has_no_compiler_and_no_package_lists(self):
        for path in ("usr/bin/cc", "usr/bin/make", "usr/local/include/layermask", "src"):
            self.assertFalse((ROOT / path).exists(), path)
        self.assertEqual(list((ROOT / "var/lib/apt/lists").glob("*")), [])


class Access(unittest.TestCase):
    def test_it_does_not_start_until_it_knows_who_may_call(self):
        with Container("refused", variables={}) as container:
            self.assertEqual(container.process.wait(10), 2)
            self.assertIn("LAYERMASK_LISTEN: other machines can reach 0.0.0.0:8080",
                          container.said())

    def test_mounted_keys_are_asked_for(self):
        variables = {"LAYERMASK_KEYS": "/etc/layermask/keys.json"}
        with Container("keys", variables) as container:
            container.wait_until_healthy()
            body = {"instances": [instance("star")]}
            self.assertEqual(call("/v1/models/shapes:predict", body)[0], 401)
            status, _ = call("/v1/models/shapes:predict", body, Authorization="Bearer secret")
            self.assertEqual(status, 200)


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.container = Container("service").wait_until_healthy()
        cls.addClassCleanup(cls.container.__exit__)

    def test_the_built_in_model_names_the_examples(self):
        for example in examples():
            with self.subTest(example):
                status, answer = call("/v1/models/shapes:predict",
                                      {"instances": [instance(example)]})
                self.assertEqual(status, 200, answer)
                self.assertEqual(answer["predictions"][0]["top"][0]["label"], example)

    def test_a_mounted_model_is_served_beside_it(self):
        status, answer = call("/v1/models/mine:predict", {"instances": [instance("star")]})
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["model_name"], "mine")
        self.assertEqual(answer["predictions"][0]["top"][0]["label"], "my star")

    def test_the_answer_is_that_of_the_command_line(self):
        program = FOLDER.parent / "layermask"
        if not program.exists():
            self.skipTest(f"{program} has not been built")
        _, answer = call("/v1/models/shapes:predict", {"instances": [instance("heart")]})
        printed = subprocess.run(
            [program, "predict", "--json", "--model", SHAPES, SHAPES / "examples/heart.png"],
            check=True, capture_output=True).stdout
        self.assertEqual(answer, json.loads(printed))

    def test_it_runs_as_its_user_and_may_do_nothing_special(self):
        lines = Path(f"/proc/{self.container.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        self.assertEqual(set(status["Uid"].split()), {"10001"})
        self.assertEqual(set(status["Gid"].split()), {"10001"})
        self.assertEqual(status["Groups"].split(), [])
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"], "1")

    def test_its_root_file_system_is_read_only(self):
        lines = Path(f"/proc/{self.container.pid}/mounts").read_text().splitlines()
        options = {line.split()[1]: line.split()[3].split(",") for line in lines}
        self.assertIn("ro", options["/"])
        self.assertIn("rw", options[STORE])


class Files(unittest.TestCase):
    def test_it_writes_to_its_volume_only_even_if_it_could_elsewhere(self):
        before = all_files()
        with Container("writable", access="rw") as container:
            container.wait_until_healthy()
            status, _ = call("/v1/models/shapes:predict", {"instances": [instance("star")]})
            self.assertEqual(status, 200)
            self.assertEqual(wait_for_job(*submit(1))["status"], "succeeded")
            self.assertEqual(container.end(), 0)
            self.assertIn("jobs.db", os.listdir(container.jobs))
        self.assertEqual(all_files(), before)


def submit(count):
    """Explanations that take a while; the numbers of their jobs."""
    body = {"instances": [instance("star")], "parameters": {"samples": 1000}}
    answers = [call("/v1/models/shapes:explain", body, Prefer="respond-async")
               for _ in range(count)]
    assert all(status == 202 for status, _ in answers), answers
    return [job["id"] for _, job in answers]


class End(unittest.TestCase):
    def test_sigterm_ends_it_after_the_accepted_work(self):
        with Container("drained") as container:
            container.wait_until_healthy()
            submit(1)
            self.assertEqual(container.end(), 0, container.said())
        self.assertIn('"event":"drained","unfinished":0}', container.said())

    def test_what_it_could_not_finish_runs_in_the_next_container(self):
        with Container("hurried", EVERYONE | {"LAYERMASK_DRAIN_LIMIT": "0s"}) as container:
            container.wait_until_healthy()
            jobs = submit(2)
            self.assertEqual(container.end(), 0, container.said())
        self.assertIn('"event":"drained","unfinished":2}', container.said())
        with Container("next", jobs=container.jobs) as following:
            following.wait_until_healthy()
            for job in jobs:
                self.assertEqual(wait_for_job(job)["status"], "succeeded")
                self.assertEqual(call(f"/v1/jobs/{job}/result")[0], 200)


def prepare():
    """The loopback interface, a model of our own, keys."""
    with socket.socket() as any_socket:
        up = struct.pack("16sH22x", b"lo", 1)  # struct ifreq; IFF_UP
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS
    models, keys = fresh_folder("models"), fresh_folder("keys")
    mine = models / "mine"
    mine.mkdir()
    for name in ("model.onnx", "model.json"):
        shutil.copy(SHAPES / name, mine)
    labels = (SHAPES / "labels.txt").read_text().splitlines()
    (mine / "labels.txt").write_text("".join(f"my {label}\n" for label in labels))
    (keys / "keys.json").write_text(json.dumps(
        [{"id": "tester", "sha256": hashlib.sha256(b"secret").hexdigest(),
          "scopes": ["predict", "explain"]}]))


def main():
    prepare()
    tests = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    failed = len({getattr(test, "test_case", test).id()
                  for test, _ in result.failures + result.errors})
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
