/* The arena's layout against the plainest first fit, on random lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "graph/arena.h"

/* Value 0 is the input, value v the output of step v - 1. */
struct subject {
    struct graph graph;
    struct plan plan;
};

static struct subject make_subject(size_t steps)
{
    static const struct step_kind kind = {.name = "test"};
    struct subject s = {.graph = {.n_steps = steps, .n_values = steps + 1}};
    s.graph.values = array_zalloc(steps + 1, sizeof *s.graph.values);
    s.plan.values = array_zalloc(steps + 1, sizeof *s.plan.values);
    s.graph.steps = array_zalloc(steps, sizeof *s.graph.steps);
    assert_true(s.graph.values && s.plan.values && s.graph.steps);
    for (uint32_t i = 0; i < steps; i++) {
        s.graph.steps[i].kind = &kind;
        s.graph.steps[i].output = i + 1;
    }
    for (uint32_t v = 0; v <= steps; v++) {
        s.graph.values[v].producer = v ? v - 1 : GRAPH_NO_VALUE;
        s.graph.values[v].channels = 16;
        s.plan.values[v].rows = 1;
        s.plan.values[v].last_use = v;
    }
    return s;
}

static void release(struct subject *s)
{
    free(s->graph.values);
    free(s->plan.values);
    free(s->graph.steps);
}

static void assert_planned(struct subject *s)
{
    struct lm_error error = {0};
    s->plan.arena = 0;
    assert_int_equal(arena_plan(&s->graph, &s->plan, &error), LM_OK);
}

static size_t floats_of(const struct subject *s, uint32_t v)
{
    return (s->plan.values[v].rows * s->graph.values[v].channels + 15) / 16 * 16;
}

/* Values are born when their step begins, the input before all. */
static bool together(const struct subject *s, uint32_t a, uint32_t b)
{
    uint32_t dead_a = s->plan.values[a].last_use + 1, dead_b = s->plan.values[b].last_use + 1;
    return a <= (dead_b > b ? dead_b : b) && b <= (dead_a > a ? dead_a : a);
}

/* The lowest multiple of 16 floats where v touches nobody in `placed`. */
static size_t lowest_offset(const struct subject *s, const size_t *offsets, const uint32_t *placed,
                            size_t n, uint32_t v)
{
    size_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t other = placed[i];
        size_t end = offsets[other] + floats_of(s, other);
        if (together(s, v, other) && offsets[other] < offset + floats_of(s, v) && end > offset) {
            offset = end;
            i = SIZE_MAX; /* from the start again */
        }
    }
    return offset;
}

static void assert_plain_first_fit(const struct subject *s)
{
    size_t n = 0, total = s->graph.n_values, arena = 0;
    uint32_t *placed = array_zalloc(total, sizeof *placed);
    size_t *offsets = array_zalloc(total, sizeof *offsets);
    bool *done = array_zalloc(total, sizeof *done);
    assert_true(placed && offsets && done);
    for (;;) {
        uint32_t best = UINT32_MAX;
        for (uint32_t v = 0; v < total; v++)
            if (!done[v] && s->plan.values[v].rows &&
                (best == UINT32_MAX || floats_of(s, v) > floats_of(s, best)))
                best = v;
        if (best == UINT32_MAX)
            break;
        offsets[best] = lowest_offset(s, offsets, placed, n, best);
        assert_int_equal(s->plan.values[best].offset, offsets[best]);
        arena =
            offsets[best] + floats_of(s, best) > arena ? offsets[best] + floats_of(s, best) : arena;
        placed[n++] = best;
        done[best] = true;
    }
    assert_int_equal(s->plan.arena, arena);
    free(placed);
    free(offsets);
    free(done);
}

static void test_random_lives(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    static const uint32_t reaches[] = {1, 2, 5, 30, 400};
    for (size_t round = 0; round < 60; round++) {
        uint32_t steps = 1 + (uint32_t)rng_below(&rng, 300);
        struct subject s = make_subject(steps);
        for (uint32_t v = 0; v <= steps; v++) {
            uint32_t last = v + (uint32_t)rng_below(&rng, reaches[round % 5]);
            s.plan.values[v].last_use = last < steps ? last : steps;
            s.plan.values[v].rows = rng_below(&rng, 8) ? rng_below(&rng, round % 3 ? 50 : 3) : 0;
            s.graph.values[v].channels = 1 + (uint32_t)rng_below(&rng, 40);
            if (rng_below(&rng, 20) == 0)
                s.plan.values[v].last_use = 0; /* nobody reads it */
        }
        assert_planned(&s);
        assert_plain_first_fit(&s);
        release(&s);
    }
}

/* When step i computes sample s, of two that go through the first `wide` steps one after the other.
 */
static int64_t moment(const struct subject *s, int64_t i, int64_t sample)
{
    int64_t wide = s->plan.wide;
    return i < 0 ? i : i < wide ? sample * wide + i : wide + i;
}

static bool meet_on_the_way(const struct subject *s, uint32_t a, uint32_t b)
{
    for (int64_t sample = 0; sample < 2; sample++)
        for (int64_t other = 0; other < 2; other++) {
            int64_t born_a = moment(s, (int64_t)a - 1, sample);
            int64_t born_b = moment(s, (int64_t)b - 1, other);
            int64_t dead_a = moment(s, s->plan.values[a].last_use, sample);
            int64_t dead_b = moment(s, s->plan.values[b].last_use, other);
            if (born_a <= (dead_b > born_b ? dead_b : born_b) &&
                born_b <= (dead_a > born_a ? dead_a : born_a))
                return true;
        }
    return false;
}

static void test_samples_one_after_the_other(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 11);
    for (size_t round = 0; round < 60; round++) {
        uint32_t steps = 1 + (uint32_t)rng_below(&rng, 60);
        struct subject s = make_subject(steps);
        s.plan.wide = (uint32_t)rng_below(&rng, steps + 1);
        for (uint32_t v = 0; v <= steps; v++) {
            uint32_t last = v + (uint32_t)rng_below(&rng, 8);
            s.plan.values[v].last_use = last < steps ? last : steps;
            s.plan.values[v].rows = 1 + rng_below(&rng, 50);
        }
        assert_planned(&s);
        for (uint32_t a = 0; a <= steps; a++)
            for (uint32_t b = 0; b < a; b++)
                if (meet_on_the_way(&s, a, b)) {
                    size_t x = s.plan.values[a].offset, y = s.plan.values[b].offset;
                    assert_true(x + floats_of(&s, a) <= y || y + floats_of(&s, b) <= x);
                }
        release(&s);
    }
}

/* A chain needs two values at a time, however long it is. */
static void test_long_chain(void **state)
{
    (void)state;
    struct subject s = make_subject(20000);
    assert_planned(&s);
    assert_int_equal(s.plan.arena, 32);
    for (uint32_t v = 0; v <= 20000; v++)
        assert_int_equal(s.plan.values[v].offset, v % 2 ? 16 : 0);
    release(&s);
}

static void test_all_alive(void **state)
{
    (void)state;
    struct subject s = make_subject(20000);
    for (uint32_t v = 0; v <= 20000; v++)
        s.plan.values[v].last_use = 20000;
    assert_planned(&s);
    assert_int_equal(s.plan.arena, 16 * 20001);
    for (uint32_t v = 0; v <= 20000; v++)
        assert_int_equal(s.plan.values[v].offset, 16 * v);
    release(&s);
}

static void test_nothing(void **state)
{
    (void)state;
    struct subject s = make_subject(0);
    s.plan.values[0].rows = 0;
    assert_planned(&s);
    assert_int_equal(s.plan.arena, 0);
    release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lives), cmocka_unit_test(test_samples_one_after_the_other),
        cmocka_unit_test(test_long_chain),   cmocka_unit_test(test_all_alive),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
