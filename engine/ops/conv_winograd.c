/* 3x3 convolutions over active tiles, by Winograd's F(4x4, 3x3) or F(2x2, 3x3)
 * (kernels/winograd.h).
 *
 * The output plane is cut into tiles; those with demanded sites are listed, sample after sample,
 * and computed in blocks: the cells of each tile become as many numbers a channel, number i of all
 * tiles of the block is multiplied with matrix i of the weights, and the sums become the tiles'
 * outputs, of which the demanded ones are stored.  Even tiles with few demanded sites take no
 * longer than those sites would, one by one, so that nothing else is needed.
 *
 * A tile's result depends on its own cells alone: not on the block, the batch or the threads.  But
 * the last bits of each of its outputs depend on all cells that any demanded output of the tile
 * reads, so samples whose rows may be remembered and met again elsewhere are not computed so
 * (conv_is_tiled).
 */
#include <math.h>
#include <string.h>

#include "ops/conv_parts.h"

/* Weights are read for each block: scratch grows with them. */
enum {
    LEAST_SCRATCH_FLOATS = 256 << 10,
    MOST_SCRATCH_FLOATS = 2 << 20,
    SCRATCH_SHARE = 2, /* of the weights */
    COLUMNS = 128,
    TILE_MULTIPLE = 24,
    MOST_NUMBERS = 2592, /* of a block, for a channel */
    ALIGN_FLOATS = 16,
};

/* A tile with demanded outputs: its first site. */
struct tile {
    uint32_t sample, site;
};

/* What the blocks of a step share: the tiles, and how they are cut into blocks. */
struct tiles {
    uint32_t n, each, columns;
    struct tile tile[];
};

struct winograd_scratch {
    float *numbers, *sums;            /* [cell][tile][channel]; numbers may be bfloat16 */
    const void **source;              /* rows of `numbers` of one cell */
    int32_t (*row)[WINOGRAD_OUTPUTS]; /* of the output, -1: not demanded */
};

struct tile_block {
    struct run *run;
    const struct step *step;
    const struct tile *tile;
    uint32_t n;
    struct winograd_scratch scratch;
};

static uint32_t round_up(uint32_t n, uint32_t to)
{
    return (n + to - 1) / to * to;
}

static uint32_t outputs_of(const struct conv *conv)
{
    return conv->winograd_side * conv->winograd_side;
}

const char *conv_winograd_name(const struct conv *conv)
{
    return conv->winograd_side == 2 ? "winograd 2x2" : "winograd 4x4";
}

/* ---- scratch */

/* Floats between the rows of two tiles. */
static uint32_t numbers_stride(const struct conv *conv)
{
    return round_up(conv->rounds ? (conv->in_channels + 1) / 2 : conv->in_channels, ALIGN_FLOATS);
}

/* Columns that are multiplied together: a panel is packed in no more. */
static uint32_t sums_stride(const struct conv *conv)
{
    uint32_t all = round_up(conv->out_channels, ALIGN_FLOATS);
    return all < COLUMNS ? all : COLUMNS;
}

/* The most tiles of a block. */
static uint32_t block_tiles(const struct conv *conv)
{
    size_t weights = conv->winograd_numbers * conv_winograd_cells(conv),
           room = weights / SCRATCH_SHARE;
    room = room < LEAST_SCRATCH_FLOATS ? LEAST_SCRATCH_FLOATS : room;
    room = room > MOST_SCRATCH_FLOATS ? MOST_SCRATCH_FLOATS : room;
    size_t n =
        room / (conv_winograd_cells(conv) * ((size_t)numbers_stride(conv) + sums_stride(conv)));
    n = n > MOST_NUMBERS / conv_winograd_cells(conv) ? MOST_NUMBERS / conv_winograd_cells(conv) : n;
    return n < TILE_MULTIPLE ? TILE_MULTIPLE : (uint32_t)n / TILE_MULTIPLE * TILE_MULTIPLE;
}

/* Floats between two cells: such that a tile's do not all meet in one set of the cache. */
static size_t cell_step(const struct conv *conv, uint32_t stride)
{
    return (size_t)block_tiles(conv) * stride + ALIGN_FLOATS;
}

static size_t lay_out(const struct step *step, uint8_t *base, struct winograd_scratch *out)
{
    const struct conv *conv = &step->conv;
    size_t n = block_tiles(conv), used = 0;
    out->numbers = (float *)(void *)(base + used);
    used += conv_winograd_cells(conv) * cell_step(conv, numbers_stride(conv)) * sizeof(float);
    out->sums = (float *)(void *)(base + used);
    used += conv_winograd_cells(conv) * cell_step(conv, sums_stride(conv)) * sizeof(float);
    out->source = (const void **)(void *)(base + used);
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

/* ---- tiles */

/* Rows of the tile's outputs; false if none is demanded. */
static bool tile_rows(const struct run *run, const struct step *step, const struct tile *tile,
                      int32_t row[WINOGRAD_OUTPUTS])
{
    const struct value *out = &run->graph->values[step->output];
    const int32_t *map =
        run->states[step->output].site_map + (size_t)tile->sample * value_sites(out);
    uint32_t side = step->conv.winograd_side;
    bool any = false;
    for (uint32_t i = 0; i < side * side; i++) {
        uint32_t y = site_y(tile->site) + i / side, x = site_x(tile->site) + i % side;
        row[i] = y < out->height && x < out->width ? map[(size_t)y * out->width + x] : -1;
        any |= row[i] >= 0;
    }
    return any;
}

/* Of samples first..end-1. */
static void list_tiles(struct run *run, const struct step *step, uint32_t first, uint32_t end,
                       struct tiles *tiles)
{
    const struct value *out = &run->graph->values[step->output];
    uint32_t side = step->conv.winograd_side;
    int32_t row[WINOGRAD_OUTPUTS];
    tiles->n = 0;
    for (uint32_t s = first; s < end; s++)
        for (uint32_t y = 0; y < out->height; y += side)
            for (uint32_t x = 0; x < out->width; x += side) {
                tiles->tile[tiles->n] = (struct tile){s, site_pack(y, x)};
                tiles->n += tile_rows(run, step, &tiles->tile[tiles->n], row);
            }
}

/* Which cells the demanded outputs read: bit 8 y + x. */
static uint64_t cells_read(const int32_t row[WINOGRAD_OUTPUTS], uint32_t side)
{
    uint64_t read = 0;
    for (uint32_t i = 0; i < side * side; i++)
        read |= (uint64_t)(row[i] >= 0) << (8 * (i / side) + i % side);
    read |= read << 1 | read << 2;
    return read | read << 8 | read << 16;
}

/* Rows of the cells that are read; zeros for the others, which may be outside of the map. */
static void tile_cells(const struct run *run, const struct conv *conv, const struct windows *w,
                       const struct tile *tile, const int32_t row[WINOGRAD_OUTPUTS],
                       const void *source[WINOGRAD_CELLS])
{
    const struct window *window = &conv->window;
    const struct pad_map *map = &run->plan->maps[window->map];
    int64_t top = (int64_t)map->top - window->pad_top - window->border.top + site_y(tile->site);
    int64_t left = (int64_t)map->left - window->pad_left - window->border.left + site_x(tile->site);
    const int32_t *corner =
        w->map + ((int64_t)tile->sample * map->height + top) * map->width + left;
    uint64_t read = cells_read(row, conv->winograd_side);
    uint32_t side = conv->winograd_side + 2;
    for (uint32_t i = 0; i < side * side; i++) {
        uint32_t y = i / side, x = i % side;
        int32_t cell = read >> (8 * y + x) & 1 ? corner[(int64_t)y * map->width + x] : MAP_ZERO;
        source[i] = (uint32_t)cell < (uint32_t)w->limit
                        ? w->source + (size_t)cell * w->source_stride
                    : cell == MAP_BORDER ? w->border
                                         : run->zeros;
    }
}

/* ---- blocks */

static void spread_tiles(const struct tile_block *b)
{
    const struct conv *conv = &b->step->conv;
    uint32_t stride = numbers_stride(conv);
    int32_t offset[9];
    struct windows w;
    run_windows(b->run, b->step, &conv->window, 0, 0, conv->window.kernel_width, NULL, offset, &w);
    const void *source[WINOGRAD_CELLS];
    struct winograd_cells cells = {.side = conv->winograd_side,
                                   .channels = conv->in_channels,
                                   .source = source,
                                   .step = cell_step(conv, stride) * (conv->rounds ? 2 : 1),
                                   .source_rounded =
                                       b->run->graph->values[b->step->inputs[0]].rounded,
                                   .target_rounded = conv->rounds};
    w.border = conv->border;
    for (uint32_t t = 0; t < b->n; t++) {
        tile_rows(b->run, b->step, &b->tile[t], b->scratch.row[t]);
        tile_cells(b->run, conv, &w, &b->tile[t], b->scratch.row[t], source);
        cells.target = b->scratch.numbers + (size_t)t * stride;
        b->run->kernels->winograd_input(&cells);
    }
}

/* Some columns of the sums of one cell, with the weights from number `at` on. */
static void multiply_floats(const struct tile_block *b, size_t at, uint32_t columns, float *sums)
{
    const struct conv *conv = &b->step->conv;
    struct product p = {.taps = 1,
                        .depth = conv->in_channels,
                        .columns = round_up(columns, b->run->kernels->lanes),
                        .source = (const float *const *)b->scratch.source,
                        .weights = (const float *)conv->winograd + at,
                        .bias = b->run->zeros,
                        .low = -INFINITY,
                        .high = INFINITY,
                        .target = sums,
                        .target_stride = sums_stride(conv)};
    b->run->kernels->multiply(&p, b->n);
}

static void multiply_rounded(const struct tile_block *b, size_t at, uint32_t columns, float *sums)
{
    const struct conv *conv = &b->step->conv;
    struct bf16_product p = {.taps = 1,
                             .depth = conv->in_channels,
                             .columns = round_up(columns, b->run->kernels->lanes),
                             .source = b->scratch.source,
                             .weights = (const uint16_t *)conv->winograd + at,
                             .bias = b->run->zeros,
                             .low = -INFINITY,
                             .high = INFINITY,
                             .target = sums,
                             .target_stride = sums_stride(conv)};
    b->run->kernels->bf16_multiply(&p, b->n);
}

static void multiply_tiles(const struct tile_block *b, uint32_t first, uint32_t columns)
{
    const struct conv *conv = &b->step->conv;
    uint32_t stride = numbers_stride(conv), width = sums_stride(conv);
    for (uint32_t i = 0; i < conv_winograd_cells(conv); i++) {
        const float *numbers = b->scratch.numbers + i * cell_step(conv, stride);
        float *sums = b->scratch.sums + i * cell_step(conv, width);
        size_t at = i * conv->winograd_numbers + (size_t)first * conv->in_channels;
        for (uint32_t t = 0; t < b->n; t++)
            b->scratch.source[t] = numbers + (size_t)t * stride;
        if (conv->rounds)
            multiply_rounded(b, at, columns, sums);
        else
            multiply_floats(b, at, columns, sums);
    }
}

/* The residual's row for output i of the tile, which is at `row` of the output. */
static const float *residual_row(const struct tile_block *b, const struct tile *tile, uint32_t i,
                                 int32_t row)
{
    const struct conv *conv = &b->step->conv;
    uint32_t in = b->step->inputs[conv->residual], side = conv->winograd_side;
    const struct value *value = &b->run->graph->values[in];
    const struct value_state *state = &b->run->states[in];
    if (!run_same_rows(b->run, in, b->step->output)) {
        size_t y = site_y(tile->site) + i / side, x = site_x(tile->site) + i % side;
        row = state->site_map[tile->sample * (size_t)value_sites(value) + y * value->width + x];
    }
    return row < 0 ? b->run->zeros : state->rows + (size_t)row * value_stride(value);
}

static void collect_tiles(const struct tile_block *b, uint32_t first, uint32_t columns)
{
    const struct conv *conv = &b->step->conv;
    const struct value *values = b->run->graph->values, *value = &values[b->step->output];
    float *rows = b->run->states[b->step->output].rows;
    uint32_t width = sums_stride(conv);
    bool adds = conv->residual != GRAPH_NO_VALUE;
    for (uint32_t t = 0; t < b->n; t++) {
        struct winograd_tile out = {.target_rounded = value->rounded,
                                    .residual_rounded =
                                        adds && values[b->step->inputs[conv->residual]].rounded,
                                    .column = first,
                                    .bias = conv->bias,
                                    .low = conv->low,
                                    .high = conv->high};
        for (uint32_t i = 0; i < outputs_of(conv); i++) {
            int32_t row = b->scratch.row[t][i];
            if (row < 0)
                continue;
            out.target[i] = rows + (size_t)row * value_stride(value);
            if (adds)
                out.residual[i] = residual_row(b, &b->tile[t], i, row);
        }
        b->run->kernels->winograd_output(conv->winograd_side, &out,
                                         b->scratch.sums + (size_t)t * width,
                                         cell_step(conv, width), columns);
    }
}

/* Blocks of the same tiles follow each other, each with columns of its own. */
static void tile_block(struct run *run, const struct step *step, uint32_t index, uint8_t *base)
{
    const struct conv *conv = &step->conv;
    const struct tiles *tiles = (void *)run->shared;
    uint32_t parts = (conv->out_channels + tiles->columns - 1) / tiles->columns;
    uint32_t tile = index / parts * tiles->each, c = index % parts * tiles->columns;
    uint32_t end =
        conv->out_channels - c < tiles->columns ? conv->out_channels : c + tiles->columns;
    struct tile_block b = {.run = run, .step = step, .tile = tiles->tile + tile};
    b.n = tiles->n - tile < tiles->each ? tiles->n - tile : tiles->each;
    lay_out(step, base, &b.scratch);
    spread_tiles(&b);
    for (; c < end; c += sums_stride(conv)) {
        uint32_t columns = end - c < sums_stride(conv) ? end - c : sums_stride(conv);
        multiply_tiles(&b, c, columns);
        collect_tiles(&b, c, columns);
    }
}

/* Blocks of about the same size.  If there is but one, threads share it by columns: then each needs
 * the tiles' numbers, but only some of the weights. */
static uint32_t cut_blocks(const struct run *run, const struct conv *conv, struct tiles *tiles)
{
    uint32_t most = block_tiles(conv), blocks = (tiles->n + most - 1) / most;
    tiles->columns = conv->out_channels;
    if (!blocks)
        return 0;
    tiles->each = (tiles->n + blocks - 1) / blocks;
    if (blocks > 1 || !run->pool || conv->out_channels < 2 * COLUMNS)
        return blocks;
    tiles->columns = round_up(conv->out_channels / 2, COLUMNS);
    return 2;
}

uint64_t conv_winograd_run(struct run *run, const struct step *step, uint32_t first, uint32_t end)
{
    struct tiles *tiles = (void *)run->shared;
    run_site_map(run, step->output);
    list_tiles(run, step, first, end, tiles);
    struct run_task task = {run, step, tile_block};
    run_blocks(&task, cut_blocks(run, &step->conv, tiles));
    return (uint64_t)tiles->n * conv_winograd_cells(&step->conv) * step->conv.in_channels *
           step->conv.out_channels;
}
