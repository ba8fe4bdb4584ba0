#!/usr/bin/python3
"""Small networks for every operator and attribute, and random ones, against the specification.

LAYERMASK_LIB     the library (default: build/liblayermask.so)
LAYERMASK_SHARED  folder with reference/, the executable specification (default: ../shared)
SEED              replays a run (default 1); CASE=words runs only the cases whose name contains them
NETS              how many random networks (default 60)

Each case of tests/support/net_cases_*.py stands behind one of two beginnings and before one of four
ends, which show what it does to visible positions, to those that a Conv looks at, to those that a
Concat exposes, and to all. Opset, sizes, masks, weights and policies are drawn from the seed.
Expected values are the specification's, in float64.
"""
import os
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
try:
    import numpy as np
    import engine
    ORACLE = engine.oracle()
    if ORACLE:
        import onnx_ops
        import net_random
        from net_cases import CASES
        import net_cases_windows  # noqa: F401  (these fill CASES)
        import net_cases_pointwise  # noqa: F401
        import net_cases_ends  # noqa: F401
        import net_cases_layout  # noqa: F401
        from small_net import Net
        import torch
        torch.set_num_threads(1)
except ImportError:
    ORACLE = None

SEED, WORDS = int(os.environ.get("SEED", "1")), os.environ.get("CASE", "")
NETS = int(os.environ.get("NETS", "60"))
TOLERANCE = 1e-4


def draw_masks(rng, size):
    """N,1,H,W: half, few and most pixels, one pixel, a corner, a rectangle, nothing, everything."""
    h, w = size
    masks = np.zeros((8, 1, h, w), np.float32)
    for i, share in enumerate((.5, .1, .9)):
        masks[i, 0] = rng.random(size) < share
    masks[3, 0, rng.integers(h), rng.integers(w)] = 1
    masks[4, 0, rng.choice([0, h - 1]), rng.choice([0, w - 1])] = 1
    top, left = rng.integers(h - 3), rng.integers(w - 3)
    masks[5, 0, top:top + rng.integers(2, h), left:left + rng.integers(2, w)] = 1
    masks[7] = 1
    return masks


def draw_policy(rng):
    return {field: str(rng.choice(names)) for field, names in engine.FIELDS.items()}


ENDS = {
    "flat": lambda net, y: net.flat(y),
    "conv": lambda net, y: net.flat(net.conv(y, 4, (3, 3), pads=[1] * 4, strides=[2, 1])),
    "exposed": lambda net, y: net.flat(
        net.add("Concat", y, net.conv(y, 2, (5, 5), same=True), axis=1)),
    "pooled": lambda net, y: net.flat(net.add("GlobalAveragePool", net.add("Sigmoid", y)))}


@unittest.skipUnless(ORACLE, "needs LAYERMASK_SHARED/reference, numpy, torch and onnx")
@unittest.skipUnless(ORACLE is None or os.path.exists(engine.LIBRARY), "the library is not built")
class Parity(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "net.onnx")

    def compare(self, net, output, known, policies, rng, size):
        """Masked and plain logits: the engine's `output`, the specification's `known`."""
        layer_masking, _ = ORACLE
        masks = draw_masks(rng, size)
        x = rng.standard_normal((len(masks), net.shape("x")[1], *size), np.float32)
        net.save(self.path, known, prune=output != known)
        graph = layer_masking.load(self.path)
        if output != known:
            net.save(self.path, output, prune=True)
        for policy in policies:
            models = [engine.Model(self.path, policy, batch=len(masks), portable=portable)
                      for portable in (False, True)]
            # Without masks there is nothing for a policy to choose.
            for mask in (masks, None) if not policy else (masks,):
                # What a Concat exposes of hidden pixels is nothing, so zero.
                seen = x.astype(np.float64) * (1 if mask is None else mask)
                want = layer_masking.forward(graph, seen, mask,
                                             layer_masking.Policy(**policy)).numpy()
                self.assertTrue(np.isfinite(want).all(), "the case itself is not finite")
                top = np.maximum(np.abs(want).max(1), 1e-3 * np.abs(want).max())
                for model, kernels in zip(models, ("", "portable kernels")):
                    worst = (np.abs(want - model.run(x, mask)).max(1) / np.maximum(top, 1e-9)).max()
                    self.assertLessEqual(worst, TOLERANCE,
                                         f"{policy} {'plain' if mask is None else ''} {kernels}")

    def build(self, name, seed, opset, size, channels, beginning, end):
        """The network, its output, and the same in what the specification knows."""
        net = Net(onnx_ops, seed, opset, size, channels)
        x = net.conv(net.input, 3, (3, 3)) if beginning == "conv" else net.input
        made = CASES[name][2](net, x)
        y, known = made if isinstance(made, tuple) else (made, made)
        net.values[y] = net.values[known]
        if len(net.shape(y)) != 4 or net.shape(y)[2:] == [1, 1]:
            show = ENDS["flat"] if end == "flat" else None      # no rows and columns to look at
        else:
            show = ENDS[end]
        if not show:
            return None
        state = net.rng.bit_generator.state
        output = shown = show(net, y)
        if known != y:
            net.rng.bit_generator.state = state
            shown = show(net, known)
        return net, output, shown

    def check_case(self, name, seed):
        low, high, _ = CASES[name]
        rng = np.random.default_rng(seed)
        for beginning in ("input", "conv"):
            size = tuple(int(n) for n in rng.integers(9, 24, 2))
            opset, channels = int(rng.integers(low, high + 1)), int(rng.integers(3, 7))
            for end in ENDS:
                built = self.build(name, seed, opset, size, channels, beginning, end)
                with self.subTest(case=name, beginning=beginning, end=end, opset=opset, size=size,
                                  SEED=SEED):
                    if built:
                        self.compare(*built, [{}, draw_policy(rng)], rng, size)

    def test_operators(self):
        for name in CASES:
            if WORDS in name:
                self.check_case(name, SEED * 1_000_003 + zlib.crc32(name.encode()) % 1_000_003)

    def test_random_networks(self):
        for i in range(NETS):
            seed = SEED * 1_000_003 + i
            rng = np.random.default_rng(seed)
            size = tuple(int(n) for n in rng.integers(9, 24, 2))
            net = Net(onnx_ops, seed, int(rng.integers(9, 18)), size)
            output = net_random.grow(net)
            with self.subTest(network=i, SEED=SEED):
                policies = [{}, draw_policy(rng), draw_policy(rng)]
                self.compare(net, output, output, policies, rng, size)

    def test_every_operator_has_a_case(self):
        seen = set()
        for name, (low, high, build) in CASES.items():
            for opset in (low, high):
                net = Net(onnx_ops, SEED, opset, (15, 14))
                build(net, net.input)
                seen |= {node.op_type for node in net.nodes}
        self.assertEqual(set(engine.operators()) - seen, set())


@unittest.skipUnless(ORACLE, "needs LAYERMASK_SHARED/reference, numpy, torch and onnx")
@unittest.skipUnless(ORACLE is None or os.path.exists(engine.LIBRARY), "the library is not built")
class Refusals(unittest.TestCase):
    """What the specification refuses must not be run as something else."""

    def check(self, build, text, opset=13):
        net = Net(onnx_ops, SEED, opset, (9, 11))
        output = build(net, net.conv(net.input, 4, (3, 3), same=True))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "net.onnx")
            net.values.setdefault(output, net.values["x"].reshape(1, -1))
            net.save(path, output)
            with self.assertRaisesRegex(engine.EngineError, text):
                engine.Model(path)

    def test_border_into_other_operators(self):
        def padded(net, x):
            return net.pad(x, [0, 0, 1, 1], [0, 0, 1, 1])
        for op in ("Relu", "GlobalAveragePool", "GlobalMaxPool", "Flatten"):
            with self.subTest(op):
                self.check(lambda net, x: net.flat(net.add(op, padded(net, x))),
                           f"{op}.*padded border")
        self.check(lambda net, x: net.flat(
            net.add("Concat", padded(net, x), padded(net, x), axis=1)), "Concat.*padded border")
        self.check(lambda net, x: net.flat(net.add("Add", padded(net, x), net.const(1.))),
                   "Add.*padded border")
        self.check(lambda net, x: net.flat(net.batch_norm(padded(net, x))),
                   "BatchNormalization.*padded border")
        self.check(lambda net, x: net.flat(net.conv(padded(net, padded(net, x)), 2, (3, 3))),
                   "two Pads in a row")
        self.check(lambda net, x: net.flat(net.add(
            "AveragePool", net.pad(x, [0, 0, 1, 0], [0, 0, 0, 0], .5), kernel_shape=[2, 2])),
            "constant other than 0")
        self.check(lambda net, x: net.flat(net.conv(net.pad(
            padded(net, x), [0, 1, 0, 0], [0] * 4, .5), 2, (3, 3))), "another constant")

    def test_positions_mixed(self):
        swapped = {"perm": [0, 1, 3, 2]}
        self.check(lambda net, x: net.flat(net.add("Transpose", x, **swapped)), "rows and columns")
        self.check(lambda net, x: net.reshape(net.reshape(x, 0, 4, 99), 0, -1),
                   "rows and columns apart")
        self.check(lambda net, x: net.flat(net.add("MatMul", x, net.random(11, 3))), "last axis")
        self.check(lambda net, x: net.flat(net.setting("ReduceMean", x, "axes", [2], 18)),
                   "rows or columns")
        self.check(lambda net, x: net.flat(net.setting("ReduceMean", x, "axes", [1, 2, 3], 18)),
                   "mean over")
        self.check(lambda net, x: net.flat(net.add("Concat", x, x, axis=2)), "rows or columns")
        self.check(lambda net, x: net.flat(net.add("Split", x, outputs=9, axis=2)[0]),
                   "rows or columns")
        self.check(lambda net, x: net.flat(net.add("Softmax", x, axis=1)), "only over the classes")
        self.check(lambda net, x: net.flat(net.add("LayerNormalization", x, net.positive(11))),
                   "last axis", 17)
        self.check(lambda net, x: net.flat(net.slice(x, [0], [0], [2])), "of nothing")

    def test_unknown_operators(self):
        for op in ("InstanceNormalization", "Resize", "ConvTranspose", "LSTM"):
            with self.subTest(op):
                self.check(lambda net, x: net.add(op, x), f"{op} is not supported")


if __name__ == "__main__":
    print(f"SEED={SEED}")
    unittest.main()
