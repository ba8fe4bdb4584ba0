/* A store to test, in a folder of its own. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

struct fixture {
    char folder[64], path[80], url[96];
    struct store_limits limits;
    struct store *store;
};

static const struct store_limits small_limits = {
    .max_request_bytes = 1000,
    .max_result_bytes = 1000,
    .max_unfinished = 100,
    .max_finished = 50,
    .finished_ttl_ms = 10000,
    .max_bytes = 20000,
    .key_ttl_ms = 5000,
};

#define assert_done(call)                                                                          \
    do {                                                                                           \
        struct lm_error error_ = {0}, *error = &error_;                                            \
        if ((call) != LM_OK)                                                                       \
            fail_msg("%s: %s", #call, error_.text);                                                \
    } while (0)

#define assert_fails(call, expected_status, expected_text)                                         \
    do {                                                                                           \
        struct lm_error error_ = {0}, *error = &error_;                                            \
        assert_int_equal(call, expected_status);                                                   \
        assert_string_equal(error_.text, expected_text);                                           \
    } while (0)

static inline void fixture_folder_in(struct fixture *fixture, const char *base)
{
    snprintf(fixture->folder, sizeof fixture->folder, "%.40s/store_XXXXXX", base);
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/jobs.db", fixture->folder);
    snprintf(fixture->url, sizeof fixture->url, "sqlite:%s", fixture->path);
    fixture->limits = small_limits;
}

/* In memory where there is such a folder, since what is tested does not depend on the disk and
 * thousands of fsyncs would take long. */
static inline void fixture_folder(struct fixture *fixture)
{
    const char *base = getenv("TMPDIR");
    if (!base)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    fixture_folder_in(fixture, base);
}

static inline void fixture_open(struct fixture *fixture)
{
    assert_done(store_open(fixture->url, &fixture->limits, &fixture->store, error));
}

static inline void fixture_close(struct fixture *fixture)
{
    store_close(fixture->store);
    fixture->store = NULL;
}

static inline void fixture_remove_folder(const char *folder)
{
    DIR *entries = opendir(folder);
    if (!entries)
        return;
    char path[400];
    for (struct dirent *entry; (entry = readdir(entries));)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            remove(path);
        }
    closedir(entries);
    rmdir(folder);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    fixture_remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static inline int fixture_setup_closed(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture_folder(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_setup_sqlite(void **state)
{
    fixture_setup_closed(state);
    fixture_open(*state);
    return 0;
}

static inline int fixture_setup_memory(void **state)
{
    fixture_setup_closed(state);
    strcpy(((struct fixture *)*state)->url, "memory");
    fixture_open(*state);
    return 0;
}

static inline struct store_new job_like(const char *body)
{
    return (struct store_new){.kind = STORE_EXPLAIN,
                              .model = "shapes",
                              .owner = "key-1",
                              .total = 1000,
                              .request_type = "application/json",
                              .target = "/v1/models/shapes:explain?alpha=0.5",
                              .body = body,
                              .body_bytes = body ? strlen(body) : 0};
}

/* The id of a new job, in a buffer of the caller. */
static inline char *put_job(struct store *store, const struct store_new *job, int64_t now_ms,
                            char id[STORE_ID_SIZE])
{
    struct store_put put = {0};
    assert_done(store_put(store, job, now_ms, &put, error));
    assert_int_equal(put.result, STORE_CREATED);
    memcpy(id, put.id, STORE_ID_SIZE);
    return id;
}

static inline bool start_job(struct store *store, const char *id, int64_t now_ms)
{
    struct store_change change = {0};
    assert_done(store_start(store, id, now_ms, &change, error));
    return change.changed;
}

static inline bool succeed_job(struct store *store, const char *id, const char *result,
                               int64_t now_ms)
{
    struct store_change change = {0};
    const struct store_outcome outcome = {.state = STORE_SUCCEEDED,
                                          .result_type = "application/json",
                                          .result = result,
                                          .result_bytes = strlen(result)};
    assert_done(store_finish(store, id, &outcome, now_ms, &change, error));
    return change.changed;
}

/* Puts, starts and finishes a job. */
static inline char *finished_job(struct store *store, const char *body, const char *result,
                                 int64_t now_ms, char id[STORE_ID_SIZE])
{
    struct store_new job = job_like(body);
    put_job(store, &job, now_ms, id);
    assert_true(start_job(store, id, now_ms));
    assert_true(succeed_job(store, id, result, now_ms));
    return id;
}

static inline bool job_exists(struct store *store, const char *id)
{
    bool found = false;
    struct store_job job = {0};
    assert_done(store_get(store, id, &found, &job, error));
    store_job_clear(&job);
    return found;
}

static inline struct store_stats stats_of(struct store *store)
{
    struct store_stats stats = {0};
    store_get_stats(store, &stats);
    return stats;
}

#endif
