/* SLIC and the options of lm_segment.  Label maps come from scikit-image (slic_golden.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "segment_checks.h"
#include "slic_golden.h"

#include <math.h>
#include <stdio.h>

/* The formulas of make_slic_golden.py. */
static uint8_t golden_value(const char *kind, uint64_t x, uint64_t y, uint64_t channel)
{
    static const uint8_t flat[3] = {90, 140, 30};
    if (strcmp(kind, "flat") == 0)
        return flat[channel];
    if (strcmp(kind, "waves") == 0) {
        const uint64_t waves[3] = {x * x + 3 * y, 5 * x + y * y, x * y + 40};
        return (uint8_t)(waves[channel] % 256);
    }
    uint64_t seed = (7919 * x + 104729 * y + 31 * x * y + 97 * channel) / 7;
    return (uint8_t)(seed * 2654435761u % (UINT64_C(1) << 32) >> 24);
}

static struct lm_image make_picture(const char *kind, uint32_t width, uint32_t height)
{
    struct lm_image image = {width, height, malloc((size_t)width * height * 3)};
    assert_non_null(image.rgb);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t channel = 0; channel < 3; channel++)
                image.rgb[3 * ((size_t)y * width + x) + channel] =
                    golden_value(kind, x, y, channel);
    return image;
}

static void segment_or_fail(const struct lm_image *image, const struct lm_segment_options *options,
                            struct lm_segments *out)
{
    struct lm_error error = {0};
    if (lm_segment(image, options, out, &error) != LM_OK)
        fail_msg("%s", error.text);
    assert_int_equal(out->width, image->width);
    assert_int_equal(out->height, image->height);
    assert_labels_contiguous(out);
}

static void test_slic_equals_skimage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof slic_golden / sizeof *slic_golden; i++) {
        const struct slic_golden *golden = &slic_golden[i];
        struct lm_image image = make_picture(golden->picture, golden->width, golden->height);
        struct lm_segments segments = {0};
        segment_or_fail(&image, &golden->options, &segments);
        size_t pixels = (size_t)golden->width * golden->height;
        for (size_t pixel = 0; pixel < pixels; pixel++)
            if (segments.labels[pixel] != golden->labels[pixel])
                fail_msg("case %zu, pixel %zu: label %d, scikit-image has %d", i, pixel,
                         segments.labels[pixel], golden->labels[pixel]);
        lm_segments_free(&segments);
        free(image.rgb);
    }
}

static uint32_t next_random(uint32_t *state, uint32_t limit)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % limit;
}

/* Random sizes and options: labels contiguous, segments connected, twice the same. */
static void test_slic_properties(void **state)
{
    (void)state;
    static const char *const kinds[] = {"waves", "noise", "flat"};
    uint32_t seed = 20;
    for (int round = 0; round < 150; round++) {
        struct lm_image image =
            make_picture(kinds[round % 3], 1 + next_random(&seed, 50), 1 + next_random(&seed, 50));
        struct lm_segment_options options = {
            .n_segments = 1 + next_random(&seed, image.width * image.height),
            .compactness = exp((double)next_random(&seed, 12) - 4.0),
            .max_num_iter = 1 + next_random(&seed, 12),
            .sigma = next_random(&seed, 3) ? 0.0 : 0.5 * next_random(&seed, 20),
            .min_size_factor = 0.01 * next_random(&seed, 150),
            .max_size_factor = 1.5 + 0.1 * next_random(&seed, 30),
        };
        struct lm_segments first = {0}, second = {0};
        segment_or_fail(&image, &options, &first);
        segment_or_fail(&image, &options, &second);
        assert_int_equal(count_areas(&first), first.count);
        assert_int_equal(first.count, second.count);
        assert_memory_equal(first.labels, second.labels,
                            (size_t)image.width * image.height * sizeof *first.labels);
        lm_segments_free(&first);
        lm_segments_free(&second);
        free(image.rgb);
    }
}

/* Extremes of each option: no undefined arithmetic, and the same promises. */
static void test_slic_extreme_options(void **state)
{
    (void)state;
    static const struct lm_segment_options extremes[] = {
        {.compactness = 1e-6},
        {.compactness = 1e6},
        {.max_num_iter = 1000},
        {.sigma = 100.0},
        {.sigma = 1e-300},
        {.min_size_factor = 1e6, .max_size_factor = 1e6},
        {.min_size_factor = 1e-300, .max_size_factor = 1e-300},
        {.n_segments = 1},
        {.n_segments = 30 * 20},
    };
    struct lm_image image = make_picture("noise", 30, 20);
    for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++) {
        struct lm_segments segments = {0};
        segment_or_fail(&image, &extremes[i], &segments);
        assert_int_equal(count_areas(&segments), segments.count);
        lm_segments_free(&segments);
    }
    free(image.rgb);
}

static void check_tiny(uint32_t width, uint32_t height)
{
    struct lm_image image = make_picture("noise", width, height);
    struct lm_segments segments = {0};
    segment_or_fail(&image, NULL, &segments);
    assert_in_range(segments.count, 1, (uint64_t)width * height);
    lm_segments_free(&segments);
    assert_null(segments.labels);
    free(image.rgb);
}

static void test_slic_tiny_pictures(void **state)
{
    (void)state;
    for (uint32_t length = 1; length <= 60; length++) {
        check_tiny(1, length);
        check_tiny(length, 1);
    }
    check_tiny(2, 2);
    check_tiny(7, 7);
}

/* On one colour only distance counts: the rectangles round the lattice's centres. */
static void test_slic_uniform_picture(void **state)
{
    (void)state;
    struct lm_image image = make_picture("flat", 60, 40);
    struct lm_segment_options options = {.n_segments = 6};
    struct lm_segments segments = {0};
    segment_or_fail(&image, &options, &segments);
    assert_int_equal(segments.count, 6);
    for (uint32_t y = 0; y < 40; y++)
        for (uint32_t x = 0; x < 60; x++) {
            bool border = x == 20 || x == 40 || y == 20; /* as near to both sides */
            if (!border)
                assert_int_equal(segments.labels[y * 60 + x], y / 20 * 3 + x / 20);
        }
    lm_segments_free(&segments);
    free(image.rgb);
}

static void test_option_errors(void **state)
{
    (void)state;
    static const struct {
        struct lm_segment_options options;
        const char *text;
    } cases[] = {
        {{.n_segments = 65536}, "n_segments is 65536, must be within 1..65535"},
        {{.n_segments = 13}, "n_segments is 13, the 4 x 3 picture has 12 pixels"},
        {{.compactness = -1.0}, "compactness is -1, must be within 1e-06..1e+06"},
        {{.compactness = INFINITY}, "compactness is inf, must be within 1e-06..1e+06"},
        {{.compactness = 1e-7}, "compactness is 1e-07, must be within 1e-06..1e+06"},
        {{.max_num_iter = 1001}, "max_num_iter is 1001, must be within 1..1000"},
        {{.sigma = -0.5}, "sigma is -0.5, must be within 0..100"},
        {{.sigma = 100.5}, "sigma is 100.5, must be within 0..100"},
        {{.min_size_factor = -1.0}, "min_size_factor is -1, must be within 0..1e+06"},
        {{.max_size_factor = 1e7}, "max_size_factor is 1e+07, must be within 0..1e+06"},
        {{.min_size_factor = 4.0}, "min_size_factor is 4, must be at most max_size_factor, 3"},
        {{.method = (enum lm_segment_method)9}, "segmentation method 9 is unknown"},
    };
    struct lm_image image = make_picture("noise", 4, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_segment_error(&image, &cases[i].options, cases[i].text);
    struct lm_segment_options not_a_number[] = {
        {.compactness = NAN}, {.sigma = NAN}, {.min_size_factor = NAN}, {.max_size_factor = NAN}};
    for (size_t i = 0; i < sizeof not_a_number / sizeof *not_a_number; i++) {
        struct lm_segments out = {0};
        assert_int_equal(lm_segment(&image, &not_a_number[i], &out, NULL), LM_INVALID);
        assert_null(out.labels);
    }
    free(image.rgb);
}

static void test_tiny_sigma_is_none(void **state)
{
    (void)state;
    struct lm_image image = make_picture("noise", 30, 20);
    struct lm_segment_options plain = {.n_segments = 9},
                              smooth = {.n_segments = 9, .sigma = 1e-300};
    struct lm_segments first = {0}, second = {0};
    segment_or_fail(&image, &plain, &first);
    segment_or_fail(&image, &smooth, &second);
    assert_memory_equal(first.labels, second.labels, 30 * 20 * sizeof *first.labels);
    lm_segments_free(&first);
    lm_segments_free(&second);
    free(image.rgb);
}

/* Refused by its size, before a pixel is read. */
static void test_huge_picture(void **state)
{
    (void)state;
    uint8_t pixel[3] = {0};
    struct lm_image image = {65536, 32768, pixel};
    struct lm_segments out = {0};
    struct lm_error error = {0};
    assert_int_equal(lm_segment(&image, NULL, &out, &error), LM_LIMIT);
    assert_string_equal(error.text, "the 65536 x 32768 picture has more than 2147483647 pixels");
    assert_null(out.labels);
}

static void test_empty_picture(void **state)
{
    (void)state;
    uint8_t pixel[3] = {0};
    struct lm_image flat = {0, 5, pixel}, thin = {5, 0, pixel}, empty = {0};
    assert_segment_error(NULL, NULL, "the picture to segment is empty");
    assert_segment_error(&empty, NULL, "the picture to segment is empty");
    assert_segment_error(&flat, NULL, "the picture to segment is empty");
    assert_segment_error(&thin, NULL, "the picture to segment is empty");
    lm_segments_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slic_equals_skimage),  cmocka_unit_test(test_slic_properties),
        cmocka_unit_test(test_slic_extreme_options), cmocka_unit_test(test_slic_tiny_pictures),
        cmocka_unit_test(test_slic_uniform_picture), cmocka_unit_test(test_option_errors),
        cmocka_unit_test(test_tiny_sigma_is_none),   cmocka_unit_test(test_huge_picture),
        cmocka_unit_test(test_empty_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
