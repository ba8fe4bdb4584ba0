/* Values and steps of a graph: making them, counting their memory, freeing them. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

bool graph_add_value(struct graph *graph, const struct value *value, uint32_t *id,
                     struct lm_error *error)
{
    void *values = graph->values;
    if (!array_grow(&values, &graph->value_capacity, graph->n_values + 1, sizeof *graph->values)) {
        lm_fail(error, LM_NOMEM, "out of memory for the network's values");
        return false;
    }
    graph->values = values;
    *id = (uint32_t)graph->n_values++;
    graph->values[*id] = *value;
    return true;
}

struct step *graph_add_step(struct graph *graph, const struct step_kind *kind, const char *name,
                            const uint32_t *inputs, uint32_t n_inputs, const struct value *output,
                            struct lm_error *error)
{
    struct step step = {.kind = kind, .n_inputs = n_inputs};
    void *steps = graph->steps;
    step.name = strdup(name);
    step.inputs = array_alloc(n_inputs, sizeof *step.inputs);
    bool room = array_grow(&steps, &graph->step_capacity, graph->n_steps + 1, sizeof *graph->steps);
    if (room)
        graph->steps = steps;
    struct value value = *output;
    value.producer = (uint32_t)graph->n_steps;
    if (!room || !step.name || !step.inputs ||
        !graph_add_value(graph, &value, &step.output, error)) {
        lm_fail(error, LM_NOMEM, "out of memory for the network's layers");
        free(step.name);
        free(step.inputs);
        return NULL;
    }
    memcpy(step.inputs, inputs, n_inputs * sizeof *inputs);
    graph->steps[graph->n_steps] = step;
    return &graph->steps[graph->n_steps++];
}

bool graph_step_add_input(struct step *step, uint32_t value, uint32_t *index)
{
    for (uint32_t i = 0; i < step->n_inputs; i++)
        if (step->inputs[i] == value) {
            *index = i;
            return true;
        }
    uint32_t *inputs = realloc(step->inputs, (step->n_inputs + (size_t)1) * sizeof *inputs);
    if (!inputs)
        return false;
    step->inputs = inputs;
    *index = step->n_inputs;
    inputs[step->n_inputs++] = value;
    return true;
}

bool graph_count(struct graph *graph, size_t bytes, struct lm_error *error)
{
    if (bytes > graph->limits.max_bytes - graph->bytes) {
        lm_fail(error, LM_LIMIT,
                "the network's weights and tables need more than the limit of %llu bytes",
                (unsigned long long)graph->limits.max_bytes);
        return false;
    }
    graph->bytes += bytes;
    return true;
}

float *graph_floats(struct graph *graph, size_t count, struct lm_error *error)
{
    size_t bytes;
    if (!size_mul(count, sizeof(float), &bytes))
        bytes = SIZE_MAX;
    if (!graph_count(graph, bytes, error))
        return NULL;
    float *floats = aligned_bytes(bytes);
    if (!floats)
        lm_fail(error, LM_NOMEM, "out of memory for %zu bytes of weights", bytes);
    return floats;
}

void graph_drop_floats(struct graph *graph, float *floats, size_t count)
{
    free(floats);
    graph->bytes -= count * sizeof *floats;
}

void prologue_free(struct prologue *prologue)
{
    if (!prologue)
        return;
    if (prologue->depthwise) {
        free(prologue->depthwise->weights);
        free(prologue->depthwise->bias);
        free(prologue->depthwise->border);
        free(prologue->depthwise);
    }
    program_free(&prologue->program);
    free(prologue->joined.runs);
    free(prologue->joined.weight);
    free(prologue);
}

void graph_step_clear(struct step *step)
{
    if (step->kind->clear)
        step->kind->clear(step);
    program_free(&step->program);
    free(step->inputs);
    free(step->name);
}

void graph_free(struct graph *graph)
{
    for (size_t i = 0; i < graph->n_steps; i++)
        graph_step_clear(&graph->steps[i]);
    free(graph->steps);
    free(graph->values);
    *graph = (struct graph){0};
}
