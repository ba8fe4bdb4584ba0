/* The ways to make pixels missing.  The blur's numbers come from SciPy 1.10:
 * gaussian_filter(plane, 10 * 20 / 224, mode="nearest", truncate=4) in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/masking.h"

enum { WIDTH = 28, HEIGHT = 20, PIXELS = WIDTH * HEIGHT };

static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-6);
}

static const struct lm_preprocess rgb = {.height = HEIGHT,
                                         .width = WIDTH,
                                         .channels = LM_RGB,
                                         .mean = {100, 110, 120},
                                         .std = {50, 55, 60}};
static const struct lm_preprocess bgr = {.height = HEIGHT,
                                         .width = WIDTH,
                                         .channels = LM_BGR,
                                         .mean = {100, 110, 120},
                                         .std = {50, 55, 60}};
static float planes[3 * PIXELS], substitute[3 * PIXELS], composed[3 * PIXELS];

static int fill_planes(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * PIXELS; i++)
        planes[i] = (float)(i * 37 % 101 - 50) / 25;
    return 0;
}

static struct masking parsed(const char *text)
{
    struct masking masking = {0};
    assert_int_equal(masking_parse(text, &masking, NULL), LM_OK);
    return masking;
}

static void substitute_by(const char *text, const struct lm_preprocess *preprocess,
                          const int32_t *labels, uint32_t count)
{
    struct masking masking = parsed(text);
    assert_int_equal(
        masking_substitute(&masking, preprocess, planes, labels, count, substitute, NULL), LM_OK);
}

static void names_survive_parsing(void **state)
{
    (void)state;
    static const char *const names[] = {"layer", "black", "grey", "mean", "blur", "color:#01fe9a"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct masking masking = parsed(names[i]);
        char name[MASKING_NAME_BYTES];
        masking_name(&masking, name);
        assert_string_equal(name, names[i]);
        assert_int_equal(masking.kind, i);
    }
    struct masking upper = parsed("color:#FFAA00");
    assert_true(upper.rgb[0] == 255 && upper.rgb[1] == 170 && upper.rgb[2] == 0);
}

static void refuses_other_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "Layer",
                                      "gray",
                                      "color",
                                      "color:red",
                                      "color:#12345",
                                      "color:#1234567",
                                      "color:#12345g",
                                      "color:#+1234",
                                      "color:# 1234"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct masking masking = {.kind = MASKING_BLUR};
        assert_int_equal(masking_parse(bad[i], &masking, NULL), LM_INVALID);
        assert_int_equal(masking.kind, MASKING_BLUR);
    }
    struct masking masking;
    struct lm_error error = {0};
    masking_parse("gray", &masking, &error);
    assert_string_equal(error.text, "masking: \"gray\" is none of layer, black, grey, mean, blur, "
                                    "color:#rrggbb");
}

static void colors_follow_the_order_of_the_planes(void **state)
{
    (void)state;
    substitute_by("black", &rgb, NULL, 0);
    assert_true(substitute[0] == -2.0f && substitute[PIXELS] == -2.0f);
    assert_true(substitute[3 * PIXELS - 1] == -2.0f);
    substitute_by("grey", &rgb, NULL, 0);
    for (int i = 0; i < 3 * PIXELS; i++)
        assert_true(substitute[i] == 0.0f);
    substitute_by("color:#ff0000", &rgb, NULL, 0);
    assert_close(substitute[5], (255.0 - 100) / 50);
    assert_close(substitute[2 * PIXELS + 5], -120.0 / 60);
    substitute_by("color:#ff0000", &bgr, NULL, 0);
    assert_close(substitute[5], -100.0 / 50);
    assert_close(substitute[2 * PIXELS + 5], (255.0 - 120) / 60);
}

static void means_are_those_of_the_segments(void **state)
{
    (void)state;
    int32_t labels[PIXELS];
    double sum[2] = {0}, size[2] = {0};
    for (int i = 0; i < PIXELS; i++) {
        labels[i] = i % WIDTH >= 5;
        sum[labels[i]] += (double)planes[2 * PIXELS + i];
        size[labels[i]] += 1;
    }
    substitute_by("mean", &rgb, labels, 2);
    assert_close(substitute[2 * PIXELS], sum[0] / size[0]);
    assert_close(substitute[3 * PIXELS - 1], sum[1] / size[1]);
}

static void blurs_as_scipy(void **state)
{
    (void)state;
    static const struct {
        int plane, y, x;
        double value;
    } golden[] = {{0, 0, 0, -1.216896800},   {0, 0, 27, 0.620628379},  {1, 10, 14, 0.128108675},
                  {2, 19, 27, -0.537367609}, {2, 19, 0, -0.297201674}, {1, 3, 25, -0.098070788}};
    assert_close(masking_blur_sigma(224, 300), 10);
    assert_close(masking_blur_sigma(WIDTH, HEIGHT), 10.0 * 20 / 224);
    substitute_by("blur", &rgb, NULL, 0);
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
        assert_close(substitute[golden[i].plane * PIXELS + golden[i].y * WIDTH + golden[i].x],
                     golden[i].value);
}

static void composes_by_the_mask(void **state)
{
    (void)state;
    struct lm_mask visible = {0};
    assert_int_equal(lm_mask_create(WIDTH, HEIGHT, &visible, NULL), LM_OK);
    assert_int_equal(lm_mask_add_box(&visible, 3, 4, 10, 6, NULL), LM_OK);
    substitute_by("black", &rgb, NULL, 0);
    masking_compose(planes, substitute, &visible, composed);
    for (uint32_t plane = 0; plane < 3; plane++)
        for (uint32_t y = 0; y < HEIGHT; y++)
            for (uint32_t x = 0; x < WIDTH; x++) {
                uint32_t at = plane * PIXELS + y * WIDTH + x;
                bool inside = x >= 3 && x < 13 && y >= 4 && y < 10;
                assert_true(composed[at] == (inside ? planes : substitute)[at]);
            }
    lm_mask_free(&visible);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_survive_parsing),
        cmocka_unit_test(refuses_other_names),
        cmocka_unit_test(colors_follow_the_order_of_the_planes),
        cmocka_unit_test(means_are_those_of_the_segments),
        cmocka_unit_test(blurs_as_scipy),
        cmocka_unit_test(composes_by_the_mask),
    };
    return cmocka_run_group_tests(tests, fill_planes, NULL);
}
