/* lm_segments_custom: label maps from outside, with ids of any value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "segment_checks.h"

static void test_custom_order_of_ids(void **state)
{
    (void)state;
    const int64_t ids[6] = {INT64_MAX, 7, -3, INT64_MIN, 7, 0};
    const int32_t expected[6] = {4, 3, 1, 0, 3, 2};
    struct lm_segments segments = {0};
    assert_int_equal(lm_segments_custom(ids, 3, 2, 5, &segments, NULL), LM_OK);
    assert_int_equal(segments.width, 3);
    assert_int_equal(segments.height, 2);
    assert_int_equal(segments.count, 5);
    assert_memory_equal(segments.labels, expected, sizeof expected);
    lm_segments_free(&segments);
}

static void assert_custom_error(const int64_t *ids, uint32_t width, uint32_t height,
                                uint32_t max_count, const char *text)
{
    struct lm_segments out = {.count = 77};
    struct lm_error error = {0};
    assert_int_equal(lm_segments_custom(ids, width, height, max_count, &out, &error), LM_INVALID);
    assert_string_equal(error.text, text);
    assert_int_equal(out.count, 77);
    assert_null(out.labels);
}

static void test_custom_errors(void **state)
{
    (void)state;
    const int64_t ids[4] = {1, 2, 3, 1};
    assert_custom_error(ids, 0, 4, 9, "the label map is empty: 0 x 4");
    assert_custom_error(ids, 4, 0, 9, "the label map is empty: 4 x 0");
    assert_custom_error(NULL, 2, 2, 9, "the label map is empty: 2 x 2");
    assert_custom_error(ids, 2, 2, 2, "the label map has more than 2 different ids");
    assert_custom_error(ids, 2, 2, 0, "the label map has more than 0 different ids");
}

/* Many pixels, few ids, no runs: the buffer of ids is thinned again and again. */
static void test_custom_few_ids_without_runs(void **state)
{
    (void)state;
    enum { SIDE = 200, IDS = 11 };
    int64_t *ids = malloc(sizeof *ids * SIDE * SIDE);
    assert_non_null(ids);
    for (int64_t i = 0; i < SIDE * SIDE; i++)
        ids[i] = (i * 7 % IDS - 5) * INT64_C(1000000000000);
    struct lm_segments segments = {0};
    assert_int_equal(lm_segments_custom(ids, SIDE, SIDE, IDS, &segments, NULL), LM_OK);
    assert_int_equal(segments.count, IDS);
    for (int64_t i = 0; i < SIDE * SIDE; i++)
        assert_int_equal(segments.labels[i], i * 7 % IDS);
    lm_segments_free(&segments);
    assert_custom_error(ids, SIDE, SIDE, IDS - 1, "the label map has more than 10 different ids");
    free(ids);
}

/* Every pixel its own id, in an order that spreads the values over all 64 bits. */
static void test_custom_all_different(void **state)
{
    (void)state;
    enum { SIDE = 128, PIXELS = SIDE * SIDE };
    int64_t *ids = malloc(sizeof *ids * PIXELS);
    assert_non_null(ids);
    for (uint64_t i = 0; i < PIXELS; i++)
        ids[i] = (int64_t)(i * UINT64_C(0x9e3779b97f4a7c15));
    struct lm_segments segments = {0};
    assert_int_equal(lm_segments_custom(ids, SIDE, SIDE, UINT32_MAX, &segments, NULL), LM_OK);
    assert_int_equal(segments.count, PIXELS);
    assert_labels_contiguous(&segments);
    int64_t *by_label = malloc(sizeof *by_label * PIXELS);
    assert_non_null(by_label);
    for (size_t i = 0; i < PIXELS; i++)
        by_label[segments.labels[i]] = ids[i];
    for (size_t i = 1; i < PIXELS; i++)
        assert_true(by_label[i - 1] < by_label[i]);
    free(by_label);
    lm_segments_free(&segments);
    assert_custom_error(ids, SIDE, SIDE, 1000, "the label map has more than 1000 different ids");
    free(ids);
}

static void test_custom_one_pixel(void **state)
{
    (void)state;
    const int64_t id = -1;
    struct lm_segments segments = {0};
    assert_int_equal(lm_segments_custom(&id, 1, 1, 1, &segments, NULL), LM_OK);
    assert_int_equal(segments.count, 1);
    assert_int_equal(segments.labels[0], 0);
    lm_segments_free(&segments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_custom_order_of_ids),
        cmocka_unit_test(test_custom_errors),
        cmocka_unit_test(test_custom_few_ids_without_runs),
        cmocka_unit_test(test_custom_all_different),
        cmocka_unit_test(test_custom_one_pixel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
