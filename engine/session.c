/* Sessions: all memory of a run, taken once; and the run itself, which cannot fail. */
#include "layermask/session.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "graph/memo.h"
#include "graph/run.h"
#include "model_room.h"
#include "ops/ops.h"
#include "session_profile.h"

enum { MAX_BATCH = 256, MAX_THREADS = 256 };

struct lm_session {
    const struct lm_model *model;
    uint32_t max_batch, threads;
    struct run run;
    uint8_t *memory; /* everything that the run's pointers point into */
    size_t bytes;
    struct profile profile;
    struct memo *memo;
    uint64_t picture; /* of the runs to come; 0: any */
};

/* Hands out pieces of one block; with base NULL it only counts. */
struct carver {
    uint8_t *base;
    size_t used;
    bool overflow;
};

static void *carve(struct carver *c, size_t count, size_t size)
{
    size_t bytes, start = c->used;
    if (!size_mul(count, size, &bytes) || !size_add(bytes, LM_ALIGN - 1, &bytes) ||
        !size_add(c->used, bytes / LM_ALIGN * LM_ALIGN, &c->used)) {
        c->overflow = true;
        return NULL;
    }
    return c->base ? c->base + start : NULL;
}

static void carve_value(struct carver *c, const struct lm_model *model, uint32_t v, uint32_t batch,
                        float *arena, struct value_state *state)
{
    const struct value *value = &model->graph.values[v];
    const struct value_plan *plan = &model->plan.values[v];
    size_t sites = (size_t)value_sites(value), all = sites * batch;
    state->rows = arena ? arena + plan->offset * batch : NULL;
    if (!value->spatial || !plan->rows)
        return;
    size_t words = value_words(value) * batch;
    state->visible = carve(c, words, sizeof *state->visible);
    state->demand = carve(c, words, sizeof *state->demand);
    state->own_sites = carve(c, all + SITES_SLACK, sizeof *state->own_sites);
    state->first = carve(c, batch + (size_t)1, sizeof *state->first);
    state->own_map = carve(c, all, sizeof *state->own_map);
    if (!plan->rounds)
        return;
    state->ring = carve(c, words, plan->rounds * sizeof *state->ring);
    state->ring_sites = carve(c, all + SITES_SLACK, sizeof *state->ring_sites);
    state->ring_first = carve(c, (size_t)plan->rounds * batch + 1, sizeof *state->ring_first);
    state->round_limit = carve(c, plan->rounds + (size_t)1, sizeof *state->round_limit);
    if (state->ring)
        memset(state->ring, 0, words * plan->rounds * sizeof *state->ring);
}

static void carve_run(struct carver *c, const struct lm_model *model, uint32_t batch,
                      uint32_t threads, struct run *run)
{
    const struct plan *plan = &model->plan;
    size_t values = model->graph.n_values;
    struct value_state unused, *states = carve(c, values, sizeof *run->states);
    int32_t **maps = carve(c, plan->n_maps, sizeof *run->maps);
    run->map_ready = carve(c, plan->n_maps, sizeof *run->map_ready);
    size_t floats = 0;
    if (!size_mul(plan->arena, batch, &floats))
        c->overflow = true;
    float *arena = carve(c, floats, sizeof *arena);
    run->scratch = carve(c, threads, plan->scratch);
    run->recalls = carve(c, batch, sizeof *run->recalls);
    run->shared = carve(c, batch, plan->shared);
    run->zeros = carve(c, plan->widest + KERNELS_SLACK, sizeof *run->zeros);
    for (size_t i = 0; i < sizeof run->planes / sizeof *run->planes; i++)
        run->planes[i] = carve(c, plan->max_words, sizeof **run->planes);
    run->rounds = carve(c, plan->round_words, sizeof *run->rounds);
    run->known_rows = carve(c, plan->table, sizeof *run->known_rows);
    if (states)
        memset(states, 0, values * sizeof *states);
    for (uint32_t v = 0; v < values; v++)
        carve_value(c, model, v, batch, arena, states ? &states[v] : &unused);
    for (size_t m = 0; m < plan->n_maps; m++) {
        size_t cells = (size_t)plan->maps[m].height * plan->maps[m].width;
        int32_t *map = carve(c, cells * batch, sizeof **run->maps);
        if (maps)
            maps[m] = map;
    }
    run->states = states;
    run->maps = maps;
}

/* Frames of the maps never change: zeros outside, the border's mark inside of them. */
static void fill_frames(struct run *run, uint32_t batch)
{
    for (size_t m = 0; m < run->plan->n_maps; m++) {
        const struct pad_map *map = &run->plan->maps[m];
        const struct value *value = &run->graph->values[map->value];
        size_t cells = (size_t)map->height * map->width;
        for (size_t i = 0; i < cells * batch; i++)
            run->maps[m][i] = MAP_ZERO;
        const struct border *b = &map->border;
        if (!b->top && !b->left && !b->bottom && !b->right)
            continue;
        for (uint32_t s = 0; s < batch; s++)
            for (uint32_t y = map->top - b->top; y < map->top + value->height + b->bottom; y++)
                for (uint32_t x = map->left - b->left; x < map->left + value->width + b->right; x++)
                    run->maps[m][s * cells + (size_t)y * map->width + x] = MAP_BORDER;
    }
}

uint64_t lm_session_bytes(const struct lm_model *model, uint32_t max_batch, uint32_t threads)
{
    struct carver carver = {0};
    struct run run = {0};
    carve_run(&carver, model, max_batch, threads, &run);
    size_t bytes = model->shelves ? memo_bytes(&model->graph, &model->plan, max_batch) : 0;
    return carver.overflow || !size_add(bytes, carver.used, &bytes) ? UINT64_MAX : bytes;
}

static uint64_t most_rows(const struct lm_model *model)
{
    size_t most = 0;
    for (size_t v = 0; v < model->graph.n_values; v++)
        most = model->plan.values[v].rows > most ? model->plan.values[v].rows : most;
    return most;
}

static bool take_memory(struct lm_session *session, const struct lm_model *model, uint32_t batch,
                        uint32_t threads)
{
    struct carver carver = {0};
    carve_run(&carver, model, batch, threads, &session->run);
    carver = (struct carver){.base = aligned_bytes(carver.used)};
    session->memory = carver.base;
    if (!session->memory || !profile_create(model, &session->profile))
        return false;
    carve_run(&carver, model, batch, threads, &session->run);
    return !model->shelves || memo_create(&model->graph, &model->plan, model->shelves, batch,
                                          &session->memo, NULL) == LM_OK;
}

enum lm_status lm_session_create(const struct lm_model *model, uint32_t max_batch, uint32_t threads,
                                 struct lm_session **out, struct lm_error *error)
{
    if (max_batch < 1 || max_batch > MAX_BATCH)
        return lm_fail(error, LM_INVALID, "a micro-batch of %u images (1 to %d)", max_batch,
                       MAX_BATCH);
    if (threads < 1 || threads > MAX_THREADS)
        return lm_fail(error, LM_INVALID, "%u threads (1 to %d)", threads, MAX_THREADS);
    uint64_t rows = most_rows(model) * max_batch;
    if (rows > INT32_MAX)
        return lm_fail(error, LM_LIMIT,
                       "a session for %u images has %llu rows of one value (at most %d)", max_batch,
                       (unsigned long long)rows, INT32_MAX);
    uint64_t bytes = lm_session_bytes(model, max_batch, threads);
    if (bytes > model->graph.limits.max_bytes)
        return lm_fail(error, LM_LIMIT,
                       "a session for %u images needs %llu bytes, above the limit of %llu",
                       max_batch, (unsigned long long)bytes,
                       (unsigned long long)model->graph.limits.max_bytes);
    struct lm_session *session = array_zalloc(1, sizeof *session);
    if (!session || !take_memory(session, model, max_batch, threads)) {
        lm_session_free(session);
        return lm_fail(error, LM_NOMEM, "out of memory for a session of %llu bytes",
                       (unsigned long long)bytes);
    }
    session->model = model;
    session->max_batch = max_batch;
    session->threads = threads;
    session->run.graph = &model->graph;
    session->run.plan = &model->plan;
    session->run.kernels = model->kernels;
    memset(session->run.zeros, 0, (model->plan.widest + KERNELS_SLACK) * sizeof(float));
    fill_frames(&session->run, max_batch);
    *out = session;
    return LM_OK;
}

void lm_session_free(struct lm_session *session)
{
    if (!session)
        return;
    free(session->memory);
    profile_free(&session->profile);
    memo_free(session->memo);
    free(session);
}

/* ---- one run */

static enum lm_status check_run(const struct lm_session *session, uint32_t n,
                                const struct lm_mask *const *visible,
                                const struct lm_parallel *pool, struct lm_error *error)
{
    const struct value *input = &session->model->graph.values[session->model->graph.input];
    if (n < 1 || n > session->max_batch)
        return lm_fail(error, LM_INVALID, "%u images (1 to %u in this session)", n,
                       session->max_batch);
    if (pool && pool->threads > session->threads)
        return lm_fail(error, LM_INVALID, "a pool of %u threads (at most %u in this session)",
                       pool->threads, session->threads);
    for (uint32_t i = 0; visible && i < n; i++)
        if (visible[i] &&
            (visible[i]->width != input->width || visible[i]->height != input->height))
            return lm_fail(error, LM_INVALID, "mask %u is %u x %u pixels, the input is %u x %u", i,
                           visible[i]->width, visible[i]->height, input->width, input->height);
    return LM_OK;
}

/* Bits beyond the width are cleared, whatever the caller left there. */
static void read_masks(struct run *run, const struct lm_mask *const *visible)
{
    uint32_t id = run->graph->input;
    const struct value *input = &run->graph->values[id];
    size_t words = bits_words(input->width);
    for (uint32_t s = 0; s < run->n; s++) {
        uint64_t *sites = value_visible(run, id, s);
        sites_fill(input->height, input->width, sites);
        for (uint32_t y = 0; visible && visible[s] && y < input->height; y++)
            sites_and(sites + y * words, visible[s]->bits + y * visible[s]->words, words);
        run->recalls[s] = graph_recalls_of(run->graph, sites);
    }
}

/* Rows of masked sites are zeros: somebody needs them, but they may hold anything. */
static void clear_masked(struct run *run, uint32_t sample)
{
    uint32_t id = run->graph->input;
    const struct value *input = &run->graph->values[id];
    const struct value_state *state = &run->states[id];
    for (uint32_t i = state->first[sample]; i < state->first[sample + 1]; i++)
        if (!sites_has(value_visible(run, id, sample), input->width, state->sites[i]))
            memset(state->rows + (size_t)i * input->channels, 0, input->channels * sizeof(float));
}

/* Only the demanded pixels are read, so that hidden ones may hold anything. */
static void read_input(struct run *run, const float *planes, uint32_t sample)
{
    uint32_t id = run->graph->input;
    const struct value *input = &run->graph->values[id];
    const struct value_state *state = &run->states[id];
    const uint64_t *demand = value_demand(run, id, sample);
    size_t words = bits_words(input->width), width = input->width;
    float *row = state->rows + (size_t)state->first[sample] * input->channels;
    for (size_t y = 0; y < input->height; y++, demand += words, planes += width)
        for (size_t x = 0, end; (x = bits_find(demand, x, width, true)) < width; x = end) {
            end = bits_find(demand, x, width, false);
            run->kernels->interleave(row, planes + x, (size_t)value_sites(input), end - x,
                                     input->channels);
            row += (end - x) * input->channels;
        }
    if (run->plan->values[id].masked_rows)
        clear_masked(run, sample);
}

/* Steps first..end-1 for samples from..to-1. */
static void run_steps(struct lm_session *session, size_t first, size_t end, uint32_t from,
                      uint32_t to)
{
    struct run *run = &session->run;
    run->from = from;
    run->to = to;
    for (size_t i = first; i < end; i++) {
        const struct step *step = &run->graph->steps[i];
        struct lm_run_stats before = run->stats;
        uint64_t start_ns = profile_now(&session->profile);
        run->kernel = NULL;
        step->kind->execute(run, step);
        profile_step(&session->profile, run, i, start_ns, &before);
    }
}

/* Wide steps one sample after the other, so that a step finds what the one before it made in the
 * cache; not those before the last recall step, which moves the rows of all samples.  Samples that
 * are shared out among threads stay together: there is more to share. */
static void execute(struct lm_session *session)
{
    struct run *run = &session->run;
    size_t start = run->memo ? memo_identities(run->memo)->steps + 1 : 0;
    size_t wide = run->pool || run->plan->wide < start ? start : run->plan->wide;
    run_steps(session, 0, start, 0, run->n);
    for (uint32_t s = 0; s < run->n && start < wide; s++)
        run_steps(session, start, wide, s, s + 1);
    run_steps(session, wide, run->graph->n_steps, 0, run->n);
}

enum lm_status lm_session_run(struct lm_session *session, uint32_t n, const float *const *inputs,
                              const struct lm_mask *const *visible, float *logits,
                              const struct lm_parallel *pool, struct lm_error *error)
{
    enum lm_status status = check_run(session, n, visible, pool, error);
    if (status != LM_OK)
        return status;
    struct run *run = &session->run;
    struct lm_model_info info;
    lm_model_info(session->model, &info);
    run->n = n;
    run->masks = visible;
    bool remembers = session->memo && memo_run_begins(session->memo, session->picture);
    run->memo = remembers ? session->memo : NULL;
    run->pool = pool;
    run->stats = (struct lm_run_stats){.macs_plain = info.macs * n};
    uint64_t start_ns = profile_now(&session->profile);
    read_masks(run, visible);
    run_plan_masks(run);
    uint64_t planned_ns = profile_now(&session->profile);
    for (uint32_t s = 0; s < n; s++)
        read_input(run, inputs[s], s);
    profile_run(&session->profile, n, planned_ns - start_ns,
                profile_now(&session->profile) - planned_ns);
    execute(session);
    if (remembers)
        memo_run_ends(session->memo);
    memcpy(logits, run->states[run->graph->output].rows, n * (size_t)info.classes * sizeof *logits);
    return LM_OK;
}

void lm_session_turn_to(struct lm_session *session, uint64_t picture)
{
    session->picture = picture;
}

void lm_session_stats(const struct lm_session *session, struct lm_run_stats *out)
{
    *out = session->run.stats;
}

void lm_session_profile(struct lm_session *session, int enable)
{
    profile_reset(&session->profile, session->model->graph.n_steps, enable != 0);
}

void lm_session_profile_read(const struct lm_session *session, struct lm_profile *out,
                             struct lm_step_profile *steps)
{
    profile_read(&session->profile, session->model, out, steps);
}
