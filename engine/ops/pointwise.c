/* Pointwise steps: programs that no conv could take along. */
#include "graph/identity.h"
#include "ops/ops.h"

enum { BLOCK_ROWS = 512 };

static void pointwise_visible(struct run *run, const struct step *step, uint32_t sample)
{
    visible_intersection(run, step, 0, sample);
}

static void pointwise_demand(struct run *run, const struct step *step, uint32_t sample)
{
    demand_same_sites(run, step, 0, sample);
}

static bool pointwise_reads_masked(const struct graph *graph, const struct step *step,
                                   uint32_t input, bool masked)
{
    (void)graph;
    (void)step;
    (void)input;
    return masked;
}

static void pointwise_block(struct run *run, const struct step *step, uint32_t block,
                            uint8_t *scratch)
{
    const struct value_state *out = &run->states[step->output];
    uint32_t first, rows = run_block_rows(run, step->output, BLOCK_ROWS, block, &first);
    uint32_t width = run->graph->values[step->output].channels;
    struct program_call call = {.run = run,
                                .step = step,
                                .program = &step->program,
                                .width = width,
                                .first = first,
                                .rows = rows,
                                .target = out->rows + (size_t)first * width,
                                .scratch = scratch};
    program_run(&call);
}

static void pointwise_execute(struct run *run, const struct step *step)
{
    for (uint32_t i = 0; i < step->n_inputs; i++)
        if (run->graph->values[step->inputs[i]].spatial &&
            !run_same_rows(run, step->inputs[i], step->output))
            run_site_map(run, step->inputs[i]);
    struct run_task task = {run, step, pointwise_block};
    run_blocks(&task, run_row_blocks(run, step->output, BLOCK_ROWS));
}

static void pointwise_identify(struct run *run, const struct step *step, uint32_t sample)
{
    identity_of_inputs(run, step, sample);
}

static size_t pointwise_scratch(const struct graph *graph, const struct step *step)
{
    return program_scratch(graph, step, &step->program);
}

const struct step_kind step_pointwise = {
    .name = "pointwise",
    .visible = pointwise_visible,
    .demand = pointwise_demand,
    .identify = pointwise_identify,
    .execute = pointwise_execute,
    .by_sample = true,
    .reads_masked = pointwise_reads_masked,
    .scratch = pointwise_scratch,
};
