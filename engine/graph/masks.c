/* Masks forwards, demand backwards, then the active sites: which rows this run computes.
 *
 * Everything here is per sample and before any arithmetic.  A value's rows are its demanded sites;
 * a Conv's neighbour-padded cells ("ring") become rows behind them, by the round that makes them,
 * so that one comparison with a limit tells whether a Conv with fewer rounds may see a cell.
 */
#include <assert.h>
#include <string.h>

#include "graph/identity.h"
#include "graph/run.h"

static bool is_planned(const struct run *run, uint32_t value)
{
    return run->states[value].demand != NULL;
}

/* Rings stay clear where the last plan left them so. */
static void clear_demand(struct run *run)
{
    for (uint32_t v = 0; v < run->graph->n_values; v++) {
        struct value_state *state = &run->states[v];
        if (!is_planned(run, v))
            continue;
        size_t bytes = value_words(&run->graph->values[v]) * sizeof *state->demand;
        memset(state->demand, 0, bytes * run->n);
        if (state->has_ring)
            memset(state->ring, 0, bytes * run->plan->values[v].rounds * run->planned);
        state->has_ring = state->has_site_map = false;
        state->needed = 0;
    }
}

/* Without a mask all is visible, also behind a window that sees nothing but padding. */
static void propagate_visible(struct run *run, const struct step *step, uint32_t sample)
{
    const struct value *value = &run->graph->values[step->output];
    if (!value->spatial)
        return;
    if (run_is_masked(run, sample))
        step->kind->visible(run, step, sample);
    else
        sites_fill(value->height, value->width, value_visible(run, step->output, sample));
}

/* Where masked sites are zero, nobody has to compute them. */
static void drop_masked(struct run *run, uint32_t value, uint32_t sample)
{
    if (run->graph->values[value].spatial && run->graph->policy.exposed == LM_EXPOSED_ZERO)
        sites_and(value_demand(run, value, sample), value_visible(run, value, sample),
                  value_words(&run->graph->values[value]));
}

/* Backwards from step end - 1 to step first. */
static void demand_of_steps(struct run *run, size_t first, size_t end, uint32_t sample)
{
    for (size_t i = end; i-- > first;) {
        drop_masked(run, run->graph->steps[i].output, sample);
        run->graph->steps[i].kind->demand(run, &run->graph->steps[i], sample);
    }
    if (!first)
        drop_masked(run, run->graph->input, sample);
}

/* Takes a value's demand back, of which nothing but the number of rows was wanted. */
static void count_needed(struct run *run, uint32_t value, uint32_t sample)
{
    struct value_state *state = &run->states[value];
    size_t words = value_words(&run->graph->values[value]);
    if (!is_planned(run, value))
        return;
    uint64_t *demand = value_demand(run, value, sample);
    state->needed += sites_count(demand, words);
    memset(demand, 0, words * sizeof *demand);
    if (state->has_ring)
        memset(value_ring(run, value, sample, 1), 0,
               words * run->plan->values[value].rounds * sizeof *demand);
}

/* What the steps before the last recall step would have to make if nothing were remembered.  They
 * have nothing to do with those behind it but through its output. */
static void count_without_memo(struct run *run, size_t steps, uint32_t sample)
{
    struct memo *memo = run->memo;
    run->memo = NULL;
    demand_of_steps(run, 0, steps + 1, sample);
    run->memo = memo;
    count_needed(run, run->graph->input, sample);
    for (size_t i = 0; i < steps; i++)
        count_needed(run, run->graph->steps[i].output, sample);
}

/* Forwards and backwards for one sample. */
static void propagate(struct run *run, uint32_t sample)
{
    const struct graph *graph = run->graph;
    size_t early = run->memo ? memo_identities(run->memo)->steps : 0; /* the last recall step */
    for (size_t i = 0; i < graph->n_steps; i++)
        propagate_visible(run, &graph->steps[i], sample);
    if (early && run->recalls[sample])
        run_identify(run, sample);
    demand_of_steps(run, early ? early + 1 : 0, graph->n_steps, sample);
    if (!early)
        return;
    count_without_memo(run, early, sample);
    demand_of_steps(run, 0, early + 1, sample);
}

/* Whether the value is made before the last recall step. */
static bool is_early(const struct run *run, uint32_t value)
{
    size_t early = run->memo ? memo_identities(run->memo)->steps : 0;
    uint32_t producer = run->graph->values[value].producer;
    return early && (value == run->graph->input || producer < early);
}

/* ---- lists of rows */

static void count_rows(struct run *run, uint32_t id)
{
    struct value_state *state = &run->states[id];
    size_t words = value_words(&run->graph->values[id]);
    uint32_t n = 0;
    for (uint32_t s = 0; s < run->n; s++) {
        state->first[s] = n;
        n += sites_count(value_demand(run, id, s), words);
    }
    state->first[run->n] = state->n_rows = n;
}

static bool same_demand(const struct run *run, uint32_t a, uint32_t b)
{
    const struct value *x = &run->graph->values[a], *y = &run->graph->values[b];
    const struct value_state *first = &run->states[a], *second = &run->states[b];
    return x->height == y->height && x->width == y->width && first->n_rows == second->n_rows &&
           memcmp(first->demand, second->demand, value_words(x) * run->n * sizeof *first->demand) ==
               0;
}

/* The numbers of rows of the samples tell most demands apart. */
static uint32_t hash_rows(const struct run *run, uint32_t id)
{
    const struct value *value = &run->graph->values[id];
    uint32_t hash = value->height * 65537 + value->width;
    for (uint32_t s = 1; s <= run->n; s++)
        hash = (hash ^ run->states[id].first[s]) * 0x9e3779b1u;
    return hash ^ hash >> 15;
}

/* The first value with the same demand, maybe itself. */
static uint32_t find_same(struct run *run, uint32_t id)
{
    size_t mask = run->plan->table - 1, at = hash_rows(run, id) & mask;
    while (run->known_rows[at] != GRAPH_NO_VALUE && !same_demand(run, run->known_rows[at], id))
        at = (at + 1) & mask;
    if (run->known_rows[at] == GRAPH_NO_VALUE)
        run->known_rows[at] = id;
    return run->known_rows[at];
}

static void list_rows(struct run *run, uint32_t id)
{
    struct value_state *state = &run->states[id];
    const struct value *value = &run->graph->values[id];
    count_rows(run, id);
    if (!is_early(run, id))
        state->needed = state->n_rows;
    state->same_as = find_same(run, id);
    state->sites = run->states[state->same_as].own_sites;
    for (uint32_t s = 0; s < run->n && state->same_as == id; s++)
        sites_list(value->height, value->width, value_demand(run, id, s),
                   state->sites + state->first[s]);
}

/* Rows for the ring cells, by round. */
static void list_ring(struct run *run, uint32_t id)
{
    struct value_state *state = &run->states[id];
    const struct value *value = &run->graph->values[id];
    uint32_t rounds = run->plan->values[id].rounds, n = 0, *first = state->ring_first;
    state->round_limit[0] = state->n_rows;
    for (uint32_t r = 1; r <= rounds; r++) {
        for (uint32_t s = 0; s < run->n && state->has_ring; s++) {
            *first++ = n;
            n += sites_list(value->height, value->width, value_ring(run, id, s, r),
                            state->ring_sites + n);
        }
        state->round_limit[r] = state->n_rows + n;
    }
    *first = n;
    assert(state->n_rows + n <= run->plan->values[id].rows * run->n);
}

static bool is_plain(const struct run *run)
{
    for (uint32_t s = 0; s < run->n; s++)
        if (run_is_masked(run, s))
            return false;
    return true;
}

/* All runs of as many samples without masks have the same plan. */
void run_plan_masks(struct run *run)
{
    const struct graph *graph = run->graph;
    bool plain = is_plain(run);
    if (plain)
        run->memo = NULL; /* nothing to be told apart */
    if (plain && run->plain && run->planned == run->n)
        return;
    clear_demand(run);
    run->plain = plain;
    run->planned = run->n;
    for (uint32_t s = 0; s < run->n; s++)
        propagate(run, s);
    memset(run->known_rows, 0xff, run->plan->table * sizeof *run->known_rows);
    for (uint32_t v = 0; v < graph->n_values; v++)
        if (is_planned(run, v)) {
            list_rows(run, v);
            if (run->states[v].ring)
                list_ring(run, v);
        } else {
            run->states[v].n_rows = run->n;
            run->states[v].needed = run->n;
            run->states[v].same_as = GRAPH_NO_VALUE;
        }
    memset(run->map_ready, 0, run->plan->n_maps * sizeof *run->map_ready);
}

bool run_same_rows(const struct run *run, uint32_t in, uint32_t out)
{
    return in == out || !is_planned(run, in) || run->states[in].same_as == run->states[out].same_as;
}
