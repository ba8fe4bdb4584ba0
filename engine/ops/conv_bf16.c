/* Convolutions and fully connected layers in bfloat16: execution.
 *
 * A block of output rows: what its products need is packed, rounded on the way if it is not yet,
 * and multiplied; epilogue in float32.  Values that nothing but such products read are bfloat16 in
 * memory.
 */
#include <string.h>

#include "ops/conv_parts.h"

/* Packed rows of a block stay in the L2 cache; blocks of few rows read the weights too often.  Rows
 * that are read in place are the memory's as they are. */
enum { BLOCK_BYTES = 768 << 10, ROWS_MULTIPLE = 32, LEAST_ROWS = 96, MOST_ROWS = 256 };

static size_t product_depth(const struct conv *conv)
{
    return (size_t)window_taps(&conv->window) * conv->block_in;
}

/* Whether the products read the rows of the input, which are bfloat16 already. */
static bool reads_in_place(const struct graph *graph, const struct step *step)
{
    const struct conv *conv = &step->conv;
    return graph->values[step->inputs[0]].rounded && !conv->before &&
           kernels_bf16_in_place(graph->kernels, window_taps(&conv->window), conv->block_in);
}

uint32_t conv_bf16_rows(const struct graph *graph, const struct step *step)
{
    if (reads_in_place(graph, step))
        return MOST_ROWS;
    size_t row = product_depth(&step->conv) * (step->conv.before ? 6 : 2);
    size_t rows = BLOCK_BYTES / row / ROWS_MULTIPLE * ROWS_MULTIPLE;
    return rows < LEAST_ROWS ? LEAST_ROWS : rows > MOST_ROWS ? MOST_ROWS : (uint32_t)rows;
}

struct scratch {
    struct conv_scratch rows; /* its matrix: of a prologue; its source: not used */
    void *packed;
    const void **source; /* taps for each row */
    float *target;       /* what a program works on, if the output is rounded */
    float *panel;
};

static void *carve(uint8_t *base, size_t *used, size_t bytes)
{
    uint8_t *piece = base + *used;
    *used += (bytes + 63) / 64 * 64;
    return piece;
}

static bool has_rounded_program(const struct graph *graph, const struct step *step)
{
    return graph->values[step->output].rounded && step->program.length;
}

static size_t lay_out(const struct graph *graph, const struct step *step, uint8_t *base,
                      struct scratch *out)
{
    const struct conv *conv = &step->conv;
    size_t rows = conv_bf16_rows(graph, step), taps = window_taps(conv_outer_window(conv)),
           used = 0;
    size_t depth = product_depth(conv), target = rows * conv->out_channels * sizeof(float);
    const struct kernels *kernels = graph->kernels;
    bool packs = !reads_in_place(graph, step);
    out->packed = carve(base, &used, packs ? kernels_bf16_rows_bytes(kernels, depth, rows) : 0);
    out->source = carve(base, &used, rows * taps * sizeof *out->source);
    out->target = carve(base, &used, has_rounded_program(graph, step) ? target : 0);
    out->panel = carve(base, &used, kernels_bf16_panel(kernels, depth) * sizeof(float));
    out->rows = (struct conv_scratch){0};
    out->rows.matrix = carve(base, &used, conv->before ? rows * depth * sizeof(float) : 0);
    out->rows.residual = carve(base, &used, conv->residual == GRAPH_NO_VALUE ? 0 : target);
    out->rows.origin = carve(base, &used, rows * sizeof *out->rows.origin);
    out->rows.offset = carve(base, &used, taps * sizeof *out->rows.offset);
    out->rows.program = base + used;
    return used;
}

size_t conv_bf16_scratch(const struct graph *graph, const struct step *step)
{
    uint8_t nowhere[1];
    struct scratch unused;
    const struct prologue *before = step->conv.before;
    size_t after = program_scratch(graph, step, &step->program);
    size_t first = before ? program_scratch(graph, step, &before->program) : 0;
    return lay_out(graph, step, nowhere, &unused) + (first > after ? first : after);
}

struct block {
    struct run *run;
    const struct step *step;
    uint32_t first, rows;
    bool rounded; /* what the pointers point at */
    struct scratch scratch;
};

static const struct value *input_of(const struct block *b)
{
    return &b->run->graph->values[b->step->inputs[0]];
}

/* ---- where the rows stand */

static void point_at_windows(const struct block *b)
{
    const struct conv *conv = &b->step->conv;
    struct windows w;
    run_windows(b->run, b->step, &conv->window, b->first, b->rows, conv->window.kernel_width,
                b->scratch.rows.origin, b->scratch.rows.offset, &w);
    const void **source = b->scratch.source;
    for (uint32_t r = 0; r < b->rows; r++)
        for (uint32_t t = 0; t < w.taps; t++) {
            int32_t row = w.map[w.origin[r] + w.offset[t]];
            *source++ = (uint32_t)row < (uint32_t)w.limit ? w.source + (size_t)row * w.source_stride
                        : row == MAP_BORDER               ? conv->border
                                                          : b->run->zeros;
        }
}

/* The same sites of the input, which has other rows than the output. */
static void point_at_sites(const struct block *b)
{
    uint32_t in = b->step->inputs[0], out = b->step->output;
    const struct value_state *state = &b->run->states[in], *target = &b->run->states[out];
    const struct value *value = input_of(b);
    size_t sites = (size_t)value_sites(value), stride = value_stride(value);
    uint32_t s = run_sample_of(b->run, out, b->first);
    for (uint32_t r = 0; r < b->rows; r++) {
        while (b->first + r >= target->first[s + 1])
            s++;
        uint32_t site = target->sites[b->first + r];
        int32_t row =
            state->site_map[s * sites + (size_t)site_y(site) * value->width + site_x(site)];
        b->scratch.source[r] = row < 0 ? b->run->zeros : state->rows + (size_t)row * stride;
    }
}

/* Rows one after the other. */
static void point_at_all(const struct block *b, const float *rows, size_t stride)
{
    for (uint32_t r = 0; r < b->rows; r++)
        b->scratch.source[r] = rows + r * stride;
}

static void point_at_rows(const struct block *b)
{
    const struct conv *conv = &b->step->conv;
    size_t stride = value_stride(input_of(b));
    if (conv->before) {
        conv_prologue(b->run, b->step, b->first, b->rows, &b->scratch.rows);
        point_at_all(b, b->scratch.rows.matrix, conv->in_channels);
    } else if (conv_is_direct(b->run, b->step)) {
        point_at_all(b, b->run->states[b->step->inputs[0]].rows + b->first * stride, stride);
    } else if (conv->pointwise) {
        point_at_sites(b);
    } else {
        point_at_windows(b);
    }
}

/* ---- products */

/* Makes the pointers point at the next group's channels. */
static void next_group(const struct block *b, uint32_t taps)
{
    size_t bytes = b->step->conv.block_in * (b->rounded ? sizeof(uint16_t) : sizeof(float));
    for (size_t i = 0; i < (size_t)b->rows * taps; i++)
        if (b->scratch.source[i] != b->run->zeros)
            b->scratch.source[i] = (const char *)b->scratch.source[i] + bytes;
}

/* Number `column` of rows in one form or the other. */
static const void *at_column(const void *rows, bool rounded, size_t column)
{
    return rounded ? (const void *)((const uint16_t *)rows + column)
                   : (const void *)((const float *)rows + column);
}

static void multiply_groups(const struct block *b, struct bf16_product p)
{
    const struct conv *conv = &b->step->conv;
    const struct kernels *kernels = b->run->kernels;
    const void *residual = p.residual;
    void *target = p.target;
    struct bf16_rows rows = {.taps = window_taps(&conv->window),
                             .depth = conv->block_in,
                             .source = b->scratch.source,
                             .rounded = b->rounded};
    for (uint32_t g = 0; g < conv->blocks; g++) {
        size_t column = (size_t)g * conv->block_out;
        p.weights = conv->halves + g * conv->block_floats;
        p.bias = conv->bias + column;
        p.residual = residual ? at_column(residual, p.residual_rounded, column) : NULL;
        p.target = p.target_rounded ? (void *)((uint16_t *)target + column)
                                    : (void *)((float *)target + column);
        if (p.rows)
            kernels->bf16_pack(b->scratch.packed, &rows, b->rows);
        kernels->bf16_multiply(&p, b->rows);
        if (g + 1 < conv->blocks)
            next_group(b, rows.taps);
    }
}

static void read_residual(const struct block *b, struct bf16_product *p)
{
    const struct conv *conv = &b->step->conv;
    if (conv->residual == GRAPH_NO_VALUE)
        return;
    uint32_t in = b->step->inputs[conv->residual], out = b->step->output;
    const struct value *value = &b->run->graph->values[in];
    p->residual = rows_at_sites(b->run, in, out, run_same_rows(b->run, in, out), b->first, b->rows,
                                b->scratch.rows.residual);
    p->residual_rounded = value->rounded;
    p->residual_stride = value_stride(value) * (value->rounded ? 2 : 1);
}

static void run_program(const struct block *b, float *rows, uint16_t *rounded, size_t stride)
{
    uint32_t channels = b->step->conv.out_channels;
    struct program_call call = {.run = b->run,
                                .step = b->step,
                                .program = &b->step->program,
                                .width = channels,
                                .first = b->first,
                                .rows = b->rows,
                                .target = rows,
                                .own = rows,
                                .scratch = b->scratch.rows.program};
    program_run(&call);
    for (uint32_t r = 0; r < b->rows && rounded; r++)
        b->run->kernels->bf16_round(rounded + r * stride, rows + (size_t)r * channels, channels);
}

void conv_bf16_block(struct run *run, const struct step *step, uint32_t index, uint8_t *base)
{
    const struct conv *conv = &step->conv;
    const struct value *value = &run->graph->values[step->output];
    const struct value_state *out = &run->states[step->output];
    const struct row_cut *cut = &run->cut;
    struct block b = {.run = run, .step = step, .first = cut->first + index * cut->rows};
    b.rows = cut->end - b.first < cut->rows ? cut->end - b.first : cut->rows;
    b.rounded = input_of(&b)->rounded && !conv->before;
    lay_out(run->graph, step, base, &b.scratch);
    float *target = out->rows + b.first * value_stride(value);
    bool apart = has_rounded_program(run->graph, step);
    bool in_place = reads_in_place(run->graph, step);
    struct bf16_product p = {.taps = in_place ? window_taps(&conv->window) : 1,
                             .depth = in_place ? conv->block_in : (uint32_t)product_depth(conv),
                             .columns = conv->block_out,
                             .rows = in_place ? NULL : b.scratch.packed,
                             .source = b.scratch.source,
                             .low = conv->low,
                             .high = conv->high,
                             .target = apart ? b.scratch.target : target,
                             .target_rounded = value->rounded && !apart,
                             .panel = b.scratch.panel};
    p.target_stride = p.target_rounded ? 2 * value_stride(value) : conv->out_channels;
    read_residual(&b, &p);
    point_at_rows(&b);
    multiply_groups(&b, p);
    if (step->program.length)
        run_program(&b, p.target, apart ? (uint16_t *)(void *)target : NULL,
                    2 * value_stride(value));
}
