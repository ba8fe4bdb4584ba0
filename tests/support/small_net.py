"""Small ONNX networks made by hand, node by node, for tests that compare two implementations.

    net = Net(seed=1, opset=13, size=(9, 12))
    y = net.add("Relu", net.conv(net.input, 4, (3, 3)))
    net.save("net.onnx", net.flat(y))

Names stand for tensors.  Every node that the specification's plain operators know is also evaluated
at once, on one random image, so that net.shape(name) is known while building; `specification` is
their module, onnx_ops.  net.rng is the source of all random choices.
"""
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper


class Net:
    def __init__(self, specification, seed, opset, size, channels=3):
        self.specification, self.opset = specification, opset
        self.rng = np.random.default_rng(seed)
        self.input, self.nodes, self.weights = "x", [], []
        image = self.rng.standard_normal((1, channels, *size), np.float32)
        self.values = {"x": torch.from_numpy(image), "": None}

    def shape(self, name):
        return list(self.values[name].shape)

    def const(self, array):
        """An initializer; float arrays become float32."""
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        self.values[name] = torch.from_numpy(array.copy())
        return name

    def random(self, *shape, scale=1.0):
        return self.const(scale * self.rng.standard_normal(shape))

    def positive(self, *shape):
        return self.const(self.rng.uniform(.5, 1.5, shape))

    def add(self, op, *inputs, outputs=1, **attributes):
        """Adds a node; returns its output's name, or a list of them."""
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        node = helper.make_node(op, list(inputs), names, f"n{len(self.nodes)}", **attributes)
        self.nodes.append(node)
        if op in self.specification.ORDINARY and all(name in self.values for name in inputs):
            self._evaluate(node, names)
        return names[0] if outputs == 1 else names

    def _evaluate(self, node, names):
        attributes = {}
        for a in node.attribute:
            value = helper.get_attribute_value(a)
            if isinstance(value, onnx.TensorProto):
                value = torch.from_numpy(np.array(numpy_helper.to_array(value)))
            attributes[a.name] = value
        inputs = [self.values[name] for name in node.input]
        while inputs and inputs[-1] is None:
            inputs.pop()
        described = self.specification.Node(node.op_type, attributes, list(node.input), names,
                                            self.opset)
        result = self.specification.ORDINARY[node.op_type](described, *inputs)
        for name, value in zip(names, result if isinstance(result, list) else [result]):
            self.values[name] = value

    def setting(self, op, x, name, value, since, **attributes):
        """A node whose setting `name` is an attribute before opset `since`, then an input."""
        if self.opset < since:
            return self.add(op, x, **{name: value}, **attributes)
        return self.add(op, x, self.const(np.asarray(value, np.int64)), **attributes)

    def conv(self, x, out, kernel, group=1, bias=True, same=False, **attributes):
        """Random weights that keep the size of numbers; same: pads that keep rows and columns."""
        fan = self.shape(x)[1] // group * kernel[0] * kernel[1]
        weights = self.random(out, self.shape(x)[1] // group, *kernel, scale=(1.5 / fan) ** .5)
        if same:
            up, left = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
            attributes["pads"] = [up, left, kernel[0] - 1 - up, kernel[1] - 1 - left]
        inputs = [x, weights] + ([self.random(out, scale=.3)] if bias else [])
        return self.add("Conv", *inputs, group=group, **attributes)

    def batch_norm(self, x, **attributes):
        c = self.shape(x)[1]
        return self.add("BatchNormalization", x, self.positive(c), self.random(c, scale=.3),
                        self.random(c, scale=.3), self.positive(c), **attributes)

    def pad(self, x, before, after, constant=0.0, axes=None):
        """before, after: cells for each axis (or for each of axes, opset 18)."""
        if self.opset < 11:
            return self.add("Pad", x, pads=[*before, *after], value=constant)
        inputs = [x, self.const(np.array([*before, *after])), self.const(np.float32(constant))]
        return self.add("Pad", *inputs, *([self.const(np.array(axes))] if axes else []))

    def slice(self, x, starts, ends, axes, steps=None):
        if self.opset < 10:
            return self.add("Slice", x, starts=starts, ends=ends, axes=axes)
        lists = [starts, ends, axes] + ([steps] if steps else [])
        return self.add("Slice", x, *[self.const(np.array(v)) for v in lists])

    def reshape(self, x, *shape):
        return self.add("Reshape", x, self.const(np.array(shape)))

    def flat(self, x):
        return self.add("Flatten", x)

    def _needed(self, output):
        """The nodes that lead to `output`."""
        wanted, nodes = {output}, []
        for node in reversed(self.nodes):
            if wanted & set(node.output):
                wanted |= set(node.input)
                nodes.insert(0, node)
        return nodes

    def save(self, path, output, prune=False):
        """Writes the graph with an open batch size; output: the name of an N,K tensor.
        prune: without the nodes that do not lead there."""
        image, result = self.shape("x"), self.shape(output)
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self._needed(output) if prune else self.nodes, "net",
            [value("x", TensorProto.FLOAT, ["n", *image[1:]])],
            [value(output, TensorProto.FLOAT, ["n", *result[1:]])], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        onnx.save(model, path)
