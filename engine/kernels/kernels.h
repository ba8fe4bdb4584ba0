/* Kernels: plain loops on plain pointers, the only code whose speed depends on the machine.
 *
 * They never allocate, fail or log.  body.h is compiled once for each instruction set; the table
 * that fits the machine is chosen once.  Rows are `channels` consecutive floats.  A map holds row
 * numbers; a number that is not below `limit` (also: negative) stands for a row of zeros.
 */
#ifndef LM_KERNELS_KERNELS_H
#define LM_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Row number of a cell in a Pad's border: a row of the border's constant. */
enum { MAP_ZERO = -1, MAP_BORDER = -2 };

/* Pointwise operations; a and b are operands, p parameters. */
enum pointwise {
    PW_ADD,
    PW_SUB,
    PW_MUL,
    PW_DIV,
    PW_MAX,
    PW_MIN,
    PW_POW,        /* a op b */
    PW_PRELU,      /* a < 0 ? a * b : a */
    PW_CLAMP,      /* min(max(a, p0), p1) */
    PW_LEAKY_RELU, /* a < 0 ? p0 * a : a */
    PW_ELU,        /* a < 0 ? p0 * (exp(a) - 1) : a */
    PW_SIGMOID,
    PW_TANH,
    PW_SOFTPLUS,
    PW_MISH,
    PW_ERF,
    PW_EXP,
    PW_LOG,
    PW_SQRT,
    PW_ABS,
    PW_NEG,
    PW_RECIPROCAL,
    PW_FLOOR,
    PW_CEIL,
    PW_HARD_SIGMOID, /* min(max(p0 * a + p1, 0), 1) */
    PW_HARD_SWISH,   /* a * min(max(a / 6 + 0.5, 0), 1) */
    PW_SILU,         /* a * sigmoid(a) */
    PW_GELU,         /* a / 2 * (1 + erf(a / sqrt 2)) */
    PW_COPY,
    PW_AFFINE,   /* min(max(a * b + c, p0), p1) for each channel: see the kernel `affine` */
    PW_ROW_MEAN, /* mean of the row: one float a row */
    PW_LRN,      /* a / (p3 + p1 / size * sum of squares of p0 = size neighbours)^p2 */
    PW_SOFTMAX,  /* over the row */
    PW_COUNT
};

static inline bool pointwise_is_binary(enum pointwise op)
{
    return op <= PW_PRELU;
}

static inline bool pointwise_is_row(enum pointwise op)
{
    return op >= PW_ROW_MEAN;
}

/* Where the windows of some output rows lie: cell t of row r is source row
 * map[origin[r] + offset[t]]. */
struct windows {
    const float *source;
    size_t source_stride; /* floats between source rows */
    const int32_t *map;
    const int64_t *origin;
    const int32_t *offset;
    uint32_t taps;
    int32_t limit;
    const float *border; /* row for MAP_BORDER; may be NULL if the map has none */
    const float *zeros;  /* row for all other cells that are not there */
    /* Square windows of kernel x kernel cells without gaps: cell t is x = t % kernel to the right
     * of the one at offset[t - x], and neighbours of an output row are `step` cells apart.  0:
     * others.
     */
    uint32_t kernel, step;
};

/* Depthwise convolution: target[r][c] = min(max(bias[c] + sum over t of source[r, t][c] *
 * weights[t][c] + residual[r][c], low), high), channels floats a row. */
struct depthwise {
    const struct windows *windows;
    uint32_t channels;
    const float *weights, *bias;
    const float *residual; /* NULL: none */
    float low, high;
    float *target;
};

/* Product of rows with weights: target[r][c] = min(max(bias[c] + sum over t and k of
 * source[r * taps + t][k] * weights[t * depth + k][c] + residual[r][c], low), high).
 * weights: from kernels_pack.  bias: columns floats, and KERNELS_SLACK more that may be anything.
 */
struct product {
    uint32_t taps, depth, columns;
    const float *const *source; /* rows x taps pointers to depth floats */
    const float *weights, *bias;
    const float *residual; /* NULL: none */
    size_t residual_stride;
    float low, high;
    float *target;
    size_t target_stride;
    void *zeros; /* NULL, or scratch of kernels_zeros_bytes: rows may hold many zeros, which then
                    take little time; the result is the same */
};

enum { KERNELS_SLACK = 64 };

/* Numbers that are looked through for zeros together, and the most of them; sums of a row that are
 * made together, at most. */
enum { ZEROS_CHUNK = 48, ZEROS_BITS = 64, ZEROS_SUMS = 128 };

/* Bytes of scratch for the zeros of so many rows, aligned as vectors are: ZEROS_SUMS floats for
 * each row, and a bit for each number. */
size_t kernels_zeros_bytes(size_t taps, size_t depth, size_t rows);

/* Winograd's F(side x side, 3x3), side 2 or 4: a tile has at most that many outputs, and its
 * windows see so many cells, which become as many numbers. */
enum { WINOGRAD_OUTPUTS = 16, WINOGRAD_CELLS = 36 };

/* The cells of a tile, row-major, a row of `channels` each, and where its numbers go: number i is a
 * row at target + i * step (rounded up to whole vectors).  Rows are floats, or bfloat16 if they are
 * said to be rounded: the target's or both, of side 2 alone.  step counts numbers. */
struct winograd_cells {
    uint32_t side, channels;
    const void *const *source;
    void *target;
    size_t step;
    bool source_rounded, target_rounded;
};

/* Where the outputs of a tile go: c = column + n, from sum n.  target[i][c] = min(max(sum + bias[c]
 * + residual[i][c], low), high); target[i] NULL: nobody needs it; residual[i] NULL: none.  Rows are
 * floats, or bfloat16 if they are said to be rounded: of side 2 alone. */
struct winograd_tile {
    void *target[WINOGRAD_OUTPUTS];
    const void *residual[WINOGRAD_OUTPUTS];
    bool target_rounded, residual_rounded;
    uint32_t column;
    const float *bias; /* all columns, and KERNELS_SLACK more that may be anything */
    float low, high;
};

/* The same product in bfloat16: rows and weights rounded to nearest even (NaN stays NaN), the
 * products, which are exact in float32, added up in float32.  The order of the additions is the
 * table's own: that of the depth, but for VDPBF16PS, which adds pairs, and AMX, which adds even and
 * odd terms apart; both take numbers below 2^-126 for zero and round to nearest even, however the
 * processor is set.  taps x depth terms a row.  rows: from bf16_pack (taps: 1); NULL: rows x taps
 * pointers at bfloat16, if kernels_bf16_in_place.  weights: from kernels_bf16_pack; bias: columns
 * floats, and KERNELS_SLACK more that may be anything.  residual, target: floats, or bfloat16 if
 * they are said to be rounded; strides count numbers.  panel: kernels_bf16_panel floats of scratch.
 */
struct bf16_product {
    uint32_t taps, depth, columns;
    const void *rows;
    const void *const *source;
    const uint16_t *weights;
    const float *bias;
    const void *residual; /* NULL: none */
    size_t residual_stride;
    bool residual_rounded, target_rounded;
    float low, high;
    void *target;
    size_t target_stride;
    float *panel;
};

/* Rows to pack: row r is, one after the other, the `depth` numbers that source[r * taps + t] points
 * at, for each tap t. */
struct bf16_rows {
    uint32_t taps, depth;
    const void *const *source;
    bool rounded; /* bfloat16; else floats, which are rounded */
};

struct kernels {
    const char *name;
    uint32_t lanes; /* floats of a vector */
    uint32_t panel; /* vectors of a full panel of packed weights */
    bool skips;     /* skipping zeros pays: vectors are wide enough */

    void (*multiply)(const struct product *product, size_t rows);

    /* target[r][t][c] = source row of (r, t), channels floats each. */
    void (*gather)(float *target, const struct windows *windows, size_t rows, uint32_t channels);

    void (*depthwise)(const struct depthwise *depthwise, size_t rows);

    /* target[r][c] = maximum over present cells (map below limit, or border); 0 if there are none.
     */
    void (*max_pool)(float *target, const struct windows *windows, size_t rows, uint32_t channels);

    /* target[r][c] = scale[r] * sum over present cells. */
    void (*sum_pool)(float *target, const struct windows *windows, size_t rows, uint32_t channels,
                     const float *scale);

    /* target[r][c] = source[c * plane + r]: planes to rows. */
    void (*interleave)(float *target, const float *source, size_t plane, size_t rows,
                       uint32_t channels);

    /* map[x] = next + the number of bits of `rows` below x, if bit x of `shown` is set, which is
     * one of `rows`; else MAP_ZERO. */
    void (*number)(int32_t *map, const uint64_t *rows, const uint64_t *shown, uint32_t width,
                   int32_t next);

    /* target[r][c] = sum of the `count[r]` source rows index[8 * r + i] / (count[r] + epsilon). */
    void (*neighbour_mean)(float *target, const float *source, const int32_t *index,
                           const uint8_t *count, size_t rows, uint32_t channels, float epsilon);

    /* The numbers of a tile. */
    void (*winograd_input)(const struct winograd_cells *cells);

    /* The tile's outputs from the sums of its products, at source + i * step (whole vectors). */
    void (*winograd_output)(uint32_t side, const struct winograd_tile *tile, const float *source,
                            size_t step, uint32_t channels);

    /* sum[c] += rows of source, in double. */
    void (*sum_rows)(double *sum, const float *source, size_t rows, uint32_t channels);

    /* Pointwise operation op on n floats; a_step, b_step: 0 (one float for all) or 1. */
    void (*pointwise)(enum pointwise op, float *target, const float *a, const float *b,
                      size_t a_step, size_t b_step, size_t n, const float *p);

    /* target[c] = min(max(a[c] * scale[c] + shift[c], low), high), n floats; target may be a. */
    void (*affine)(float *target, const float *a, const float *scale, const float *shift, size_t n,
                   float low, float high);

    /* Operations on whole rows (PW_ROW_MEAN and after) of `channels` floats. */
    void (*row_op)(enum pointwise op, float *target, const float *a, size_t rows, uint32_t channels,
                   const float *p);

    /* Products in bfloat16. */
    uint32_t bf16_bytes; /* of a number of a packed row */
    bool bf16_in_place;  /* rows of bfloat16 need no packing */
    void (*bf16_pack)(void *target, const struct bf16_rows *source, size_t rows);
    void (*bf16_multiply)(const struct bf16_product *product, size_t rows);

    /* neighbour_mean of rows of bfloat16, `stride` numbers apart, rounded. */
    void (*bf16_neighbour_mean)(uint16_t *target, const uint16_t *source, size_t stride,
                                const int32_t *index, const uint8_t *count, size_t rows,
                                uint32_t channels, float epsilon);

    /* target = source, rounded. */
    void (*bf16_round)(uint16_t *target, const float *source, size_t n);
};

/* Floats that a matrix of depth x columns takes when packed for this table, and its packing from
 * row-major order: panels of `panel` vectors of columns (a last one of fewer if they are enough),
 * in each the rows one after the other, zeros beyond the columns. */
size_t kernels_packed_floats(const struct kernels *kernels, size_t depth, uint32_t columns);
void kernels_pack(const struct kernels *kernels, const float *matrix, size_t depth,
                  uint32_t columns, float *packed);

/* The weights of F(side x side, 3x3): out[i] for i < count = number `index` of the filter whose
 * nine weights are at weights + i, `stride` floats apart. */
void kernels_winograd_weights(uint32_t side, const float *weights, size_t stride, uint32_t index,
                              size_t count, float *out);

/* The same for products in bfloat16, as many numbers as a matrix takes and its packing, for all
 * tables alike: panels of 32 columns, in each 32 x 32 squares by depth, in each 16 x 2 columns, in
 * these pairs of depth side by side for each column; a last panel of 16 columns if they are enough.
 * Zeros beyond the columns and the depth. */
enum { BF16_STEP = 32, BF16_COLUMNS = 16 };
size_t kernels_bf16_numbers(size_t depth, uint32_t columns);
void kernels_bf16_pack(const float *matrix, size_t depth, uint32_t columns, uint16_t *packed);

/* Bytes of bf16_pack's target: for each row, and for all (whole tiles of rows). */
size_t kernels_bf16_row_bytes(const struct kernels *kernels, size_t depth);
size_t kernels_bf16_rows_bytes(const struct kernels *kernels, size_t depth, size_t rows);
size_t kernels_bf16_panel(const struct kernels *kernels, size_t depth);

/* Whether this table multiplies rows of bfloat16 where they stand: it reads pairs, and a tap's
 * begin where a square of weights begins. */
bool kernels_bf16_in_place(const struct kernels *kernels, uint32_t taps, uint32_t depth);

/* The table for this machine; the portable one if `portable`.  bfloat16: for a model in bfloat16,
 * which may have instructions that the process has to ask the system for. */
const struct kernels *kernels_choose(bool portable, bool bfloat16);

#endif
