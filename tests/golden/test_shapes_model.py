#!/usr/bin/env python3
"""The demo model in config/models/shapes: files, accuracy on fresh drawings, example pictures.

Accuracy is measured with the executable specification's plain inference; without it, or without
torch, numpy or Pillow, the tests concerned skip.
"""
import json
import os
from pathlib import Path
import sys
import unittest

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "config" / "models" / "shapes"
REFERENCE = Path(os.environ.get("LAYERMASK_SHARED", ROOT.parent / "shared")) / "reference"
FIRST_SEED, COUNT = 30_000_000, 300            # seeds that neither training nor train.py draws
sys.path[:0] = [str(MODEL), str(REFERENCE)]

try:
    import numpy as np
    from PIL import Image
    import draw
    missing = None
except ImportError as error:
    missing = error

try:
    import onnx_ops
    import torch
    torch.set_num_threads(1)
    engine_missing = None
except ImportError as error:
    engine_missing = error


def settings():
    return json.loads((MODEL / "model.json").read_text())


def preprocessed(image):
    """A square H,W,3 picture as model.json says: scaled, normalised.  3,96,96 float32."""
    wanted = settings()["input"]
    side = wanted["size"][0]
    scaled = np.asarray(Image.fromarray(image).resize((side, side), Image.BILINEAR), np.float32)
    x = (scaled - np.float32(wanted["mean"])) / np.float32(wanted["std"])
    return x.transpose(2, 0, 1)


def logits(graph, images):
    """Plain inference, one operator after the other.  N,10."""
    env = {**graph.weights, graph.input: torch.from_numpy(np.stack(images))}
    for node in graph.nodes:
        inputs = [env[name] for name in node.inputs]
        env[node.outputs[0]] = onnx_ops.ORDINARY[node.op](node, *inputs)
    return env[graph.output].numpy()


class Files(unittest.TestCase):
    def test_size(self):
        self.assertLessEqual((MODEL / "model.onnx").stat().st_size, 400_000)

    def test_settings(self):
        model = settings()
        self.assertEqual(set(model), {"name", "description", "source", "license", "input",
                                      "output", "labels", "masking"})
        self.assertEqual((model["name"], model["license"]), ("shapes", "MIT"))
        self.assertEqual((model["output"], model["labels"]), ("logits", "labels.txt"))
        wanted = model["input"]
        self.assertEqual(wanted["size"], [96, 96])
        self.assertEqual((wanted["channels"], wanted["resize_shorter"], wanted["crop"]),
                         ("RGB", 96, "center"))
        self.assertEqual((len(wanted["mean"]), len(wanted["std"])), (3, 3))
        self.assertEqual(model["masking"], {"concat": "union", "exposed": "computed",
                                            "average_pool": "visible", "global_pool": "visible"})


@unittest.skipIf(missing, f"needs numpy and Pillow: {missing}")
class Drawings(unittest.TestCase):
    def test_labels(self):
        self.assertEqual((MODEL / "labels.txt").read_text().splitlines(), list(draw.LABELS))

    def test_same_seed_is_the_same_scene_at_every_size(self):
        (small, small_mask, a), (large, large_mask, b) = draw.draw(7, 96), draw.draw(7, 288)
        self.assertEqual(a, b)
        shrunk = Image.fromarray(large).resize((96, 96), Image.BOX)
        self.assertLess(np.abs(np.asarray(shrunk, float) - small).mean(), 8)
        self.assertLess((small_mask != large_mask[1::3, 1::3]).mean(), 0.02)
        again = draw.draw(7, 96)
        self.assertTrue((again[0] == small).all() and (again[1] == small_mask).all())

    def test_mask(self):
        for label in range(len(draw.LABELS)):
            image, mask, drawn = draw.draw(label, 96, label=label)
            self.assertEqual(drawn, label)
            self.assertEqual((image.shape, image.dtype), ((96, 96, 3), np.uint8))
            self.assertEqual((mask.shape, set(np.unique(mask))), ((96, 96), {0, 255}))
            self.assertTrue(0.1 < (mask > 0).mean() < 0.32, draw.LABELS[label])
            border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
            self.assertFalse(border.any())

    def test_examples(self):
        """Every example is the drawing that draw.py says, and has that drawing's mask."""
        masks = {p.name for p in (MODEL / "examples").glob("*.mask.png")}
        self.assertEqual(masks, {f"{name}.mask.png" for name in draw.EXAMPLES})
        for name, seed in draw.EXAMPLES.items():
            image, mask, label = draw.draw(seed, draw.EXAMPLE_SIDE)
            self.assertEqual(draw.LABELS[label], name)
            kept = np.asarray(Image.open(MODEL / "examples" / f"{name}.png"))
            kept_mask = np.asarray(Image.open(MODEL / "examples" / f"{name}.mask.png"))
            self.assertEqual((kept.shape, kept_mask.shape), (image.shape, mask.shape))
            self.assertLess(np.abs(kept.astype(float) - image).mean(), 2)
            self.assertLess((kept_mask != mask).mean(), 0.002)


@unittest.skipIf(missing or engine_missing, f"needs {missing or engine_missing}")
class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.graph = onnx_ops.load(MODEL / "model.onnx")

    def test_input_and_opset(self):
        self.assertEqual(self.graph.input_shape, [None, 3, 96, 96])
        self.assertEqual({node.opset for node in self.graph.nodes}, {13})
        self.assertNotIn("BatchNormalization", {node.op for node in self.graph.nodes})

    def test_held_out_accuracy(self):
        drawings = [draw.draw(seed, 192) for seed in range(FIRST_SEED, FIRST_SEED + COUNT)]
        predicted = logits(self.graph, [preprocessed(d[0]) for d in drawings]).argmax(1)
        self.assertGreaterEqual((predicted == [d[2] for d in drawings]).mean(), 0.97)

    def test_drawn_at_its_own_size(self):
        drawings = [draw.draw(seed, 96) for seed in range(FIRST_SEED, FIRST_SEED + 100)]
        predicted = logits(self.graph, [preprocessed(d[0]) for d in drawings]).argmax(1)
        self.assertGreaterEqual((predicted == [d[2] for d in drawings]).mean(), 0.97)

    def test_examples(self):
        names = sorted(draw.EXAMPLES)
        images = [np.asarray(Image.open(MODEL / "examples" / f"{name}.png")) for name in names]
        predicted = logits(self.graph, [preprocessed(i) for i in images]).argmax(1)
        self.assertEqual([draw.LABELS[i] for i in predicted], names)


if __name__ == "__main__":
    unittest.main()
