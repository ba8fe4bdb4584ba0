/* Which values are rectified: products of their rows skip zeros (kernels/zeros.h). */
#include "ops/conv_parts.h"

static bool joins_rectified(const struct graph *graph, const struct step *step,
                            const struct channels *joined)
{
    for (uint32_t i = 0; i < joined->n_runs; i++)
        if (!graph->values[step->inputs[joined->runs[i].input]].rectified)
            return false;
    return joined->n_runs > 0;
}

/* Whether the last instruction leaves nothing below 0. */
static bool ends_rectified(const struct program *program)
{
    const struct instruction *last = &program->code[program->length - 1];
    return (last->op == PW_CLAMP || last->op == PW_AFFINE) && last->parameter[0] >= 0;
}

/* Whether the rows that are multiplied may hold many zeros. */
static bool reads_rectified(const struct graph *graph, const struct step *step)
{
    const struct prologue *before = step->conv.before;
    if (!before)
        return graph->values[step->inputs[0]].rectified;
    if (!before->program.length)
        return before->depthwise && before->depthwise->low >= 0;
    const struct instruction *only = before->program.code;
    if (before->program.length == 1 && only->op == PW_COPY && only->a.kind == OPERAND_JOINED)
        return joins_rectified(graph, step, &before->joined);
    return ends_rectified(&before->program);
}

static bool is_rectified(const struct graph *graph, const struct step *step)
{
    if (step->program.length)
        return ends_rectified(&step->program);
    if (step->kind == &step_conv)
        return step->conv.low >= 0;
    if (step->kind == &step_channels)
        return joins_rectified(graph, step, &step->channels) && step->channels.fill >= 0;
    return (step->kind == &step_max_pool || step->kind == &step_recall ||
            step->kind == &step_crop) &&
           graph->values[step->inputs[0]].rectified;
}

bool graph_is_rectified(const struct graph *graph, uint32_t value)
{
    uint32_t producer = graph->values[value].producer;
    return producer != GRAPH_NO_VALUE && is_rectified(graph, &graph->steps[producer]);
}

static bool skips_zeros(const struct graph *graph, const struct step *step)
{
    return graph->kernels->skips && !step->conv.depthwise && !conv_is_gathered(&step->conv) &&
           reads_rectified(graph, step);
}

void graph_rectify(struct graph *graph)
{
    for (size_t i = 0; i < graph->n_steps; i++) {
        struct step *step = &graph->steps[i];
        if (step->kind == &step_conv)
            step->conv.skips_zeros = skips_zeros(graph, step);
        graph->values[step->output].rectified = is_rectified(graph, step);
    }
}
