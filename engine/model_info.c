/* What people and programs can ask about a loaded model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model_room.h"
#include "ops/ops.h"

static uint64_t conv_weights(const struct conv *conv)
{
    uint64_t in = conv->in_channels / conv->groups;
    return (uint64_t)window_taps(&conv->window) * in * conv->out_channels;
}

static const struct conv *first_of_two(const struct step *step)
{
    return step->conv.before ? step->conv.before->depthwise : NULL;
}

static uint64_t step_weights(const struct step *step)
{
    const struct conv *first = step->kind == &step_conv ? first_of_two(step) : NULL;
    return (step->kind == &step_conv ? conv_weights(&step->conv) : 0) +
           (first ? conv_weights(first) : 0);
}

static uint64_t step_macs(const struct graph *graph, const struct step *step)
{
    return step_weights(step) * value_sites(&graph->values[step->output]);
}

static uint64_t step_parameters(const struct step *step)
{
    if (step->kind != &step_conv)
        return 0;
    const struct conv *first = first_of_two(step);
    return step_weights(step) + step->conv.out_channels + (first ? first->out_channels : 0);
}

void lm_model_info(const struct lm_model *model, struct lm_model_info *out)
{
    const struct graph *graph = &model->graph;
    const struct value *input = &graph->values[graph->input];
    *out = (struct lm_model_info){.channels = input->channels,
                                  .height = input->height,
                                  .width = input->width,
                                  .classes = graph->values[graph->output].channels,
                                  .layers = (uint32_t)graph->n_steps,
                                  .opset = graph->opset,
                                  .weight_bytes = graph->bytes,
                                  .policy = graph->policy,
                                  .precision = graph->precision,
                                  .kernels = model->kernels->name};
    for (size_t i = 0; i < graph->n_steps; i++) {
        out->macs += step_macs(graph, &graph->steps[i]);
        out->parameters += step_parameters(&graph->steps[i]);
    }
}

static void describe_window(const struct window *w, uint32_t groups, char *text, size_t size)
{
    int n = snprintf(text, size, "%ux%u", w->kernel_height, w->kernel_width);
    if (w->stride_y != 1 || w->stride_x != 1)
        n += snprintf(text + n, size - (size_t)n, " s%u", w->stride_y);
    if (w->dilation_y != 1 || w->dilation_x != 1)
        n += snprintf(text + n, size - (size_t)n, " d%u", w->dilation_y);
    if (groups > 1)
        snprintf(text + n, size - (size_t)n, " g%u", groups);
}

static void describe_conv(const struct step *step, char *text, size_t size)
{
    const struct conv *conv = &step->conv;
    const struct conv *first = first_of_two(step);
    char before[24] = "", shape[24] = "dense";
    if (first)
        describe_window(&first->window, first->groups, before, sizeof before);
    if (!conv->pointwise || conv->before)
        describe_window(&conv->window, conv->groups, shape, sizeof shape);
    bool clamped = conv->low > -INFINITY || conv->high < INFINITY;
    const char *prologue = first ? ", " : conv->before ? "program, " : "";
    snprintf(text, size, "%.20s%s%.20s%s%s%s", before, prologue, shape,
             conv->residual != GRAPH_NO_VALUE ? " + residual" : "",
             clamped ? (conv->high < INFINITY ? ", clip" : ", relu") : "",
             step->program.length ? ", program" : "");
}

void lm_model_layer(const struct lm_model *model, uint32_t index, struct lm_layer_info *out)
{
    const struct step *step = &model->graph.steps[index];
    const struct value *value = &model->graph.values[step->output];
    *out = (struct lm_layer_info){.name = step->name,
                                  .kind = step->kind->name,
                                  .macs = step_macs(&model->graph, step),
                                  .parameters = step_parameters(step)};
    if (value->spatial)
        snprintf(out->shape, sizeof out->shape, "%ux%ux%u", value->channels, value->height,
                 value->width);
    else
        snprintf(out->shape, sizeof out->shape, "%u", value->channels);
    if (step->kind == &step_conv)
        describe_conv(step, out->detail, sizeof out->detail);
    else if (step->kind == &step_max_pool || step->kind == &step_average_pool)
        describe_window(&step->pool.window, 1, out->detail, sizeof out->detail);
    else if (step->kind == &step_channels)
        snprintf(out->detail, sizeof out->detail, "%u inputs, %u runs", step->n_inputs,
                 step->channels.n_runs);
    else if (step->kind == &step_pointwise)
        snprintf(out->detail, sizeof out->detail, "%u instructions", step->program.length);
}

bool lm_model_operator(const struct lm_model *model, uint32_t index, const char **name,
                       uint32_t *count)
{
    if (index >= model->n_operators)
        return false;
    *name = model->operators[index].name;
    *count = model->operators[index].count;
    return true;
}

const char *lm_operator_supported(uint32_t index)
{
    return onnx_operator_name(index);
}
