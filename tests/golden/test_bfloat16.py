#!/usr/bin/python3
"""Models in bfloat16 against the executable specification whose convolutions and fully connected
layers multiply numbers rounded to bfloat16 (depthwise ones do not), on real models under masks.

What is left between the two: residuals, which the specification does not round, weights that we round
with their normalisation folded in, and sums in another order, after which a few numbers round the
other way.  Tolerance: 2 % of the logits' root of squares (the format itself is 0.2 to 4 % away from
float32).  LAYERMASK_LIB, LAYERMASK_SHARED: see
test_parity.py.
"""
import glob
import os
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
try:
    import numpy as np
    import engine
    ORACLE = engine.oracle()
    if ORACLE:
        import parity
        import torch
        import torch.nn.functional as F
        torch.set_num_threads(1)
except ImportError:
    ORACLE = None

TOLERANCE = 0.02
KINDS = ("patches 50 %", "blobs 40 %", "half plane", "all visible")
FILES = os.path.join(engine.SHARED, "models", "*", "model.onnx") if ORACLE else ""
MODELS = sorted(glob.glob(FILES))


def rounded(call):
    """conv2d or linear on rounded operands."""
    def product(x, weight, *rest, **named):
        groups = named.get("groups", rest[4] if len(rest) > 4 else 1)
        if weight.dim() == 4 and weight.shape[1] == 1 and groups > 1:
            return call(x, weight, *rest, **named)
        return call(x.bfloat16().float(), weight.bfloat16().float(), *rest, **named)
    return product


def away(a, b):
    return np.sqrt(((a - b) ** 2).sum(1) / (b ** 2).sum(1)).max()


@unittest.skipUnless(ORACLE, "needs LAYERMASK_SHARED/reference, numpy, torch and onnx")
@unittest.skipUnless(ORACLE is None or os.path.exists(engine.LIBRARY), "the library is not built")
@unittest.skipUnless(ORACLE is None or MODELS, "needs LAYERMASK_SHARED/models")
class Bfloat16(unittest.TestCase):
    def test_real_models(self):
        for path in MODELS:
            name = os.path.basename(os.path.dirname(path))
            size = engine.Model(path, batch=1).info.height
            x, masks = parity.zoo.image(len(KINDS), size, 7), parity.make_masks(size)
            masks = torch.cat([masks[kind] for kind in KINDS])
            with mock.patch.object(F, "conv2d", rounded(F.conv2d)), \
                    mock.patch.object(F, "linear", rounded(F.linear)):
                want = parity.Specification(path, 4).run(x, masks, "default")
            exact = engine.Model(path).run(x.numpy(), masks.numpy())
            for portable in (False, True):
                with self.subTest(model=name, portable=portable):
                    model = engine.Model(path, precision="bfloat16", portable=portable)
                    got = model.run(x.numpy(), masks.numpy())
                    print(f"{name}, {model.info.kernels.decode()}: {away(got, want):.4f} from the "
                          f"rounded specification, {away(got, exact):.4f} from float32")
                    self.assertLess(away(got, want), TOLERANCE)
                    self.assertGreater(away(got, exact), 0)


if __name__ == "__main__":
    unittest.main()
