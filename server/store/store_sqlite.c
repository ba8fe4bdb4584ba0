/* Jobs in a SQLite file.  The file belongs to this process, so that what is asked all the time, the
 * counts and the progress of running jobs, is kept in memory: /metrics and progress bars never wait
 * for the disk.  Lock order: a connection, then `lock`. */
#include "store/job_tables.h"
#include "store/store_backend.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/running.h"

enum { DELETIONS_AT_ONCE = 20 }; /* then others may write */

struct sqlite_store {
    struct store store;
    struct database *database;
    pthread_mutex_t lock;     /* of the following */
    struct running running;   /* progress */
    struct store_stats stats; /* changed by the holder of the writing connection only */
};

static struct sqlite_store *sqlite_store(struct store *store)
{
    return (struct sqlite_store *)store;
}

static void set_stats(struct sqlite_store *sqlite, const struct store_stats *stats)
{
    pthread_mutex_lock(&sqlite->lock);
    sqlite->stats = *stats;
    pthread_mutex_unlock(&sqlite->lock);
}

/* ---- deleting */

/* Deletes the job in a final state that expires first if it does so by `by_ms`; whether it did. */
static bool delete_first(struct connection *on, int64_t by_ms, struct store_stats *stats)
{
    static const size_t deletes[] = {SQL_DELETE_RESULT, SQL_DELETE_REQUEST, SQL_DELETE_JOB};
    sql_use(on, SQL_FIRST_TO_EXPIRE);
    if (!sql_step(on) || sql_int(on, 3) > by_ms)
        return false;
    int64_t seq = sql_int(on, 0);
    stats_remove(stats, (enum store_state)sql_int(on, 1), (uint64_t)sql_int(on, 2));
    for (size_t i = 0; i < sizeof deletes / sizeof *deletes; i++) {
        sql_use(on, deletes[i]);
        sql_bind_int(on, 1, seq);
        sql_step(on);
    }
    return sql_good(on);
}

/* At most DELETIONS_AT_ONCE; how many. */
static uint64_t delete_some(struct connection *on, const struct store_limits *limits,
                            int64_t now_ms, struct store_stats *stats)
{
    uint64_t deleted = 0;
    for (; deleted < DELETIONS_AT_ONCE; deleted++) {
        bool over =
            stats_finished(stats) > limits->max_finished || stats->bytes > limits->max_bytes;
        if (!delete_first(on, over ? INT64_MAX : now_ms, stats))
            break;
    }
    return deleted;
}

static enum lm_status expire_some(struct sqlite_store *sqlite, int64_t now_ms, uint64_t *deleted,
                                  struct lm_error *error)
{
    struct connection *on = database_enter(sqlite->database, DATABASE_WRITE);
    struct store_stats stats = sqlite->stats;
    sql_begin(on, false);
    *deleted = delete_some(on, &sqlite->store.limits, now_ms, &stats);
    sql_commit(on);
    if (sql_good(on))
        set_stats(sqlite, &stats);
    return database_leave(on, error);
}

/* put looks at a key's age itself; this keeps the index small.  Space of deleted rows is given back
 * a little in each call, so that nobody waits long for it. */
static enum lm_status tidy(struct sqlite_store *sqlite, int64_t now_ms, struct lm_error *error)
{
    struct connection *on = database_enter(sqlite->database, DATABASE_WRITE);
    sql_begin(on, false);
    sql_use(on, SQL_FORGET_OLD_KEYS);
    sql_bind_int(on, 1, now_ms - sqlite->store.limits.key_ttl_ms);
    sql_step(on);
    sql_use(on, SQL_GIVE_SPACE_BACK);
    while (sql_step(on))
        ; /* a page each */
    sql_commit(on);
    return database_leave(on, error);
}

static enum lm_status sqlite_expire(struct store *store, int64_t now_ms, uint64_t *deleted,
                                    struct lm_error *error)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    uint64_t sum = 0, now = 0;
    do {
        enum lm_status status = expire_some(sqlite, now_ms, &now, error);
        if (status != LM_OK)
            return status;
        sum += now;
    } while (now == DELETIONS_AT_ONCE);
    enum lm_status status = tidy(sqlite, now_ms, error);
    if (status == LM_OK)
        *deleted = sum;
    return status;
}

/* ---- put */

/* Whether the key stands for a job already; one that is too old is forgotten. */
static bool find_key(struct connection *on, const struct store_new *job, int64_t now_ms,
                     int64_t key_ttl_ms, struct store_put *out)
{
    if (!*job->key)
        return false;
    sql_use(on, SQL_FIND_KEY);
    sql_bind_text(on, 1, job->owner);
    sql_bind_text(on, 2, job->key);
    if (!sql_step(on))
        return false;
    if (time_after(sql_int(on, 3), key_ttl_ms) <= now_ms) {
        int64_t seq = sql_int(on, 0);
        sql_use(on, SQL_FORGET_KEY);
        sql_bind_int(on, 1, seq);
        sql_step(on);
        return false;
    }
    size_t size = 0;
    const char *id = sql_text(on, 1);
    const void *hash = sql_bytes(on, 2, &size);
    bool same = size == sizeof job->request_hash && memcmp(hash, job->request_hash, size) == 0;
    out->result = same ? STORE_EXISTING : STORE_CONFLICT;
    if (id && store_id_valid(id))
        memcpy(out->id, id, sizeof out->id);
    return true;
}

static bool id_taken(struct connection *on, const char *id)
{
    sql_use(on, SQL_FIND);
    sql_bind_text(on, 1, id);
    return sql_step(on);
}

static void insert(struct connection *on, const struct store_new *job, int64_t now_ms,
                   const char *id)
{
    sql_use(on, SQL_INSERT_JOB);
    sql_bind_text(on, 1, id);
    sql_bind_int(on, 2, job->kind);
    sql_bind_text(on, 3, job->model);
    sql_bind_text(on, 4, job->owner);
    sql_bind_int(on, 5, (int64_t)job->total);
    sql_bind_int(on, 6, now_ms);
    sql_bind_int(on, 7, (int64_t)job->body_bytes);
    if (*job->key) {
        sql_bind_text(on, 8, job->key);
        sql_bind_bytes(on, 9, job->request_hash, sizeof job->request_hash);
    }
    sql_step(on);
    int64_t seq = sql_last_row(on);
    sql_use(on, SQL_INSERT_REQUEST);
    sql_bind_int(on, 1, seq);
    sql_bind_text(on, 2, job->request_type);
    sql_bind_text(on, 3, job->target);
    sql_bind_bytes(on, 4, job->body, job->body_bytes);
    sql_step(on);
}

static enum lm_status sqlite_put(struct store *store, const struct store_new *job, int64_t now_ms,
                                 struct store_put *out, struct lm_error *error)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    const struct store_limits *limits = &store->limits;
    enum lm_status status = LM_OK;
    struct connection *on = database_enter(sqlite->database, DATABASE_WRITE);
    struct store_stats stats = sqlite->stats;
    sql_begin(on, true);
    if (find_key(on, job, now_ms, limits->key_ttl_ms, out))
        goto commit;
    if (id_taken(on, out->id)) {
        status = lm_fail(error, LM_INVALID, "id: there is a job %s already", out->id);
        goto commit;
    }
    if (!stats_admit(&stats, limits, job->body_bytes)) {
        out->result = STORE_FULL;
        goto commit;
    }
    while (stats.bytes + job->body_bytes > limits->max_bytes && delete_first(on, INT64_MAX, &stats))
        ;
    insert(on, job, now_ms, out->id);
    stats_add(&stats, STORE_QUEUED, job->body_bytes);
commit:
    sql_commit(on);
    if (sql_good(on))
        set_stats(sqlite, &stats);
    enum lm_status left = database_leave(on, error);
    return left != LM_OK ? left : status;
}

/* ---- reading */

/* Under `lock`, so that a job that finishes meanwhile does not seem to start anew. */
static void read_job(struct sqlite_store *sqlite, struct connection *on, struct store_job *out)
{
    struct store_job job = {.kind = (enum store_kind)sql_int(on, 2),
                            .state = (enum store_state)sql_int(on, 3),
                            .model = sql_text_copy(on, 4),
                            .owner = sql_text_copy(on, 5),
                            .done = (uint64_t)sql_int(on, 6),
                            .total = (uint64_t)sql_int(on, 7),
                            .created_ms = sql_int(on, 8),
                            .started_ms = sql_int(on, 9),
                            .finished_ms = sql_int(on, 10),
                            .expires_ms = sql_int(on, 11),
                            .attempts = (uint32_t)sql_int(on, 12),
                            .error_status = (int)sql_int(on, 13),
                            .error = sql_text_copy(on, 14),
                            .result_type = sql_text_copy(on, 15),
                            .request_bytes = (uint64_t)sql_int(on, 16),
                            .result_bytes = (uint64_t)sql_int(on, 17)};
    const char *id = sql_text(on, 1);
    if (id && store_id_valid(id))
        memcpy(job.id, id, sizeof job.id);
    const struct running_job *running =
        job.state == STORE_RUNNING ? running_find(&sqlite->running, job.id) : NULL;
    if (running) {
        job.done = running->done;
        job.total = running->total;
    }
    *out = job;
}

static enum lm_status sqlite_get(struct store *store, const char *id, bool *found,
                                 struct store_job *out, struct lm_error *error)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    struct store_job job = {0};
    struct connection *on = database_enter(sqlite->database, DATABASE_READ);
    pthread_mutex_lock(&sqlite->lock);
    sql_use(on, SQL_GET);
    sql_bind_text(on, 1, id);
    bool row = sql_step(on);
    if (row)
        read_job(sqlite, on, &job);
    pthread_mutex_unlock(&sqlite->lock);
    enum lm_status status = database_leave(on, error);
    if (status == LM_OK && row)
        *out = job;
    else
        store_job_clear(&job);
    if (status == LM_OK)
        *found = row;
    return status;
}

static enum lm_status sqlite_get_content(struct store *store, const char *id, enum store_role role,
                                         struct store_content **out, struct lm_error *error)
{
    struct connection *on = database_enter(sqlite_store(store)->database, DATABASE_READ_LARGE);
    struct store_content *content = NULL;
    sql_use(on, role == STORE_REQUEST ? SQL_GET_REQUEST : SQL_GET_RESULT);
    sql_bind_text(on, 1, id);
    if (sql_step(on)) {
        size_t size = 0;
        const char *type = sql_text(on, 0), *target = sql_text(on, 1);
        const void *bytes = sql_bytes(on, 2, &size);
        if (type && target && sql_good(on))
            content = store_content_new(type, target, bytes, size);
        if (!content)
            sql_out_of_memory(on);
    }
    enum lm_status status = database_leave(on, error);
    if (status == LM_OK)
        *out = content;
    else
        store_content_free(content);
    return status;
}

static enum lm_status sqlite_list(struct store *store, const struct store_query *query,
                                  struct store_list *out, struct lm_error *error)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    int64_t first = query->oldest_first ? 0 : INT64_MAX, last = 0;
    struct connection *on = database_enter(sqlite->database, DATABASE_READ);
    pthread_mutex_lock(&sqlite->lock);
    sql_use(on, query->oldest_first ? SQL_LIST_OLDEST : SQL_LIST_NEWEST);
    sql_bind_int(on, 1, query->cursor ? (int64_t)query->cursor : first);
    sql_bind_text(on, 2, query->owner);
    sql_bind_int(on, 3, query->states);
    sql_bind_int(on, 4, (int64_t)query->limit + 1);
    while (sql_step(on)) {
        if (out->count == query->limit) {
            out->next = (uint64_t)last;
            break;
        }
        last = sql_int(on, 0);
        read_job(sqlite, on, &out->jobs[out->count++]);
    }
    pthread_mutex_unlock(&sqlite->lock);
    return database_leave(on, error);
}

/* ---- steps */

struct found_job {
    int64_t seq, total;
    uint64_t bytes;
};

static void find(struct connection *on, const char *id, const struct store_step *step,
                 struct found_job *job, struct store_change *change)
{
    sql_use(on, SQL_FIND);
    sql_bind_text(on, 1, id);
    if (!sql_step(on))
        return;
    *job = (struct found_job){
        .seq = sql_int(on, 0), .bytes = (uint64_t)sql_int(on, 2), .total = sql_int(on, 3)};
    change->found = true;
    change->previous = (enum store_state)sql_int(on, 1);
    change->changed = step->from >> change->previous & 1u;
}

static void write_start(struct connection *on, int64_t seq, int64_t now_ms)
{
    sql_use(on, SQL_START);
    sql_bind_int(on, 1, seq);
    sql_bind_int(on, 2, now_ms);
    sql_step(on);
}

static void write_queued(struct connection *on, int64_t seq)
{
    sql_use(on, SQL_GIVE_BACK);
    sql_bind_int(on, 1, seq);
    sql_step(on);
}

static void bind_progress(struct sqlite_store *sqlite, struct connection *on, const char *id)
{
    pthread_mutex_lock(&sqlite->lock);
    const struct running_job *running = running_find(&sqlite->running, id);
    if (running) {
        sql_bind_int(on, 9, (int64_t)running->done);
        sql_bind_int(on, 10, (int64_t)running->total);
    }
    pthread_mutex_unlock(&sqlite->lock);
}

static void write_final(struct sqlite_store *sqlite, struct connection *on, const char *id,
                        int64_t seq, const struct store_step *step)
{
    static const struct store_outcome nothing;
    const struct store_outcome *outcome = step->outcome ? step->outcome : &nothing;
    sql_use(on, SQL_FINISH);
    sql_bind_int(on, 1, seq);
    sql_bind_int(on, 2, step->to);
    sql_bind_int(on, 3, step->now_ms);
    sql_bind_int(on, 4, time_after(step->now_ms, sqlite->store.limits.finished_ttl_ms));
    sql_bind_int(on, 5, outcome->error_status);
    sql_bind_text(on, 6, outcome->error);
    sql_bind_text(on, 7, outcome->result_type);
    sql_bind_int(on, 8, (int64_t)outcome->result_bytes);
    bind_progress(sqlite, on, id);
    sql_step(on);
    if (!outcome->result_type)
        return;
    sql_use(on, SQL_INSERT_RESULT);
    sql_bind_int(on, 1, seq);
    sql_bind_text(on, 2, outcome->result_type);
    sql_bind_bytes(on, 3, outcome->result, outcome->result_bytes);
    sql_step(on);
}

/* What is in memory follows what is in the file. */
static void step_in_memory(struct sqlite_store *sqlite, const char *id, const struct found_job *job,
                           enum store_state from, const struct store_step *step)
{
    uint64_t more = step->outcome ? step->outcome->result_bytes : 0;
    pthread_mutex_lock(&sqlite->lock);
    stats_remove(&sqlite->stats, from, job->bytes);
    stats_add(&sqlite->stats, step->to, job->bytes + more);
    if (step->to == STORE_RUNNING)
        running_add(&sqlite->running, id, (uint64_t)job->total);
    else
        running_remove(&sqlite->running, id);
    pthread_mutex_unlock(&sqlite->lock);
}

static enum lm_status sqlite_step(struct store *store, const char *id,
                                  const struct store_step *step, struct store_change *out,
                                  struct lm_error *error)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    struct store_change change = {0};
    struct found_job job = {0};
    struct connection *on = database_enter(sqlite->database, DATABASE_WRITE);
    sql_begin(on, store_state_final(step->to));
    find(on, id, step, &job, &change);
    if (change.changed && step->to == STORE_RUNNING)
        write_start(on, job.seq, step->now_ms);
    else if (change.changed && step->to == STORE_QUEUED)
        write_queued(on, job.seq);
    else if (change.changed)
        write_final(sqlite, on, id, job.seq, step);
    sql_commit(on);
    if (change.changed && sql_good(on))
        step_in_memory(sqlite, id, &job, change.previous, step);
    enum lm_status status = database_leave(on, error);
    if (status == LM_OK)
        *out = change;
    return status;
}

static void sqlite_progress(struct store *store, const char *id, uint64_t done, uint64_t total)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    pthread_mutex_lock(&sqlite->lock);
    struct running_job *job = running_find(&sqlite->running, id);
    if (job) {
        job->done = done;
        job->total = total;
    }
    pthread_mutex_unlock(&sqlite->lock);
}

static enum lm_status sqlite_recover(struct store *store, uint64_t *requeued,
                                     struct lm_error *error)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    struct connection *on = database_enter(sqlite->database, DATABASE_WRITE);
    sql_begin(on, true);
    sql_use(on, SQL_RECOVER);
    sql_step(on);
    uint64_t count = (uint64_t)sql_changes(on);
    sql_commit(on);
    if (sql_good(on)) {
        pthread_mutex_lock(&sqlite->lock);
        sqlite->stats.jobs[STORE_QUEUED] += sqlite->stats.jobs[STORE_RUNNING];
        sqlite->stats.jobs[STORE_RUNNING] = 0;
        running_clear(&sqlite->running);
        pthread_mutex_unlock(&sqlite->lock);
    }
    enum lm_status status = database_leave(on, error);
    if (status == LM_OK)
        *requeued = count;
    return status;
}

static void sqlite_get_stats(struct store *store, struct store_stats *out)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    pthread_mutex_lock(&sqlite->lock);
    *out = sqlite->stats;
    pthread_mutex_unlock(&sqlite->lock);
}

/* ---- open and close */

static enum lm_status count_jobs(struct sqlite_store *sqlite, struct lm_error *error)
{
    struct connection *on = database_enter(sqlite->database, DATABASE_READ);
    sql_use(on, SQL_COUNT);
    while (sql_step(on)) {
        int64_t state = sql_int(on, 0);
        if (state < 0 || state >= STORE_STATES)
            continue;
        uint64_t bytes = (uint64_t)sql_int(on, 2);
        sqlite->stats.jobs[state] = (uint64_t)sql_int(on, 1);
        sqlite->stats.bytes += bytes;
        if (!store_state_final((enum store_state)state))
            sqlite->stats.unfinished_bytes += bytes;
    }
    return database_leave(on, error);
}

static void sqlite_close(struct store *store)
{
    struct sqlite_store *sqlite = sqlite_store(store);
    database_close(sqlite->database);
    running_clear(&sqlite->running);
    pthread_mutex_destroy(&sqlite->lock);
    free(sqlite);
}

enum lm_status store_sqlite_open(const char *path, const struct store_limits *limits,
                                 struct store **out, struct lm_error *error)
{
    static const struct store_ops ops = {
        .close = sqlite_close,
        .put = sqlite_put,
        .get = sqlite_get,
        .get_content = sqlite_get_content,
        .list = sqlite_list,
        .step = sqlite_step,
        .progress = sqlite_progress,
        .recover = sqlite_recover,
        .expire = sqlite_expire,
        .get_stats = sqlite_get_stats,
    };
    struct sqlite_store *sqlite = calloc(1, sizeof *sqlite);
    if (!sqlite)
        return lm_fail(error, LM_NOMEM, "out of memory for the store");
    sqlite->store = (struct store){.ops = &ops, .limits = *limits};
    pthread_mutex_init(&sqlite->lock, NULL);
    enum lm_status status = database_open(path, &job_tables, &sqlite->database, error);
    if (status == LM_OK)
        status = count_jobs(sqlite, error);
    if (status == LM_OK)
        *out = &sqlite->store;
    else
        sqlite_close(&sqlite->store);
    return status;
}
