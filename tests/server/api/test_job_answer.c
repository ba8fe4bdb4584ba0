/* Jobs as JSON: every member, times, errors, pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/job_answer.h"

static char model[] = "shapes", nobody[] = "";
static char problem[] = "{\"status\": 422}", broken[] = "{";

static struct store_job queued(void)
{
    return (struct store_job){.id = "01hx",
                              .kind = STORE_EXPLAIN,
                              .state = STORE_QUEUED,
                              .model = model,
                              .owner = nobody,
                              .created_ms = 1767225600123};
}

static void assert_answer(const struct store_job *job, const char *expected)
{
    char *text = job_answer(job);
    assert_string_equal(text, expected);
    free(text);
}

static void test_queued(void **state)
{
    (void)state;
    const struct store_job job = queued();
    assert_answer(&job, "{\"id\":\"01hx\",\"status\":\"queued\",\"kind\":\"explain\",\"model\":"
                        "\"shapes\",\"progress\":{\"done\":0,\"total\":0},\"created_at\":"
                        "\"2026-01-01T00:00:00.123Z\",\"started_at\":null,\"finished_at\":null,"
                        "\"error\":null}");
}

static void test_failed(void **state)
{
    (void)state;
    struct store_job job = queued();
    job.state = STORE_FAILED;
    job.done = 3;
    job.total = 1000;
    job.started_ms = job.finished_ms = 951827696007; /* a leap day */
    job.error = problem;
    assert_answer(&job, "{\"id\":\"01hx\",\"status\":\"failed\",\"kind\":\"explain\",\"model\":"
                        "\"shapes\",\"progress\":{\"done\":3,\"total\":1000},\"created_at\":"
                        "\"2026-01-01T00:00:00.123Z\",\"started_at\":\"2000-02-29T12:34:56.007Z\","
                        "\"finished_at\":\"2000-02-29T12:34:56.007Z\",\"error\":{\"status\":422}}");
    job.error = broken;
    char *text = job_answer(&job);
    assert_non_null(strstr(text, "\"error\":null"));
    free(text);
}

static void test_list(void **state)
{
    (void)state;
    struct store_job jobs[] = {queued(), queued()};
    struct store_list list = {.jobs = jobs, .count = 2, .next = 41};
    char *text = job_answer_list(&list);
    assert_non_null(strstr(text, "{\"jobs\":[{\"id\":\"01hx\""));
    assert_non_null(strstr(text, ",\"next\":\"41\"}"));
    free(text);
    list = (struct store_list){0};
    text = job_answer_list(&list);
    assert_string_equal(text, "{\"jobs\":[]}");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queued),
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
