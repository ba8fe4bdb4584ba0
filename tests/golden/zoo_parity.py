#!/usr/bin/env python3
"""Every CNN classifier of torchvision, with random weights, against PyTorch and the specification.

    zoo_parity.py [--names a,b] [--size 224] [--quick] [--jobs 1] [--dynamic] [--log FILE]

For each network: plain logits against PyTorch, and layer-masked logits against the executable
specification with twelve kinds of masks under every preset. A difference is the largest one of
the logits, divided by the largest |logit|. One line a network: the plain difference, and for each
preset the worst masked one and its mask; at the end the distribution over all networks, masks and
presets. The status is 0 if every network passed.

A long leg (the whole zoo at 224 takes an hour and more), so `make check` does not run it; --quick
takes one small member of each family at a small size.  Models are written to a temporary folder and
removed.  regnet_y_128gf is left out: it does not fit one ONNX file.
"""
import argparse
import concurrent.futures
import json
import multiprocessing
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import engine  # noqa: E402

# Roughly from small to large.
ZOO = """
mnasnet0_5 shufflenet_v2_x0_5 mobilenet_v3_small squeezenet1_1 mnasnet0_75 shufflenet_v2_x1_0
mobilenet_v3_large shufflenet_v2_x1_5 mobilenet_v2 mnasnet1_0 efficientnet_b0 regnet_y_400mf
regnet_x_400mf mnasnet1_3 shufflenet_v2_x2_0 efficientnet_b1 alexnet squeezenet1_0 efficientnet_b2
regnet_x_800mf regnet_y_800mf googlenet resnet18 efficientnet_b3 regnet_y_1_6gf regnet_x_1_6gf
densenet121 regnet_x_3_2gf regnet_y_3_2gf densenet169 efficientnet_b4 resnet34 resnet50
resnext50_32x4d densenet201 convnext_tiny efficientnet_v2_s inception_v3 efficientnet_b5 vgg11
vgg11_bn resnet101 densenet161 regnet_x_8gf regnet_y_8gf convnext_small efficientnet_v2_m
efficientnet_b6 vgg13 vgg13_bn wide_resnet50_2 resnet152 convnext_base vgg16 vgg16_bn
regnet_x_16gf regnet_y_16gf resnext101_32x8d resnext101_64x4d efficientnet_b7 vgg19 vgg19_bn
wide_resnet101_2 efficientnet_v2_l regnet_x_32gf regnet_y_32gf convnext_large
""".split()

QUICK = {
    "alexnet": 224, "vgg11_bn": 224, "squeezenet1_1": 64, "resnet18": 64, "resnext50_32x4d": 64,
    "densenet121": 64, "googlenet": 64, "inception_v3": 96, "mobilenet_v2": 64,
    "mobilenet_v3_small": 64, "mnasnet0_5": 64, "shufflenet_v2_x0_5": 64, "efficientnet_b0": 64,
    "efficientnet_v2_s": 64, "regnet_x_400mf": 64, "regnet_y_400mf": 64, "convnext_tiny": 64}

PLAIN_TOLERANCE, MASKED_TOLERANCE = 1e-4, 1e-3
BATCH = 4       # as many samples at a time as fit in memory for the largest networks


def input_size(name, size):
    return 299 if name == "inception_v3" and size == 224 else size


def check_network(name, size, dynamic):
    """{"plain": difference, (preset, mask): difference}"""
    import numpy as np
    import onnx
    import torch
    import parity
    torch.set_num_threads(1)
    masks = parity.make_masks(size)
    stacked, x = torch.cat(list(masks.values())), parity.zoo.image(len(masks), size, 7)
    model, results = parity.zoo.randomise(parity.zoo.build(name), size, 1), {}
    with torch.no_grad():
        plain = model(x[:BATCH]).numpy()
    axes = {"x": {0: "n"}, "y": {0: "n"}} if dynamic else {}
    exported = parity.zoo.export(model, x[:BATCH], dynamic_axes=axes)
    del model
    specification = parity.Specification(exported, BATCH)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        onnx.save(exported, path)
        del exported
        for preset in engine.POLICIES:
            ours = engine.Model(path, preset, batch=BATCH)
            if not results:
                got = ours.run(x[:BATCH].numpy())
                results["plain"] = float(parity.difference(plain, got).max())
            got = ours.run(x.numpy(), stacked.numpy())
            want = specification.run(x, stacked, preset)
            for kind, d in zip(masks, parity.difference(want, got)):
                results[preset, kind] = float(d) if np.isfinite(d) else float("inf")
            del ours
    return results


def report(name, size, results, seconds):
    """Prints the network's line; whether it passed."""
    passed = results["plain"] <= PLAIN_TOLERANCE
    line = f"{name} {size}: plain {results['plain']:.1e}"
    for preset in engine.POLICIES:
        kind, worst = max(((k[1], d) for k, d in results.items() if k[0] == preset),
                          key=lambda item: item[1])
        passed &= worst <= MASKED_TOLERANCE
        line += f"; {preset} {worst:.1e} ({kind})"
    print(f"{line}; {seconds:.0f} s {'passed' if passed else 'FAILED'}", flush=True)
    return passed


def timed_check(name, size, dynamic):
    """(results, or what went wrong, and seconds)"""
    start = time.monotonic()
    try:
        results = check_network(name, size, dynamic)
    except Exception as error:          # as text: not every exception can leave its process
        results = f"{type(error).__name__}: {str(error)[:300]}"
    return results, time.monotonic() - start


def check_apart(name, size, dynamic):
    """timed_check in a process of its own, which gives all its memory back and may crash."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as process:
        try:
            return process.submit(timed_check, name, size, dynamic).result()
        except concurrent.futures.process.BrokenProcessPool:
            return "the process crashed", 0


def distribution(differences):
    ordered = sorted(differences)
    at = [ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0, .5, .9, 1)]
    return "min {:.1e}, median {:.1e}, 90 % {:.1e}, max {:.1e}".format(*at)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--names", help="networks, separated by commas (default: all)")
    parser.add_argument("--size", type=int, default=224, help="pixels (inception_v3: 299 for 224)")
    parser.add_argument("--quick", action="store_true", help="one small member of each family")
    parser.add_argument("--jobs", type=int, default=1, help="networks at once")
    parser.add_argument("--dynamic", action="store_true", help="export with an open batch size")
    parser.add_argument("--log", help="append every difference to this file, as JSON lines")
    return parser.parse_args()


def missing():
    """Why this cannot run here, or None."""
    if not os.path.exists(engine.LIBRARY):
        return f"{engine.LIBRARY} is not built"
    if engine.oracle() is None or not os.path.exists(os.path.join(engine.REFERENCE, "zoo.py")):
        return "the executable specification, or torch and onnx, are missing"
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return "torchvision is missing"
    return None


def main():
    args = arguments()
    reason = missing()
    if reason:
        print(f"skipped: {reason}")
        return 0
    if args.quick:
        work = list(QUICK.items())
    else:
        names = args.names.split(",") if args.names else ZOO
        work = [(name, input_size(name, args.size)) for name in names]
    masked, plain, failed = [], [], []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = pool.map(lambda item: check_apart(*item, args.dynamic), work)
        for (name, size), (results, seconds) in zip(work, runs):
            if isinstance(results, str):
                print(f"{name} {size}: {results} FAILED", flush=True)
                failed.append(name)
                continue
            if not report(name, size, results, seconds):
                failed.append(name)
            plain.append(results.pop("plain"))
            masked += results.values()
            if args.log:
                with open(args.log, "a") as log:
                    for (preset, kind), d in results.items():
                        log.write(json.dumps([name, preset, kind, d]) + "\n")
    if masked:
        print(f"plain against PyTorch: {distribution(plain)} of {len(plain)} networks")
        print(f"masked against the specification: {distribution(masked)} of {len(masked)} "
              "networks x masks x presets")
    print(f"{len(work) - len(failed)} passed, {len(failed)} failed{': ' if failed else ''}"
          f"{', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
