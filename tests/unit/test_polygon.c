/* Polygons against scikit-image and numpy, shared edges, and hostile points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "../golden/mask_golden.h"
#include "layermask/mask.h"
#include "mask_text.h"

static struct lm_mask empty(uint32_t width, uint32_t height)
{
    struct lm_mask mask;
    assert_int_equal(lm_mask_create(width, height, &mask, NULL), LM_OK);
    return mask;
}

static void as_scikit_image(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_polygons / sizeof *golden_polygons; i++) {
        const struct golden_polygon *golden = &golden_polygons[i];
        struct lm_mask mask = empty(golden->width, golden->height);
        assert_int_equal(lm_mask_add_polygon(&mask, golden->xy, golden->n, NULL), LM_OK);
        assert_mask_rle(&mask, golden->rle);
        lm_mask_free(&mask);
    }
}

static void rectangles_are_boxes(void **state)
{
    (void)state;
    static const double boxes[][4] = {{2, 1, 3, 2},    {0.5, 0.5, 64, 64}, {63, 0, 2, 90},
                                      {-3, -4, 10, 9}, {10.25, 3, 0.5, 4}, {0, 0, 100, 90}};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        double x = boxes[i][0], y = boxes[i][1], right = x + boxes[i][2], bottom = y + boxes[i][3];
        const double turns[2][8] = {{x, y, right, y, right, bottom, x, bottom},
                                    {x, y, x, bottom, right, bottom, right, y}};
        for (size_t turn = 0; turn < 2; turn++) {
            struct lm_mask box = empty(100, 90), polygon = empty(100, 90);
            assert_int_equal(lm_mask_add_box(&box, x, y, boxes[i][2], boxes[i][3], NULL), LM_OK);
            assert_int_equal(lm_mask_add_polygon(&polygon, turns[turn], 4, NULL), LM_OK);
            assert_masks_equal(&box, &polygon);
            lm_mask_free(&box);
            lm_mask_free(&polygon);
        }
    }
}

static void small_shapes(void **state)
{
    (void)state;
    const double hole[] = {0, 0, 6, 0, 6, 4, 0, 4, 0, 0, 2, 1, 4, 1, 4, 3, 2, 3, 2, 1};
    const double bow[] = {0, 0, 6, 4, 6, 0, 0, 4}, level[] = {0, 1, 3, 1, 6, 1};
    const char *const ring[] = {"######", "##..##", "##..##", "######"};
    const char *const crossed[] = {"#....#", "##..##", "##..##", "#....#"};
    struct lm_mask mask = empty(6, 4);
    assert_int_equal(lm_mask_add_polygon(&mask, hole, 10, NULL), LM_OK);
    assert_mask_text(&mask, ring, 4);
    lm_mask_fill(&mask, false);
    assert_int_equal(lm_mask_add_polygon(&mask, bow, 4, NULL), LM_OK);
    assert_mask_text(&mask, crossed, 4);
    lm_mask_fill(&mask, false);
    assert_int_equal(lm_mask_add_polygon(&mask, level, 3, NULL), LM_OK);
    assert_int_equal(lm_mask_count(&mask), 0);
    lm_mask_free(&mask);
}

/* Triangles around a point share edges: together they are the square, each pixel in one. */
static void shared_edges_share_no_pixel(void **state)
{
    (void)state;
    const double corners[5][2] = {{3, 2}, {97, 2}, {97, 81}, {3, 81}, {3, 2}};
    for (int i = 0; i < 200; i++) {
        double x = 3 + 94 * fmod(i * 0.618033988749, 1), y = 2 + 79 * fmod(i * 0.414213562373, 1);
        uint64_t sum = 0;
        struct lm_mask all = empty(100, 90);
        for (size_t side = 0; side < 4; side++) {
            const double triangle[] = {x,
                                       y,
                                       corners[side][0],
                                       corners[side][1],
                                       corners[side + 1][0],
                                       corners[side + 1][1]};
            struct lm_mask one = empty(100, 90);
            assert_int_equal(lm_mask_add_polygon(&one, triangle, 3, NULL), LM_OK);
            sum += lm_mask_count(&one);
            lm_mask_unite(&all, &one);
            lm_mask_free(&one);
        }
        assert_int_equal(sum, 94 * 79);
        assert_int_equal(lm_mask_count(&all), 94 * 79);
        lm_mask_free(&all);
    }
}

static void bad_points(void **state)
{
    (void)state;
    struct lm_mask mask = empty(10, 10);
    struct lm_error error = {0};
    double xy[] = {0, 0, 5, 0, 5, 1000001};
    assert_int_equal(lm_mask_add_polygon(&mask, xy, 2, &error), LM_INVALID);
    assert_string_equal(error.text, "polygon: 2 points, at least 3 are needed");
    error = (struct lm_error){0};
    assert_int_equal(lm_mask_add_polygon(&mask, xy, 3, &error), LM_INVALID);
    assert_string_equal(error.text, "polygon: y of point 2 is 1e+06, the limit is +-1e+06");
    error = (struct lm_error){0};
    xy[5] = NAN;
    assert_int_equal(lm_mask_add_polygon(&mask, xy, 3, &error), LM_INVALID);
    xy[5] = 4;
    xy[0] = -INFINITY;
    assert_int_equal(lm_mask_add_polygon(&mask, xy, 3, &error), LM_INVALID);
    assert_int_equal(lm_mask_add_polygon(&mask, NULL, 0, NULL), LM_INVALID);
    assert_int_equal(lm_mask_count(&mask), 0);
    lm_mask_free(&mask);
}

/* A million points, as an outline that was traced from pixels may have. */
static void a_million_points(void **state)
{
    (void)state;
    const size_t n = 1000000;
    double *xy = malloc(2 * n * sizeof *xy);
    assert_non_null(xy);
    for (size_t i = 0; i < n; i++) {
        double angle = 6.283185307179586 * (double)i / (double)n;
        double radius = 900 + 3 * sin(1000 * angle);
        xy[2 * i] = 1000 + radius * cos(angle);
        xy[2 * i + 1] = 1000 + radius * sin(angle);
    }
    struct lm_mask mask = empty(2000, 2000);
    clock_t start = clock();
    assert_int_equal(lm_mask_add_polygon(&mask, xy, n, NULL), LM_OK);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 2);
    double area = (double)lm_mask_count(&mask), disc = 3.14159265 * (900.0 * 900 + 4.5);
    assert_true(fabs(area - disc) < 1e-3 * disc);
    lm_mask_free(&mask);
    free(xy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_scikit_image), cmocka_unit_test(rectangles_are_boxes),
        cmocka_unit_test(small_shapes),    cmocka_unit_test(shared_edges_share_no_pixel),
        cmocka_unit_test(bad_points),      cmocka_unit_test(a_million_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
