/* Jobs that outlive the request that made them: what was asked, how far it is, what came out.
 *
 *     struct store *store;
 *     status = store_open("sqlite:/var/lib/layermask/jobs.db", &store_default_limits, &store,
 * error); status = store_recover(store, &again, error);          running -> queued, after a crash
 *     struct store_query queued = {.states = 1u << STORE_QUEUED, .oldest_first = true, .limit =
 * 100}; status = store_list(store, &queued, &list, error);     ... and submit them again
 *
 *     status = store_put(store, &new_job, now_ms, &put, error);      before the 202 is sent
 *     status = store_start(store, put.id, now_ms, &change, error);   only if change.changed:
 * compute status = store_finish(store, put.id, &outcome, now_ms, &change, error);
 *
 * The life of a job: queued -> running -> succeeded or failed; cancelled out of queued or running;
 * from running back to queued when the process goes down.  The last three are final.  Every step is
 * conditional and happens once: of two threads that start (finish, cancel) the same job at the same
 * time, one sees `changed`, the other the state that it came too late for.
 *
 * Status: LM_OK says that the store did its work and that the outcome is in the output: "no such
 * job", "wrong state", "key used before" and "store is full" are outcomes, not failures.  Failures:
 *     LM_INVALID  a field that the caller must not send (missing, too long text, ...)
 *     LM_LIMIT    a request or result larger than the limits allow
 *     LM_IO       the disk is full, failing, read-only, or the file is used by somebody else
 *     LM_CORRUPT  the file is damaged or not a store
 *     LM_UNSUPPORTED  a file that a newer version made; a kind of store that is not known
 *     LM_NOMEM
 * On failure outputs are untouched and nothing was stored; only when the disk fails while a put or
 * finish is being written can it happen that it is found after the next start nevertheless.
 *
 * Durable ("sqlite:") means: when store_put, store_finish or store_cancel has returned LM_OK, the
 * change is on disk and survives a crash of the process and a loss of power.  store_start survives
 * a crash of the process only: after a loss of power the job is queued, which it would become
 * anyway.  Progress is kept in memory.
 *
 * All functions but open and close may be called from all threads at once.  Reading a record
 * waits neither for the disk nor for blobs that others read or write.  Times are milliseconds since
 * 1970, 0 = has not happened; they come from the caller, the store has no clock. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"
#include "store/id.h"

/* Numbers are part of the file format: append only. */
enum store_kind { STORE_PREDICT, STORE_EXPLAIN, STORE_MISSINGNESS, STORE_KINDS };
enum store_state {
    STORE_QUEUED,
    STORE_RUNNING,
    STORE_SUCCEEDED, /* this and the following are final */
    STORE_FAILED,
    STORE_CANCELLED,
    STORE_STATES
};

/* "predict", ... and "queued", ... as in the HTTP API. */
const char *store_kind_name(enum store_kind kind);
const char *store_state_name(enum store_state state);
static inline bool store_state_final(enum store_state state)
{
    return state >= STORE_SUCCEEDED;
}

/* What texts may be long at most, in bytes; more is LM_INVALID. */
enum {
    STORE_MAX_NAME = 255,      /* model, owner */
    STORE_MAX_TYPE = 255,      /* content types */
    STORE_MAX_KEY = 4096,      /* idempotency keys */
    STORE_MAX_TARGET = 65536,  /* path and query */
    STORE_MAX_ERROR = 1 << 20, /* problem JSON */
    STORE_MAX_LIST = 1000,     /* jobs in one answer of store_list */
};
#define STORE_MAX_BLOB ((size_t)1 << 29) /* what max_request_bytes, max_result_bytes may be */

/* All must be above 0. */
struct store_limits {
    size_t max_request_bytes, max_result_bytes; /* of one job */
    uint64_t max_unfinished;                    /* queued and running jobs */
    uint64_t max_finished;                      /* in a final state; kept up to ... */
    int64_t finished_ttl_ms;                    /* ... this long */
    uint64_t max_bytes; /* requests and results of all jobs; at least max_request_bytes */
    int64_t key_ttl_ms; /* how long an idempotency key is remembered */
};
extern const struct store_limits
    store_default_limits; /* 64 MiB, 10000, 10000, 1 day, 4 GiB, 1 day */

struct store;

/* url: "memory" or "sqlite:PATH".  The file is made if it is missing, its folder is not.  A store
 * file belongs to one process at a time: LM_IO when another one has it. */
enum lm_status store_open(const char *url, const struct store_limits *limits, struct store **out,
                          struct lm_error *error);
/* NULL is fine.  No other thread may be in the store. */
void store_close(struct store *store);

/* ---- putting */

struct store_new {
    enum store_kind kind;
    const char *model;        /* not empty */
    const char *owner;        /* id of the API key; NULL is "" */
    uint64_t total;           /* of the progress; 0 = not yet known */
    const char *request_type; /* Content-Type; NULL is "" */
    const char *target;       /* path and query */
    const void *body;         /* copied; NULL if body_bytes is 0 */
    size_t body_bytes;
    const char *key;          /* idempotency key, scoped by owner; NULL or "": none */
    uint8_t request_hash[32]; /* with key only: tells the same request from another one */
    const char *id;           /* NULL: the store makes one */
};

enum store_put_result {
    STORE_CREATED,
    STORE_EXISTING, /* same owner, key and hash: id is the first job's, whatever its state */
    STORE_CONFLICT, /* same owner and key, another hash: id is the first job's (HTTP 409) */
    STORE_FULL,     /* unfinished jobs reach max_unfinished or max_bytes, not stored (HTTP 503) */
};
struct store_put {
    enum store_put_result result;
    char id[STORE_ID_SIZE]; /* "" if full */
};

/* A new queued job.  Check and put are one step: of two threads with the same key one creates.
 * A key is remembered for key_ttl_ms or as long as its job, whichever is shorter.  When max_bytes
 * is reached, jobs in a final state give way, those that would expire first; results may take the
 * sum above it, by max_result_bytes for each unfinished job, until the next put or expire. */
enum lm_status store_put(struct store *store, const struct store_new *job, int64_t now_ms,
                         struct store_put *out, struct lm_error *error);

/* ---- reading */

struct store_job {
    char id[STORE_ID_SIZE];
    enum store_kind kind;
    enum store_state state;
    char *model, *owner; /* never NULL */
    uint64_t done, total;
    int64_t created_ms, started_ms, finished_ms;
    int64_t expires_ms; /* set when finished */
    uint32_t attempts;  /* how often it was started and not given back; > 1 after crashes */
    int error_status;   /* HTTP status of a failed job, else 0 */
    char *error;        /* its problem JSON, or NULL */
    char *result_type;  /* content type of a succeeded job's result, or NULL */
    uint64_t request_bytes, result_bytes;
};
/* Frees the texts and empties the record; {0} and NULL are fine. */
void store_job_clear(struct store_job *job);

/* *found = false, with *out untouched, if there is no such job.  Any text may be given as id. */
enum lm_status store_get(struct store *store, const char *id, bool *found, struct store_job *out,
                         struct lm_error *error);

/* A request or result; immutable, possibly shared with other readers. */
struct store_content {
    const char *type, *target; /* target is "" for a result */
    const unsigned char *bytes;
    size_t size;
};
void store_content_free(struct store_content *content); /* NULL is fine */

/* *out = NULL if there is no such job, or it has no result (store_get tells which). */
enum lm_status store_get_request(struct store *store, const char *id, struct store_content **out,
                                 struct lm_error *error);
enum lm_status store_get_result(struct store *store, const char *id, struct store_content **out,
                                struct lm_error *error);

/* {.limit = n} is the newest n of all jobs. */
struct store_query {
    const char *owner; /* NULL: all owners; "": the jobs without owner */
    unsigned states;   /* bits 1u << STORE_QUEUED ...; 0: all */
    bool oldest_first; /* order of creation, rather than newest first */
    uint64_t cursor;   /* 0, or `next` of the page before; stays good when jobs go */
    size_t limit;      /* 1..STORE_MAX_LIST */
};
struct store_list {
    struct store_job *jobs;
    size_t count;
    uint64_t next; /* 0: this was the last page */
};
void store_list_clear(struct store_list *list);
enum lm_status store_list(struct store *store, const struct store_query *query,
                          struct store_list *out, struct lm_error *error);

/* ---- changing */

/* found = false: no such job.  Else `previous` is the state before, and changed says whether the
 * call's condition held. */
struct store_change {
    bool found, changed;
    enum store_state previous;
};

/* queued -> running, attempts + 1, progress 0. */
enum lm_status store_start(struct store *store, const char *id, int64_t now_ms,
                           struct store_change *out, struct lm_error *error);

/* Remembers how far a running job is; ignored in other states.  Cheap: no disk, any rate. */
void store_progress(struct store *store, const char *id, uint64_t done, uint64_t total);

struct store_outcome {
    enum store_state state;  /* STORE_SUCCEEDED or STORE_FAILED */
    const char *result_type; /* succeeded: content type and bytes (may be 0) of the result */
    const void *result;
    size_t result_bytes;
    int error_status; /* failed: HTTP status and problem JSON */
    const char *error;
};

/* running -> succeeded or failed, with result or error, in one step.  LM_LIMIT: the result is too
 * large and the job still running: finish it as failed. */
enum lm_status store_finish(struct store *store, const char *id,
                            const struct store_outcome *outcome, int64_t now_ms,
                            struct store_change *out, struct lm_error *error);

/* running -> queued, attempts - 1: its work was stopped before its end, by nobody's fault.  Durable
 * as store_start is. */
enum lm_status store_give_back(struct store *store, const char *id, struct store_change *out,
                               struct lm_error *error);

/* queued or running -> cancelled.  Stopping the work is the caller's. */
enum lm_status store_cancel(struct store *store, const char *id, int64_t now_ms,
                            struct store_change *out, struct lm_error *error);

/* ---- upkeep */

/* running -> queued for all jobs: nobody runs them after a crash.  attempts stay, so that the
 * caller can give up on a job that takes the process down each time.  Call it once, after open. */
enum lm_status store_recover(struct store *store, uint64_t *requeued, struct lm_error *error);

/* Deletes jobs in a final state that are over finished_ttl_ms, then the oldest (by time of finish)
 * while there are more than max_finished or more bytes than max_bytes; forgets old keys.  To be
 * called every few seconds. */
enum lm_status store_expire(struct store *store, int64_t now_ms, uint64_t *deleted,
                            struct lm_error *error);

struct store_stats {
    uint64_t jobs[STORE_STATES];
    uint64_t bytes;            /* requests and results */
    uint64_t unfinished_bytes; /* those of queued and running jobs */
};
/* Never waits for the disk. */
void store_get_stats(struct store *store, struct store_stats *out);

#endif
