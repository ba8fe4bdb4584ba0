/* Model files that are large, or ask for much: long chains load fast, and nothing is taken that is
 * above a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "hostile.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { LONG_CHAIN = SANITIZED ? 2000 : 19990, SECONDS = 2 };

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct builder {
    char *text;
    size_t length, capacity;
};

__attribute__((format(printf, 2, 3))) static void add(struct builder *b, const char *format, ...)
{
    if (b->capacity < b->length + 4096) {
        b->capacity = 2 * b->capacity + 8192;
        b->text = realloc(b->text, b->capacity);
        assert_non_null(b->text);
    }
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(b->text + b->length, b->capacity - b->length, format, arguments);
    va_end(arguments);
    assert_in_range(n, 0, 4095);
    b->length += (size_t)n;
}

/* Loads within the time; runs; frees the text. */
static uint32_t run_fast(struct builder *b, float scores[128], uint32_t *layers)
{
    struct lm_error error = {0};
    struct lm_model *model;
    struct lm_model_info info;
    const char *path = network_file(b->text);
    double start = seconds_now();
    if (lm_model_load(path, NULL, &model, &error) != LM_OK)
        fail_msg("%s", error.text);
    double seconds = seconds_now() - start;
    if (seconds > SECONDS)
        fail_msg("loading took %.1f s: %.80s", seconds, b->text);
    lm_model_info(model, &info);
    lm_model_free(model);
    if (layers)
        *layers = info.layers;
    free(b->text);
    return run_file(path, NULL, scores);
}

/* x -> op -> op -> ... -> GlobalAveragePool; %d twice: this result and the one before. */
static struct builder chain(const char *head, const char *node, int n)
{
    struct builder b = {0};
    add(&b, "%soutput y 1,4;Identity first x h0;", head);
    for (int i = 1; i <= n; i++) {
        char line[200];
        char *at = line;
        for (const char *c = node; *c; c++) {
            if (*c == '<')
                at += sprintf(at, "h%d", i - 1);
            else if (*c == '>')
                at += sprintf(at, "h%d", i);
            else
                *at++ = *c;
        }
        *at = 0;
        add(&b, "%s;", line);
    }
    add(&b, "GlobalAveragePool p h%d y", n);
    return b;
}

static void test_long_chains(void **state)
{
    (void)state;
    static const char *const nodes[] = {
        "Relu r < >",
        "Sigmoid r < >",
        "Add r <,w >",
        "Add r <,x >",
        "Identity r < >",
        "Dropout r < >",
        "Conv r <,k >",
        "MaxPool r < > kernel_shape=1,1",
        "MaxPool r < > kernel_shape=3,3 pads=1,1,1,1",
    };
    for (size_t i = 0; i < COUNT(nodes); i++) {
        float scores[128];
        struct builder b = chain("input x 1,2,2,2;float w 1,2,1,1 0.001;float k 2,2,1,1 0.5;",
                                 nodes[i], LONG_CHAIN);
        run_fast(&b, scores, NULL);
    }
}

/* Every result is read again at the end, so that all are alive at once. */
static void test_many_alive(void **state)
{
    (void)state;
    enum { N = 500 };
    struct builder b = chain("input x 1,1,2,2;", "MaxPool r < > kernel_shape=1,1", N);
    b.length -= strlen("GlobalAveragePool p h500 y");
    add(&b, "Concat c h0");
    for (int i = 1; i < N; i++)
        add(&b, ",h%d", i);
    add(&b, " all axis:1;Gather g all,last f axis:1;int last 499;GlobalAveragePool p f y");
    float scores[128];
    assert_int_equal(run_fast(&b, scores, NULL), 1);
    assert_true(scores[0] == scores[0]);
}

/* Fusion stops at the length of a program, and the result is right. */
static void test_long_program(void **state)
{
    (void)state;
    for (int n = 60; n <= 200; n += 28) {
        float scores[128];
        uint32_t layers;
        struct builder b = chain("input x 1,3,4,4;float w 1,1,1,1 0.25;", "Add r <,w >", n);
        run_fast(&b, scores, &layers);
        float plain[128];
        run_network("input x 1,3,4,4;output y 1,3;GlobalAveragePool p x y", plain);
        for (int k = 0; k < 3; k++)
            assert_float_equal(scores[k], plain[k] + 0.25f * (float)n, 1e-4f);
        assert_true(layers <= (uint32_t)(n + 63) / 64 + 2);
    }
}

static struct builder concat_of(int n)
{
    struct builder b = {0};
    add(&b, "input x 1,1,2,2;output y 1,9;");
    for (int i = 0; i < n; i++)
        add(&b, "MaxPool m%d x h%d kernel_shape=1,1;", i, i);
    add(&b, "Concat c h0");
    for (int i = 1; i < n; i++)
        add(&b, ",h%d", i);
    add(&b, " all axis:1;ReduceMean r all one axes=1;GlobalAveragePool p one y");
    return b;
}

static void test_wide_concat(void **state)
{
    (void)state;
    float scores[128];
    struct builder b = concat_of(512);
    assert_int_equal(run_fast(&b, scores, NULL), 1);
    b = concat_of(513);
    const struct refusal refusal = {b.text, LM_UNSUPPORTED,
                                    "node 'c' (Concat): 513 inputs (at most 512)"};
    assert_true(is_refused(&refusal, NULL));
    free(b.text);
}

/* A sum of many branches: more operands than a program may have. */
static void test_wide_sum(void **state)
{
    (void)state;
    struct builder b = {0};
    add(&b, "input x 1,1,2,2;output y 1,1;");
    for (int i = 0; i < 600; i++)
        add(&b, "MaxPool m%d x h%d kernel_shape=1,1;", i, i);
    add(&b, "Identity s0 h0 t0;");
    for (int i = 1; i < 600; i++)
        add(&b, "Add s%d t%d,h%d t%d;", i, i - 1, i, i);
    add(&b, "GlobalAveragePool p t599 y");
    float scores[128], plain[128];
    assert_int_equal(run_fast(&b, scores, NULL), 1);
    run_network("input x 1,1,2,2;output y 1,1;GlobalAveragePool p x y", plain);
    assert_float_equal(scores[0], 600 * plain[0], 1e-3f);
}

#define IMAGE "input x 1,3,8,8;output y 1,4;GlobalAveragePool p x y;"

static void test_bombs(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {IMAGE "int s 1048576,1048576;ConstantOfShape c s h", LM_LIMIT,
         "node 'c' (ConstantOfShape): a constant of more than 536870912 numbers"},
        {IMAGE "int s 4294967296,4294967296;ConstantOfShape c s h", LM_LIMIT,
         "node 'c' (ConstantOfShape): a constant of more than 536870912 numbers"},
        {IMAGE "int s -1;ConstantOfShape c s h", LM_CORRUPT,
         "node 'c' (ConstantOfShape): a constant with a size of -1"},
        {IMAGE "int s 1,1,1,1,1,1,1,1,1;ConstantOfShape c s h", LM_CORRUPT,
         "node 'c' (ConstantOfShape): a shape of 9 numbers"},
        {IMAGE "float f 1;int s 1099511627776;Expand c f,s h", LM_LIMIT,
         "node 'c' (Expand): a constant of more than 536870912 numbers"},
        {IMAGE "scalar a 0;scalar b 2147483647;scalar k 1;Range c a,b,k h", LM_LIMIT,
         "node 'c' (Range): a constant of more than 536870912 numbers"},
        {IMAGE "scalar a 0;scalar b 1099511627776;scalar k 1;Range c a,b,k h", LM_CORRUPT,
         "node 'c' (Range): a Range from 0 to 1099511627776 in steps of 1 (beyond +-2^31, or 0)"},
        {IMAGE "scalar a -9223372036854775808;scalar k 1;Range c a,k,k h", LM_CORRUPT,
         "node 'c' (Range): a Range from -9223372036854775808 to 1 in steps of 1 (beyond +-2^31, "
         "or 0)"},
        {IMAGE "scalar a 1;scalar k 0;Range c a,a,k h", LM_CORRUPT,
         "node 'c' (Range): a Range from 1 to 1 in steps of 0 (beyond +-2^31, or 0)"},
        {"input x 1,4096,1,1;output y 1,4;int p 0,8192,0,0,0,8192,0,0;GlobalAveragePool p x v;"
         "int s 1,64,64,1;Reshape r v,s h;int q 0,8192,8192,0,0,0,0,0;Pad c h,q y",
         LM_LIMIT, "node 'c' (Pad): 68161536 channels (1 to 4194304)"},
        {"input x 1,1,4096,4096;output y 1,4;Flatten f x y", LM_LIMIT,
         "node 'f' (Flatten): 16777216 features (at most 4194304)"},
        {"input x 1,1,1,1;output y 1,4;int s 5000000;ConstantOfShape o s z value#0;"
         "Gather g x,z h axis:1;GlobalAveragePool p h y",
         LM_LIMIT, "node 'g' (Gather): 5000000 channels (1 to 4194304)"},
        {"input x 1,1,1,1;output y 1,4;int s 1,5000000,1,1;ConstantOfShape o s z;"
         "Add g x,z h;GlobalAveragePool p h y",
         LM_LIMIT, "node 'g' (Add): a result of more than 4194304 channels"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

/* Each constant is small enough, all together are not. */
static void test_sums_of_bombs(void **state)
{
    (void)state;
    const struct lm_model_options options = {.limits.max_bytes = 64 << 20};
    struct builder b = {0};
    add(&b, IMAGE "int s 1048576;");
    for (int i = 0; i < 40; i++)
        add(&b, "ConstantOfShape c%d s h%d;", i, i);
    const struct refusal constants = {b.text, LM_LIMIT,
                                      "node 'c16' (ConstantOfShape): constants folded so far need "
                                      "more than the limit of 67108864 bytes"};
    assert_true(is_refused(&constants, &options));
    free(b.text);

    /* The default limit is wide, but not for a file that holds next to nothing: 2^28 + 4 * 8 bytes,
     * of which a constant of 2^20 floats takes 2^22. */
    b = (struct builder){0};
    add(&b, IMAGE "int s 1048576;");
    for (int i = 0; i < 80; i++)
        add(&b, "ConstantOfShape c%d s h%d;", i, i);
    const struct refusal empty = {b.text, LM_LIMIT,
                                  "node 'c64' (ConstantOfShape): constants folded so far need more "
                                  "than the limit of 268435488 bytes"};
    assert_true(is_refused(&empty, NULL));
    free(b.text);

    /* A table of 2^20 channels in each of many shuffles. */
    b = (struct builder){0};
    add(&b, "input x 1,4096,1,1;output y 1,4;int p 0,0,0,0,0,0,0,0;");
    add(&b, "scalar a 4095;scalar z -1;scalar k -1;Range r a,z,k i;");
    for (int i = 0; i < 2000; i++)
        add(&b, "Gather g%d x,i h%d axis:1;Relu q%d h%d j%d;", i, i, i, i, i);
    add(&b, "GlobalAveragePool p j0 y");
    const struct lm_model_options small = {.limits.max_bytes = 8 << 20};
    const struct refusal tables = {b.text, LM_LIMIT,
                                   "node 'g102' (Gather): the network's weights and tables need "
                                   "more than the limit of 8388608 bytes"};
    assert_true(is_refused(&tables, &small));
    free(b.text);
}

/* Sessions whose memory is above the limit are refused before any of it is taken. */
static void test_sessions(void **state)
{
    (void)state;
    struct lm_error error = {0};
    struct lm_model *model;
    struct lm_session *const untouched = (struct lm_session *)(void *)&error, *session = untouched;
    assert_int_equal(lm_model_load(network_file("input x 1,64,4096,4096;output y 1,4;"
                                                "MaxPool m x h kernel_shape=3,3 pads=1,1,1,1;"
                                                "GlobalAveragePool p h y"),
                                   NULL, &model, NULL),
                     LM_OK);
    assert_true(lm_session_bytes(model, 1, 1) > (uint64_t)8 << 30);
    assert_int_equal(lm_session_create(model, 1, 1, &session, &error), LM_LIMIT);
    char start[] = "a session for 1 images needs ";
    assert_memory_equal(error.text, start, sizeof start - 1);
    assert_non_null(strstr(error.text, " bytes, above the limit of 4294967296"));
    assert_ptr_equal(session, untouched);
    assert_int_equal(lm_session_create(model, 256, 256, &session, NULL), LM_LIMIT);
    lm_model_free(model);
}

/* Rows are numbered in 31 bits, whatever memory is allowed. */
static void test_row_numbers(void **state)
{
    (void)state;
    struct lm_error error = {0};
    struct lm_model *model;
    struct lm_session *session;
    const struct lm_model_options options = {.limits.max_bytes = UINT64_MAX};
    assert_int_equal(lm_model_load(network_file("input x 1,1,4096,4096;output y 1,4;"
                                                "GlobalAveragePool p x y"),
                                   &options, &model, NULL),
                     LM_OK);
    assert_int_equal(lm_session_create(model, 128, 1, &session, &error), LM_LIMIT);
    assert_string_equal(error.text, "a session for 128 images has 2147483648 rows of one value "
                                    "(at most 2147483647)");
    lm_model_free(model);
}

/* Many nodes that are refused: the list is long, not slow. */
static void test_many_refusals(void **state)
{
    (void)state;
    struct builder b = {0};
    add(&b, "input x 1,1,2,2;output y 1,4;GlobalAveragePool p x y;");
    for (int i = 0; i < LONG_CHAIN; i++)
        add(&b, "Unknown%d n%d x h%d;", i, i, i);
    char *lines;
    const char *path = network_file(b.text);
    double start = seconds_now();
    assert_int_equal(lm_model_check(path, NULL, &lines, NULL), LM_OK);
    assert_true(seconds_now() - start < SECONDS);
    size_t n = 0;
    for (const char *c = lines; *c; c++)
        n += *c == '\n';
    assert_int_equal(n, LONG_CHAIN);
    free(lines);
    free(b.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_chains),   cmocka_unit_test(test_many_alive),
        cmocka_unit_test(test_long_program),  cmocka_unit_test(test_wide_concat),
        cmocka_unit_test(test_wide_sum),      cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_sums_of_bombs), cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_row_numbers),   cmocka_unit_test(test_many_refusals),
    };
    return cmocka_run_group_tests_name("graph_limits", tests, hostile_start, scratch_remove);
}
