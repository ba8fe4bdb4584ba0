/* Where each value's rows live in the arena: first fit, largest value first, each at the lowest
 * offset that is free while it is alive; good enough that no network we know needs more than a few
 * percent above its peak.
 *
 * In a long network a value meets only a few of the others.  Every step makes one value, so that
 * values in order of birth are an array, and a tree of maxima over their deaths finds those that
 * are alive in a span of time without looking at the rest.  Where many are alive at a time, all
 * that have a place are looked at instead: quadratic, 0.3 s for 20,000 values.
 */
#include "graph/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
    ALIGN_FLOATS = LM_ALIGN / sizeof(float),
    FEW = 16, /* a value that meets less than one of so many meets few */
};

/* A place in the arena, and when it is taken: steps + 1, 0 being the input's. */
struct block {
    size_t offset, floats;
    uint32_t birth, death, value;
};

struct arena {
    size_t leaves;      /* a power of 2, more than there are births */
    uint32_t *latest;   /* [leaves + b]: death + 1 of the block born at b, 0: none has a place yet;
                           [i] below: the later of [2 i] and [2 i + 1] */
    struct block *born; /* [b]: the block born at b */
    struct block *placed; /* by offset */
    size_t n_placed;
    struct block *met; /* that are alive with the one to be placed; room for n_placed / FEW + 1 */
};

static int by_size(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    if (x->floats != y->floats)
        return x->floats < y->floats ? 1 : -1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static int by_offset(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool meet(const struct block *a, const struct block *b)
{
    return a->birth <= b->death && b->birth <= a->death;
}

/* Collects those that meet `block` below a node, whose leaves are the births first..first + width -
 * 1, after the n that have been found; stops when they are more than `most`. */
static size_t collect(const struct arena *arena, const struct block *block, size_t node,
                      size_t first, size_t width, size_t most, size_t n)
{
    if (n > most || first > block->death || arena->latest[node] <= block->birth)
        return n;
    if (width == 1) {
        arena->met[n] = arena->born[first];
        return n + 1;
    }
    n = collect(arena, block, 2 * node, first, width / 2, most, n);
    return collect(arena, block, 2 * node + 1, first + width / 2, width / 2, most, n);
}

/* The lowest offset at which `block` touches none that it meets; others: by offset. */
static size_t first_fit(const struct block *block, const struct block *others, size_t n)
{
    size_t offset = 0;
    for (size_t i = 0; i < n && others[i].offset < offset + block->floats; i++) {
        size_t end = others[i].offset + others[i].floats;
        if (end > offset && meet(block, &others[i]))
            offset = end;
    }
    return offset;
}

static void insert(struct arena *arena, const struct block *block)
{
    size_t low = 0, high = arena->n_placed;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (arena->placed[middle].offset <= block->offset)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(arena->placed + low + 1, arena->placed + low,
            (arena->n_placed - low) * sizeof *arena->placed);
    arena->placed[low] = *block;
    arena->n_placed++;
    arena->born[block->birth] = *block;
    for (size_t node = arena->leaves + block->birth; node; node /= 2)
        if (arena->latest[node] < block->death + 1)
            arena->latest[node] = block->death + 1;
}

static void place(struct arena *arena, struct block *block)
{
    size_t most = arena->n_placed / FEW;
    size_t n = collect(arena, block, 1, 0, arena->leaves, most, 0);
    if (n > most) {
        block->offset = first_fit(block, arena->placed, arena->n_placed);
    } else {
        qsort(arena->met, n, sizeof *arena->met, by_offset);
        block->offset = first_fit(block, arena->met, n);
    }
    insert(arena, block);
}

/* What a recall step makes stands where its input stood. */
static bool is_recalled(const struct graph *graph, uint32_t value)
{
    uint32_t producer = graph->values[value].producer;
    return producer < graph->n_steps && graph->steps[producer].output == value &&
           graph->steps[producer].kind->recalls;
}

/* The last step that needs the place of a value. */
static uint32_t last_use(const struct graph *graph, const struct plan *plan, uint32_t value)
{
    uint32_t last = plan->values[value].last_use;
    if (last < graph->n_steps && graph->steps[last].kind->recalls)
        last = last_use(graph, plan, graph->steps[last].output);
    return last;
}

/* The most floats that stand there. */
static size_t most_floats(const struct graph *graph, const struct plan *plan, uint32_t value)
{
    uint32_t last = plan->values[value].last_use;
    size_t floats = plan->values[value].rows * value_stride(&graph->values[value]), later = 0;
    if (last < graph->n_steps && graph->steps[last].kind->recalls)
        later = most_floats(graph, plan, graph->steps[last].output);
    return floats > later ? floats : later;
}

/* Samples go through the wide steps one after the other.  What is needed behind them must not meet
 * anything that a later sample makes, and what comes from before them must last for all samples;
 * with memory, they only begin behind the last recall step. */
static bool outlasts(const struct graph *graph, const struct plan *plan, uint32_t value)
{
    uint32_t producer = graph->values[value].producer;
    return producer < plan->wide && last_use(graph, plan, value) >= plan->wide;
}

static bool precedes(const struct graph *graph, const struct plan *plan, uint32_t value)
{
    uint32_t last = plan->values[value].last_use;
    return value == graph->input || (last < graph->n_steps && graph->steps[last].kind->recalls);
}

/* Blocks of the values that have rows; their floats are whole cache lines.  Births all differ:
 * first come the values that outlast the wide steps, then the input, then one with each step. */
static size_t list_blocks(const struct graph *graph, const struct plan *plan, struct block *blocks)
{
    size_t n = 0;
    uint32_t early = 0, next = 0;
    for (uint32_t v = 0; v < graph->n_values; v++)
        early += outlasts(graph, plan, v);
    for (uint32_t v = 0; v < graph->n_values; v++) {
        const struct value_plan *p = &plan->values[v];
        if (!p->rows || is_recalled(graph, v))
            continue;
        size_t floats = most_floats(graph, plan, v);
        uint32_t birth = v == graph->input ? early : graph->values[v].producer + 1 + early;
        uint32_t death = last_use(graph, plan, v) + 1 + early;
        if (precedes(graph, plan, v) && death < plan->wide + early)
            death = plan->wide + early;
        if (outlasts(graph, plan, v))
            birth = next++;
        blocks[n++] = (struct block){
            .floats = (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS,
            .birth = birth,
            .death = death > birth ? death : birth,
            .value = v,
        };
    }
    return n;
}

static bool arena_create(struct arena *arena, size_t births, size_t values)
{
    arena->leaves = 1;
    while (arena->leaves < births)
        arena->leaves *= 2;
    arena->latest = array_zalloc(2 * arena->leaves, sizeof *arena->latest);
    arena->born = array_alloc(births, sizeof *arena->born);
    arena->placed = array_alloc(values, sizeof *arena->placed);
    arena->met = array_alloc(values / FEW + 1, sizeof *arena->met);
    return arena->latest && arena->born && arena->placed && arena->met;
}

enum lm_status arena_plan(const struct graph *graph, struct plan *plan, struct lm_error *error)
{
    struct arena arena = {0};
    struct block *blocks = array_alloc(graph->n_values, sizeof *blocks);
    bool made = arena_create(&arena, graph->n_steps + graph->n_values + 1, graph->n_values);
    if (blocks && made) {
        size_t n = list_blocks(graph, plan, blocks);
        qsort(blocks, n, sizeof *blocks, by_size);
        for (size_t i = 0; i < n; i++) {
            place(&arena, &blocks[i]);
            plan->values[blocks[i].value].offset = blocks[i].offset;
            size_t end = blocks[i].offset + blocks[i].floats;
            plan->arena = plan->arena > end ? plan->arena : end;
        }
    }
    for (uint32_t i = 0; i < graph->n_steps; i++)
        if (graph->steps[i].kind->recalls)
            plan->values[graph->steps[i].output].offset =
                plan->values[graph->steps[i].inputs[0]].offset;
    enum lm_status status =
        blocks && made ? LM_OK : lm_fail(error, LM_NOMEM, "out of memory for the plan");
    free(blocks);
    free(arena.latest);
    free(arena.born);
    free(arena.placed);
    free(arena.met);
    return status;
}
