/* Sessions: nothing is allocated in a run, arguments are checked, and results depend on the
 * micro-batch alone, whatever pool or neighbour runs it. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/batches.h"
#include "codec/thread_pool.h"
#include "fault.h"
#include "hostile.h"

enum { SIDE = 24, BATCH = 5, CLASSES = 6, PLANES = 3 * SIDE * SIDE };

/* Every kind of step: conv (plain, depthwise, grouped, 1x1, residual, program), pools, concat,
 * shuffle, crop, norm, flatten. */
static const char NETWORK[] =
    "input x 1,3,24,24;output y 1,6;"
    "float w1 16,3,3,3;float b1 16;float w2 16,1,5,5;float w3 16,16,1,1;float w4 16,4,3,3;"
    "float n 16 0.5;float g 144,6;float slope 16,1,1;"
    "Conv c1 x,w1,b1 h1 pads=1,1,1,1 strides=2,2;Relu r1 h1 h2;"
    "Conv c2 h2,w2 h3 pads=2,2,2,2 group:16;Sigmoid s h3 h4;Mul m h3,h4 h5;"
    "Conv c3 h5,w3 h6;Add a h6,h2 h7;PRelu pr h7,slope h8;"
    "Conv c4 h8,w4 h9 pads=1,1,1,1 group:4;MaxPool mp h8 h10 kernel_shape=3,3 pads=1,1,1,1;"
    "Concat cat h9,h10 h11 axis:1;int five 1,2,16,12,12;Reshape re h11,five h12;"
    "Transpose tr h12 h13 perm=0,2,1,3,4;int four 1,32,12,12;Reshape rb h13,four h14;"
    "int parts 16,16;Split sp h14,parts h15,h16 axis:1;Add a2 h15,h16 h17;"
    "AveragePool ap h17 h18 kernel_shape=2,2 strides=2,2;"
    "Transpose last h18 h19 perm=0,2,3,1;LayerNormalization ln h19,n,n h20;"
    "Transpose first h20 h21 perm=0,3,1,2;"
    "int st 1,1;int en 4,4;int ax 2,3;Slice sl h21,st,en,ax h22;Flatten fl h22 h23;"
    "Gemm ge h23,g h24;Softmax so h24 y axis:1";

static struct lm_model_options options;
static struct lm_model *model;
static float *images[BATCH];
static struct lm_mask masks[BATCH];
static const float *inputs[BATCH];
static const struct lm_mask *visible[BATCH];

static int start(void **state)
{
    if (hostile_start(state) != 0)
        return -1;
    struct lm_error error = {0};
    if (lm_model_load(network_file(NETWORK), &options, &model, &error) != LM_OK)
        fail_msg("%s", error.text);
    for (uint32_t s = 0; s < BATCH; s++) {
        inputs[s] = images[s] = malloc(PLANES * sizeof(float));
        for (size_t i = 0; i < PLANES; i++)
            images[s][i] = network_number(i * 7 + s * 1000);
        assert_int_equal(lm_mask_create(SIDE, SIDE, &masks[s], NULL), LM_OK);
        for (uint32_t i = 0; i < SIDE * SIDE; i++)
            if ((i % SIDE / 5 + i / SIDE / 4 + s) % 3)
                lm_mask_set(&masks[s], i % SIDE, i / SIDE);
        visible[s] = s == 2 ? NULL : &masks[s];
    }
    lm_mask_fill(&masks[4], false);
    return 0;
}

static int stop(void **state)
{
    for (int s = 0; s < BATCH; s++) {
        free(images[s]);
        lm_mask_free(&masks[s]);
    }
    lm_model_free(model);
    return scratch_remove(state);
}

static struct lm_session *new_session(uint32_t threads)
{
    struct lm_session *session;
    struct lm_error error = {0};
    if (lm_session_create(model, BATCH, threads, &session, &error) != LM_OK)
        fail_msg("%s", error.text);
    return session;
}

static void run(struct lm_session *session, const struct lm_parallel *pool, float *logits)
{
    struct lm_error error = {0};
    if (lm_session_run(session, BATCH, inputs, visible, logits, pool, &error) != LM_OK)
        fail_msg("%s", error.text);
}

static void reference(float *logits)
{
    struct lm_session *session = new_session(1);
    run(session, NULL, logits);
    lm_session_free(session);
}

static void test_no_allocation(void **state)
{
    (void)state;
    struct lm_session *session = new_session(1);
    float logits[BATCH * CLASSES];
    lm_session_profile(session, 1);
    fault_count();
    run(session, NULL, logits);
    run(session, NULL, logits);
    assert_int_equal(fault_disarm(), 0);
    lm_session_free(session);
    lm_session_free(NULL);
}

static void test_sums(void **state)
{
    (void)state;
    float logits[BATCH * CLASSES];
    reference(logits);
    for (int s = 0; s < BATCH; s++) {
        float sum = 0;
        for (int c = 0; c < CLASSES; c++)
            sum += logits[s * CLASSES + c];
        assert_float_equal(sum, 1, 1e-5f);
    }
    assert_memory_not_equal(logits, logits + CLASSES, CLASSES * sizeof *logits);
}

/* Hidden pixels may be anything, a hidden picture as a whole, too. */
static void test_hidden_values(void **state)
{
    (void)state;
    float want[BATCH * CLASSES], got[BATCH * CLASSES], *changed[BATCH];
    const float *other[BATCH];
    reference(want);
    for (int s = 0; s < BATCH; s++) {
        other[s] = changed[s] = malloc(PLANES * sizeof(float));
        memcpy(changed[s], images[s], PLANES * sizeof(float));
        for (uint32_t i = 0; visible[s] && i < PLANES; i++)
            if (!lm_mask_get(visible[s], i % SIDE, i % (SIDE * SIDE) / SIDE))
                changed[s][i] = i % 3 ? NAN : i % 2 ? INFINITY : -1e38f;
    }
    struct lm_session *session = new_session(1);
    assert_int_equal(lm_session_run(session, BATCH, other, visible, got, NULL, NULL), LM_OK);
    assert_memory_equal(got, want, sizeof want);
    lm_session_free(session);
    for (int s = 0; s < BATCH; s++)
        free(changed[s]);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    static const struct {
        uint32_t batch, threads;
        const char *text;
    } cases[] = {
        {0, 1, "a micro-batch of 0 images (1 to 256)"},
        {257, 1, "a micro-batch of 257 images (1 to 256)"},
        {UINT32_MAX, 1, "a micro-batch of 4294967295 images (1 to 256)"},
        {1, 0, "0 threads (1 to 256)"},
        {1, 257, "257 threads (1 to 256)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_error error = {0};
        struct lm_session *session = NULL;
        assert_int_equal(
            lm_session_create(model, cases[i].batch, cases[i].threads, &session, &error),
            LM_INVALID);
        assert_string_equal(error.text, cases[i].text);
        assert_null(session);
    }
}

static void expect_refusal(struct lm_session *session, uint32_t n,
                           const struct lm_mask *const *shown, const struct lm_parallel *pool,
                           const char *text)
{
    struct lm_error error = {0};
    float logits[BATCH * CLASSES];
    memset(logits, 0x55, sizeof logits);
    float before[BATCH * CLASSES];
    memcpy(before, logits, sizeof logits);
    assert_int_equal(lm_session_run(session, n, inputs, shown, logits, pool, &error), LM_INVALID);
    assert_string_equal(error.text, text);
    assert_memory_equal(logits, before, sizeof logits);
    assert_int_equal(lm_session_run(session, n, inputs, shown, logits, pool, NULL), LM_INVALID);
}

static void run_backwards(void *context, uint32_t count,
                          void (*task)(void *argument, uint32_t index, uint32_t thread),
                          void *argument)
{
    uint32_t threads = *(const uint32_t *)context;
    while (count-- > 0)
        task(argument, count, count % threads);
}

static void test_bad_runs(void **state)
{
    (void)state;
    struct lm_session *session = new_session(2);
    struct lm_mask wide;
    uint32_t three = 3;
    assert_int_equal(lm_mask_create(SIDE + 1, SIDE, &wide, NULL), LM_OK);
    const struct lm_mask *shown[] = {&masks[0], NULL, &wide, NULL, NULL};
    const struct lm_parallel pool = {&three, 3, run_backwards};
    expect_refusal(session, 0, visible, NULL, "0 images (1 to 5 in this session)");
    expect_refusal(session, 6, visible, NULL, "6 images (1 to 5 in this session)");
    expect_refusal(session, 3, shown, NULL, "mask 2 is 25 x 24 pixels, the input is 24 x 24");
    expect_refusal(session, 5, visible, &pool, "a pool of 3 threads (at most 2 in this session)");
    float logits[BATCH * CLASSES], want[BATCH * CLASSES];
    assert_int_equal(lm_session_run(session, 2, inputs, shown, logits, NULL, NULL), LM_OK);
    reference(want);
    run(session, NULL, logits);
    assert_memory_equal(logits, want, sizeof want);
    lm_mask_free(&wide);
    lm_session_free(session);
}

/* The same bytes again, after other batches, without masks, and in other memory. */
static void test_repeats(void **state)
{
    (void)state;
    float want[BATCH * CLASSES], got[BATCH * CLASSES], plain[BATCH * CLASSES];
    reference(want);
    struct lm_session *session = new_session(1);
    run(session, NULL, got);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(lm_session_run(session, 3, inputs + 1, NULL, plain, NULL, NULL), LM_OK);
    assert_int_equal(lm_session_run(session, 1, inputs + 4, visible + 4, plain, NULL, NULL), LM_OK);
    run(session, NULL, got);
    assert_memory_equal(got, want, sizeof want);
    lm_session_free(session);
}

static void test_pools(void **state)
{
    (void)state;
    float want[BATCH * CLASSES], got[BATCH * CLASSES];
    uint32_t three = 3;
    const struct lm_parallel backwards = {&three, 3, run_backwards};
    reference(want);
    struct lm_session *session = new_session(4);
    run(session, &backwards, got);
    assert_memory_equal(got, want, sizeof want);
    for (uint32_t threads = 1; threads <= 4; threads++) {
        struct pool *pool;
        assert_int_equal(pool_create(threads, 0, &pool, NULL), LM_OK);
        struct lm_parallel parallel = pool_parallel(pool);
        for (int i = 0; i < 5; i++) {
            run(session, &parallel, got);
            assert_memory_equal(got, want, sizeof want);
        }
        pool_free(pool);
    }
    lm_session_free(session);
}

/* cmocka's asserts are for the main thread only. */
struct worker {
    pthread_t thread;
    struct lm_session *session;
    float want[BATCH * CLASSES];
    int wrong;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    float got[BATCH * CLASSES];
    for (int i = 0; i < 10; i++)
        worker->wrong += lm_session_run(worker->session, BATCH, inputs, visible, got, NULL, NULL) ||
                         memcmp(got, worker->want, sizeof got) != 0;
    return NULL;
}

static void test_sessions_of_threads(void **state)
{
    (void)state;
    struct worker workers[4] = {0};
    for (int i = 0; i < 4; i++) {
        reference(workers[i].want);
        workers[i].session = new_session(1);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].wrong, 0);
        lm_session_free(workers[i].session);
    }
}

/* needed <= plain, and all of it without masks; nothing at all for a hidden picture. */
static void test_stats(void **state)
{
    (void)state;
    struct lm_session *session = new_session(1);
    struct lm_model_info info;
    struct lm_run_stats stats;
    float logits[BATCH * CLASSES];
    lm_model_info(model, &info);
    run(session, NULL, logits);
    lm_session_stats(session, &stats);
    assert_true(stats.macs_plain == info.macs * BATCH);
    assert_true(stats.macs_needed > 0 && stats.macs_needed < stats.macs_plain);
    assert_true(stats.macs_done >= stats.macs_needed);
    assert_int_equal(lm_session_run(session, 2, inputs, NULL, logits, NULL, NULL), LM_OK);
    lm_session_stats(session, &stats);
    assert_true(stats.macs_needed <= stats.macs_plain && stats.macs_plain == info.macs * 2);
    lm_session_free(session);
}

/* Sums over the runs since profiling began; the steps' parts are the run's. */
static void test_profile(void **state)
{
    (void)state;
    struct lm_session *session = new_session(1);
    struct lm_model_info info;
    struct lm_run_stats stats;
    struct lm_profile profile;
    float logits[BATCH * CLASSES];
    lm_model_info(model, &info);
    struct lm_step_profile *steps = calloc(info.layers, sizeof *steps);
    run(session, NULL, logits); /* before: does not count */
    lm_session_profile(session, 1);
    run(session, NULL, logits);
    lm_session_stats(session, &stats);
    run(session, NULL, logits);
    lm_session_profile(session, 1);
    run(session, NULL, logits);
    run(session, NULL, logits);
    lm_session_profile_read(session, &profile, NULL);
    lm_session_profile_read(session, &profile, steps);
    assert_int_equal(profile.runs, 2);
    assert_int_equal(profile.images, 2 * BATCH);
    assert_true(profile.planning_ns > 0 && profile.reading_ns > 0);
    uint64_t needed = 0, done = 0;
    for (uint32_t i = 0; i < info.layers; i++) {
        struct lm_layer_info layer;
        lm_model_layer(model, i, &layer);
        assert_string_equal(steps[i].name, layer.name);
        assert_string_equal(steps[i].kind, layer.kind);
        assert_true(steps[i].time_ns > 0 && steps[i].rows <= steps[i].rows_plain);
        assert_true(steps[i].bytes >= 2 * layer.parameters * sizeof(float));
        needed += steps[i].macs_needed;
        done += steps[i].macs_done;
    }
    assert_int_equal(needed, 2 * stats.macs_needed);
    assert_int_equal(done, 2 * stats.macs_done);
    uint32_t second = strcmp(steps[1].kind, "recall") != 0 ? 1 : 2;
    bool rounded = options.precision == LM_PRECISION_BFLOAT16;
    assert_string_equal(steps[0].kernel, rounded ? "bfloat16 product" : "gathered product");
    assert_string_equal(steps[second].kernel,
                        rounded ? "depthwise and bfloat16 product" : "depthwise and product");
    lm_session_profile(session, 0);
    run(session, NULL, logits);
    lm_session_profile_read(session, &profile, steps);
    assert_int_equal(profile.runs + steps[0].time_ns + steps[0].rows, 0);
    free(steps);
    lm_session_free(session);
}

/* What a conv without masks moves: its input, its weights and biases, its output. */
static void test_profile_bytes(void **state)
{
    (void)state;
    static const char CONV[] = "input x 1,3,24,24;output y 1,16;float w 16,3,3,3;float b 16;"
                               "Conv c x,w,b h pads=1,1,1,1 strides=2,2;GlobalAveragePool g h p;"
                               "Flatten f p y";
    struct lm_model *small;
    struct lm_session *session;
    struct lm_profile profile;
    struct lm_step_profile steps[3];
    struct lm_model_info info;
    float logits[2 * 16];
    assert_int_equal(lm_model_load(network_file(CONV), NULL, &small, NULL), LM_OK);
    lm_model_info(small, &info);
    assert_int_equal(info.layers, 3); /* rows can be remembered between them */
    assert_int_equal(lm_session_create(small, 2, 1, &session, NULL), LM_OK);
    lm_session_profile(session, 1);
    assert_int_equal(lm_session_run(session, 2, inputs, NULL, logits, NULL, NULL), LM_OK);
    lm_session_profile_read(session, &profile, steps);
    assert_int_equal(steps[0].rows, 2 * 12 * 12);
    assert_int_equal(steps[0].macs_needed, 2 * 12 * 12 * 9 * 3 * 16);
    uint64_t in = 2 * 24 * 24 * 3, out = 2 * 12 * 12 * 16, weights = 9 * 3 * 16 + 16;
    assert_int_equal(steps[0].bytes, (in + out + weights) * sizeof(float));
    assert_int_equal(steps[2].bytes, (out + 2 * 16) * sizeof(float));
    lm_session_free(session);
    lm_model_free(small);
}

/* Of many values, fewer pictures at once. */
static void test_micro_batches(void **state)
{
    struct lm_model *large;
    struct lm_error error = {0};
    (void)state;
    if (lm_model_load(network_file("input x 1,3,256,256;output y 1,96;float w 96,3,3,3;"
                                   "Conv c x,w h pads=1,1,1,1;GlobalAveragePool p h m;"
                                   "Flatten f m y"),
                      NULL, &large, &error) != LM_OK)
        fail_msg("%s", error.text);
    assert_int_equal(batches_default_size(model), BATCHES_DEFAULT_SIZE);
    assert_int_equal(batches_default_size(large), 2);
    lm_model_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_hidden_values), cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_bad_runs),      cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_pools),         cmocka_unit_test(test_sessions_of_threads),
        cmocka_unit_test(test_stats),         cmocka_unit_test(test_profile),
        cmocka_unit_test(test_profile_bytes), cmocka_unit_test(test_micro_batches),
    };
    int failed = cmocka_run_group_tests_name("session", tests, start, stop);
    options.precision = LM_PRECISION_BFLOAT16;
    failed += cmocka_run_group_tests_name("session in bfloat16", tests, start, stop);
    options.portable = true;
    return failed + cmocka_run_group_tests_name("portable, too", tests, start, stop);
}
