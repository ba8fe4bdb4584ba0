"""Random networks: Convs, pools, sums, gates, concatenations and cuts, wired at random."""


def grow(net, steps=12):
    """Appends a random network to a small_net.Net; returns its N,K output.  Numbers stay near 1."""
    rng, made = net.rng, [net.conv(net.input, 4, (3, 3), same=True), net.input]

    def pick():
        """Rather a late tensor than an early one."""
        return made[int(len(made) * rng.random() ** .5)]

    def like(x):
        """Another tensor with the rows and columns of x, or x."""
        alike = [y for y in made if net.shape(y)[2:] == net.shape(x)[2:]]
        return alike[rng.integers(len(alike))]

    def room(x):
        return min(net.shape(x)[2:])

    def conv(x):
        kernel = [(1, 1), (3, 3), (1, 7), (7, 1), (5, 3), (2, 2), (5, 5)][rng.integers(7)]
        group = int(rng.choice([g for g in (1, 2, net.shape(x)[1]) if net.shape(x)[1] % g == 0]))
        stride = [1, 2][rng.random() < .25 and room(x) > 8]
        y = net.conv(x, group * int(rng.integers(1, 5)), kernel, group=group, same=True,
                     strides=[stride, stride])
        y = net.batch_norm(y) if rng.random() < .4 else y
        op = str(rng.choice(["Relu", "Sigmoid", "LeakyRelu"]))
        return net.add(op, y) if rng.random() < .6 else y

    def pool(x):
        stride = [1, 2][rng.random() < .5 and room(x) > 8]
        attributes = {"count_include_pad": 1} if rng.random() < .3 else {}
        op = "AveragePool" if attributes or rng.random() < .5 else "MaxPool"
        return net.add(op, x, kernel_shape=[3, 3], strides=[stride, stride], pads=[1] * 4,
                       **attributes)

    def combine(x):
        y = like(x)
        if net.shape(x)[1] != net.shape(y)[1]:
            y = net.conv(y, net.shape(x)[1], (1, 1))
        op = str(rng.choice(["Add", "Mul", "Max", "Sub"]))
        return net.add(op, x, net.add("Tanh", y) if op == "Mul" else y)

    def concat(x):
        parts = [like(x) for _ in range(rng.integers(2, 5))]
        y = net.add("Concat", *parts, axis=1)
        return net.conv(y, 6, (1, 1)) if net.shape(y)[1] > 24 else y

    def gate(x):
        s = net.add(["GlobalAveragePool", "GlobalMaxPool"][rng.integers(2)], x)
        return net.add("Mul", net.add("Sigmoid", net.conv(s, net.shape(x)[1], (1, 1))), x)

    def cut(x):
        c, h, w = net.shape(x)[1:]
        kind = rng.integers(4)
        if kind == 0 and c > 1:
            return net.slice(x, [0], [int(rng.integers(1, c))], [1])
        if kind == 1 and room(x) > 8:
            return net.slice(x, [1, 0], [1 << 40, w - 2], [2, 3])
        if kind == 2 and c % 2 == 0:
            a, b = net.add("Split", x, outputs=2, axis=1)
            return net.add("Concat", b, a, axis=1)
        return net.pad(x, [0, 1, 0, 0], [0, 0, 0, 0], .5)

    def pad_conv(x):
        constant = .5 * int(rng.integers(2))
        return net.conv(net.pad(x, [0, 0, 1, 0], [0, 0, 2, 1], constant), 3, (3, 3))

    def shift(x):
        c, h, w = net.shape(x)[1:]
        shape = [(c, 1, 1), (1, 1, 1), (h, w), (1, c, h, w)][rng.integers(4)]
        return net.add(["Add", "Mul"][rng.integers(2)], x, net.random(*shape, scale=.7))

    def activation(x):
        return net.add(str(rng.choice(["Relu", "Sigmoid", "Tanh", "Elu", "Abs", "HardSigmoid"])), x)

    def mean(x):
        return net.setting("ReduceMean", x, "axes", [1], 18)

    kinds = [conv] * 6 + [combine] * 4 + [concat] * 4 + [pool] * 2 + \
            [gate, cut, pad_conv, shift, activation, mean]
    for _ in range(steps):
        made.append(kinds[rng.integers(len(kinds))](pick()))
    last = [net.flat(made[-1])] + [net.flat(net.add("GlobalAveragePool", x)) for x in made[-4:-1]]
    return net.add("Concat", *last, axis=1)
