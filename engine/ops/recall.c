/* Recall steps: what they pass on is remembered, see graph/memo.h. */
#include <string.h>

#include "base/memory.h"
#include "graph/identity.h"
#include "graph/sites.h"
#include "ops/conv_parts.h"

static void recall_visible(struct run *run, const struct step *step, uint32_t sample)
{
    memcpy(value_visible(run, step->output, sample), value_visible(run, step->inputs[0], sample),
           value_words(&run->graph->values[step->output]) * sizeof(uint64_t));
}

static void recall_demand(struct run *run, const struct step *step, uint32_t sample)
{
    uint64_t *demand = value_demand(run, step->inputs[0], sample);
    memcpy(demand, value_demand(run, step->output, sample),
           value_words(&run->graph->values[step->output]) * sizeof *demand);
    if (!run->memo)
        return;
    if (step->recall.cut < run->recalls[sample])
        memo_look_up(run->memo, step->recall.cut, sample, demand);
    else
        memo_look_away(run->memo, step->recall.cut, sample);
}

/* The rows stand where they were made: the plan gives both values one place. */
static void recall_execute(struct run *run, const struct step *step)
{
    const struct value_state *in = &run->states[step->inputs[0]], *out = &run->states[step->output];
    struct memo_rows rows = {.rows = out->rows,
                             .samples = run->n,
                             .made_sites = in->sites,
                             .made_first = in->first,
                             .sites = out->sites,
                             .first = out->first};
    if (run->memo)
        memo_recall(run->memo, step->recall.cut, &rows);
}

static bool recall_reads_masked(const struct graph *graph, const struct step *step, uint32_t input,
                                bool masked)
{
    (void)graph, (void)step, (void)input;
    return masked;
}

static void recall_identify(struct run *run, const struct step *step, uint32_t sample)
{
    (void)run, (void)step, (void)sample; /* the input's */
}

const struct step_kind step_recall = {
    .name = "recall",
    .visible = recall_visible,
    .demand = recall_demand,
    .execute = recall_execute,
    .by_sample = true, /* where nothing is remembered; elsewhere, wide steps begin behind */
    .reads_masked = recall_reads_masked,
    .identify = recall_identify,
    .recalls = true,
};

/* ---- where they stand */

/* What is known of values that have identities. */
struct reach {
    bool identified;
    double pixels; /* of the picture that a row is computed from, across */
    double step;   /* between neighbouring sites, pixels */
};

static struct reach reach_of(const struct graph *graph, struct step *step,
                             const struct reach *reaches)
{
    struct reach out = {.identified = step->kind->identify != NULL};
    for (uint32_t i = 0; i < step->n_inputs; i++) {
        const struct reach *in = &reaches[step->inputs[i]];
        out.identified &= graph->values[step->inputs[i]].spatial && in->identified;
        out.pixels = out.pixels > in->pixels ? out.pixels : in->pixels;
        out.step = out.step > in->step ? out.step : in->step;
    }
    const struct window *w = step->kind->window ? step->kind->window(step) : NULL;
    if (w) {
        uint32_t height = (w->kernel_height - 1) * w->dilation_y;
        uint32_t width = (w->kernel_width - 1) * w->dilation_x;
        out.pixels += (height > width ? height : width) * out.step;
        out.step *= w->stride_y > w->stride_x ? w->stride_y : w->stride_x;
    }
    return out;
}

/* A recall step behind a value saves all that was done for its rows if what comes later reads
 * nothing older: the step that makes each such value, but for those behind which nothing new has
 * been seen of the picture.  Among the values of one reach, the narrowest is the cheapest to keep.
 */
static bool is_better(const struct graph *graph, uint32_t value, uint32_t than)
{
    return graph->values[value].channels <= graph->values[than].channels;
}

/* Shares of the picture's side that the rows behind each recall step may have seen: the more a row
 * has seen, the more masks tell it apart, and the fewer masks it serves. */
static const double cut_reach[MEMO_MAX_CUTS] = {0.065, 0.17, 0.3};

struct places {
    uint32_t value[MEMO_MAX_CUTS];
    double pixels[MEMO_MAX_CUTS];
};

static void consider(const struct graph *graph, uint32_t value, const struct reach *reach,
                     struct places *places)
{
    const struct value *input = &graph->values[graph->input];
    double side = input->height < input->width ? input->height : input->width;
    for (uint32_t c = 0; c < MEMO_MAX_CUTS; c++) {
        if (reach->pixels > cut_reach[c] * side)
            continue;
        if (places->value[c] == GRAPH_NO_VALUE || reach->pixels > places->pixels[c] ||
            is_better(graph, value, places->value[c])) {
            places->value[c] = value;
            places->pixels[c] = reach->pixels;
        }
        return;
    }
}

static void find_places(struct graph *graph, struct reach *reaches, uint32_t *last_use,
                        struct places *places)
{
    for (uint32_t v = 0; v < graph->n_values; v++)
        last_use[v] = v == graph->output ? (uint32_t)graph->n_steps : 0;
    for (uint32_t i = 0; i < graph->n_steps; i++)
        for (uint32_t k = 0; k < graph->steps[i].n_inputs; k++)
            last_use[graph->steps[i].inputs[k]] = i;
    reaches[graph->input] = (struct reach){.identified = true, .pixels = 1, .step = 1};
    uint32_t needed = last_use[graph->input]; /* the last step that reads anything older */
    for (uint32_t i = 0; i < graph->n_steps; i++) {
        uint32_t out = graph->steps[i].output;
        reaches[out] = reach_of(graph, &graph->steps[i], reaches);
        if (!reaches[out].identified && graph->values[out].spatial)
            return;
        if (reaches[out].identified && needed <= i && reaches[out].pixels > 1)
            consider(graph, out, &reaches[out], places);
        needed = needed > last_use[out] ? needed : last_use[out];
    }
}

/* Products of a step for one picture; *tiled: those of them that Winograd's tiles would take. */
static double products_of(const struct graph *graph, const struct step *step, double *tiled)
{
    const struct conv *conv = &step->conv;
    *tiled = 0;
    if (step->kind != &step_conv)
        return 0;
    double sites = (double)value_sites(&graph->values[step->output]);
    double products =
        sites * window_taps(&conv->window) * conv->in_channels / conv->groups * conv->out_channels;
    *tiled = conv->winograd_side ? products : 0;
    return products;
}

/* Puts the last step, which reads `value`, behind the step that makes it. */
static struct step *move_behind(struct graph *graph, uint32_t value)
{
    size_t at = graph->values[value].producer + (size_t)1, last = graph->n_steps - 1;
    struct step step = graph->steps[last];
    memmove(graph->steps + at + 1, graph->steps + at, (last - at) * sizeof *graph->steps);
    graph->steps[at] = step;
    for (size_t i = at; i < graph->n_steps; i++)
        graph->values[graph->steps[i].output].producer = (uint32_t)i;
    for (size_t i = at + 1; i < graph->n_steps; i++)
        for (uint32_t k = 0; k < graph->steps[i].n_inputs; k++)
            if (graph->steps[i].inputs[k] == value)
                graph->steps[i].inputs[k] = step.output;
    return &graph->steps[at];
}

/* What the convs behind the recall step before come to; *from: the first of them. */
static void weigh(const struct graph *graph, uint32_t *from, struct step *step)
{
    for (; &graph->steps[*from] != step; ++*from) {
        double tiled;
        step->recall.products += products_of(graph, &graph->steps[*from], &tiled);
        step->recall.tiled += tiled;
    }
}

static enum lm_status add_recalls(struct graph *graph, const struct places *places,
                                  struct lm_error *error)
{
    uint32_t n = 0, from = 0;
    for (uint32_t c = 0; c < MEMO_MAX_CUTS; c++) {
        uint32_t value = places->value[c];
        if (value == GRAPH_NO_VALUE)
            continue;
        struct value out = graph->values[value];
        struct step *step = graph_add_step(graph, &step_recall, "recall", &value, 1, &out, error);
        if (!step)
            return error ? error->status : LM_NOMEM;
        step->recall.cut = n++;
        step->recall.pixels = places->pixels[c];
        weigh(graph, &from, move_behind(graph, value));
    }
    return LM_OK;
}

enum lm_status graph_place_recalls(struct graph *graph, struct lm_error *error)
{
    struct places places;
    for (uint32_t c = 0; c < MEMO_MAX_CUTS; c++)
        places.value[c] = GRAPH_NO_VALUE;
    struct reach *reaches = array_zalloc(graph->n_values, sizeof *reaches);
    uint32_t *last_use = array_zalloc(graph->n_values, sizeof *last_use);
    enum lm_status status =
        reaches && last_use ? LM_OK
                            : lm_fail(error, LM_NOMEM, "out of memory for the network's layers");
    if (status == LM_OK) {
        find_places(graph, reaches, last_use, &places);
        status = add_recalls(graph, &places, error);
    }
    free(reaches);
    free(last_use);
    return status;
}

/* ---- which of them pay */

#define MANY_BORDERS 2.4
enum { LATTICE = 28 };

/* Borders between visible and hidden pixels that a straight line meets, a pixel of its way: along
 * rows and columns together, on a lattice, so that rough borders count as smooth ones. */
static double borders_of(const struct value *input, const uint64_t *visible)
{
    uint32_t side = input->height < input->width ? input->height : input->width;
    uint32_t gap = side > LATTICE ? side / LATTICE : 1;
    size_t words = bits_words(input->width), n = 0, all = 0;
    for (uint32_t y = 0; y + gap < input->height; y += gap)
        for (uint32_t x = 0; x + gap < input->width; x += gap) {
            const uint64_t *row = visible + y * words;
            bool here = bits_get(row, x);
            n += here != bits_get(row, x + gap);
            n += here != bits_get(row + gap * words, x);
            all++;
        }
    return all ? (double)n / ((double)all * gap) : 0;
}

/* The more borders a row sees, the more masks tell it apart, until next to none has been met
 * before: of the rows that see x of them about 1 - x / MANY_BORDERS were known, on resnet50 after
 * some hundred masks of superpixels or squares.  On the other side, tiles would save half of their
 * products. */
uint32_t graph_recalls_of(const struct graph *graph, const uint64_t *visible)
{
    double borders = borders_of(&graph->values[graph->input], visible);
    double balance = 0, best = 0;
    uint32_t pays = 0;
    for (size_t i = 0; i < graph->n_steps && borders > 0; i++) {
        const struct recall *recall = &graph->steps[i].recall;
        if (!graph->steps[i].kind->recalls)
            continue;
        double seen = borders * recall->pixels;
        double known = seen < MANY_BORDERS ? 1 - seen / MANY_BORDERS : 0;
        balance += known * recall->products - recall->tiled / 2;
        if (balance > best) {
            best = balance;
            pays = recall->cut + 1;
        }
    }
    return pays;
}
