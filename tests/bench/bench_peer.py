#!/usr/bin/python3
"""Milliseconds a picture of another engine's ordinary inference, as JSON: wall and processor time.

    bench_peer.py onnxruntime|torch FOLDER --batch B --samples N --threads T

FOLDER: from config/export_torchvision.py, named as its network.  A process of its own, with the
Python that has the peer."""
import argparse
import json
from pathlib import Path
import time


def timed(call, samples, batch):
    """After one call to warm up."""
    call()
    calls = max(1, samples // batch)
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return {"ms_per_sample": 1000 * seconds / (calls * batch),
            "cpu_ms_per_sample": 1000 * cpu_seconds / (calls * batch)}


def run_onnxruntime(args):
    import numpy as np
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(str(args.folder / "model.onnx"), options,
                                           providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((args.batch, 3, 224, 224)).astype(np.float32)
    inputs = {session.get_inputs()[0].name: x}
    return timed(lambda: session.run(None, inputs), args.samples, args.batch)


def run_torch(args):
    import torch
    import torchvision
    torch.set_num_threads(args.threads)
    net = getattr(torchvision.models, args.folder.name)(weights=None).eval()
    x = torch.randn(args.batch, 3, 224, 224)
    with torch.no_grad():
        net = torch.jit.freeze(torch.jit.trace(net, x))
        return timed(lambda: net(x), args.samples, args.batch)


PEERS = {"onnxruntime": run_onnxruntime, "torch": run_torch}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("folder", type=Path)
    for name in ("--batch", "--samples", "--threads"):
        parser.add_argument(name, type=int, required=True)
    args = parser.parse_args()
    print(json.dumps(PEERS[args.peer](args)))


if __name__ == "__main__":
    main()
