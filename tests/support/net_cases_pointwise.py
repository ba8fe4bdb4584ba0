"""Cases of activations, arithmetic and normalisation."""
from net_cases import branches, case, cases, channel_first, channel_last, channels


def unary(op, low=9, positive=False, **attributes):
    @case(f"{op}{' ' + str(attributes) if attributes else ''}", low, max(17, low))
    def build(net, x):
        if positive:
            x = net.add("Add", net.add("Abs", x), net.const(.5))
        return net.add(op, x, **attributes)


for op in "Relu LeakyRelu Elu Sigmoid HardSigmoid Tanh Softplus Erf Exp Abs Neg Identity".split():
    unary(op)
for op in "Log Sqrt Reciprocal".split():
    unary(op, positive=True)
unary("LeakyRelu", alpha=.3)
unary("Elu", alpha=1.7)
unary("HardSigmoid", alpha=.3, beta=.4)
unary("HardSwish", 14)
unary("Mish", 18)
unary("Gelu", 20)
unary("Gelu", 20, approximate="none")
unary("Gelu", 20, approximate="tanh")
unary("LRN", size=3)
unary("LRN", size=5, alpha=.4, beta=.6, bias=1.5)
unary("LRN", size=1, alpha=.4)
unary("LRN", size=15, alpha=.4)
unary("Cast", to=1)


@case("Floor and Ceil")
def floor_ceil(net, x):
    return net.add("Concat", net.add("Floor", net.input), net.add("Ceil", net.input), axis=1)


@case("Relu of the input twice")
def relu_twice(net, x):
    return net.add("Add", net.add("Relu", x), net.add("Relu", net.add("Neg", x)))


@cases(neither=(None, None), low=(-.3, None), high=(None, .4), both=(-.5, .6), six=(0., 6.))
def clip(net, x, v):
    low, high = v
    if net.opset < 11:
        given = {k: w for k, w in (("min", low), ("max", high)) if w is not None}
        return net.add("Clip", x, **given)
    inputs = ["" if w is None else net.const(w) for w in v]
    while inputs and not inputs[-1]:
        inputs.pop()
    return net.add("Clip", x, *inputs)


@case("Dropout", 9, 17)
def dropout(net, x):
    if net.opset < 12:
        return net.add("Dropout", x, ratio=.5)
    return net.add("Dropout", x, net.const(.5))


@cases(channels=lambda c: (c, 1, 1), rank4=lambda c: (1, c, 1, 1), shared=lambda c: (1,),
       one=lambda c: (1, 1, 1))
def prelu(net, x, shape):
    return net.add("PRelu", x, net.random(*shape(channels(net, x))))


SHAPES = dict(scalar=lambda c, h, w: (), one=lambda c, h, w: (1,),
              channels=lambda c, h, w: (c, 1, 1),
              rank4=lambda c, h, w: (1, c, 1, 1), places=lambda c, h, w: (h, w),
              columns=lambda c, h, w: (w,), rows=lambda c, h, w: (1, 1, h, 1),
              rows_channels=lambda c, h, w: (c, h, 1), full=lambda c, h, w: (1, c, h, w))


@cases(**SHAPES)
def constant_operand(net, x, shape):
    shape = shape(*net.shape(x)[1:])
    for op in net.rng.permutation(["Add", "Sub", "Mul", "Div", "Max", "Min"]):
        constant = net.positive(*shape)
        pair = [x, constant] if net.rng.integers(2) else [constant, x]
        if op == "Div" and pair[1] == x:
            pair[1] = net.add("Add", net.add("Abs", x), net.const(.5))
        x = net.add(str(op), *pair)
    return x


@cases(**SHAPES)
def constant_after_conv(net, x, shape):
    x = net.conv(x, int(net.rng.integers(2, 7)), (3, 3), same=bool(net.rng.integers(2)))
    shape = shape(*net.shape(x)[1:])
    for op in net.rng.permutation(["Add", "Sub", "Mul", "Div"])[:net.rng.integers(1, 5)]:
        swap = op != "Div" and net.rng.integers(2)
        constant = net.positive(*shape)
        x = net.add(str(op), *([constant, x] if swap else [x, constant]))
    return net.add("Relu", x) if net.rng.integers(2) else x


@case("constant widens channels")
def constant_widens(net, x):
    one = net.conv(x, 1, (3, 3))
    return net.add("Mul", net.add("Tanh", one), net.random(5, 1, 1))


@cases(square=2., cube=3., half=.5, inverse=-1., odd=1.7)
def power(net, x, exponent):
    if exponent not in (2., 3.):
        x = net.add("Add", net.add("Abs", x), net.const(.5))
    return net.add("Pow", x, net.const(exponent))


@case("Pow of a constant")
def power_of_constant(net, x):
    return net.add("Pow", net.const(1.7), net.add("Tanh", x))


@case("Pow by channels")
def power_channels(net, x):
    base = net.add("Add", net.add("Abs", x), net.const(.5))
    return net.add("Pow", base, net.random(channels(net, x), 1, 1))


@cases(Add="Add", Sub="Sub", Mul="Mul", Div="Div", Max="Max", Min="Min", Sum="Sum", Pow="Pow")
def two_spatial(net, x, op):
    a, b = branches(net, x)
    if op in ("Div", "Pow"):
        b = net.add("Add", net.add("Abs", net.add("Tanh", b)), net.const(.5))
        a = net.add("Add", net.add("Abs", a), net.const(.5)) if op == "Pow" else a
    return net.add(op, a, b)


@cases(Add="Add", Mul="Mul", Sub="Sub", Max="Max", Div="Div")
def itself(net, x, op):
    x = net.add("Add", net.add("Abs", x), net.const(.5)) if op == "Div" else x
    return net.add(op, x, x)


@case("Add of a tensor and what comes of it")
def residual(net, x):
    x = net.add("Relu", net.conv(x, 6, (3, 3), same=True))
    y = net.add("Relu", net.conv(x, 6, (3, 3), same=True))
    return net.add("Relu", net.add("Add", net.conv(y, 6, (3, 3), same=True), x))


@case("Add of a downsampled tensor")
def residual_downsampled(net, x):
    y = net.batch_norm(net.conv(x, 6, (3, 3), pads=[1] * 4, strides=[2, 2]))
    y = net.batch_norm(net.conv(net.add("Relu", y), 6, (3, 3), same=True))
    return net.add("Relu", net.add("Add", y, net.conv(x, 6, (1, 1), strides=[2, 2])))


@cases(Max="Max", Min="Min", Sum="Sum")
def variadic(net, x, op):
    a, b, c = branches(net, x, 3)
    width = channels(net, a)
    return net.add("Concat", net.add(op, a), net.add(op, a, b, c),
                   net.add(op, net.const(.1), b, a, b),
                   net.add(op, c, net.random(width, 1, 1), net.random(1, 1, 1, 1)), axis=1)


@case("one channel with many")
def one_with_many(net, x):
    a, b = branches(net, x)
    gate = net.add("Sigmoid", net.conv(b, 1, (3, 3), same=True))
    return net.add("Mul", gate, a) if net.rng.integers(2) else net.add("Mul", a, gate)


@case("swish, spelled out")
def swish(net, x):
    y = net.batch_norm(net.conv(x, 6, (3, 3), same=True))
    return net.add("Mul", y, net.add("Sigmoid", y))


@case("hard swish, spelled out")
def hard_swish(net, x):
    y = net.add("Add", x, net.const(3.))
    y = net.add("Clip", y, min=0., max=6.) if net.opset < 11 else \
        net.add("Clip", y, net.const(0.), net.const(6.))
    return net.add("Div", net.add("Mul", x, y), net.const(6.))


@case("gelu, spelled out")
def gelu(net, x):
    y = net.add("Add", net.add("Erf", net.add("Div", x, net.const(2 ** .5))), net.const(1.))
    return net.add("Mul", net.add("Mul", x, y), net.const(.5))


@case("a long expression")
def long_expression(net, x):
    values = [x, *branches(net, x, 1)]
    values = [net.conv(v, 4, (1, 1)) for v in values]
    for _ in range(24):
        a, b = (values[i] for i in net.rng.integers(len(values), size=2))
        op = str(net.rng.choice(["Add", "Sub", "Mul", "Max", "Min", "Sigmoid", "Relu", "Tanh"]))
        values.append(net.add(op, a) if op in ("Sigmoid", "Relu") else
                      net.add("Tanh", a if op == "Tanh" else net.add(op, a, b)))
    return net.add("Sum", *values[-3:])


@case("BatchNormalization")
def batch_norm(net, x):
    return net.batch_norm(x)


@case("BatchNormalization after Conv, epsilon")
def batch_norm_conv(net, x):
    group = int(net.rng.choice([1, 2, 6]))
    x = net.conv(net.conv(x, 6, (1, 1)), 6, (3, 3), group=group)
    return net.add("Relu", net.batch_norm(x, epsilon=.1))


@case("BatchNormalization of a Conv read twice")
def batch_norm_shared(net, x):
    x = net.conv(x, 4, (3, 3))
    return net.add("Add", net.batch_norm(x), net.batch_norm(x))


@case("BatchNormalization of a view of a Conv read twice")
def batch_norm_view(net, x):
    x = net.conv(x, 4, (3, 3))
    y = net.reshape(x, 0, *net.shape(x)[1:])
    return net.add("Concat", net.batch_norm(y), net.add("Relu", x), axis=1)


@case("BatchNormalization twice, then after a grouped Conv with pads")
def batch_norm_twice(net, x):
    x = net.conv(net.conv(x, 4, (1, 1)), 8, (3, 3), group=2, pads=[2] * 4)
    return net.batch_norm(net.batch_norm(x))


@case("BatchNormalization of pooled features")
def batch_norm_pooled(net, x):
    return net.batch_norm(net.flat(net.add("GlobalAveragePool", x)))


@cases(17, shifted={"axis": -1}, positive_axis={"axis": 3}, epsilon={"epsilon": .1})
def layer_norm(net, x, attributes):
    c = channels(net, x)
    y = net.add("LayerNormalization", channel_last(net, x), net.positive(c), net.random(c),
                **attributes)
    return channel_first(net, y)


@case("LayerNormalization without shift", 17)
def layer_norm_no_shift(net, x):
    return channel_first(net, net.add("LayerNormalization", channel_last(net, x),
                                      net.positive(channels(net, x))))


@case("LayerNormalization of pooled features", 17)
def layer_norm_pooled(net, x):
    c = channels(net, x)
    x = net.flat(net.add("GlobalAveragePool", x))
    return net.add("LayerNormalization", x, net.positive(c), net.random(c), axis=1)


@cases(last=(-1,), first=(1,))
def layer_norm_spelled_out(net, x, axes):
    y = channel_last(net, x) if axes == (-1,) else x
    mean = net.setting("ReduceMean", y, "axes", list(axes), 18)
    y = net.add("Sub", y, mean)
    variance = net.setting("ReduceMean", net.add("Pow", y, net.const(2.)), "axes", list(axes), 18)
    y = net.add("Div", y, net.add("Sqrt", net.add("Add", variance, net.const(1e-3))))
    shape = (channels(net, x),) + ((1, 1) if axes == (1,) else ())
    y = net.add("Add", net.add("Mul", y, net.positive(*shape)), net.random(*shape))
    return channel_first(net, y) if axes == (-1,) else y


@case("ConvNeXt block")
def convnext(net, x):
    c = 8
    x = net.conv(x, c, (1, 1))
    y = channel_last(net, net.conv(x, c, (7, 7), group=c, same=True))
    if net.opset >= 17:
        y = net.add("LayerNormalization", y, net.positive(c), net.random(c))
    y = net.add("Add", net.add("MatMul", y, net.random(c, 3 * c, scale=.3)), net.random(3 * c))
    y = gelu(net, y)
    y = net.add("Add", net.add("MatMul", y, net.random(3 * c, c, scale=.3)), net.random(c))
    return net.add("Add", net.add("Mul", net.random(c, 1, 1), channel_first(net, y)), x)
