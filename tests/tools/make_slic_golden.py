"""Writes tests/support/slic_golden.h: label maps of scikit-image 0.19's SLIC on synthetic pictures.

    /usr/bin/python3 tests/tools/make_slic_golden.py > tests/support/slic_golden.h

The pictures are made by integer formulas, which tests/unit/test_segment.c repeats.
"""

import numpy as np
import skimage
import skimage.segmentation

CASES = [  # picture, width, height, options of slic
    ("waves", 48, 36, {"n_segments": 12}),
    ("waves", 31, 50, {"n_segments": 20, "compactness": 1.0, "sigma": 1.5}),
    ("noise", 40, 30, {"n_segments": 16, "compactness": 10.0}),
    ("noise", 40, 30, {"n_segments": 6, "compactness": 2.0, "min_size_factor": 0.1,
                       "max_size_factor": 1.5, "max_num_iter": 4}),
    ("flat", 33, 21, {"n_segments": 9, "compactness": 30.0}),
    ("waves", 60, 3, {"n_segments": 7}),
    ("noise", 1, 40, {"n_segments": 5}),
    ("noise", 6, 5, {"n_segments": 30, "compactness": 100.0}),
]
PER_LINE = 24


def picture(kind, width, height):
    y, x = np.mgrid[:height, :width]
    if kind == "flat":
        red, green, blue = 0 * x + 90, 0 * x + 140, 0 * x + 30
    elif kind == "waves":
        red, green, blue = (x * x + 3 * y) % 256, (5 * x + y * y) % 256, (x * y + 40) % 256
    else:
        red, green, blue = ((7919 * x + 104729 * y + 31 * x * y + 97 * c) // 7 * 2654435761 % 2**32
                            // 2**24 for c in range(3))
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def c_options(options):
    return ", ".join(f".{name} = {value}" for name, value in options.items())


def print_labels(index, labels):
    print(f"\nstatic const int32_t slic_labels_{index}[] = {{")
    flat = [str(label) for label in labels.ravel()]
    for start in range(0, len(flat), PER_LINE):
        print("    " + ", ".join(flat[start:start + PER_LINE]) + ",")
    print("};")


def main():
    print(f"/* Made by tests/tools/make_slic_golden.py with scikit-image {skimage.__version__}. */")
    print("/* clang-format off */")
    print("#ifndef SLIC_GOLDEN_H\n#define SLIC_GOLDEN_H\n")
    print('#include <stdint.h>\n\n#include "layermask/segment.h"')
    for index, (kind, width, height, options) in enumerate(CASES):
        pixels = picture(kind, width, height)
        labels = skimage.segmentation.slic(pixels, start_label=0, channel_axis=-1, **options)
        print_labels(index, labels)
    print("\nstatic const struct slic_golden {\n    const char *picture;")
    print("    uint32_t width, height;")
    print("    struct lm_segment_options options;\n    const int32_t *labels;\n} slic_golden[] = {")
    for index, (kind, width, height, options) in enumerate(CASES):
        print(f'    {{"{kind}", {width}, {height}, {{{c_options(options)}}},')
        print(f"     slic_labels_{index}}},")
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
