/* Channel steps: rows are put together from channels of other rows at the same site. */
#include <stdlib.h>
#include <string.h>

#include "graph/identity.h"
#include "ops/ops.h"

enum { BLOCK_ROWS = 512 };

/* 64 counters, one bit of each in a word: count[i] has bit i of all. */
enum { COUNTER_BITS = 32 };

/* Adds `weight` to the counters of the sites. */
static void count_sites(uint64_t count[COUNTER_BITS], uint64_t sites, uint32_t weight)
{
    for (uint32_t i = 0; weight >> i; i++) {
        uint64_t carry = weight >> i & 1 ? sites : 0;
        for (uint32_t k = i; carry && k < COUNTER_BITS; k++) {
            uint64_t sum = count[k] ^ carry;
            carry &= count[k];
            count[k] = sum;
        }
    }
}

/* The sites whose counter is above `most`. */
static uint64_t sites_above(const uint64_t count[COUNTER_BITS], uint32_t most)
{
    uint64_t above = 0, equal = ~(uint64_t)0;
    for (uint32_t i = COUNTER_BITS; i-- > 0;) {
        uint64_t bit = most >> i & 1 ? ~(uint64_t)0 : 0;
        above |= equal & count[i] & ~bit;
        equal &= ~(count[i] ^ bit);
    }
    return above;
}

/* One word of the mask of a Concat: sites that more than `over` of the node's inputs show. */
static uint64_t concat_word(struct run *run, const struct step *step, const uint32_t *weight,
                            uint32_t sample, size_t word, uint32_t over)
{
    uint64_t count[COUNTER_BITS] = {0};
    for (uint32_t i = 0; i < step->n_inputs; i++)
        if (weight[i])
            count_sites(count, value_visible(run, step->inputs[i], sample)[word], weight[i]);
    return sites_above(count, over);
}

void concat_visible(struct run *run, const struct step *step, const struct channels *channels,
                    uint32_t sample)
{
    uint64_t *out = value_visible(run, step->output, sample);
    size_t n = value_words(&run->graph->values[step->output]);
    uint32_t over = run->graph->policy.concat == LM_CONCAT_UNION ? 0 : channels->concatenated / 2;
    for (size_t i = 0; i < n; i++)
        out[i] = concat_word(run, step, channels->weight, sample, i, over);
}

/* A site of an intersection is visible where it is in all inputs; a majority of two is both. */
bool concat_votes(const struct graph *graph, const struct channels *channels)
{
    enum lm_concat policy = graph->policy.concat;
    return policy != LM_CONCAT_INTERSECTION &&
           channels->concatenated > (policy == LM_CONCAT_MAJORITY ? 2 : 1);
}

static void channels_visible(struct run *run, const struct step *step, uint32_t sample)
{
    if (step->n_inputs > 1 && concat_votes(run->graph, &step->channels))
        concat_visible(run, step, &step->channels, sample);
    else
        visible_intersection(run, step, 0, sample);
}

static void channels_demand(struct run *run, const struct step *step, uint32_t sample)
{
    demand_same_sites(run, step, 0, sample);
}

static bool channels_read_masked(const struct graph *graph, const struct step *step, uint32_t input,
                                 bool masked)
{
    (void)input;
    return masked || (step->n_inputs > 1 && concat_votes(graph, &step->channels));
}

static void copy_run(const struct channel_run *r, float *target, size_t target_stride,
                     const float *source, size_t source_stride, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++, target += target_stride, source += source_stride) {
        float *to = target + r->target;
        const float *from = source + r->source;
        if (r->target_step == 1)
            memcpy(to, from, r->count * sizeof *to);
        else
            for (uint32_t c = 0; c < r->count; c++)
                to[(size_t)c * r->target_step] = from[c];
    }
}

static void channels_block(struct run *run, const struct step *step, uint32_t block,
                           uint8_t *scratch)
{
    const struct value_state *out = &run->states[step->output];
    uint32_t first, rows = run_block_rows(run, step->output, BLOCK_ROWS, block, &first);
    uint32_t width = run->graph->values[step->output].channels;
    float *target = out->rows + (size_t)first * width;
    if (step->channels.filled)
        for (size_t i = 0; i < (size_t)rows * width; i++)
            target[i] = step->channels.fill;
    for (uint32_t k = 0; k < step->n_inputs; k++) {
        bool same = run_same_rows(run, step->inputs[k], step->output);
        const float *source = rows_at_sites(run, step->inputs[k], step->output, same, first, rows,
                                            (float *)(void *)scratch);
        for (uint32_t i = 0; i < step->channels.n_runs; i++)
            if (step->channels.runs[i].input == k)
                copy_run(&step->channels.runs[i], target, width, source,
                         run->graph->values[step->inputs[k]].channels, rows);
    }
}

static size_t channels_scratch(const struct graph *graph, const struct step *step)
{
    size_t widest = 0;
    for (uint32_t k = 0; k < step->n_inputs; k++) {
        size_t width = graph->values[step->inputs[k]].channels;
        widest = width > widest ? width : widest;
    }
    return widest * BLOCK_ROWS * sizeof(float);
}

static void channels_execute(struct run *run, const struct step *step)
{
    for (uint32_t i = 0; i < step->n_inputs; i++)
        if (!run_same_rows(run, step->inputs[i], step->output))
            run_site_map(run, step->inputs[i]);
    struct run_task task = {run, step, channels_block};
    run_blocks(&task, run_row_blocks(run, step->output, BLOCK_ROWS));
}

static void channels_clear(struct step *step)
{
    free(step->channels.runs);
    free(step->channels.weight);
}

static void channels_identify(struct run *run, const struct step *step, uint32_t sample)
{
    identity_of_inputs(run, step, sample);
}

const struct step_kind step_channels = {
    .name = "channels",
    .visible = channels_visible,
    .demand = channels_demand,
    .identify = channels_identify,
    .execute = channels_execute,
    .by_sample = true,
    .reads_masked = channels_read_masked,
    .scratch = channels_scratch,
    .clear = channels_clear,
};
