/* Out of memory: the daemon may have no more memory than it has, with a little on top, and is asked
 * for what needs much more.  Each such call is told so and logged; the rest goes on. */
#define _GNU_SOURCE /* prlimit */
#include "client.h"
#include "large_png.h"
#include "metric.h"

#include <sys/resource.h>

#include <pthread.h>

#define STAR EXAMPLES "star.png"

enum { SPARE_KIB = 6 << 10, LITTLE_KIB = 768, SIDE = 4000 };

/* ---- the limit */

static unsigned long data_kib(const struct daemon *daemon)
{
    char path[60];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)daemon->pid);
    char *text = file_bytes(path, NULL), *line = strstr(text, "VmData:");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "VmData: %lu kB", &kib), 1);
    free(text);
    return kib;
}

static void limit_memory(const struct daemon *daemon, rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(prlimit(daemon->pid, RLIMIT_DATA, NULL, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(prlimit(daemon->pid, RLIMIT_DATA, &limit, NULL), 0);
}

static struct answer predict_star(const struct daemon *daemon)
{
    return post(daemon, PREDICT, body_with(STAR, NULL, NULL));
}

/* A daemon that has computed already, so that its threads have what they need for small calls. */
static void start_short(struct daemon *daemon)
{
    daemon_start(daemon, FLAGS("--workers", "1"));
    for (int i = 0; i < 8; i++) {
        struct answer answer = predict_star(daemon);
        assert_status(&answer, 200);
        answer_free(&answer);
        answer = post(daemon, EXPLAIN, explanation(STAR, 20, NULL));
        assert_status(&answer, 200);
        answer_free(&answer);
    }
    limit_memory(daemon, (rlim_t)(data_kib(daemon) + SPARE_KIB) << 10);
}

static void expect_service(const struct daemon *daemon)
{
    for (int i = 0; i < 10; i++) {
        struct answer answer = predict_star(daemon);
        assert_status(&answer, 200);
        assert_text(answer.json, "predictions.0.top.0.label", "star");
        answer_free(&answer);
    }
    assert_int_equal(daemon_status(daemon, "/readyz"), 200);
    struct answer answer = get(daemon, "/metrics");
    assert_status(&answer, 200);
    answer_free(&answer);
}

/* A problem whose detail says so. */
static void expect_no_memory(const struct daemon *daemon, struct answer *answer)
{
    assert_problem(answer, 503, text_at(answer->json, "detail"), NULL);
    assert_header(answer, "Retry-After", "1");
    if (!strstr(text_at(answer->json, "detail"), "out of memory"))
        answer_show(answer);
    assert_non_null(strstr(text_at(answer->json, "detail"), "out of memory"));
    assert_null(strstr(answer->body, daemon->folder));
    answer_free(answer);
    expect_service(daemon);
}

static bool skips(void)
{
    if (is_sanitized())
        print_message("sanitizers need memory of their own\n");
    return is_sanitized();
}

/* ---- calls */

static void calls(void **state)
{
    struct daemon daemon = {0};
    (void)state;
    if (skips())
        skip();
    struct bytes png = large_png(SIDE);
    start_short(&daemon);
    struct ask large = {.path = PREDICT,
                        .headers = HEADERS("Content-Type: image/png", "X-Request-Id: large-1"),
                        .body = png.bytes,
                        .size = png.size};
    struct answer answer = ask(&daemon, large);
    expect_no_memory(&daemon, &answer);
    json_t *line = daemon_await_logged(&daemon, "out_of_memory");
    assert_text(line, "level", "error");
    assert_text(line, "request_id", "large-1");
    assert_text(line, "error", "out of memory for an image of 4000 x 4000 pixels");
    json_decref(line);
    large.path = EXPLAIN;
    answer = ask(&daemon, large);
    expect_no_memory(&daemon, &answer);
    size_t size = 32 << 20; /* a body that is not even read */
    char *body = malloc(size);
    assert_non_null(body);
    memset(body, ' ', size);
    answer = ask(&daemon, (struct ask){.path = PREDICT,
                                       .headers = HEADERS("Content-Type: application/json"),
                                       .body = body,
                                       .size = size});
    expect_no_memory(&daemon, &answer);
    size = (SPARE_KIB << 10) / 2; /* one that is, but whose text there is no room to copy */
    memset(body, 'x', size);
    memcpy(body, "{\"a\": \"", 7);
    memcpy(body + size - 2, "\"}", 2);
    answer = ask(&daemon, (struct ask){.path = PREDICT,
                                       .headers = HEADERS("Content-Type: application/json"),
                                       .body = body,
                                       .size = size});
    expect_no_memory(&daemon, &answer);
    free(body);
    limit_memory(&daemon, RLIM_INFINITY); /* the same call is good when there is memory */
    large.path = PREDICT;
    answer = ask(&daemon, large);
    assert_status(&answer, 200);
    answer_free(&answer);
    free(png.bytes);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* Some pictures with many masks each: little to send, much to keep. */
static json_t *many_masks(unsigned pictures, unsigned n)
{
    json_t *one = instance(STAR), *masks = json_array(), *list = json_array();
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(
            masks, json_pack("{s: {s: [i, i, i, i]}}", "hide", "box", i % 100, i / 100, 30, 30));
    assert_int_equal(json_object_set_new(one, "masks", masks), 0);
    for (unsigned i = 0; i < pictures; i++)
        json_array_append(list, one);
    json_decref(one);
    return json_pack("{s: o}", "instances", list);
}

static json_t *many_pictures(const char *b64, unsigned n)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s: {s: s}}", "image", "b64", b64));
    return json_pack("{s: o}", "instances", list);
}

static void many_at_once(void **state)
{
    struct daemon daemon = {0};
    (void)state;
    if (skips())
        skip();
    struct bytes png = large_png(1500);
    char *b64 = base64(png.bytes, png.size);
    free(png.bytes);
    start_short(&daemon);
    limit_memory(&daemon, (rlim_t)(data_kib(&daemon) + LITTLE_KIB) << 10);
    struct answer answer = post(&daemon, PREDICT, many_masks(30, 300));
    expect_no_memory(&daemon, &answer);
    answer = post(&daemon, PREDICT, many_pictures(b64, 64));
    expect_no_memory(&daemon, &answer);
    limit_memory(&daemon, RLIM_INFINITY);
    answer = post(&daemon, PREDICT, many_pictures(b64, 64));
    assert_status(&answer, 200);
    answer_free(&answer);
    free(b64);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

struct sender {
    const struct daemon *daemon;
    const struct bytes *png;
    pthread_t thread;
    int refused, other;
};

static void *send_large(void *context)
{
    struct sender *sender = context;
    for (int i = 0; i < 5; i++) {
        struct answer answer =
            ask_quietly(sender->daemon, (struct ask){.path = PREDICT,
                                                     .headers = HEADERS("Content-Type: image/png"),
                                                     .body = sender->png->bytes,
                                                     .size = sender->png->size});
        bool refused = answer.failure == CURLE_OK && answer.status == 503 &&
                       strstr(answer.body, "out of memory");
        refused ? sender->refused++ : sender->other++;
        answer_free(&answer);
    }
    return NULL;
}

static void large_calls_beside_each_other(void **state)
{
    enum { SENDERS = 8 };
    struct daemon daemon = {0};
    struct sender senders[SENDERS];
    (void)state;
    if (skips())
        skip();
    struct bytes png = large_png(SIDE);
    start_short(&daemon);
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.daemon = &daemon, .png = &png};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_large, &senders[i]), 0);
    }
    for (size_t i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].refused, 5);
    }
    expect_service(&daemon);
    free(png.bytes);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* An accepted job fails with the same problem, which says that it may be sent again. */
static void jobs(void **state)
{
    struct daemon daemon = {0};
    (void)state;
    if (skips())
        skip();
    struct bytes png = large_png(SIDE);
    start_short(&daemon);
    struct ask large = {.path = PREDICT,
                        .headers = HEADERS("Content-Type: image/png", "Prefer: respond-async"),
                        .body = png.bytes,
                        .size = png.size};
    struct answer answer = ask(&daemon, large);
    char *id = accepted(&answer);
    answer = await_job(&daemon, id, "failed");
    assert_near(number_at(answer.json, "error.status"), 503, 0);
    answer_free(&answer);
    json_t *line = daemon_await_logged(&daemon, "out_of_memory");
    assert_text(line, "job", id);
    json_decref(line);
    answer = get_job(&daemon, id, "/result");
    assert_status(&answer, 503);
    assert_header(&answer, "Content-Type", "application/problem+json");
    assert_header(&answer, "Retry-After", "1");
    assert_text(answer.json, "title", "Service Unavailable");
    assert_text(answer.json, "instance", id);
    assert_non_null(strstr(text_at(answer.json, "detail"), "out of memory"));
    answer_free(&answer);
    expect_service(&daemon);
    limit_memory(&daemon, RLIM_INFINITY);
    answer = ask(&daemon, large);
    free(id);
    id = accepted(&answer);
    answer = await_job(&daemon, id, "succeeded");
    answer_free(&answer);
    free(id);
    free(png.bytes);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(large_calls_beside_each_other),
        cmocka_unit_test(jobs),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
