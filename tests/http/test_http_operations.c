/* The daemon as those who run it see it: start, drain, signals, metrics, logs, health, browsers,
 * clients that are slow, leave or come in crowds. */
#include "client.h"

#include <pthread.h>
#include <zlib.h>

#define STAR EXAMPLES "star.png"

static int start(void **state)
{
    return daemon_shared_start(state, FLAGS("--workers", "1", "--request-timeout", "1s",
                                            "--cors-origins", "https://app.example"));
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

/* The value of a line of /metrics that starts with these words; -1: there is none. */
static double metric(const struct daemon *daemon, const char *line)
{
    struct answer answer = get(daemon, "/metrics");
    double value = -1;
    assert_status(&answer, 200);
    const char *found = answer.body;
    while ((found = strstr(found, line)) && found != answer.body && found[-1] != '\n')
        found++;
    if (found)
        value = strtod(found + strlen(line), NULL);
    answer_free(&answer);
    return value;
}

static void await_metric(const struct daemon *daemon, const char *line, double value)
{
    double end = now_ms() + 10000, last = -1;
    while ((last = metric(daemon, line)) != value) {
        if (now_ms() > end)
            fail_msg("%s is %g, not %g", line, last, value);
        sleep_ms(5);
    }
}

static void drains(void **state)
{
    struct daemon daemon = {0};
    struct call call = {.daemon = &daemon, .samples = few(1500)};
    pthread_t thread;
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1", "--drain-delay", "400ms"));
    struct answer async = post_async(&daemon, EXPLAIN, explanation(STAR, few(300), NULL), NULL);
    char *id = accepted(&async);
    assert_int_equal(pthread_create(&thread, NULL, explain, &call), 0);
    await_metric(&daemon, "layermask_calls_started{class=\"explain\"} ", 2);
    kill(daemon.pid, SIGTERM);
    daemon_await_status(&daemon, "/readyz", 503);
    assert_int_equal(daemon_status(&daemon, "/livez"), 200);
    assert_int_equal(daemon_status(&daemon, "/v2/health/ready"), 503);
    struct answer answer = get(&daemon, "/readyz");
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
    json_t *reload = daemon_logged(daemon, "reload"),
           *failed = daemon_logged(daemon, "reload_failed");
    assert_non_null(reload);
    assert_null(failed);
    json_decref(reload);
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

/* ---- browsers and other clients */

static void head_and_options(void **state)
{
    struct answer whole = get(*state, "/v1/models");
    struct answer answer = ask(*state, (struct ask){.path = "/v1/models", .method = "HEAD"});
    assert_status(&answer, 200);
    assert_int_equal(answer.size, 0);
    assert_int_equal((size_t)atoi(answer_header(&answer, "Content-Length")), whole.size);
    answer_free(&answer);
    answer_free(&whole);
    answer = ask(*state, (struct ask){.path = PREDICT, .method = "OPTIONS"});
    assert_status(&answer, 204);
    assert_header(&answer, "Allow", "POST, OPTIONS");
    assert_null(answer_header(&answer, "Access-Control-Allow-Origin"));
    answer_free(&answer);
}

static void other_origins(void **state)
{
    struct answer answer =
        ask(*state, (struct ask){.path = PREDICT,
                                 .method = "OPTIONS",
                                 .headers = HEADERS("Origin: https://app.example",
                                                    "Access-Control-Request-Method: POST")});
    assert_status(&answer, 204);
    assert_header(&answer, "Access-Control-Allow-Origin", "https://app.example");
    assert_non_null(strstr(answer_header(&answer, "Access-Control-Allow-Methods"), "POST"));
    assert_non_null(strstr(answer_header(&answer, "Access-Control-Allow-Headers"), "Content-Type"));
    answer_free(&answer);
    answer = ask(*state, (struct ask){.path = "/nowhere",
                                      .headers = HEADERS("Origin: https://app.example")});
    assert_status(&answer, 404);
    assert_header(&answer, "Access-Control-Allow-Origin", "https://app.example");
    assert_non_null(strstr(answer_header(&answer, "Vary"), "Origin"));
    assert_non_null(answer_header(&answer, "Access-Control-Expose-Headers"));
    answer_free(&answer);
    answer = ask(
        *state, (struct ask){.path = "/livez", .headers = HEADERS("Origin: https://evil.example")});
    assert_status(&answer, 200);
    assert_null(answer_header(&answer, "Access-Control-Allow-Origin"));
    answer_free(&answer);
}

/* window_bits: of zlib; 31 is gzip, 15 deflate. */
static struct bytes compress_text(const char *text, int window_bits)
{
    struct bytes out = {malloc(strlen(text) + 1000), 0};
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)text,
                       .avail_in = (uInt)strlen(text),
                       .next_out = (Bytef *)out.bytes,
                       .avail_out = (uInt)strlen(text) + 1000};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.size = stream.total_out;
    deflateEnd(&stream);
    return out;
}

static char *decompress(const struct answer *answer)
{
    size_t room = 1 << 20;
    char *text = malloc(room + 1);
    z_stream stream = {.next_in = (Bytef *)answer->body,
                       .avail_in = (uInt)answer->size,
                       .next_out = (Bytef *)text,
                       .avail_out = (uInt)room};
    assert_int_equal(inflateInit2(&stream, 31), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    text[stream.total_out] = '\0';
    inflateEnd(&stream);
    return text;
}

static void compression(void **state)
{
    static const char parameters[] = "{\"samples\": 24, \"include\": [\"segments\", \"samples\"]}";
    json_t *body = body_with(STAR, NULL, parameters);
    char *text = json_dumps(body, JSON_COMPACT);
    struct answer plain = post(*state, EXPLAIN, body);
    assert_status(&plain, 200);
    assert_null(answer_header(&plain, "Content-Encoding"));
    static const struct {
        const char *header;
        int bits;
    } ways[] = {{"Content-Encoding: gzip", 31}, {"Content-Encoding: deflate", 15}};
    for (size_t i = 0; i < 2; i++) {
        struct bytes packed = compress_text(text, ways[i].bits);
        struct answer answer =
            ask(*state, (struct ask){.path = EXPLAIN,
                                     .headers = HEADERS(ways[i].header, "Accept-Encoding: gzip",
                                                        "Content-Type: application/json"),
                                     .body = packed.bytes,
                                     .size = packed.size});
        assert_status(&answer, 200);
        assert_header(&answer, "Content-Encoding", "gzip");
        assert_non_null(strstr(answer_header(&answer, "Vary"), "Accept-Encoding"));
        assert_true(answer.size < plain.size / 2);
        char *unpacked = decompress(&answer);
        assert_string_equal(unpacked, plain.body);
        free(unpacked);
        free(packed.bytes);
        answer_free(&answer);
    }
    answer_free(&plain);
    free(text);
}

static void chunked_and_continued(void **state)
{
    json_t *body = body_with(STAR, NULL, NULL);
    struct answer plain = post(*state, PREDICT, json_incref(body));
    struct answer answer =
        ask(*state, (struct ask){.path = PREDICT,
                                 .headers = HEADERS("Transfer-Encoding: chunked"),
                                 .json = json_incref(body)});
    assert_status(&answer, 200);
    assert_string_equal(answer.body, plain.body);
    answer_free(&answer);
    answer = ask(
        *state,
        (struct ask){.path = PREDICT, .headers = HEADERS("Expect: 100-continue"), .json = body});
    assert_status(&answer, 200);
    assert_string_equal(answer.body, plain.body);
    answer_free(&answer);
    answer_free(&plain);
}

/* ---- clients that are no help */

static void slow_clients(void **state)
{
    struct daemon *daemon = *state;
    int slow[20];
    for (size_t i = 0; i < 20; i++) {
        slow[i] = daemon_connect(daemon);
        assert_true(slow[i] >= 0);
        static const char *const starts[] = {
            "", "POST /v1/mod", "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ",
            "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"};
        assert_true(socket_send(slow[i], starts[i % 4], strlen(starts[i % 4])));
    }
    struct answer answer = post(daemon, PREDICT, body_with(STAR, NULL, NULL));
    assert_status(&answer, 200);
    assert_true(answer.ms < patience_ms(1000));
    answer_free(&answer);
    double from = now_ms();
    char *text = socket_read(slow[3], 4000); /* request_timeout is 1 s */
    assert_true(now_ms() - from < patience_ms(5000));
    assert_true(text[0] == '\0' || strncmp(text, "HTTP/1.1 408 ", 13) == 0);
    free(text);
    for (size_t i = 0; i < 20; i++)
        close(slow[i]);
    daemon_await_status(daemon, "/readyz", 200);
}

/* Sends an explanation and does not wait. */
static int send_long_explain(const struct daemon *daemon)
{
    json_t *body = explanation(STAR, 10000, NULL);
    char *text = json_dumps(body, JSON_COMPACT), head[300];
    int fd = daemon_connect(daemon);
    assert_true(fd >= 0);
    snprintf(head, sizeof head,
             "POST " EXPLAIN " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n",
             strlen(text));
    assert_true(socket_send(fd, head, strlen(head)) && socket_send(fd, text, strlen(text)));
    json_decref(body);
    free(text);
    return fd;
}

static void client_leaves(void **state)
{
    struct daemon *daemon = *state;
    const char cancelled[] = "layermask_jobs_total{class=\"explain\",outcome=\"cancelled\"} ";
    double before = metric(daemon, cancelled);
    int fd = send_long_explain(daemon);
    await_metric(daemon, "layermask_calls_started{class=\"explain\"} ", 1);
    double from = now_ms();
    close(fd);
    await_metric(daemon, cancelled, (before > 0 ? before : 0) + 1);
    await_metric(daemon, "layermask_busy_workers ", 0);
    assert_true(now_ms() - from < patience_ms(3000));
    json_t *line = daemon_logged(daemon, "request");
    json_decref(line);
    assert_true(daemon_log_has(daemon, "\"status\":499"));
}

/* Those that do not fit are told at once; health is answered meanwhile; then all is well again. */
static void crowd(void **state)
{
    struct daemon daemon = {0};
    int fds[30], refused = 0;
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1", "--queue-explain", "2"));
    for (size_t i = 0; i < 30; i++)
        fds[i] = send_long_explain(&daemon);
    double from = now_ms();
    sleep_ms(300);
    for (int i = 0; i < 20; i++)
        assert_int_equal(daemon_status(&daemon, "/readyz"), 200);
    for (size_t i = 0; i < 30; i++) {
        char text[2000];
        ssize_t n = recv(fds[i], text, sizeof text - 1, MSG_DONTWAIT);
        if (n <= 0)
            continue;
        text[n] = '\0';
        refused++;
        assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
        assert_non_null(strstr(text, "\r\nRetry-After: "));
        assert_non_null(strstr(text, "application/problem+json"));
    }
    assert_true(refused >= 10 && refused < 30);
    assert_true(now_ms() - from < patience_ms(3000));
    for (size_t i = 0; i < 30; i++)
        close(fds[i]);
    await_metric(&daemon, "layermask_calls_started{class=\"explain\"} ", 0);
    struct answer answer = post(&daemon, EXPLAIN, explanation(STAR, few(20), NULL));
    assert_status(&answer, 200);
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* A predict does not wait for a long explanation. */
static void predict_goes_first(void **state)
{
    struct daemon *daemon = *state;
    int fds[4];
    for (size_t i = 0; i < 4; i++)
        fds[i] = send_long_explain(daemon);
    await_metric(daemon, "layermask_calls_started{class=\"explain\"} ", 4);
    for (int i = 0; i < 20; i++) {
        struct answer answer = post(daemon, PREDICT, body_with(STAR, NULL, NULL));
        assert_status(&answer, 200);
        assert_true(answer.ms < patience_ms(1000));
        answer_free(&answer);
    }
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    await_metric(daemon, "layermask_calls_started{class=\"explain\"} ", 0);
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
        cmocka_unit_test(logs),
        cmocka_unit_test(head_and_options),
        cmocka_unit_test(other_origins),
        cmocka_unit_test(compression),
        cmocka_unit_test(chunked_and_continued),
        cmocka_unit_test(slow_clients),
        cmocka_unit_test(client_leaves),
        cmocka_unit_test(crowd),
        cmocka_unit_test(predict_goes_first),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
