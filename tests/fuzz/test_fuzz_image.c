/* Pictures: decoding, masks from PNG files, and what was decoded encoded again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fuzz.h"
#include "layermask/image.h"
#include "layermask/mask.h"

static const char fuzz_name[] = "image";

/* The small files of tests/golden/images. */
static struct wire fuzz_seed(size_t index)
{
    static const char *const names[] = {"baseline.jpg",
                                        "progressive.jpg",
                                        "restart.jpg",
                                        "grey.jpg",
                                        "exif_6.jpg",
                                        "odd_exif.jpg",
                                        "cmyk.jpg",
                                        "ycck.jpg",
                                        "arithmetic.jpg",
                                        "one_pixel.jpg",
                                        "rgb8.png",
                                        "rgb16_alpha.png",
                                        "palette1_alpha.png",
                                        "palette8.png",
                                        "grey2_interlaced.png",
                                        "exif_5.png",
                                        "optional_chunks.png",
                                        "grey16_clear.png",
                                        "size_5x3_interlaced.png",
                                        "size_300x1.png"};
    char path[100];
    if (index >= sizeof names / sizeof *names)
        return (struct wire){0};
    snprintf(path, sizeof path, "tests/golden/images/%s", names[index]);
    return fuzz_file(path);
}

static void fuzz_one(const uint8_t *bytes, size_t size)
{
    const struct lm_image_limits limits = {.max_pixels = 1 << 18};
    struct lm_image image = {0};
    struct lm_mask mask;
    struct lm_error error = {0};
    enum lm_status status = lm_image_decode(bytes, size, &limits, &image, &error);
    if (status != LM_OK && (error.status != status || !error.text[0] || image.rgb))
        abort();
    unsigned sum = 0;
    for (size_t i = 0; i < (size_t)3 * image.width * image.height; i++)
        sum += image.rgb[i];
    uint32_t width = image.width ? image.width : 16, height = image.height ? image.height : 16;
    if (lm_mask_create(width, height, &mask, NULL) == LM_OK) {
        lm_mask_add_png(&mask, bytes, size, NULL);
        sum += (unsigned)lm_mask_count(&mask);
        if (mask.bits[0] >> (width < 64 ? width : 63) >> (width >= 64))
            abort();
        lm_mask_free(&mask);
    }
    lm_image_free(&image);
    volatile unsigned used = sum;
    (void)used;
}

FUZZ_MAIN()
