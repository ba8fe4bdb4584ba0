/* Convolutions: masks and demand.
 *
 * Layer masking (Balasubramanian and Feizi, ICCV 2023): windows see visible cells and, for the ring
 * around them, neighbour-padded ones; as many rounds as the kernel is wide.  Apart from conv.c,
 * which computes: nothing here touches a number.
 */
#include <string.h>

#include "graph/identity.h"
#include "graph/sites.h"
#include "ops/conv_parts.h"

/* The mask of joined inputs, where that is not all of theirs together. */
static bool votes(const struct graph *graph, const struct step *step)
{
    const struct prologue *before = step->conv.before;
    return before && concat_votes(graph, &before->joined);
}

static void joined_visible(struct run *run, const struct step *step, uint32_t sample)
{
    const struct channels *joined = &step->conv.before->joined;
    uint64_t *out = value_visible(run, step->output, sample);
    concat_visible(run, step, joined, sample);
    for (uint32_t i = 0; i < step->n_inputs; i++)
        if (!joined->weight[i] && run->graph->values[step->inputs[i]].spatial)
            sites_and(out, value_visible(run, step->inputs[i], sample),
                      value_words(&run->graph->values[step->output]));
}

void conv_visible(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    if (votes(run->graph, step)) {
        joined_visible(run, step, sample);
        return;
    }
    uint64_t *out = value_visible(run, step->output, sample);
    if (step->conv.pointwise)
        memcpy(out, value_visible(run, in, sample),
               value_words(&run->graph->values[step->output]) * sizeof *out);
    else
        sites_any(conv_outer_window(&step->conv), value_visible(run, in, sample), out);
    visible_intersection(run, step, 1, sample);
}

/* Which cells each round of neighbour padding would make, from the visible ones: run->rounds.
 * Takes those that are missing (all in run->planes[0]) into the ring; returns how many rounds that
 * took. */
static uint32_t reach_missing(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0], rounds = conv_outer_window(&step->conv)->kernel_width, r = 0;
    const struct value *value = &run->graph->values[in];
    size_t n = value_words(value);
    uint64_t *missing = run->planes[0], *reached = run->planes[1], *fresh = run->rounds;
    memcpy(reached, value_visible(run, in, sample), n * sizeof *reached);
    for (; r < rounds && sites_any_set(missing, n); r++, fresh += n) {
        sites_grow(value->height, value->width, reached, fresh);
        sites_without(fresh, reached, n);
        if (!sites_any_set(fresh, n))
            break;
        sites_or_and(value_ring(run, in, sample, r + 1), fresh, missing, n);
        sites_without(missing, fresh, n);
        sites_or(reached, fresh, n);
    }
    return r;
}

/* Notes the ring cells among the missing and the cells that they are computed from. */
static void demand_ring(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    const struct value *value = &run->graph->values[in];
    size_t n = value_words(value);
    uint64_t *grown = run->planes[1];
    for (uint32_t r = reach_missing(run, step, sample); r >= 1; r--) {
        run->states[in].has_ring = true;
        sites_grow(value->height, value->width, value_ring(run, in, sample, r), grown);
        if (r == 1)
            sites_or_and(value_demand(run, in, sample), grown, value_visible(run, in, sample), n);
        else
            sites_or_and(value_ring(run, in, sample, r - 1), grown, run->rounds + (r - 2) * n, n);
    }
}

void conv_demand(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    demand_same_sites(run, step, step->conv.pointwise ? 0 : 1, sample);
    if (step->conv.pointwise || !run->graph->values[step->output].spatial)
        return;
    size_t n = value_words(&run->graph->values[in]);
    uint64_t *cover = run->planes[0];
    const uint64_t *visible = value_visible(run, in, sample);
    memset(cover, 0, n * sizeof *cover);
    sites_cover(conv_outer_window(&step->conv), value_demand(run, step->output, sample), cover);
    sites_or_and(value_demand(run, in, sample), cover, visible, n);
    sites_without(cover, visible, n);
    if (sites_any_set(cover, n))
        demand_ring(run, step, sample);
}

bool conv_reads_masked(const struct graph *graph, const struct step *step, uint32_t input,
                       bool masked)
{
    if (votes(graph, step) && step->conv.before->joined.weight[input])
        return true;
    return masked && (input > 0 || step->conv.pointwise);
}

void conv_identify(struct run *run, const struct step *step, uint32_t sample)
{
    const struct window *window = conv_outer_window(&step->conv);
    if (step->conv.pointwise)
        identity_of_inputs(run, step, sample);
    else
        identity_of_windows(run, step, window, window->kernel_width, sample);
}
