/* Grids of lm_segment: the three ways to say them, and their errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "segment_checks.h"

static struct lm_image blank(uint32_t width, uint32_t height)
{
    struct lm_image image = {width, height, calloc((size_t)width * height, 3)};
    assert_non_null(image.rgb);
    return image;
}

/* Checks that the grid has `rows` x `columns` rectangles, whose sides are spread evenly or, with
 * `cell`, are that long except for the last ones. */
static void check_grid(uint32_t width, uint32_t height, struct lm_segment_options options,
                       uint32_t rows, uint32_t columns)
{
    struct lm_image image = blank(width, height);
    struct lm_segments segments = {0};
    struct lm_error error = {0};
    options.method = LM_SEGMENT_GRID;
    if (lm_segment(&image, &options, &segments, &error) != LM_OK)
        fail_msg("%s", error.text);
    if (segments.count != rows * columns || segments.labels[width - 1] != (int32_t)columns - 1)
        fail_msg("%u x %u: %u cells in columns of %d, wanted %u x %u", width, height,
                 segments.count, segments.labels[width - 1] + 1, rows, columns);
    assert_labels_contiguous(&segments);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint32_t row = options.cell ? y / options.cell : y * rows / height;
            uint32_t column = options.cell ? x / options.cell : x * columns / width;
            assert_int_equal(segments.labels[y * width + x], row * columns + column);
        }
    lm_segments_free(&segments);
    free(image.rgb);
}

static void test_grid_from_n_segments(void **state)
{
    (void)state;
    check_grid(224, 224, (struct lm_segment_options){0}, 7, 7);
    check_grid(224, 224, (struct lm_segment_options){.n_segments = 1}, 1, 1);
    check_grid(224, 224, (struct lm_segment_options){.n_segments = 16}, 4, 4);
    check_grid(224, 224, (struct lm_segment_options){.n_segments = 200}, 14, 14);
    check_grid(400, 100, (struct lm_segment_options){.n_segments = 16}, 2, 8);
    check_grid(100, 400, (struct lm_segment_options){.n_segments = 16}, 8, 2);
    check_grid(300, 200, (struct lm_segment_options){.n_segments = 6}, 2, 3);
    check_grid(40, 1, (struct lm_segment_options){.n_segments = 10}, 1, 10);
    check_grid(1, 40, (struct lm_segment_options){.n_segments = 40}, 40, 1);
    check_grid(3, 3, (struct lm_segment_options){0}, 3, 3);
    check_grid(1, 1, (struct lm_segment_options){0}, 1, 1);
}

static void test_grid_from_rows_and_columns(void **state)
{
    (void)state;
    check_grid(224, 224, (struct lm_segment_options){.rows = 3, .columns = 5}, 3, 5);
    check_grid(10, 7, (struct lm_segment_options){.rows = 7, .columns = 10}, 7, 10);
    check_grid(224, 224, (struct lm_segment_options){.rows = 4}, 4, 13);
    check_grid(224, 224, (struct lm_segment_options){.columns = 2, .n_segments = 6}, 3, 2);
    check_grid(224, 224, (struct lm_segment_options){.rows = 100}, 100, 1);
    check_grid(8, 224, (struct lm_segment_options){.rows = 2}, 2, 8);
}

static void test_grid_from_cell(void **state)
{
    (void)state;
    check_grid(224, 224, (struct lm_segment_options){.cell = 16}, 14, 14);
    check_grid(50, 40, (struct lm_segment_options){.cell = 16}, 3, 4);
    check_grid(48, 33, (struct lm_segment_options){.cell = 16}, 3, 3);
    check_grid(20, 10, (struct lm_segment_options){.cell = UINT32_MAX}, 1, 1);
    check_grid(20, 10, (struct lm_segment_options){.cell = 1}, 10, 20);
}

static void test_grid_errors(void **state)
{
    (void)state;
    static const struct {
        struct lm_segment_options options;
        const char *text;
    } cases[] = {
        {{.rows = 301}, "rows is 301, must be within 1..300 (the picture's height)"},
        {{.columns = 401}, "columns is 401, must be within 1..400 (the picture's width)"},
        {{.rows = 300, .columns = 400},
         "a grid of 300 rows and 400 columns has more than 65535 cells"},
        {{.cell = 1}, "a grid of 300 rows and 400 columns has more than 65535 cells"},
        {{.cell = 16, .rows = 2}, "cell is 16, and excludes rows, columns and n_segments"},
        {{.cell = 16, .n_segments = 50}, "cell is 16, and excludes rows, columns and n_segments"},
        {{.n_segments = 70000}, "n_segments is 70000, must be within 1..65535"},
    };
    struct lm_image image = blank(400, 300);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_segment_options options = cases[i].options;
        options.method = LM_SEGMENT_GRID;
        assert_segment_error(&image, &options, cases[i].text);
    }
    free(image.rgb);
}

/* The largest request that the rule has to search through still gives a legal grid. */
static void test_grid_many_segments(void **state)
{
    (void)state;
    struct lm_image image = blank(256, 257);
    for (uint32_t n_segments = 64000; n_segments <= 65535; n_segments += 307) {
        struct lm_segment_options options = {.method = LM_SEGMENT_GRID, .n_segments = n_segments};
        struct lm_segments segments = {0};
        assert_int_equal(lm_segment(&image, &options, &segments, NULL), LM_OK);
        assert_in_range(segments.count, n_segments - 300, LM_SEGMENTS_MAX);
        assert_labels_contiguous(&segments);
        lm_segments_free(&segments);
    }
    free(image.rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid_from_n_segments),
        cmocka_unit_test(test_grid_from_rows_and_columns),
        cmocka_unit_test(test_grid_from_cell),
        cmocka_unit_test(test_grid_errors),
        cmocka_unit_test(test_grid_many_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
