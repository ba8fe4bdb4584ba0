"""Cases of channels moved about, and of constants."""
import numpy as np
from onnx import numpy_helper

from net_cases import branches, case, cases, channel_first, channel_last, channels


@cases(two=2, three=3, four=4, five=5)
def concat(net, x, n):
    parts = branches(net, x, n - 1) + [x]
    order = net.rng.permutation(n)
    y = net.add("Concat", *[parts[i] for i in order], axis=int(net.rng.choice([1, -3])))
    return net.add("Relu", net.conv(y, 5, (3, 3), same=True)) if net.rng.integers(2) else y


@case("Concat of the same tensor twice")
def concat_same(net, x):
    a, b = branches(net, x)
    return net.add("Concat", a, b, a, axis=1)


@case("Concat of one tensor")
def concat_one(net, x):
    return net.add("Concat", x, axis=1)


@case("Concat of Concats (DenseNet)")
def concat_dense(net, x):
    for _ in range(4):
        y = net.conv(net.add("Relu", net.batch_norm(x)), 4, (1, 1))
        y = net.conv(net.add("Relu", net.batch_norm(y)), 3, (3, 3), same=True)
        x = net.add("Concat", x, y, axis=1)
    x = net.conv(net.add("Relu", net.batch_norm(x)), 5, (1, 1))
    return net.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])


@case("Concat of pools and Convs (Inception)")
def concat_inception(net, x):
    x = net.add("Relu", net.conv(x, 5, (3, 3), strides=[2, 2], pads=[1] * 4))
    a = net.add("Relu", net.conv(x, 4, (1, 1)))
    b = net.add("Relu", net.conv(net.add("Relu", net.conv(x, 4, (1, 1))), 4, (1, 7), same=True))
    b = net.add("Relu", net.conv(b, 5, (7, 1), same=True))
    pool = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [1, 1]}
    c = net.conv(net.add("AveragePool", x, count_include_pad=1, **pool), 3, (1, 1))
    return net.add("Concat", a, b, c, net.add("MaxPool", x, **pool), axis=1)


@case("Concat of pooled features")
def concat_pooled(net, x):
    a, b = branches(net, x)
    pooled = [net.flat(net.add("GlobalAveragePool", v)) for v in (a, b, x)]
    return net.add("Concat", *pooled, axis=1)


@case("Concat, then several readers")
def concat_readers(net, x):
    y = net.add("Concat", *branches(net, x, 3), axis=1)
    a = net.conv(y, 4, (1, 1))
    b = net.conv(y, 4, (3, 3), same=True)
    c = net.add("MaxPool", y, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
    return net.add("Concat", net.add("Add", a, b), c, net.add("Relu", y), axis=1)


@case("Concat, Add, Concat")
def concat_add_concat(net, x):
    a, b, c = branches(net, x, 3)
    y = net.add("Concat", a, b, axis=1)
    y = net.conv(y, channels(net, c), (1, 1))
    return net.add("Concat", net.add("Add", y, c), net.add("Sigmoid", y), axis=1)


@cases(even=None, sizes=[1, 2, 5])
def split(net, x, sizes):
    x = net.conv(x, 8, (3, 3))
    if sizes is None:
        a, b = net.add("Split", x, outputs=2, axis=1)
        return net.add("Mul", a, net.add("Sigmoid", b))
    if net.opset < 13:
        parts = net.add("Split", x, outputs=3, axis=1, split=sizes)
    else:
        parts = net.add("Split", x, net.const(np.array(sizes)), outputs=3, axis=1)
    return net.add("Concat", parts[2], net.conv(parts[1], 3, (3, 3), same=True), parts[0], axis=1)


@case("Split into unequal parts, num_outputs", 18, 18)
def split_outputs(net, x):
    parts = net.add("Split", net.conv(x, 8, (1, 1)), outputs=3, axis=-3, num_outputs=3)
    return net.add("Concat", *parts[::-1], axis=1)


@cases(list=[2, 0, 3, 3], negative=[-1, 1], one=[1])
def gather(net, x, index):
    x = net.conv(x, 5, (3, 3))
    return net.add("Gather", x, net.const(np.array(index)), axis=1)


@case("Gather of one channel, then Unsqueeze")
def gather_scalar(net, x):
    picked = [net.add("Gather", x, net.const(np.array(i)), axis=1) for i in (1, -1)]
    picked = [net.setting("Unsqueeze", p, "axes", [1], 13) for p in picked]
    scaled = net.add("Add", net.add("Mul", picked[0], net.const(.7)), net.const(.2))
    return net.add("Concat", scaled, picked[1], axis=1)


@cases(channels=([1], [4], [1]), channels_end=([-2], [1 << 60], [1]), rows=([1], [-1], [2]),
       both=([2, 1], [1 << 60, 6], [2, 3]), negative_axes=([0, 3], [5, 8], [-1, -2]),
       nothing=([0], [1 << 60], [3]), one_cell=([2, 3], [3, 4], [2, 3]))
def slice_plain(net, x, v):
    return net.slice(net.conv(x, 6, (3, 3), same=True), *v)


@cases(10, channels=([0], [1 << 60], [1], [2]), channels_back=([-1], [-(1 << 60)], [1], [-1]),
       rows=([1], [1 << 60], [2], [3]), columns_back=([1 << 60], [0], [3], [-2]),
       both=([0, 1], [1 << 60, 1 << 60], [2, 3], [2, 2]))
def slice_steps(net, x, v):
    return net.slice(net.conv(x, 6, (3, 3), same=True), *v)


@case("Slice to every other cell, Concat (Focus)", 10)
def focus(net, x):
    h, w = (n // 2 * 2 for n in net.shape(x)[2:])
    x = net.slice(x, [0, 0], [h, w], [2, 3])
    parts = [net.slice(x, [row, column], [1 << 60, 1 << 60], [2, 3], [2, 2])
             for column in (0, 1) for row in (0, 1)]
    return net.conv(net.add("Concat", *parts, axis=1), 5, (3, 3), same=True)


@case("Slice in default axes", 10)
def slice_default_axes(net, x):
    return net.add("Slice", x, net.const(np.array([0, 0, 1])), net.const(np.array([1 << 60, 9, 7])))


@case("Slice of a Conv read twice")
def slice_shared(net, x):
    x = net.conv(x, 6, (3, 3), same=True)
    a, b = net.slice(x, [0], [3], [1]), net.slice(x, [3], [6], [1])
    return net.add("Concat", net.batch_norm(a), net.add("Relu", b), net.add("Mul", a, b), axis=1)


@case("option-A shortcut: Slice of cells, Pad of channels")
def option_a(net, x):
    y = net.slice(x, [0, 0], [1 << 60, 1 << 60], [2, 3], [2, 2]) if net.opset >= 10 else \
        net.add("MaxPool", x, kernel_shape=[1, 1], strides=[2, 2])
    y = net.pad(y, [0, 2, 0, 0], [0, 1, 0, 0])
    return net.add("Add", y, net.conv(x, channels(net, y), (3, 3), pads=[1] * 4, strides=[2, 2]))


@cases(two=(2, 6), three=(3, 12), four=(4, 4))
def channel_shuffle(net, x, v):
    groups, c = v
    x = net.conv(x, c, (3, 3))
    shape = net.shape(x)[2:]
    y = net.reshape(x, 0, groups, c // groups, *shape)
    y = net.add("Transpose", y, perm=[0, 2, 1, 3, 4])
    return net.reshape(y, -1, c, *shape)


@case("ShuffleNet block")
def shufflenet(net, x):
    x = net.conv(x, 8, (3, 3), strides=[2, 2], pads=[1] * 4)
    a, b = net.add("Split", x, outputs=2, axis=1)
    b = net.add("Relu", net.conv(b, 4, (1, 1)))
    b = net.add("Relu", net.conv(net.conv(b, 4, (3, 3), group=4, same=True), 4, (1, 1)))
    y = net.add("Concat", a, b, axis=1)
    shape = net.shape(y)[2:]
    y = net.add("Transpose", net.reshape(y, 0, 2, 4, *shape), perm=[0, 2, 1, 3, 4])
    return net.add("Relu", net.conv(net.reshape(y, 0, 8, *shape), 6, (3, 3), same=True))


@case("Unsqueeze, Transpose, Reshape")
def unsqueeze(net, x):
    c, h, w = net.shape(x)[1:]
    y = net.setting("Unsqueeze", x, "axes", [1], 13)
    y = net.add("Concat", y, net.add("Neg", y), axis=1)
    y = net.add("Transpose", y, perm=[0, 2, 1, 3, 4])
    return net.reshape(y, 0, 2 * c, h, w)


@case("Squeeze of a channel axis")
def squeeze_spatial(net, x):
    y = net.setting("Unsqueeze", net.add("Relu", x), "axes", [2, -3], 13)
    return net.setting("Squeeze", y, "axes", [2, 3], 13), net.add("Relu", x)


@case("Transpose there and back")
def transpose_back(net, x):
    y = net.add("Mul", net.add("Relu", channel_last(net, x)), net.random(channels(net, x)))
    return channel_first(net, y)


@case("Concat and Slice on the last axis")
def concat_last(net, x):
    y = channel_last(net, x)
    y = net.add("Concat", y, net.add("Tanh", y), axis=-1)
    return channel_first(net, net.slice(y, [1], [-1], [3]))


def constant_node(net, array):
    array = np.asarray(array, np.float32 if np.asarray(array).dtype.kind == "f" else np.int64)
    return net.add("Constant", value=numpy_helper.from_array(array))


@case("Constant nodes", 9)
def constant_nodes(net, x):
    c = channels(net, x)
    y = net.add("Mul", x, constant_node(net, net.rng.standard_normal((c, 1, 1))))
    return net.add("Add", y, constant_node(net, .3))


@case("Constant of value_float and value_ints", 12)
def constant_values(net, x):
    c, h, w = net.shape(x)[1:]
    y = net.add("Mul", x, net.add("Constant", value_float=.7))
    y = net.add("Add", y, net.add("Constant", value_floats=[.1] * w))
    return net.add("Reshape", y, net.add("Constant", value_ints=[0, c, h, w]))


@case("shape arithmetic of exporters")
def shape_arithmetic(net, x):
    x = net.conv(x, 6, (3, 3))
    sizes = [net.add("Gather", net.add("Shape", x), net.const(np.array(i)), axis=0)
             for i in range(4)]
    half = net.add("Div", sizes[1], net.const(np.array(2)))
    two = net.const(np.array([2]))
    parts = [net.setting("Unsqueeze", s, "axes", [0], 13)
             for s in (sizes[0], half, sizes[2], sizes[3])]
    y = net.add("Reshape", x, net.add("Concat", parts[0], two, *parts[1:], axis=0))
    y = net.add("Transpose", y, perm=[0, 2, 1, 3, 4])
    shape = net.add("Concat", parts[0], net.const(np.array([-1])), *parts[2:], axis=0)
    return net.add("Reshape", y, shape)


@case("Flatten of exporters")
def flatten_arithmetic(net, x):
    first = net.slice(net.add("Shape", x), [0], [1], [0])
    return net.add("Reshape", x, net.add("Concat", first, net.const(np.array([-1])), axis=0))


@case("folded arithmetic on weights")
def folded_weights(net, x):
    c = channels(net, x)
    w = net.add("Transpose", net.random(3, 3, c, 5, scale=.3), perm=[3, 2, 0, 1])
    scale = net.add("Reshape", net.add("Sqrt", net.positive(5)), net.const(np.array([5, 1, 1, 1])))
    w = net.add("Div", net.add("Mul", w, scale), net.add("Exp", net.const(.1)))
    w = net.add("Neg", net.add("Sub", net.add("Abs", w), net.add("Reciprocal", net.const(4.))))
    b = net.setting("Squeeze", net.random(1, 5, 1), "axes", [0, 2], 13)
    square = net.add("Pow", net.positive(5), net.const(2.))
    b = net.add("Max", net.add("Min", b, net.const(.5)), square)
    return net.add("Conv", x, net.add("Identity", net.add("Cast", w, to=1)), b, pads=[1] * 4)


@case("ConstantOfShape, Range, Expand, Equal, Where, Floor, Ceil", 11)
def folded_shapes(net, x):
    c = channels(net, x)
    count = net.add("ConstantOfShape", net.const(np.array([1])))
    index = net.add("Range", net.const(np.array(0)), net.const(np.array(c)), net.const(np.array(1)))
    same = net.add("Equal", index, net.const(np.array([1])))
    row = net.add("Where", same, net.add("Floor", net.const(2.3)), net.add("Ceil", net.const(.2)))
    row = net.add("Add", row, net.add("Expand", count, net.const(np.array([c]))))
    row = net.add("Cast", net.add("Cast", row, to=7), to=1)
    return net.add("Mul", x, net.add("Reshape", row, net.const(np.array([c, 1, 1]))))


@case("Greater, Less, Mod", 11)
def folded_comparisons(net, x):
    c = channels(net, x)
    index = np.arange(-3, c - 3)
    more = net.add("Greater", net.const(index), net.const(np.array(-2)))
    less = net.add("Less", net.const(index), net.const(np.array(0)))
    rest = net.add("Mod", net.const(index), net.const(np.array(3)))
    picked = net.add("Where", more, rest, net.const(index))
    picked = net.add("Where", less, net.const(np.array([-7])), picked)
    row = net.add("Reshape", net.add("Cast", picked, to=1), net.const(np.array([c, 1, 1])))
    known = np.where(index < 0, -7, np.where(index > -2, index % 3, index)).astype(np.float64)
    return net.add("Mul", x, row), net.add("Mul", x, net.const(known.reshape(c, 1, 1)))


@case("a dead branch")
def dead_branch(net, x):
    x = net.conv(x, 4, (3, 3))
    net.add("Sigmoid", net.conv(x, 3, (5, 5)))
    return net.batch_norm(x)
