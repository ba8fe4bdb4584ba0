"""Small networks for every operator and attribute that the engine supports.

CASES: {name: (lowest opset, highest opset, build)}; build(net, x) appends nodes to a small_net.Net
after the N,C,H,W tensor x and returns what to look at: the name of an N,C,H,W or N,K tensor, or a
pair of names that must be equal, the first for the engine, the second in operators that the
specification knows.  The cases are in net_cases_*.py, which fill CASES when they are imported.
"""
CASES = {}


def case(name, low=9, high=17):
    def keep(build):
        assert name not in CASES, name
        CASES[name] = low, high, build
        return build
    return keep


def cases(low=9, high=17, /, **variants):
    """One function for several cases: build(net, x, value)."""
    def keep(build):
        for name, value in variants.items():
            case(f"{build.__name__} {name}", low, high)(
                lambda net, x, value=value: build(net, x, value))
        return build
    return keep


def channels(net, x):
    return net.shape(x)[1]


def branches(net, x, n=2):
    """Tensors of one shape with different masks."""
    c = int(net.rng.integers(3, 8))
    kernels = [(3, 3), (1, 1), (1, 5), (7, 1), (5, 5)]
    order = net.rng.permutation(len(kernels))
    return [net.conv(x, c, kernels[order[i % 5]], same=True) for i in range(n)]


def channel_last(net, x):
    return net.add("Transpose", x, perm=[0, 2, 3, 1])


def channel_first(net, x):
    return net.add("Transpose", x, perm=[0, 3, 1, 2])
