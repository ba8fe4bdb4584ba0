/* Fusion: chains of pointwise steps become one program; a program that follows a conv runs on the
 * conv's rows while they are in the cache.
 *
 * Joined steps see the same sites, so masks stay what they were: the intersection over all spatial
 * inputs.  A conv moves to the place of the step that it absorbs, where all inputs are there.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "graph/graph.h"
#include "ops/fuse_parts.h"

uint32_t *fuse_use_counts(const struct graph *graph)
{
    uint32_t *uses = array_zalloc(graph->n_values, sizeof *uses);
    if (!uses)
        return NULL;
    uses[graph->output]++;
    for (size_t i = 0; i < graph->n_steps; i++) {
        const struct step *step = &graph->steps[i];
        for (uint32_t k = 0; k < step->n_inputs && !step->dead; k++)
            uses[step->inputs[k]]++;
    }
    return uses;
}

static bool same_sites(const struct value *a, const struct value *b)
{
    return a->spatial == b->spatial && a->height == b->height && a->width == b->width;
}

static struct step *producer(struct graph *graph, uint32_t value)
{
    uint32_t index = graph->values[value].producer;
    return index == GRAPH_NO_VALUE ? NULL : &graph->steps[index];
}

void fuse_drop_input(struct step *step, uint32_t index)
{
    for (uint32_t i = 0; i < step->program.length; i++)
        for (int side = 0; side < 2; side++) {
            struct operand *operand = side ? &step->program.code[i].b : &step->program.code[i].a;
            if (operand->kind == OPERAND_INPUT && operand->index > index)
                operand->index--;
        }
    memmove(step->inputs + index, step->inputs + index + 1,
            (step->n_inputs - index - 1) * sizeof *step->inputs);
    step->n_inputs--;
}

/* Takes the pointwise step that makes input k of `step` into it; LM_LIMIT if both do not fit
 * together.  On failure `step` is as it was. */
static enum lm_status absorb_pointwise(struct step *step, uint32_t k, struct step *first,
                                       uint32_t *uses)
{
    uint32_t renumber[2 * PROGRAM_MAX_LENGTH];
    uint32_t before = step->n_inputs;
    if (first->n_inputs > sizeof renumber / sizeof *renumber ||
        before + first->n_inputs > STEP_MAX_INPUTS)
        return LM_LIMIT;
    enum lm_status status = LM_OK;
    for (uint32_t i = 0; i < first->n_inputs && status == LM_OK; i++)
        status = graph_step_add_input(step, first->inputs[i], &renumber[i]) ? LM_OK : LM_NOMEM;
    if (status == LM_OK)
        status = program_prepend(&step->program, &first->program, k, renumber);
    if (status != LM_OK) {
        step->n_inputs = before;
        return status;
    }
    for (uint32_t i = 0; i < first->n_inputs; i++)
        uses[first->inputs[i]] -= renumber[i] < before;
    uses[step->inputs[k]] = 0;
    fuse_drop_input(step, k);
    first->dead = true;
    return LM_OK;
}

static enum lm_status fuse_pointwise(struct graph *graph, uint32_t *uses)
{
    for (size_t i = graph->n_steps; i-- > 0;) {
        struct step *step = &graph->steps[i];
        if (step->kind != &step_pointwise || step->dead)
            continue;
        for (uint32_t k = 0; k < step->n_inputs;) {
            struct step *first = producer(graph, step->inputs[k]);
            bool fits = first && first->kind == &step_pointwise && !first->dead &&
                        uses[step->inputs[k]] == 1 &&
                        same_sites(&graph->values[step->output], &graph->values[first->output]);
            enum lm_status status = fits ? absorb_pointwise(step, k, first, uses) : LM_LIMIT;
            if (status == LM_NOMEM)
                return status;
            k = status == LM_OK ? 0 : k + 1;
        }
    }
    return LM_OK;
}

static bool is_input(const struct operand *operand, uint32_t index)
{
    return operand->kind == OPERAND_INPUT && operand->index == index;
}

/* Removes instruction 0, whose result is the conv's own rows from now on. */
static void pop_front(struct program *program)
{
    for (uint32_t i = 1; i < program->length; i++)
        for (int side = 0; side < 2; side++) {
            struct operand *operand = side ? &program->code[i].b : &program->code[i].a;
            if (operand->kind != OPERAND_TEMPORARY)
                continue;
            if (operand->index == 0)
                operand->kind = OPERAND_INPUT;
            else
                operand->index--;
        }
    program->length--;
    memmove(program->code, program->code + 1, program->length * sizeof *program->code);
}

/* A leading residual addition and clamp go into the conv's epilogue, which does them in one pass.
 */
static void peel(const struct graph *graph, struct step *step)
{
    struct program *program = &step->program;
    if (program->length && program->code[0].op == PW_ADD && program_input_uses(program, 0) == 1) {
        const struct operand *a = &program->code[0].a, *b = &program->code[0].b;
        const struct operand *other = is_input(a, 0) ? b : a;
        if ((is_input(a, 0) || is_input(b, 0)) && other->kind == OPERAND_INPUT &&
            other->index > 0) {
            const struct value *value = &graph->values[step->inputs[other->index]];
            const struct value *out = &graph->values[step->output];
            if (same_sites(value, out) && value->channels == out->channels) {
                step->conv.residual = other->index;
                pop_front(program);
            }
        }
    }
    if (program->length && program->code[0].op == PW_CLAMP && program_input_uses(program, 0) == 1 &&
        is_input(&program->code[0].a, 0)) {
        step->conv.low = program->code[0].parameter[0];
        step->conv.high = program->code[0].parameter[1];
        pop_front(program);
    }
}

/* Puts the conv that makes input k of the pointwise step `step` in its place. */
static bool absorb_into_conv(struct graph *graph, struct step *step, uint32_t k, struct step *conv)
{
    uint32_t *inputs = array_alloc(step->n_inputs + (size_t)conv->n_inputs, sizeof *inputs);
    if (!inputs)
        return false;
    inputs[0] = conv->inputs[0];
    uint32_t n = 1;
    for (uint32_t i = 0; i < step->n_inputs; i++)
        if (i != k)
            inputs[n++] = step->inputs[i];
    for (uint32_t i = 0; i < step->program.length; i++)
        for (int side = 0; side < 2; side++) {
            struct operand *operand = side ? &step->program.code[i].b : &step->program.code[i].a;
            if (operand->kind != OPERAND_INPUT)
                continue;
            operand->index = operand->index == k ? 0 : operand->index + (operand->index < k);
        }
    free(step->inputs);
    step->inputs = inputs;
    step->n_inputs = n;
    step->kind = conv->kind;
    step->conv = conv->conv;
    conv->conv.weights = conv->conv.bias = conv->conv.border = NULL;
    conv->dead = true;
    char *name = step->name;
    step->name = conv->name;
    conv->name = name;
    peel(graph, step);
    return true;
}

/* A conv that has absorbed nothing yet. */
static bool is_bare_conv(const struct step *step)
{
    return step->kind == &step_conv && step->n_inputs == 1 && !step->program.length &&
           step->conv.low == -INFINITY && step->conv.high == INFINITY;
}

/* False: out of memory. */
static bool fuse_into_convs(struct graph *graph, const uint32_t *uses)
{
    for (size_t i = 0; i < graph->n_steps; i++) {
        struct step *step = &graph->steps[i];
        if (step->kind != &step_pointwise || step->dead)
            continue;
        uint32_t best = GRAPH_NO_VALUE;
        for (uint32_t k = 0; k < step->n_inputs; k++) {
            struct step *conv = producer(graph, step->inputs[k]);
            bool fits =
                conv && is_bare_conv(conv) && !conv->dead && uses[step->inputs[k]] == 1 &&
                same_sites(&graph->values[conv->output], &graph->values[step->output]) &&
                graph->values[conv->output].channels == graph->values[step->output].channels;
            if (fits && (best == GRAPH_NO_VALUE || step->inputs[k] > step->inputs[best]))
                best = k;
        }
        struct step *conv = best == GRAPH_NO_VALUE ? NULL : producer(graph, step->inputs[best]);
        if (conv && !absorb_into_conv(graph, step, best, conv))
            return false;
    }
    return true;
}

/* Steps that nothing reads go away (an auxiliary head, say). */
static void drop_unused(struct graph *graph, uint32_t *uses)
{
    for (size_t i = graph->n_steps; i-- > 0;) {
        struct step *step = &graph->steps[i];
        if (step->dead || uses[step->output])
            continue;
        step->dead = true;
        for (uint32_t k = 0; k < step->n_inputs; k++)
            uses[step->inputs[k]]--;
    }
}

static void compact(struct graph *graph)
{
    size_t kept = 0;
    for (size_t i = 0; i < graph->n_steps; i++) {
        if (graph->steps[i].dead) {
            graph_step_clear(&graph->steps[i]);
            continue;
        }
        graph->steps[kept] = graph->steps[i];
        graph->values[graph->steps[kept].output].producer = (uint32_t)kept;
        kept++;
    }
    graph->n_steps = kept;
}

static struct prologue *prologue_of(struct step *step)
{
    return step->kind == &step_conv ? step->conv.before : NULL;
}

static bool join_affine(struct step *step)
{
    struct prologue *before = prologue_of(step);
    return program_join_affine(&step->program) &&
           (!before || program_join_affine(&before->program));
}

static bool allocate_slots(struct step *step)
{
    struct prologue *before = prologue_of(step);
    return program_allocate(&step->program) && (!before || program_allocate(&before->program));
}

enum lm_status graph_fuse(struct graph *graph, struct lm_error *error)
{
    uint32_t *uses = fuse_use_counts(graph);
    if (!uses)
        return lm_fail(error, LM_NOMEM, "out of memory for fusion");
    drop_unused(graph, uses);
    enum lm_status status = fuse_pointwise(graph, uses);
    for (size_t i = 0; i < graph->n_steps; i++)
        program_join_idioms(&graph->steps[i].program);
    free(uses);
    uses = status == LM_OK ? fuse_use_counts(graph) : NULL;
    if (!uses)
        return lm_fail(error, LM_NOMEM, "out of memory for fusion");
    bool fused = fuse_into_convs(graph, uses);
    free(uses);
    if (!fused)
        return lm_fail(error, LM_NOMEM, "out of memory for fusion");
    compact(graph);
    if (!fuse_prologues(graph))
        return lm_fail(error, LM_NOMEM, "out of memory for fusion");
    compact(graph);
    for (size_t i = 0; i < graph->n_steps; i++) {
        if (!join_affine(&graph->steps[i]))
            return lm_fail(error, LM_NOMEM, "out of memory for fusion");
        if (!allocate_slots(&graph->steps[i]))
            return lm_fail(error, LM_LIMIT, "%s: more than %d intermediate results at once",
                           graph->steps[i].name, PROGRAM_MAX_SLOTS);
    }
    return LM_OK;
}
