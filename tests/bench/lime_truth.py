#!/usr/bin/env python3
"""How much of an explanation lies on the object: LIME on pictures whose object is known.

    lime_truth.py [--pictures 50] [--samples 1000] [--segments slic:50] [--masking layer,black,grey]
                  [--model config/models/shapes] [--engine auto|cli|oracle] [--json FILE]

For each fresh drawing (seeds that training never saw) and each masking: the share of the positive
LIME weight for the predicted class that lies on segments with at least one pixel of the object.
`chance` is the share of segments that touch the object: what weights strewn at random would get.

Two engines: `cli` runs build/layermask (LAYERMASK_BIN); `oracle` runs the executable specification
in LAYERMASK_SHARED/reference with scikit-image's SLIC and a ridge as in the lime package.
`auto` takes the CLI if it is built.  Pictures are drawn at the network's own size, so that the
object's mask needs no resizing.
"""
import argparse
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CLI = Path(os.environ.get("LAYERMASK_BIN", ROOT / "build" / "layermask"))
REFERENCE = Path(os.environ.get("LAYERMASK_SHARED", ROOT.parent / "shared")) / "reference"
FIRST_SEED = 20_000_000
KERNEL_WIDTH, ALPHA = 0.25, 1.0            # the lime package's


def scenes(model_dir, count):
    """(image, object mask, label) at the network's input size."""
    sys.path.insert(0, str(model_dir))
    from draw import draw
    side = json.loads((model_dir / "model.json").read_text())["input"]["size"][0]
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        image, mask, label = draw(seed, 2 * side)
        image, mask = Image.fromarray(image), Image.fromarray(mask)
        yield (np.asarray(image.resize((side, side), Image.BILINEAR)),
               np.asarray(mask.resize((side, side), Image.BOX)) >= 128, label)


# ---------------------------------------------------------------- with the oracle

class Oracle:
    """The specification's forward pass, and LIME in a few lines of numpy."""

    def __init__(self, model_dir, batch=100):
        sys.path.insert(0, str(REFERENCE))
        import layer_masking
        import torch
        self.spec, self.torch, self.batch = layer_masking, torch, batch
        settings = json.loads((model_dir / "model.json").read_text())
        self.graph = layer_masking.load(model_dir / "model.onnx")
        self.policy = layer_masking.Policy(**settings.get("masking", {}))
        self.mean = np.array(settings["input"]["mean"], np.float32)
        self.std = np.array(settings["input"]["std"], np.float32)

    def logits(self, pixels, visible, masking):
        """The masked forward pass.  pixels: H,W,3 in 0..255; visible: N,H,W of 0 and 1.  N,K."""
        torch = self.torch
        mask = torch.from_numpy(visible.astype(np.float32))[:, None]
        x = self.tensor(pixels)[None].expand(len(mask), -1, -1, -1)
        if masking == "layer":
            return self.spec.forward(self.graph, x, mask, self.policy).numpy()
        colour = {"black": np.zeros(3), "grey": self.mean}[masking]
        fill = self.tensor(colour.astype(np.float32).reshape(1, 1, 3))
        return self.spec.forward(self.graph, x * mask + fill * (1 - mask)).numpy()

    def tensor(self, pixels):
        """H,W,3 in 0..255 -> 3,H,W as the network wants it."""
        scaled = (pixels.astype(np.float32) - self.mean) / self.std
        return self.torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))

    def explain(self, pixels, masking, segments, samples, seed):
        """Segment labels H,W; weights per segment; predicted class."""
        labels = segmented(pixels, segments)
        count = labels.max() + 1
        z = np.random.RandomState(seed).randint(0, 2, (samples, count))
        z[0] = 1
        parts = [self.logits(pixels, z[i:i + self.batch][:, labels], masking)
                 for i in range(0, samples, self.batch)]
        scores = np.concatenate(parts).astype(np.float64)
        probabilities = np.exp(scores - scores.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        predicted = int(probabilities[0].argmax())
        return labels, surrogate(z, probabilities[:, predicted]), predicted


def segmented(pixels, segments):
    """'slic:N' by scikit-image, or 'grid:ROWSxCOLUMNS'.  Labels 0..count-1."""
    method, size = segments.split(":")
    if method == "slic":
        from skimage.segmentation import slic
        labels = slic(pixels, n_segments=int(size), compactness=10, start_label=0)
    else:
        cells = [int(n) for n in size.split("x")]
        rows, columns = (np.arange(side) * n // side for side, n in zip(pixels.shape, cells))
        labels = rows[:, None] * cells[1] + columns
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def surrogate(z, targets):
    """Ridge coefficients as the lime package fits them."""
    cosine = z.sum(1) / np.sqrt(np.maximum(z.sum(1), 1) * z.shape[1])
    weight = np.sqrt(np.exp(-((1 - cosine) / KERNEL_WIDTH) ** 2))
    a = z - np.average(z, 0, weight)
    b = targets - np.average(targets, weights=weight)
    return np.linalg.solve((a.T * weight) @ a + ALPHA * np.eye(z.shape[1]), (a.T * weight) @ b)


# ---------------------------------------------------------------- with the command line

class CommandLine:
    """The built program; its answers are those of the HTTP API."""

    def __init__(self, model_dir):
        self.model_dir = model_dir

    def explain(self, pixels, masking, segments, samples, seed):
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "picture.png"
            Image.fromarray(pixels).save(picture)
            answer = subprocess.run(
                [CLI, "explain", "--model", self.model_dir, picture, "--segmentation", segments,
                 "--masking", masking, "--samples", str(samples), "--seed", str(seed),
                 "--json", "-"], check=True, stdout=subprocess.PIPE).stdout
        explanation = json.loads(answer)["explanations"][0]
        labels = unpacked(explanation["segmentation"])
        weights = np.zeros(labels.max() + 1)
        for entry in explanation["labels"][0]["weights"]:
            weights[entry["segment"]] = entry["weight"]
        return labels, weights, explanation["labels"][0]["index"]


def unpacked(segmentation):
    """labels_rle: pairs of label and run length, row by row."""
    pairs = np.array(segmentation["labels_rle"]).reshape(-1, 2)
    return np.repeat(pairs[:, 0], pairs[:, 1]).reshape(segmentation["size"])


# ---------------------------------------------------------------- the figure

def on_object(labels, weights, mask):
    """Share of the positive weight on segments that touch the object; None if none is positive."""
    touching = np.zeros(len(weights), bool)
    touching[np.unique(labels[mask])] = True
    positive = np.maximum(weights, 0)
    share = positive[touching].sum() / positive.sum() if positive.any() else None
    return share, touching.mean()


def measure(engine, pictures, maskings, segments, samples):
    """{masking: {mean, lowest, ...}} over the pictures."""
    shares, chance, right = {m: [] for m in maskings}, [], []
    for seed, (image, mask, label) in enumerate(pictures):
        for masking in maskings:
            labels, weights, predicted = engine.explain(image, masking, segments, samples, seed)
            share, touching = on_object(labels, weights, mask)
            shares[masking].append(share)
        chance.append(touching)
        right.append(predicted == label)
    result = {m: summary([v for v in s if v is not None]) for m, s in shares.items()}
    return {"maskings": result, "chance": round(float(np.mean(chance)), 4), "pictures": len(right),
            "accuracy": float(np.mean(right)), "segments": segments, "samples": samples}


def summary(values):
    low, median = np.percentile(values, [10, 50])
    return {k: round(float(v), 4) for k, v in
            {"mean": np.mean(values), "median": median, "p10": low, "min": min(values)}.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--segments", default="slic:50", help="slic:N or grid:ROWSxCOLUMNS")
    parser.add_argument("--masking", default="layer,black,grey")
    parser.add_argument("--model", type=Path, default=ROOT / "config" / "models" / "shapes")
    parser.add_argument("--engine", choices=("auto", "cli", "oracle"), default="auto")
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args()
    use_cli = args.engine == "cli" or (args.engine == "auto" and CLI.exists())
    if not use_cli and not REFERENCE.exists():
        print(f"skipped: neither {CLI} nor {REFERENCE} is there")
        return
    engine = CommandLine(args.model) if use_cli else Oracle(args.model)
    result = measure(engine, scenes(args.model, args.pictures), args.masking.split(","),
                     args.segments, args.samples)
    for masking, row in result["maskings"].items():
        print(f"{masking:6s}  " + "  ".join(f"{k} {v:.3f}" for k, v in row.items()))
    print(f"chance {result['chance']:.3f}, accuracy {result['accuracy']:.3f}, {result['pictures']} "
          f"pictures, {args.segments}, {args.samples} samples, {'cli' if use_cli else 'oracle'}")
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
