/* A process that is killed at any moment loses nothing that it had acknowledged.
 *
 * A child puts, starts and finishes jobs with several threads, and tells its parent through a pipe
 * what has been acknowledged.  The parent kills it, opens the same file and compares. */
#include "store_fixture.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { ROUNDS = 30, WRITERS = 3, MOST_JOBS = 100000 };

/* What a child says: one write below PIPE_BUF, so that messages do not mix. */
struct message {
    char id[STORE_ID_SIZE];
    char what; /* 'p' put, 'f' finished */
};

struct known {
    char id[STORE_ID_SIZE];
    bool finished;
    int seen;
};

static struct known *jobs;
static size_t job_count;
static struct store *child_store;
static int child_pipe;

static void say(const char *id, char what)
{
    struct message message = {.what = what};
    memcpy(message.id, id, sizeof message.id);
    if (write(child_pipe, &message, sizeof message) != (ssize_t)sizeof message)
        _exit(1);
}

static void *child_work(void *argument)
{
    struct store_new job = job_like("the request's body");
    (void)argument;
    for (;;) {
        struct store_put put;
        struct store_change change;
        if (store_put(child_store, &job, 1, &put, NULL) != LM_OK)
            _exit(2);
        say(put.id, 'p');
        if (store_start(child_store, put.id, 2, &change, NULL) != LM_OK)
            _exit(3);
        if (put.id[STORE_ID_LENGTH - 2] % 2) /* the others stay running */
            continue;
        const struct store_outcome done = {.state = STORE_SUCCEEDED,
                                           .result_type = "text/plain",
                                           .result = put.id,
                                           .result_bytes = STORE_ID_LENGTH};
        if (store_finish(child_store, put.id, &done, 3, &change, NULL) != LM_OK || !change.changed)
            _exit(4);
        say(put.id, 'f');
    }
    return NULL;
}

static void child_main(const struct fixture *fixture, int pipe_end)
{
    pthread_t threads[WRITERS];
    child_pipe = pipe_end;
    if (store_open(fixture->url, &fixture->limits, &child_store, NULL) != LM_OK)
        _exit(5);
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, child_work, NULL);
    pause();
}

static void note(const struct message *message)
{
    if (message->what == 'p') {
        assert_true(job_count < MOST_JOBS);
        memcpy(jobs[job_count++].id, message->id, sizeof message->id);
        return;
    }
    for (size_t i = job_count; i-- > 0;)
        if (strcmp(jobs[i].id, message->id) == 0) {
            jobs[i].finished = true;
            return;
        }
    fail_msg("a job finished that was not put");
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads what the child says, kills it after life_ms, and reads the rest. */
static void listen_and_kill(pid_t child, int pipe_end, int64_t life_ms)
{
    int64_t end = now_ms() + life_ms;
    bool killed = false;
    for (;;) {
        int64_t left = end - now_ms();
        if (left <= 0 && !killed) {
            kill(child, SIGKILL);
            killed = true;
        }
        struct pollfd poller = {.fd = pipe_end, .events = POLLIN};
        struct message message;
        if (poll(&poller, 1, killed ? -1 : (int)left) <= 0)
            continue;
        ssize_t got = read(pipe_end, &message, sizeof message);
        if (got == 0)
            break;
        assert_int_equal(got, sizeof message);
        note(&message);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it did not leave by itself, with an error */
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->id, ((const struct known *)b)->id);
}

static void compare_one(struct store *store, const struct store_job *job)
{
    struct known *known = bsearch(job->id, jobs, job_count, sizeof *jobs, by_id);
    bool final = job->state == STORE_SUCCEEDED;
    assert_true(final || job->state == STORE_QUEUED);
    if (known) {
        known->seen++;
        assert_true(final || !known->finished);
    }
    struct store_content *content = NULL;
    assert_done(store_get_request(store, job->id, &content, error));
    assert_int_equal(content->size, 18);
    store_content_free(content);
    assert_done(store_get_result(store, job->id, &content, error));
    assert_int_equal(content != NULL, final);
    if (content)
        assert_memory_equal(content->bytes, job->id, STORE_ID_LENGTH);
    store_content_free(content);
}

/* Every job of the file, and then every job that we know. */
static void compare_all(struct fixture *fixture)
{
    uint64_t requeued = 0, total = 0;
    struct store_query query = {.limit = 1000};
    qsort(jobs, job_count, sizeof *jobs, by_id);
    fixture_open(fixture);
    assert_done(store_recover(fixture->store, &requeued, error));
    do {
        struct store_list list = {0};
        assert_done(store_list(fixture->store, &query, &list, error));
        for (size_t i = 0; i < list.count; i++)
            compare_one(fixture->store, &list.jobs[i]);
        total += list.count;
        query.cursor = list.next;
        store_list_clear(&list);
    } while (query.cursor);
    for (size_t i = 0; i < job_count; i++) {
        assert_int_equal(jobs[i].seen, 1);
        jobs[i].seen = 0;
    }
    struct store_stats stats = stats_of(fixture->store);
    assert_int_equal(stats.jobs[STORE_QUEUED] + stats.jobs[STORE_SUCCEEDED], total);
    fixture_close(fixture);
}

static void acknowledged_jobs_survive_kill(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits = store_default_limits;
    fixture->limits.max_unfinished = MOST_JOBS;
    jobs = calloc(MOST_JOBS, sizeof *jobs);
    assert_non_null(jobs);
    const char *seed = getenv("SEED");
    srand(seed ? (unsigned)atoi(seed) : (unsigned)now_ms());
    for (int round = 0; round < ROUNDS; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            child_main(fixture, ends[1]);
        }
        close(ends[1]);
        listen_and_kill(child, ends[0], 5 + rand() % 50);
        close(ends[0]);
        compare_all(fixture);
    }
    print_message("%zu jobs acknowledged in %d rounds\n", job_count, ROUNDS);
    assert_true(job_count > 0);
    free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(acknowledged_jobs_survive_kill, fixture_setup_closed,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
