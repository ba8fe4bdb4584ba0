/* Masks and demand of steps whose result stands where their inputs stand. */
#include <string.h>

#include "ops/ops.h"

void visible_intersection(struct run *run, const struct step *step, uint32_t first_input,
                          uint32_t sample)
{
    uint64_t *out = value_visible(run, step->output, sample);
    size_t n = value_words(&run->graph->values[step->output]);
    bool first = first_input == 0;
    for (uint32_t i = first_input; i < step->n_inputs; i++) {
        if (!run->graph->values[step->inputs[i]].spatial)
            continue;
        const uint64_t *in = value_visible(run, step->inputs[i], sample);
        if (first)
            memcpy(out, in, n * sizeof *out);
        else
            sites_and(out, in, n);
        first = false;
    }
}

void demand_same_sites(struct run *run, const struct step *step, uint32_t first_input,
                       uint32_t sample)
{
    const struct value *out = &run->graph->values[step->output];
    if (!out->spatial)
        return;
    for (uint32_t i = first_input; i < step->n_inputs; i++)
        if (run->graph->values[step->inputs[i]].spatial)
            sites_or(value_demand(run, step->inputs[i], sample),
                     value_demand(run, step->output, sample), value_words(out));
}
