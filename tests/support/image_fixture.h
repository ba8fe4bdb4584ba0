/* Reads tests/golden/images, which tests/tools/make_image_fixtures.py writes.  Tests run in the
 * project's folder. */
#ifndef LM_TESTS_IMAGE_FIXTURE_H
#define LM_TESTS_IMAGE_FIXTURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layermask/image.h"

struct fixture {
    uint8_t *bytes; /* malloc'ed */
    size_t size;
};

static inline struct fixture fixture_read(const char *name, const char *suffix)
{
    struct fixture fixture = {0};
    char path[200];
    snprintf(path, sizeof path, "tests/golden/images/%s%s", name, suffix);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    fixture.size = (size_t)ftell(file);
    rewind(file);
    fixture.bytes = malloc(fixture.size + 1);
    assert_non_null(fixture.bytes);
    assert_int_equal(fread(fixture.bytes, 1, fixture.size, file), fixture.size);
    fixture.bytes[fixture.size] = 0;
    fclose(file);
    return fixture;
}

/* The samples of a .ppm or .pgm file, 3 or 1 a pixel, malloc'ed. */
static inline uint8_t *fixture_samples(const char *name, const char *suffix, uint32_t *width,
                                       uint32_t *height)
{
    struct fixture file = fixture_read(name, suffix);
    char kind = 0;
    unsigned top = 0;
    int header = 0;
    assert_int_equal(
        sscanf((const char *)file.bytes, "P%c %u %u %u%n", &kind, width, height, &top, &header), 4);
    size_t samples = (size_t)*width * *height * (kind == '6' ? 3 : 1);
    assert_int_equal(file.size, (size_t)header + 1 + samples);
    memmove(file.bytes, file.bytes + header + 1, samples);
    return file.bytes;
}

static inline struct lm_image fixture_ppm(const char *name)
{
    struct lm_image image = {0};
    image.rgb = fixture_samples(name, ".ppm", &image.width, &image.height);
    return image;
}

/* The largest difference of two pictures of the same size (asserted). */
static inline int fixture_distance(const struct lm_image *a, const struct lm_image *b)
{
    int most = 0;
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    for (size_t i = 0; i < (size_t)3 * a->width * a->height; i++)
        if (abs(a->rgb[i] - b->rgb[i]) > most)
            most = abs(a->rgb[i] - b->rgb[i]);
    return most;
}

#endif
