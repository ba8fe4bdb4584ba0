"""What onnx_read reads of a model is what the onnx package reads: every tensor bit by bit.

Models: those of the shared folder (skipped without it), and small ones made here with every number
type, typed, raw and in another file.  Also the peak of memory for a large file.
"""

import glob
import json
import os
import subprocess
import tempfile
import unittest

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    raise unittest.SkipTest(f"needs {missing.name}") from missing

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(os.environ.get("LAYERMASK_BIN", os.path.join(ROOT, "build", "layermask")))
DUMP = os.path.join(BUILD, "tests", "tools", "onnx_dump")
SHARED = os.environ.get("LAYERMASK_SHARED", os.path.join(ROOT, os.pardir, "shared"))
KINDS = {"FLOAT": 0, "INT": 1, "STRING": 2, "TENSOR": 3, "FLOATS": 4, "INTS": 5}


def dump(path):
    """The lines of onnx_dump, tensors with their bytes."""
    run = subprocess.run([DUMP, path], capture_output=True, check=False)
    if run.returncode != 0:
        raise AssertionError(run.stderr.decode())
    rest, records = run.stdout, []
    while rest:
        line, rest = rest.split(b"\n", 1)
        record = json.loads(line)
        if "tensor" in record:
            record["data"], rest = rest[: record["bytes"]], rest[record["bytes"] + 1 :]
        records.append(record)
    return records


def bits_of(tensor):
    """Its numbers as our reader keeps them: float32 or int64."""
    if tensor.data_type == TensorProto.BFLOAT16:
        raw = tensor.raw_data or np.array(tensor.int32_data, np.uint16).tobytes()
        return (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).tobytes()
    array = numpy_helper.to_array(tensor)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64).tobytes()


def attribute_value(attribute):
    value = helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value


class Checks:
    def check_tensor(self, record, tensor):
        self.assertEqual(record["tensor"], tensor.name)
        self.assertEqual(record["source_type"], tensor.data_type, tensor.name)
        self.assertEqual(record["dims"], list(tensor.dims), tensor.name)
        self.assertEqual(record["data"], bits_of(tensor), tensor.name)

    def check_node(self, records, node):
        record = records.pop(0)
        self.assertEqual((record["node"], record["op"]), (node.name, node.op_type))
        self.assertEqual(record["inputs"], list(node.input))
        self.assertEqual(record["outputs"], list(node.output))
        self.assertEqual(record["attributes"], len(node.attribute))
        for attribute in node.attribute:
            record = records.pop(0)
            kind = onnx.AttributeProto.AttributeType.Name(attribute.type)
            self.assertEqual(record["attribute"], attribute.name)
            self.assertEqual(record["kind"], KINDS.get(kind, 6))
            if kind == "TENSOR":
                self.check_tensor(records.pop(0), attribute.t)
            elif kind in KINDS:
                value = record["value"]
                if kind == "FLOAT":
                    value = float(np.float32(value))
                self.assertEqual(value, attribute_value(attribute))

    def check_value(self, record, kind, value):
        tensor = value.type.tensor_type
        self.assertEqual((record[kind], record["source_type"]), (value.name, tensor.elem_type))
        dims = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
        self.assertEqual(record["dims"], dims)

    def check_file(self, path):
        model, records = onnx.load(path), dump(path)
        graph = model.graph
        opset = next(o.version for o in model.opset_import if o.domain == "")
        self.assertEqual(records.pop(0), {"ir_version": model.ir_version, "opset": opset})
        names = {tensor.name for tensor in graph.initializer}
        for value in graph.input:
            if value.name not in names:
                self.check_value(records.pop(0), "input", value)
        for value in graph.output:
            self.check_value(records.pop(0), "output", value)
        for node in graph.node:
            self.check_node(records, node)
        for tensor in graph.initializer:
            self.check_tensor(records.pop(0), tensor)
        self.assertEqual(records, [])


@unittest.skipUnless(os.path.exists(DUMP), f"needs {DUMP}")
class SharedModels(Checks, unittest.TestCase):
    def test_shared_models(self):
        paths = glob.glob(os.path.join(SHARED, "models", "**", "*.onnx"), recursive=True)
        if not paths:
            self.skipTest(f"no models in {SHARED}")
        for path in sorted(paths):
            with self.subTest(path):
                self.check_file(path)


def small_model(tensors):
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Relu", ["x"], ["h"], name="first"),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.float16([1, 2]))),
        helper.make_node("Add", ["h", "c"], ["y"], name="last", alpha=0.1, mode=["a", "b"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [value("x", TensorProto.FLOAT, ["n", 2])],
        [value("y", TensorProto.FLOAT, ["n", 2])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def numbers_of(type_name, random):
    """A 3 x 4 array of numpy's type that has the extremes in it."""
    kind = np.dtype(type_name)
    if kind.kind == "b":
        return random.integers(0, 2, (3, 4)).astype(bool)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        array = random.integers(info.min, info.max, (3, 4), dtype=kind, endpoint=True)
        array[0, :2] = info.min, info.max
        return array
    array = random.standard_normal((3, 4)).astype(kind)
    array[0] = 0.0, -0.0, np.inf, np.finfo(kind).tiny / 4
    return array


@unittest.skipUnless(os.path.exists(DUMP), f"needs {DUMP}")
class MadeModels(Checks, unittest.TestCase):
    TYPES = "float32 float64 float16 int64 int32 int16 int8 uint16 uint8 bool".split()

    def tensors(self):
        random = np.random.default_rng(7)
        for name in self.TYPES:
            array = numbers_of(name, random)
            yield numpy_helper.from_array(array, "raw_" + name)
            data_type = onnx.mapping.NP_TYPE_TO_TENSOR_TYPE[array.dtype]
            numbers = array.flatten().tolist()
            yield helper.make_tensor("typed_" + name, data_type, array.shape, numbers)
        bits = random.integers(0, 2**16, 24, dtype=np.uint16)
        yield helper.make_tensor("raw_bf16", TensorProto.BFLOAT16, [4, 6], bits.tobytes(), raw=True)
        typed = TensorProto(name="typed_bf16", data_type=TensorProto.BFLOAT16, dims=[24])
        typed.int32_data.extend(bits.tolist())
        yield typed
        yield numpy_helper.from_array(np.float32(3), "scalar")
        yield numpy_helper.from_array(np.zeros((2, 0, 3), np.int64), "empty")

    def test_every_type(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "types.onnx")
            onnx.save(small_model(list(self.tensors())), path)
            self.check_file(path)

    def test_external(self):
        with tempfile.TemporaryDirectory() as folder:
            for one_file in (True, False):
                path = os.path.join(folder, f"external{one_file}.onnx")
                tensors = [t for t in self.tensors() if t.HasField("raw_data")]
                onnx.save(
                    small_model(tensors),
                    path,
                    save_as_external_data=True,
                    all_tensors_to_one_file=one_file,
                    location="weights.bin" if one_file else None,
                    size_threshold=0,
                )
                self.check_file(path)

    def test_memory_of_a_large_file(self):
        """100 MB of float32: at most the file and its largest tensor."""
        if os.environ.get("LAYERMASK_SANITIZED"):
            self.skipTest("sanitizers take memory of their own")
        arrays = [np.ones((1 << 20) * size, np.float32) for size in (1, 4, 5, 4, 5, 1, 5)]
        tensors = [numpy_helper.from_array(a, f"w{k}") for k, a in enumerate(arrays)]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "large.onnx")
            onnx.save(small_model(tensors), path)
            size = os.path.getsize(path) / 1024
            run = subprocess.run([DUMP, "--memory", path], capture_output=True, check=True)
        before, after = map(int, run.stdout.split())
        if before < 0:
            self.skipTest("no /proc")
        self.assertLess(after - before, 1.25 * size)


if __name__ == "__main__":
    unittest.main()
