#!/usr/bin/python3
"""Writes tests/golden/images: small pictures of every kind that the image room reads.

Beside each picture lies what it must decode to (NAME.ppm, 8-bit RGB) and, for PNG, which pixels
count as set when it is read as a mask (NAME.pgm, 0 or 1).  The expectations come from Pillow
(JPEG, resizing) or from the samples themselves (PNG, which this script encodes on its own, because
Pillow writes neither interlaced files nor most sample formats).

Needs numpy, Pillow and cjpeg (libjpeg-turbo-progs).  Run it from anywhere; it takes no arguments.
"""
import io
import pathlib
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageOps

INTERLACED = {"grey1", "grey2", "grey16_clear", "palette4_alpha", "rgb8", "rgb16_alpha"}
OUT = pathlib.Path(__file__).resolve().parents[1] / "golden" / "images"


def write(name, data):
    (OUT / name).write_bytes(data)


def write_ppm(name, rgb):
    rgb = np.ascontiguousarray(rgb, dtype=np.uint8)
    height, width, _ = rgb.shape
    write(name, b"P6 %d %d 255\n" % (width, height) + rgb.tobytes())


def write_pgm(name, mask):
    height, width = mask.shape
    write(name, b"P5 %d %d 1\n" % (width, height) + mask.astype(np.uint8).tobytes())


def picture(width, height):
    """A smooth ground with hard edges on it, different in all corners."""
    y, x = np.mgrid[0:height, 0:width]
    ground = np.stack([255 * x / width, 255 * y / height, 255 - 127 * (x + y) / (width + height)], 2)
    image = Image.fromarray(ground.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse([width // 5, height // 4, width // 2, height // 2], fill=(250, 220, 10))
    draw.rectangle([width // 2, height // 2, width - 3, height - 2], fill=(10, 60, 20))
    draw.line([0, height - 1, width - 1, 0], fill=(255, 255, 255))
    return image


# TIFF with one entry, the orientation, after one that has nothing to do with it.
def exif(orientation, big_endian):
    order = ">" if big_endian else "<"
    entries = struct.pack(order + "HHIHH", 0x0103, 3, 1, 6, 0)
    entries += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    head = (b"MM" if big_endian else b"II") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", 2) + entries + struct.pack(order + "I", 0)


def cjpeg(image, *options):
    ppm = io.BytesIO()
    image.save(ppm, "PPM")
    return subprocess.run(["cjpeg", *options], input=ppm.getvalue(), stdout=subprocess.PIPE,
                          check=True).stdout


def pillow_jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85, **options)
    return file.getvalue()


def write_jpeg(name, data):
    write(name + ".jpg", data)
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    write_ppm(name + ".ppm", np.asarray(image))


def make_jpegs():
    image = picture(27, 19)
    rgb = np.asarray(image).astype(int)
    black = 255 - rgb.max(2)
    inks = np.dstack([255 - rgb - black[..., None], black]).clip(0, 255).astype(np.uint8)
    cmyk = pillow_jpeg(Image.fromarray(inks, "CMYK"))
    adobe = cmyk.index(b"Adobe")
    baseline = pillow_jpeg(image)
    scan = baseline.index(b"\xff\xda")
    table = baseline.index(b"\xff\xdb")
    write_jpeg("baseline", baseline)
    write_jpeg("full_chroma", pillow_jpeg(image, subsampling=0))
    write_jpeg("half_chroma", pillow_jpeg(image, subsampling=1))
    write_jpeg("progressive", pillow_jpeg(image, progressive=True))
    write_jpeg("grey", pillow_jpeg(image.convert("L")))
    write_jpeg("cmyk", cmyk)
    # The same samples declared as YCCK: the transform is the last byte of Adobe's marker.
    write_jpeg("ycck", cmyk[:adobe + 11] + b"\x02" + cmyk[adobe + 12:])
    write_jpeg("rgb", cjpeg(image, "-rgb"))
    write_jpeg("arithmetic", cjpeg(image, "-arithmetic"))
    write_jpeg("restart", cjpeg(image, "-restart", "1"))
    write_jpeg("one_pixel", pillow_jpeg(image.crop((0, 0, 1, 1))))
    write_jpeg("long", pillow_jpeg(image.resize((400, 1))))
    write_jpeg("stray_bytes", baseline[:table] + b"stray" + baseline[table:])
    write_jpeg("trailing_bytes", baseline + b"more \xff\xd8\xff" * 5)
    write_jpeg("odd_exif", pillow_jpeg(image, exif=b"Exif\0\0MM\0*\xff\xff\xff\xf0"))
    for n in range(1, 9):
        write_jpeg("exif_%d" % n, pillow_jpeg(image, exif=b"Exif\0\0" + exif(n, n % 2 == 0)))
    app1 = lambda data: b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    rest = pillow_jpeg(image, exif=b"Exif\0\0" + exif(3, True))[2:]
    write_jpeg("several_app1", b"\xff\xd8" + app1(b"") * 3 + app1(b"http://ns.adobe.com/xap/1.0/\0<x/>") +
               app1(b"Exif\0\0" + exif(8, False)) + rest)
    # Without its entropy-coded data, the picture would be grey.
    write("no_data.jpg", baseline[:scan + 14] + b"\xff\xd9")


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pack_row(samples, depth):
    """samples: (pixels, channels)."""
    flat = samples.reshape(-1)
    if depth == 16:
        return flat.astype(">u2").tobytes()
    if depth == 8:
        return flat.astype(np.uint8).tobytes()
    bits = (flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(-1).astype(np.uint8)).tobytes()


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def encode_png(samples, colour_type, depth, interlaced=False, before=b"", after=b""):
    """samples: (height, width, channels); unfiltered rows."""
    height, width, _ = samples.shape
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    rows = b""
    for x, y, dx, dy in passes:
        for row in samples[y::dy, x::dx]:
            if row.size:
                rows += b"\0" + pack_row(row, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before +
            chunk(b"IDAT", zlib.compress(rows, 9)) + after + chunk(b"IEND", b""))


def rounded_8(samples, depth):
    """To 8 bits, halves up (they do not occur)."""
    return np.floor(samples * 255.0 / (2 ** depth - 1) + 0.5).astype(int)


def on_white(colour, alpha):
    """Composited by exact arithmetic on the 8-bit samples."""
    return np.floor((colour * alpha + 255.0 * (255 - alpha)) / 255 + 0.5).astype(int)


def write_png(name, samples, colour_type, depth, colour, alpha, chunks=b""):
    """colour: (h, w, 3) and alpha: (h, w) as full-depth samples, with the depth that they have."""
    (colour, colour_depth), (alpha, alpha_depth) = colour, alpha
    write(name + ".png", encode_png(samples, colour_type, depth, False, chunks))
    if name in INTERLACED or name.startswith("size_"):
        write(name + "_interlaced.png", encode_png(samples, colour_type, depth, True, chunks))
    shown = on_white(rounded_8(colour, colour_depth), rounded_8(alpha, alpha_depth)[..., None])
    write_ppm(name + ".ppm", shown)
    write_pgm(name + ".pgm", colour.any(2) & (alpha != 0))


def random_samples(rng, channels, depth, height=11, width=13):
    """Many zeros, and for 16 bits values that vanish when either byte is dropped."""
    samples = rng.integers(0, 2 ** depth, (height, width, channels))
    samples[rng.random(samples.shape) < 0.4] = 0
    samples[2, :] = 0
    if depth == 16:
        samples[3, :] = 0
        samples[3, :, 0] = np.resize([0, 1, 256, 255, 65535], width)
    return samples


def make_pngs():
    rng = np.random.default_rng(20)
    opaque = lambda samples: (np.full(samples.shape[:2], 255), 8)
    for depth in (1, 2, 4, 8, 16):
        grey = random_samples(rng, 1, depth)
        colour = (np.repeat(grey, 3, 2), depth)
        write_png("grey%d" % depth, grey, 0, depth, colour, opaque(grey))
        clear = int(grey[5, 5, 0])
        alpha = (np.where(grey[..., 0] == clear, 0, 255), 8)
        if depth in (4, 8, 16):
            trns = chunk(b"tRNS", struct.pack(">H", clear))
            write_png("grey%d_clear" % depth, grey, 0, depth, colour, alpha, trns)
    for depth in (1, 2, 4, 8):
        palette = rng.integers(0, 256, (2 ** depth, 3))
        palette[0] = 0
        alphas = rng.integers(0, 256, 2 ** depth)
        alphas[-1] = 0
        index = rng.integers(0, 2 ** depth, (11, 13, 1))
        plte = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
        colour = (palette[index[..., 0]], 8)
        write_png("palette%d" % depth, index, 3, depth, colour, opaque(index), plte)
        trns = plte + chunk(b"tRNS", alphas.astype(np.uint8).tobytes())
        write_png("palette%d_alpha" % depth, index, 3, depth, colour, (alphas[index[..., 0]], 8), trns)
    for depth in (8, 16):
        rgb = random_samples(rng, 3, depth)
        write_png("rgb%d" % depth, rgb, 2, depth, (rgb, depth), opaque(rgb))
        clear = rgb[5, 5]
        alpha = (np.where((rgb == clear).all(2), 0, 255), 8)
        trns = chunk(b"tRNS", struct.pack(">HHH", *(int(v) for v in clear)))
        write_png("rgb%d_clear" % depth, rgb, 2, depth, (rgb, depth), alpha, trns)
        both = random_samples(rng, 2, depth)
        write_png("grey%d_alpha" % depth, both, 4, depth, (np.repeat(both[..., :1], 3, 2), depth),
                  (both[..., 1], depth))
        rgba = random_samples(rng, 4, depth)
        write_png("rgb%d_alpha" % depth, rgba, 6, depth, (rgba[..., :3], depth), (rgba[..., 3], depth))
    for width, height in ((1, 1), (2, 5), (5, 3), (1, 9), (300, 1)):
        rgb = random_samples(rng, 3, 8, max(height, 3), max(width, 1))[:height]
        write_png("size_%dx%d" % (width, height), rgb, 2, 8, (rgb, 8), opaque(rgb))
    rgb = np.asarray(picture(27, 19)).astype(int)
    # A text that unpacks to 5 MB, a gamma and a broken profile: all without effect.
    noise = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"iCCP", b"name\0\0broken")
    noise += chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5000000), 9))
    write_png("optional_chunks", rgb, 2, 8, (rgb, 8), opaque(rgb), noise)
    stored = {1: rgb, 2: rgb[:, ::-1], 3: rgb[::-1, ::-1], 4: rgb[::-1], 5: rgb.swapaxes(0, 1),
              6: np.rot90(rgb, 1), 7: rgb[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(rgb, -1)}
    for n, samples in stored.items():
        information = chunk(b"eXIf", exif(n, n % 2 == 1))
        place = {"after": information} if n in (3, 6) else {"before": information}
        write("exif_%d.png" % n, encode_png(samples, 2, 8, n == 7, **place))
    write_ppm("exif_png.ppm", rgb)


def make_resizes():
    image = picture(61, 43)
    write_ppm("resize_source.ppm", np.asarray(image))
    for width, height in ((32, 22), (7, 5), (1, 1), (61, 9), (90, 43), (120, 80), (3, 90)):
        resized = image.resize((width, height), Image.BILINEAR)
        write_ppm("resize_%dx%d.ppm" % (width, height), np.asarray(resized))


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    make_jpegs()
    make_pngs()
    make_resizes()
