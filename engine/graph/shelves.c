/* Slots are given out until there are none; nothing is thrown away before the picture changes, and
 * a row that has no slot is computed each time.  Each recall step has slots for the same number of
 * different rows a site.  Runs of several threads meet here: the lock is held while a sample's
 * sites are looked up, not while rows are copied. */
#include "graph/shelves.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "graph/identity.h"

enum { MOST_EACH = 64, MAX_SLOTS = 1 << 22 };

/* The rows of one recall step. */
struct shelf {
    uint32_t slots, used;
    size_t stride; /* floats of a row */
    float *rows;
    const void **owner; /* of each slot: who will fill it; NULL: it is filled */
};

struct shelves {
    pthread_mutex_t lock;
    uint64_t picture; /* 0: none yet */
    uint32_t runs;    /* that are about it just now */
    uint32_t others;  /* runs for others that began since it was last asked for */
    struct shelf shelves[MEMO_MAX_CUTS];
    uint64_t *keys; /* hash table, 0: free */
    uint32_t *slots;
    size_t table; /* entries, a power of 2 */
    uint8_t *block;
};

/* ---- pictures */

static void forget(struct shelves *shelves, uint64_t picture)
{
    shelves->picture = picture;
    memset(shelves->keys, 0, shelves->table * sizeof *shelves->keys);
    for (uint32_t c = 0; c < MEMO_MAX_CUTS; c++)
        shelves->shelves[c].used = 0;
}

static bool turn_to(struct shelves *shelves, uint64_t picture)
{
    if (picture != shelves->picture) {
        if (shelves->picture && (shelves->others++ < MEMO_PATIENCE || shelves->runs > 0))
            return false;
        forget(shelves, picture);
    }
    shelves->others = 0;
    shelves->runs++;
    return true;
}

bool shelves_run_begins(struct shelves *shelves, uint64_t picture)
{
    if (!picture)
        return false;
    pthread_mutex_lock(&shelves->lock);
    bool useful = turn_to(shelves, picture);
    pthread_mutex_unlock(&shelves->lock);
    return useful;
}

void shelves_run_ends(struct shelves *shelves)
{
    pthread_mutex_lock(&shelves->lock);
    assert(shelves->runs > 0);
    shelves->runs--;
    pthread_mutex_unlock(&shelves->lock);
}

/* ---- slots */

/* Entry of a key, or the free one where it belongs. */
static size_t find(const struct shelves *shelves, uint64_t key)
{
    size_t at = (size_t)(key & (shelves->table - 1));
    while (shelves->keys[at] && shelves->keys[at] != key)
        at = (at + 1) & (shelves->table - 1);
    return at;
}

uint64_t shelves_key(const struct shelves *shelves, uint32_t cut, uint32_t place, uint64_t identity)
{
    uint64_t where = (uint64_t)cut << 32 | place;
    uint64_t key = identity_mix(identity + where * 0x9e3779b97f4a7c15u);
    key += !key;
    __builtin_prefetch(&shelves->keys[key & (shelves->table - 1)]);
    __builtin_prefetch(&shelves->slots[key & (shelves->table - 1)]);
    return key;
}

static int32_t slot_of_row(struct shelves *shelves, struct shelf *shelf, const void *who,
                           uint64_t key)
{
    size_t at = find(shelves, key);
    if (shelves->keys[at]) {
        uint32_t slot = shelves->slots[at];
        const void *owner = shelf->owner[slot];
        return !owner || owner == who ? (int32_t)slot | KNOWN : NO_SLOT;
    }
    if (shelf->used == shelf->slots)
        return NO_SLOT;
    shelves->keys[at] = key;
    shelves->slots[at] = shelf->used;
    shelf->owner[shelf->used] = who;
    return (int32_t)shelf->used++;
}

uint32_t shelves_look_up(struct shelves *shelves, uint32_t cut, const void *who,
                         const uint32_t *places, uint32_t n, const uint64_t *keys, int32_t *slot_of,
                         uint32_t *first, uint32_t *end)
{
    struct shelf *shelf = &shelves->shelves[cut];
    uint32_t known = 0;
    pthread_mutex_lock(&shelves->lock);
    *first = shelf->used;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t p = places[i];
        slot_of[p] = slot_of_row(shelves, shelf, who, keys[i]);
        known += slot_of[p] >= KNOWN;
    }
    *end = shelf->used;
    pthread_mutex_unlock(&shelves->lock);
    return known;
}

float *shelves_row(const struct shelves *shelves, uint32_t cut, uint32_t slot)
{
    const struct shelf *shelf = &shelves->shelves[cut];
    return shelf->rows + (size_t)slot * shelf->stride;
}

void shelves_filled(struct shelves *shelves, uint32_t cut, uint32_t first, uint32_t end)
{
    pthread_mutex_lock(&shelves->lock);
    for (uint32_t slot = first; slot < end; slot++)
        shelves->shelves[cut].owner[slot] = NULL;
    pthread_mutex_unlock(&shelves->lock);
}

/* ---- the block */

/* Bytes for slots for `each` rows a site; with a block, what stands in it. */
static uint64_t lay_out(struct shelves *shelves, const struct graph *graph, uint64_t each)
{
    uint64_t slots = 0, used = 0;
    for (size_t i = 0; i < graph->n_steps; i++) {
        const struct step *step = &graph->steps[i];
        if (!step->kind->recalls)
            continue;
        const struct value *value = &graph->values[step->output];
        struct shelf *shelf = &shelves->shelves[step->recall.cut];
        uint64_t n = value_sites(value) * each;
        shelf->slots = n < MAX_SLOTS ? (uint32_t)n : MAX_SLOTS;
        shelf->stride = value_stride(value);
        shelf->rows = (float *)(void *)(shelves->block + used);
        used += align_up((uint64_t)shelf->slots * shelf->stride * sizeof(float));
        shelf->owner = (const void **)(void *)(shelves->block + used);
        used += align_up((uint64_t)shelf->slots * sizeof *shelf->owner);
        slots += shelf->slots;
    }
    shelves->table = 1;
    while (shelves->table < 2 * slots)
        shelves->table *= 2;
    shelves->keys = (uint64_t *)(void *)(shelves->block + used);
    used += align_up(shelves->table * sizeof *shelves->keys);
    shelves->slots = (uint32_t *)(void *)(shelves->block + used);
    used += align_up(shelves->table * sizeof *shelves->slots);
    return slots ? used : UINT64_MAX;
}

enum lm_status shelves_create(const struct graph *graph, uint64_t max_bytes, struct shelves **out,
                              struct lm_error *error)
{
    uint8_t nowhere[1];
    struct shelves counted = {.block = nowhere};
    uint64_t each = MOST_EACH;
    while (each && lay_out(&counted, graph, each) > max_bytes)
        each--;
    *out = NULL;
    if (!each)
        return LM_OK;
    struct shelves *shelves = array_zalloc(1, sizeof *shelves);
    uint8_t *block = aligned_bytes((size_t)lay_out(&counted, graph, each));
    if (!shelves || !block) {
        free(shelves);
        free(block);
        return lm_fail(error, LM_NOMEM, "out of memory for remembering rows");
    }
    shelves->block = block;
    lay_out(shelves, graph, each);
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
    free(shelves->block);
    free(shelves);
}
