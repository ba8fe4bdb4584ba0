"""Cases of reductions, gates, and the ends of networks."""
from net_cases import branches, case, cases, channel_last, channels


@case("GlobalAveragePool")
def global_average(net, x):
    return net.add("GlobalAveragePool", x)


@case("GlobalMaxPool")
def global_max(net, x):
    return net.add("GlobalMaxPool", x)


@case("GlobalMaxPool of negative numbers")
def global_max_negative(net, x):
    return net.add("GlobalMaxPool", net.add("Sub", net.const(-.1), net.add("Abs", x)))


@case("both global pools of one tensor")
def global_both(net, x):
    return net.add("Concat", net.add("GlobalMaxPool", x), net.add("GlobalAveragePool", x), axis=1)


@case("global pool twice")
def global_twice(net, x):
    return net.add("GlobalMaxPool", net.add("GlobalAveragePool", x))


@cases(9, 18, rows_columns=[2, 3], negative=[-1, -2])
def reduce_mean(net, x, axes):
    return net.setting("ReduceMean", x, "axes", axes, 18)


@case("ReduceMean, axes dropped", 9, 18)
def reduce_mean_dropped(net, x):
    return net.setting("ReduceMean", x, "axes", [2, 3], 18, keepdims=0)


@case("ReduceMean, channel-last", 9, 18)
def reduce_mean_last(net, x):
    return net.setting("ReduceMean", channel_last(net, x), "axes", [1, 2], 18, keepdims=0)


@case("ReduceMean of channels", 9, 18)
def reduce_mean_channels(net, x):
    return net.add("Mul", x, net.add("Sigmoid", net.setting("ReduceMean", x, "axes", [1], 18)))


@case("ReduceMean of channels, axis dropped", 9, 18)
def reduce_mean_channel_axis(net, x):
    y = net.setting("ReduceMean", net.conv(x, 5, (3, 3)), "axes", [-3], 18, keepdims=0)
    return net.setting("Unsqueeze", y, "axes", [1], 13)


@cases(gap="GlobalAveragePool", mean="ReduceMean", max="GlobalMaxPool")
def squeeze_excitation(net, x, pool):
    x = net.add("Relu", net.conv(x, 8, (3, 3), same=True))
    s = net.setting(pool, x, "axes", [2, 3], 18) if pool == "ReduceMean" else net.add(pool, x)
    s = net.conv(net.add("Relu", net.conv(s, 3, (1, 1))), 8, (1, 1))
    s = net.add("HardSigmoid" if net.rng.integers(2) else "Sigmoid", s)
    return net.add("Mul", x, s) if net.rng.integers(2) else net.add("Mul", s, x)


@cases(reshape=0, unsqueeze=1, reshape_one=2)
def squeeze_excitation_dense(net, x, how):
    s = net.flat(net.add("GlobalAveragePool", x))
    s = net.add("Gemm", s, net.random(channels(net, x), 4), net.random(4))
    s = net.add("Gemm", net.add("Relu", s), net.random(channels(net, x), 4), transB=1)
    s = net.add("Sigmoid", s)
    s = net.setting("Unsqueeze", s, "axes", [2, 3], 13) if how == 1 else \
        net.reshape(s, -1 if how else 0, channels(net, x), 1, 1)
    return net.add("Mul", x, s)


@case("squeeze-excitation between a Conv and its BatchNormalization")
def squeeze_excitation_early(net, x):
    x = net.conv(x, 4, (3, 3))
    gate = net.add("Sigmoid", net.add("GlobalAveragePool", x))
    return net.add("Relu", net.batch_norm(net.add("Mul", x, gate)))


@cases(Add="Add", Sub="Sub", Max="Max", Div="Div")
def pooled_operand(net, x, op):
    pooled = net.add("Sigmoid", net.add("GlobalAveragePool", x))
    return net.add(op, x, pooled)


@cases(flatten=0, reshape=1, reshape_open=2, reshape_whole=3)
def dense_end(net, x, how):
    c, h, w = net.shape(x)[1:]
    x = [lambda: net.flat(x), lambda: net.reshape(x, 0, -1), lambda: net.reshape(x, -1, c * h * w),
         lambda: net.reshape(x, 0, c * h * w)][how]()
    x = net.add("Gemm", x, net.random(7, c * h * w, scale=.1), net.random(7), transB=1)
    return net.add("Gemm", net.add("Relu", x), net.random(7, 5), net.random(5))


@case("Flatten of channel-last")
def flatten_last(net, x):
    return net.reshape(channel_last(net, x), 0, -1)


@case("Flatten with axis 1, then -1")
def flatten_axis(net, x):
    return net.add("Flatten", net.add("Flatten", x, axis=1), axis=1)


@cases(plain={}, alpha={"alpha": 2.5}, beta={"beta": .3}, transposed={"transB": 1},
       all={"alpha": .7, "beta": 1.3, "transB": 1})
def gemm(net, x, attributes):
    c = channels(net, x)
    x = net.flat(net.add("GlobalAveragePool", x))
    shape = (6, c) if attributes.get("transB") else (c, 6)
    x = net.add("Gemm", x, net.random(*shape), net.random(6), **attributes)
    weights = net.random(6, 3)
    return net.add("Gemm", x, weights, *([net.random(1, 3)] if net.rng.integers(2) else []))


@cases(scalar=(), one=(1,), row=(1, 4))
def gemm_bias(net, x, shape):
    x = net.flat(net.add("GlobalAveragePool", x))
    return net.add("Gemm", x, net.random(net.shape(x)[1], 4), net.random(*shape))


@case("MatMul and Add of pooled features")
def matmul_pooled(net, x):
    x = net.flat(net.add("GlobalAveragePool", x))
    return net.add("Add", net.add("MatMul", x, net.random(net.shape(x)[1], 4)), net.random(4))


@cases(default={}, one={"axis": 1}, last={"axis": -1})
def softmax(net, x, attributes):
    return net.add("Softmax", net.flat(net.add("GlobalAveragePool", x)), **attributes)


@cases(grouped=2, depthwise=4)
def conv_of_pooled(net, x, group):
    x = net.conv(x, 4, (1, 1))
    return net.conv(net.add("GlobalAveragePool", x), 4, (1, 1), group=group)


@case("Squeeze of pooled features")
def squeeze_pooled(net, x):
    return net.setting("Squeeze", net.add("GlobalAveragePool", x), "axes", [2, 3], 13)


@case("Squeeze of negative axes")
def squeeze_negative(net, x):
    x = net.setting("Squeeze", net.add("GlobalAveragePool", x), "axes", [-1], 13)
    return net.setting("Squeeze", x, "axes", [2], 13)
