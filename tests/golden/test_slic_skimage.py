"""SLIC against scikit-image's on photographs: same number of segments, same labels.

Needs a built liblayermask.so (LAYERMASK_LIB, default build/liblayermask.so), the shared pictures
(LAYERMASK_SHARED, default ../shared), Pillow and scikit-image 0.19.  Without one of them the tests
are skipped.  SLIC_FULL=1 also compares at the pictures' own sizes, which takes some minutes.
"""

import ctypes
import glob
import os
import statistics
import unittest

try:
    import numpy as np
    import PIL.Image
    import skimage
    import skimage.segmentation
    MISSING = None
except ImportError as error:
    MISSING = str(error)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = os.environ.get("LAYERMASK_LIB", os.path.join(ROOT, "build", "liblayermask.so"))
SHARED = os.environ.get("LAYERMASK_SHARED", os.path.join(ROOT, "..", "shared"))


class Image(ctypes.Structure):
    _fields_ = [("width", ctypes.c_uint32), ("height", ctypes.c_uint32), ("rgb", ctypes.c_void_p)]


class Options(ctypes.Structure):
    _fields_ = [("method", ctypes.c_int), ("n_segments", ctypes.c_uint32),
                ("rows", ctypes.c_uint32), ("columns", ctypes.c_uint32), ("cell", ctypes.c_uint32),
                ("compactness", ctypes.c_double), ("max_num_iter", ctypes.c_uint32),
                ("sigma", ctypes.c_double), ("min_size_factor", ctypes.c_double),
                ("max_size_factor", ctypes.c_double)]


class Segments(ctypes.Structure):
    _fields_ = [("width", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("count", ctypes.c_uint32), ("labels", ctypes.POINTER(ctypes.c_int32))]


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 500)]


def our_slic(library, pixels, **options):
    """Labels of lm_segment for a height x width x 3 array of uint8."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    image = Image(width, height, pixels.ctypes.data)
    segments, error = Segments(), Error()
    status = library.lm_segment(ctypes.byref(image), ctypes.byref(Options(**options)),
                                ctypes.byref(segments), ctypes.byref(error))
    if status:
        raise ValueError(error.text.decode())
    labels = np.ctypeslib.as_array(segments.labels, (height, width)).copy()
    assert labels.min() == 0 and labels.max() == segments.count - 1
    library.lm_segments_free(ctypes.byref(segments))
    return labels


def rand_index(left, right):
    """Adjusted Rand index of two label maps (Hubert and Arabie 1985)."""
    table = np.zeros((left.max() + 1, right.max() + 1), dtype=np.int64)
    np.add.at(table, (left.ravel(), right.ravel()), 1)

    def pairs(counts):
        return float((counts * (counts - 1) // 2).sum())

    both, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = rows * columns / pairs(np.array(left.size))
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


@unittest.skipIf(MISSING, f"module missing: {MISSING}")
@unittest.skipUnless(os.path.exists(LIBRARY), f"library missing: {LIBRARY}")
class SlicAgainstSkimage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not skimage.__version__.startswith("0.19."):
            raise unittest.SkipTest(f"scikit-image is {skimage.__version__}, not 0.19")
        paths = sorted(glob.glob(os.path.join(SHARED, "images", "*.JPEG")))
        if not paths:
            raise unittest.SkipTest(f"no pictures in {SHARED}/images")
        cls.library = ctypes.CDLL(LIBRARY)
        cls.library.lm_segments_free.restype = None
        cls.full = [PIL.Image.open(path).convert("RGB") for path in paths]
        cls.small = [picture.resize((224, 224), PIL.Image.BILINEAR) for picture in cls.full]

    def compare(self, title, pictures, options):
        options = {"n_segments": 50, "compactness": 10.0, **options}
        indices, same = [], 0
        for picture in pictures:
            pixels = np.array(picture)
            ours = our_slic(self.library, pixels, **options)
            theirs = skimage.segmentation.slic(pixels, start_label=0, channel_axis=-1, **options)
            count, reference = ours.max() + 1, theirs.max() + 1
            self.assertLessEqual(abs(count - reference), 0.1 * reference, title)
            indices.append(rand_index(ours, theirs))
            same += bool((ours == theirs).all())
        print(f"slic {title}: {len(indices)} pictures, {same} with identical labels, "
              f"adjusted Rand index mean {statistics.mean(indices):.6f}, least {min(indices):.6f}",
              flush=True)
        self.assertGreaterEqual(statistics.mean(indices), 0.9, title)

    def test_defaults(self):
        self.compare("224x224, 50 segments, compactness 10", self.small, {})

    def test_numbers_of_segments(self):
        for n_segments in (20, 100, 200):
            self.compare(f"224x224, {n_segments} segments", self.small,
                         {"n_segments": n_segments})

    def test_compactness(self):
        for compactness in (1.0, 30.0):
            self.compare(f"224x224, compactness {compactness:g}", self.small,
                         {"compactness": compactness})

    def test_smoothing(self):
        self.compare("224x224, sigma 1.5", self.small[::8], {"sigma": 1.5})

    def test_sizes_and_rounds(self):
        self.compare("224x224, segments of 0.2 to 1.5 of the mean, 3 rounds", self.small[::8],
                     {"min_size_factor": 0.2, "max_size_factor": 1.5, "max_num_iter": 3})

    def test_narrow_pictures(self):
        for size in ((224, 3), (5, 224), (1, 100), (37, 211)):
            narrow = [picture.resize(size, PIL.Image.BILINEAR) for picture in self.full[::8]]
            self.compare(f"{size[0]}x{size[1]}", narrow, {"n_segments": 20})

    def test_full_size(self):
        pictures = self.full if os.environ.get("SLIC_FULL") == "1" else self.full[::16]
        self.compare("own size, 50 segments", pictures, {})


if __name__ == "__main__":
    unittest.main()
