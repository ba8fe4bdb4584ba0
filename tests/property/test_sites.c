/* Planes of sites against plain loops over bytes, for random windows.  SEED=n replays a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "graph/sites.h"

enum { MOST = 200, CELLS = 20 * MOST };

static uint64_t seed = 7;
static int rounds = 3000;
static struct rng rng;

static uint32_t between(uint32_t low, uint32_t high)
{
    return low + (uint32_t)rng_below(&rng, (uint64_t)high - low + 1);
}

/* A density of its own for each map, all clear and all set included. */
static void fill(uint8_t *sites, size_t n)
{
    uint32_t percent = between(0, 4) * 25;
    for (size_t i = 0; i < n; i++)
        sites[i] = between(0, 99) < percent;
}

/* One axis: the last window starts inside, and may reach beyond the end as ceil_mode's does. */
static uint32_t outputs(uint32_t in, uint32_t kernel, uint32_t stride, uint32_t dilation,
                        uint32_t before, uint32_t after)
{
    uint32_t span = (kernel - 1) * dilation + 1, padded = in + before + after;
    if (span > padded)
        return 1;
    return (padded - span) / stride + 1 + between(0, 1);
}

/* Often around the end of a word. */
static uint32_t some_width(void)
{
    return between(0, 1) ? between(1, 20) : between(1, 3) * 64 - 4 + between(0, 8);
}

static struct window random_window(void)
{
    struct window w = {.kernel_height = between(1, 7),
                       .kernel_width = between(1, 7),
                       .stride_y = between(1, 4),
                       .stride_x = between(1, 4),
                       .dilation_y = between(1, 3),
                       .dilation_x = between(1, 3),
                       .pad_top = between(0, 9),
                       .pad_left = between(0, 9),
                       .in_height = between(1, 20),
                       .in_width = some_width()};
    if (between(0, 3) == 0)
        w.border = (struct border){between(0, 5), between(0, 5), between(0, 5), between(0, 5), 0};
    if (between(0, 9) == 0) { /* one tap, the same cells */
        w = (struct window){.kernel_height = 1,
                            .kernel_width = 1,
                            .stride_y = 1,
                            .stride_x = 1,
                            .dilation_y = 1,
                            .dilation_x = 1,
                            .in_height = w.in_height,
                            .in_width = w.in_width};
    }
    if (between(0, 9) == 0)
        w.stride_x = w.stride_y = 8192;
    w.out_height = outputs(w.in_height, w.kernel_height, w.stride_y, w.dilation_y,
                           w.pad_top + w.border.top, between(0, 9) + w.border.bottom);
    w.out_width = outputs(w.in_width, w.kernel_width, w.stride_x, w.dilation_x,
                          w.pad_left + w.border.left, between(0, 9) + w.border.right);
    return w;
}

/* Site of the picture that tap (ty, tx) of the window at (y, x) sees; -1: none. */
static int64_t seen(const struct window *w, uint32_t y, uint32_t x, uint32_t ty, uint32_t tx)
{
    int64_t iy =
        (int64_t)y * w->stride_y + (int64_t)ty * w->dilation_y - w->pad_top - w->border.top;
    int64_t ix =
        (int64_t)x * w->stride_x + (int64_t)tx * w->dilation_x - w->pad_left - w->border.left;
    bool inside = iy >= 0 && ix >= 0 && iy < w->in_height && ix < w->in_width;
    return inside ? iy * w->in_width + ix : -1;
}

static void any_slowly(const struct window *w, const uint8_t *in, uint8_t *out)
{
    for (uint32_t y = 0; y < w->out_height; y++)
        for (uint32_t x = 0; x < w->out_width; x++, out++) {
            *out = 0;
            for (uint32_t t = 0; t < w->kernel_height * w->kernel_width; t++) {
                int64_t at = seen(w, y, x, t / w->kernel_width, t % w->kernel_width);
                *out |= at >= 0 ? in[at] : 0;
            }
        }
}

static void cover_slowly(const struct window *w, const uint8_t *out, uint8_t *in)
{
    for (uint32_t y = 0; y < w->out_height; y++)
        for (uint32_t x = 0; x < w->out_width; x++, out++)
            for (uint32_t t = 0; *out && t < w->kernel_height * w->kernel_width; t++) {
                int64_t at = seen(w, y, x, t / w->kernel_width, t % w->kernel_width);
                if (at >= 0)
                    in[at] = 1;
            }
}

/* Bits from bytes, in memory of exactly that size, so that sanitizers see every word beyond. */
static uint64_t *plane_of(const uint8_t *bytes, uint32_t height, uint32_t width)
{
    uint64_t *plane = calloc(sites_words(height, width), sizeof *plane);
    assert_non_null(plane);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            if (bytes[y * width + x])
                bits_put(plane + y * bits_words(width), x);
    return plane;
}

/* Frees `got`. */
static void assert_same(const char *what, uint64_t *got, const uint8_t *want, uint32_t height,
                        uint32_t width, int round)
{
    uint64_t *plane = plane_of(want, height, width);
    if (memcmp(got, plane, sites_words(height, width) * sizeof *plane) != 0)
        fail_msg("%s differs in round %d; SEED=%llu", what, round, (unsigned long long)seed);
    free(plane);
    free(got);
}

static uint64_t *new_plane(uint32_t height, uint32_t width)
{
    uint64_t *plane = malloc(sites_words(height, width) * sizeof *plane);
    assert_non_null(plane);
    memset(plane, 0xa5, sites_words(height, width) * sizeof *plane);
    return plane;
}

static void test_windows(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        struct window w = random_window();
        size_t n_in = (size_t)w.in_height * w.in_width, n_out = (size_t)w.out_height * w.out_width;
        uint8_t *in = malloc(n_in), *out = malloc(n_out), *want = malloc(n_out);
        assert_true(in && out && want);
        fill(in, n_in);
        any_slowly(&w, in, want);
        uint64_t *source = plane_of(in, w.in_height, w.in_width);
        uint64_t *target = new_plane(w.out_height, w.out_width);
        sites_any(&w, source, target);
        assert_same("sites_any", target, want, w.out_height, w.out_width, i);
        fill(out, n_out);
        target = plane_of(out, w.out_height, w.out_width);
        cover_slowly(&w, out, in);
        sites_cover(&w, target, source);
        assert_same("sites_cover", source, in, w.in_height, w.in_width, i);
        free(target);
        free(in);
        free(out);
        free(want);
    }
}

static void test_grow(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        uint32_t height = between(1, 20), width = some_width();
        uint8_t in[CELLS], want[CELLS] = {0};
        fill(in, (size_t)height * width);
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++)
                for (uint32_t v = y ? y - 1 : 0; v <= y + 1 && v < height; v++)
                    for (uint32_t u = x ? x - 1 : 0; u <= x + 1 && u < width; u++)
                        want[y * width + x] |= in[v * width + u];
        uint64_t *plane = plane_of(in, height, width), *grown = new_plane(height, width);
        sites_grow(height, width, plane, grown);
        assert_same("sites_grow", grown, want, height, width, i);
        free(plane);
    }
}

static void test_lists(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        uint32_t height = between(1, 20), width = some_width(), n = 0;
        uint8_t rows[CELLS];
        fill(rows, (size_t)height * width);
        uint64_t *plane = plane_of(rows, height, width);
        for (uint32_t k = 0; k < height * width; k++)
            n += rows[k];
        assert_int_equal(sites_count(plane, sites_words(height, width)), n);
        uint32_t *list = malloc((n + SITES_SLACK) * sizeof *list);
        assert_int_equal(sites_list(height, width, plane, list), n);
        uint32_t *next = list;
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++) {
                assert_int_equal(sites_has(plane, width, site_pack(y, x)), rows[y * width + x]);
                if (rows[y * width + x])
                    assert_int_equal(*next++, site_pack(y, x));
            }
        free(list);
        free(plane);
    }
}

/* Cells between the rows of the map stay what they were. */
static void test_numbers(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        uint32_t height = between(1, 20), width = some_width(), stride = width + between(0, 5);
        size_t n = (size_t)height * width, cells = (size_t)(height - 1) * stride + width;
        uint8_t rows[CELLS], shown[CELLS];
        fill(rows, n);
        fill(shown, n);
        for (size_t k = 0; k < n; k++)
            shown[k] &= rows[k];
        uint64_t *a = plane_of(rows, height, width), *b = plane_of(shown, height, width);
        int32_t *map = malloc(cells * sizeof *map), next = 1000;
        memset(map, 0x77, cells * sizeof *map);
        sites_number(kernels_choose(i % 2, false), height, width, a, b, 1000, map, stride);
        for (size_t k = 0; k < cells; k++) {
            size_t y = k / stride, x = k % stride, at = y * width + x;
            int32_t want = x >= width ? 0x77777777 : shown[at] ? next : -1;
            next += x < width && rows[at];
            if (map[k] != want)
                fail_msg("sites_number: %d, not %d, in round %d; SEED=%llu", map[k], want, i,
                         (unsigned long long)seed);
        }
        free(map);
        free(a);
        free(b);
    }
}

static void test_sets(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        uint32_t n = some_width();
        size_t words = bits_words(n);
        uint8_t a[MOST] = {0}, b[MOST], both[MOST], either[MOST], rest[MOST];
        bool any = false;
        fill(a, n);
        fill(b, n);
        for (size_t k = 0; k < n; k++) {
            both[k] = a[k] & b[k];
            either[k] = a[k] | b[k];
            rest[k] = a[k] & !b[k];
            any |= a[k];
        }
        uint64_t *x = plane_of(a, 1, n), *y = plane_of(b, 1, n), *z = plane_of(a, 1, n);
        assert_int_equal(sites_any_set(x, words), any);
        sites_and(z, y, words);
        assert_same("sites_and", z, both, 1, n, i);
        z = plane_of(a, 1, n);
        sites_or(z, y, words);
        assert_same("sites_or", z, either, 1, n, i);
        z = plane_of(a, 1, n);
        sites_without(z, y, words);
        sites_or_and(z, x, y, words);
        assert_same("sites_without and sites_or_and", z, a, 1, n, i);
        z = plane_of(a, 1, n);
        sites_without(z, y, words);
        assert_same("sites_without", z, rest, 1, n, i);
        memset(both, 1, n);
        z = new_plane(1, n);
        sites_fill(1, n, z);
        assert_same("sites_fill", z, both, 1, n, i);
        free(x);
        free(y);
    }
}

static int start(void **state)
{
    (void)state;
    const char *given = getenv("SEED"), *longer = getenv("ROUNDS");
    seed = given ? strtoull(given, NULL, 10) : seed;
    rounds = longer ? atoi(longer) : rounds;
    rng_seed(&rng, seed);
    printf("SEED=%llu\n", (unsigned long long)seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows), cmocka_unit_test(test_grow), cmocka_unit_test(test_lists),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_sets),
    };
    return cmocka_run_group_tests_name("sites", tests, start, NULL);
}
