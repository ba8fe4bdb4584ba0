/* Metrics when memory runs out: rendering says so, updates are left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "obs/metrics.h"

static const char *const by_model[] = {"model", NULL};

static enum lm_status build(struct lm_error *error)
{
    struct metrics *metrics = NULL;
    enum lm_status status = metrics_create(&metrics, error);
    if (status != LM_OK)
        return status;
    struct metric *counter = metrics_add(metrics, METRIC_COUNTER, "c_total", "C", by_model, NULL);
    struct metric *plain = metrics_add(metrics, METRIC_HISTOGRAM, "h", "H", NULL, &metric_seconds);
    struct series *series = metric_series(counter, METRIC_LABELS("m"));
    series_add(series, 1);
    metric_observe(plain, 1, NULL);
    if (!counter || !plain || !series)
        status = lm_fail(error, LM_NOMEM, "metrics");
    metrics_destroy(metrics);
    return status;
}

static struct metrics *shared;

static enum lm_status render(struct lm_error *error)
{
    char *text = NULL;
    size_t length = 77;
    enum lm_status status = metrics_render(shared, &text, &length, error);
    if (status == LM_OK) {
        assert_int_equal(length, strlen(text));
        assert_non_null(strstr(text, "\nc_total{model=\"299\"} 1\n"));
        assert_non_null(strstr(text, "\nprocess_start_time_seconds "));
    } else {
        assert_true(!text && length == 77);
    }
    free(text);
    return status;
}

static void building(void **state)
{
    (void)state;
    fault_ratchet(build);
}

static void rendering(void **state)
{
    (void)state;
    assert_int_equal(metrics_create(&shared, NULL), LM_OK);
    struct metric *counter = metrics_add(shared, METRIC_COUNTER, "c_total", "C", by_model, NULL);
    for (int i = 0; i < 300; i++) {
        char value[20];
        snprintf(value, sizeof value, "%d", i);
        metric_add(counter, 1, METRIC_LABELS(value));
    }
    metrics_collect_process(shared);
    fault_ratchet(render);
    metrics_destroy(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building),
        cmocka_unit_test(rendering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
