"""What the comparisons with the executable specification share: masks, differences, policies."""
import numpy as np
import torch

import engine

layer_masking, make_golden = engine.oracle()
import zoo  # noqa: E402  (beside layer_masking)


def make_masks(size):
    """{kind: 1,1,S,S tensor of 0 and 1}; the radius of discs is that in 224 pixels."""
    cell, large, small = max(1, size // 14), max(3, size * 24 / 224), max(1, size * 6 / 224)
    return {
        "patches 30 %": zoo.patches(1, size, .3, 3, cell),
        "patches 50 %": zoo.patches(1, size, .5, 4, cell),
        "patches 80 %": zoo.patches(1, size, .8, 5, cell),
        "blobs 40 %": zoo.blobs(1, size, .4, 6), "blobs 80 %": zoo.blobs(1, size, .8, 7),
        "half plane": zoo.half(1, size, 8),
        "hole": torch.from_numpy(make_golden.make_mask("hole", (size, size), 1, 0, 9)),
        "disc 24": zoo.spot(1, size, large, 10), "disc 6": zoo.spot(1, size, small, 11),
        "one pixel": one_pixel(size), "all hidden": torch.zeros(1, 1, size, size),
        "all visible": torch.ones(1, 1, size, size)}


def one_pixel(size):
    mask = torch.zeros(1, 1, size, size)
    mask[0, 0, size // 3, size * 3 // 5] = 1
    return mask


def difference(want, got):
    """Largest |difference| of each sample, divided by its largest |want|."""
    top = np.maximum(np.abs(want).max(1), 1e-9)
    return np.abs(want - got).max(1) / top


class Specification:
    """The specification's masked logits of one model; x: N,C,S,S tensor, masks: N,1,S,S tensor."""

    def __init__(self, model, batch):
        self.graph, self.batch, self.known = layer_masking.load(model), batch, {}

    def _used(self, policy):
        """The part of a policy that makes a difference; exposed needs a Concat or unmasked."""
        ops = {node.op for node in self.graph.nodes}
        concat = "Concat" in ops
        return (policy.concat if concat else None,
                policy.exposed if concat or policy.global_pool == "unmasked" else None,
                policy.average_pool if "AveragePool" in ops else None, policy.global_pool)

    def run(self, x, masks, preset):
        """Always of the same x and masks: computed once for policies that are the same here."""
        policy = layer_masking.PRESETS[preset]
        if self._used(policy) not in self.known:
            parts = [slice(i, i + self.batch) for i in range(0, len(x), self.batch)]
            self.known[self._used(policy)] = np.concatenate(
                [layer_masking.forward(self.graph, x[p], masks[p], policy).numpy() for p in parts])
        return self.known[self._used(policy)]
