/* The memory of memoisation: identities of one sample's sites, a table from (recall step, site,
 * identity) to a slot, and the rows in their slots.
 *
 * Slots are given out until there are none; nothing is thrown away before the picture changes.  A
 * row that has no slot is computed each time.  Each recall step has slots for the same number of
 * different rows a site.
 */
#include "graph/memo.h"

#include <string.h>

#include "base/memory.h"
#include "graph/identity.h"
#include "graph/sites.h"

enum {
    NO_SLOT = -1,
    KNOWN = 1 << 30, /* beside the slot: the row is, or will be, there */
    MAX_SLOTS = 1 << 22,
};

struct cut {
    uint32_t value, height, width, channels;
    size_t sites;
    uint32_t slots, used;
    float *rows;
    int32_t *slot_of; /* of each site of each sample of this run */
};

struct memo {
    uint64_t picture; /* 0: none yet */
    uint32_t others;  /* runs for others since it was last asked for */
    struct identities identities;
    uint32_t n_cuts;
    struct cut *cuts;
    uint64_t *keys; /* hash table, 0: free */
    uint32_t *slots;
    size_t table; /* entries, a power of 2 */
    uint64_t looked_up, known;
    uint8_t *memory; /* all of the above */
};

const struct identities *memo_identities(const struct memo *memo)
{
    return &memo->identities;
}

void memo_counts(const struct memo *memo, uint64_t *looked_up, uint64_t *known)
{
    *looked_up = memo->looked_up;
    *known = memo->known;
}

bool memo_turn_to(struct memo *memo, uint64_t picture)
{
    if (picture == memo->picture)
        memo->others = 0;
    if (picture == memo->picture || !picture)
        return picture != 0;
    if (memo->picture && memo->others++ < MEMO_PATIENCE)
        return false;
    memo->picture = picture;
    memo->others = 0;
    memset(memo->keys, 0, memo->table * sizeof *memo->keys);
    for (uint32_t c = 0; c < memo->n_cuts; c++)
        memo->cuts[c].used = 0;
    return true;
}

/* ---- the table */

/* Entry of a key, or the free one where it belongs. */
static size_t find(const struct memo *memo, uint64_t key)
{
    size_t at = (size_t)(key & (memo->table - 1));
    while (memo->keys[at] && memo->keys[at] != key)
        at = (at + 1) & (memo->table - 1);
    return at;
}

/* Slot of a row, with KNOWN if somebody has filled it or will; NO_SLOT: there is none left. */
static int32_t look_up(struct memo *memo, struct cut *cut, uint64_t place, uint64_t identity)
{
    uint64_t key = identity_mix(identity + place * 0x9e3779b97f4a7c15u);
    key += !key;
    size_t at = find(memo, key);
    if (memo->keys[at])
        return (int32_t)memo->slots[at] | KNOWN;
    if (cut->used == cut->slots)
        return NO_SLOT;
    memo->keys[at] = key;
    memo->slots[at] = cut->used;
    return (int32_t)cut->used++;
}

void memo_look_up(struct memo *memo, uint32_t index, uint32_t sample, uint64_t *demand)
{
    struct cut *cut = &memo->cuts[index];
    int32_t *slot_of = cut->slot_of + sample * cut->sites;
    const uint64_t *identity = memo->identities.of[cut->value];
    const uint32_t *list = memo->identities.list;
    uint32_t n = sites_list(cut->height, cut->width, demand, memo->identities.list);
    for (uint32_t i = 0; i < n; i++) {
        size_t y = site_y(list[i]), x = site_x(list[i]), p = y * cut->width + x;
        slot_of[p] = look_up(memo, cut, (uint64_t)index << 32 | p, identity[p]);
        if (slot_of[p] < KNOWN)
            continue;
        memo->known++;
        demand[y * bits_words(cut->width) + x / 64] &= ~((uint64_t)1 << x % 64);
    }
    memo->looked_up += n;
}

void memo_look_away(struct memo *memo, uint32_t index, uint32_t sample)
{
    struct cut *cut = &memo->cuts[index];
    memset(cut->slot_of + sample * cut->sites, 0xff, cut->sites * sizeof *cut->slot_of);
}

/* ---- rows */

static int32_t slot_of(const struct cut *cut, uint32_t sample, uint32_t site)
{
    return cut->slot_of[sample * cut->sites + (size_t)site_y(site) * cut->width + site_x(site)];
}

/* Rows that have been made go to their slots, for this run and others. */
static void remember(struct cut *cut, const struct memo_rows *rows)
{
    for (uint32_t s = 0; s < rows->samples; s++)
        for (uint32_t i = rows->made_first[s]; i < rows->made_first[s + 1]; i++) {
            int32_t slot = slot_of(cut, s, rows->made_sites[i]);
            if (slot != NO_SLOT)
                memcpy(cut->rows + (size_t)slot * cut->channels,
                       rows->rows + (size_t)i * cut->channels, cut->channels * sizeof(float));
        }
}

/* From the last row to the first: a row only ever moves to a later place. */
static void put_between(const struct cut *cut, const struct memo_rows *rows)
{
    uint32_t made = rows->made_first[rows->samples];
    for (uint32_t s = rows->samples; s-- > 0;)
        for (uint32_t i = rows->first[s + 1]; i-- > rows->first[s];) {
            int32_t slot = slot_of(cut, s, rows->sites[i]);
            const float *source = slot >= KNOWN ? cut->rows + (size_t)(slot - KNOWN) * cut->channels
                                                : rows->rows + (size_t)--made * cut->channels;
            float *target = rows->rows + (size_t)i * cut->channels;
            if (source != target)
                memcpy(target, source, cut->channels * sizeof(float));
        }
}

void memo_recall(struct memo *memo, uint32_t index, const struct memo_rows *rows)
{
    remember(&memo->cuts[index], rows);
    if (rows->made_first[rows->samples] < rows->first[rows->samples])
        put_between(&memo->cuts[index], rows);
}

/* ---- memory */

/* Pieces of one block, or their sum while there is none. */
struct pieces {
    uint8_t *base;
    size_t used;
};

static void *piece(struct pieces *p, size_t count, size_t size)
{
    size_t start = p->used;
    p->used += (count * size + LM_ALIGN - 1) / LM_ALIGN * LM_ALIGN;
    return p->base ? p->base + start : NULL;
}

/* All but the rows and the table of them. */
static void lay_out(struct pieces *p, struct memo *memo, const struct graph *graph,
                    const struct plan *plan, uint32_t batch)
{
    struct identities *ids = &memo->identities;
    size_t cells = 0, sites = 0;
    ids->of = piece(p, graph->n_values, sizeof *ids->of);
    for (uint32_t v = 0; v < graph->n_values; v++) {
        uint32_t root = plan->values[v].identity;
        size_t n = (size_t)value_sites(&graph->values[v]);
        uint64_t *own = root == v ? piece(p, n, sizeof *own) : NULL;
        if (root != GRAPH_NO_VALUE && n > sites)
            sites = n;
        if (ids->of)
            ids->of[v] = root == v ? own : root == GRAPH_NO_VALUE ? NULL : ids->of[root];
    }
    for (size_t m = 0; m < plan->n_maps; m++) {
        size_t n = (size_t)plan->maps[m].height * plan->maps[m].width;
        if (plan->values[plan->maps[m].value].identity != GRAPH_NO_VALUE && n > cells)
            cells = n;
    }
    ids->cells = piece(p, cells, sizeof *ids->cells);
    ids->fresh = piece(p, sites, sizeof *ids->fresh);
    ids->list = piece(p, sites + SITES_SLACK, sizeof *ids->list);
    for (uint32_t c = 0; c < memo->n_cuts; c++)
        memo->cuts[c].slot_of =
            piece(p, batch * memo->cuts[c].sites, sizeof *memo->cuts[c].slot_of);
}

/* Slots for `each` rows a site. */
static void lay_out_slots(struct pieces *p, struct memo *memo, size_t each)
{
    size_t slots = 0;
    for (uint32_t c = 0; c < memo->n_cuts; c++) {
        struct cut *cut = &memo->cuts[c];
        size_t n = cut->sites * each;
        cut->slots = n < MAX_SLOTS ? (uint32_t)n : MAX_SLOTS;
        cut->rows = piece(p, (size_t)cut->slots * cut->channels, sizeof *cut->rows);
        slots += cut->slots;
    }
    memo->table = 1;
    while (memo->table < 2 * slots)
        memo->table *= 2;
    memo->keys = piece(p, memo->table, sizeof *memo->keys);
    memo->slots = piece(p, memo->table, sizeof *memo->slots);
}

static void list_cuts(const struct graph *graph, struct memo *memo)
{
    for (size_t i = 0; i < graph->n_steps; i++) {
        const struct step *step = &graph->steps[i];
        if (!step->kind->recalls)
            continue;
        const struct value *value = &graph->values[step->output];
        memo->cuts[memo->n_cuts++] = (struct cut){.value = step->inputs[0],
                                                  .height = value->height,
                                                  .width = value->width,
                                                  .channels = value->channels,
                                                  .sites = (size_t)value_sites(value)};
        memo->identities.steps = i;
    }
}

/* The most slots a site that max_bytes have room for. */
static size_t slots_a_site(struct memo *memo, uint64_t max_bytes, size_t used)
{
    size_t each = 0;
    for (size_t step = 64; step; step /= 2) {
        struct pieces p = {.used = used};
        lay_out_slots(&p, memo, each + step);
        each += p.used <= max_bytes ? step : 0;
    }
    return each;
}

enum lm_status memo_create(const struct graph *graph, const struct plan *plan, uint32_t batch,
                           uint64_t max_bytes, struct memo **out, struct lm_error *error)
{
    struct memo *memo = array_zalloc(1, sizeof *memo);
    struct cut *cuts = array_zalloc(MEMO_MAX_CUTS, sizeof *cuts);
    if (!memo || !cuts)
        goto no_memory;
    memo->cuts = cuts;
    list_cuts(graph, memo);
    struct pieces p = {0};
    lay_out(&p, memo, graph, plan, batch);
    size_t each = slots_a_site(memo, max_bytes, p.used);
    if (!memo->n_cuts || !each) {
        memo_free(memo);
        *out = NULL;
        return LM_OK;
    }
    lay_out_slots(&p, memo, each);
    memo->memory = aligned_bytes(p.used);
    if (!memo->memory)
        goto no_memory;
    p = (struct pieces){.base = memo->memory};
    lay_out(&p, memo, graph, plan, batch);
    lay_out_slots(&p, memo, each);
    memset(memo->keys, 0, memo->table * sizeof *memo->keys);
    *out = memo;
    return LM_OK;
no_memory:
    free(cuts);
    free(memo);
    return lm_fail(error, LM_NOMEM, "out of memory for remembering rows");
}

void memo_free(struct memo *memo)
{
    if (!memo)
        return;
    free(memo->cuts);
    free(memo->memory);
    free(memo);
}
