/* A table from keys to slots, and the pool in which their rows stand (graph/room.h).  Nothing
 * leaves the table before the picture changes: a slot whose row has been given up is dead.  Runs of
 * several threads meet here: the lock is held while a sample's sites are looked up, not while rows
 * are copied. */
#include "graph/shelves.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "graph/identity.h"
#include "graph/room.h"

enum {
    MOST_EACH = 64, /* rows a site */
    MAX_TABLE = 1 << 23,
    UNIT = LM_ALIGN, /* of room, bytes */
};

struct slot {
    uint64_t key;           /* 0: free */
    uint32_t at;            /* in the pool */
    _Atomic uint32_t owner; /* the run that will fill it; 0: it is filled */
};

struct shelves {
    pthread_mutex_t lock;
    uint64_t picture;   /* 0: none yet */
    uint32_t others;    /* runs for others that began since it was last asked for */
    struct slot *slots; /* hash table */
    size_t table, used; /* slots, a power of 2; those that are not free */
    struct room room;
    uint8_t *pool;
};

/* ---- pictures */

static void forget(struct shelves *shelves, uint64_t picture)
{
    shelves->picture = picture;
    if (shelves->used) /* untouched memory stays so */
        memset(shelves->slots, 0, shelves->table * sizeof *shelves->slots);
    shelves->used = 0;
    room_clear(&shelves->room);
}

static bool turn_to(struct shelves *shelves, uint64_t picture)
{
    if (picture != shelves->picture) {
        bool patient = shelves->picture && shelves->others++ < MEMO_PATIENCE;
        if (patient || shelves->room.runs > 0)
            return false;
        forget(shelves, picture);
    }
    shelves->others = 0;
    return true;
}

uint32_t shelves_run_begins(struct shelves *shelves, uint64_t picture)
{
    if (!picture)
        return 0;
    pthread_mutex_lock(&shelves->lock);
    uint32_t run = turn_to(shelves, picture) ? room_run_begins(&shelves->room) : 0;
    pthread_mutex_unlock(&shelves->lock);
    return run;
}

void shelves_run_ends(struct shelves *shelves, uint32_t run)
{
    pthread_mutex_lock(&shelves->lock);
    room_run_ends(&shelves->room, run);
    pthread_mutex_unlock(&shelves->lock);
}

/* ---- slots */

/* The slot of a key, or the free one where it belongs. */
static size_t find(const struct shelves *shelves, uint64_t key)
{
    size_t at = (size_t)(key & (shelves->table - 1));
    while (shelves->slots[at].key && shelves->slots[at].key != key)
        at = (at + 1) & (shelves->table - 1);
    return at;
}

uint64_t shelves_key(const struct shelves *shelves, uint32_t cut, uint32_t place, uint64_t identity)
{
    uint64_t where = (uint64_t)cut << 32 | place;
    uint64_t key = identity_mix(identity + where * 0x9e3779b97f4a7c15u);
    key += !key;
    __builtin_prefetch(&shelves->slots[key & (shelves->table - 1)]);
    return key;
}

static bool is_known(const struct shelves *shelves, uint32_t cut, const struct slot *slot,
                     uint32_t run)
{
    if (!room_holds(&shelves->room, cut, slot->at))
        return false;
    uint32_t owner = atomic_load_explicit(&slot->owner, memory_order_acquire);
    return !owner || owner == run;
}

static int32_t slot_of_row(struct shelves *shelves, uint32_t cut, uint32_t run, uint64_t key)
{
    size_t at = find(shelves, key);
    struct slot *slot = &shelves->slots[at];
    if (slot->key)
        return is_known(shelves, cut, slot, run) ? (int32_t)at | KNOWN : NO_SLOT;
    bool crowded = shelves->used > shelves->table / 4 * 3;
    if (crowded || !room_take(&shelves->room, cut, &slot->at))
        return NO_SLOT;
    slot->key = key;
    atomic_store_explicit(&slot->owner, run, memory_order_relaxed);
    shelves->used++;
    return (int32_t)at;
}

uint32_t shelves_look_up(struct shelves *shelves, uint32_t cut, uint32_t run,
                         const uint32_t *places, uint32_t n, const uint64_t *keys, int32_t *slot_of)
{
    uint32_t known = 0;
    pthread_mutex_lock(&shelves->lock);
    for (uint32_t i = 0; i < n; i++) {
        int32_t slot = slot_of_row(shelves, cut, run, keys[i]);
        slot_of[places[i]] = slot;
        known += slot >= KNOWN;
    }
    pthread_mutex_unlock(&shelves->lock);
    return known;
}

float *shelves_row(const struct shelves *shelves, int32_t slot)
{
    return (float *)(void *)(shelves->pool + (size_t)shelves->slots[slot].at * UNIT);
}

void shelves_filled(struct shelves *shelves, int32_t slot)
{
    atomic_store_explicit(&shelves->slots[slot].owner, 0, memory_order_release);
}

/* ---- memory */

/* What one row for each site of the recall steps takes. */
struct each {
    uint64_t rows, bytes;
};

static struct each measure(struct room *room, const struct graph *graph)
{
    struct each each = {0};
    for (size_t i = 0; i < graph->n_steps; i++) {
        const struct step *step = &graph->steps[i];
        if (!step->kind->recalls)
            continue;
        const struct value *value = &graph->values[step->output];
        uint64_t bytes = align_up(value_stride(value) * sizeof(float));
        each.rows += value_sites(value);
        each.bytes += value_sites(value) * bytes;
        room->row[step->recall.cut] = (uint32_t)(bytes / UNIT);
        room->last_cut = step->recall.cut;
    }
    return each;
}

/* In max_bytes bytes, a pool, and a table that rows of the usual size fill by half; false: that is
 * not a row for each site. */
static bool share_out(struct shelves *shelves, const struct each *each, uint64_t max_bytes)
{
    if (!each->rows)
        return false;
    uint64_t most = each->bytes * MOST_EACH < max_bytes ? each->bytes * MOST_EACH : max_bytes;
    uint64_t rows = most / each->bytes * each->rows;
    shelves->table = 1;
    while (shelves->table < 2 * rows && shelves->table < MAX_TABLE &&
           shelves->table * sizeof *shelves->slots <= max_bytes / 4)
        shelves->table *= 2;
    uint64_t left = max_bytes - shelves->table * sizeof *shelves->slots;
    uint64_t units = (left < most ? left : most) / UNIT;
    shelves->room.size = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
    return rows && left >= each->bytes;
}

enum lm_status shelves_create(const struct graph *graph, uint64_t max_bytes, struct shelves **out,
                              struct lm_error *error)
{
    struct shelves planned = {0};
    struct each each = measure(&planned.room, graph);
    *out = NULL;
    if (!share_out(&planned, &each, max_bytes))
        return LM_OK;
    struct shelves *shelves = array_zalloc(1, sizeof *shelves);
    planned.slots = array_zalloc(planned.table, sizeof *planned.slots);
    planned.pool = aligned_bytes((size_t)planned.room.size * UNIT);
    if (!shelves || !planned.slots || !planned.pool) {
        free(shelves);
        free(planned.slots);
        free(planned.pool);
        return lm_fail(error, LM_NOMEM, "out of memory for remembering rows");
    }
    *shelves = planned;
    forget(shelves, 0);
    pthread_mutex_init(&shelves->lock, NULL);
    *out = shelves;
    return LM_OK;
}

void shelves_free(struct shelves *shelves)
{
    if (!shelves)
        return;
    pthread_mutex_destroy(&shelves->lock);
    free(shelves->slots);
    free(shelves->pool);
    free(shelves);
}
