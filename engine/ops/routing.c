/* Routings become channel steps: runs of channels that move together are found, memcpys for a
 * Concat, two strided copies for a channel shuffle. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/routing.h"

/* Runs whose targets are consecutive. */
static uint32_t forward_runs(const struct routing *r, struct channel_run *runs)
{
    uint32_t n = 0;
    for (size_t c = 0; c < r->width; c++) {
        struct origin o = r->origins[c];
        if (o.input == GRAPH_NO_VALUE)
            continue;
        struct channel_run *last = n ? &runs[n - 1] : NULL;
        if (last && last->input == o.input && last->target + last->count == c &&
            last->source + last->count == o.source)
            last->count++;
        else
            runs[n++] = (struct channel_run){o.input, o.source, (uint32_t)c, 1, 1};
    }
    return n;
}

/* Runs whose sources are consecutive and whose targets are equally spaced; target_of[source]: for
 * one input, SIZE_MAX where it is not used.  Only for inputs of which no channel is used twice. */
static uint32_t spaced_runs(const size_t *target_of, uint32_t input, size_t width,
                            struct channel_run *runs)
{
    uint32_t n = 0;
    bool open = false;
    for (size_t s = 0; s < width; s++) {
        size_t t = target_of[s];
        if (t == SIZE_MAX) {
            open = false;
            continue;
        }
        struct channel_run *last = n ? &runs[n - 1] : NULL;
        if (open && last->count == 1 && t > last->target) {
            last->target_step = (uint32_t)(t - last->target);
            last->count = 2;
        } else if (open && t == last->target + (size_t)last->count * last->target_step) {
            last->count++;
        } else {
            runs[n++] = (struct channel_run){input, (uint32_t)s, (uint32_t)t, 1, 1};
            open = true;
        }
    }
    return n;
}

static bool one_input_once(const struct routing *r, size_t *target_of, size_t in_width)
{
    for (size_t s = 0; s < in_width; s++)
        target_of[s] = SIZE_MAX;
    for (size_t c = 0; c < r->width; c++) {
        if (r->origins[c].input == GRAPH_NO_VALUE)
            continue;
        if (target_of[r->origins[c].source] != SIZE_MAX)
            return false;
        target_of[r->origins[c].source] = c;
    }
    return true;
}

/* Takes spaced runs instead, if that makes fewer. */
static bool find_spaced_runs(const struct routing *r, size_t in_width, struct channels *out)
{
    size_t *target_of = array_alloc(in_width, sizeof *target_of);
    struct channel_run *spaced = array_alloc(in_width, sizeof *spaced);
    bool room = target_of && spaced;
    if (room && one_input_once(r, target_of, in_width)) {
        uint32_t n = spaced_runs(target_of, 0, in_width, spaced);
        if (n < out->n_runs) {
            memcpy(out->runs, spaced, n * sizeof *spaced);
            out->n_runs = n;
        }
    }
    free(target_of);
    free(spaced);
    return room;
}

/* The table of runs counts against the limit once it has its final size. */
static enum lm_status find_runs(struct lowering *l, const struct routing *r, struct channels *out)
{
    struct graph *graph = l->graph;
    out->runs = array_alloc(r->width, sizeof *out->runs);
    if (!out->runs)
        return lm_fail(l->error, LM_NOMEM, "out of memory for channels");
    out->n_runs = forward_runs(r, out->runs);
    if (r->n_inputs == 1 && out->n_runs > 1 &&
        !find_spaced_runs(r, graph->values[r->inputs[0]].channels, out))
        return lm_fail(l->error, LM_NOMEM, "out of memory for channels");
    size_t bytes = (out->n_runs + (size_t)1) * sizeof *out->runs;
    if (!graph_count(graph, bytes, l->error))
        return LM_LIMIT;
    struct channel_run *shrunk = realloc(out->runs, bytes);
    if (!shrunk)
        return lm_fail(l->error, LM_NOMEM, "out of memory for channels");
    out->runs = shrunk;
    return LM_OK;
}

/* Adds the step of a routing and defines output i as `view` with the step's result as its value. */
enum lm_status routing_finish(struct lowering *l, const struct onnx_node *node, size_t i,
                              const struct routing *r, struct view *view)
{
    struct channels channels = {.fill = r->fill, .concatenated = r->concatenated};
    struct value value = l->graph->values[r->inputs[0]];
    value.channels = (uint32_t)r->width;
    value.shared = false;
    for (size_t c = 0; c < r->width; c++)
        channels.filled |= r->origins[c].input == GRAPH_NO_VALUE;
    channels.weight = array_alloc(r->n_inputs, sizeof *channels.weight);
    enum lm_status status = channels.weight
                                ? find_runs(l, r, &channels)
                                : lm_fail(l->error, LM_NOMEM, "out of memory for channels");
    if (status != LM_OK) {
        free(channels.weight);
        free(channels.runs);
        return status;
    }
    memcpy(channels.weight, r->weight, r->n_inputs * sizeof *r->weight);
    struct step *step = graph_add_step(l->graph, &step_channels, node->name, r->inputs, r->n_inputs,
                                       &value, l->error);
    if (!step) {
        free(channels.weight);
        free(channels.runs);
        return LM_NOMEM;
    }
    step->channels = channels;
    view->value = step->output;
    return output_view(l, node, i, view);
}

enum lm_status routing_start(struct lowering *l, struct routing *r, const struct view *out,
                             uint32_t input)
{
    r->n_inputs = 1;
    r->inputs[0] = input;
    r->width = 1;
    for (uint32_t a = 0; a < out->rank; a++)
        if (!view_axis_is_place(l->graph, out, a) &&
            !size_mul(r->width, (size_t)out->dims[a], &r->width))
            r->width = SIZE_MAX;
    if (r->width == 0 || r->width > GRAPH_MAX_CHANNELS)
        return lm_fail(l->error, LM_LIMIT, "%zu channels (1 to %d)", r->width, GRAPH_MAX_CHANNELS);
    r->origins = array_alloc(r->width, sizeof *r->origins);
    return r->origins ? LM_OK : lm_fail(l->error, LM_NOMEM, "out of memory for channels");
}

/* Splits channel c of a row into its coordinate on each channel axis. */
void routing_coordinates(const struct graph *graph, const struct view *view, size_t c, int64_t *at)
{
    for (uint32_t a = view->rank; a-- > 0;) {
        at[a] = 0;
        if (view_axis_is_place(graph, view, a))
            continue;
        at[a] = (int64_t)(c % (size_t)view->dims[a]);
        c /= (size_t)view->dims[a];
    }
}

size_t routing_channel(const size_t *strides, uint32_t rank, const int64_t *at)
{
    size_t c = 0;
    for (uint32_t a = 0; a < rank; a++)
        c += strides[a] * (size_t)at[a];
    return c;
}

enum lm_status refuse_border(struct lowering *l, const struct view *x)
{
    if (view_has_border(x))
        return REFUSE(l, "a padded border may only enter a Conv or pool");
    return LM_OK;
}
