/* Counters, gauges, histograms and their text.  With --print it prints the text of a registry with
 * hostile values, for test_metrics_text.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "obs/metrics.h"

static const char *const by_route[] = {"route", "status", NULL};
static const char *const by_model[] = {"model", NULL};
static const struct metric_buckets three = {3, {0.1, 1, 10}};

static struct metrics *create(void)
{
    struct metrics *metrics = NULL;
    assert_int_equal(metrics_create(&metrics, NULL), LM_OK);
    return metrics;
}

/* Apart, or gcc 12 takes the rendered text for this function's variable. */
__attribute__((noinline)) static char *render(struct metrics *metrics)
{
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(metrics_render(metrics, &text, &length, NULL), LM_OK);
    assert_int_equal(length, strlen(text));
    return text;
}

/* Renders, compares and destroys. */
static void expect_text(struct metrics *metrics, const char *wanted)
{
    char *text = render(metrics);
    assert_string_equal(text, wanted);
    free(text);
    metrics_destroy(metrics);
}

static void expect_line(struct metrics *metrics, const char *wanted)
{
    char *text = render(metrics);
    if (!strstr(text, wanted))
        fail_msg("no %s in:\n%s", wanted, text);
    free(text);
}

static void nothing(void **state)
{
    (void)state;
    expect_text(create(), "");
    metrics_destroy(NULL);
}

static void counters(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    struct metric *plain = metrics_add(metrics, METRIC_COUNTER, "a_total", "Of a.", NULL, NULL);
    struct metric *labelled =
        metrics_add(metrics, METRIC_COUNTER, "b_total", "Of b.", by_route, NULL);
    assert_ptr_equal(metrics_add(metrics, METRIC_COUNTER, "a_total", "Of a.", NULL, NULL), plain);
    metrics_add(metrics, METRIC_COUNTER, "empty_total", "None yet.", by_model, NULL);
    metric_add(plain, 1, NULL);
    metric_add(plain, 0.5, NULL);
    for (int i = 0; i < 3; i++)
        metric_add(labelled, 1, METRIC_LABELS("/v1", "200"));
    metric_add(labelled, 1e15, METRIC_LABELS("/v1", "404"));
    series_add(metric_series(labelled, METRIC_LABELS("/v1", "200")), 2);
    expect_text(metrics, "# HELP a_total Of a.\n"
                         "# TYPE a_total counter\n"
                         "a_total 1.5\n"
                         "# HELP b_total Of b.\n"
                         "# TYPE b_total counter\n"
                         "b_total{route=\"/v1\",status=\"200\"} 5\n"
                         "b_total{route=\"/v1\",status=\"404\"} 1e+15\n"
                         "# HELP empty_total None yet.\n"
                         "# TYPE empty_total counter\n");
}

static void gauges(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *line;
    } cases[] = {{0.1, "\ng 0.1\n"},
                 {1.0 / 3, "\ng 0.3333333333333333\n"},
                 {-2.5, "\ng -2.5\n"},
                 {123456789, "\ng 123456789\n"},
                 {1769860800.123, "\ng 1769860800.123\n"},
                 {NAN, "\ng NaN\n"},
                 {INFINITY, "\ng +Inf\n"},
                 {-INFINITY, "\ng -Inf\n"}};
    struct metrics *metrics = create();
    struct metric *gauge = metrics_add(metrics, METRIC_GAUGE, "g", "G", NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        metric_set(gauge, cases[i].value, NULL);
        expect_line(metrics, cases[i].line);
    }
    metric_set(gauge, 3, NULL);
    metric_add(gauge, -5, NULL);
    expect_line(metrics, "\ng -2\n");
    metrics_destroy(metrics);
}

static void histograms(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    struct metric *plain = metrics_add(metrics, METRIC_HISTOGRAM, "h", "H", NULL, &three);
    struct metric *labelled = metrics_add(metrics, METRIC_HISTOGRAM, "i", "I", by_model, &three);
    static const double values[] = {0, 0.1, 0.25, 1, 10, 10.5, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        metric_observe(plain, values[i], NULL);
    metric_observe(labelled, 2, METRIC_LABELS("m"));
    expect_text(metrics, "# HELP h H\n"
                         "# TYPE h histogram\n"
                         "h_bucket{le=\"0.1\"} 2\n"
                         "h_bucket{le=\"1\"} 4\n"
                         "h_bucket{le=\"10\"} 5\n"
                         "h_bucket{le=\"+Inf\"} 6\n"
                         "h_sum 21.85\n"
                         "h_count 6\n"
                         "# HELP i I\n"
                         "# TYPE i histogram\n"
                         "i_bucket{model=\"m\",le=\"0.1\"} 0\n"
                         "i_bucket{model=\"m\",le=\"1\"} 0\n"
                         "i_bucket{model=\"m\",le=\"10\"} 1\n"
                         "i_bucket{model=\"m\",le=\"+Inf\"} 1\n"
                         "i_sum{model=\"m\"} 2\n"
                         "i_count{model=\"m\"} 1\n");
}

static void given_buckets_increase(void **state)
{
    (void)state;
    const struct metric_buckets *const given[] = {&metric_seconds, &metric_sizes};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < METRIC_MAX_BUCKETS; j++) {
            if (j >= given[i]->count)
                assert_true(given[i]->bounds[j] == 0);
            else
                assert_true(given[i]->bounds[j] > (j ? given[i]->bounds[j - 1] : 0));
        }
}

/* Fills the registry that test_metrics_text.py knows. */
static void fill_hostile(struct metrics *metrics)
{
    struct metric *counter =
        metrics_add(metrics, METRIC_COUNTER, "hostile_total",
                    "Back\\slash, \"quotes\"\nand a second line.", by_model, NULL);
    metric_add(counter, 1, METRIC_LABELS("a\"b\\c\nd"));
    metric_add(counter, 2, METRIC_LABELS("\xc3\xa4\xe2\x82\xac"));
    metric_add(counter, 3, METRIC_LABELS("x\xff\xc0"));
    metric_add(counter, 4, METRIC_LABELS(""));
    metric_add(counter, 5, METRIC_LABELS("}, evil=\"1\"} 7\n# TYPE x counter"));
    struct metric *histogram =
        metrics_add(metrics, METRIC_HISTOGRAM, "seconds", "Time.", by_route, &metric_seconds);
    for (int i = 0; i < 100; i++)
        metric_observe(histogram, i * 0.01, METRIC_LABELS("/v1/models/{model}:predict", "200"));
    metric_set(metrics_add(metrics, METRIC_GAUGE, "third", "A third.", NULL, NULL), 1.0 / 3, NULL);
    metrics_collect_process(metrics);
}

static void hostile_values(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    fill_hostile(metrics);
    expect_line(metrics, "# HELP hostile_total Back\\\\slash, \"quotes\"\\nand a second line.\n");
    expect_line(metrics, "\nhostile_total{model=\"a\\\"b\\\\c\\nd\"} 1\n");
    expect_line(metrics, "\nhostile_total{model=\"x\xef\xbf\xbd\xef\xbf\xbd\"} 3\n");
    expect_line(metrics, "\nhostile_total{model=\"\"} 4\n");
    metric_add(metrics_add(metrics, METRIC_COUNTER, "hostile_total", "", by_model, NULL), 1,
               METRIC_LABELS(NULL));
    expect_line(metrics, "\nhostile_total{model=\"\"} 5\n");
    metrics_destroy(metrics);
}

static void long_values_are_cut(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    struct metric *counter = metrics_add(metrics, METRIC_COUNTER, "l_total", "L", by_model, NULL);
    char value[1000], wanted[1100];
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = '\0';
    metric_add(counter, 1, METRIC_LABELS(value));
    value[METRIC_LABEL_BYTES] = '\0';
    metric_add(counter, 1, METRIC_LABELS(value));
    snprintf(wanted, sizeof wanted, "\nl_total{model=\"%s\"} 2\n", value);
    expect_line(metrics, wanted);
    memcpy(value + METRIC_LABEL_BYTES - 1, "\xe2\x82\xac", 4);
    metric_add(counter, 1, METRIC_LABELS(value));
    value[METRIC_LABEL_BYTES - 1] = '\0';
    snprintf(wanted, sizeof wanted, "\nl_total{model=\"%s\"} 1\n", value);
    expect_line(metrics, wanted);
    metrics_destroy(metrics);
}

static void series_are_bounded(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    struct metric *counter = metrics_add(metrics, METRIC_COUNTER, "m_total", "M", by_route, NULL);
    char value[20];
    for (int i = 0; i < 3 * METRIC_MAX_SERIES; i++) {
        snprintf(value, sizeof value, "/%d", i);
        metric_add(counter, 1, METRIC_LABELS(value, "200"));
    }
    metric_add(counter, 1, METRIC_LABELS("/0", "200"));
    char *text = render(metrics);
    int lines = 0;
    for (const char *c = text; (c = strchr(c, '\n')); c++)
        lines++;
    assert_int_equal(lines, 2 + METRIC_MAX_SERIES + 1);
    assert_non_null(strstr(text, "\nm_total{route=\"/0\",status=\"200\"} 2\n"));
    assert_non_null(strstr(text, "\nm_total{route=\"other\",status=\"other\"} 1000\n"));
    free(text);
    metrics_destroy(metrics);
}

static void own_other_is_the_same(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    struct metric *counter = metrics_add(metrics, METRIC_COUNTER, "m_total", "M", by_model, NULL);
    char value[20];
    metric_add(counter, 1, METRIC_LABELS("other"));
    for (int i = 0; i < METRIC_MAX_SERIES + 4; i++) {
        snprintf(value, sizeof value, "%d", i);
        metric_add(counter, 1, METRIC_LABELS(value));
    }
    expect_line(metrics, "\nm_total{model=\"other\"} 6\n");
    metrics_destroy(metrics);
}

static void no_metric_is_no_crash(void **state)
{
    (void)state;
    metric_add(NULL, 1, METRIC_LABELS("x"));
    metric_set(NULL, 1, NULL);
    metric_observe(NULL, 1, NULL);
    series_add(NULL, 1);
    series_set(NULL, 1);
    series_observe(NULL, 1);
    assert_null(metric_series(NULL, NULL));
}

struct queue {
    struct metric *length;
    int calls;
};

static void collect_queue(void *context)
{
    struct queue *queue = context;
    metric_set(queue->length, ++queue->calls, NULL);
}

static void collectors(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    struct queue queue = {metrics_add(metrics, METRIC_GAUGE, "q", "Q", NULL, NULL), 0};
    metrics_collect(metrics, collect_queue, &queue);
    expect_line(metrics, "\nq 1\n");
    expect_line(metrics, "\nq 2\n");
    metrics_destroy(metrics);
}

static double value_of(struct metrics *metrics, const char *name)
{
    char start[100], *text = render(metrics);
    snprintf(start, sizeof start, "\n%s ", name);
    const char *found = strstr(text, start);
    assert_non_null(found);
    double value = strtod(found + strlen(start), NULL);
    free(text);
    return value;
}

/* Against what getrusage, the clock and this test itself know. */
static void process(void **state)
{
    (void)state;
    struct metrics *metrics = create();
    metrics_collect_process(metrics);
    double files = value_of(metrics, "process_open_fds");
    int more = open("/dev/null", O_RDONLY);
    assert_true(value_of(metrics, "process_open_fds") == files + 1);
    close(more);
    assert_true(files >= 3 && value_of(metrics, "process_max_fds") >= files);
    double now = (double)time(NULL), start = value_of(metrics, "process_start_time_seconds");
    assert_true(start > now - 120 && start < now + 2);
    double before = value_of(metrics, "process_resident_memory_bytes");
    assert_true(before > 100e3 && value_of(metrics, "process_virtual_memory_bytes") >= before);
    const size_t size = 64 << 20;
    char *block = malloc(size);
    assert_non_null(block);
    memset(block, 1, size);
    double resident = value_of(metrics, "process_resident_memory_bytes");
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_true(block[size / 2] == 1 && resident - before > 50e6);
    assert_true(resident < 1.05 * 1024 * (double)usage.ru_maxrss);
    free(block);
    double cpu = value_of(metrics, "process_cpu_seconds_total"),
           own = (double)clock() / CLOCKS_PER_SEC;
    assert_true(fabs(cpu - own) < 0.2);
    metrics_destroy(metrics);
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 2000 };

struct shared {
    struct metrics *metrics;
    struct metric *counter, *gauge, *histogram;
};

static void *update(void *argument)
{
    struct shared *shared = argument;
    char value[20];
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(value, sizeof value, "%d", i % 50);
        metric_add(shared->counter, 1, METRIC_LABELS(value));
        metric_add(shared->gauge, i % 2 ? -1 : 1, NULL);
        metric_observe(shared->histogram, i % 11, NULL);
        if (i % 500 == 0) {
            metrics_add(shared->metrics, METRIC_GAUGE, "late", "Late.", NULL, NULL);
            free(render(shared->metrics));
        }
    }
    return NULL;
}

static void no_update_is_lost(void **state)
{
    (void)state;
    struct shared shared = {.metrics = create()};
    shared.counter = metrics_add(shared.metrics, METRIC_COUNTER, "c_total", "C", by_model, NULL);
    shared.gauge = metrics_add(shared.metrics, METRIC_GAUGE, "g", "G", NULL, NULL);
    shared.histogram = metrics_add(shared.metrics, METRIC_HISTOGRAM, "h", "H", NULL, &three);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, update, &shared), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 50; i++) {
        char wanted[60];
        snprintf(wanted, sizeof wanted, "\nc_total{model=\"%d\"} %d\n", i, THREADS * ROUNDS / 50);
        expect_line(shared.metrics, wanted);
    }
    int sum = 0;
    for (int i = 0; i < ROUNDS; i++)
        sum += i % 11;
    assert_true(value_of(shared.metrics, "h_sum") == THREADS * sum);
    assert_true(value_of(shared.metrics, "h_count") == THREADS * ROUNDS);
    assert_true(value_of(shared.metrics, "g") == 0);
    metrics_destroy(shared.metrics);
}

/* Many threads meet at the limit of series. */
static void *update_many(void *argument)
{
    struct shared *shared = argument;
    char value[20];
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(value, sizeof value, "%d", i);
        metric_add(shared->counter, 1, METRIC_LABELS(value));
    }
    return NULL;
}

static void threads_at_the_limit(void **state)
{
    (void)state;
    struct shared shared = {.metrics = create()};
    shared.counter = metrics_add(shared.metrics, METRIC_COUNTER, "c_total", "C", by_model, NULL);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, update_many, &shared), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    char *text = render(shared.metrics);
    double sum = 0;
    int lines = 0;
    for (char *c = strstr(text, "\nc_total{"); c; c = strstr(c + 1, "\nc_total{"), lines++)
        sum += strtod(strchr(c, ' '), NULL);
    assert_int_equal(lines, METRIC_MAX_SERIES + 1);
    assert_true(sum == THREADS * ROUNDS);
    free(text);
    metrics_destroy(shared.metrics);
}

static int print_sample(void)
{
    struct metrics *metrics = NULL;
    char *text = NULL;
    size_t length = 0;
    if (metrics_create(&metrics, NULL) != LM_OK)
        return 1;
    fill_hostile(metrics);
    bool printed = metrics_render(metrics, &text, &length, NULL) == LM_OK &&
                   fwrite(text, 1, length, stdout) == length;
    free(text);
    metrics_destroy(metrics);
    return !printed;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--print") == 0)
        return print_sample();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(counters),
        cmocka_unit_test(gauges),
        cmocka_unit_test(histograms),
        cmocka_unit_test(given_buckets_increase),
        cmocka_unit_test(hostile_values),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(series_are_bounded),
        cmocka_unit_test(own_other_is_the_same),
        cmocka_unit_test(no_metric_is_no_crash),
        cmocka_unit_test(collectors),
        cmocka_unit_test(process),
        cmocka_unit_test(no_update_is_lost),
        cmocka_unit_test(threads_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
