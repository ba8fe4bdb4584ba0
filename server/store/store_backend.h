/* What a kind of store is, for the files of this room: a table of operations behind store.h.
 * Arguments have been checked by store.c: ids look like ids, texts are not NULL and not too long,
 * blobs are within the limits. */
#ifndef STORE_STORE_BACKEND_H
#define STORE_STORE_BACKEND_H

#include "store/store.h"

/* start, finish, give_back and cancel are one operation: a conditional step to another state. */
struct store_step {
    unsigned from; /* bits of the states that it may start in */
    enum store_state to;
    int64_t now_ms;
    const struct store_outcome *outcome; /* of finish, else NULL */
};

enum store_role { STORE_REQUEST, STORE_RESULT };

struct store_ops {
    void (*close)(struct store *store);
    /* *out is STORE_CREATED with the id that the new job shall have. */
    enum lm_status (*put)(struct store *store, const struct store_new *job, int64_t now_ms,
                          struct store_put *out, struct lm_error *error);
    enum lm_status (*get)(struct store *store, const char *id, bool *found, struct store_job *out,
                          struct lm_error *error);
    enum lm_status (*get_content)(struct store *store, const char *id, enum store_role role,
                                  struct store_content **out, struct lm_error *error);
    /* out->jobs has room for query->limit, zeroed; count says how many are filled, also on failure.
     * query->states is not 0. */
    enum lm_status (*list)(struct store *store, const struct store_query *query,
                           struct store_list *out, struct lm_error *error);
    enum lm_status (*step)(struct store *store, const char *id, const struct store_step *step,
                           struct store_change *out, struct lm_error *error);
    void (*progress)(struct store *store, const char *id, uint64_t done, uint64_t total);
    enum lm_status (*recover)(struct store *store, uint64_t *requeued, struct lm_error *error);
    enum lm_status (*expire)(struct store *store, int64_t now_ms, uint64_t *deleted,
                             struct lm_error *error);
    void (*get_stats)(struct store *store, struct store_stats *out);
};

/* Backends' own structs begin with this one. */
struct store {
    const struct store_ops *ops;
    struct store_limits limits;
};

enum lm_status store_memory_open(const struct store_limits *limits, struct store **out,
                                 struct lm_error *error);
enum lm_status store_sqlite_open(const char *path, const struct store_limits *limits,
                                 struct store **out, struct lm_error *error);

/* A content of its own, with copies of all; NULL when out of memory. */
struct store_content *store_content_new(const char *type, const char *target, const void *bytes,
                                        size_t size);
/* One more owner of it, who frees it too; NULL for NULL. */
struct store_content *store_content_share(struct store_content *content);

/* One job more or less in a state. */
static inline void stats_add(struct store_stats *stats, enum store_state state, uint64_t bytes)
{
    stats->jobs[state]++;
    stats->bytes += bytes;
    stats->unfinished_bytes += store_state_final(state) ? 0 : bytes;
}

static inline void stats_remove(struct store_stats *stats, enum store_state state, uint64_t bytes)
{
    stats->jobs[state]--;
    stats->bytes -= bytes;
    stats->unfinished_bytes -= store_state_final(state) ? 0 : bytes;
}

/* Whether a new job of `bytes` may come in, if the finished ones give way. */
static inline bool stats_admit(const struct store_stats *stats, const struct store_limits *limits,
                               uint64_t bytes)
{
    return stats->jobs[STORE_QUEUED] + stats->jobs[STORE_RUNNING] < limits->max_unfinished &&
           stats->unfinished_bytes + bytes <= limits->max_bytes;
}

static inline uint64_t stats_finished(const struct store_stats *stats)
{
    return stats->jobs[STORE_SUCCEEDED] + stats->jobs[STORE_FAILED] + stats->jobs[STORE_CANCELLED];
}

/* now + more, without overflow. */
static inline int64_t time_after(int64_t now_ms, int64_t more_ms)
{
    return now_ms > INT64_MAX - more_ms ? INT64_MAX : now_ms + more_ms;
}

#endif
