/* The daemon as those who run it see it: start, drain, signals, metrics, logs, health. */
#include "client.h"
#include "metric.h"

#include <pthread.h>

#define STAR EXAMPLES "star.png"

static int start(void **state)
{
    return daemon_shared_start(state, FLAGS("--workers", "1"));
}

/* ---- start and stop */

/* Runs the daemon to its end; its output, malloc'ed. */
static char *run_daemon(const char *const *flags, int *status)
{
    struct daemon daemon = {0};
    daemon_launch(&daemon, flags);
    *status = daemon_wait(&daemon, DAEMON_LIMIT_MS);
    char *text = file_bytes(daemon.log, NULL);
    daemon_clean(&daemon);
    return text;
}

static void expect_run(const char *const *flags, int expected, const char *words)
{
    int status;
    char *text = run_daemon(flags, &status);
    if (status != expected || !strstr(text, words))
        print_error("%d: %s\n", status, text);
    assert_int_equal(status, expected);
    assert_non_null(strstr(text, words));
    free(text);
}

static void command_line(void **state)
{
    (void)state;
    expect_run(FLAGS("--help"), 0, "--max-unfinished-jobs");
    expect_run(FLAGS("--version"), 0, "layermaskd 0.");
    expect_run(FLAGS("--print-config"), 0, "\"max_body_bytes\"");
    expect_run(FLAGS("--wrokers", "2"), 2, "--wrokers: no such option; did you mean --workers?");
    expect_run(FLAGS("--workers", "many"), 2, "--workers");
    expect_run(FLAGS("--listen", "0.0.0.0:0"), 2, "other machines can reach 0.0.0.0:0");
    expect_run(FLAGS("--models", "/nowhere/at/all"), 1, "/nowhere/at/all");
    expect_run(FLAGS("--store", "sqlite:/dev/null/jobs.db"), 1, "/dev/null");
}

/* What --print-config says starts a daemon of the same configuration. */
static void printed_configuration(void **state)
{
    struct daemon daemon = {0};
    int status;
    char path[200];
    (void)state;
    char *text =
        run_daemon(FLAGS("--print-config", "--max-samples", "77", "--workers", "1"), &status);
    assert_int_equal(status, 0);
    daemon_make_folder(&daemon);
    snprintf(path, sizeof path, "%s/layermaskd.json", daemon.folder);
    file_put(path, text, strlen(text));
    free(text);
    daemon_start(&daemon, FLAGS("--config", path));
    struct answer answer = post(&daemon, EXPLAIN, explanation(STAR, 78, NULL));
    assert_status(&answer, 413);
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

static void somebody_else_has_it(void **state)
{
    const struct daemon *daemon = *state;
    char address[40];
    snprintf(address, sizeof address, "127.0.0.1:%u", daemon->port);
    expect_run(FLAGS("--listen", address), 1, "in use");
    expect_run(FLAGS("--store", daemon->store), 1, "another process");
}

static void probe(void **state)
{
    const struct daemon *daemon = *state;
    char address[40];
    snprintf(address, sizeof address, "127.0.0.1:%u", daemon->port);
    expect_run(FLAGS("--probe", "--listen", address), 0, "");
    expect_run(FLAGS("--probe", "--listen", "127.0.0.1:1"), 1,
               "nobody listens on 127.0.0.1 port 1");
}

struct call {
    const struct daemon *daemon;
    unsigned samples;
    struct answer answer;
};

static void *explain(void *context)
{
    struct call *call = context;
    call->answer =
        ask_quietly(call->daemon,
                    (struct ask){.path = EXPLAIN, .json = explanation(STAR, call->samples, NULL)});
    return NULL;
}

static void drains(void **state)
{
    struct daemon daemon = {0};
    struct call call = {.daemon = &daemon, .samples = few(1500)};
    pthread_t thread;
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1", "--drain-delay", "400ms", "--drain-limit", "2m"));
    struct answer async = post_async(&daemon, EXPLAIN, explanation(STAR, few(300), NULL), NULL);
    char *id = accepted(&async);
    assert_int_equal(pthread_create(&thread, NULL, explain, &call), 0);
    await_metric(&daemon, "layermask_calls_started{class=\"explain\"} ", 2);
    kill(daemon.pid, SIGTERM);
    daemon_await_status(&daemon, "/readyz", 503);
    assert_int_equal(daemon_status(&daemon, "/livez"), 200);
    struct answer answer = get(&daemon, "/v2/health/ready");
    assert_status(&answer, 503);
    assert_header(&answer, "Retry-After", "1");
    answer_free(&answer);
    answer = get(&daemon, "/readyz");
    assert_problem(&answer, 503, "the server is shutting down", NULL);
    answer_free(&answer);
    pthread_join(thread, NULL);
    assert_int_equal(call.answer.failure, CURLE_OK);
    assert_status(&call.answer, 200);
    answer_free(&call.answer);
    assert_int_equal(daemon_wait(&daemon, DAEMON_LIMIT_MS), 0);
    assert_int_equal(daemon_connect(&daemon), -1);
    static const char *const events[] = {"draining", "drained", "stopped"};
    for (size_t i = 0; i < 3; i++) {
        json_t *line = daemon_logged(&daemon, events[i]);
        assert_non_null(line);
        json_decref(line);
    }
    daemon_start(&daemon, NO_FLAGS); /* the job that was accepted has been done, too */
    answer = get_job(&daemon, id, "");
    assert_status(&answer, 200);
    assert_text(answer.json, "status", "succeeded");
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
    free(id);
}

/* Work that takes longer than the limit: a direct call is told, a job runs after the next start. */
static void drains_within_a_limit(void **state)
{
    struct daemon daemon = {0};
    struct call call = {.daemon = &daemon, .samples = 10000};
    pthread_t thread;
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1", "--drain-limit", "100ms"));
    struct answer async =
        post_async(&daemon, EXPLAIN, explanation(STAR, few(1000), "\"seed\": 9"), NULL);
    char *id = accepted(&async);
    assert_int_equal(pthread_create(&thread, NULL, explain, &call), 0);
    await_metric(&daemon, "layermask_calls_started{class=\"explain\"} ", 2);
    double from = now_ms();
    kill(daemon.pid, SIGTERM);
    pthread_join(thread, NULL);
    assert_int_equal(call.answer.failure, CURLE_OK);
    assert_problem(&call.answer, 503, "the server is shutting down", NULL);
    assert_non_null(answer_header(&call.answer, "Retry-After"));
    answer_free(&call.answer);
    assert_int_equal(daemon_wait(&daemon, DAEMON_LIMIT_MS), 0);
    assert_true(now_ms() - from < patience_ms(5000));
    daemon_start(&daemon, NO_FLAGS);
    struct answer answer = await_job(&daemon, id, "succeeded");
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
    free(id);
}

static void reload_of_nothing(void **state)
{
    struct daemon *daemon = *state;
    kill(daemon->pid, SIGHUP);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(daemon_status(daemon, "/readyz"), 200);
        sleep_ms(5);
    }
    json_decref(daemon_await_logged(daemon, "reload"));
    assert_null(daemon_logged(daemon, "reload_failed"));
}

/* ---- watching */

static void health(void **state)
{
    struct answer answer = get(*state, "/livez");
    assert_status(&answer, 200);
    assert_text(answer.json, "status", "alive");
    answer_free(&answer);
    answer = get(*state, "/readyz");
    assert_status(&answer, 200);
    assert_text(answer.json, "status", "ready");
    answer_free(&answer);
    answer = get(*state, "/");
    assert_status(&answer, 200);
    assert_text(answer.json, "status", "alive");
    answer_free(&answer);
    answer = ask(*state, (struct ask){.path = "/",
                                      .headers = HEADERS("Accept: text/html,application/xhtml+xml,"
                                                         "application/xml;q=0.9,*/*;q=0.8")});
    assert_status(&answer, 200);
    assert_header(&answer, "Content-Type", "text/html; charset=utf-8");
    assert_non_null(strstr(answer.body, "<html"));
    answer_free(&answer);
    answer = get(*state, "/docs");
    assert_status(&answer, 200);
    assert_header(&answer, "Content-Type", "text/html; charset=utf-8");
    answer_free(&answer);
    answer = get(*state, "/openapi.yaml");
    assert_status(&answer, 200);
    assert_non_null(strstr(answer.body, "openapi: 3.1"));
    answer_free(&answer);
}

static void metrics(void **state)
{
    struct daemon *daemon = *state;
    const char predicts[] = "layermask_http_requests_total{method=\"POST\",route=\"/v1/models/"
                            "{model}:predict\",status=\"200\"} ";
    const char samples[] = "layermask_samples_total{model=\"shapes\"} ";
    double before = metric(daemon, predicts), ran = metric(daemon, samples);
    for (int i = 0; i < 3; i++) {
        struct answer answer = post(daemon, PREDICT, body_with(STAR, NULL, NULL));
        assert_status(&answer, 200);
        answer_free(&answer);
    }
    await_metric(daemon, predicts, (before > 0 ? before : 0) + 3);
    await_metric(daemon, samples, (ran > 0 ? ran : 0) + 3);
    static const char *const names[] = {
        "layermask_queue_depth{class=\"predict\"} ",
        "layermask_queue_depth{class=\"explain\"} ",
        "layermask_job_wait_seconds_count{class=\"predict\"} ",
        "layermask_job_run_seconds_sum{class=\"predict\"} ",
        "layermask_batches_total{class=\"predict\"} ",
        "layermask_batch_items_total{class=\"predict\"} ",
        "layermask_batch_room_total{class=\"predict\"} ",
        "layermask_jobs{state=\"queued\"} ",
        "layermask_model_loads_total{model=\"shapes\",outcome=\"succeeded\"} ",
        "layermask_models{state=\"ready\"} ",
        "layermask_jobs_total{class=\"predict\",outcome=\"succeeded\"} ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (metric(daemon, names[i]) < 0)
            fail_msg("no %s", names[i]);
    struct answer answer = get(daemon, "/metrics");
    assert_header(&answer, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    for (char *line = answer.body, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        bool comment = strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0;
        char *value = strrchr(line, ' '), *rest = NULL;
        assert_non_null(value);
        strtod(value, &rest);
        assert_true(comment || *rest == '\0');
    }
    answer_free(&answer);
    struct daemon other = {0};
    daemon_start(&other, FLAGS("--metrics=false"));
    answer = get(&other, "/metrics");
    assert_problem(&answer, 404, "metrics are off; the option is metrics", NULL);
    answer_free(&answer);
    assert_int_equal(daemon_stop(&other), 0);
    daemon_clean(&other);
}

/* Stored jobs and direct calls that wait are one queue; 16 of a class are in work. */
static void queue_metrics(void **state)
{
    enum { JOBS = 20, IN_WORK = 16 };
    struct daemon daemon = {0};
    struct answer answer;
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1", "--drain-limit", "0s"));
    for (int i = 0; i < JOBS; i++) {
        answer = post_async(&daemon, EXPLAIN, explanation(STAR, 10000, NULL), NULL);
        assert_status(&answer, 202);
        answer_free(&answer);
    }
    await_metric(&daemon, "layermask_calls_started{class=\"explain\"} ", IN_WORK);
    await_metric(&daemon, "layermask_queue_depth{class=\"explain\"} ", JOBS - IN_WORK);
    await_metric(&daemon, "layermask_queue_depth{class=\"predict\"} ", 0);
    await_metric(&daemon, "layermask_jobs{state=\"running\"} ", IN_WORK);
    await_metric(&daemon, "layermask_jobs{state=\"queued\"} ", JOBS - IN_WORK);
    assert_near(metric(&daemon, "layermask_jobs_set_aside "), 0, 0);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

static json_t *await_line(const struct daemon *daemon, const char *id)
{
    for (int i = 0; i < 400; i++) {
        json_t *line = daemon_logged(daemon, "request");
        if (strcmp(text_at(line, "request_id"), id) == 0)
            return line;
        json_decref(line);
        sleep_ms(5);
    }
    fail_msg("no line of request %s", id);
    return NULL;
}

static void logs(void **state)
{
    struct daemon *daemon = *state;
    json_t *body = explanation(STAR, few(48), NULL);
    char *sent = json_dumps(body, JSON_COMPACT);
    struct answer answer =
        ask(daemon, (struct ask){.path = EXPLAIN "?seed=4",
                                 .json = body,
                                 .headers = HEADERS(
                                     "X-Request-Id: log-1", "Authorization: Bearer very-secret-key",
                                     "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
                                     "b7ad6b7169203331-01")});
    assert_status(&answer, 200);
    json_t *line = await_line(daemon, "log-1");
    assert_text(line, "event", "request");
    assert_text(line, "level", "info");
    assert_int_equal(strlen(text_at(line, "ts")), 24);
    assert_text(line, "trace_id", "0af7651916cd43dd8448eb211c80319c");
    assert_text(line, "method", "POST");
    assert_text(line, "route", "/v1/models/{model}:explain");
    assert_text(line, "model", "shapes");
    assert_near(number_at(line, "samples"), few(48), 0);
    assert_near(number_at(line, "status"), 200, 0);
    assert_near(number_at(line, "bytes_in"), (double)strlen(sent), 0);
    assert_near(number_at(line, "bytes_out"), (double)answer.size, 0);
    assert_true(number_at(line, "ms") > 0);
    assert_text(line, "address", "127.0.0.1");
    json_decref(line);
    answer_free(&answer);
    answer = ask(daemon, (struct ask){.path = "/nowhere?key=very-secret-key",
                                      .headers = HEADERS("X-Request-Id: log-2")});
    assert_status(&answer, 404);
    answer_free(&answer);
    line = await_line(daemon, "log-2");
    assert_near(number_at(line, "status"), 404, 0);
    assert_text(line, "path", "/nowhere");
    json_decref(line);
    assert_false(daemon_log_has(daemon, "very-secret"));
    sent[200] = '\0';
    assert_false(daemon_log_has(daemon, sent + 150)); /* a piece of the picture */
    free(sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_line),
        cmocka_unit_test(printed_configuration),
        cmocka_unit_test(somebody_else_has_it),
        cmocka_unit_test(probe),
        cmocka_unit_test(drains),
        cmocka_unit_test(drains_within_a_limit),
        cmocka_unit_test(reload_of_nothing),
        cmocka_unit_test(health),
        cmocka_unit_test(metrics),
        cmocka_unit_test(queue_metrics),
        cmocka_unit_test(logs),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
