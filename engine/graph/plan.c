/* The static plan: which values need maps, rings and rows of masked sites, and how long each value
 * lives. */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "graph/arena.h"

enum {
    MAX_ROUNDS = 250,
    MAX_CELLS = 2 * GRAPH_MAX_SITES, /* of a map */
};

static bool alive(const struct graph *graph, uint32_t v)
{
    uint32_t producer = graph->values[v].producer;
    return v == graph->input || (producer < graph->n_steps && graph->steps[producer].output == v);
}

static void grow_frame(struct pad_map *map, const struct window *w, const struct value *value)
{
    uint32_t top = w->pad_top + w->border.top, left = w->pad_left + w->border.left;
    uint32_t below = (w->out_height - 1) * w->stride_y + (w->kernel_height - 1) * w->dilation_y + 1;
    uint32_t right = (w->out_width - 1) * w->stride_x + (w->kernel_width - 1) * w->dilation_x + 1;
    below = below > top + value->height ? below - top - value->height : 0;
    right = right > left + value->width ? right - left - value->width : 0;
    below = below > w->border.bottom ? below : w->border.bottom;
    right = right > w->border.right ? right : w->border.right;
    uint32_t old_below = map->height - map->top - value->height;
    uint32_t old_right = map->width - map->left - value->width;
    map->top = map->top > top ? map->top : top;
    map->left = map->left > left ? map->left : left;
    map->height = map->top + value->height + (old_below > below ? old_below : below);
    map->width = map->left + value->width + (old_right > right ? old_right : right);
}

static bool same_border(const struct border *a, const struct border *b)
{
    return a->top == b->top && a->left == b->left && a->bottom == b->bottom && a->right == b->right;
}

/* Finds or makes the map of a step's window; a frame of one cell lets neighbours be read freely. */
static enum lm_status add_map(struct plan *plan, const struct graph *graph, const struct step *step,
                              struct window *window, struct lm_error *error)
{
    uint32_t id = step->inputs[0];
    const struct value *value = &graph->values[id];
    char name[ONNX_QUOTE];
    uint32_t *newest = &plan->values[id].newest_map, found = *newest;
    while (found && !same_border(&plan->maps[found - 1].border, &window->border))
        found = plan->maps[found - 1].older;
    size_t m = found ? found - 1 : plan->n_maps;
    if (!found) {
        struct pad_map *maps = realloc(plan->maps, (m + 1) * sizeof *maps);
        if (!maps)
            return lm_fail(error, LM_NOMEM, "out of memory for the plan");
        plan->maps = maps;
        maps[plan->n_maps++] = (struct pad_map){.value = id,
                                                .border = window->border,
                                                .top = 1,
                                                .left = 1,
                                                .height = value->height + 2,
                                                .width = value->width + 2,
                                                .older = *newest};
        *newest = (uint32_t)plan->n_maps;
    }
    grow_frame(&plan->maps[m], window, value);
    window->map = (uint32_t)m;
    if ((uint64_t)plan->maps[m].height * plan->maps[m].width > MAX_CELLS)
        return lm_fail(error, LM_LIMIT, "%s: a window over %ux%u padded cells (at most %d)",
                       onnx_quote(step->name, name), plan->maps[m].height, plan->maps[m].width,
                       MAX_CELLS);
    return LM_OK;
}

static enum lm_status plan_windows(struct graph *graph, struct plan *plan, struct lm_error *error)
{
    char name[ONNX_QUOTE];
    for (size_t i = 0; i < graph->n_steps; i++) {
        struct step *step = &graph->steps[i];
        struct window *window = step->kind->window ? step->kind->window(step) : NULL;
        uint32_t in = step->inputs[0];
        if (!window || !graph->values[in].spatial)
            continue;
        enum lm_status status = add_map(plan, graph, step, window, error);
        if (status != LM_OK)
            return status;
        uint32_t rounds = step->kind->rounds ? step->kind->rounds(step) : 0;
        if (rounds > MAX_ROUNDS)
            return lm_fail(error, LM_UNSUPPORTED, "%s: a kernel %u wide (at most %d)",
                           onnx_quote(step->name, name), rounds, MAX_ROUNDS);
        if (rounds > plan->values[in].rounds)
            plan->values[in].rounds = rounds;
        size_t words = value_words(&graph->values[in]) * plan->values[in].rounds;
        plan->round_words = plan->round_words > words ? plan->round_words : words;
    }
    return LM_OK;
}

void plan_masked_rows(const struct graph *graph, struct value_plan *values)
{
    for (size_t i = graph->n_steps; i-- > 0;) {
        const struct step *step = &graph->steps[i];
        bool masked = values[step->output].masked_rows;
        for (uint32_t k = 0; k < step->n_inputs; k++)
            if (graph->values[step->inputs[k]].spatial && step->kind->reads_masked &&
                graph->policy.exposed == LM_EXPOSED_COMPUTED)
                values[step->inputs[k]].masked_rows |=
                    step->kind->reads_masked(graph, step, k, masked);
    }
}

/* Whether each row of the step's output is made of the input's row at the same site alone. */
static bool keeps_identity(const struct plan *plan, struct step *step)
{
    const struct window *w = step->kind->window ? step->kind->window(step) : NULL;
    if (!w || step->n_inputs > 1)
        return step->n_inputs == 1;
    return window_taps(w) == 1 && w->stride_y == 1 && w->stride_x == 1 &&
           w->in_height == w->out_height && w->in_width == w->out_width && !w->pad_top &&
           !w->pad_left && !w->border.top && !w->border.left &&
           !plan->values[step->output].masked_rows;
}

/* Values before the last recall step that depend on nothing else than cells near by. */
static void plan_identities(const struct graph *graph, struct plan *plan)
{
    size_t last = 0;
    for (size_t i = 0; i < graph->n_steps; i++)
        last = graph->steps[i].kind->recalls ? i : last;
    for (uint32_t v = 0; v < graph->n_values; v++)
        plan->values[v].identity = GRAPH_NO_VALUE;
    plan->values[graph->input].identity = last ? graph->input : GRAPH_NO_VALUE;
    for (size_t i = 0; i <= last && last; i++) {
        struct step *step = &graph->steps[i];
        bool known = step->kind->identify != NULL;
        for (uint32_t k = 0; k < step->n_inputs; k++)
            known &= plan->values[step->inputs[k]].identity != GRAPH_NO_VALUE;
        if (known)
            plan->values[step->output].identity =
                keeps_identity(plan, step) ? plan->values[step->inputs[0]].identity : step->output;
    }
}

static void plan_ranges(const struct graph *graph, struct plan *plan)
{
    for (uint32_t v = 0; v < graph->n_values; v++) {
        const struct value *value = &graph->values[v];
        struct value_plan *p = &plan->values[v];
        p->last_use = v == graph->output ? (uint32_t)graph->n_steps : 0;
        if (!alive(graph, v))
            continue;
        size_t sites = (size_t)value_sites(value);
        plan->widest = plan->widest > value->channels ? plan->widest : value->channels;
        p->rows = sites * (p->masked_rows && p->rounds ? 2 : 1);
        size_t words = value->spatial ? value_words(value) : 0;
        plan->max_words = plan->max_words > words ? plan->max_words : words;
    }
    for (size_t i = 0; i < graph->n_steps; i++)
        for (uint32_t k = 0; k < graph->steps[i].n_inputs; k++) {
            uint32_t *last = &plan->values[graph->steps[i].inputs[k]].last_use;
            *last = *last > i ? *last : (uint32_t)i;
        }
}

/* Rows that do not stay in the cache from one step to the next if those of all samples are made
 * first, and are so many that a sample's alone keep a product busy. */
static bool is_wide(const struct value *value)
{
    enum { WIDE_SITES = 400, WIDE_FLOATS = 1 << 18 };
    size_t sites = (size_t)value_sites(value);
    return sites >= WIDE_SITES && sites * value->channels >= WIDE_FLOATS;
}

/* The first steps, to the last that reads or makes a wide value. */
static uint32_t plan_wide(const struct graph *graph)
{
    uint32_t wide = 0;
    for (uint32_t i = 0; i < graph->n_steps && graph->steps[i].kind->by_sample; i++) {
        const struct step *step = &graph->steps[i];
        bool is = is_wide(&graph->values[step->output]);
        for (uint32_t k = 0; k < step->n_inputs; k++)
            is |= is_wide(&graph->values[step->inputs[k]]);
        wide = is ? i + 1 : wide;
    }
    return wide;
}

enum lm_status plan_make(struct graph *graph, struct plan *plan, struct lm_error *error)
{
    plan->values = array_zalloc(graph->n_values, sizeof *plan->values);
    if (!plan->values)
        return lm_fail(error, LM_NOMEM, "out of memory for the plan");
    enum lm_status status = plan_windows(graph, plan, error);
    if (status != LM_OK)
        return status;
    plan_masked_rows(graph, plan->values);
    plan_identities(graph, plan);
    plan_ranges(graph, plan);
    plan->wide = plan_wide(graph);
    for (size_t i = 0; i < graph->n_steps; i++) {
        const struct step *step = &graph->steps[i];
        size_t scratch = step->kind->scratch ? step->kind->scratch(graph, step) : 0;
        size_t shared = step->kind->shared ? step->kind->shared(graph, step) : 0;
        plan->scratch = plan->scratch > scratch ? plan->scratch : scratch;
        plan->shared = plan->shared > shared ? plan->shared : shared;
    }
    plan->table = 1;
    while (plan->table < 2 * graph->n_values)
        plan->table *= 2;
    plan->scratch = (plan->scratch + LM_ALIGN - 1) / LM_ALIGN * LM_ALIGN;
    return arena_plan(graph, plan, error);
}

void plan_free(struct plan *plan)
{
    free(plan->maps);
    free(plan->values);
    *plan = (struct plan){0};
}
