#!/usr/bin/python3
"""The service's figures, measured on the running daemon with the embedded model.

    service.py [--daemon build/layermaskd] [--only NAME ...] [--long] [--seed N]

Each figure is a line `name: figure (target)`; the exit status is 1 when one is missed.  The clients
run on the same machine and take part of it.  --long: ten minutes of overload instead of one.
Names: crash, predict_beside_explains, health_under_load, slow_connections, overload, workers,
http_cost, start, memory.
"""
import argparse
import json
import os
from pathlib import Path
import random
import socket
import statistics
import sys
import threading
import time

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from daemon_process import Daemon, Load, call, explain, percentile, predict, timed  # noqa: E402

MIB = 1 << 20
missed = []


def say(name, figure, target, good):
    if not good:
        missed.append(name)
    print(f"{name}: {figure} ({target}){'' if good else ' MISSED'}", flush=True)


# ---------------------------------------------------------------- never losing a job

def submit(daemon, count, ids):
    """Posts `count` explanations, each until it is acknowledged; ids by number."""
    for number in range(count):
        while number not in ids:
            try:
                client = daemon.client()
                status, _, body = explain(client, 200, number,
                                          {"Prefer": "respond-async",
                                           "Idempotency-Key": f"bench-{number}"})
                client.close()
                if status == 202:
                    ids[number] = json.loads(body)["id"]
                    continue
            except OSError:
                pass
            time.sleep(0.02)


def measure_crash(args):
    chance = random.Random(args.seed)
    ids, count, kills = {}, 200, 10
    with Daemon(args.daemon) as daemon:
        thread = threading.Thread(target=submit, args=(daemon, count, ids))
        thread.start()
        for _ in range(kills):
            time.sleep(chance.uniform(0.1, 1.5))
            daemon.kill()
            daemon.start()
        thread.join()
        states, direct = await_all(daemon, ids), {}
        same = 0
        for number in chance.sample(range(count), 20):
            result = daemon.ask("GET", f"/v1/jobs/{ids[number]}/result")[2]
            direct[number] = explain(daemon.client(), 200, number)[2]
            same += result == direct[number]
        jobs = len(json.loads(daemon.ask("GET", "/v1/jobs?limit=1000")[2])["jobs"])
    done = sum(state == "succeeded" for state in states)
    say("crash", f"{done} of {count} acknowledged jobs succeeded after {kills} kills, {jobs} jobs "
        f"in the store, {same} of 20 results as by a direct call",
        f"{count}, none twice", done == count == jobs and same == 20)


def await_all(daemon, ids):
    client = daemon.client()
    states = []
    for number in sorted(ids):
        state = "queued"
        while state in ("queued", "running"):
            state = json.loads(call(client, "GET", f"/v1/jobs/{ids[number]}")[2])["status"]
            if state in ("queued", "running"):
                time.sleep(0.02)
        states.append(state)
    client.close()
    return states


# ---------------------------------------------------------------- waiting

def measure_predict_beside_explains(args):
    def explain_once(client):
        if explain(client, 1000)[0] != 200:
            raise RuntimeError("explain failed")
    with Daemon(args.daemon) as daemon:
        client = daemon.client()
        for _ in range(50):
            predict(client)
        idle = [timed(predict, client) for _ in range(1000)]
        with Load(daemon, explain_once, 2) as load:
            time.sleep(0.5)
            busy = [timed(predict, client) for _ in range(1000)]
        client.close()
    ratio = percentile(busy, 0.99) / percentile(idle, 0.99)
    say("predict_beside_explains",
        f"{ratio:.2f}x: p99 {percentile(busy, 0.99):.1f} ms against {percentile(idle, 0.99):.1f} ms "
        f"idle; p50 {percentile(busy, 0.5):.1f} against {percentile(idle, 0.5):.1f}; "
        f"{load.errors.value} errors", "<= 3x", ratio <= 3 and not load.errors.value)


def measure_health_under_load(args):
    def explain_once(client):
        explain(client, 500)
    with Daemon(args.daemon) as daemon:
        status, _, body = explain(daemon.client(), 100, 0, {"Prefer": "respond-async"})
        paths = ["/readyz", "/metrics", f"/v1/jobs/{json.loads(body)['id']}"]
        times = {path: [] for path in paths}
        with Load(daemon, explain_once, 4), Load(daemon, predict, 2):
            time.sleep(0.5)
            client = daemon.client()
            for _ in range(400):
                for path in paths:
                    times[path].append(timed(call, client, "GET", path))
            client.close()
    p99 = {path.split("/")[-1][:7]: percentile(t, 0.99) for path, t in times.items()}
    names = ["readyz", "metrics", "job status"]
    worst = max(p99.values())
    say("health_under_load", ", ".join(f"{name} p99 {value:.1f} ms"
                                       for name, value in zip(names, p99.values())),
        "<= 20 ms", worst <= 20)


def measure_slow_connections(args):
    starts = [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"POST /v1/mod",
              b"POST /v1/models/shapes:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\nab"]
    with Daemon(args.daemon) as daemon:
        client = daemon.client()
        alone = [timed(predict, client) for _ in range(100)]
        held = []
        for i in range(500):
            held.append(socket.create_connection(("127.0.0.1", daemon.port)))
            held[-1].sendall(starts[i % len(starts)])
        times = []
        for i in range(200):
            times.append(timed(predict, client))
            for connection in held[i % 10::10]:  # a byte now and then
                try:
                    connection.sendall(b"a")
                except OSError:
                    pass
        fresh = timed(daemon.ask, "GET", "/readyz")
        client.close()
        for connection in held:
            connection.close()
    p99 = percentile(times, 0.99)
    say("slow_connections", f"predict p99 {p99:.1f} ms beside 500 slow connections, "
        f"{percentile(alone, 0.99):.1f} ms without; a new client served in {fresh:.1f} ms",
        "normal clients still served", p99 < 1000 and fresh < 1000)


def measure_overload(args):
    seconds = 600 if args.long else 60
    statuses, waits, no_retry = {}, [], []

    def push(client):
        start = time.perf_counter()
        status, headers, _ = explain(client, 400)
        statuses[status] = statuses.get(status, 0) + 1
        if status == 503:
            waits.append(1000 * (time.perf_counter() - start))
            if not headers.get("Retry-After"):
                no_retry.append(status)
            time.sleep(0.05)
    memory = []
    with Daemon(args.daemon, "--queue-explain", "4") as daemon:
        with Load(daemon, push, 40, threads=True) as load:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                time.sleep(1)
                memory.append(daemon.rss())
            health = daemon.ask("GET", "/readyz")[0]
    third = len(memory) // 3
    early, late = max(memory[third:2 * third]), max(memory[2 * third:])
    refused = statuses.get(503, 0)
    good = (set(statuses) <= {200, 503} and refused > 0 and not no_retry and not load.errors.value and
            percentile(waits, 0.99) < 250 and late <= 1.05 * early + MIB and health == 200)
    say("overload", f"{seconds} s: {statuses.get(200, 0)} done, {refused} refused with 503 and "
        f"Retry-After in p50 {percentile(waits, 0.5):.1f} ms, p99 {percentile(waits, 0.99):.1f} ms; "
        f"memory {early / MIB:.1f} MiB, then {late / MIB:.1f} MiB; others: "
        f"{ {s: n for s, n in statuses.items() if s not in (200, 503)} }, "
        f"{load.errors.value} errors", "503 at once, memory flat", good)


# ---------------------------------------------------------------- speed

def throughput(args, workers, count=16, samples=500):
    """Samples a second."""
    with Daemon(args.daemon, "--workers", str(workers)) as daemon:
        explain(daemon.client(), samples)
        left = list(range(count))

        def run():
            client = daemon.client()
            while left:
                try:
                    seed = left.pop()
                except IndexError:
                    break
                explain(client, samples, seed)
            client.close()
        threads = [threading.Thread(target=run) for _ in range(4)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return count * samples / (time.perf_counter() - start)


def measure_workers(args):
    pairs = [(throughput(args, 1), throughput(args, 2)) for _ in range(3)]
    one, two = (statistics.median(column) for column in zip(*pairs))
    say("workers", f"{two / one:.2f}x: {two:.0f} samples/s against {one:.0f}, "
        f"{os.cpu_count()} processors", ">= 1.8x on 2 cores", two / one >= 1.8)


def log_values(daemon, event, name, matches):
    """The numbers of a field, in order."""
    values = []
    with open(daemon.log, encoding="utf-8") as log:
        for line in log:
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("event") == event and all(entry.get(k) == v for k, v in matches.items()):
                values.append(entry[name])
    return values


def measure_http_cost(args):
    with Daemon(args.daemon, "--log-level", "debug") as daemon:
        client = daemon.client()
        seen = [timed(predict, client) for _ in range(1000)]
        client.close()
        daemon.stop()
        whole = log_values(daemon, "request", "ms", {"route": "/v1/models/{model}:predict"})
        engine = log_values(daemon, "job", "run_ms", {"kind": "predict"})
    cost = [a - b for a, b in zip(whole, engine)]
    p50 = percentile(cost, 0.5)
    say("http_cost", f"{p50:.2f} ms at p50, {percentile(cost, 0.99):.2f} at p99: requests "
        f"{percentile(whole, 0.5):.2f} ms, decoding and engine {percentile(engine, 0.5):.2f} ms "
        f"(the client saw {percentile(seen, 0.5):.2f} ms)",
        "<= 1 ms at p50", p50 <= 1 and len(whole) == len(engine) == 1000)


def measure_start(args):
    def median_start(*flags):
        times = []
        for _ in range(7):
            with Daemon(args.daemon, *flags) as daemon:
                times.append(daemon.ready_ms)
        return statistics.median(times)
    embedded = median_start()
    say("start", f"{embedded:.0f} ms with the embedded model", "<= 200 ms", embedded <= 200)
    shared = Path(os.environ.get("LAYERMASK_SHARED", ROOT.parent / "shared"))
    if not (shared / "models/squeezenet_v1_1/model.onnx").exists():
        print("start with squeezenet: skipped, it is not in LAYERMASK_SHARED")
        return
    other = median_start("--models", str(shared / "models"), "--load-models", "squeezenet_v1_1")
    say("start_squeezenet", f"{other:.0f} ms with squeezenet_v1_1", "<= 300 ms", other <= 300)


def measure_memory(args):
    with Daemon(args.daemon) as daemon:
        client = daemon.client()
        memory = []
        for part in range(10):
            for _ in range(1000):
                predict(client)
            for i in range(20):
                explain(client, 100, 20 * part + i)
            memory.append(daemon.rss() / MIB)
        client.close()
    growth = memory[-1] - memory[1]
    say("memory", f"{memory[-1]:.1f} MiB after 10,000 predicts and 200 explains, {memory[1]:.1f} "
        f"after a fifth of them ({growth:+.1f}); by tenths: "
        f"{' '.join(f'{m:.1f}' for m in memory)}", "flat", growth <= max(1.0, 0.05 * memory[1]))


MEASUREMENTS = {name[len("measure_"):]: function for name, function in list(globals().items())
                if name.startswith("measure_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--daemon", default=os.environ.get("LAYERMASKD", ROOT / "build/layermaskd"))
    parser.add_argument("--only", action="append", choices=sorted(MEASUREMENTS))
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name, function in MEASUREMENTS.items():
        if not args.only or name in args.only:
            function(args)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
