"""Cases of Conv, pools and Pad."""
from net_cases import case, cases


@cases(k1={"kernel": (1, 1)}, k3={"kernel": (3, 3)}, k3_same={"kernel": (3, 3), "pads": [1] * 4},
       k1x7={"kernel": (1, 7), "pads": [0, 3, 0, 3]}, k7x1={"kernel": (7, 1), "pads": [3, 0, 3, 0]},
       k5x3={"kernel": (5, 3), "pads": [2, 1, 2, 1]}, k2={"kernel": (2, 2)},
       k4_s2={"kernel": (4, 4), "pads": [1] * 4, "strides": [2, 2]},
       k7={"kernel": (7, 7), "pads": [3] * 4}, k1_s2={"kernel": (1, 1), "strides": [2, 2]},
       k1_padded={"kernel": (1, 1), "pads": [1, 0, 2, 1]},
       k1_s2_padded={"kernel": (1, 1), "pads": [1, 1, 0, 0], "strides": [2, 3]},
       k3_s2={"kernel": (3, 3), "pads": [1] * 4, "strides": [2, 2]},
       k2_s3={"kernel": (2, 2), "strides": [3, 3]}, k3_s1x2={"kernel": (3, 3), "strides": [1, 2]},
       k3_asymmetric={"kernel": (3, 3), "pads": [0, 0, 1, 1], "strides": [2, 2]},
       k3_asymmetric_2={"kernel": (3, 3), "pads": [2, 1, 0, 3]},
       k3_d2={"kernel": (3, 3), "pads": [2] * 4, "dilations": [2, 2]},
       k3_d3x1={"kernel": (3, 3), "pads": [0, 1, 2, 0], "dilations": [3, 1]},
       k3_d2_s2={"kernel": (3, 3), "pads": [2, 1, 1, 2], "dilations": [2, 2], "strides": [2, 1]},
       k5_far_pads={"kernel": (5, 5), "pads": [4] * 4},
       k5_over_pads={"kernel": (3, 3), "pads": [5, 4, 3, 6]},
       upper={"kernel": (3, 3), "auto_pad": "SAME_UPPER", "strides": [2, 2]},
       lower={"kernel": (4, 2), "auto_pad": "SAME_LOWER", "strides": [2, 1]},
       upper_d2={"kernel": (3, 2), "auto_pad": "SAME_UPPER", "dilations": [2, 3]},
       upper_gap={"kernel": (1, 2), "auto_pad": "SAME_UPPER", "strides": [3, 3]},
       valid={"kernel": (3, 5), "auto_pad": "VALID", "strides": [1, 2]},
       notset={"kernel": (3, 3), "auto_pad": "NOTSET", "pads": [1, 0, 0, 1]})
def conv(net, x, v):
    attributes = {k: w for k, w in v.items() if k != "kernel"}
    return net.conv(x, int(net.rng.integers(1, 20)), v["kernel"], bias=bool(net.rng.integers(2)),
                    **attributes)


# Enough channels for tiles of 4x4 outputs; with so many weights and few sites, of 2x2.
TILES = dict(exact=(16, 16, [1] * 4), odd=(17, 35, [1] * 4), wide=(40, 70, [1] * 4),
             no_pads=(33, 64, [0] * 4), asymmetric=(20, 17, [2, 0, 1, 3]),
             small=(140, 131, [1] * 4), small_no_pads=(136, 135, [0] * 4),
             small_asymmetric=(131, 140, [0, 2, 3, 1]))


@cases(**TILES)
def conv_tiles(net, x, v):
    inputs, outputs, pads = v
    x = net.add("Relu", net.conv(x, inputs, (1, 1)))
    return net.conv(x, outputs, (3, 3), pads=pads, bias=bool(net.rng.integers(2)))


@cases(**{name: TILES[name] for name in ("exact", "odd", "small")})
def conv_tiles_block(net, x, v):
    """Residuals with the same sites and with others, a program, exposed sites."""
    inputs, outputs, pads = v
    x = net.add("Relu", net.conv(x, outputs, (1, 1)))
    y = net.add("Relu", net.conv(net.conv(x, inputs, (1, 1)), outputs, (3, 3), pads=pads))
    y = net.add("Relu", net.add("Add", net.conv(y, outputs, (3, 3), pads=pads), x))
    z = net.conv(x, outputs, (5, 5), same=True)
    z = net.add("Add", z, net.conv(y, outputs, (3, 3), pads=pads))
    z = net.add("Mul", z, net.add("Sigmoid", z))
    return net.add("Concat", y, net.conv(z, 16, (3, 3), pads=pads), axis=1)


@case("conv tiles behind a Pad")
def conv_tiles_border(net, x):
    x = net.pad(net.conv(x, 18, (1, 1)), [0, 0, 1, 2], [0, 0, 2, 0], .7)
    return net.conv(x, 20, (3, 3), pads=[1, 0, 0, 1])


@cases(two=(2, 6, 8), uneven=(3, 6, 9), wide=(2, 4, 40), narrow=(4, 8, 4), many=(8, 8, 16),
       depthwise=(5, 5, 5), depthwise_wide=(24, 24, 24), multiplier=(4, 4, 12), one_out=(3, 9, 3),
       odd=(3, 3, 6))
def conv_groups(net, x, v):
    groups, inputs, outputs = v
    x = net.conv(x, inputs, (1, 1))
    kernel = [(3, 3), (1, 1), (5, 3), (1, 5), (7, 7)][net.rng.integers(5)]
    stride = int(net.rng.integers(1, 3))
    x = net.conv(x, outputs, kernel, group=groups, same=True, strides=[stride, stride])
    return net.add("Relu", x) if net.rng.integers(2) else x


@case("conv kernel_shape given")
def conv_kernel_shape(net, x):
    return net.conv(x, 3, (3, 2), kernel_shape=[3, 2])


@case("conv rounds of one value: 1x1, 3x3, 1x7, 7x1, 5x5")
def conv_rounds(net, x):
    kernels = [(1, 1), (3, 3), (1, 7), (7, 1), (5, 5)]
    branches = [net.conv(x, 2, k, same=True) for k in kernels]
    total = branches[0]
    for branch in branches[1:]:
        total = net.add("Add", total, branch)
    return net.add("Concat", total, *branches, axis=1)


@case("conv chain")
def conv_chain(net, x):
    for kernel in ((3, 3), (5, 5), (1, 3), (2, 2), (3, 1)):
        x = net.add("Relu", net.conv(x, 5, kernel, same=True))
    return x


POOLS = dict(
    k2={"kernel_shape": [2, 2], "strides": [2, 2]}, k3={"kernel_shape": [3, 3]},
    k3_s2={"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4},
    k2x3={"kernel_shape": [2, 3], "strides": [1, 2], "pads": [0, 1, 1, 2]},
    k1_s2={"kernel_shape": [1, 1], "strides": [2, 2]},
    k2_s3={"kernel_shape": [2, 2], "strides": [3, 3]},
    far_pads={"kernel_shape": [3, 3], "strides": [1, 1], "pads": [2] * 4},
    upper={"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    lower={"kernel_shape": [2, 3], "strides": [2, 1], "auto_pad": "SAME_LOWER"},
    valid={"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"},
    ceil={"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    ceil_s3={"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 0, 1]},
    ceil_padded={"kernel_shape": [3, 4], "strides": [2, 3], "ceil_mode": 1, "pads": [1, 1, 1, 2]},
    floor={"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 0})


@cases(**POOLS)
def max_pool(net, x, v):
    return net.add("MaxPool", x, **v)


@cases(10, d2={"kernel_shape": [3, 3], "dilations": [2, 2]},
       d1x3={"kernel_shape": [2, 3], "dilations": [1, 3], "strides": [2, 2], "pads": [0, 2, 1, 1]},
       d2_ceil={"kernel_shape": [2, 3], "dilations": [2, 2], "strides": [2, 3], "ceil_mode": 1})
def max_pool_dilated(net, x, v):
    return net.add("MaxPool", x, **v)


@cases(**POOLS)
def average_pool(net, x, v):
    return net.add("AveragePool", x, **v)


@cases(**POOLS)
def average_pool_pad_counts(net, x, v):
    return net.add("AveragePool", x, count_include_pad=1, **v)


@cases(zero=0.0, large=3.0, negative=-1.5)
def pad_conv(net, x, constant):
    t, l, b, r = (int(n) for n in net.rng.integers(0, 4, 4))
    x = net.pad(x, [0, 0, t, l + 1], [0, 0, b, r], constant)
    x = net.add("Identity", x) if net.rng.integers(2) else x
    return net.conv(x, 4, (3, 3), strides=[int(net.rng.integers(1, 3))] * 2,
                    pads=[int(n) for n in net.rng.integers(0, 3, 4)])


@cases(conv1=(1, (1, 1)), depthwise=(4, (3, 3)), grouped=(2, (3, 5)), dilated=(1, (2, 3)))
def pad_conv_kind(net, x, v):
    x = net.conv(x, 4, (1, 1))
    x = net.pad(x, [0, 0, 1, 2], [0, 0, 2, 0], .7)
    return net.conv(x, 4, v[1], group=v[0], dilations=[2, 2] if v[1] == (2, 3) else [1, 1])


@case("pad read twice")
def pad_read_twice(net, x):
    x = net.pad(x, [0, 0, 1, 1], [0, 0, 1, 1], .5)
    a, b = net.conv(x, 3, (3, 3)), net.conv(x, 2, (5, 1), pads=[1, 0, 1, 0])
    b = net.slice(b, [0, 1], [1 << 40, -1], [2, 3])
    return net.add("Concat", a, b, net.add("MaxPool", x, kernel_shape=[3, 3]), axis=1)


@cases(10, zero=0.0, large=5.0, low_constant=-9.0)
def pad_max_pool(net, x, constant):
    x = net.pad(x, [0, 0, 1, 0], [0, 0, 2, 1], constant)
    ceil = int(net.rng.integers(2))
    return net.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=ceil,
                   pads=[1, 0, 0, 1] if net.rng.integers(2) else [0] * 4)


@cases(10, skip=0, count=1)
def pad_average_pool(net, x, count):
    x = net.pad(x, [0, 0, 1, 0], [0, 0, 2, 1])
    ceil = int(net.rng.integers(2))
    return net.add("AveragePool", x, kernel_shape=[3, 2], strides=[2, 2], ceil_mode=ceil,
                   pads=[1, 0, 0, 1] if net.rng.integers(2) else [0] * 4, count_include_pad=count)


@case("pad channels")
def pad_channels(net, x):
    return net.pad(x, [0, 1, 0, 0], [0, 2, 0, 0], 0.5)


@case("pad channels and border")
def pad_both(net, x):
    return net.conv(net.pad(x, [0, 1, 1, 0], [0, 2, 0, 2], -.5), 4, (3, 3))


@case("pad border, then channels")
def pad_border_channels(net, x):
    x = net.pad(x, [0, 0, 1, 1], [0, 0, 1, 1], .5)
    return net.conv(net.pad(x, [0, 0, 0, 0], [0, 3, 0, 0], .5), 4, (3, 3), strides=[2, 2])


@case("pad nothing")
def pad_nothing(net, x):
    return net.add("Relu", net.pad(x, [0] * 4, [0] * 4))


@case("pad with axes", 18, 18)
def pad_axes(net, x):
    return net.conv(net.pad(x, [1, 2], [0, 1], 0.0, axes=[-1, 2]), 4, (3, 3))
