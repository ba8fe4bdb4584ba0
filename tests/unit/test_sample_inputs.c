/* Masks of samples: a pixel is visible where its segment is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/sample_inputs.h"

enum { SEGMENTS = 70, SLOTS = 3 };

static void check_size(uint32_t width, uint32_t height, uint32_t cell)
{
    const struct masking layer = {.kind = MASKING_LAYER};
    const struct lm_preprocess preprocess = {.width = width, .height = height};
    struct lm_segments segments = {.width = width, .height = height, .count = SEGMENTS};
    size_t pixels = (size_t)width * height;
    segments.labels = malloc(pixels * sizeof *segments.labels);
    for (uint32_t i = 0; i < pixels; i++)
        segments.labels[i] = (int32_t)((i % width / cell * 31 + i / width / cell * 17) % SEGMENTS);
    float planes[1] = {0};
    struct sample_inputs *inputs = NULL;
    assert_int_equal(
        sample_inputs_create(&layer, &preprocess, planes, &segments, 1, SLOTS, &inputs, NULL),
        LM_OK);
    for (uint32_t sample = 0; sample < 2 * SLOTS; sample++) { /* slots are used again */
        uint8_t z[SEGMENTS];
        for (uint32_t s = 0; s < SEGMENTS; s++)
            z[s] = s * (sample + 3) % 5 < sample;
        const float *shown = NULL;
        const struct lm_mask *mask = NULL;
        sample_inputs_fill(inputs, z, 0, sample % SLOTS, &shown, &mask);
        assert_ptr_equal(shown, planes);
        uint64_t visible = 0;
        for (uint32_t i = 0; i < pixels; i++) {
            assert_int_equal(lm_mask_get(mask, i % width, i / width), z[segments.labels[i]]);
            visible += z[segments.labels[i]];
        }
        assert_int_equal(lm_mask_count(mask), visible); /* nothing beyond the width */
    }
    sample_inputs_free(inputs);
    free(segments.labels);
}

static void test_masks(void **state)
{
    (void)state;
    const uint32_t widths[] = {1, 7, 63, 64, 65, 128, 130};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (uint32_t cell = 1; cell < 40; cell *= 3) /* 1: as many segments as bits in a word */
            check_size(widths[i], 9, cell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_masks)};
    return cmocka_run_group_tests_name("sample inputs", tests, NULL, NULL);
}
