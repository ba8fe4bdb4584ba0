/* Request ids and traceparent headers; cases from the examples and rules of
 * https://www.w3.org/TR/trace-context/ */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "obs/request_trace.h"

static void ids_differ(void **state)
{
    (void)state;
    static char ids[2000][TRACE_ID_SIZE];
    for (size_t i = 0; i < 2000; i++) {
        request_id_make(ids[i]);
        assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
        assert_int_equal(strlen(ids[i]), 32);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
        assert_true(request_id_valid(ids[i]));
    }
}

static void request_ids(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
                                       "Root=1-67891233:abc/def+x@y.z_"};
    static const char *const bad[] = {"",    "a b", "a\n", "a\"", "a\\",  "\xc3\xa4",
                                      "<x>", "a;b", "a,b", "%41", "a\tb", "a'b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(request_id_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(request_id_valid(bad[i]));
    assert_false(request_id_valid(NULL));
    char text[REQUEST_ID_MAX + 2];
    memset(text, 'x', sizeof text);
    text[REQUEST_ID_MAX] = '\0';
    assert_true(request_id_valid(text));
    text[REQUEST_ID_MAX] = 'x';
    text[REQUEST_ID_MAX + 1] = '\0';
    assert_false(request_id_valid(text));
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void parents_that_are(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool sampled;
    } cases[] = {{"00-" TRACE "-" SPAN "-01", true},     {"00-" TRACE "-" SPAN "-00", false},
                 {"00-" TRACE "-" SPAN "-03", true},     {"00-" TRACE "-" SPAN "-fe", false},
                 {"cc-" TRACE "-" SPAN "-01", true},     {"cc-" TRACE "-" SPAN "-01-more", true},
                 {"01-" TRACE "-" SPAN "-09-\xff", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace_parent parent;
        assert_true(trace_parent_parse(cases[i].text, &parent));
        assert_string_equal(parent.trace_id, TRACE);
        assert_string_equal(parent.span_id, SPAN);
        assert_int_equal(parent.sampled, cases[i].sampled);
    }
}

static void parents_that_are_not(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "00",
        "00-",
        "ff-" TRACE "-" SPAN "-01",
        "0-" TRACE "-" SPAN "-01",
        "000-" TRACE "-" SPAN "-01",
        "0g-" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01-more",
        "00-" TRACE "-" SPAN "-01 ",
        " 00-" TRACE "-" SPAN "-01",
        "cc-" TRACE "-" SPAN "-01.more",
        "cc-" TRACE "-" SPAN "-011",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-",
        "00-" TRACE "-" SPAN "-0G",
        "00-" TRACE "-" SPAN "-0A",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-" TRACE "-B7AD6B7169203331-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319-" SPAN "-01x",
        "00-" TRACE "x-" SPAN "-01",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace_parent parent = {.span_id = "untouched"};
        assert_false(trace_parent_parse(cases[i], &parent));
        assert_string_equal(parent.span_id, "untouched");
    }
    struct trace_parent parent;
    assert_false(trace_parent_parse(NULL, &parent));
    char cut[] = "00-" TRACE "-" SPAN "-01";
    for (size_t length = sizeof cut - 2; length > 0; length--) {
        cut[length] = '\0';
        assert_false(trace_parent_parse(cut, &parent));
    }
}

static void *make_many(void *argument)
{
    for (int i = 0; i < 500; i++)
        request_id_make(argument);
    return NULL;
}

static void threads_may_draw(void **state)
{
    (void)state;
    pthread_t threads[4];
    char ids[4][TRACE_ID_SIZE];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, ids[i]), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_string_not_equal(ids[0], ids[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_differ),       cmocka_unit_test(request_ids),
        cmocka_unit_test(parents_that_are), cmocka_unit_test(parents_that_are_not),
        cmocka_unit_test(threads_may_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
