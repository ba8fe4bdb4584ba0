/* kill -9 at any moment: what was acknowledged is done after the next start, once, with the result
 * that a direct call has.  SEED=n repeats the moments. */
#include "client.h"
#include "metric.h"

#include <pthread.h>

#include <sqlite3.h>

#define STAR EXAMPLES "star.png"
enum { JOBS = 30, KILLS = 4 };

struct submitter {
    struct daemon *daemon;
    pthread_mutex_t lock; /* of daemon and of what follows */
    char *ids[JOBS];
    int acknowledged;
};

static json_t *job_body(int number)
{
    char seed[40];
    snprintf(seed, sizeof seed, "\"seed\": %d", number);
    return explanation(STAR, few(48), seed);
}

/* A copy that stays as it is while the daemon is started again. */
static struct daemon daemon_now(struct submitter *submitter)
{
    pthread_mutex_lock(&submitter->lock);
    struct daemon daemon = *submitter->daemon;
    pthread_mutex_unlock(&submitter->lock);
    return daemon;
}

/* As a good client does it: the same key again until there is an answer. */
static void *submit_all(void *context)
{
    struct submitter *submitter = context;
    for (int i = 0; i < JOBS; i++) {
        char key[60];
        snprintf(key, sizeof key, "Idempotency-Key: crash-%d", i);
        while (!submitter->ids[i]) {
            struct daemon daemon = daemon_now(submitter);
            struct answer answer = ask_quietly(
                &daemon, (struct ask){.path = EXPLAIN,
                                      .json = job_body(i),
                                      .headers = HEADERS("Prefer: respond-async", key)});
            pthread_mutex_lock(&submitter->lock);
            if (answer.failure == CURLE_OK && answer.status == 202) {
                submitter->ids[i] = strdup(text_at(answer.json, "id"));
                submitter->acknowledged++;
            }
            pthread_mutex_unlock(&submitter->lock);
            if (!submitter->ids[i])
                sleep_ms(5);
            answer_free(&answer);
        }
        sleep_ms(2);
    }
    return NULL;
}

static void start_again(struct submitter *submitter)
{
    struct daemon fresh = *submitter->daemon;
    daemon_start(&fresh, FLAGS("--workers", "2"));
    pthread_mutex_lock(&submitter->lock);
    *submitter->daemon = fresh;
    pthread_mutex_unlock(&submitter->lock);
}

static void expect_direct_result(const struct daemon *daemon, const char *id, int number)
{
    struct answer answer = get_job(daemon, id, "/result");
    struct answer direct = post(daemon, EXPLAIN, job_body(number));
    assert_status(&answer, 200);
    assert_status(&direct, 200);
    assert_string_equal(answer.body, direct.body);
    answer_free(&answer);
    answer_free(&direct);
}

static void acknowledged_jobs_are_done(void **state)
{
    struct daemon daemon = {0};
    struct submitter submitter = {.daemon = &daemon};
    pthread_t thread;
    const char *seed = getenv("SEED");
    unsigned random = seed ? (unsigned)atoi(seed) : (unsigned)time(NULL);
    (void)state;
    print_message("SEED=%u\n", random);
    pthread_mutex_init(&submitter.lock, NULL);
    daemon_start(&daemon, FLAGS("--workers", "2"));
    assert_int_equal(pthread_create(&thread, NULL, submit_all, &submitter), 0);
    for (int i = 0; i < KILLS; i++) {
        random = random * 1103515245u + 12345u;
        sleep_ms(40 + (long)(random >> 16) % 250);
        pthread_mutex_lock(&submitter.lock);
        daemon_kill(&daemon);
        pthread_mutex_unlock(&submitter.lock);
        start_again(&submitter);
    }
    pthread_join(thread, NULL);
    assert_int_equal(submitter.acknowledged, JOBS);
    for (int i = 0; i < JOBS; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(submitter.ids[i], submitter.ids[k]);
    struct answer answer = {0};
    for (int i = 0; i < JOBS; i++) {
        answer = await_job(&daemon, submitter.ids[i], "succeeded");
        answer_free(&answer);
    }
    for (int i = 0; i < JOBS; i++)
        expect_direct_result(&daemon, submitter.ids[i], i);
    answer = get(&daemon, "/v1/jobs?limit=1000"); /* none twice */
    assert_int_equal(json_array_size(at(answer.json, "jobs")), JOBS);
    answer_free(&answer);
    answer = post_async(&daemon, EXPLAIN, job_body(0), "crash-0");
    assert_status(&answer, 202);
    assert_text(answer.json, "id", submitter.ids[0]);
    answer_free(&answer);
    for (int i = 0; i < JOBS; i++)
        free(submitter.ids[i]);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* Finished, cancelled and failed jobs are what they were; one that waits keeps its turn. */
static void states_survive(void **state)
{
    struct daemon daemon = {0};
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1"));
    struct answer answer = post_async(&daemon, PREDICT, body_with(STAR, NULL, NULL), "done");
    char *done = accepted(&answer);
    answer = await_job(&daemon, done, "succeeded");
    char *finished_at = strdup(text_at(answer.json, "finished_at"));
    answer_free(&answer);
    answer = post_async(&daemon, EXPLAIN, explanation(STAR, 10000, NULL), NULL);
    char *cancelled = accepted(&answer), path[200];
    snprintf(path, sizeof path, "/v1/jobs/%s", cancelled);
    answer = ask(&daemon, (struct ask){.path = path, .method = "DELETE"});
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = post_async(&daemon, EXPLAIN, explanation(STAR, few(2000), NULL), NULL);
    char *running = accepted(&answer);
    answer = post_async(&daemon, EXPLAIN, explanation(STAR, few(60), NULL), NULL);
    char *waiting = accepted(&answer);
    answer = await_job(&daemon, running, "running");
    answer_free(&answer);
    daemon_kill(&daemon);
    daemon_start(&daemon, FLAGS("--workers", "1"));
    answer = get_job(&daemon, done, "");
    assert_text(answer.json, "status", "succeeded");
    assert_text(answer.json, "finished_at", finished_at);
    answer_free(&answer);
    answer = get_job(&daemon, done, "/result");
    assert_status(&answer, 200);
    assert_text(answer.json, "predictions.0.top.0.label", "star");
    answer_free(&answer);
    answer = get_job(&daemon, cancelled, "");
    assert_text(answer.json, "status", "cancelled");
    answer_free(&answer);
    char *const rest[] = {running, waiting};
    for (size_t i = 0; i < 2; i++) {
        answer = await_job(&daemon, rest[i], "succeeded");
        answer_free(&answer);
    }
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
    free(done);
    free(cancelled);
    free(running);
    free(waiting);
    free(finished_at);
}

/* A client that listened before the crash can listen again afterwards. */
static void events_after_a_restart(void **state)
{
    struct daemon daemon = {0};
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1"));
    struct answer answer = post_async(&daemon, EXPLAIN, explanation(STAR, few(1000), NULL), NULL);
    char *id = accepted(&answer);
    answer = await_job(&daemon, id, "running");
    answer_free(&answer);
    daemon_kill(&daemon);
    daemon_start(&daemon, FLAGS("--workers", "1"));
    answer = get_job(&daemon, id, "/events");
    assert_status(&answer, 200);
    assert_non_null(strstr(answer.body, "event: done\n"));
    assert_non_null(strstr(answer.body, "succeeded"));
    answer_free(&answer);
    free(id);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* The daemon's folder, and the built-in model in its models/mine. */
static void make_own_model(struct daemon *daemon, char folder[200], char model[250])
{
    char path[300];
    daemon_make_folder(daemon);
    snprintf(folder, 200, "%s/models", daemon->folder);
    snprintf(model, 250, "%s/mine", folder);
    mkdir(folder, 0700);
    mkdir(model, 0700);
    static const char *const files[] = {"model.onnx", "model.json", "labels.txt"};
    for (size_t i = 0; i < 3; i++) {
        char from[100];
        snprintf(from, sizeof from, "config/models/shapes/%s", files[i]);
        snprintf(path, sizeof path, "%s/%s", model, files[i]);
        file_copy(from, path);
    }
}

/* A job whose model does not load waits for it. */
static void model_comes_back(void **state)
{
    struct daemon daemon = {0};
    char folder[200], model[250], path[300];
    (void)state;
    make_own_model(&daemon, folder, model);
    daemon_start(&daemon, FLAGS("--workers", "1", "--models", folder));
    struct answer answer =
        post_async(&daemon, "/v1/models/mine:explain", explanation(STAR, 500, NULL), NULL);
    char *id = accepted(&answer);
    daemon_kill(&daemon);
    snprintf(path, sizeof path, "%s/model.json", model);
    file_put(path, "{", 1);
    daemon_start(&daemon, FLAGS("--workers", "1", "--models", folder));
    sleep_ms(300);
    answer = get_job(&daemon, id, "");
    assert_text(answer.json, "status", "queued");
    answer_free(&answer);
    await_metric(&daemon, "layermask_jobs_set_aside ", 1);
    await_metric(&daemon, "layermask_jobs{state=\"queued\"} ", 1);
    await_metric(&daemon, "layermask_queue_depth{class=\"explain\"} ", 0);
    file_copy("config/models/shapes/model.json", path);
    kill(daemon.pid, SIGHUP);
    answer = await_job(&daemon, id, "succeeded");
    answer_free(&answer);
    await_metric(&daemon, "layermask_jobs_set_aside ", 0);
    free(id);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

static int attempts_of(const struct daemon *daemon)
{
    sqlite3 *file = NULL;
    sqlite3_stmt *query = NULL;
    char path[200];
    snprintf(path, sizeof path, "%s/jobs.db", daemon->folder);
    assert_int_equal(sqlite3_open_v2(path, &file, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(file, "SELECT attempts FROM job", -1, &query, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int attempts = sqlite3_column_int(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(file);
    return attempts;
}

/* A job that is in work whenever the daemon is stopped in good order is no poison. */
static void drains_are_no_crashes(void **state)
{
    struct daemon daemon = {0};
    struct answer answer;
    char *id = NULL;
    (void)state;
    for (int i = 0; i < 3; i++) {
        daemon_start(&daemon, FLAGS("--workers", "1", "--drain-limit", "0s"));
        if (!id) {
            answer = post_async(&daemon, EXPLAIN, explanation(STAR, 10000, NULL), NULL);
            id = accepted(&answer);
        }
        answer = await_job(&daemon, id, "running");
        answer_free(&answer);
        assert_int_equal(daemon_stop(&daemon), 0);
        assert_int_equal(attempts_of(&daemon), 0);
    }
    daemon_start(&daemon, FLAGS("--workers", "1"));
    answer = await_job(&daemon, id, "running");
    answer_free(&answer);
    daemon_kill(&daemon);
    assert_int_equal(attempts_of(&daemon), 1);
    free(id);
    daemon_clean(&daemon);
}

static void set_attempts(const struct daemon *daemon, int attempts)
{
    sqlite3 *file = NULL;
    char path[200], sql[80];
    snprintf(path, sizeof path, "%s/jobs.db", daemon->folder);
    snprintf(sql, sizeof sql, "UPDATE job SET attempts = %d", attempts);
    assert_int_equal(sqlite3_open_v2(path, &file, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(file, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(file), 1);
    sqlite3_close(file);
}

/* A job that has taken the process down 25 times is not begun again. */
static void poison(void **state)
{
    struct daemon daemon = {0};
    (void)state;
    daemon_start(&daemon, FLAGS("--workers", "1"));
    struct answer answer = post_async(&daemon, EXPLAIN, explanation(STAR, 5000, NULL), NULL);
    char *id = accepted(&answer);
    daemon_kill(&daemon);
    set_attempts(&daemon, 25);
    daemon_start(&daemon, FLAGS("--workers", "1"));
    answer = await_job(&daemon, id, "failed");
    assert_near(number_at(answer.json, "error.status"), 500, 0);
    assert_text(answer.json, "error.detail",
                "the server went down 25 times while this job was running");
    answer_free(&answer);
    free(id);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* A job whose model has gone meanwhile fails, and says why. */
static void model_has_gone(void **state)
{
    struct daemon daemon = {0};
    char folder[200], model[250];
    (void)state;
    make_own_model(&daemon, folder, model);
    daemon_start(&daemon, FLAGS("--workers", "1", "--models", folder));
    struct answer answer =
        post_async(&daemon, "/v1/models/mine:explain", explanation(STAR, 5000, NULL), NULL);
    char *id = accepted(&answer);
    daemon_kill(&daemon);
    folder_remove(model);
    daemon_start(&daemon, FLAGS("--workers", "1", "--models", folder));
    answer = await_job(&daemon, id, "failed");
    assert_text(answer.json, "error.detail", "the model mine is not there any more");
    assert_near(number_at(answer.json, "error.status"), 404, 0);
    answer_free(&answer);
    free(id);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_jobs_are_done),
        cmocka_unit_test(states_survive),
        cmocka_unit_test(events_after_a_restart),
        cmocka_unit_test(model_comes_back),
        cmocka_unit_test(drains_are_no_crashes),
        cmocka_unit_test(poison),
        cmocka_unit_test(model_has_gone),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
