/* Convolutions: masks and demand.
 *
 * Layer masking (Balasubramanian and Feizi, ICCV 2023): windows see visible cells and, for the ring
 * around them, neighbour-padded ones; as many rounds as the kernel is wide.  Apart from conv.c,
 * which computes: nothing here touches a number.
 */
#include <string.h>

#include "graph/sites.h"
#include "ops/conv_parts.h"

void conv_visible(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    uint8_t *out = value_visible(run, step->output, sample);
    if (step->conv.pointwise)
        memcpy(out, value_visible(run, in, sample), value_sites(&run->graph->values[step->output]));
    else
        sites_any(&step->conv.window, value_visible(run, in, sample), out, run->bytes[0]);
    visible_intersection(run, step, 1, sample);
}

/* Notes the ring cells among `missing` and the cells that they are computed from. */
static void demand_ring(struct run *run, const struct step *step, uint32_t sample, uint8_t *missing,
                        uint8_t *reached, uint8_t *grown)
{
    uint32_t in = step->inputs[0], rounds = step->conv.window.kernel_width, last = 0;
    const struct value *value = &run->graph->values[in];
    size_t n = value_sites(value);
    const uint8_t *visible = value_visible(run, in, sample);
    uint8_t *demand = value_demand(run, in, sample), *ring = run->states[in].ring + sample * n;
    uint8_t *round_of = run->bytes[3];
    memcpy(reached, visible, n);
    memset(round_of, 0, n);
    for (uint32_t r = 1; r <= rounds && sites_any_set(missing, n); r++) {
        sites_grow(value->height, value->width, reached, grown, run->bytes[0]);
        uint8_t changed = 0;
        for (size_t p = 0; p < n; p++) {
            uint8_t fresh = grown[p] & (uint8_t)~reached[p];
            changed |= fresh;
            round_of[p] |= fresh ? (uint8_t)r : 0;
            ring[p] |= fresh & missing[p] ? (uint8_t)r : 0;
            missing[p] &= (uint8_t)~fresh;
        }
        if (!changed)
            break;
        memcpy(reached, grown, n);
        last = r;
    }
    for (uint32_t r = last; r >= 1; r--) {
        for (size_t p = 0; p < n; p++)
            reached[p] = ring[p] == r;
        sites_grow(value->height, value->width, reached, grown, run->bytes[0]);
        if (r == 1)
            for (size_t p = 0; p < n; p++)
                demand[p] |= grown[p] & visible[p];
        else
            for (size_t p = 0; p < n; p++)
                ring[p] |= grown[p] && round_of[p] == r - 1 ? (uint8_t)(r - 1) : 0;
    }
}

void conv_demand(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    demand_same_sites(run, step, step->conv.pointwise ? 0 : 1, sample);
    if (step->conv.pointwise || !run->graph->values[step->output].spatial)
        return;
    size_t n = value_sites(&run->graph->values[in]);
    uint8_t *cover = run->bytes[1], *demand = value_demand(run, in, sample);
    const uint8_t *visible = value_visible(run, in, sample);
    memset(cover, 0, n);
    sites_cover(&step->conv.window, value_demand(run, step->output, sample), cover, run->bytes[0]);
    for (size_t p = 0; p < n; p++) {
        demand[p] |= cover[p] & visible[p];
        cover[p] &= visible[p] ^ 1;
    }
    if (sites_any_set(cover, n))
        demand_ring(run, step, sample, cover, run->bytes[2], run->bytes[4]);
}

bool conv_reads_masked(const struct graph *graph, const struct step *step, uint32_t input,
                       bool masked)
{
    (void)graph;
    return masked && (input > 0 || step->conv.pointwise);
}
