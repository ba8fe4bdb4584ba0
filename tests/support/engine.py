"""The engine through ctypes, for tests that compare it with other implementations.

    model = Model("model.onnx", policy="default")
    logits = model.run(x, mask)          # x: N,C,H,W float32; mask: N,1,H,W of 0 and 1, or None
"""
import ctypes
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = os.environ.get("LAYERMASK_LIB", os.path.join(ROOT, "build", "liblayermask.so"))
SHARED = os.environ.get("LAYERMASK_SHARED", os.path.join(ROOT, "..", "shared"))
REFERENCE = os.path.join(SHARED, "reference")

POLICIES = {  # concat, exposed, average_pool, global_pool
    "default": (0, 0, 0, 0),
    "authors-squeezenet": (0, 0, 0, 1),
    "authors-densenet": (1, 1, 1, 1),
}
FIELDS = {
    "concat": ("union", "majority", "intersection"),
    "exposed": ("computed", "zero"),
    "average_pool": ("visible", "plain"),
    "global_pool": ("visible", "plain", "unmasked"),
}


PRECISIONS = ("float32", "bfloat16")


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 500)]


class Options(ctypes.Structure):
    _fields_ = [("height", ctypes.c_uint32), ("width", ctypes.c_uint32),
                ("policy", ctypes.c_int * 4), ("limits", ctypes.c_uint64 * 4),
                ("memo_bytes", ctypes.c_uint64), ("portable", ctypes.c_bool), ("precision", ctypes.c_int)]


class Info(ctypes.Structure):
    _fields_ = [("channels", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("width", ctypes.c_uint32), ("classes", ctypes.c_uint32),
                ("layers", ctypes.c_uint32), ("opset", ctypes.c_int64),
                ("parameters", ctypes.c_uint64), ("macs", ctypes.c_uint64),
                ("weight_bytes", ctypes.c_uint64), ("policy", ctypes.c_int * 4),
                ("precision", ctypes.c_int), ("kernels", ctypes.c_char_p)]


class Mask(ctypes.Structure):
    _fields_ = [("width", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("words", ctypes.c_size_t), ("bits", ctypes.POINTER(ctypes.c_uint64))]


class Stats(ctypes.Structure):
    _fields_ = [("needed", ctypes.c_uint64), ("done", ctypes.c_uint64), ("plain", ctypes.c_uint64)]


class EngineError(Exception):
    pass


def library():
    lib = ctypes.CDLL(LIBRARY)
    lib.lm_model_free.argtypes = lib.lm_session_free.argtypes = [ctypes.c_void_p]
    lib.lm_model_free.restype = lib.lm_session_free.restype = None
    lib.lm_operator_supported.restype = ctypes.c_char_p
    return lib


def operators():
    """The ONNX operators that the engine can run or fold."""
    lib, names = library(), []
    while (name := lib.lm_operator_supported(len(names))) is not None:
        names.append(name.decode())
    return names


def pack_mask(visible):
    """H,W of 0 and 1 -> (Mask, its bits, which must stay alive)."""
    height, width = visible.shape
    words = (width + 63) // 64
    padded = np.zeros((height, words * 64), np.uint8)
    padded[:, :width] = visible
    bits = np.ascontiguousarray(np.packbits(padded, axis=1, bitorder="little")).view(np.uint64)
    pointer = bits.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64))
    return Mask(width, height, words, pointer), bits


def policy_codes(policy):
    """A preset's name, or a mapping of fields to values."""
    if isinstance(policy, str):
        return POLICIES[policy]
    return tuple(names.index(policy.get(field, names[0])) for field, names in FIELDS.items())


class Model:
    def __init__(self, path, policy="default", size=(0, 0), portable=False, batch=4,
                 precision="float32"):
        self.lib, self.handle, self.session = library(), ctypes.c_void_p(), ctypes.c_void_p()
        self.batch = batch
        options = Options(size[0], size[1], (ctypes.c_int * 4)(*policy_codes(policy)))
        options.portable = portable
        options.precision = PRECISIONS.index(precision)
        self._check(lambda e: self.lib.lm_model_load(str(path).encode(), ctypes.byref(options),
                                                     ctypes.byref(self.handle), e))
        self.info = Info()
        self.lib.lm_model_info(self.handle, ctypes.byref(self.info))
        self._check(lambda e: self.lib.lm_session_create(self.handle, batch, 1,
                                                         ctypes.byref(self.session), e))

    @staticmethod
    def _check(call):
        error = Error()
        if call(ctypes.byref(error)) != 0:
            raise EngineError(error.text.decode(errors="replace"))

    def _run(self, x, mask):
        n = len(x)
        logits = np.empty((n, self.info.classes), np.float32)
        inputs = (ctypes.c_void_p * n)(*[x[i].ctypes.data for i in range(n)])
        masks, kept = None, []
        if mask is not None:
            kept = [pack_mask(mask[i, 0]) for i in range(n)]
            masks = (ctypes.c_void_p * n)(*[ctypes.addressof(m[0]) for m in kept])
        self._check(lambda e: self.lib.lm_session_run(
            self.session, n, inputs, masks, logits.ctypes.data_as(ctypes.c_void_p), None, e))
        return logits

    def run(self, x, mask=None):
        x = np.ascontiguousarray(x, np.float32)
        return np.concatenate([self._run(x[i:i + self.batch],
                                         None if mask is None else mask[i:i + self.batch])
                               for i in range(0, len(x), self.batch)])

    def stats(self):
        """Multiply-adds of the last micro-batch: needed, done, plain."""
        stats = Stats()
        self.lib.lm_session_stats(self.session, ctypes.byref(stats))
        return stats

    def __del__(self):
        if getattr(self, "session", None):
            self.lib.lm_session_free(self.session)
        if getattr(self, "handle", None):
            self.lib.lm_model_free(self.handle)


def oracle():
    """The executable specification's modules (layer_masking, make_golden), or None."""
    if not os.path.exists(os.path.join(REFERENCE, "layer_masking.py")):
        return None
    if REFERENCE not in sys.path:
        sys.path.insert(0, REFERENCE)
    try:
        import layer_masking
        import make_golden
        return layer_masking, make_golden
    except ImportError:
        return None
