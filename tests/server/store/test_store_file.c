/* The file of the SQLite store: what is in it after a restart, and everything that can be wrong
 * with it. */
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "store/database.h"

#define assert_open_fails(fixture, status, ...)                                                    \
    do {                                                                                           \
        char expected_[300];                                                                       \
        struct store *none_ = NULL;                                                                \
        snprintf(expected_, sizeof expected_, __VA_ARGS__);                                        \
        assert_fails(store_open((fixture)->url, &small_limits, &none_, error), status, expected_); \
        assert_null(none_);                                                                        \
    } while (0)

static void run_sql(const char *path, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void all_is_there_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct store_new new_job = job_like("request");
    struct store_put put = {0};
    char queued[STORE_ID_SIZE], finished[STORE_ID_SIZE];
    new_job.key = "once";
    put_job(fixture->store, &new_job, 1, queued);
    assert_true(start_job(fixture->store, queued, 2));
    store_progress(fixture->store, queued, 10, 20);
    finished_job(fixture->store, "a", "the result", 3, finished);
    struct store_stats before = stats_of(fixture->store), after;
    fixture_close(fixture);
    fixture_open(fixture);
    after = stats_of(fixture->store);
    assert_memory_equal(&before, &after, sizeof before);
    assert_done(store_put(fixture->store, &new_job, 4, &put, error));
    assert_int_equal(put.result, STORE_EXISTING);
    assert_string_equal(put.id, queued);
    struct store_content *content = NULL;
    assert_done(store_get_result(fixture->store, finished, &content, error));
    assert_memory_equal(content->bytes, "the result", 10);
    store_content_free(content);
}

static void only_the_owner_may_read_it(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;
    char path[120];
    char id[STORE_ID_SIZE];
    finished_job(fixture->store, "a", "b", 1, id);
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s%s", fixture->path, ends[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
}

static void space_is_given_back(void **state)
{
    struct fixture *fixture = *state;
    struct stat full, empty;
    char id[STORE_ID_SIZE], text[1001];
    uint64_t deleted = 0;
    memset(text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < 60; i++) {
        struct store_new new_job = job_like(i < 50 ? "" : text);
        put_job(fixture->store, &new_job, 1, id);
        assert_true(start_job(fixture->store, id, 1));
        assert_true(succeed_job(fixture->store, id, i < 50 ? text : "", 1));
        if (i == 15)
            assert_done(store_expire(fixture->store, 1, &deleted, error));
    }
    fixture_close(fixture);
    assert_int_equal(stat(fixture->path, &full), 0);
    fixture_open(fixture);
    assert_done(store_expire(fixture->store, INT64_MAX, &deleted, error));
    assert_true(deleted > 10);
    fixture_close(fixture);
    assert_int_equal(stat(fixture->path, &empty), 0);
    assert_true(empty.st_size < full.st_size);
    fixture_open(fixture);
}

static void second_user_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char expected[300];
    assert_open_fails(fixture, LM_IO, "store %s: is used by another process (%ld)", fixture->path,
                      (long)getpid());
    snprintf(expected, sizeof expected, "store %s: is used by another process (%ld)", fixture->path,
             (long)getpid());
    pid_t child = fork();
    if (child == 0) { /* through a link, from another process */
        char other[120], url[140];
        struct store *store = NULL;
        struct lm_error error = {0};
        snprintf(other, sizeof other, "%s/link.db", fixture->folder);
        snprintf(url, sizeof url, "sqlite:%s", other);
        if (symlink(fixture->path, other) != 0)
            _exit(2);
        enum lm_status status = store_open(url, &small_limits, &store, &error);
        _exit(status == LM_IO && strcmp(error.text, expected) == 0 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    fixture_close(fixture);
    fixture_open(fixture); /* free again */
}

static void damage_is_found(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    FILE *file = fopen(fixture->path, "w");
    for (int i = 0; i < 500; i++)
        fputs("this is not a database, but a text\n", file);
    fclose(file);
    assert_open_fails(fixture, LM_CORRUPT, "store %s: not a SQLite database", fixture->path);
    remove(fixture->path);

    fixture_open(fixture);
    for (int i = 0; i < 40; i++)
        finished_job(fixture->store, "a", "b", 1, id);
    fixture_close(fixture);
    file = fopen(fixture->path, "r+");
    for (long page = 2; page < 12; page++) {
        fseek(file, page * 4096, SEEK_SET);
        for (int i = 0; i < 4096; i++)
            fputc(0x5a, file);
    }
    fclose(file);
    struct lm_error error = {0};
    struct store *store = NULL;
    assert_int_equal(store_open(fixture->url, &small_limits, &store, &error), LM_CORRUPT);
    char start[200];
    snprintf(start, sizeof start, "store %s: damaged: ", fixture->path);
    assert_memory_equal(error.text, start, strlen(start));
    assert_null(strchr(error.text, '\n'));
    assert_null(strstr(error.text, "***"));
}

/* Rows that are well-formed for SQLite, and that no store has written. */
static void rows_that_cannot_be(void **state)
{
    static const struct {
        const char *change, *found;
    } rows[] = {
        {"state = 77", "kind 1, state 77, error status 0"},
        {"state = -1", "kind 1, state -1, error status 0"},
        {"kind = 9", "kind 9, state 2, error status 0"},
        {"state = 3", "kind 1, state 3, error status 0"},
        {"state = 3, error = '{}'", "kind 1, state 3, error status 0"},
        {"state = 3, error_status = 422", "kind 1, state 3, error status 422"},
        {"state = 3, error = '{}', error_status = 600", "kind 1, state 3, error status 600"},
        {"done = -1", "kind 1, state 2, error status 0"},
        {"request_bytes = -1", "kind 1, state 2, error status 0"},
    };
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE], text[200];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_open(fixture);
        finished_job(fixture->store, "a", "b", 1, id);
        fixture_close(fixture);
        snprintf(text, sizeof text, "UPDATE job SET %s WHERE id = '%s'", rows[i].change, id);
        run_sql(fixture->path, text);
        assert_open_fails(fixture, LM_CORRUPT, "store %s: damaged: a job has the id '%s', %s",
                          fixture->path, id, rows[i].found);
        run_sql(fixture->path, "DELETE FROM job");
    }
    fixture_open(fixture);
    finished_job(fixture->store, "a", "b", 1, id);
    fixture_close(fixture);
    run_sql(fixture->path, "UPDATE job SET id = '../x'");
    assert_open_fails(fixture, LM_CORRUPT,
                      "store %s: damaged: a job has the id '../x', kind 1, state 2, error status 0",
                      fixture->path);
}

static void a_cut_file_is_found(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    fixture_open(fixture);
    for (int i = 0; i < 40; i++)
        finished_job(fixture->store, "a", "b", 1, id);
    fixture_close(fixture);
    assert_int_equal(truncate(fixture->path, 3 * 4096), 0);
    struct lm_error error = {0};
    struct store *store = NULL;
    assert_int_equal(store_open(fixture->url, &small_limits, &store, &error), LM_CORRUPT);
}

static void other_databases_are_refused(void **state)
{
    struct fixture *fixture = *state;
    run_sql(fixture->path, "CREATE TABLE mail (text)");
    assert_open_fails(fixture, LM_CORRUPT, "store %s: a SQLite database of another program",
                      fixture->path);
    remove(fixture->path);
    fixture_open(fixture);
    fixture_close(fixture);
    run_sql(fixture->path, "PRAGMA user_version = 99");
    assert_open_fails(fixture, LM_UNSUPPORTED, "store %s: format 99, this program knows 1 to 1",
                      fixture->path);
}

/* The way of future versions, tried with two of our own. */
static void old_versions_are_migrated(void **state)
{
    struct fixture *fixture = *state;
    static const char *const migrations[] = {
        "CREATE TABLE cat (name TEXT); INSERT INTO cat VALUES ('Tom');",
        "ALTER TABLE cat ADD COLUMN lives INTEGER; UPDATE cat SET lives = 9;", "this is not SQL"};
    static const char *const statements[] = {"SELECT name, lives FROM cat"};
    struct database_plan plan = {.application_id = 7,
                                 .version = 1,
                                 .migrations = migrations,
                                 .check_table = "cat",
                                 .statements = statements,
                                 .statement_count = 1};
    struct database *database = NULL;
    assert_done(database_open(fixture->path, &plan, &database, error));
    database_close(database);
    plan.version = 2;
    for (int i = 0; i < 2; i++) {
        assert_done(database_open(fixture->path, &plan, &database, error));
        struct connection *on = database_enter(database, DATABASE_READ);
        sql_use(on, 0);
        assert_true(sql_step(on));
        assert_string_equal(sql_text(on, 0), "Tom");
        assert_int_equal(sql_int(on, 1), 9);
        assert_false(sql_step(on));
        assert_done(database_leave(on, error));
        database_close(database);
    }
    plan.version = 3; /* one that fails leaves the file as it was */
    struct lm_error failure = {0};
    database = NULL;
    assert_int_equal(database_open(fixture->path, &plan, &database, &failure), LM_IO);
    assert_null(database);
    plan.version = 2;
    assert_done(database_open(fixture->path, &plan, &database, error));
    database_close(database);
}

static void paths_that_cannot_be(void **state)
{
    struct fixture *fixture = *state;
    strcpy(fixture->url, "sqlite::memory:");
    assert_open_fails(fixture, LM_INVALID, "store: \":memory:\" is no path, write ./:memory:");
    strcpy(fixture->url, "sqlite:/nowhere/at/all.db");
    assert_open_fails(fixture, LM_IO,
                      "store /nowhere/at/all.db: cannot be made: No such file or directory");
    snprintf(fixture->url, sizeof fixture->url, "sqlite:%s", fixture->folder);
    assert_open_fails(fixture, LM_IO, "store %s: unable to open database file: Is a directory",
                      fixture->folder);
}

/* Root may write everywhere. */
static int open_as_nobody(const struct fixture *fixture, const char *expected)
{
    struct lm_error error = {0};
    struct store *store = NULL;
    if (getuid() == 0 && setuid(65534) != 0)
        return 2;
    if (store_open(fixture->url, &small_limits, &store, &error) != LM_IO)
        return 3;
    if (strcmp(error.text, expected) == 0)
        return 0;
    fprintf(stderr, "%s\n", error.text);
    return 4;
}

static int open_new_as_nobody(const struct fixture *fixture)
{
    char expected[200];
    snprintf(expected, sizeof expected, "store %s: cannot be made: Permission denied",
             fixture->path);
    return open_as_nobody(fixture, expected);
}

static int open_old_as_nobody(const struct fixture *fixture)
{
    char expected[200];
    snprintf(expected, sizeof expected, "store %s: cannot write beside it: Permission denied",
             fixture->path);
    return open_as_nobody(fixture, expected);
}

static int open_locked_file_as_nobody(const struct fixture *fixture)
{
    char expected[200];
    snprintf(expected, sizeof expected, "store %s: is read-only", fixture->path);
    return open_as_nobody(fixture, expected);
}

static int in_child(int (*work)(const struct fixture *), const struct fixture *fixture)
{
    pid_t child = fork();
    if (child == 0)
        _exit(work(fixture));
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static void files_that_cannot_be_written(void **state)
{
    struct fixture *fixture = *state;
    char lock[100];
    snprintf(lock, sizeof lock, "%s.lock", fixture->path);
    assert_int_equal(chmod(fixture->folder, 0555), 0);
    assert_int_equal(in_child(open_new_as_nobody, fixture), 0);
    assert_int_equal(chmod(fixture->folder, 0755), 0);

    fixture_open(fixture);
    fixture_close(fixture);
    assert_int_equal(chmod(fixture->path, 0444), 0);
    assert_int_equal(chmod(lock, 0666), 0);
    assert_int_equal(in_child(open_locked_file_as_nobody, fixture), 0);
    assert_int_equal(remove(lock), 0);
    assert_int_equal(chmod(fixture->folder, 0555), 0);
    assert_int_equal(in_child(open_old_as_nobody, fixture), 0);
    assert_int_equal(chmod(fixture->folder, 0755), 0);
}

/* Puts until the file may not grow any more, then checks that all that was acknowledged is there
 * and that the store goes on when there is space again. */
static int fill_the_disk(const struct fixture *fixture)
{
    struct lm_error error = {0};
    struct store *store = NULL;
    struct store_put put = {0};
    struct store_change change = {0};
    static char body[20000];
    struct store_new new_job = {.model = "m", .body = body, .body_bytes = sizeof body};
    char expected[300], last[STORE_ID_SIZE] = "";
    uint64_t count = 0;
    signal(SIGXFSZ, SIG_IGN);
    if (store_open(fixture->url, &store_default_limits, &store, &error) != LM_OK)
        return 2;
    const struct rlimit small = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
    const struct rlimit large = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &small);
    enum lm_status status;
    while ((status = store_put(store, &new_job, 1, &put, &error)) == LM_OK) {
        memcpy(last, put.id, sizeof last);
        count++;
    }
    snprintf(expected, sizeof expected, "store %s: the disk is full", fixture->path);
    if (status != LM_IO || strcmp(error.text, expected) != 0 || count < 10) {
        fprintf(stderr, "%s after %d\n", error.text, (int)count);
        return 3;
    }
    struct store_stats stats;
    store_get_stats(store, &stats);
    if (stats.jobs[STORE_QUEUED] != count)
        return 4;
    struct store_content *content = NULL; /* reading goes on */
    if (store_get_request(store, last, &content, NULL) != LM_OK || content->size != sizeof body)
        return 5;
    store_content_free(content);
    setrlimit(RLIMIT_FSIZE, &large);
    if (store_put(store, &new_job, 1, &put, NULL) != LM_OK || put.result != STORE_CREATED)
        return 6;
    if (store_start(store, last, 2, &change, NULL) != LM_OK || !change.changed)
        return 7;
    store_close(store);
    if (store_open(fixture->url, &store_default_limits, &store, NULL) != LM_OK)
        return 8;
    store_get_stats(store, &stats);
    store_close(store);
    return stats.jobs[STORE_QUEUED] + stats.jobs[STORE_RUNNING] == count + 1 ? 0 : 9;
}

static void a_full_disk(void **state)
{
    assert_int_equal(in_child(fill_the_disk, *state), 0);
}

static void a_lock_of_somebody_else(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *db = NULL;
    char expected[200];
    struct store_put put = {0};
    struct store_new new_job = job_like("body");
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    snprintf(expected, sizeof expected, "store %s: another program keeps it locked", fixture->path);
    assert_fails(store_put(fixture->store, &new_job, 1, &put, error), LM_IO, expected);
    sqlite3_close(db);
    assert_done(store_put(fixture->store, &new_job, 1, &put, error));
}

static void out_of_memory(void **state)
{
    struct fixture *fixture = *state;
    static char body[1000];
    struct store_new new_job = {.model = "m", .body = body, .body_bytes = sizeof body};
    struct store_put put = {.id = "untouched"};
    char expected[200], id[STORE_ID_SIZE];
    snprintf(expected, sizeof expected, "store %s: out of memory", fixture->path);
    sqlite3_hard_heap_limit64(sqlite3_memory_used() + 1);
    assert_fails(store_put(fixture->store, &new_job, 1, &put, error), LM_NOMEM, expected);
    sqlite3_hard_heap_limit64(0);
    assert_string_equal(put.id, "untouched");
    assert_int_equal(stats_of(fixture->store).jobs[STORE_QUEUED], 0);
    put_job(fixture->store, &new_job, 1, id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define OPEN(test) cmocka_unit_test_setup_teardown(test, fixture_setup_sqlite, fixture_teardown)
#define CLOSED(test) cmocka_unit_test_setup_teardown(test, fixture_setup_closed, fixture_teardown)
        OPEN(all_is_there_after_a_restart),
        OPEN(only_the_owner_may_read_it),
        OPEN(space_is_given_back),
        OPEN(second_user_is_refused),
        CLOSED(damage_is_found),
        CLOSED(rows_that_cannot_be),
        CLOSED(a_cut_file_is_found),
        CLOSED(other_databases_are_refused),
        CLOSED(old_versions_are_migrated),
        CLOSED(paths_that_cannot_be),
        CLOSED(files_that_cannot_be_written),
        CLOSED(a_full_disk),
        OPEN(a_lock_of_somebody_else),
        OPEN(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
