#!/usr/bin/python3
"""How fast: layer-masked and plain inference, next to the peers that are installed, with targets.

    bench.py [-b BUILD] [--networks resnet50,squeezenet1_1] [--repetitions 5] [--threads T]
             [--peers onnxruntime,torch] [--cpu] [--json FILE]
    bench.py --from FILE [--readme]     the tables of measurements that were kept; into README.md

About 12 minutes.  Networks of torchvision with random weights at 224 x 224, written by
config/export_torchvision.py to BUILD/bench; behind a Relu half of their numbers are zeros, at random
places (trained networks have more, side by side, and are faster).  Peers run ordinary inference, which
is what masking by paint costs: from BUILD/venv-bench (`make bench-peers`) or this Python.  Every
measurement is a process of its own; everything runs in turn, once in each repetition, so that a
machine that gets slower is slow for all.  The end-to-end figure needs models/squeezenet_v1_1 in
LAYERMASK_SHARED (default: ../shared).

On a machine that others use, too, `--cpu --threads 1` compares processor time, which they disturb less.
(With more threads it is no measure: onnxruntime's spin while they wait.)
"""
import argparse
import json
import os
from pathlib import Path
import subprocess
import sys
import time

import bench_tables

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("LAYERMASK_SHARED", ROOT.parent / "shared"))
# Pictures of a measurement under masks; plain ones are half as many.  An explanation has a
# thousand: enough of them that what early samples teach a session about their picture counts.
SAMPLES = {"resnet50": 256, "resnet18": 128, "vgg16": 32, "densenet121": 64, "efficientnet_b0": 128,
           "mobilenet_v2": 256, "mobilenet_v3_large": 256, "squeezenet1_1": 256,
           "convnext_tiny": 64}
MASKS = {"grid": ["--segments", "grid:16", "--hidden", 0.5],
         "slic": ["--segments", "slic:50", "--hidden", 0.5],
         "most": ["--segments", "slic:50", "--hidden", 0.8]}
PEER_BATCH, EXPLAIN_SAMPLES, LIME_SAMPLES = 16, 100, 1000
BUSY_LOAD = 0.5


def output_of(*command, **options):
    """Standard output; what the program complained about is the error's text."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"bench.py: {' '.join(map(str, command))}: {done.stderr.strip()[-500:]}")
    return done.stdout


# ---------------------------------------------------------------- peers

def version(python, module):
    """Of a module of that Python; None if it has none."""
    done = subprocess.run([python, "-c", f"import {module} as m; print(m.__version__)"],
                          capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def find_peers(build, wanted):
    """{name: (Python that has it, version)}"""
    found = {}
    for python in (build / "venv-bench/bin/python", Path(sys.executable)):
        for name in wanted:
            if python.exists() and name not in found and version(python, name):
                found[name] = python, version(python, name)
    return found


def peer(python, name, folder, batch, samples, threads):
    text = output_of(python, ROOT / "tests/bench/bench_peer.py", name, folder, "--batch", batch,
                     "--samples", samples, "--threads", threads,
                     env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    return json.loads(text)


# ---------------------------------------------------------------- ours

class Ours:
    def __init__(self, build, threads):
        self.program, self.threads = build / "layermask", threads
        self.has_bfloat16 = "--precision" in output_of(self.program, "bench", "--help")

    def bench(self, folder, samples, *options):
        return json.loads(output_of(self.program, "bench", "--model", folder, "--samples", samples,
                                    "--threads", self.threads, "--json", *options))

    def explain(self, folder, picture, samples, threads):
        start = time.perf_counter()
        answer = json.loads(output_of(self.program, "explain", "--model", folder, picture, "--json",
                                      "-", "--include", "timing", "--samples", samples, "--threads",
                                      threads))
        seconds = time.perf_counter() - start
        timing = answer["explanations"][0]["timing"]
        return {"seconds": seconds, **{part: timing[f"{part}_ms"] / 1000
                                       for part in ("segment", "forward", "fit")},
                "samples_per_s": 1000 * timing["forward_passes"] / timing["forward_ms"]}


def contenders(name, folder, ours, peers):
    """{contender: call that measures it once}; peers between ours."""
    samples = SAMPLES.get(name, 64)
    plain = max(PEER_BATCH * 2, samples // 2)
    calls = {key: lambda options=options: ours.bench(folder, samples, *options)
             for key, options in MASKS.items()}
    if ours.has_bfloat16 and name == "resnet50":
        for key in ("grid", "slic"):
            calls[key + "_bf16"] = lambda options=MASKS[key]: ours.bench(
                folder, samples, *options, "--precision", "bfloat16")
    for other, (python, _) in peers.items():
        calls[other] = lambda other=other, python=python: peer(
            python, other, folder, PEER_BATCH, plain, ours.threads)
    calls["plain"] = lambda: ours.bench(folder, plain, "--plain")
    if "onnxruntime" in peers:
        calls["onnxruntime_lone"] = lambda: peer(
            peers["onnxruntime"][0], "onnxruntime", folder, 1, plain, ours.threads)
    calls["lone"] = lambda: ours.bench(folder, plain, "--plain", "--batch", 1)
    return calls


def measure(title, calls, repetitions):
    """{contender: list of results}, interleaved."""
    results = {key: [] for key in calls}
    for i in range(repetitions):
        if sys.stderr.isatty():
            print(f"\r\033[K{title} {i + 1}/{repetitions}", end="", file=sys.stderr, flush=True)
        for key, call in calls.items():
            results[key].append(call())
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return results


# ---------------------------------------------------------------- the whole run

def export(name, folder):
    """Why it cannot be there, or None."""
    if (folder / "model.onnx").exists():
        return None
    done = subprocess.run([sys.executable, ROOT / "config/export_torchvision.py", name, folder,
                           "--weights", "none"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True)
    return (done.stderr.strip().splitlines() or ["?"])[-1] if done.returncode else None


def machine(threads):
    text = subprocess.run(["lscpu"], capture_output=True, text=True, env={"LC_ALL": "C"}).stdout
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    vectors = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile", "asimd")
               if name in rows.get("Flags", "").split()]
    model = rows.get("Model name", "unknown processor").strip()
    family = "/".join(rows.get(key, "?").strip() for key in ("CPU family", "Model"))
    return f"{threads} threads of {model} (family/model {family}; {' '.join(vectors)})"


def run_networks(names, ours, peers, args, document):
    for name in names:
        folder = args.build / "bench" / name
        problem = export(name, folder)
        if problem:
            document["notes"].append(f"{name} is left out: {problem}")
            continue
        document["networks"][name] = measure(name, contenders(name, folder, ours, peers),
                                             args.repetitions)


def run_explanations(ours, args, document):
    folder = args.build / "bench/resnet50"
    picture = ROOT / "config/models/shapes/examples/heart.png"
    if "resnet50" in document["networks"] and args.threads > 1:
        document["explain"] = measure("explain", {
            str(threads): lambda threads=threads: ours.explain(folder, picture, EXPLAIN_SAMPLES,
                                                               threads)
            for threads in (1, args.threads)}, args.repetitions)
    folder = SHARED / "models/squeezenet_v1_1"
    photographs = sorted(SHARED.glob("images/*.JPEG"))
    if not folder.exists() or not photographs:
        document["notes"].append(f"The end-to-end figure is left out: {SHARED} has no "
                                 "models/squeezenet_v1_1, or no images.")
        return
    document["lime"] = measure("LIME", {"lime": lambda: ours.explain(
        folder, photographs[0], LIME_SAMPLES, args.threads)}, args.repetitions)["lime"]


def run(args):
    start = time.monotonic()
    ours = Ours(args.build, args.threads)
    peers = find_peers(args.build, [name for name in args.peers.split(",") if name])
    document = {"machine": machine(args.threads), "threads": args.threads,
                "repetitions": args.repetitions, "cpu": args.cpu, "networks": {}, "explain": {}, "lime": [],
                "peers": {name: number for name, (_, number) in peers.items()}, "notes": []}
    load = os.getloadavg()[0]  # of others: nothing was started yet
    if load > BUSY_LOAD:
        document["notes"].append(f"The machine was not idle when this began (load {load:.1f}): "
                                 "the figures are disturbed.")
    if "onnxruntime" not in peers:
        document["notes"].append("onnxruntime is not installed: `make bench-peers` gets it.")
    run_networks(args.networks.split(","), ours, peers, args, document)
    run_explanations(ours, args, document)
    document["seconds"] = time.monotonic() - start
    return document


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-b", "--build", type=Path, default=ROOT / "build")
    parser.add_argument("--networks", default=",".join(SAMPLES))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peers", default="onnxruntime")
    parser.add_argument("--cpu", action="store_true", help="processor time, not wall time")
    parser.add_argument("--json", type=Path, help="keep all measurements in this file")
    parser.add_argument("--from", dest="kept", type=Path, help="print these, measure nothing")
    parser.add_argument("--readme", action="store_true", help="put the tables into README.md")
    args = parser.parse_args()
    args.build = args.build.resolve()
    document = json.loads(args.kept.read_text()) if args.kept else run(args)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n")
    if args.readme:
        readme = ROOT / "README.md"
        readme.write_text(bench_tables.filled(readme.read_text(), document))
    print(bench_tables.text(document))
    print(f"\n{document['seconds'] / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
