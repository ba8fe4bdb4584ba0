#!/usr/bin/env python3
"""config/export_torchvision.py: what it writes, against torch itself, and how it refuses.

Nothing is downloaded: networks get random weights.  Skips without torch, torchvision or onnx.
The numbers of the exported file are checked with the executable specification where it is present.
"""
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import unittest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "config" / "export_torchvision.py"
REFERENCE = Path(os.environ.get("LAYERMASK_SHARED", ROOT.parent / "shared")) / "reference"
PROXY = "http://127.0.0.1:9"                   # nobody listens: a download fails at once

try:
    import onnx
    import torch
    from torchvision import models
    torch.set_num_threads(1)
    missing = None
except ImportError as error:
    missing = error


def export(*arguments, **environment):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], text=True,
                          capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1",
                                                    **environment})


@unittest.skipIf(missing, f"needs torch, torchvision and onnx: {missing}")
class Export(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def exported(self, *arguments):
        result = export(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads((self.folder / "model" / "model.json").read_text())

    def refused(self, text, *arguments, **environment):
        result = export(*arguments, **environment)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(text, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertFalse((self.folder / "model" / "model.onnx").exists())

    def check_file(self, side, classes):
        model = onnx.load(str(self.folder / "model" / "model.onnx"))
        onnx.checker.check_model(model)
        self.assertEqual([o.version for o in model.opset_import], [13])
        shape = model.graph.input[0].type.tensor_type.shape.dim
        self.assertEqual(shape[0].dim_param, "batch")
        self.assertEqual([d.dim_value for d in shape[1:]], [3, side, side])
        self.assertEqual(model.graph.output[0].type.tensor_type.shape.dim[1].dim_value, classes)

    def check_numbers(self, net, side):
        """The file computes what torch computes, for another batch size than it was traced with."""
        if not REFERENCE.exists():
            self.skipTest(f"no {REFERENCE}: numbers not compared")
        sys.path.insert(0, str(REFERENCE))
        import layer_masking
        graph = layer_masking.load(self.folder / "model" / "model.onnx")
        x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            expected = net.eval()(x)
        error = (layer_masking.forward(graph, x) - expected).abs().max() / expected.abs().max()
        self.assertLess(error.item(), 1e-4)
        whole = layer_masking.forward(graph, x, torch.ones(2, 1, side, side))
        self.assertLess(((whole - expected).abs().max() / expected.abs().max()).item(), 1e-4)

    def test_squeezenet(self):
        model = self.exported("squeezenet1_1", self.folder / "model", "--weights", "none",
                              "--seed", 3)
        self.assertEqual(model["name"], "model")
        self.assertEqual(model["input"], {
            "size": [224, 224], "channels": "RGB", "resize_shorter": 256, "crop": "center",
            "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]})
        self.assertEqual(model["masking"]["global_pool"], "plain")
        self.assertEqual(model["masking"]["concat"], "union")
        self.assertEqual(model["output"], "logits")
        lines = (self.folder / "model" / model["labels"]).read_text().splitlines()
        self.assertEqual((len(lines), lines[0], lines[281]), (1000, "tench", "tabby"))
        self.check_file(224, 1000)
        torch.manual_seed(3)
        self.check_numbers(models.squeezenet1_1(weights=None), 224)

    def test_other_class_count_has_no_labels(self):
        model = self.exported("mobilenet_v3_small", self.folder / "model", "--weights", "none",
                              "--classes", 7)
        self.assertNotIn("labels", model)
        self.assertFalse((self.folder / "model" / "labels.txt").exists())
        self.assertEqual(set(model["masking"].values()), {"union", "computed", "visible"})
        self.check_file(224, 7)

    def test_input_of_its_own_weights(self):
        model = self.exported("efficientnet_b1", self.folder / "model", "--weights", "none")
        self.assertEqual(model["input"]["size"], [240, 240])
        self.assertEqual(model["input"]["resize_shorter"], 255)
        self.check_file(240, 1000)

    def test_file_with_labels(self):
        torch.manual_seed(5)
        net = models.shufflenet_v2_x0_5(weights=None, num_classes=3).train()
        with torch.no_grad():
            for _ in range(20):        # statistics as after training: else the result is all bias
                net(torch.randn(4, 3, 96, 96))
        torch.save({"state_dict": {"module." + k: v for k, v in net.state_dict().items()}},
                   self.folder / "mine.pth")
        (self.folder / "mine.txt").write_text("ant\nbee\ncat\n")
        model = self.exported("shufflenet_v2_x0_5", self.folder / "model", "--weights",
                              self.folder / "mine.pth", "--labels", self.folder / "mine.txt")
        self.assertIn("mine.pth", model["source"])
        self.assertEqual((self.folder / "model" / "labels.txt").read_text(), "ant\nbee\ncat\n")
        self.check_file(224, 3)
        self.check_numbers(net, 224)

    def test_refusals(self):
        out = self.folder / "model"
        (self.folder / "two.txt").write_text("ant\nbee\n")
        (self.folder / "text.pth").write_text("not weights")
        torch.save(models.squeezenet1_1(weights=None).state_dict(), self.folder / "other.pth")
        self.refused("--weights IMAGENET: neither a file nor one of none, IMAGENET1K_V1",
                     "resnet18", out, "--weights", "IMAGENET")
        self.refused("--classes: pretrained weights", "resnet18", out, "--classes", 3)
        self.refused("text.pth: not a file of plain weights", "resnet18", out, "--weights",
                     self.folder / "text.pth")
        self.refused("two.txt has 2 lines, the network 3 classes", "squeezenet1_1", out,
                     "--weights", "none", "--classes", 3, "--labels", self.folder / "two.txt")
        self.refused("does not fit resnet18 with 1000 classes", "resnet18", out, "--weights",
                     self.folder / "other.pth")

    def test_without_network(self):
        self.refused("cannot download https://", "resnet18", self.folder / "model",
                     TORCH_HOME=str(self.folder), https_proxy=PROXY, HTTPS_PROXY=PROXY)

    def test_unknown_network(self):
        result = export("swin_t", self.folder / "model")
        self.assertEqual(result.returncode, 2)
        self.assertIn("invalid choice: 'swin_t'", result.stderr)


if __name__ == "__main__":
    unittest.main()
