/* Clients of all kinds: browsers of other origins, compression, and those that are slow, leave, or
 * come in crowds. */
#include "client.h"
#include "metric.h"

#include <zlib.h>

#define STAR EXAMPLES "star.png"

static int start(void **state)
{
    return daemon_shared_start(state, FLAGS("--workers", "1", "--request-timeout", "1s",
                                            "--cors-origins", "https://app.example"));
}

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
    char *text = socket_read(slow[3], 4000, NULL); /* request_timeout is 1 s */
    assert_true(now_ms() - from < patience_ms(5000));
    assert_int_equal(strncmp(text, "HTTP/1.1 408 ", 13), 0);
    assert_non_null(strstr(text, "\r\nX-Request-Id: "));
    assert_non_null(strstr(text, "\r\nContent-Type: application/problem+json\r\n"));
    assert_non_null(strstr(text, "\"detail\": \"the request has not arrived in time\""));
    free(text);
    for (size_t i = 0; i < 20; i++)
        close(slow[i]);
    daemon_await_status(daemon, "/readyz", 200);
}

/* Through what a client takes for its proxy: the target is a whole URL then. */
static void through_a_proxy(void **state)
{
    const struct daemon *daemon = *state;
    struct bytes body = {NULL, 0};
    long status = 0;
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_PROXY, daemon->base);
    curl_easy_setopt(curl, CURLOPT_URL, "http://layermask.example/v1/jobs?limit=0");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, bytes_add);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    assert_int_equal(status, 400);
    assert_non_null(strstr(body.bytes, "; must be a whole number from 1 to 1000"));
    free(body.bytes);
    body = (struct bytes){NULL, 0};
    curl_easy_setopt(curl, CURLOPT_URL, "http://layermask.example/livez");
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    assert_int_equal(status, 200);
    free(body.bytes);
    curl_easy_cleanup(curl);
}

/* All of --max-connections taken by silence: health is answered.  Taken by requests: the next one
 * waits until one of them is over. */
static void connections_run_out(void **state)
{
    enum { MOST = 60 };
    struct daemon daemon = {0};
    int fds[MOST], n = 0;
    char text[16];
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1", "--max-connections", "60"));
    for (size_t i = 0; i < MOST; i++)
        fds[i] = daemon_connect(&daemon);
    for (int i = 0; i < 5; i++) {
        double from = now_ms();
        assert_int_equal(daemon_status(&daemon, "/livez"), 200);
        assert_true(now_ms() - from < patience_ms(1000));
    }
    for (size_t i = 0; i < MOST; i++)
        close(fds[i]);
    static const char half[] = "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{";
    static const char last[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    for (; n < MOST; n++) {
        fds[n] = daemon_connect(&daemon);
        assert_true(socket_send(fds[n], half, sizeof half - 1));
        sleep_ms(10);
    }
    int next = daemon_connect(&daemon);
    assert_true(socket_send(next, last, sizeof last - 1));
    sleep_ms(500);
    assert_int_equal(recv(next, text, sizeof text, MSG_DONTWAIT), -1);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(recv(fds[i], text, sizeof text, MSG_DONTWAIT), -1); /* none was cut */
    close(fds[0]);
    assert_int_equal(recv(next, text, 12, MSG_WAITALL), 12);
    assert_memory_equal(text, "HTTP/1.1 200", 12);
    close(next);
    for (int i = 1; i < MOST; i++)
        close(fds[i]);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
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
    daemon_await_log(daemon, "\"status\":499");
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

/* A certificate of its own, made by openssl; false: there is none. */
static bool make_certificate(const char *certificate, const char *key)
{
    char command[700];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
             "-addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s >/dev/null 2>&1",
             key, certificate);
    return system(command) == 0;
}

static void over_tls(void **state)
{
    struct daemon daemon = {0};
    char certificate[100], key[100];
    (void)state;
    daemon_make_folder(&daemon);
    snprintf(certificate, sizeof certificate, "%s/certificate.pem", daemon.folder);
    snprintf(key, sizeof key, "%s/key.pem", daemon.folder);
    if (!make_certificate(certificate, key)) {
        print_message("there is no openssl to make a certificate with\n");
        daemon_clean(&daemon);
        skip();
    }
    daemon_launch(&daemon, FLAGS("--tls-certificate", certificate, "--tls-key", key));
    daemon_await_port(&daemon);
    snprintf(daemon.base, sizeof daemon.base, "https://127.0.0.1:%u", daemon.port);
    struct answer answer = {0};
    double end = now_ms() + DAEMON_LIMIT_MS;
    do {
        answer_free(&answer);
        answer = ask_quietly(&daemon, (struct ask){.path = "/readyz", .ca = certificate});
    } while (answer.status != 200 && now_ms() < end);
    assert_status(&answer, 200);
    answer_free(&answer);
    answer =
        ask(&daemon,
            (struct ask){.path = EXPLAIN, .json = explanation(STAR, 24, NULL), .ca = certificate});
    assert_status(&answer, 200);
    assert_text(answer.json, "explanations.0.labels.0.label", "star");
    answer_free(&answer);
    assert_int_equal(daemon_status(&daemon, "/livez"), 0); /* nothing in the clear */
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_and_options),
        cmocka_unit_test(other_origins),
        cmocka_unit_test(compression),
        cmocka_unit_test(chunked_and_continued),
        cmocka_unit_test(slow_clients),
        cmocka_unit_test(through_a_proxy),
        cmocka_unit_test(connections_run_out),
        cmocka_unit_test(client_leaves),
        cmocka_unit_test(crowd),
        cmocka_unit_test(predict_goes_first),
        cmocka_unit_test(over_tls),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
