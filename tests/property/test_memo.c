/* Memoisation: whatever a session remembers of a picture, its results are those of a session that
 * remembers nothing, bit for bit; and what it remembers, it does not compute again.  SEED=n replays
 * a run. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/thread_pool.h"
#include "fault.h"
#include "hostile.h"
#include "kernels/kernels.h"
#include "layermask/session.h"

enum {
    SIDE = 64,
    BATCH = 4,
    HELPERS = 3,
    CLASSES = 6,
    PLANES = 3 * SIDE * SIDE,
    MEGABYTE = 1 << 20
};

static enum lm_precision precision = LM_PRECISION_FLOAT32;
static uint64_t seed = 1;

static uint32_t number_below(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* Windows of all kinds on early values: strides, dilation, borders, pads, several rounds of
 * neighbour padding; joins of values with different masks; ends with a network of its own. */
#define HEAD "input x 1,3,64,64;output y 1,6;float g 8,6;"
#define TAIL ";GlobalAveragePool gp last gpo;Flatten fl gpo flo;Gemm ge flo,g y"
static const char *const networks[] = {
    HEAD
    "float w1 8,3,3,3;float b1 8;float w2 8,8,3,3;float w3 8,8,1,1;float d 8,1,3,3;"
    "Conv c1 x,w1,b1 h1 pads=1,1,1,1;Relu r1 h1 h2;Conv c2 h2,w2 h3 pads=1,1,1,1;Add a h3,h2 h4;"
    "Relu r2 h4 h5;Conv c3 h5,w3 h6;Conv dw h6,d h7 pads=1,1,1,1 group:8;Add a2 h7,h6 h8;"
    "MaxPool mp h8 h9 kernel_shape=3,3 strides=2,2 pads=1,1,1,1;Conv c4 h9,w2 last" TAIL,
    HEAD "float w1 8,3,7,7;float w2 8,8,3,3;float w3 4,8,1,1;float w4 4,8,3,3;float w5 8,8,5,5;"
         "Conv c1 x,w1 h1 pads=3,3,3,3 strides=2,2;Relu r1 h1 h2;"
         "MaxPool mp h2 h3 kernel_shape=3,3 strides=2,2;Conv e1 h3,w3 h4;"
         "Conv e3 h3,w4 h5 pads=1,1,1,1;Concat cat h4,h5 h6 axis:1;Relu r2 h6 h7;"
         "Conv c5 h7,w5 h8 pads=2,2,2,2;Conv c6 h8,w2 last pads=2,2,2,2 dilations=2,2" TAIL,
    HEAD "float w1 8,3,4,4;float n 8 0.5;float d 8,1,7,7;float w2 8,8,2,2;"
         "int pads 0,0,1,0,0,0,0,1;float pv 1 0.25;Pad pad x,pads,pv p;"
         "Conv c1 p,w1 h1 strides=2,2;Conv dw h1,d h2 pads=3,3,3,3 group:8;"
         "Transpose t1 h2 h3 perm=0,2,3,1;LayerNormalization ln h3,n,n h4;"
         "Transpose t2 h4 h5 perm=0,3,1,2;Add a h5,h1 h6;"
         "AveragePool ap h6 h7 kernel_shape=2,2 strides=2,2;Conv c2 h7,w2 last strides=2,2" TAIL,
    /* 3x3 with many channels, among so much else that recall steps stand behind it */
    HEAD "float w1 32,3,7,7;float w2 32,32,3,3;float w3 192,32,1,1;float w4 32,192,1,1;"
         "float w5 32,32,3,3;float w6 8,32,3,3;Conv c1 x,w1 h1 pads=3,3,3,3 strides=2,2;"
         "Relu r1 h1 h2;Conv t1 h2,w2 h3 pads=1,1,1,1;Relu r2 h3 h4;Conv a h4,w3 h5;"
         "Conv b h5,w4 h6;Conv t2 h6,w5 h7 pads=1,1,1,1;Add a2 h7,h4 h8;Relu r3 h8 h9;"
         "Conv c h9,w3 h10;Conv d h10,w4 h11;Conv e h11,w6 last strides=2,2" TAIL,
};

static const struct lm_policy policies[] = {
    {0},
    {.concat = LM_CONCAT_MAJORITY, .exposed = LM_EXPOSED_ZERO},
    {.concat = LM_CONCAT_INTERSECTION, .average_pool = LM_AVERAGE_POOL_PLAIN},
};

static float image[PLANES], other_image[PLANES];
static struct lm_mask masks[BATCH];

static int start(void **state)
{
    const char *given = getenv("SEED");
    seed = given ? strtoull(given, NULL, 10) : 1;
    for (size_t i = 0; i < PLANES; i++) {
        image[i] = network_number(i * 7);
        other_image[i] = network_number(i * 5 + 3);
    }
    for (int s = 0; s < BATCH; s++)
        assert_int_equal(lm_mask_create(SIDE, SIDE, &masks[s], NULL), LM_OK);
    return hostile_start(state);
}

static int stop(void **state)
{
    for (int s = 0; s < BATCH; s++)
        lm_mask_free(&masks[s]);
    return scratch_remove(state);
}

/* Slanted cells, each visible or not. */
static void draw_mask(struct lm_mask *mask, uint32_t cell, uint32_t visible_of_8)
{
    bool on[16][16];
    for (int i = 0; i < 256; i++)
        on[i / 16][i % 16] = number_below(8) < visible_of_8;
    lm_mask_fill(mask, false);
    for (uint32_t y = 0; y < SIDE; y++)
        for (uint32_t x = 0; x < SIDE; x++)
            if (on[(y + x / 7) / cell % 16][(x + y / 5) / cell % 16])
                lm_mask_set(mask, x, y);
}

static struct lm_model *load(const char *network, const struct lm_policy *policy, uint64_t bytes)
{
    struct lm_model *model;
    struct lm_error error = {0};
    struct lm_model_options options = {
        .policy = *policy, .memo_bytes = bytes, .precision = precision};
    if (lm_model_load(network_file(network), &options, &model, &error) != LM_OK)
        fail_msg("%s", error.text);
    return model;
}

static struct lm_session *new_session(const struct lm_model *model)
{
    struct lm_session *session;
    assert_int_equal(lm_session_create(model, BATCH, HELPERS, &session, NULL), LM_OK);
    return session;
}

static const struct lm_parallel *helpers; /* of the runs that follow; NULL: none */

/* Runs on `picture`; plain: samples without a mask, as bits. */
static uint64_t run(struct lm_session *session, const float *picture, uint32_t plain, float *logits)
{
    const float *inputs[BATCH] = {picture, picture, picture, picture};
    const struct lm_mask *visible[BATCH];
    for (uint32_t s = 0; s < BATCH; s++)
        visible[s] = plain >> s & 1 ? NULL : &masks[s];
    assert_int_equal(lm_session_run(session, BATCH, inputs, visible, logits, helpers, NULL), LM_OK);
    struct lm_run_stats stats;
    lm_session_stats(session, &stats);
    return stats.macs_done;
}

static void compare(struct lm_session *session, struct lm_session *oblivious, const float *picture,
                    uint32_t plain)
{
    float logits[BATCH * CLASSES], expected[BATCH * CLASSES];
    struct lm_run_stats stats, stats_expected;
    run(session, picture, plain, logits);
    run(oblivious, picture, plain, expected);
    assert_memory_equal(logits, expected, sizeof expected);
    lm_session_stats(session, &stats);
    lm_session_stats(oblivious, &stats_expected);
    assert_int_equal(stats.macs_needed, stats_expected.macs_needed);
    assert_true(stats.macs_done <= stats_expected.macs_done);
}

static void test_same_results(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 300000, 4 * MEGABYTE}; /* the second is soon full */
    for (size_t n = 0; n < sizeof networks / sizeof *networks; n++)
        for (size_t p = 0; p < sizeof policies / sizeof *policies; p++)
            for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
                struct lm_model *model = load(networks[n], &policies[p], sizes[k]);
                struct lm_session *session = new_session(model), *oblivious = new_session(model);
                lm_session_turn_to(session, 5);
                for (uint32_t i = 0; i < 12; i++) {
                    for (int s = 0; s < BATCH; s++)
                        draw_mask(&masks[s], 6 + number_below(14), 1 + number_below(7));
                    compare(session, oblivious, image, i % 4 == 3 ? number_below(16) : 0);
                }
                lm_session_free(session);
                lm_session_free(oblivious);
                lm_model_free(model);
            }
}

/* Runs with helpers and without in turn, as a server's worker has them that is alone. */
static void test_helpers(void **state)
{
    (void)state;
    struct pool *pool;
    assert_int_equal(pool_create(HELPERS, 0, &pool, NULL), LM_OK);
    const struct lm_parallel parallel = pool_parallel(pool);
    for (size_t n = 0; n < sizeof networks / sizeof *networks; n++) {
        struct lm_model *model = load(networks[n], &policies[0], 4 * MEGABYTE);
        struct lm_session *session = new_session(model), *oblivious = new_session(model);
        lm_session_turn_to(session, 5);
        for (uint32_t i = 0; i < 12; i++) {
            float logits[BATCH * CLASSES], expected[BATCH * CLASSES];
            for (int s = 0; s < BATCH; s++)
                draw_mask(&masks[s], 6 + number_below(14), 1 + number_below(7));
            uint32_t plain = i % 4 == 3 ? number_below(16) : 0;
            helpers = i % 3 ? &parallel : NULL;
            run(session, image, plain, logits);
            helpers = NULL;
            run(oblivious, image, plain, expected);
            assert_memory_equal(logits, expected, sizeof expected);
        }
        lm_session_free(session);
        lm_session_free(oblivious);
        lm_model_free(model);
    }
    pool_free(pool);
}

/* The masks of one run again: all that recall steps stand behind is known. */
static void test_remembers(void **state)
{
    (void)state;
    float logits[BATCH * CLASSES];
    for (size_t n = 0; n < sizeof networks / sizeof *networks; n++) {
        struct lm_model *model = load(networks[n], &policies[0], 16 * MEGABYTE);
        struct lm_session *session = new_session(model);
        for (int s = 0; s < BATCH; s++)
            draw_mask(&masks[s], 16, 4);
        uint64_t all = run(session, image, 0, logits);
        lm_session_turn_to(session, 1);
        uint64_t first = run(session, image, 0, logits), second = run(session, image, 0, logits);
        assert_true(first <= all);
        assert_true(second < all / 2);
        assert_int_equal(run(session, image, 15, logits), run(session, image, 15, logits));
        lm_session_turn_to(session, 0);
        assert_int_equal(run(session, image, 0, logits), all);
        lm_session_free(session);
        lm_model_free(model);
    }
}

/* Samples of one run have rows in common, too. */
static void test_shares_within_a_run(void **state)
{
    (void)state;
    float logits[BATCH * CLASSES];
    struct lm_model *model = load(networks[0], &policies[0], 16 * MEGABYTE);
    struct lm_session *session = new_session(model);
    for (int s = 0; s < BATCH; s++) {
        lm_mask_fill(&masks[s], false);
        for (uint32_t i = 0; i < SIDE * SIDE / 2; i++)
            lm_mask_set(&masks[s], i % SIDE, i / SIDE);
    }
    uint64_t all = run(session, image, 0, logits);
    lm_session_turn_to(session, 1);
    assert_true(run(session, image, 0, logits) < all * 2 / 3);
    for (uint32_t s = 1; s < BATCH; s++)
        assert_memory_equal(logits, logits + s * CLASSES, CLASSES * sizeof *logits);
    lm_session_free(session);
    lm_model_free(model);
}

/* How the second 3x3 convolution of the last network is computed. */
static const char *kernel_of_t1(struct lm_session *session)
{
    static struct lm_step_profile steps[64];
    struct lm_profile profile;
    lm_session_profile_read(session, &profile, steps);
    for (int i = 0; i < 64 && steps[i].name; i++)
        if (!strcmp(steps[i].name, "t1"))
            return steps[i].kernel;
    return "none";
}

/* Masks that leave few rows in common are not looked up behind what tiles compute faster; with
 * tiles or without, the rows before are the same. */
static void test_which_masks_pay(void **state)
{
    (void)state;
    float logits[BATCH * CLASSES];
    size_t last = sizeof networks / sizeof *networks - 1;
    struct lm_model *model = load(networks[last], &policies[0], 16 * MEGABYTE);
    struct lm_session *session = new_session(model), *oblivious = new_session(model);
    bool floats = precision == LM_PRECISION_FLOAT32;
    lm_session_turn_to(session, 1);
    lm_session_profile(session, 1);
    for (uint32_t cell = 1; cell <= 32; cell *= 32) {
        for (int s = 0; s < BATCH; s++)
            draw_mask(&masks[s], cell, 4);
        uint64_t first = run(session, image, 0, logits), second = run(session, image, 0, logits);
        assert_true(cell == 1 ? second > first / 2 : second < first);
        const char *kernel = kernel_of_t1(session);
        if (floats)
            assert_string_equal(kernel, cell == 1 ? "winograd 4x4" : "product");
        else if (kernels_choose(false, true)->bf16_in_place)
            assert_string_equal(kernel, cell == 1 ? "winograd 2x2" : "bfloat16 product");
        compare(session, oblivious, image, 0);
    }
    lm_session_free(session);
    lm_session_free(oblivious);
    lm_model_free(model);
}

/* What the same masks take from their second run on, and when they have been run often. */
struct again {
    uint64_t second, last;
};

static struct again run_again(const char *network, uint64_t bytes)
{
    float logits[BATCH * CLASSES], expected[BATCH * CLASSES];
    struct lm_model *model = load(network, &policies[0], bytes);
    struct lm_session *session = new_session(model);
    run(session, image, 0, expected);
    lm_session_turn_to(session, 1);
    run(session, image, 0, logits);
    struct again again = {.second = run(session, image, 0, logits)};
    for (int i = 0; i < 12; i++) {
        again.last = run(session, image, 0, logits);
        assert_memory_equal(logits, expected, sizeof expected);
    }
    lm_session_free(session);
    lm_model_free(model);
    return again;
}

/* In too little memory for the rows of all recall steps, those of the last one take the room of the
 * others', until nothing before it is computed any more. */
static void test_the_last_step_makes_itself_room(void **state)
{
    (void)state;
    uint32_t made_room = 0;
    for (int s = 0; s < BATCH; s++)
        draw_mask(&masks[s], 16, 4);
    const struct again ample = run_again(networks[0], 16 * MEGABYTE);
    assert_int_equal(ample.last, ample.second);
    for (uint64_t bytes = MEGABYTE; bytes > 500000; bytes -= bytes / 12) {
        struct again scarce = run_again(networks[0], bytes);
        assert_true(scarce.last >= ample.last);
        made_room += scarce.second > ample.second && scarce.last == ample.last;
    }
    assert_true(made_room > 1);
}

/* Two pictures in turn: right results, and the first keeps its rows; left alone, the second gets
 * its chance. */
static void test_pictures_in_turn(void **state)
{
    (void)state;
    float logits[BATCH * CLASSES];
    struct lm_model *model = load(networks[1], &policies[0], 16 * MEGABYTE);
    struct lm_session *session = new_session(model);
    struct lm_session *oblivious = new_session(model);
    for (int s = 0; s < BATCH; s++)
        draw_mask(&masks[s], 16, 4);
    uint64_t all = run(oblivious, other_image, 0, logits);
    for (int i = 0; i < 20; i++) {
        lm_session_turn_to(session, 1 + (uint64_t)i % 2);
        compare(session, oblivious, i % 2 ? other_image : image, 0);
    }
    lm_session_turn_to(session, 2);
    uint64_t last = all;
    for (int i = 0; i < 12; i++) {
        compare(session, oblivious, other_image, 0);
        last = run(session, other_image, 0, logits);
    }
    assert_true(last < all);
    lm_session_free(session);
    lm_session_free(oblivious);
    lm_model_free(model);
}

static void test_no_allocation(void **state)
{
    (void)state;
    float logits[BATCH * CLASSES];
    struct lm_model *model = load(networks[0], &policies[0], 16 * MEGABYTE);
    struct lm_session *session = new_session(model);
    lm_session_turn_to(session, 1);
    for (int s = 0; s < BATCH; s++)
        draw_mask(&masks[s], 16, 4);
    fault_count();
    run(session, image, 0, logits);
    run(session, image, 0, logits);
    assert_int_equal(fault_disarm(), 0);
    lm_session_free(session);
    lm_model_free(model);
}

static const char *path;

static enum lm_status load_with_memory(struct lm_error *error)
{
    struct lm_model *loaded;
    struct lm_model_options options = {.memo_bytes = MEGABYTE};
    enum lm_status status = lm_model_load(path, &options, &loaded, error);
    if (status == LM_OK)
        lm_model_free(loaded);
    return status;
}

static struct lm_model *shared;

static enum lm_status create_session(struct lm_error *error)
{
    struct lm_session *session;
    enum lm_status status = lm_session_create(shared, BATCH, 1, &session, error);
    if (status == LM_OK)
        lm_session_free(session);
    return status;
}

static void test_no_memory(void **state)
{
    (void)state;
    path = network_file(networks[0]);
    fault_ratchet(load_with_memory);
    shared = load(networks[0], &policies[0], MEGABYTE);
    fault_ratchet(create_session);
    lm_model_free(shared);
}

/* Threads that run masks of one picture at the same time, in one memory. */
struct runs {
    struct lm_session *session;
    uint64_t seed;
    uint32_t bad;
};

static void *run_many(void *argument)
{
    struct runs *runs = argument;
    float logits[BATCH * CLASSES], expected[BATCH * CLASSES];
    struct lm_mask mine[BATCH] = {{0}};
    const float *inputs[BATCH] = {image, image, image, image};
    const struct lm_mask *visible[BATCH] = {&mine[0], &mine[1], &mine[2], &mine[3]};
    for (int s = 0; s < BATCH; s++)
        lm_mask_create(SIDE, SIDE, &mine[s], NULL);
    for (uint32_t i = 0; i < 24; i++) {
        for (uint32_t s = 0; s < BATCH; s++) {
            lm_mask_fill(&mine[s], false);
            for (uint32_t p = 0; p < SIDE * SIDE; p++) {
                runs->seed += p % SIDE % 16 == 0 && p / SIDE % 16 == 0;
                if ((runs->seed * (p % SIDE / 16 + 3) * (p / SIDE / 16 + 5) >> 2) % 3)
                    lm_mask_set(&mine[s], p % SIDE, p / SIDE);
            }
        }
        lm_session_turn_to(runs->session, 0);
        lm_session_run(runs->session, BATCH, inputs, visible, expected, NULL, NULL);
        lm_session_turn_to(runs->session, 1 + i / 12);
        lm_session_run(runs->session, BATCH, inputs, visible, logits, NULL, NULL);
        runs->bad += memcmp(logits, expected, sizeof expected) != 0;
    }
    for (int s = 0; s < BATCH; s++)
        lm_mask_free(&mine[s]);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct lm_model *model = load(networks[0], &policies[0], MEGABYTE);
    struct runs runs[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t t = 0; t < THREADS; t++) {
        runs[t] = (struct runs){.session = new_session(model), .seed = t};
        assert_int_equal(pthread_create(&threads[t], NULL, run_many, &runs[t]), 0);
    }
    for (uint32_t t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        assert_int_equal(runs[t].bad, 0);
        lm_session_free(runs[t].session);
    }
    lm_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_results),
        cmocka_unit_test(test_helpers),
        cmocka_unit_test(test_remembers),
        cmocka_unit_test(test_shares_within_a_run),
        cmocka_unit_test(test_the_last_step_makes_itself_room),
        cmocka_unit_test(test_which_masks_pay),
        cmocka_unit_test(test_pictures_in_turn),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_threads),
    };
    int failed = cmocka_run_group_tests_name("memo", tests, start, stop);
    precision = LM_PRECISION_BFLOAT16;
    return failed + cmocka_run_group_tests_name("memo in bfloat16", tests, start, stop);
}
