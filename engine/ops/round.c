/* What a model in bfloat16 keeps so: the weights of its products, and the values that nothing but
 * products read.
 *
 * A product rounds what it multiplies, so that a value which only products read loses nothing by
 * being rounded where it is made, and takes half the memory and its traffic.  As the residual of a
 * product's epilogue it loses what it would lose on the other branch.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "ops/conv_parts.h"

static bool is_product(const struct step *step)
{
    return step->kind == &step_conv && !step->conv.depthwise;
}

static bool program_reads(const struct program *program, uint32_t k)
{
    for (uint32_t i = 0; i < program->length; i++) {
        const struct instruction *code = &program->code[i];
        if ((code->a.kind == OPERAND_INPUT && code->a.index == k) ||
            (code->b.kind == OPERAND_INPUT && code->b.index == k))
            return true;
    }
    return false;
}

/* Prologues work on floats.  In one behind a depthwise convolution, input 0 is its result. */
static bool prologue_reads(const struct prologue *before, uint32_t k)
{
    if (!before)
        return false;
    for (uint32_t i = 0; i < before->joined.n_runs; i++)
        if (before->joined.runs[i].input == k)
            return true;
    return k == 0 || program_reads(&before->program, k);
}

/* Whether a step can read its input k in bfloat16.  In the program behind a product, input 0 is its
 * result. */
static bool reads_rounded(const struct graph *graph, const struct step *step, uint32_t k)
{
    if (step->kind->recalls)
        return graph->values[step->output].rounded;
    return is_product(step) && (k == 0 || k == step->conv.residual) &&
           (k == 0 || !program_reads(&step->program, k)) && !prologue_reads(step->conv.before, k);
}

/* The program behind tiles works on the rows where they stand, which are floats. */
static bool makes_rounded(const struct step *step)
{
    return is_product(step) && !(step->conv.winograd_side && step->program.length);
}

void graph_round(struct graph *graph)
{
    struct value *values = graph->values;
    for (size_t i = 0; i < graph->n_steps; i++)
        values[graph->steps[i].output].rounded =
            makes_rounded(&graph->steps[i]) || graph->steps[i].kind->recalls;
    values[graph->output].rounded = false;
    for (size_t i = graph->n_steps; i-- > 0;) /* readers of an output before its step */
        for (uint32_t k = 0; k < graph->steps[i].n_inputs; k++)
            values[graph->steps[i].inputs[k]].rounded &= reads_rounded(graph, &graph->steps[i], k);
    for (size_t i = 0; i < graph->n_steps; i++)
        if (graph->steps[i].kind->recalls)
            values[graph->steps[i].output].rounded &= values[graph->steps[i].inputs[0]].rounded;
}

/* The border's row, in the form of the rows of the input. */
static void round_border(const struct graph *graph, const struct step *step)
{
    const struct conv *conv = &step->conv;
    if (!conv->border || !graph->values[step->inputs[0]].rounded)
        return;
    float number = conv->border[0];
    uint16_t *halves = (uint16_t *)(void *)conv->border, rounded;
    kernels_choose(true, false)->bf16_round(&rounded, &number, 1);
    for (uint32_t c = 0; c < conv->in_channels; c++)
        halves[c] = rounded;
}

static uint16_t *new_halves(struct graph *graph, size_t numbers, struct lm_error *error)
{
    return (uint16_t *)(void *)graph_floats(graph, numbers / 2, error);
}

static enum lm_status pack_blocks(struct graph *graph, struct conv *conv, struct lm_error *error)
{
    size_t depth = (size_t)window_taps(&conv->window) * conv->block_in;
    conv->block_floats = kernels_bf16_numbers(depth, conv->block_out);
    conv->halves = new_halves(graph, conv->block_floats * conv->blocks, error);
    for (uint32_t b = 0; conv->halves && b < conv->blocks; b++)
        kernels_bf16_pack(conv->weights + b * depth * conv->block_out, depth, conv->block_out,
                          conv->halves + b * conv->block_floats);
    return conv->halves ? LM_OK : LM_NOMEM;
}

/* The matrices in between need room for one of them. */
static enum lm_status pack_tiles(struct graph *graph, struct conv *conv, struct lm_error *error)
{
    size_t numbers = conv_winograd_plan(graph, conv);
    float *matrix = array_alloc((size_t)conv->in_channels * conv->out_channels, sizeof *matrix);
    conv->winograd = matrix ? new_halves(graph, numbers, error) : NULL;
    if (conv->winograd)
        conv_winograd_pack(graph, conv, conv->weights, matrix);
    else if (!matrix)
        lm_fail(error, LM_NOMEM, "out of memory for weights");
    free(matrix);
    return conv->winograd ? LM_OK : LM_NOMEM;
}

enum lm_status conv_bf16_round(struct graph *graph, struct step *step, struct lm_error *error)
{
    struct conv *conv = &step->conv;
    enum lm_status status = LM_OK;
    conv->rounds = true;
    if (conv->winograd_side)
        status = pack_tiles(graph, conv, error);
    if (status == LM_OK && (!conv->winograd || conv->remembered))
        status = pack_blocks(graph, conv, error);
    if (status != LM_OK)
        return error ? error->status : status;
    graph_drop_floats(graph, conv->weights,
                      (size_t)window_taps(&conv->window) * conv->block_in * conv->block_out *
                          conv->blocks);
    conv->weights = NULL;
    round_border(graph, step);
    return LM_OK;
}
