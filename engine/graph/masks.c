/* Masks forwards, demand backwards, then the active sites: which rows this run computes.
 *
 * Everything here is per sample and before any arithmetic.  A value's rows are its demanded sites;
 * a Conv's neighbour-padded cells ("ring") become rows behind them, by the round that makes them,
 * so that one comparison with a limit tells whether a Conv with fewer rounds may see a cell.
 */
#include <assert.h>
#include <string.h>

#include "graph/run.h"
#include "graph/sites.h"

static size_t sites_of(const struct run *run, uint32_t value)
{
    return (size_t)value_sites(&run->graph->values[value]);
}

static void clear_demand(struct run *run)
{
    for (size_t v = 0; v < run->graph->n_values; v++) {
        struct value_state *state = &run->states[v];
        if (!state->demand)
            continue;
        size_t bytes = sites_of(run, (uint32_t)v) * run->n;
        memset(state->demand, 0, bytes);
        if (state->ring)
            memset(state->ring, 0, bytes);
        state->has_site_map = false;
    }
}

/* Without a mask all is visible, also behind a window that sees nothing but padding. */
static void propagate_visible(struct run *run, const struct step *step, uint32_t sample)
{
    if (!run->graph->values[step->output].spatial)
        return;
    if (run->masks && run->masks[sample])
        step->kind->visible(run, step, sample);
    else
        memset(value_visible(run, step->output, sample), 1, sites_of(run, step->output));
}

static void propagate(struct run *run)
{
    const struct graph *graph = run->graph;
    for (size_t i = 0; i < graph->n_steps; i++)
        for (uint32_t s = 0; s < run->n; s++)
            propagate_visible(run, &graph->steps[i], s);
    for (size_t i = graph->n_steps; i-- > 0;)
        for (uint32_t s = 0; s < run->n; s++) {
            const struct step *step = &graph->steps[i];
            if (graph->values[step->output].spatial && graph->policy.exposed == LM_EXPOSED_ZERO)
                sites_and(value_demand(run, step->output, s), value_visible(run, step->output, s),
                          sites_of(run, step->output));
            step->kind->demand(run, step, s);
        }
    /* No step makes the input, but the same holds for it: zero where masked, so no row. */
    if (graph->policy.exposed == LM_EXPOSED_ZERO)
        for (uint32_t s = 0; s < run->n; s++)
            sites_and(value_demand(run, graph->input, s), value_visible(run, graph->input, s),
                      sites_of(run, graph->input));
}

/* Appends the sites of one sample; returns the number of rows so far. */
static uint32_t list_sites(const struct value *value, const uint8_t *demand, uint32_t *sites,
                           uint32_t n)
{
    for (uint32_t y = 0; y < value->height; y++, demand += value->width)
        for (uint32_t x = 0; x < value->width; x++) {
            sites[n] = site_pack(y, x);
            n += demand[x];
        }
    return n;
}

static void list_rows(struct run *run, uint32_t id)
{
    struct value_state *state = &run->states[id];
    uint32_t n = 0;
    for (uint32_t s = 0; s < run->n; s++) {
        state->first[s] = n;
        n = list_sites(&run->graph->values[id], value_demand(run, id, s), state->sites, n);
    }
    state->first[run->n] = state->n_rows = n;
}

/* Rows for the ring cells, sorted by round (counting sort; positions keep their order). */
static void list_ring(struct run *run, uint32_t id)
{
    struct value_state *state = &run->states[id];
    uint32_t rounds = run->plan->values[id].rounds;
    size_t cells = sites_of(run, id) * run->n;
    uint32_t *limit = state->round_limit;
    for (uint32_t r = 0; r <= rounds; r++)
        limit[r] = 0;
    bool any = false;
    for (size_t p = 0; p < cells && !any; p += 4096) {
        size_t end = p + 4096 < cells ? p + 4096 : cells;
        uint8_t seen = 0;
        for (size_t i = p; i < end; i++)
            seen |= state->ring[i];
        any = seen != 0;
    }
    if (any)
        for (size_t p = 0; p < cells; p++)
            limit[state->ring[p]]++;
    limit[0] = state->n_rows;
    for (uint32_t r = 1; r <= rounds; r++)
        limit[r] += limit[r - 1];
    assert(limit[rounds] <= run->plan->values[id].rows * run->n);
    if (!any)
        return;
    uint32_t next[256];
    for (uint32_t r = 1; r <= rounds; r++)
        next[r] = limit[r - 1] - state->n_rows;
    for (size_t p = 0; p < cells; p++)
        if (state->ring[p])
            state->ring_sites[next[state->ring[p]]++] = (uint32_t)p;
}

/* The picture's part of a pad map: rows of visible demanded sites and of ring cells. */
void run_pad_map(struct run *run, uint32_t index)
{
    if (run->map_ready[index])
        return;
    run->map_ready[index] = true;
    const struct pad_map *map = &run->plan->maps[index];
    const struct value *value = &run->graph->values[map->value];
    const struct value_state *state = &run->states[map->value];
    size_t cells = (size_t)map->height * map->width;
    for (uint32_t s = 0; s < run->n; s++) {
        int32_t *corner = run->maps[index] + s * cells + (size_t)map->top * map->width + map->left;
        for (uint32_t y = 0; y < value->height; y++)
            for (uint32_t x = 0; x < value->width; x++)
                corner[(size_t)y * map->width + x] = MAP_ZERO;
        const uint8_t *visible = value_visible(run, map->value, s);
        for (uint32_t i = state->first[s]; i < state->first[s + 1]; i++) {
            uint32_t y = site_y(state->sites[i]), x = site_x(state->sites[i]);
            if (visible[(size_t)y * value->width + x])
                corner[(size_t)y * map->width + x] = (int32_t)i;
        }
    }
    if (!state->ring)
        return;
    uint32_t rounds = run->plan->values[map->value].rounds;
    size_t sites = sites_of(run, map->value);
    for (uint32_t i = state->n_rows; i < state->round_limit[rounds]; i++) {
        uint32_t p = state->ring_sites[i - state->n_rows];
        size_t s = p / sites, position = p % sites;
        size_t y = position / value->width, x = position % value->width;
        run->maps[index][s * cells + (y + map->top) * map->width + map->left + x] = (int32_t)i;
    }
}

void run_plan_masks(struct run *run)
{
    const struct graph *graph = run->graph;
    clear_demand(run);
    propagate(run);
    for (uint32_t v = 0; v < graph->n_values; v++)
        if (run->states[v].demand) {
            list_rows(run, v);
            if (run->states[v].ring)
                list_ring(run, v);
        } else {
            run->states[v].n_rows = run->n;
        }
    memset(run->map_ready, 0, run->plan->n_maps * sizeof *run->map_ready);
}

/* One ring row: which rows its known neighbours are. */
static uint8_t known_neighbours(const int32_t *cell, int64_t width, int32_t limit, int32_t *index)
{
    uint8_t n = 0;
    for (int64_t y = -1; y <= 1; y++)
        for (int64_t x = -1; x <= 1; x++) {
            int32_t row = cell[y * width + x];
            if ((x || y) && row >= 0 && row < limit)
                index[n++] = row;
        }
    return n;
}

void run_neighbour_pad(struct run *run, uint32_t id)
{
    enum { CHUNK = 64 };
    struct value_state *state = &run->states[id];
    const struct value *value = &run->graph->values[id];
    uint32_t rounds = run->plan->values[id].rounds;
    if (!state->ring || state->round_limit[rounds] == state->n_rows)
        return;
    uint32_t m = 0;
    while (run->plan->maps[m].value != id)
        m++;
    run_pad_map(run, m);
    const struct pad_map *map = &run->plan->maps[m];
    size_t cells = (size_t)map->height * map->width, sites = sites_of(run, id);
    int32_t index[8 * CHUNK];
    uint8_t count[CHUNK];
    for (uint32_t r = 1; r <= rounds; r++)
        for (uint32_t i = state->round_limit[r - 1]; i < state->round_limit[r]; i += CHUNK) {
            uint32_t n = state->round_limit[r] - i < CHUNK ? state->round_limit[r] - i : CHUNK;
            for (uint32_t j = 0; j < n; j++) {
                uint32_t p = state->ring_sites[i + j - state->n_rows];
                size_t s = p / sites, y = p % sites / value->width, x = p % sites % value->width;
                count[j] = known_neighbours(
                    run->maps[m] + s * cells + (y + map->top) * map->width + map->left + x,
                    map->width, (int32_t)state->round_limit[r - 1], index + 8 * j);
            }
            run->kernels->neighbour_mean(state->rows + (size_t)i * value->channels, state->rows,
                                         index, count, n, value->channels, 1e-5f);
        }
}

bool run_same_rows(struct run *run, uint32_t in, uint32_t out)
{
    if (in == out || !run->states[in].demand)
        return true;
    return run->states[in].n_rows == run->states[out].n_rows &&
           memcmp(run->states[in].demand, run->states[out].demand, sites_of(run, in) * run->n) == 0;
}

const int32_t *run_site_map(struct run *run, uint32_t id)
{
    struct value_state *state = &run->states[id];
    if (state->has_site_map)
        return state->site_map;
    const struct value *value = &run->graph->values[id];
    size_t sites = sites_of(run, id);
    memset(state->site_map, 0xff, sites * run->n * sizeof *state->site_map);
    for (uint32_t s = 0; s < run->n; s++)
        for (uint32_t i = state->first[s]; i < state->first[s + 1]; i++)
            state->site_map[s * sites + (size_t)site_y(state->sites[i]) * value->width +
                            site_x(state->sites[i])] = (int32_t)i;
    state->has_site_map = true;
    return state->site_map;
}

uint32_t run_sample_of(const struct run *run, uint32_t value, uint32_t row)
{
    if (!run->states[value].demand)
        return row;
    uint32_t s = 0;
    while (row >= run->states[value].first[s + 1])
        s++;
    return s;
}

static void run_task_in_pool(void *argument, uint32_t index, uint32_t thread)
{
    struct run_task *task = argument;
    task->task(task->run, task->step, index,
               task->run->scratch + thread * task->run->plan->scratch);
}

void run_blocks(struct run_task *task, uint32_t count)
{
    const struct lm_parallel *pool = task->run->pool;
    if (pool && count > 1)
        pool->run(pool->context, count, run_task_in_pool, task);
    else
        for (uint32_t i = 0; i < count; i++)
            run_task_in_pool(task, i, 0);
}

void run_windows(const struct run *run, const struct step *step, const struct window *window,
                 uint32_t first, uint32_t count, uint32_t rounds, int64_t *origin, int32_t *offset,
                 struct windows *out)
{
    uint32_t in = step->inputs[0];
    const struct value_state *source = &run->states[in], *target = &run->states[step->output];
    const struct pad_map *map = &run->plan->maps[window->map];
    int64_t width = map->width, cells = (int64_t)map->height * map->width;
    int64_t top = (int64_t)map->top - window->pad_top - window->border.top;
    int64_t left = (int64_t)map->left - window->pad_left - window->border.left;
    uint32_t s = run_sample_of(run, step->output, first);
    for (uint32_t i = 0; i < count; i++) {
        while (first + i >= target->first[s + 1])
            s++;
        uint32_t site = target->sites[first + i];
        origin[i] = s * cells + ((int64_t)site_y(site) * window->stride_y + top) * width +
                    (int64_t)site_x(site) * window->stride_x + left;
    }
    for (uint32_t y = 0; y < window->kernel_height; y++)
        for (uint32_t x = 0; x < window->kernel_width; x++)
            offset[y * window->kernel_width + x] =
                (int32_t)(y * window->dilation_y * width + x * window->dilation_x);
    if (rounds > run->plan->values[in].rounds)
        rounds = run->plan->values[in].rounds;
    *out = (struct windows){
        .source = source->rows,
        .source_stride = run->graph->values[in].channels,
        .map = run->maps[window->map],
        .origin = origin,
        .offset = offset,
        .taps = window_taps(window),
        .limit = (int32_t)(source->ring ? source->round_limit[rounds] : source->n_rows)};
}
