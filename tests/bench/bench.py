#!/usr/bin/python3
"""How fast: layer-masked and plain inference, next to the peers that are installed.

    bench.py [-b BUILD] [--models resnet50,squeezenet1_1] [--repetitions 5] [--samples 32]
             [--batch 8] [--threads T] [--json FILE]

Networks of torchvision with random weights at 224 x 224 (speed does not depend on weights), written
by config/export_torchvision.py to BUILD/bench.  Peers run ordinary inference, which is what masking
by paint costs: onnxruntime if BUILD/venv-bench or this Python has it (`make bench-peers`), torch if
this Python has it.  Everything runs in turn, once in each repetition, so that a machine that gets
slower is slow for all; the table has medians, in milliseconds a picture.
"""
import argparse
import json
import os
from pathlib import Path
import statistics
import subprocess
import sys
import time

ROOT = Path(__file__).resolve().parents[2]
MODELS = "resnet50,mobilenet_v2,squeezenet1_1,efficientnet_b0"
MASKED = {
    "16x16 patches": ["--segments", "grid:16", "--hidden", "0.5"],
    "SLIC 50": ["--segments", "slic:50", "--hidden", "0.5"],
    "plain": ["--plain"],
}


# ---------------------------------------------------------------- peers: in a process of their own

def timed(call, samples, batch):
    """Milliseconds a picture, after one call to warm up."""
    call()
    calls = max(1, samples // batch)
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return 1000 * (time.perf_counter() - start) / (calls * batch)


def run_onnxruntime(folder, args):
    import numpy as np
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options,
                                           providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((args.batch, 3, 224, 224)).astype(np.float32)
    return timed(lambda: session.run(None, {"input": x}), args.samples, args.batch)


def run_torch(folder, args):
    import torch
    import torchvision
    torch.set_num_threads(args.threads)
    net = getattr(torchvision.models, folder.name)(weights=None).eval()
    x = torch.randn(args.batch, 3, 224, 224)
    with torch.no_grad():
        net = torch.jit.freeze(torch.jit.trace(net, x))
        return timed(lambda: net(x), args.samples, args.batch)


PEERS = {"onnxruntime": run_onnxruntime, "torch": run_torch}


def has_module(python, module):
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def find_peers(build):
    """{name: Python that has it}"""
    pythons = [python for python in (build / "venv-bench/bin/python", Path(sys.executable))
               if python.exists()]
    found = {}
    for name, modules in (("onnxruntime", "onnxruntime"), ("torch", "torch, torchvision")):
        for python in pythons:
            if has_module(python, modules):
                found.setdefault(name, python)
    return found


def peer(python, name, folder, args):
    command = [python, __file__, "--peer", name, "--models", folder, "--samples", args.samples,
               "--batch", args.batch, "--threads", args.threads]
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True, env={**os.environ, "OMP_NUM_THREADS": str(args.threads)})
    return {"ms_per_sample": float(done.stdout)}


# ---------------------------------------------------------------- ours

def ours(program, folder, options, args):
    command = [program, "bench", "--model", folder, *options, "--samples", args.samples,
               "--batch", args.batch, "--threads", args.threads, "--json"]
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return json.loads(done.stdout)


def export(name, folder):
    if not (folder / "model.onnx").exists():
        subprocess.run([sys.executable, ROOT / "config/export_torchvision.py", name, folder,
                        "--weights", "none"], check=True, stdout=subprocess.DEVNULL)


def measure(folder, peers, args):
    """{contender: list of results}, interleaved."""
    program = args.build / "layermask"
    calls = {name: lambda options=options: ours(program, folder, options, args)
             for name, options in MASKED.items()}
    calls.update({name: lambda name=name, python=python: peer(python, name, folder, args)
                  for name, python in peers.items()})
    results = {name: [] for name in calls}
    for _ in range(args.repetitions):
        for name, call in calls.items():
            results[name].append(call())
    return results


# ---------------------------------------------------------------- the table

def median(results, key="ms_per_sample"):
    return statistics.median(result[key] for result in results)


def machine(threads):
    text = subprocess.run(["lscpu"], capture_output=True, text=True, env={"LC_ALL": "C"}).stdout
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    vectors = [name for name in ("avx2", "avx512f", "amx_tile", "asimd")
               if name in rows.get("Flags", "").split()]
    model = rows.get("Model name", "unknown processor").strip()
    family = "/".join(rows.get(key, "?").strip() for key in ("CPU family", "Model"))
    return f"{model} (family/model {family}; {' '.join(vectors)}), {threads} threads"


def print_table(table, peers, args):
    columns = [*MASKED, *peers]
    print(f"milliseconds a picture, batch {args.batch}, medians of {args.repetitions}")
    print(machine(args.threads))
    heads = "".join(f"{name:>15}" for name in columns)
    print(f"{'':16}{heads}{'needed':>9}{'of sgemm':>10}")
    for model, results in table.items():
        cells = "".join(f"{median(results[name]):15.2f}" for name in columns)
        half = results["16x16 patches"]
        share = median(half, "gflops_per_s") / median(half, "sgemm_gflops_per_s")
        print(f"{model:16}{cells}{100 * median(half, 'active_share'):8.0f}%{100 * share:9.0f}%")
    for name in peers:
        print(f"\n{name} / ours:")
        for model, results in table.items():
            ratios = "".join(f"{median(results[name]) / median(results[ours_]):15.2f}"
                             for ours_ in MASKED)
            print(f"{model:16}{ratios}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-b", "--build", type=Path, default=ROOT / "build")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--samples", type=int, default=32, help="pictures in each measurement")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="all measurements")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        print(PEERS[args.peer](Path(args.models), args))
        return
    if not has_module(sys.executable, "torch, torchvision"):
        sys.exit("bench.py: torch and torchvision write the networks "
                 "(Debian: python3-torch, python3-torchvision)")
    peers = find_peers(args.build.resolve())
    table = {}
    for name in args.models.split(","):
        folder = args.build.resolve() / "bench" / name
        export(name, folder)
        table[name] = measure(folder, peers, args)
    print_table(table, peers, args)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(args.threads), "results": table}))


if __name__ == "__main__":
    main()
