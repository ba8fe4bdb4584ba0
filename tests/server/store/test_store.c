/* What every store does: the same tests over each kind. */
#include "store_fixture.h"

static struct store *store_of(void **state)
{
    return ((struct fixture *)*state)->store;
}

static struct store_job get_job(struct store *store, const char *id)
{
    bool found = false;
    struct store_job job = {0};
    assert_done(store_get(store, id, &found, &job, error));
    assert_true(found);
    return job;
}

static void assert_content(struct store_content *content, const char *type, const char *target,
                           const void *bytes, size_t size)
{
    assert_non_null(content);
    assert_string_equal(content->type, type);
    assert_string_equal(content->target, target);
    assert_int_equal(content->size, size);
    if (size)
        assert_memory_equal(content->bytes, bytes, size);
    store_content_free(content);
}

static void put_keeps_the_request(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("{\"instances\": []}");
    char id[STORE_ID_SIZE];
    put_job(store, &new_job, 1234567890123, id);
    assert_true(store_id_valid(id));

    struct store_job job = get_job(store, id);
    assert_string_equal(job.id, id);
    assert_int_equal(job.kind, STORE_EXPLAIN);
    assert_int_equal(job.state, STORE_QUEUED);
    assert_string_equal(job.model, "shapes");
    assert_string_equal(job.owner, "key-1");
    assert_int_equal(job.done, 0);
    assert_int_equal(job.total, 1000);
    assert_int_equal(job.created_ms, 1234567890123);
    assert_int_equal(job.started_ms, 0);
    assert_int_equal(job.finished_ms, 0);
    assert_int_equal(job.expires_ms, 0);
    assert_int_equal(job.attempts, 0);
    assert_int_equal(job.error_status, 0);
    assert_null(job.error);
    assert_null(job.result_type);
    assert_int_equal(job.request_bytes, 17);
    assert_int_equal(job.result_bytes, 0);
    store_job_clear(&job);
    assert_null(job.model);

    struct store_content *content = NULL;
    assert_done(store_get_request(store, id, &content, error));
    assert_content(content, "application/json", "/v1/models/shapes:explain?alpha=0.5",
                   "{\"instances\": []}", 17);
    content = (struct store_content *)state;
    assert_done(store_get_result(store, id, &content, error));
    assert_null(content);
}

static void life_of_a_job_that_succeeds(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("body");
    char id[STORE_ID_SIZE];
    put_job(store, &new_job, 100, id);
    assert_true(start_job(store, id, 200));
    struct store_job job = get_job(store, id);
    assert_int_equal(job.state, STORE_RUNNING);
    assert_int_equal(job.started_ms, 200);
    assert_int_equal(job.attempts, 1);
    store_job_clear(&job);

    store_progress(store, id, 320, 1024);
    job = get_job(store, id);
    assert_int_equal(job.done, 320);
    assert_int_equal(job.total, 1024);
    store_job_clear(&job);

    assert_true(succeed_job(store, id, "{\"explanations\": []}", 300));
    job = get_job(store, id);
    assert_int_equal(job.state, STORE_SUCCEEDED);
    assert_int_equal(job.done, 320);
    assert_int_equal(job.total, 1024);
    assert_int_equal(job.finished_ms, 300);
    assert_int_equal(job.expires_ms, 300 + small_limits.finished_ttl_ms);
    assert_string_equal(job.result_type, "application/json");
    assert_int_equal(job.result_bytes, 20);
    store_job_clear(&job);
    struct store_content *content = NULL;
    assert_done(store_get_result(store, id, &content, error));
    assert_content(content, "application/json", "", "{\"explanations\": []}", 20);
}

static void life_of_a_job_that_fails(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("body");
    struct store_change change = {0};
    char id[STORE_ID_SIZE];
    put_job(store, &new_job, 100, id);
    assert_true(start_job(store, id, 200));
    const struct store_outcome failed = {
        .state = STORE_FAILED, .error_status = 422, .error = "{\"title\": \"corrupt image\"}"};
    assert_done(store_finish(store, id, &failed, 300, &change, error));
    assert_true(change.found && change.changed);
    assert_int_equal(change.previous, STORE_RUNNING);
    struct store_job job = get_job(store, id);
    assert_int_equal(job.state, STORE_FAILED);
    assert_int_equal(job.error_status, 422);
    assert_string_equal(job.error, "{\"title\": \"corrupt image\"}");
    assert_null(job.result_type);
    store_job_clear(&job);
    struct store_content *content = NULL;
    assert_done(store_get_result(store, id, &content, error));
    assert_null(content);
}

/* Which of start, finish and cancel take effect in each state. */
static void steps_are_conditional(void **state)
{
    static const bool allowed[STORE_STATES][3] = {
        [STORE_QUEUED] = {true, false, true},
        [STORE_RUNNING] = {false, true, true},
    };
    struct store *store = store_of(state);
    struct store_new new_job = job_like("body");
    const struct store_outcome done = {.state = STORE_SUCCEEDED, .result_type = "a/b"};
    const struct store_outcome failed = {.state = STORE_FAILED, .error = "{}", .error_status = 500};
    for (unsigned from = 0; from < STORE_STATES; from++)
        for (int step = 0; step < 3; step++) {
            struct store_change change = {0};
            char id[STORE_ID_SIZE];
            put_job(store, &new_job, 1, id);
            if (from == STORE_RUNNING || from == STORE_SUCCEEDED || from == STORE_FAILED)
                assert_true(start_job(store, id, 2));
            if (from == STORE_SUCCEEDED || from == STORE_FAILED)
                assert_done(store_finish(store, id, from == STORE_FAILED ? &failed : &done, 3,
                                         &change, error));
            if (from == STORE_CANCELLED)
                assert_done(store_cancel(store, id, 3, &change, error));
            if (step == 0)
                assert_done(store_start(store, id, 4, &change, error));
            else if (step == 1)
                assert_done(store_finish(store, id, &done, 4, &change, error));
            else
                assert_done(store_cancel(store, id, 4, &change, error));
            assert_true(change.found);
            assert_int_equal(change.previous, from);
            assert_int_equal(change.changed, allowed[from][step]);
            struct store_job job = get_job(store, id);
            const enum store_state to[] = {STORE_RUNNING, STORE_SUCCEEDED, STORE_CANCELLED};
            assert_int_equal(job.state, change.changed ? to[step] : from);
            store_job_clear(&job);
        }
}

static void progress_of_jobs_that_do_not_run_is_ignored(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("body");
    struct store_change change = {0};
    char id[STORE_ID_SIZE];
    put_job(store, &new_job, 1, id);
    store_progress(store, id, 5, 10);
    struct store_job job = get_job(store, id);
    assert_int_equal(job.done, 0);
    assert_int_equal(job.total, 1000);
    store_job_clear(&job);
    assert_true(start_job(store, id, 2));
    store_progress(store, id, 6, UINT64_MAX);
    assert_done(store_cancel(store, id, 3, &change, error));
    store_progress(store, id, 7, 10);
    job = get_job(store, id);
    assert_int_equal(job.state, STORE_CANCELLED);
    assert_int_equal(job.done, 6);
    assert_int_equal(job.total, INT64_MAX);
    store_job_clear(&job);
    store_progress(store, "no such job", 1, 2);
}

static void unknown_ids_are_not_found(void **state)
{
    struct store *store = store_of(state);
    static const char *const ids[] = {"",
                                      "x",
                                      "'; DROP TABLE job; --",
                                      "../../etc/passwd",
                                      "000000000000000000000000000000000000",
                                      "0000000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct store_job job = {.total = 77};
        bool found = true;
        struct store_content *content = (struct store_content *)state;
        struct store_change change = {.found = true};
        assert_done(store_get(store, ids[i], &found, &job, error));
        assert_false(found);
        assert_int_equal(job.total, 77);
        assert_done(store_get_request(store, ids[i], &content, error));
        assert_null(content);
        assert_done(store_start(store, ids[i], 1, &change, error));
        assert_false(change.found || change.changed);
        change.found = true;
        assert_done(store_cancel(store, ids[i], 1, &change, error));
        assert_false(change.found || change.changed);
    }
}

static void fields_are_checked(void **state)
{
    struct store *store = store_of(state);
    struct store_put put = {.result = STORE_FULL, .id = "untouched"};
    char *long_text = malloc(STORE_MAX_TARGET + 2);
    memset(long_text, 'x', STORE_MAX_TARGET + 1);
    long_text[STORE_MAX_TARGET + 1] = '\0';
    struct store_new job = job_like("body");
    job.model = "";
    assert_fails(store_put(store, &job, 1, &put, error), LM_INVALID, "model: must not be empty");
    job.model = long_text + STORE_MAX_TARGET + 1 - 256;
    assert_fails(store_put(store, &job, 1, &put, error), LM_INVALID,
                 "model: 256 bytes, the limit is 255");
    job = job_like("body");
    job.key = long_text + STORE_MAX_TARGET + 1 - 4097;
    assert_fails(store_put(store, &job, 1, &put, error), LM_INVALID,
                 "idempotency key: 4097 bytes, the limit is 4096");
    job = job_like("body");
    job.target = long_text;
    assert_fails(store_put(store, &job, 1, &put, error), LM_INVALID,
                 "path and query: 65537 bytes, the limit is 65536");
    job = job_like("body");
    job.kind = STORE_KINDS;
    assert_fails(store_put(store, &job, 1, &put, error), LM_INVALID,
                 "kind: 3 is not the number of a kind");
    job = job_like("body");
    job.body = long_text;
    job.body_bytes = 1001;
    assert_fails(store_put(store, &job, 1, &put, error), LM_LIMIT,
                 "request body: 1001 bytes, the limit is 1000");
    job = job_like("body");
    job.id = "mine";
    assert_fails(store_put(store, &job, 1, &put, error), LM_INVALID,
                 "id: \"mine\" is not one that store_id_make makes");
    assert_string_equal(put.id, "untouched");
    struct store_list list = {0};
    assert_fails(store_list(store, &(struct store_query){.limit = 0}, &list, error), LM_INVALID,
                 "limit: 0 is not from 1 to 1000");
    assert_int_equal(stats_of(store).jobs[STORE_QUEUED], 0);
    free(long_text);
}

static void too_large_results_leave_the_job_running(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("body");
    struct store_change change = {0};
    char id[STORE_ID_SIZE], result[1001] = {0};
    put_job(store, &new_job, 1, id);
    assert_true(start_job(store, id, 2));
    struct store_outcome outcome = {
        .state = STORE_SUCCEEDED, .result_type = "a/b", .result = result, .result_bytes = 1001};
    assert_fails(store_finish(store, id, &outcome, 3, &change, error), LM_LIMIT,
                 "result: 1001 bytes, the limit is 1000");
    outcome.result_bytes = 1000;
    outcome.state = STORE_CANCELLED;
    assert_fails(store_finish(store, id, &outcome, 3, &change, error), LM_INVALID,
                 "a finished job has a result or an error");
    outcome.state = STORE_FAILED;
    assert_fails(store_finish(store, id, &outcome, 3, &change, error), LM_INVALID,
                 "a failed job has an error and no result");
    const struct store_outcome failure = {
        .state = STORE_FAILED, .error = "{}", .error_status = 600};
    assert_fails(store_finish(store, id, &failure, 3, &change, error), LM_INVALID,
                 "error status: 600 is not from 400 to 599");
    outcome.state = STORE_SUCCEEDED;
    assert_done(store_finish(store, id, &outcome, 3, &change, error));
    assert_true(change.changed);
}

static void own_ids_are_kept_once(void **state)
{
    struct store *store = store_of(state);
    char id[STORE_ID_SIZE], given[STORE_ID_SIZE], text[80];
    struct store_put put = {0};
    struct store_new new_job = job_like("body");
    assert_done(store_id_make(5, given, error));
    new_job.id = given;
    assert_string_equal(put_job(store, &new_job, 5, id), given);
    snprintf(text, sizeof text, "id: there is a job %s already", given);
    assert_fails(store_put(store, &new_job, 6, &put, error), LM_INVALID, text);
}

static void keys_make_requests_idempotent(void **state)
{
    struct store *store = store_of(state);
    struct store_new job = job_like("body");
    struct store_put put = {0};
    struct store_change change = {0};
    char id[STORE_ID_SIZE];
    job.key = "once";
    memset(job.request_hash, 7, 32);
    put_job(store, &job, 1000, id);
    assert_done(store_put(store, &job, 1001, &put, error));
    assert_int_equal(put.result, STORE_EXISTING);
    assert_string_equal(put.id, id);
    assert_done(store_cancel(store, id, 1002, &change, error)); /* in any state */
    assert_done(store_put(store, &job, 1003, &put, error));
    assert_int_equal(put.result, STORE_EXISTING);

    job.request_hash[31] = 8;
    assert_done(store_put(store, &job, 1004, &put, error));
    assert_int_equal(put.result, STORE_CONFLICT);
    assert_string_equal(put.id, id);
    assert_int_equal(stats_of(store).jobs[STORE_QUEUED], 0);

    job.owner = "key-2"; /* keys of one owner are none of another's business */
    assert_done(store_put(store, &job, 1005, &put, error));
    assert_int_equal(put.result, STORE_CREATED);
    job.owner = NULL;
    assert_done(store_put(store, &job, 1005, &put, error));
    assert_int_equal(put.result, STORE_CREATED);
    job.key = ""; /* no key */
    assert_done(store_put(store, &job, 1005, &put, error));
    assert_int_equal(put.result, STORE_CREATED);
    assert_done(store_put(store, &job, 1005, &put, error));
    assert_int_equal(put.result, STORE_CREATED);
}

static void keys_have_their_own_time(void **state)
{
    struct store *store = store_of(state);
    struct store_new job = job_like("body");
    struct store_put put = {0};
    uint64_t deleted = 9;
    char first[STORE_ID_SIZE], second[STORE_ID_SIZE];
    job.key = "once";
    put_job(store, &job, 1000, first);
    assert_done(store_put(store, &job, 5999, &put, error));
    assert_int_equal(put.result, STORE_EXISTING);
    put_job(store, &job, 6000, second); /* put looks at the time itself ... */
    assert_string_not_equal(first, second);
    assert_true(job_exists(store, first));
    assert_done(store_expire(store, 11000, &deleted, error)); /* ... and expire forgets */
    assert_int_equal(deleted, 0);
    assert_done(store_put(store, &job, 6001, &put, error));
    assert_int_equal(put.result, STORE_CREATED);

    job.key = "with its job"; /* a key goes with its job */
    put_job(store, &job, 20000, first);
    assert_true(start_job(store, first, 20000));
    assert_true(succeed_job(store, first, "", 20000));
    assert_done(store_expire(store, 30000, &deleted, error));
    assert_int_equal(deleted, 1);
    assert_done(store_put(store, &job, 20001, &put, error));
    assert_int_equal(put.result, STORE_CREATED);
}

static void lists_by_page(void **state)
{
    struct store *store = store_of(state);
    char ids[10][STORE_ID_SIZE];
    for (int i = 0; i < 10; i++) {
        struct store_new job = job_like("body");
        job.owner = i % 2 ? "odd" : NULL;
        put_job(store, &job, 50, ids[i]); /* all at the same time */
        if (i >= 6)
            assert_true(start_job(store, ids[i], 60));
    }
    struct store_list list = {0};
    struct store_query query = {.limit = 4};
    int next = 9;
    for (int page = 0; page < 3; page++) {
        assert_done(store_list(store, &query, &list, error));
        assert_int_equal(list.count, page < 2 ? 4 : 2);
        assert_int_equal(list.next != 0, page < 2);
        for (size_t i = 0; i < list.count; i++, next--)
            assert_string_equal(list.jobs[i].id, ids[next]);
        query.cursor = list.next;
        store_list_clear(&list);
    }
    query = (struct store_query){.limit = 3, .oldest_first = true, .states = 1u << STORE_QUEUED};
    assert_done(store_list(store, &query, &list, error));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.jobs[2].id, ids[2]);
    assert_true(start_job(store, ids[1], 70)); /* pages stay in step when jobs go */
    assert_true(start_job(store, ids[2], 70));
    query.cursor = list.next;
    store_list_clear(&list);
    assert_done(store_list(store, &query, &list, error));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.next, 0);
    assert_string_equal(list.jobs[0].id, ids[3]);
    store_list_clear(&list);

    query = (struct store_query){.limit = 1000, .owner = "odd"};
    assert_done(store_list(store, &query, &list, error));
    assert_int_equal(list.count, 5);
    assert_string_equal(list.jobs[0].owner, "odd");
    store_list_clear(&list);
    query = (struct store_query){.limit = 1000, .owner = "", .states = 1u << STORE_RUNNING};
    assert_done(store_list(store, &query, &list, error));
    assert_int_equal(list.count, 3); /* 2, 6, 8 */
    assert_string_equal(list.jobs[0].id, ids[8]);
    store_list_clear(&list);
    query = (struct store_query){.limit = 1000, .owner = "nobody", .cursor = UINT64_MAX};
    assert_done(store_list(store, &query, &list, error));
    assert_int_equal(list.count, 0);
    store_list_clear(&list);
}

static void recover_requeues_running_jobs(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("body");
    char ids[4][STORE_ID_SIZE];
    uint64_t requeued = 0;
    for (int i = 0; i < 4; i++)
        put_job(store, &new_job, 10 + i, ids[i]);
    assert_true(start_job(store, ids[1], 20));
    assert_true(start_job(store, ids[2], 20));
    store_progress(store, ids[1], 500, 1000);
    assert_true(succeed_job(store, ids[2], "done", 30));
    assert_done(store_recover(store, &requeued, error));
    assert_int_equal(requeued, 1);
    struct store_job job = get_job(store, ids[1]);
    assert_int_equal(job.state, STORE_QUEUED);
    assert_int_equal(job.attempts, 1);
    assert_int_equal(job.done, 0);
    store_job_clear(&job);
    assert_true(start_job(store, ids[1], 40));
    job = get_job(store, ids[1]);
    assert_int_equal(job.attempts, 2);
    assert_int_equal(job.done, 0);
    assert_int_equal(job.started_ms, 40);
    store_job_clear(&job);
    struct store_stats stats = stats_of(store);
    assert_int_equal(stats.jobs[STORE_QUEUED], 2);
    assert_int_equal(stats.jobs[STORE_RUNNING], 1);
    assert_int_equal(stats.jobs[STORE_SUCCEEDED], 1);
}

/* What was stopped in good order does not count as an attempt. */
static void given_back_jobs_are_as_before(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("body");
    struct store_change change;
    char id[STORE_ID_SIZE], other[STORE_ID_SIZE];
    put_job(store, &new_job, 10, id);
    put_job(store, &new_job, 11, other);
    for (int i = 0; i < 30; i++) {
        assert_true(start_job(store, id, 20));
        store_progress(store, id, 5, 10);
        assert_done(store_give_back(store, id, &change, error));
        assert_true(change.changed);
        assert_int_equal(change.previous, STORE_RUNNING);
    }
    struct store_job job = get_job(store, id);
    assert_int_equal(job.state, STORE_QUEUED);
    assert_int_equal(job.attempts, 0);
    assert_int_equal(job.done, 0);
    store_job_clear(&job);
    assert_done(store_give_back(store, other, &change, error)); /* which is not running */
    assert_true(change.found && !change.changed);
    assert_done(store_give_back(store, "nobody", &change, error));
    assert_false(change.found);
    struct store_stats stats = stats_of(store);
    assert_int_equal(stats.jobs[STORE_QUEUED], 2);
    assert_int_equal(stats.jobs[STORE_RUNNING], 0);
    assert_true(start_job(store, id, 40));
    assert_true(succeed_job(store, id, "done", 50));
    assert_done(store_give_back(store, id, &change, error)); /* nor any more */
    assert_false(change.changed);
}

static void expires_by_time(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("body");
    char waiting[STORE_ID_SIZE], early[STORE_ID_SIZE], late[STORE_ID_SIZE];
    uint64_t deleted = 0;
    put_job(store, &new_job, 1, waiting);
    finished_job(store, "a", "b", 1000, early);
    finished_job(store, "a", "b", 2000, late);
    assert_done(store_expire(store, 10999, &deleted, error));
    assert_int_equal(deleted, 0);
    assert_done(store_expire(store, 11000, &deleted, error));
    assert_int_equal(deleted, 1);
    assert_false(job_exists(store, early));
    assert_true(job_exists(store, late));
    assert_done(store_expire(store, INT64_MAX, &deleted, error));
    assert_int_equal(deleted, 1);
    assert_true(job_exists(store, waiting)); /* never one that is not finished */
    struct store_content *content = NULL;
    assert_done(store_get_result(store, late, &content, error));
    assert_null(content);
    assert_int_equal(stats_of(store).bytes, 4);
}

static void expires_by_count(void **state)
{
    struct store *store = store_of(state);
    char ids[60][STORE_ID_SIZE];
    uint64_t deleted = 0;
    for (int i = 0; i < 60; i++)
        finished_job(store, "a", "b", 1000 + i, ids[i]);
    assert_done(store_expire(store, 2000, &deleted, error));
    assert_int_equal(deleted, 10);
    assert_false(job_exists(store, ids[9]));
    assert_true(job_exists(store, ids[10]));
    assert_int_equal(stats_of(store).jobs[STORE_SUCCEEDED], 50);
    assert_int_equal(stats_of(store).bytes, 100);
}

/* 20000 bytes in all: finished jobs give way to new ones, unfinished ones do not. */
static void expires_by_bytes(void **state)
{
    struct store *store = store_of(state);
    char ids[11][STORE_ID_SIZE], text[1001];
    uint64_t deleted = 0;
    struct store_put put = {0};
    memset(text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < 11; i++)
        finished_job(store, text, text, 1000 + i, ids[i]);
    /* The last put made room for its request, its result then went above the limit. */
    assert_false(job_exists(store, ids[0]));
    assert_true(job_exists(store, ids[1]));
    struct store_new new_job = job_like(text);
    for (int i = 0; i < 20; i++) {
        assert_done(store_put(store, &new_job, 3000, &put, error));
        assert_int_equal(put.result, STORE_CREATED);
        assert_true(stats_of(store).bytes <= 20000);
    }
    assert_done(store_put(store, &new_job, 3000, &put, error));
    assert_int_equal(put.result, STORE_FULL);
    assert_string_equal(put.id, "");
    assert_false(job_exists(store, ids[10]));
    assert_int_equal(stats_of(store).unfinished_bytes, 20000);
    assert_done(store_expire(store, 3000, &deleted, error));
    assert_int_equal(deleted, 0);
    /* Finished ones over the limit go with expire. */
    struct store_list list = {0};
    assert_done(store_list(store, &(struct store_query){.limit = 5}, &list, error));
    for (size_t i = 0; i < list.count; i++) {
        assert_true(start_job(store, list.jobs[i].id, 3001));
        assert_true(succeed_job(store, list.jobs[i].id, text, 3002));
    }
    store_list_clear(&list);
    assert_int_equal(stats_of(store).bytes, 25000);
    assert_done(store_expire(store, 3003, &deleted, error));
    assert_int_equal(deleted, 3);
    assert_int_equal(stats_of(store).bytes, 19000);
}

static void full_when_too_many_are_unfinished(void **state)
{
    struct store *store = store_of(state);
    struct store_new new_job = job_like("");
    struct store_put put = {0};
    struct store_change change = {0};
    char id[STORE_ID_SIZE];
    for (int i = 0; i < 100; i++)
        put_job(store, &new_job, 1, id);
    assert_done(store_put(store, &new_job, 1, &put, error));
    assert_int_equal(put.result, STORE_FULL);
    assert_done(store_cancel(store, id, 2, &change, error));
    put_job(store, &new_job, 3, id);
}

static void hostile_texts_come_back_as_they_were(void **state)
{
    static const char *const texts[] = {"'",
                                        "\"; DROP TABLE job; --",
                                        "%s%n",
                                        "\x01\x7f\n\r\t",
                                        "\xc3\xa9\xf0\x9f\x90\x88\xe2\x80\xae",
                                        "\xff\xfe\x80 not UTF-8",
                                        "NULL",
                                        "0x00",
                                        " ",
                                        "1e999"};
    struct store *store = store_of(state);
    char *long_key = malloc(STORE_MAX_KEY + 1);
    memset(long_key, '\'', STORE_MAX_KEY);
    long_key[STORE_MAX_KEY] = '\0';
    for (size_t i = 0; i <= sizeof texts / sizeof *texts; i++) {
        const char *text = i < sizeof texts / sizeof *texts ? texts[i] : long_key;
        struct store_new new_job = {
            .model = text, .owner = text, .request_type = text, .target = text, .key = text};
        if (text == long_key)
            new_job.model = new_job.owner = new_job.request_type = "x";
        char id[STORE_ID_SIZE];
        struct store_put put = {0};
        put_job(store, &new_job, 1, id);
        assert_done(store_put(store, &new_job, 2, &put, error));
        assert_int_equal(put.result, STORE_EXISTING);
        assert_string_equal(put.id, id);
        struct store_job job = get_job(store, id);
        assert_string_equal(job.model, new_job.model);
        assert_string_equal(job.owner, new_job.owner);
        store_job_clear(&job);
        struct store_content *content = NULL;
        assert_done(store_get_request(store, id, &content, error));
        assert_content(content, new_job.request_type, text, "", 0);
    }
    free(long_key);
}

static void bodies_may_be_empty_or_large(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 50u << 20;
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    struct store_new new_job = job_like(NULL);
    struct store_change change = {0};
    struct store_content *content = NULL;
    char empty[STORE_ID_SIZE], large[STORE_ID_SIZE];
    put_job(fixture->store, &new_job, 1, empty);
    new_job.body = bytes;
    new_job.body_bytes = size;
    put_job(fixture->store, &new_job, 1, large);
    assert_done(store_get_request(fixture->store, empty, &content, error));
    assert_content(content, new_job.request_type, new_job.target, "", 0);
    assert_done(store_get_request(fixture->store, large, &content, error));
    assert_content(content, new_job.request_type, new_job.target, bytes, size);
    const struct store_outcome results[] = {{.state = STORE_SUCCEEDED, .result_type = "image/png"},
                                            {.state = STORE_SUCCEEDED,
                                             .result_type = "image/png",
                                             .result = bytes,
                                             .result_bytes = size}};
    for (int i = 0; i < 2; i++) {
        const char *id = i ? large : empty;
        assert_true(start_job(fixture->store, id, 2));
        assert_done(store_finish(fixture->store, id, &results[i], 3, &change, error));
        assert_done(store_get_result(fixture->store, id, &content, error));
        assert_content(content, "image/png", "", bytes, results[i].result_bytes);
    }
    assert_int_equal(stats_of(fixture->store).bytes, 2 * size);
    free(bytes);
}

/* A reader keeps what it has when the job goes. */
static void contents_outlive_their_job(void **state)
{
    struct store *store = store_of(state);
    struct store_content *first = NULL, *second = NULL;
    uint64_t deleted = 0;
    char id[STORE_ID_SIZE];
    finished_job(store, "request", "result", 1, id);
    assert_done(store_get_result(store, id, &first, error));
    assert_done(store_get_result(store, id, &second, error));
    assert_done(store_expire(store, INT64_MAX, &deleted, error));
    assert_int_equal(deleted, 1);
    assert_content(first, "application/json", "", "result", 6);
    assert_content(second, "application/json", "", "result", 6);
}

static void limits_are_checked(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct store_limits limits = store_default_limits;
    limits.max_finished = 0;
    assert_fails(store_open("memory", &limits, &store, error), LM_INVALID,
                 "store: max_finished: 0 is not from 1 to 9223372036854775807");
    limits = store_default_limits;
    limits.max_result_bytes = STORE_MAX_BLOB + 1;
    assert_fails(store_open("memory", &limits, &store, error), LM_INVALID,
                 "store: max_result_bytes: 536870913 is not from 1 to 536870912");
    limits = store_default_limits;
    limits.key_ttl_ms = -1;
    assert_fails(store_open("memory", &limits, &store, error), LM_INVALID,
                 "store: key_ttl_ms: 18446744073709551615 is not from 1 to 9223372036854775807");
    limits = store_default_limits;
    limits.max_bytes = 5;
    assert_fails(store_open("memory", &limits, &store, error), LM_INVALID,
                 "store: max_bytes: 5 is below max_request_bytes, 67108864");
    assert_fails(store_open("redis://host", &store_default_limits, &store, error), LM_UNSUPPORTED,
                 "store: \"redis://host\" is not memory or sqlite:PATH");
    assert_fails(store_open("sqlite:", &store_default_limits, &store, error), LM_INVALID,
                 "store: sqlite: needs a path, as in sqlite:/var/jobs.db");
    assert_null(store);
    store_close(NULL);
    store_job_clear(NULL);
    store_list_clear(NULL);
    store_content_free(NULL);
}

/* On the disk, as folders in memory may be too small. */
static int setup_large(void **state, const char *url)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture_folder_in(fixture, "/tmp");
    if (url)
        snprintf(fixture->url, sizeof fixture->url, "%s", url);
    fixture->limits = store_default_limits;
    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static int setup_large_memory(void **state)
{
    return setup_large(state, "memory");
}

static int setup_large_sqlite(void **state)
{
    return setup_large(state, NULL);
}

#define BOTH(test)                                                                                 \
    {"memory: " #test, test, fixture_setup_memory, fixture_teardown, NULL},                        \
    {                                                                                              \
        "sqlite: " #test, test, fixture_setup_sqlite, fixture_teardown, NULL                       \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(put_keeps_the_request),
        BOTH(life_of_a_job_that_succeeds),
        BOTH(life_of_a_job_that_fails),
        BOTH(steps_are_conditional),
        BOTH(progress_of_jobs_that_do_not_run_is_ignored),
        BOTH(unknown_ids_are_not_found),
        BOTH(fields_are_checked),
        BOTH(too_large_results_leave_the_job_running),
        BOTH(own_ids_are_kept_once),
        BOTH(keys_make_requests_idempotent),
        BOTH(keys_have_their_own_time),
        BOTH(lists_by_page),
        BOTH(recover_requeues_running_jobs),
        BOTH(given_back_jobs_are_as_before),
        BOTH(expires_by_time),
        BOTH(expires_by_count),
        BOTH(expires_by_bytes),
        BOTH(full_when_too_many_are_unfinished),
        BOTH(hostile_texts_come_back_as_they_were),
        {"memory: bodies_may_be_empty_or_large", bodies_may_be_empty_or_large, setup_large_memory,
         fixture_teardown, NULL},
        {"sqlite: bodies_may_be_empty_or_large", bodies_may_be_empty_or_large, setup_large_sqlite,
         fixture_teardown, NULL},
        BOTH(contents_outlive_their_job),
        cmocka_unit_test(limits_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
