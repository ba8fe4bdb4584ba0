#!/usr/bin/python3
"""Compares masked inference on real models with the executable specification.

LAYERMASK_LIB     the library (default: build/liblayermask.so)
LAYERMASK_SHARED  folder with reference/ (the specification) and models/ (default: ../shared)

Tolerance: 1e-5 of the largest |logit|; 1e-4 for small discs and single pixels, after which little
but rounding may be left (the specification in float32 is then up to 2e-5 from itself in float64).
"""
import glob
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
try:
    import numpy as np
    import engine
    ORACLE = engine.oracle()
    if ORACLE:
        import parity
        import torch
        torch.set_num_threads(1)
except ImportError:
    ORACLE = None

TOLERANCE, FAINT_TOLERANCE, FAINT = 1e-5, 1e-4, ("disc 6", "one pixel")
FILES = os.path.join(engine.SHARED, "models", "*", "model.onnx") if ORACLE else ""
MODELS = sorted(glob.glob(FILES))
SMALL = [path for path in MODELS if "cifar" in path or "025_128" in path]


def short(path):
    return os.path.basename(os.path.dirname(path))


def inputs(path):
    """Twelve images, one for each kind of mask, and the masks: tensors."""
    size = engine.Model(path, batch=1).info.height
    masks = parity.make_masks(size)
    return list(masks), parity.zoo.image(len(masks), size, 7), torch.cat(list(masks.values()))


@unittest.skipUnless(ORACLE, "needs LAYERMASK_SHARED/reference, numpy, torch and onnx")
@unittest.skipUnless(ORACLE is None or os.path.exists(engine.LIBRARY), "the library is not built")
@unittest.skipUnless(ORACLE is None or MODELS, "needs LAYERMASK_SHARED/models")
class RealModels(unittest.TestCase):
    def close(self, want, got, kinds):
        self.assertTrue(np.isfinite(got).all())
        for kind, worst in zip(kinds, parity.difference(want, got)):
            self.assertLessEqual(worst, FAINT_TOLERANCE if kind in FAINT else TOLERANCE, kind)

    def test_every_mask_and_preset(self):
        for path in MODELS:
            kinds, x, masks = inputs(path)
            specification = parity.Specification(path, 4)
            for preset in engine.POLICIES:
                with self.subTest(model=short(path), preset=preset):
                    got = engine.Model(path, preset).run(x.numpy(), masks.numpy())
                    self.close(specification.run(x, masks, preset), got, kinds)

    def test_plain(self):
        for path in MODELS:
            _, x, _ = inputs(path)
            with self.subTest(model=short(path)):
                want = parity.layer_masking.forward(parity.layer_masking.load(path), x[:2]).numpy()
                self.close(want, engine.Model(path).run(x[:2].numpy()), ["plain"] * 2)

    def test_same_network_as_another_export(self):
        for path in MODELS:
            for variant in glob.glob(os.path.join(os.path.dirname(path), "variants", "*.onnx")):
                kinds, x, masks = inputs(path)
                for preset in engine.POLICIES:
                    with self.subTest(variant=os.path.basename(variant), preset=preset):
                        want, got = (engine.Model(p, preset).run(x.numpy(), masks.numpy())
                                     for p in (path, variant))
                        self.close(want, got, kinds)

    def test_hidden_values_change_nothing(self):
        for path in MODELS:
            kinds, x, masks = inputs(path)
            model = engine.Model(path)
            want = model.run(x.numpy(), masks.numpy())
            for value in (np.nan, np.inf, -np.inf, 1e30, 0.0):
                with self.subTest(model=short(path), value=value):
                    other = np.where(masks.numpy() > 0, x.numpy(), np.float32(value))
                    np.testing.assert_array_equal(model.run(other, masks.numpy()), want)
                if path not in SMALL:
                    break

    def test_ones_are_no_mask(self):
        for path in MODELS:
            _, x, _ = inputs(path)
            x = x[:3].numpy()
            for preset in engine.POLICIES:
                with self.subTest(model=short(path), preset=preset):
                    model = engine.Model(path, preset)
                    ones = np.ones_like(x[:, :1])
                    np.testing.assert_array_equal(model.run(x, ones), model.run(x))

    def test_all_hidden_is_the_same_for_every_image(self):
        for path in MODELS:
            _, x, _ = inputs(path)
            with self.subTest(model=short(path)):
                got = engine.Model(path).run(x[:3].numpy(), np.zeros_like(x[:3, :1]))
                np.testing.assert_array_equal(got, got[:1].repeat(3, 0))

    def test_micro_batches(self):
        for path in MODELS:
            kinds, x, masks = inputs(path)
            x, masks, order = x.numpy(), masks.numpy(), np.random.default_rng(1).permutation(len(x))
            want = engine.Model(path, batch=1).run(x, masks)
            for batch in (5, 12):
                with self.subTest(model=short(path), batch=batch):
                    model = engine.Model(path, batch=batch)
                    got = model.run(x, masks)
                    self.close(want, got, kinds)
                    np.testing.assert_array_equal(model.run(x, masks), got)
                    shuffled = model.run(x[order], masks[order])
                    self.close(want[order], shuffled, [kinds[i] for i in order])

    def test_portable_kernels(self):
        for path in SMALL:
            kinds, x, masks = inputs(path)
            for preset in engine.POLICIES:
                with self.subTest(model=short(path), preset=preset):
                    want, got = (engine.Model(path, preset, portable=portable)
                                 .run(x.numpy(), masks.numpy()) for portable in (True, False))
                    self.close(want, got, kinds)

    def test_every_policy_of_a_small_network(self):
        path = next((p for p in MODELS if "resnet20" in p), None)
        if not path:
            self.skipTest("needs models/resnet20_cifar10")
        kinds, x, masks = inputs(path)
        graph = parity.layer_masking.load(path)
        for concat in engine.FIELDS["concat"]:
            for exposed in engine.FIELDS["exposed"]:
                for pool in engine.FIELDS["global_pool"]:
                    policy = {"concat": concat, "exposed": exposed, "global_pool": pool}
                    with self.subTest(**policy):
                        want = parity.layer_masking.forward(graph, x, masks,
                                                            parity.layer_masking.Policy(**policy))
                        got = engine.Model(path, policy).run(x.numpy(), masks.numpy())
                        self.close(want.numpy(), got, kinds)


if __name__ == "__main__":
    unittest.main()
