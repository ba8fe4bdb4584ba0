/* Jobs over HTTP: accepted, watched, cancelled, repeated, listed, forgotten. */
#define _GNU_SOURCE /* prlimit */
#include "client.h"
#include "large_png.h"

#include <pthread.h>

#include <sys/resource.h>

#define STAR EXAMPLES "star.png"

static int start(void **state)
{
    return daemon_shared_start(state, FLAGS("--workers", "1"));
}

/* What the job's instants must look like: RFC 3339, or null before they have come. */
static void expect_instant(json_t *job, const char *name, bool has_come)
{
    json_t *instant = at(job, name);
    assert_non_null(instant);
    if (!has_come) {
        assert_true(json_is_null(instant));
        return;
    }
    int year, month, day, hour, minute;
    double second;
    char zone[8] = "";
    assert_int_equal(sscanf(json_string_value(instant), "%4d-%2d-%2dT%2d:%2d:%lf%7s", &year, &month,
                            &day, &hour, &minute, &second, zone),
                     7);
    assert_string_equal(zone, "Z");
    assert_true(year >= 2024);
}

static void delete_job(const struct daemon *daemon, const char *id)
{
    char path[200];
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    struct answer answer = ask(daemon, (struct ask){.path = path, .method = "DELETE"});
    assert_status(&answer, 200);
    assert_text(answer.json, "id", id);
    answer_free(&answer);
}

static void expect_result(const struct daemon *daemon, const char *path, json_t *body)
{
    struct answer direct = post(daemon, path, json_incref(body));
    struct answer answer = post_async(daemon, path, body, NULL);
    assert_status(&direct, 200);
    assert_status(&answer, 202);
    char place[200], *id = strdup(text_at(answer.json, "id"));
    snprintf(place, sizeof place, "/v1/jobs/%s", id);
    assert_header(&answer, "Location", place);
    assert_header(&answer, "Content-Type", "application/json");
    assert_int_equal(strlen(id), 36);
    expect_instant(answer.json, "created_at", true);
    assert_true(json_is_object(at(answer.json, "progress")));
    assert_true(json_is_null(at(answer.json, "error")));
    answer_free(&answer);
    answer = await_job(daemon, id, "succeeded");
    assert_text(answer.json, "id", id);
    expect_instant(answer.json, "created_at", true);
    expect_instant(answer.json, "started_at", true);
    expect_instant(answer.json, "finished_at", true);
    assert_near(number_at(answer.json, "progress.done"), number_at(answer.json, "progress.total"),
                0);
    assert_true(number_at(answer.json, "progress.total") > 0);
    assert_true(json_is_null(at(answer.json, "error")));
    answer_free(&answer);
    answer = get_job(daemon, id, "/result");
    assert_status(&answer, 200);
    assert_header(&answer, "Content-Type", "application/json");
    assert_string_equal(answer.body, direct.body);
    answer_free(&answer);
    answer_free(&direct);
    free(id);
}

static void results_are_the_direct_answers(void **state)
{
    expect_result(*state, PREDICT,
                  body_with(STAR, "{\"hide\": {\"box\": [9, 9, 99, 99]}}", "{\"top_k\": 2}"));
    expect_result(*state, EXPLAIN, explanation(STAR, few(60), "\"seed\": 5"));
    expect_result(*state, EXPLAIN "?samples=24", body_with(STAR, NULL, NULL));
}

static void drawings_of_results(void **state)
{
    struct answer answer = post_async(*state, EXPLAIN, explanation(STAR, few(40), NULL), NULL);
    char *id = accepted(&answer), path[200];
    answer = await_job(*state, id, "succeeded");
    answer_free(&answer);
    snprintf(path, sizeof path, "/v1/jobs/%s/result", id);
    static const char *const types[] = {"image/png", "image/jpeg", "application/json"};
    for (size_t i = 0; i < 3; i++) {
        char accept[100];
        snprintf(accept, sizeof accept, "Accept: %s", types[i]);
        struct answer stored = ask(*state, (struct ask){.path = path, .headers = HEADERS(accept)});
        struct answer direct = ask(*state, (struct ask){.path = EXPLAIN,
                                                        .headers = HEADERS(accept),
                                                        .json = explanation(STAR, few(40), NULL)});
        assert_status(&stored, 200);
        assert_status(&direct, 200);
        assert_header(&stored, "Content-Type", types[i]);
        assert_int_equal(stored.size, direct.size);
        assert_memory_equal(stored.body, direct.body, direct.size);
        answer_free(&stored);
        answer_free(&direct);
    }
    answer = ask(*state, (struct ask){.path = path, .headers = HEADERS("Accept: text/html")});
    assert_status(&answer, 406);
    answer_free(&answer);
    free(id);
}

static void bare_pictures(void **state)
{
    size_t size;
    char *png = file_bytes(STAR, &size);
    struct answer direct = ask(*state, (struct ask){.path = PREDICT "?top_k=3",
                                                    .headers = HEADERS("Content-Type: image/png"),
                                                    .body = png,
                                                    .size = size});
    struct answer answer = ask(
        *state,
        (struct ask){.path = PREDICT "?top_k=3",
                     .headers = HEADERS("Content-Type: image/png", "Prefer: wait=1, respond-async"),
                     .body = png,
                     .size = size});
    char *id = accepted(&answer);
    answer = await_job(*state, id, "succeeded");
    answer_free(&answer);
    answer = get_job(*state, id, "/result");
    assert_status(&answer, 200);
    assert_string_equal(answer.body, direct.body);
    answer_free(&answer);
    answer_free(&direct);
    free(png);
    free(id);
}

static void cancelled(void **state)
{
    struct answer answer = post_async(*state, EXPLAIN, explanation(STAR, 10000, NULL), NULL);
    char *first = accepted(&answer);
    answer = post_async(*state, EXPLAIN, explanation(STAR, 10000, NULL), NULL);
    char *second = accepted(&answer);
    answer = await_job(*state, first, "running");
    expect_instant(answer.json, "started_at", true);
    expect_instant(answer.json, "finished_at", false);
    answer_free(&answer);
    answer = get_job(*state, first, "/result");
    assert_problem(&answer, 409, "the job has not finished: it is running", NULL);
    answer_free(&answer);
    delete_job(*state, second);
    delete_job(*state, first);
    char *const both[] = {first, second};
    for (size_t i = 0; i < 2; i++) {
        answer = await_job(*state, both[i], "cancelled");
        expect_instant(answer.json, "finished_at", true);
        answer_free(&answer);
        delete_job(*state, both[i]); /* again: it stays what it is */
        answer = get_job(*state, both[i], "/result");
        assert_problem(&answer, 409, "the job was cancelled", NULL);
        answer_free(&answer);
    }
    /* What has finished is not cancelled any more. */
    answer = post_async(*state, PREDICT, body_with(STAR, NULL, NULL), NULL);
    char *third = accepted(&answer);
    answer = await_job(*state, third, "succeeded");
    answer_free(&answer);
    delete_job(*state, third);
    answer = await_job(*state, third, "succeeded");
    answer_free(&answer);
    free(first);
    free(second);
    free(third);
}

/* Events of a stream that has ended: how many of this name, and the last one's data. */
static int events_of(const char *stream, const char *name, json_t **last)
{
    char start_of[100];
    int n = 0;
    snprintf(start_of, sizeof start_of, "event: %s\ndata: ", name);
    for (const char *event = stream; (event = strstr(event, start_of)); n++) {
        event += strlen(start_of);
        char *data = strndup(event, strcspn(event, "\n"));
        json_decref(*last);
        *last = parse(data);
        free(data);
    }
    return n;
}

/* Pictures whose decoding takes seconds are not decoded to the end for nobody. */
static void cancelled_while_it_is_prepared(void **state)
{
    enum { PICTURES = 60 };
    struct bytes png = large_png(2500);
    char *b64 = base64(png.bytes, png.size);
    json_t *list = json_array();
    for (int i = 0; i < PICTURES; i++)
        json_array_append_new(list, json_pack("{s: {s: s}}", "image", "b64", b64));
    json_t *body = json_pack("{s: O}", "instances", list);
    double from = now_ms();
    struct answer answer =
        post(*state, PREDICT, json_pack("{s: [{s: {s: s}}]}", "instances", "image", "b64", b64));
    double one_ms = now_ms() - from;
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = post_async(*state, PREDICT, body, NULL);
    char *id = accepted(&answer);
    answer = await_job(*state, id, "running");
    answer_free(&answer);
    from = now_ms();
    delete_job(*state, id);
    answer = post(*state, PREDICT, body_with(STAR, NULL, NULL));
    assert_status(&answer, 200);
    assert_true(now_ms() - from < PICTURES * one_ms / 3);
    answer_free(&answer);
    answer = ask(*state, (struct ask){.path = PREDICT,
                                      .headers = HEADERS("Request-Timeout: 0.3"),
                                      .json = json_pack("{s: o}", "instances", list)});
    assert_problem(&answer, 504, "the request's deadline has passed", NULL);
    assert_true(answer.ms < 300 + PICTURES * one_ms / 3);
    answer_free(&answer);
    free(png.bytes);
    free(b64);
    free(id);
}

static void events(void **state)
{
    struct answer answer = post_async(*state, EXPLAIN, explanation(STAR, few(1500), NULL), NULL);
    char *id = accepted(&answer);
    json_t *progress = NULL, *done = NULL;
    answer = get_job(*state, id, "/events"); /* ends when the job does */
    assert_status(&answer, 200);
    assert_header(&answer, "Content-Type", "text/event-stream");
    assert_header(&answer, "Cache-Control", "no-store");
    int steps = events_of(answer.body, "progress", &progress);
    if (steps < 3)
        answer_show(&answer);
    assert_true(steps >= 3);
    assert_near(number_at(progress, "total"), few(1500), 0);
    assert_true(number_at(progress, "done") > 0);
    assert_int_equal(events_of(answer.body, "done", &done), 1);
    assert_text(done, "id", id);
    assert_text(done, "status", "succeeded");
    assert_near(number_at(done, "progress.done"), few(1500), 0);
    answer_free(&answer);
    json_decref(done);
    done = NULL;
    answer = get_job(*state, id, "/events"); /* it is over: said at once */
    assert_status(&answer, 200);
    assert_int_equal(events_of(answer.body, "done", &done), 1);
    assert_text(done, "status", "succeeded");
    answer_free(&answer);
    json_decref(done);
    json_decref(progress);
    free(id);
}

static void *hear(void *context)
{
    struct answer *answer = context;
    char *path = answer->body;
    *answer = ask_quietly(&shared_daemon, (struct ask){.path = path});
    free(path);
    return NULL;
}

/* Who listens is told of a cancelled job, too. */
static void events_of_a_cancelled_job(void **state)
{
    struct answer answer = post_async(*state, EXPLAIN, explanation(STAR, 10000, NULL), NULL);
    char *id = accepted(&answer), path[200];
    struct answer streams[3];
    pthread_t threads[3];
    answer = await_job(*state, id, "running");
    answer_free(&answer);
    snprintf(path, sizeof path, "/v1/jobs/%s/events", id);
    for (size_t i = 0; i < 3; i++) {
        streams[i] = (struct answer){.body = strdup(path)};
        assert_int_equal(pthread_create(&threads[i], NULL, hear, &streams[i]), 0);
    }
    sleep_ms(100);
    delete_job(*state, id);
    for (size_t i = 0; i < 3; i++) {
        json_t *done = NULL;
        pthread_join(threads[i], NULL);
        assert_status(&streams[i], 200);
        assert_int_equal(events_of(streams[i].body, "done", &done), 1);
        assert_text(done, "status", "cancelled");
        json_decref(done);
        answer_free(&streams[i]);
    }
    free(id);
}

static void idempotency(void **state)
{
    struct answer answer = post_async(*state, EXPLAIN, explanation(STAR, few(40), NULL), "key-1");
    char *first = accepted(&answer);
    answer = post_async(*state, EXPLAIN, explanation(STAR, few(40), NULL), "key-1");
    char *second = accepted(&answer);
    assert_string_equal(first, second);
    answer = await_job(*state, first, "succeeded");
    answer_free(&answer);
    free(second);
    answer = post_async(*state, EXPLAIN, explanation(STAR, few(40), NULL), "key-1");
    second = accepted(&answer);
    assert_string_equal(first, second);
    free(second);
    answer = post_async(*state, EXPLAIN, explanation(STAR, few(40), NULL), "key-2");
    second = accepted(&answer);
    assert_string_not_equal(first, second);
    free(second);
    answer = post_async(*state, EXPLAIN, explanation(STAR, few(40), "\"seed\": 1"), "key-1");
    assert_problem(&answer, 409, "Idempotency-Key was used before, with another request", NULL);
    answer_free(&answer);
    answer = post_async(*state, PREDICT, body_with(STAR, NULL, NULL), "key-1");
    assert_status(&answer, 409);
    answer_free(&answer);
    free(first);
}

static void *post_same(void *context)
{
    struct answer *answer = context;
    *answer = post_async(&shared_daemon, EXPLAIN, explanation(STAR, few(40), NULL), "all-at-once");
    return NULL;
}

static void one_job_of_many_repeats(void **state)
{
    struct answer answers[8];
    pthread_t threads[8];
    (void)state;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_same, &answers[i]), 0);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 8; i++) {
        assert_status(&answers[i], 202);
        assert_text(answers[i].json, "id", text_at(answers[0].json, "id"));
    }
    for (size_t i = 0; i < 8; i++)
        answer_free(&answers[i]);
}

static void list(void **state)
{
    char *ids[3];
    for (size_t i = 0; i < 3; i++) {
        struct answer answer = post_async(*state, PREDICT, body_with(STAR, NULL, NULL), NULL);
        ids[i] = accepted(&answer);
    }
    struct answer answer = get(*state, "/v1/jobs?limit=3");
    assert_status(&answer, 200);
    assert_int_equal(json_array_size(at(answer.json, "jobs")), 3);
    assert_text(answer.json, "jobs.0.id", ids[2]); /* the newest first */
    assert_text(answer.json, "jobs.1.id", ids[1]);
    assert_text(answer.json, "jobs.2.id", ids[0]);
    assert_true(json_is_string(at(answer.json, "jobs.0.status")));
    answer_free(&answer);
    answer = get(*state, "/v1/jobs");
    assert_status(&answer, 200);
    assert_true(json_array_size(at(answer.json, "jobs")) >= 3);
    answer_free(&answer);
    for (size_t i = 0; i < 3; i++)
        free(ids[i]);
}

static void unknown_jobs(void **state)
{
    static const char *const paths[] = {
        "/v1/jobs/nothing",        "/v1/jobs/0123456789abcdefghijklmnopqrstuvwxyz",
        "/v1/jobs/nothing/result", "/v1/jobs/nothing/events",
        "/v1/jobs/%27%22",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer answer = get(*state, paths[i]);
        assert_problem(&answer, 404, "there is no such job, or it has expired", NULL);
        answer_free(&answer);
    }
    struct answer answer =
        ask(*state, (struct ask){.path = "/v1/jobs/nothing", .method = "DELETE"});
    assert_problem(&answer, 404, "there is no such job, or it has expired", NULL);
    answer_free(&answer);
}

/* Everything that can be seen without decoding the picture is refused at once, and what cannot
 * fails as the direct call does. */
static void refused_and_failed(void **state)
{
    struct answer answer =
        post_async(*state, EXPLAIN, body_with(STAR, NULL, "{\"samples\": \"many\"}"), NULL);
    assert_status(&answer, 400);
    assert_text(answer.json, "errors.0.pointer", "/parameters/samples");
    answer_free(&answer);
    size_t size;
    char *png = file_bytes(STAR, &size);
    char *text = base64(png, size / 2);
    json_t *body = json_pack("{s: [{s: {s: s}}]}", "instances", "image", "b64", text);
    struct answer direct = post(*state, PREDICT, json_incref(body));
    assert_status(&direct, 422);
    answer = post_async(*state, PREDICT, body, NULL);
    char *id = accepted(&answer);
    answer = await_job(*state, id, "failed");
    static const char *const same[] = {"type", "title", "detail", "errors.0.pointer"};
    for (size_t i = 0; i < 4; i++) {
        char path[100];
        snprintf(path, sizeof path, "error.%s", same[i]);
        assert_text(answer.json, path, text_at(direct.json, same[i]));
    }
    assert_near(number_at(answer.json, "error.status"), 422, 0);
    answer_free(&answer);
    answer = get_job(*state, id, "/result");
    assert_status(&answer, 422);
    assert_header(&answer, "Content-Type", "application/problem+json");
    assert_text(answer.json, "detail", text_at(direct.json, "detail"));
    answer_free(&answer);
    answer_free(&direct);
    free(id);
    free(png);
    free(text);
}

static void finished_jobs_are_forgotten(void **state)
{
    struct daemon daemon = {0};
    (void)state;
    daemon_start(&daemon, FLAGS("--job-ttl", "1s", "--store", "memory"));
    struct answer answer = post_async(&daemon, PREDICT, body_with(STAR, NULL, NULL), NULL);
    char *id = accepted(&answer);
    answer = await_job(&daemon, id, "succeeded");
    answer_free(&answer);
    double end = now_ms() + 6000;
    do {
        sleep_ms(50);
        answer_free(&answer);
        answer = get_job(&daemon, id, "");
    } while (answer.status == 200 && now_ms() < end);
    assert_problem(&answer, 404, "there is no such job, or it has expired", NULL);
    answer_free(&answer);
    free(id);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

static void too_many_jobs(void **state)
{
    struct daemon daemon = {0};
    char *ids[2];
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1", "--max-unfinished-jobs", "2"));
    for (size_t i = 0; i < 2; i++) {
        struct answer answer = post_async(&daemon, EXPLAIN, explanation(STAR, 10000, NULL), NULL);
        ids[i] = accepted(&answer);
    }
    struct answer answer = post_async(&daemon, EXPLAIN, explanation(STAR, few(40), NULL), NULL);
    assert_problem(&answer, 503, "too many jobs are waiting (max_unfinished_jobs, max_store_bytes)",
                   NULL);
    assert_true(answer_header(&answer, "Retry-After") &&
                atoi(answer_header(&answer, "Retry-After")) >= 1);
    answer_free(&answer);
    for (size_t i = 0; i < 2; i++) {
        delete_job(&daemon, ids[i]);
        free(ids[i]);
    }
    answer = post_async(&daemon, EXPLAIN, explanation(STAR, few(40), NULL), NULL);
    assert_status(&answer, 202);
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* A store that cannot write refuses jobs with 503; direct calls go on, and so does the store when
 * there is room again. */
static void disk_is_full(void **state)
{
    struct daemon daemon = {0};
    struct rlimit before, limit;
    struct answer answer = {0};
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 1 << 20; /* of a file; inherited by the daemon, as is the ignored signal */
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    daemon_start(&daemon, FLAGS("--workers", "1"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    for (int i = 0; i < 60 && answer.status != 503; i++) {
        answer_free(&answer);
        answer = post_async(&daemon, PREDICT, body_with(STAR, NULL, NULL), NULL);
        assert_true(answer.status == 202 || answer.status == 503);
    }
    assert_problem(&answer, 503, "the store of jobs cannot be used just now", NULL);
    assert_header(&answer, "Content-Type", "application/problem+json");
    assert_header(&answer, "Retry-After", "5");
    answer_free(&answer);
    answer = post(&daemon, PREDICT, body_with(STAR, NULL, NULL));
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = get(&daemon, "/readyz"); /* not ready for as long as Retry-After says */
    assert_problem(&answer, 503, "the store of jobs cannot be used just now", NULL);
    answer_free(&answer);
    answer = get(&daemon, "/v2/health/ready");
    assert_status(&answer, 503);
    assert_true(json_is_false(at(answer.json, "ready")));
    answer_free(&answer);
    assert_int_equal(daemon_status(&daemon, "/livez"), 200);
    daemon_await_status(&daemon, "/readyz", 200);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

static void limit_files(const struct daemon *daemon, rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(prlimit(daemon->pid, RLIMIT_FSIZE, NULL, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(prlimit(daemon->pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static bool is_queued(const struct daemon *daemon, const char *job)
{
    struct answer answer = get_job(daemon, job, "");
    bool queued = strcmp(text_at(answer.json, "status"), "queued") == 0;
    answer_free(&answer);
    return queued;
}

/* While the store cannot write, one job ends and another is to start: neither is forgotten.  False
 * if the other was quicker to start than the store to fail. */
static bool disk_fails_between(struct daemon *daemon)
{
    struct answer answer = post_async(daemon, EXPLAIN, explanation(STAR, few(1500), NULL), NULL);
    char *ending = accepted(&answer);
    answer = post_async(daemon, EXPLAIN, explanation(STAR, few(40), NULL), NULL);
    char *starting = accepted(&answer);
    answer = await_job(daemon, ending, "running");
    answer_free(&answer);
    limit_files(daemon, 1);
    bool in_time = is_queued(daemon, starting);
    for (bool computed = !in_time; !computed; sleep_ms(50)) {
        answer = get_job(daemon, ending, "");
        computed = number_at(answer.json, "progress.done") >= few(1500);
        answer_free(&answer);
    }
    if (in_time) {
        sleep_ms(1000); /* both have been tried */
        assert_true(is_queued(daemon, starting));
    }
    limit_files(daemon, RLIM_INFINITY);
    if (in_time) {
        answer = await_job(daemon, starting, "succeeded");
        answer_free(&answer);
        answer = await_job(daemon, ending, "failed");
        assert_near(number_at(answer.json, "error.status"), 503, 0);
        answer_free(&answer);
    }
    free(ending);
    free(starting);
    return in_time;
}

static void disk_fails_meanwhile(void **state)
{
    bool seen = false;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 20 && !seen; i++) {
        struct daemon daemon = {0};
        daemon_start(&daemon, FLAGS("--workers", "1"));
        seen = disk_fails_between(&daemon);
        assert_int_equal(daemon_stop(&daemon), 0);
        daemon_clean(&daemon);
    }
    assert_true(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_the_direct_answers),
        cmocka_unit_test(drawings_of_results),
        cmocka_unit_test(bare_pictures),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(cancelled_while_it_is_prepared),
        cmocka_unit_test(events),
        cmocka_unit_test(events_of_a_cancelled_job),
        cmocka_unit_test(idempotency),
        cmocka_unit_test(one_job_of_many_repeats),
        cmocka_unit_test(list),
        cmocka_unit_test(unknown_jobs),
        cmocka_unit_test(refused_and_failed),
        cmocka_unit_test(finished_jobs_are_forgotten),
        cmocka_unit_test(too_many_jobs),
        cmocka_unit_test(disk_is_full),
        cmocka_unit_test(disk_fails_meanwhile),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
