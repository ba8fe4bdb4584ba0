/* Site maps against plain loops over every window, for random windows.  SEED=n replays a run. */
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

enum { MOST = 40, CELLS = MOST * MOST };

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
    uint32_t n = (padded - span) / stride + 1 + between(0, 1);
    return n > MOST ? MOST : n;
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
                       .in_width = between(1, 20)};
    if (between(0, 3) == 0)
        w.border = (struct border){between(0, 5), between(0, 5), between(0, 5), between(0, 5), 0};
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

static void assert_same(const char *what, const uint8_t *got, const uint8_t *want, size_t n,
                        int round)
{
    if (memcmp(got, want, n) != 0)
        fail_msg("%s differs in round %d; SEED=%llu", what, round, (unsigned long long)seed);
}

/* Buffers have exactly the size that the header says, so that sanitizers see every byte beyond. */
static void test_windows(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        struct window w = random_window();
        size_t n_in = (size_t)w.in_height * w.in_width, n_out = (size_t)w.out_height * w.out_width;
        uint8_t *in = malloc(n_in), *out = malloc(n_out), want[CELLS];
        uint8_t *scratch = malloc((size_t)w.in_height * w.out_width);
        assert_true(in && out && scratch);
        fill(in, n_in);
        any_slowly(&w, in, want);
        sites_any(&w, in, out, scratch);
        assert_same("sites_any", out, want, n_out, i);
        fill(out, n_out);
        memcpy(want, in, n_in);
        cover_slowly(&w, out, want);
        sites_cover(&w, out, in, scratch);
        assert_same("sites_cover", in, want, n_in, i);
        free(in);
        free(out);
        free(scratch);
    }
}

static void test_grow(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        uint32_t height = between(1, 20), width = between(1, 20);
        size_t n = (size_t)height * width;
        uint8_t *in = malloc(n), *out = malloc(n), *scratch = malloc(n), want[CELLS] = {0};
        assert_true(in && out && scratch);
        fill(in, n);
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++)
                for (uint32_t v = y ? y - 1 : 0; v <= y + 1 && v < height; v++)
                    for (uint32_t u = x ? x - 1 : 0; u <= x + 1 && u < width; u++)
                        want[y * width + x] |= in[v * width + u];
        sites_grow(height, width, in, out, scratch);
        assert_same("sites_grow", out, want, n, i);
        free(in);
        free(out);
        free(scratch);
    }
}

static void test_sets(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        size_t n = between(0, 300);
        uint8_t a[300] = {0}, b[300], either[300];
        bool any = false;
        fill(a, n);
        fill(b, n);
        for (size_t k = 0; k < n; k++) {
            either[k] = a[k] | b[k];
            any |= a[k];
        }
        assert_int_equal(sites_any_set(a, n), any);
        sites_or(b, a, n);
        assert_same("sites_or", b, either, n, i);
        sites_and(b, a, n);
        assert_same("sites_and after or", b, a, n, i);
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
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_sets),
    };
    return cmocka_run_group_tests_name("sites", tests, start, NULL);
}
