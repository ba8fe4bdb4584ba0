/* 3x3 convolutions over active tiles by Winograd's F(4x4, 3x3) (kernels/winograd.h).
 *
 * The output plane is cut into tiles of 4x4 sites; those with demanded sites are listed, sample
 * after sample, and computed in blocks: 36 cells of each tile become 36 numbers a channel, number i
 * of all tiles is multiplied with matrix i of the weights, and the sums become the tile's outputs,
 * of which the demanded ones are stored.  A tile's result depends on its own cells alone: not on
 * the block, the batch or the threads.  But in their last bits all its outputs depend on all cells
 * that any of its demanded outputs reads.
 */
#include <math.h>
#include <string.h>

#include "ops/conv_parts.h"

enum { LEAST_CHANNELS = 16, MANY_SITES = 400, FEW_FLOATS = 640 << 10 };

/* A tile with demanded outputs, in the order of samples. */
struct tile {
    uint32_t sample, site;
};

/* What the blocks of a step share. */
struct tiles {
    uint32_t n;
    struct tile tile[];
};

struct winograd_scratch {
    float *numbers, *sums;            /* [cell][tile][channel] */
    const float **source;             /* rows of `numbers` of one cell */
    int32_t (*row)[WINOGRAD_OUTPUTS]; /* of the output, -1: not demanded */
};

#include <stdlib.h>
static uint32_t env(const char *n, uint32_t d)
{
    const char *e = getenv(n);
    return e ? (uint32_t)atoi(e) : d;
}

static uint32_t round_up(uint32_t n, uint32_t to)
{
    return (n + to - 1) / to * to;
}

bool conv_has_winograd(const struct graph *graph, const struct step *step)
{
    const struct conv *conv = &step->conv;
    const struct window *w = &conv->window;
    bool plain = w->stride_y == 1 && w->stride_x == 1 && w->dilation_y == 1 && w->dilation_x == 1;
    bool spatial = graph->values[step->inputs[0]].spatial && graph->values[step->output].spatial;
    return spatial && !conv->pointwise && !conv->depthwise && conv->blocks == 1 &&
           w->kernel_height == 3 && w->kernel_width == 3 && plain &&
           conv->in_channels >= LEAST_CHANNELS && conv->out_channels >= LEAST_CHANNELS &&
           !getenv("NO_WINOGRAD");
}

/* Numbers of a tile. */
static uint32_t cells_of(const struct conv *conv)
{
    return (conv->winograd_side + 2) * (conv->winograd_side + 2);
}

static uint32_t outputs_of(const struct conv *conv)
{
    return conv->winograd_side * conv->winograd_side;
}

static uint32_t block_tiles(const struct conv *conv)
{
    return conv->winograd_side == 2 ? env("WT2", 64) : env("WT", 32);
}

static uint32_t block_columns(const struct conv *conv)
{
    uint32_t chunk = env("WC", 64);
    return chunk < round_up(conv->out_channels, 64) ? chunk : round_up(conv->out_channels, 64);
}

/* Floats between the rows of a cell's numbers and between cells; the 16 more keep cells apart in
 * the cache. */
static uint32_t numbers_stride(const struct conv *conv)
{
    return round_up(conv->in_channels, 16);
}

static size_t cell_step(const struct conv *conv, uint32_t stride)
{
    return (size_t)block_tiles(conv) * stride + 16;
}

static size_t lay_out(const struct step *step, uint8_t *base, struct winograd_scratch *out)
{
    const struct conv *conv = &step->conv;
    size_t n = block_tiles(conv), used = 0;
    out->numbers = (float *)(void *)(base + used);
    used += cells_of(conv) * cell_step(conv, numbers_stride(conv)) * sizeof(float);
    out->sums = (float *)(void *)(base + used);
    used += cells_of(conv) * cell_step(conv, block_columns(conv)) * sizeof(float);
    out->source = (const float **)(void *)(base + used);
    used += n * sizeof *out->source;
    out->row = (int32_t(*)[WINOGRAD_OUTPUTS])(void *)(base + used);
    return used + n * sizeof *out->row;
}

size_t conv_winograd_scratch(const struct step *step)
{
    uint8_t nowhere[1];
    struct winograd_scratch unused;
    return lay_out(step, nowhere, &unused);
}

size_t conv_winograd_shared(const struct graph *graph, const struct step *step)
{
    const struct value *out = &graph->values[step->output];
    uint32_t side = step->conv.winograd_side;
    size_t tiles = (size_t)((out->height + side - 1) / side) * ((out->width + side - 1) / side);
    return tiles * sizeof(struct tile) + sizeof(struct tiles);
}

/* Numbers of the rows of the tile's outputs; false if none is demanded. */
static bool tile_rows(const struct run *run, const struct step *step, const struct tile *tile,
                      int32_t row[WINOGRAD_OUTPUTS])
{
    const struct value *out = &run->graph->values[step->output];
    const int32_t *map =
        run->states[step->output].site_map + (size_t)tile->sample * value_sites(out);
    uint32_t y0 = site_y(tile->site), x0 = site_x(tile->site), side = step->conv.winograd_side;
    bool any = false;
    for (uint32_t i = 0; i < side * side; i++) {
        uint32_t y = y0 + i / side, x = x0 + i % side;
        row[i] = y < out->height && x < out->width ? map[(size_t)y * out->width + x] : -1;
        any |= row[i] >= 0;
    }
    return any;
}

static void list_tiles(struct run *run, const struct step *step, uint32_t first, uint32_t end,
                       struct tiles *tiles)
{
    const struct value *out = &run->graph->values[step->output];
    int32_t row[WINOGRAD_OUTPUTS];
    uint32_t side = step->conv.winograd_side;
    tiles->n = 0;
    for (uint32_t s = first; s < end; s++)
        for (uint32_t y = 0; y < out->height; y += side)
            for (uint32_t x = 0; x < out->width; x += side) {
                struct tile tile = {s, site_pack(y, x)};
                tiles->tile[tiles->n] = tile;
                tiles->n += tile_rows(run, step, &tile, row);
            }
}

/* Rows of the cells that the demanded outputs read; zeros for the others. */
static void tile_cells(const struct run *run, const struct windows *w, const struct pad_map *map,
                       const struct conv *conv, const struct tile *tile,
                       const int32_t row[WINOGRAD_OUTPUTS], const float *source[WINOGRAD_CELLS])
{
    const struct window *window = &conv->window;
    uint32_t side = conv->winograd_side;
    int64_t top = (int64_t)map->top - window->pad_top - window->border.top + site_y(tile->site);
    int64_t left = (int64_t)map->left - window->pad_left - window->border.left + site_x(tile->site);
    const int32_t *corner =
        w->map + (int64_t)tile->sample * map->height * map->width + top * map->width + left;
    uint64_t read = 0; /* bit 8 y + x */
    for (uint32_t i = 0; i < side * side; i++)
        read |= (uint64_t)(row[i] >= 0) << (8 * (i / side) + i % side);
    read |= read << 1 | read << 2;
    read |= read << 8 | read << 16;
    for (uint32_t i = 0; i < (side + 2) * (side + 2); i++) {
        uint32_t y = i / (side + 2), x = i % (side + 2);
        int32_t cell = read >> (8 * y + x) & 1 ? corner[(int64_t)y * map->width + x] : MAP_ZERO;
        source[i] = (uint32_t)cell < (uint32_t)w->limit
                        ? w->source + (size_t)cell * w->source_stride
                    : cell == MAP_BORDER ? w->border
                                         : run->zeros;
    }
}

struct tile_block {
    struct run *run;
    const struct step *step;
    const struct tile *tile;
    uint32_t n;
    struct winograd_scratch scratch;
};

static void spread_tiles(const struct tile_block *b)
{
    const struct conv *conv = &b->step->conv;
    int32_t offset[9];
    struct windows w;
    run_windows(b->run, b->step, &conv->window, 0, 0, conv->window.kernel_width, NULL, offset, &w);
    w.border = conv->border;
    uint32_t stride = numbers_stride(conv);
    for (uint32_t t = 0; t < b->n; t++) {
        const float *source[WINOGRAD_CELLS];
        tile_rows(b->run, b->step, &b->tile[t], b->scratch.row[t]);
        tile_cells(b->run, &w, &b->run->plan->maps[conv->window.map], conv, &b->tile[t],
                   b->scratch.row[t], source);
        b->run->kernels->winograd_input(conv->winograd_side,
                                        b->scratch.numbers + (size_t)t * stride,
                                        cell_step(conv, stride), source, conv->in_channels);
    }
}

static void multiply_tiles(const struct tile_block *b, uint32_t first, uint32_t columns)
{
    const struct conv *conv = &b->step->conv;
    uint32_t stride = numbers_stride(conv), lanes = b->run->kernels->lanes;
    struct product p = {.taps = 1,
                        .depth = conv->in_channels,
                        .columns = round_up(columns, lanes),
                        .source = b->scratch.source,
                        .bias = b->run->zeros,
                        .low = -INFINITY,
                        .high = INFINITY,
                        .target_stride = block_columns(conv)};
    for (uint32_t i = 0; i < cells_of(conv); i++) {
        const float *numbers = b->scratch.numbers + i * cell_step(conv, stride);
        for (uint32_t t = 0; t < b->n; t++)
            b->scratch.source[t] = numbers + (size_t)t * stride;
        p.weights = conv->winograd + i * conv->winograd_floats + (size_t)first * conv->in_channels;
        p.target = b->scratch.sums + i * cell_step(conv, block_columns(conv));
        b->run->kernels->multiply(&p, b->n);
    }
}

/* The residual's row for a row of the output. */
static const float *residual_row(struct run *run, const struct step *step, const struct tile *tile,
                                 uint32_t i, int32_t row, bool same)
{
    if (step->conv.residual == GRAPH_NO_VALUE)
        return NULL;
    uint32_t in = step->inputs[step->conv.residual];
    const struct value *value = &run->graph->values[in];
    uint32_t side = step->conv.winograd_side;
    if (!same) {
        size_t y = site_y(tile->site) + i / side, x = site_x(tile->site) + i % side;
        row = run->states[in]
                  .site_map[tile->sample * (size_t)value_sites(value) + y * value->width + x];
    }
    return row < 0 ? run->zeros : run->states[in].rows + (size_t)row * value->channels;
}

static void collect_tiles(const struct tile_block *b, uint32_t first, uint32_t columns, bool same)
{
    const struct conv *conv = &b->step->conv;
    float *rows = b->run->states[b->step->output].rows;
    uint32_t width = block_columns(conv);
    struct winograd_tile out = {.bias = conv->bias + first, .low = conv->low, .high = conv->high};
    for (uint32_t t = 0; t < b->n; t++) {
        for (uint32_t i = 0; i < outputs_of(conv); i++) {
            int32_t row = b->scratch.row[t][i];
            out.target[i] = NULL;
            out.residual[i] = NULL;
            if (row < 0)
                continue;
            out.target[i] = rows + (size_t)row * conv->out_channels + first;
            const float *residual = residual_row(b->run, b->step, &b->tile[t], i, row, same);
            out.residual[i] = residual ? residual + first : NULL;
        }
        b->run->kernels->winograd_output(conv->winograd_side, &out,
                                         b->scratch.sums + (size_t)t * width,
                                         cell_step(conv, width), columns);
    }
}

static void tile_block(struct run *run, const struct step *step, uint32_t index, uint8_t *base)
{
    const struct conv *conv = &step->conv;
    const struct tiles *tiles = (void *)run->shared;
    uint32_t most = block_tiles(conv), first = index * most, width = block_columns(conv);
    struct tile_block b = {.run = run, .step = step, .tile = tiles->tile + first};
    b.n = tiles->n - first < most ? tiles->n - first : most;
    lay_out(step, base, &b.scratch);
    bool same = conv->residual != GRAPH_NO_VALUE &&
                run_same_rows(run, step->inputs[conv->residual], step->output);
    spread_tiles(&b);
    for (uint32_t c = 0; c < conv->out_channels; c += width) {
        uint32_t columns = conv->out_channels - c < width ? conv->out_channels - c : width;
        multiply_tiles(&b, c, columns);
        collect_tiles(&b, c, columns, same);
    }
}

const char *conv_winograd_name(const struct conv *conv)
{
    return conv->winograd_side == 2 ? "winograd 2x2" : "winograd 4x4";
}

uint64_t conv_winograd_run(struct run *run, const struct step *step, uint32_t first, uint32_t end)
{
    struct tiles *tiles = (void *)run->shared;
    uint32_t most = block_tiles(&step->conv);
    run_site_map(run, step->output);
    list_tiles(run, step, first, end, tiles);
    struct run_task task = {run, step, tile_block};
    run_blocks(&task, (tiles->n + most - 1) / most);
    return (uint64_t)tiles->n * cells_of(&step->conv) * step->conv.in_channels *
           step->conv.out_channels;
}

enum lm_status conv_winograd_pack(struct graph *graph, struct conv *conv,
                                  const struct kernels *kernels, struct lm_error *error)
{
    size_t count = (size_t)conv->in_channels * conv->out_channels;
    size_t floats = kernels_packed_floats(kernels, conv->in_channels, conv->out_channels);
    uint64_t sites = (uint64_t)conv->window.out_height * conv->window.out_width;
    conv->winograd_side = sites >= MANY_SITES || WINOGRAD_CELLS * count <= FEW_FLOATS ? 4 : 2;
    float *packed = graph_floats(graph, floats * cells_of(conv), error);
    float *matrix = packed ? graph_floats(graph, count, error) : NULL;
    conv->winograd = packed;
    if (!matrix)
        return error ? error->status : LM_NOMEM;
    for (uint32_t i = 0; i < cells_of(conv); i++) {
        kernels_winograd_weights(conv->winograd_side, conv->weights, count, i, count, matrix);
        kernels_pack(kernels, matrix, conv->in_channels, conv->out_channels, packed + i * floats);
    }
    graph_drop_floats(graph, matrix, count);
    conv->winograd_floats = floats;
    return LM_OK;
}
