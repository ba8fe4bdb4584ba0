/* Threads that use one store at once: HTTP threads and workers do. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8, JOBS_EACH = 25, JOBS = THREADS * JOBS_EACH };

struct shared {
    struct store *store;
    atomic_int wrong, created, started, finished, cancelled;
    char ids[JOBS][STORE_ID_SIZE];
    pthread_barrier_t all_put;
};

struct actor {
    struct shared *shared;
    int number;
    pthread_t thread;
};

/* cmocka's asserts are for its own thread: others count what is wrong. */
static void expect(struct shared *shared, bool good)
{
    if (!good)
        atomic_fetch_add(&shared->wrong, 1);
}

static void run_threads(struct shared *shared, void *(*work)(void *))
{
    struct actor actors[THREADS];
    for (int i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.shared = shared, .number = i};
        assert_int_equal(pthread_create(&actors[i].thread, NULL, work, &actors[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(actors[i].thread, NULL);
    assert_int_equal(atomic_load(&shared->wrong), 0);
}

static void put_own(struct shared *shared, int thread)
{
    struct store_new job = job_like("body");
    for (int i = 0; i < JOBS_EACH; i++) {
        struct store_put put = {0};
        expect(shared, store_put(shared->store, &job, 1, &put, NULL) == LM_OK);
        expect(shared, put.result == STORE_CREATED);
        memcpy(shared->ids[thread * JOBS_EACH + i], put.id, sizeof put.id);
    }
}

static void look_around(struct shared *shared, const char *id)
{
    bool found = false;
    struct store_job job = {0};
    struct store_list list = {0};
    struct store_stats stats;
    expect(shared, store_get(shared->store, id, &found, &job, NULL) == LM_OK && found);
    expect(shared, job.done <= job.total);
    store_job_clear(&job);
    expect(shared,
           store_list(shared->store, &(struct store_query){.limit = 3}, &list, NULL) == LM_OK);
    store_list_clear(&list);
    store_get_stats(shared->store, &stats);
}

/* Everybody tries every job; one of them gets each step. */
static void *put_and_work(void *argument)
{
    struct actor *actor = argument;
    struct shared *shared = actor->shared;
    const struct store_outcome done = {
        .state = STORE_SUCCEEDED, .result_type = "a/b", .result = "result", .result_bytes = 6};
    put_own(shared, actor->number);
    pthread_barrier_wait(&shared->all_put);
    for (int i = 0; i < JOBS; i++) {
        const char *id = shared->ids[(i + actor->number * 3) % JOBS];
        struct store_change change = {0};
        expect(shared, store_start(shared->store, id, 2, &change, NULL) == LM_OK && change.found);
        if (!change.changed)
            continue;
        atomic_fetch_add(&shared->started, 1);
        store_progress(shared->store, id, 1, 2);
        look_around(shared, id);
        if (i % 5 == 0) {
            expect(shared, store_cancel(shared->store, id, 3, &change, NULL) == LM_OK);
            atomic_fetch_add(&shared->cancelled, change.changed);
        }
        expect(shared, store_finish(shared->store, id, &done, 3, &change, NULL) == LM_OK);
        atomic_fetch_add(&shared->finished, change.changed);
    }
    return NULL;
}

static void every_job_runs_once(void **state)
{
    struct shared *shared = calloc(1, sizeof *shared);
    assert_non_null(shared);
    shared->store = ((struct fixture *)*state)->store;
    pthread_barrier_init(&shared->all_put, NULL, THREADS);
    run_threads(shared, put_and_work);
    assert_int_equal(atomic_load(&shared->started), JOBS);
    assert_int_equal(atomic_load(&shared->finished) + atomic_load(&shared->cancelled), JOBS);
    struct store_stats stats = stats_of(shared->store);
    assert_int_equal(stats.jobs[STORE_SUCCEEDED], atomic_load(&shared->finished));
    assert_int_equal(stats.jobs[STORE_CANCELLED], atomic_load(&shared->cancelled));
    assert_int_equal(stats.bytes, 4 * JOBS + 6 * atomic_load(&shared->finished));
    pthread_barrier_destroy(&shared->all_put);
    free(shared);
}

/* All race for the same keys. */
static void *put_same_keys(void *argument)
{
    struct actor *actor = argument;
    struct shared *shared = actor->shared;
    struct store_new job = job_like("body");
    for (int i = 0; i < JOBS_EACH; i++) {
        char key[16];
        struct store_put put = {0};
        snprintf(key, sizeof key, "key %d", i);
        job.key = key;
        job.request_hash[0] = (uint8_t)(actor->number / 4); /* two bodies */
        expect(shared, store_put(shared->store, &job, 1, &put, NULL) == LM_OK);
        expect(shared, put.result != STORE_FULL && store_id_valid(put.id));
        atomic_fetch_add(&shared->created, put.result == STORE_CREATED);
        memcpy(shared->ids[actor->number * JOBS_EACH + i], put.id, sizeof put.id);
    }
    return NULL;
}

static void same_key_makes_one_job(void **state)
{
    struct shared *shared = calloc(1, sizeof *shared);
    assert_non_null(shared);
    shared->store = ((struct fixture *)*state)->store;
    run_threads(shared, put_same_keys);
    assert_int_equal(atomic_load(&shared->created), JOBS_EACH);
    for (int i = JOBS_EACH; i < JOBS; i++)
        assert_string_equal(shared->ids[i], shared->ids[i % JOBS_EACH]);
    free(shared);
}

/* Expiry beside readers and writers: contents stay good for those who have them. */
static void *churn(void *argument)
{
    struct actor *actor = argument;
    struct shared *shared = actor->shared;
    const struct store_outcome done = {
        .state = STORE_SUCCEEDED, .result_type = "a/b", .result = "result", .result_bytes = 6};
    struct store_new job = job_like("body");
    for (int i = 0; i < JOBS_EACH; i++) {
        struct store_put put = {0};
        struct store_change change = {0};
        struct store_content *content = NULL;
        uint64_t deleted = 0;
        expect(shared, store_put(shared->store, &job, i, &put, NULL) == LM_OK);
        expect(shared, store_start(shared->store, put.id, i, &change, NULL) == LM_OK);
        expect(shared, store_finish(shared->store, put.id, &done, i, &change, NULL) == LM_OK);
        if (actor->number % 2)
            expect(shared, store_expire(shared->store, INT64_MAX, &deleted, NULL) == LM_OK);
        expect(shared, store_get_result(shared->store, put.id, &content, NULL) == LM_OK);
        expect(shared, !content || memcmp(content->bytes, "result", 6) == 0);
        store_content_free(content);
    }
    return NULL;
}

static void expiry_beside_readers(void **state)
{
    struct shared shared = {.store = ((struct fixture *)*state)->store};
    uint64_t deleted = 0;
    run_threads(&shared, churn);
    assert_done(store_expire(shared.store, INT64_MAX, &deleted, error));
    struct store_stats stats = stats_of(shared.store), nothing = {0};
    assert_memory_equal(&stats, &nothing, sizeof stats);
}

static int setup_with_room(struct fixture *fixture)
{
    fixture_close(fixture);
    fixture->limits = store_default_limits;
    fixture_open(fixture);
    return 0;
}

static int setup_memory(void **state)
{
    fixture_setup_memory(state);
    return setup_with_room(*state);
}

static int setup_sqlite(void **state)
{
    fixture_setup_sqlite(state);
    return setup_with_room(*state);
}

#define BOTH(test)                                                                                 \
    {"memory: " #test, test, setup_memory, fixture_teardown, NULL},                                \
    {                                                                                              \
        "sqlite: " #test, test, setup_sqlite, fixture_teardown, NULL                               \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(every_job_runs_once),
        BOTH(same_key_makes_one_job),
        BOTH(expiry_beside_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
