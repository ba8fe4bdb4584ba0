/* Fusion of what makes the rows of a conv of one tap with that conv: a depthwise convolution, a
 * program, a Concat.  Its rows are then made block by block in the cache, and never go to memory.
 *
 * Only where no masked site of the conv's result is asked for: there, the conv would see
 * neighbour-padded rows, made of rows that are not kept any more.  At all others the masks are what
 * they were: those of the steps taken, intersected with those of the conv's other inputs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "graph/plan.h"
#include "ops/conv_parts.h"
#include "ops/fuse_parts.h"

struct fusion {
    struct graph *graph;
    uint32_t *uses;
    struct value_plan *plans; /* masked_rows */
};

static struct step *only_reader(const struct fusion *f, uint32_t value)
{
    uint32_t producer = f->graph->values[value].producer;
    if (producer == GRAPH_NO_VALUE || f->uses[value] != 1 || f->graph->steps[producer].dead)
        return NULL;
    return &f->graph->steps[producer];
}

/* Whether the conv takes one row for each of its own, from the same site. */
static bool takes_rows(const struct fusion *f, const struct step *step)
{
    const struct conv *conv = &step->conv;
    return step->kind == &step_conv && !step->dead && !conv->before && !conv->depthwise &&
           conv->blocks == 1 && (conv->pointwise || window_is_single(&conv->window)) &&
           f->graph->values[step->output].spatial && !f->plans[step->output].masked_rows;
}

/* The inputs of `rows` come in the place of the conv's first; renumber[i]: new index of input i.
 * The first must have sites.  False: out of memory. */
static bool take_inputs(const struct fusion *f, struct step *step, const struct step *rows,
                        uint32_t *renumber)
{
    uint32_t n = step->n_inputs, first = 0;
    uint32_t *inputs = array_alloc((size_t)n + rows->n_inputs, sizeof *inputs);
    if (!inputs)
        return false;
    while (!f->graph->values[rows->inputs[first]].spatial)
        first++;
    memcpy(inputs, step->inputs, n * sizeof *inputs);
    for (uint32_t i = 0; i < rows->n_inputs; i++) {
        renumber[i] = i == first ? 0 : n++;
        inputs[renumber[i]] = rows->inputs[i];
    }
    free(step->inputs);
    step->inputs = inputs;
    step->n_inputs = n;
    return true;
}

/* ---- a depthwise convolution */

static bool is_depthwise(const struct step *rows)
{
    return rows->kind == &step_conv && rows->conv.depthwise && rows->n_inputs == 1;
}

static bool take_depthwise(struct step *step, struct step *rows)
{
    struct prologue *before = step->conv.before;
    before->depthwise = malloc(sizeof *before->depthwise);
    if (!before->depthwise)
        return false;
    *before->depthwise = rows->conv;
    rows->conv.weights = rows->conv.bias = rows->conv.border = NULL;
    before->program = rows->program;
    rows->program = (struct program){0};
    step->inputs[0] = rows->inputs[0];
    step->conv.pointwise = false;
    return true;
}

/* ---- channels of several inputs */

static bool is_joining(const struct step *rows)
{
    const struct channels *channels = &rows->channels;
    if (rows->kind != &step_channels || channels->filled)
        return false;
    for (uint32_t i = 0; i < channels->n_runs; i++)
        if (channels->runs[i].target_step != 1)
            return false;
    return true;
}

/* position[i]: what input i of `rows` is among those of the conv, which has them all now. */
static bool take_channels(struct step *step, struct step *rows, const uint32_t *position)
{
    struct channels *joined = &step->conv.before->joined;
    uint32_t *weight = array_zalloc(step->n_inputs, sizeof *weight);
    if (!weight)
        return false;
    *joined = rows->channels;
    for (uint32_t i = 0; i < joined->n_runs; i++)
        joined->runs[i].input = position[joined->runs[i].input];
    for (uint32_t i = 0; i < rows->n_inputs; i++)
        weight[position[i]] = joined->weight ? joined->weight[i] : 1;
    free(joined->weight);
    joined->weight = weight;
    rows->channels.runs = NULL;
    rows->channels.weight = NULL;
    rows->dead = true;
    return true;
}

static bool take_joined(const struct fusion *f, struct step *step, struct step *rows)
{
    uint32_t position[STEP_MAX_INPUTS], width = step->conv.in_channels;
    struct instruction copy = {
        .op = PW_COPY, .a = {.kind = OPERAND_JOINED, .width = width}, .width = width};
    return program_append(&step->conv.before->program, &copy) &&
           take_inputs(f, step, rows, position) && take_channels(step, rows, position);
}

/* ---- a program */

static void renumber_inputs(struct program *program, const uint32_t *renumber)
{
    for (uint32_t i = 0; i < program->length; i++)
        for (int side = 0; side < 2; side++) {
            struct operand *operand = side ? &program->code[i].b : &program->code[i].a;
            if (operand->kind == OPERAND_INPUT)
                operand->index = renumber[operand->index];
        }
}

/* An input of the program that only it reads, once, and that can be joined here. */
static struct step *find_joining(const struct fusion *f, const struct step *rows, uint32_t *index)
{
    for (uint32_t i = 0; i < rows->n_inputs; i++) {
        struct step *joining = only_reader(f, rows->inputs[i]);
        *index = i;
        if (joining && is_joining(joining) && program_input_uses(&rows->program, i) == 1 &&
            rows->n_inputs + joining->n_inputs < STEP_MAX_INPUTS / 2)
            return joining;
    }
    return NULL;
}

/* Input `index` of the program becomes joined: the inputs of `joining` come behind the others. */
static bool join_input(struct step *rows, uint32_t index, const struct step *joining)
{
    size_t n = (size_t)rows->n_inputs + joining->n_inputs;
    uint32_t *inputs = realloc(rows->inputs, n * sizeof *inputs);
    if (!inputs)
        return false;
    for (uint32_t i = 0; i < rows->program.length; i++)
        for (int side = 0; side < 2; side++) {
            struct operand *operand = side ? &rows->program.code[i].b : &rows->program.code[i].a;
            if (operand->kind == OPERAND_INPUT && operand->index == index)
                operand->kind = OPERAND_JOINED;
        }
    rows->inputs = inputs;
    fuse_drop_input(rows, index);
    memcpy(rows->inputs + rows->n_inputs, joining->inputs, joining->n_inputs * sizeof *inputs);
    rows->n_inputs += joining->n_inputs;
    return true;
}

static bool take_program(const struct fusion *f, struct step *step, struct step *rows)
{
    uint32_t renumber[STEP_MAX_INPUTS], index, position[STEP_MAX_INPUTS];
    struct step *joining = find_joining(f, rows, &index);
    if ((joining && !join_input(rows, index, joining)) || !take_inputs(f, step, rows, renumber))
        return false;
    for (uint32_t i = 0; joining && i < joining->n_inputs; i++)
        position[i] = renumber[rows->n_inputs - joining->n_inputs + i];
    if (joining && !take_channels(step, joining, position))
        return false;
    renumber_inputs(&rows->program, renumber);
    step->conv.before->program = rows->program;
    rows->program = (struct program){0};
    return true;
}

/* ---- all of them */

static bool can_take(const struct fusion *f, const struct step *step, const struct step *rows)
{
    const struct value *made = &f->graph->values[rows->output];
    const struct value *out = &f->graph->values[step->output];
    return (is_depthwise(rows) || rows->kind == &step_pointwise || is_joining(rows)) &&
           made->spatial && made->height == out->height && made->width == out->width &&
           step->n_inputs + rows->n_inputs < STEP_MAX_INPUTS / 2;
}

static bool take(const struct fusion *f, struct step *step, struct step *rows)
{
    bool taken;
    step->conv.before = array_zalloc(1, sizeof *step->conv.before);
    if (!step->conv.before)
        return false;
    if (is_depthwise(rows)) {
        taken = take_depthwise(step, rows);
    } else {
        taken = rows->kind == &step_pointwise ? take_program(f, step, rows)
                                              : take_joined(f, step, rows);
        step->conv.pointwise = true;
    }
    rows->dead = true;
    return taken;
}

bool fuse_prologues(struct graph *graph)
{
    struct fusion f = {.graph = graph,
                       .uses = fuse_use_counts(graph),
                       .plans = array_zalloc(graph->n_values, sizeof *f.plans)};
    bool ok = f.uses && f.plans;
    if (ok)
        plan_masked_rows(graph, f.plans);
    for (size_t i = 0; i < graph->n_steps && ok; i++) {
        struct step *step = &graph->steps[i];
        struct step *rows = takes_rows(&f, step) ? only_reader(&f, step->inputs[0]) : NULL;
        if (rows && can_take(&f, step, rows))
            ok = take(&f, step, rows);
    }
    free(f.uses);
    free(f.plans);
    return ok;
}
