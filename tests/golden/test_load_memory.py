#!/usr/bin/python3
"""How much memory it takes to load a network: its weights and about one tensor, not the file too.

LAYERMASK_BIN   the program (default: build/layermask)
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
except ImportError as error:
    raise unittest.SkipTest(f"{error.name} is not installed")

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("LAYERMASK_BIN", str(ROOT / "build" / "layermask"))

# A process of its own: a child's peak starts with what its parent has.
MEASURE = """
import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print("status", status, "peak", usage.ru_maxrss * 1024)
"""


class Network:
    """Conv after Conv, and a Gemm; large numbers of channels that are not whole vectors, too."""

    def __init__(self):
        self.nodes, self.weights, self.name, self.channels = [], [], "x", 3

    def weight(self, *shape):
        name = f"w{len(self.weights)}"
        array = np.full(shape, 1 / 64, np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.name, *inputs], [name], **attributes))
        self.name = name

    def conv(self, out, kernel, stride=1):
        self.add("Conv", self.weight(out, self.channels, kernel, kernel), self.weight(out),
                 pads=[kernel // 2] * 4, strides=[stride] * 2)
        self.add("BatchNormalization", *[self.weight(out) for _ in range(4)])
        self.add("Relu")
        self.channels = out

    def save(self, path):
        self.add("GlobalAveragePool")
        self.add("Flatten")
        self.add("Gemm", self.weight(1000, self.channels), self.weight(1000), transB=1)
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
                for name, dims in (("x", [1, 3, 8, 8]), (self.name, [1, 1000]))]
        graph = helper.make_graph(self.nodes, "net", ends[:1], ends[1:], self.weights)
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)


def inspect(path):
    """Bytes of memory that `layermask inspect` had at most, and of the weights by what it says."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, PROGRAM, "inspect", "--model",
                           str(path)], capture_output=True, check=True, timeout=120)
    text = done.stdout.decode()
    weights = re.search(r" parameters \(([0-9.]+) MB\)", text)
    status, peak = map(int, re.search(r"status (\d+) peak (\d+)$", text).groups())
    if status != 0:
        raise AssertionError(f"wait status {status}: {done.stderr.decode()}")
    return peak, float(weights[1]) * 1e6


class LoadMemory(unittest.TestCase):
    def test_peak(self):
        if os.environ.get("LAYERMASK_SANITIZED"):
            self.skipTest("sanitizers take memory of their own")
        if not pathlib.Path(PROGRAM).exists():
            self.skipTest(f"{PROGRAM} is not built")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "large.onnx")
            for channels in (512, 500):
                with self.subTest(channels=channels):
                    network = Network()
                    for shape in [(3,), (1,), (3, 2), (1,), (3,), (3, 2), (3,), (1,), (3,), (3,)]:
                        network.conv(channels, *shape)
                    network.save(path)
                    peak, weights = inspect(path)
                    self.assertGreater(weights, 50e6)  # twice what else it may take
                    self.assertLess(peak, weights + 25e6)


if __name__ == "__main__":
    unittest.main()
