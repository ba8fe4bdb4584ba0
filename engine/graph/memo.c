/* A session's part of memoisation: the identities of one sample's sites, and where the rows of a
 * run are; the rows themselves are in shelves.c. */
#include "graph/shelves.h"

#include <string.h>

#include "base/memory.h"
#include "graph/identity.h"
#include "graph/sites.h"

/* A recall step. */
struct cut {
    uint32_t value, height, width;
    size_t stride; /* floats of a row */
    size_t sites;
    int32_t *slot_of; /* of each site of each sample of this run */
};

struct memo {
    struct shelves *shelves;
    uint32_t run; /* its number there */
    struct identities identities;
    uint32_t n_cuts;
    struct cut cuts[MEMO_MAX_CUTS];
    uint8_t *block; /* all that the pointers point into */
};

struct identities *memo_identities(struct memo *memo)
{
    return &memo->identities;
}

bool memo_run_begins(struct memo *memo, uint64_t picture)
{
    memo->run = shelves_run_begins(memo->shelves, picture);
    return memo->run;
}

void memo_run_ends(struct memo *memo)
{
    shelves_run_ends(memo->shelves, memo->run);
}

void memo_look_up(struct memo *memo, uint32_t index, uint32_t sample, uint64_t *demand)
{
    struct cut *cut = &memo->cuts[index];
    int32_t *slot_of = cut->slot_of + sample * cut->sites;
    const struct identity_map *map = memo->identities.of[cut->value];
    uint32_t *places = memo->identities.list;
    uint64_t *keys = memo->identities.fresh;
    uint32_t n = sites_list(cut->height, cut->width, demand, places);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t identity = identity_at(map, places[i]);
        places[i] = site_y(places[i]) * cut->width + site_x(places[i]);
        keys[i] = shelves_key(memo->shelves, index, places[i], identity);
    }
    if (!shelves_look_up(memo->shelves, index, memo->run, places, n, keys, slot_of))
        return;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t y = places[i] / cut->width, x = places[i] % cut->width;
        uint64_t known = slot_of[places[i]] >= KNOWN;
        demand[y * bits_words(cut->width) + x / 64] &= ~(known << x % 64);
    }
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
static void remember(struct memo *memo, uint32_t index, const struct memo_rows *rows)
{
    const struct cut *cut = &memo->cuts[index];
    for (uint32_t s = 0; s < rows->samples; s++)
        for (uint32_t i = rows->made_first[s]; i < rows->made_first[s + 1]; i++) {
            int32_t slot = slot_of(cut, s, rows->made_sites[i]);
            if (slot == NO_SLOT)
                continue;
            memcpy(shelves_row(memo->shelves, slot), rows->rows + (size_t)i * cut->stride,
                   cut->stride * sizeof(float));
            shelves_filled(memo->shelves, slot);
        }
}

/* From the last row to the first: a row only ever moves to a later place. */
static void put_between(const struct memo *memo, uint32_t index, const struct memo_rows *rows)
{
    const struct cut *cut = &memo->cuts[index];
    uint32_t made = rows->made_first[rows->samples];
    for (uint32_t s = rows->samples; s-- > 0;)
        for (uint32_t i = rows->first[s + 1]; i-- > rows->first[s];) {
            int32_t slot = slot_of(cut, s, rows->sites[i]);
            const float *source = slot >= KNOWN ? shelves_row(memo->shelves, slot - KNOWN)
                                                : rows->rows + (size_t)--made * cut->stride;
            float *target = rows->rows + (size_t)i * cut->stride;
            if (source != target)
                memcpy(target, source, cut->stride * sizeof(float));
        }
}

void memo_recall(struct memo *memo, uint32_t index, const struct memo_rows *rows)
{
    remember(memo, index, rows);
    if (rows->made_first[rows->samples] < rows->first[rows->samples])
        put_between(memo, index, rows);
}

/* ---- the block */

/* Pieces of one block, or their sum while there is none. */
struct pieces {
    uint8_t *base;
    size_t used;
};

static void *piece(struct pieces *p, size_t count, size_t size)
{
    size_t start = p->used;
    p->used += align_up(count * size);
    return p->base ? p->base + start : NULL;
}

static void list_cuts(const struct graph *graph, struct memo *memo)
{
    memo->n_cuts = 0;
    for (size_t i = 0; i < graph->n_steps; i++) {
        const struct step *step = &graph->steps[i];
        if (!step->kind->recalls)
            continue;
        const struct value *value = &graph->values[step->output];
        memo->cuts[memo->n_cuts++] = (struct cut){.value = step->inputs[0],
                                                  .height = value->height,
                                                  .width = value->width,
                                                  .stride = value_stride(value),
                                                  .sites = (size_t)value_sites(value)};
        memo->identities.steps = i;
    }
}

/* The frame around a value's sites that all maps of values with its identities have. */
static struct pad_map frame_of(const struct graph *graph, const struct plan *plan, uint32_t root)
{
    const struct value *value = &graph->values[root];
    struct pad_map frame = {.height = value->height, .width = value->width};
    uint32_t bottom = 0, right = 0;
    for (size_t m = 0; m < plan->n_maps; m++) {
        const struct pad_map *map = &plan->maps[m];
        if (plan->values[map->value].identity != root)
            continue;
        uint32_t below = map->height - map->top - value->height;
        uint32_t beside = map->width - map->left - value->width;
        frame.top = frame.top > map->top ? frame.top : map->top;
        frame.left = frame.left > map->left ? frame.left : map->left;
        bottom = bottom > below ? bottom : below;
        right = right > beside ? right : beside;
    }
    frame.height += frame.top + bottom;
    frame.width += frame.left + right;
    return frame;
}

static struct identity_map *lay_out_map(struct pieces *p, const struct graph *graph,
                                        const struct plan *plan, uint32_t root)
{
    struct pad_map frame = frame_of(graph, plan, root);
    struct identity_map *map = piece(p, 1, sizeof *map), unused;
    struct identity_map *out = map ? map : &unused;
    size_t words = value_words(&graph->values[root]);
    bool apart = plan->values[root].masked_rows && root != graph->input;
    out->cells = (size_t)frame.height * frame.width;
    out->stride = frame.width;
    out->memory = piece(p, out->cells * (apart ? 3 : 2), sizeof *out->memory);
    out->width = graph->values[root].width;
    out->touched = piece(p, words, sizeof *out->touched);
    out->masked = piece(p, words, sizeof *out->masked);
    out->changed = piece(p, words, sizeof *out->changed);
    out->blank = piece(p, words, sizeof *out->blank);
    if (map) {
        map->all = map->memory + (size_t)frame.top * frame.width + frame.left;
        map->plain = map->all + map->cells;
        map->seen = apart ? map->plain + map->cells : map->all;
        memset(map->memory, 0, map->cells * (apart ? 3 : 2) * sizeof *map->memory);
    }
    return map;
}

static void lay_out_identities(struct pieces *p, struct identities *ids, const struct graph *graph,
                               const struct plan *plan)
{
    size_t sites = 0;
    ids->of = piece(p, graph->n_values, sizeof *ids->of);
    for (uint32_t v = 0; v < graph->n_values; v++) {
        uint32_t root = plan->values[v].identity;
        size_t n = (size_t)value_sites(&graph->values[v]);
        struct identity_map *own = root == v ? lay_out_map(p, graph, plan, v) : NULL;
        sites = root != GRAPH_NO_VALUE && n > sites ? n : sites;
        if (ids->of)
            ids->of[v] = root == v ? own : root == GRAPH_NO_VALUE ? NULL : ids->of[root];
    }
    ids->fresh = piece(p, sites, sizeof *ids->fresh);
    ids->list = piece(p, sites + SITES_SLACK, sizeof *ids->list);
}

static size_t lay_out(struct memo *memo, const struct graph *graph, const struct plan *plan,
                      uint32_t batch)
{
    struct pieces p = {.base = memo->block};
    list_cuts(graph, memo);
    if (!memo->n_cuts)
        return 0;
    lay_out_identities(&p, &memo->identities, graph, plan);
    for (uint32_t c = 0; c < memo->n_cuts; c++) {
        struct cut *cut = &memo->cuts[c];
        cut->slot_of = piece(&p, batch * cut->sites, sizeof *cut->slot_of);
    }
    return p.used;
}

uint64_t memo_bytes(const struct graph *graph, const struct plan *plan, uint32_t batch)
{
    struct memo counted = {0};
    return lay_out(&counted, graph, plan, batch);
}

enum lm_status memo_create(const struct graph *graph, const struct plan *plan,
                           struct shelves *shelves, uint32_t batch, struct memo **out,
                           struct lm_error *error)
{
    struct memo *memo = array_zalloc(1, sizeof *memo);
    uint8_t *block = aligned_bytes((size_t)memo_bytes(graph, plan, batch));
    if (!memo || !block) {
        free(memo);
        free(block);
        return lm_fail(error, LM_NOMEM, "out of memory for identities of sites");
    }
    memo->shelves = shelves;
    memo->block = block;
    lay_out(memo, graph, plan, batch);
    *out = memo;
    return LM_OK;
}

void memo_free(struct memo *memo)
{
    if (!memo)
        return;
    free(memo->block);
    free(memo);
}
