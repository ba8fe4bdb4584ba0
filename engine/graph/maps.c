/* Where rows are found: site maps, pad maps, neighbour-padded rows, windows; and blocks of rows.
 *
 * A pad map is the picture in a frame.  The frame never changes; the picture's cells are written
 * anew for each run, eight at a time, from the planes of sites.
 */
#include <string.h>

#include "graph/run.h"

static int32_t *map_corner(const struct run *run, uint32_t index, uint32_t sample)
{
    const struct pad_map *map = &run->plan->maps[index];
    return run->maps[index] + ((size_t)sample * map->height + map->top) * map->width + map->left;
}

/* Ring rows of a round of a sample: from *i to the result. */
static uint32_t ring_rows(const struct run *run, uint32_t value, uint32_t sample, uint32_t round,
                          uint32_t *i)
{
    const uint32_t *first = run->states[value].ring_first + (size_t)(round - 1) * run->n + sample;
    *i = first[0];
    return first[1];
}

static void map_ring(struct run *run, uint32_t index)
{
    const struct pad_map *map = &run->plan->maps[index];
    const struct value_state *state = &run->states[map->value];
    for (uint32_t r = 1; r <= run->plan->values[map->value].rounds; r++)
        for (uint32_t s = 0; s < run->n; s++) {
            int32_t *corner = map_corner(run, index, s);
            uint32_t i, end = ring_rows(run, map->value, s, r, &i);
            for (; i < end; i++)
                corner[(size_t)site_y(state->ring_sites[i]) * map->width +
                       site_x(state->ring_sites[i])] = (int32_t)(state->n_rows + i);
        }
}

void run_pad_map(struct run *run, uint32_t index)
{
    const struct pad_map *map = &run->plan->maps[index];
    const struct value *value = &run->graph->values[map->value];
    const struct value_state *state = &run->states[map->value];
    size_t words = value_words(value);
    if (run->map_ready[index])
        return;
    run->map_ready[index] = true;
    for (uint32_t s = 0; s < run->n; s++) {
        const uint64_t *demand = value_demand(run, map->value, s), *shown = demand;
        if (run->plan->values[map->value].masked_rows) {
            memcpy(run->planes[0], demand, words * sizeof *demand);
            sites_and(run->planes[0], value_visible(run, map->value, s), words);
            shown = run->planes[0];
        }
        sites_number(run->kernels, value->height, value->width, demand, shown,
                     (int32_t)state->first[s], map_corner(run, index, s), map->width);
    }
    if (state->has_ring)
        map_ring(run, index);
}

/* One ring row: which rows its known neighbours are. */
static uint8_t known_neighbours(const int32_t *cell, int64_t width, uint32_t limit, int32_t *index)
{
    const int64_t steps[8] = {-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1};
    uint32_t n = 0;
    for (uint32_t k = 0; k < 8; k++) {
        index[n] = cell[steps[k]];
        n += (uint32_t)index[n] < limit;
    }
    return (uint8_t)n;
}

/* Rows first.. of a value from their neighbours. */
static void neighbour_mean(const struct run *run, uint32_t id, uint32_t first, uint32_t n,
                           const int32_t *index, const uint8_t *count)
{
    const struct value *value = &run->graph->values[id];
    float *rows = run->states[id].rows, *target = rows + first * value_stride(value);
    if (value->rounded)
        run->kernels->bf16_neighbour_mean((uint16_t *)target, (const uint16_t *)rows,
                                          2 * value_stride(value), index, count, n, value->channels,
                                          1e-5f);
    else
        run->kernels->neighbour_mean(target, rows, index, count, n, value->channels, 1e-5f);
}

/* Ring rows i..end-1 of one round and sample. */
static void pad_rows(struct run *run, uint32_t id, uint32_t map, uint32_t sample, uint32_t known,
                     uint32_t i, uint32_t end)
{
    enum { CHUNK = 64 };
    const struct value_state *state = &run->states[id];
    size_t width = run->plan->maps[map].width;
    const int32_t *corner = map_corner(run, map, sample);
    int32_t index[8 * CHUNK];
    uint8_t count[CHUNK];
    while (i < end) {
        uint32_t n = end - i < CHUNK ? end - i : CHUNK;
        for (uint32_t j = 0; j < n; j++) {
            uint32_t site = state->ring_sites[i + j];
            count[j] = known_neighbours(corner + site_y(site) * width + site_x(site),
                                        (int64_t)width, known, index + 8 * j);
        }
        neighbour_mean(run, id, state->n_rows + i, n, index, count);
        i += n;
    }
}

void run_neighbour_pad(struct run *run, uint32_t id)
{
    const struct value_state *state = &run->states[id];
    if (!state->has_ring)
        return;
    uint32_t map = 0, i;
    while (run->plan->maps[map].value != id)
        map++;
    run_pad_map(run, map);
    for (uint32_t r = 1; r <= run->plan->values[id].rounds; r++)
        for (uint32_t s = run->from; s < run->to; s++) {
            uint32_t end = ring_rows(run, id, s, r, &i);
            pad_rows(run, id, map, s, state->round_limit[r - 1], i, end);
        }
}

const int32_t *run_site_map(struct run *run, uint32_t id)
{
    struct value_state *state = &run->states[id], *owner = &run->states[state->same_as];
    const struct value *value = &run->graph->values[id];
    size_t sites = (size_t)value_sites(value);
    for (uint32_t s = 0; s < run->n && !owner->has_site_map; s++) {
        const uint64_t *demand = value_demand(run, id, s);
        sites_number(run->kernels, value->height, value->width, demand, demand,
                     (int32_t)state->first[s], owner->own_map + s * sites, value->width);
    }
    owner->has_site_map = true;
    state->site_map = owner->own_map;
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

uint32_t run_row_blocks(const struct run *run, uint32_t value, uint32_t most)
{
    uint32_t rows = run_first_row(run, value, run->to) - run_first_row(run, value, run->from);
    return (rows + most - 1) / most;
}

uint32_t run_block_rows(const struct run *run, uint32_t value, uint32_t most, uint32_t block,
                        uint32_t *first)
{
    *first = run_first_row(run, value, run->from) + block * most;
    uint32_t left = run_first_row(run, value, run->to) - *first;
    return left < most ? left : most;
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
    bool square = window->kernel_height == window->kernel_width && window->dilation_x == 1;
    *out = (struct windows){
        .zeros = run->zeros,
        .kernel = square ? window->kernel_width : 0,
        .step = window->stride_x,
        .source = source->rows,
        .source_stride = value_stride(&run->graph->values[in]),
        .map = run->maps[window->map],
        .origin = origin,
        .offset = offset,
        .taps = window_taps(window),
        .limit = (int32_t)(source->ring ? source->round_limit[rounds] : source->n_rows)};
}
