#!/usr/bin/python3
"""Compares decoding, scaling and cropping with Pillow's, by calling liblayermask.so.

LAYERMASK_LIB     the library (default: build/liblayermask.so)
LAYERMASK_SHARED  folder with images/*.JPEG for the comparison on photographs (default: ../shared)
SEED              replays the random pictures of a run
"""
import ctypes
import os
import pathlib
import random
import unittest

try:
    import numpy as np
    from PIL import Image
except ImportError:
    np = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = pathlib.Path(os.environ.get("LAYERMASK_LIB", ROOT / "build" / "liblayermask.so"))
SHARED = pathlib.Path(os.environ.get("LAYERMASK_SHARED", ROOT.parent / "shared"))
SEED = int(os.environ.get("SEED", "1"))


class LmImage(ctypes.Structure):
    _fields_ = [("width", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("rgb", ctypes.POINTER(ctypes.c_uint8))]


class LmError(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 500)]


class LmPreprocess(ctypes.Structure):
    _fields_ = [("height", ctypes.c_uint32), ("width", ctypes.c_uint32),
                ("channels", ctypes.c_int), ("resize_shorter", ctypes.c_uint32),
                ("center_crop", ctypes.c_bool), ("mean", ctypes.c_float * 3),
                ("std", ctypes.c_float * 3)]


class LmTransform(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in (
        "image_width", "image_height", "resized_width", "resized_height", "crop_x", "crop_y",
        "input_width", "input_height")]


class Library:
    def __init__(self):
        self.lib = ctypes.CDLL(str(LIBRARY))

    def call(self, name, *arguments):
        error = LmError()
        function = getattr(self.lib, name)
        if function(*arguments, ctypes.byref(error)):
            raise RuntimeError(error.text.decode())

    def take(self, image):
        """The pixels as an array; the picture is released."""
        shape = (image.height, image.width, 3)
        pixels = np.ctypeslib.as_array(image.rgb, shape).copy()
        self.lib.lm_image_free(ctypes.byref(image))
        return pixels

    @staticmethod
    def lend(pixels):
        pointer = pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        return LmImage(pixels.shape[1], pixels.shape[0], pointer)

    def decode(self, data):
        out = LmImage()
        self.call("lm_image_decode", data, ctypes.c_size_t(len(data)), None, ctypes.byref(out))
        return self.take(out)

    def resize(self, pixels, width, height):
        image, out = self.lend(pixels), LmImage()
        self.call("lm_image_resize", ctypes.byref(image), ctypes.c_uint32(width),
                  ctypes.c_uint32(height), ctypes.byref(out))
        return self.take(out)

    def network_input(self, pixels, shorter, side):
        image, out, plan = self.lend(pixels), LmImage(), LmTransform()
        preprocess = LmPreprocess(side, side, 0, shorter, True)
        self.call("lm_transform_plan", ctypes.byref(preprocess), ctypes.c_uint32(image.width),
                  ctypes.c_uint32(image.height), ctypes.byref(plan))
        self.call("lm_transform_apply", ctypes.byref(plan), ctypes.byref(image), ctypes.byref(out))
        return self.take(out)


def random_picture(rng, width, height):
    """Noise, hard-edged bars, or a smooth ground: what shows rounding, ringing and shifts."""
    kind = rng.integers(3)
    if kind == 0:
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == 1:
        return np.where(rng.random((height, width, 3)) < 0.5, 0, 255).astype(np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    ground = [255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)]
    return np.stack(ground, 2).astype(np.uint8)


def pillow_input(image, shorter, side):
    """torchvision's Resize(shorter) and CenterCrop(side), in words of Pillow."""
    width, height = image.size
    if width <= height:
        size = (shorter, int(shorter * height / width))
    else:
        size = (int(shorter * width / height), shorter)
    left, top = (int(round((length - side) / 2.0)) for length in size)
    return image.resize(size, Image.BILINEAR).crop((left, top, left + side, top + side))


def report(name, counts):
    total = sum(counts.values())
    shares = ", ".join("%d: %.6f %%" % (d, 100 * counts[d] / total) for d in sorted(counts))
    print("%s: %d samples, differences %s" % (name, total, shares))


def count_differences(counts, ours, theirs):
    if ours.shape != theirs.shape:
        raise AssertionError("%s, not %s" % (ours.shape, theirs.shape))
    values, numbers = np.unique(np.abs(ours.astype(int) - theirs.astype(int)), return_counts=True)
    for value, number in zip(values.tolist(), numbers.tolist()):
        counts[value] = counts.get(value, 0) + number


@unittest.skipIf(np is None, "numpy or Pillow is missing")
@unittest.skipUnless(LIBRARY.exists(), "%s is not built" % LIBRARY)
class AgainstPillow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.library = Library()

    def test_random_sizes(self):
        rng, sizes, counts = np.random.default_rng(SEED), random.Random(SEED), {}
        for _ in range(400):
            width, height, to_width, to_height = (
                int(2 ** sizes.uniform(0, 8.5)) for _ in range(4))
            pixels = random_picture(rng, width, height)
            ours = self.library.resize(pixels, to_width, to_height)
            theirs = Image.fromarray(pixels).resize((to_width, to_height), Image.BILINEAR)
            with self.subTest(seed=SEED, size=(width, height), to=(to_width, to_height)):
                count_differences(counts, ours, np.asarray(theirs))
                self.assertLessEqual(max(counts), 1)
        report("random sizes", counts)

    def test_extreme_shapes(self):
        rng, counts = np.random.default_rng(SEED), {}
        for size, to in (((1, 5000), (3, 2)), ((5000, 1), (1, 7)), ((2, 2), (999, 1)),
                         ((3000, 2000), (5, 3)), ((1, 1), (64, 64)), ((4000, 3), (3999, 4))):
            pixels = random_picture(rng, *size)
            theirs = Image.fromarray(pixels).resize(to, Image.BILINEAR)
            count_differences(counts, self.library.resize(pixels, *to), np.asarray(theirs))
        report("extreme shapes", counts)
        self.assertLessEqual(max(counts), 1)

    def test_photographs(self):
        paths = sorted((SHARED / "images").glob("*.JPEG"))
        if not paths:
            self.skipTest("no photographs in %s" % (SHARED / "images"))
        decoded, inputs = {}, {}
        for path in paths:
            image = Image.open(path).convert("RGB")
            ours = self.library.decode(path.read_bytes())
            count_differences(decoded, ours, np.asarray(image))
            for shorter, side in ((256, 224), (146, 128)):
                count_differences(inputs, self.library.network_input(ours, shorter, side),
                                  np.asarray(pillow_input(image, shorter, side)))
        report("%d photographs, decoded" % len(paths), decoded)
        report("%d photographs, scaled and cropped" % len(paths), inputs)
        self.assertLessEqual(max(decoded), 1)
        self.assertLessEqual(max(inputs), 1)


if __name__ == "__main__":
    unittest.main()
