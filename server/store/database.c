/* SQLite connections with prepared statements, and the way in: lock, settings, schema.
 *
 * Write-ahead log, because readers then never wait for the writer, and one commit is one append and
 * one fsync.  A file PATH.lock, held with flock for as long as the store is open, keeps a second
 * process out: SQLite's own locks are per transaction, and two daemons would run each other's jobs.
 * (Its exclusive mode would keep our own readers out.)  The lock goes with the process, however
 * it ends; the file stays.
 *
 * Limits: a local file system, as write-ahead logs need shared memory. */
#include "store/database.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <sqlite3.h>

enum { BUSY_TIMEOUT_MS = 2000 };

struct connection {
    pthread_mutex_t lock;
    struct database *database;
    sqlite3 *db;
    sqlite3_stmt **prepared; /* of plan->statements; made at first use */
    sqlite3_stmt *current;
    int code; /* SQLITE_OK, or the first failure since database_enter ... */
    int system_error;
    char message[200]; /* ... and what SQLite said then */
    bool relaxed;      /* synchronous is NORMAL, not FULL */
};

struct database {
    const struct database_plan *plan;
    char *path; /* absolute, links resolved */
    int lock_file;
    struct connection connections[DATABASE_LANES];
};

/* ---- failures */

static void fail_with(struct connection *on, int code)
{
    if (on->code != SQLITE_OK)
        return;
    int system_error = errno; /* of the call that failed; SQLite itself keeps it for some only */
    on->code = code;
    on->system_error = sqlite3_system_errno(on->db);
    if (!on->system_error && (code & 0xff) == SQLITE_IOERR)
        on->system_error = system_error;
    snprintf(on->message, sizeof on->message, "%s", sqlite3_errmsg(on->db));
}

static void check(struct connection *on, int code)
{
    if (code != SQLITE_OK)
        fail_with(on, code);
}

static bool out_of_space(const struct connection *on)
{
    int system = on->system_error;
    return (on->code & 0xff) == SQLITE_FULL ||
           ((on->code & 0xff) == SQLITE_IOERR &&
            (system == ENOSPC || system == EFBIG || system == EDQUOT));
}

static enum lm_status report(const struct connection *on, const char *path, struct lm_error *error)
{
    if (out_of_space(on))
        return lm_fail(error, LM_IO, "store %.200s: the disk is full", path);
    switch (on->code & 0xff) {
    case SQLITE_OK: return LM_OK;
    case SQLITE_NOMEM: return lm_fail(error, LM_NOMEM, "store %.200s: out of memory", path);
    case SQLITE_NOTADB:
        return lm_fail(error, LM_CORRUPT, "store %.200s: not a SQLite database", path);
    case SQLITE_CORRUPT:
        return lm_fail(error, LM_CORRUPT, "store %.200s: damaged: %s", path, on->message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return lm_fail(error, LM_IO, "store %.200s: another program keeps it locked", path);
    case SQLITE_READONLY: return lm_fail(error, LM_IO, "store %.200s: is read-only", path);
    case SQLITE_TOOBIG: return lm_fail(error, LM_LIMIT, "store %.200s: %s", path, on->message);
    default: break;
    }
    return lm_fail(error, LM_IO, "store %.200s: %s%s%s", path, on->message,
                   on->system_error ? ": " : "",
                   on->system_error ? strerror(on->system_error) : "");
}

bool sql_good(const struct connection *on)
{
    return on->code == SQLITE_OK;
}

void sql_out_of_memory(struct connection *on)
{
    if (sql_good(on))
        on->code = SQLITE_NOMEM;
}

/* ---- statements */

static void end_statement(struct connection *on)
{
    if (on->current)
        sqlite3_reset(on->current);
    on->current = NULL;
}

static void execute(struct connection *on, const char *text)
{
    if (sql_good(on))
        check(on, sqlite3_exec(on->db, text, NULL, NULL, NULL));
}

struct connection *database_enter(struct database *database, enum database_lane lane)
{
    struct connection *on = &database->connections[lane];
    pthread_mutex_lock(&on->lock);
    assert(on->code == SQLITE_OK && !on->current);
    return on;
}

enum lm_status database_leave(struct connection *on, struct lm_error *error)
{
    end_statement(on);
    if (!sqlite3_get_autocommit(on->db))
        sqlite3_exec(on->db, "ROLLBACK", NULL, NULL, NULL);
    enum lm_status status = report(on, on->database->path, error);
    on->code = SQLITE_OK;
    pthread_mutex_unlock(&on->lock);
    return status;
}

void sql_begin(struct connection *on, bool durable)
{
    if (on->relaxed == durable) {
        execute(on, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        on->relaxed = sql_good(on) ? !durable : on->relaxed;
    }
    execute(on, "BEGIN IMMEDIATE");
}

void sql_commit(struct connection *on)
{
    end_statement(on);
    execute(on, "COMMIT");
}

void sql_use(struct connection *on, size_t statement)
{
    const struct database_plan *plan = on->database->plan;
    assert(statement < plan->statement_count);
    end_statement(on);
    sqlite3_stmt **prepared = &on->prepared[statement];
    if (sql_good(on) && !*prepared)
        check(on, sqlite3_prepare_v3(on->db, plan->statements[statement], -1,
                                     SQLITE_PREPARE_PERSISTENT, prepared, NULL));
    if (!sql_good(on))
        return;
    sqlite3_clear_bindings(*prepared);
    on->current = *prepared;
}

void sql_bind_int(struct connection *on, int place, int64_t value)
{
    if (sql_good(on))
        check(on, sqlite3_bind_int64(on->current, place, value));
}

void sql_bind_text(struct connection *on, int place, const char *text)
{
    if (sql_good(on))
        check(on, sqlite3_bind_text(on->current, place, text, -1, SQLITE_STATIC));
}

void sql_bind_bytes(struct connection *on, int place, const void *bytes, size_t size)
{
    if (sql_good(on)) /* a NULL pointer would be NULL rather than no bytes */
        check(on, sqlite3_bind_blob64(on->current, place, size ? bytes : "", size, SQLITE_STATIC));
}

bool sql_step(struct connection *on)
{
    if (!sql_good(on))
        return false;
    int code = sqlite3_step(on->current);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        fail_with(on, code);
    return code == SQLITE_ROW;
}

int64_t sql_int(struct connection *on, int column)
{
    return sql_good(on) ? sqlite3_column_int64(on->current, column) : 0;
}

const char *sql_text(struct connection *on, int column)
{
    return sql_good(on) ? (const char *)sqlite3_column_text(on->current, column) : NULL;
}

char *sql_text_copy(struct connection *on, int column)
{
    const char *text = sql_text(on, column);
    char *copy = text ? strdup(text) : NULL;
    if (text ? !copy : sql_good(on) && sqlite3_column_type(on->current, column) != SQLITE_NULL)
        sql_out_of_memory(on);
    return copy;
}

const void *sql_bytes(struct connection *on, int column, size_t *size)
{
    *size = 0;
    if (!sql_good(on))
        return NULL;
    const void *bytes = sqlite3_column_blob(on->current, column);
    *size = (size_t)sqlite3_column_bytes(on->current, column);
    if (!bytes && sqlite3_errcode(on->db) == SQLITE_NOMEM)
        sql_out_of_memory(on);
    return bytes;
}

int64_t sql_changes(struct connection *on)
{
    return sqlite3_changes64(on->db);
}

int64_t sql_last_row(struct connection *on)
{
    return sqlite3_last_insert_rowid(on->db);
}

/* ---- opening */

/* The number that a statement outside of the plan answers. */
static int64_t ask(struct connection *on, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int64_t answer = 0;
    if (sql_good(on))
        check(on, sqlite3_prepare_v2(on->db, text, -1, &statement, NULL));
    if (sql_good(on)) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            answer = sqlite3_column_int64(statement, 0);
        else if (code != SQLITE_DONE)
            fail_with(on, code);
    }
    sqlite3_finalize(statement);
    return answer;
}

static bool connect(struct database *database, struct connection *on, const char *path)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    on->prepared = calloc(database->plan->statement_count + 1, sizeof(sqlite3_stmt *));
    int code = on->prepared ? sqlite3_open_v2(path, &on->db, flags, NULL) : SQLITE_NOMEM;
    if (code != SQLITE_OK) {
        fail_with(on, code); /* sqlite3_errmsg(NULL) is "out of memory" */
        return false;
    }
    sqlite3_extended_result_codes(on->db, 1);
    sqlite3_busy_timeout(on->db, BUSY_TIMEOUT_MS);
    return true;
}

/* Who holds the lock, for the message; 0 if it does not say. */
static long lock_holder(int file)
{
    char text[24] = "";
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    return got > 0 ? strtol(text, NULL, 10) : 0;
}

static enum lm_status lock_file_take(const char *path, const char *lock_path, int *out,
                                     struct lm_error *error)
{
    int file = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return lm_fail(error, LM_IO, "store %.200s: cannot write beside it: %s", path,
                       strerror(errno));
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        enum lm_status status =
            errno == EWOULDBLOCK
                ? lm_fail(error, LM_IO, "store %.200s: is used by another process (%ld)", path,
                          lock_holder(file))
                : lm_fail(error, LM_IO, "store %.200s: cannot be locked: %s", path,
                          strerror(errno));
        close(file);
        return status;
    }
    char text[24];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(file, 0) != 0 || pwrite(file, text, (size_t)length, 0) != length)
        errno = 0; /* the number is for the message only; a full disk shows itself soon */
    *out = file;
    return LM_OK;
}

static enum lm_status take_lock(struct database *database, struct lm_error *error)
{
    size_t size = strlen(database->path) + sizeof ".lock";
    char *lock_path = malloc(size);
    if (!lock_path)
        return lm_fail(error, LM_NOMEM, "out of memory for the store");
    snprintf(lock_path, size, "%s.lock", database->path);
    enum lm_status status = lock_file_take(database->path, lock_path, &database->lock_file, error);
    free(lock_path);
    return status;
}

/* Whose file it is, and whether it is one that we can bring to our version. */
static enum lm_status check_version(struct connection *on, int64_t *version, struct lm_error *error)
{
    const struct database_plan *plan = on->database->plan;
    const char *path = on->database->path;
    int64_t application = ask(on, "PRAGMA application_id");
    int64_t tables = ask(on, "SELECT count(*) FROM sqlite_schema");
    *version = ask(on, "PRAGMA user_version");
    if (!sql_good(on))
        return report(on, path, error);
    if (tables == 0 && *version == 0 && application == 0)
        return LM_OK;
    if (application != plan->application_id)
        return lm_fail(error, LM_CORRUPT, "store %.200s: a SQLite database of another program",
                       path);
    if (*version < 1 || *version > plan->version)
        return lm_fail(error, LM_UNSUPPORTED,
                       "store %.200s: format %" PRId64 ", this program knows 1 to %d", path,
                       *version, plan->version);
    return LM_OK;
}

static void migrate(struct connection *on, int64_t version)
{
    const struct database_plan *plan = on->database->plan;
    char text[80];
    for (; version < plan->version; version++) {
        sql_begin(on, true);
        execute(on, plan->migrations[version]);
        snprintf(text, sizeof text, "PRAGMA user_version = %" PRId64 "; PRAGMA application_id = %d",
                 version + 1, (int)plan->application_id);
        execute(on, text);
        sql_commit(on);
    }
}

/* The first text that a statement outside of the plan answers; none: left as it is. */
static void ask_text(struct connection *on, const char *text, char *out, size_t size)
{
    sqlite3_stmt *statement = NULL;
    if (sql_good(on))
        check(on, sqlite3_prepare_v2(on->db, text, -1, &statement, NULL));
    if (sql_good(on)) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            snprintf(out, size, "%s", (const char *)sqlite3_column_text(statement, 0));
        else if (code != SQLITE_DONE)
            fail_with(on, code);
    }
    sqlite3_finalize(statement);
}

static enum lm_status fail_damaged(const char *path, char *found, struct lm_error *error)
{
    char *line = strncmp(found, "***", 3) == 0 ? strchr(found, '\n') : NULL; /* a headline */
    line = line ? line + 1 : found;
    line[strcspn(line, "\n")] = '\0';
    return lm_fail(error, LM_CORRUPT, "store %.200s: damaged: %s", path, line);
}

/* Damage shows now rather than with the first job that it hits; the blobs are not looked at, that
 * would take as long as reading the file. */
static enum lm_status check_table(struct connection *on, struct lm_error *error)
{
    const struct database_plan *plan = on->database->plan;
    char text[80], found[200] = "";
    snprintf(text, sizeof text, "PRAGMA quick_check('%s')", plan->check_table);
    ask_text(on, text, found, sizeof found);
    if (sql_good(on) && strcmp(found, "ok") != 0)
        return fail_damaged(on->database->path, found, error);
    found[0] = '\0';
    if (plan->find_damaged)
        ask_text(on, plan->find_damaged, found, sizeof found);
    if (sql_good(on) && found[0])
        return fail_damaged(on->database->path, found, error);
    return report(on, on->database->path, error);
}

/* The space of deleted rows is given back in steps (incremental), so that the writer never has to
 * rewrite the whole file; this must be said before the first table.  The log is cut to 64 MB when
 * a large blob has made it longer. */
static enum lm_status set_up_writer(struct connection *on, struct lm_error *error)
{
    int64_t version = 0;
    enum lm_status status = check_version(on, &version, error);
    if (status != LM_OK)
        return status;
    if (version == 0)
        execute(on, "PRAGMA auto_vacuum = INCREMENTAL");
    execute(on, "PRAGMA journal_mode = WAL");
    execute(on, "PRAGMA journal_size_limit = 67108864");
    execute(on, "PRAGMA synchronous = FULL");
    migrate(on, version);
    return check_table(on, error);
}

/* SQLite would make a file that all may read, but pictures of users will be in it; and its errors
 * are less clear. */
static enum lm_status make_private(const char *path, struct lm_error *error)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno != EEXIST)
        return lm_fail(error, LM_IO, "store %.200s: cannot be made: %s", path, strerror(errno));
    if (file >= 0)
        close(file);
    return LM_OK;
}

static enum lm_status open_all(struct database *database, const char *path, struct lm_error *error)
{
    struct connection *writer = &database->connections[DATABASE_WRITE];
    enum lm_status status = make_private(path, error);
    if (status != LM_OK)
        return status;
    if (!connect(database, writer, path))
        return report(writer, path, error);
    const char *resolved = sqlite3_db_filename(writer->db, "main");
    database->path = strdup(resolved ? resolved : "");
    if (!database->path)
        return lm_fail(error, LM_NOMEM, "out of memory for the store");
    status = take_lock(database, error);
    if (status == LM_OK && sqlite3_db_readonly(writer->db, "main"))
        status = lm_fail(error, LM_IO, "store %.200s: is read-only", database->path);
    if (status == LM_OK)
        status = set_up_writer(writer, error);
    for (int lane = 1; status == LM_OK && lane < DATABASE_LANES; lane++) {
        struct connection *on = &database->connections[lane];
        if (connect(database, on, database->path))
            execute(on, "PRAGMA query_only = ON");
        status = report(on, database->path, error);
    }
    return status;
}

enum lm_status database_open(const char *path, const struct database_plan *plan,
                             struct database **out, struct lm_error *error)
{
    if (path[0] == ':')
        return lm_fail(error, LM_INVALID, "store: \"%.200s\" is no path, write ./%.200s", path,
                       path);
    struct database *database = calloc(1, sizeof *database);
    if (!database)
        return lm_fail(error, LM_NOMEM, "out of memory for the store");
    database->plan = plan;
    database->lock_file = -1;
    for (int lane = 0; lane < DATABASE_LANES; lane++) {
        database->connections[lane].database = database;
        pthread_mutex_init(&database->connections[lane].lock, NULL);
    }
    enum lm_status status = open_all(database, path, error);
    if (status == LM_OK)
        *out = database;
    else
        database_close(database);
    return status;
}

/* Readers first: the last connection to close folds the log into the file. */
void database_close(struct database *database)
{
    if (!database)
        return;
    for (int lane = DATABASE_LANES; lane-- > 0;) {
        struct connection *on = &database->connections[lane];
        for (size_t i = 0; on->prepared && i < database->plan->statement_count; i++)
            sqlite3_finalize(on->prepared[i]);
        free(on->prepared);
        sqlite3_close(on->db);
        pthread_mutex_destroy(&on->lock);
    }
    if (database->lock_file >= 0)
        close(database->lock_file);
    free(database->path);
    free(database);
}
