/* The network between the file and the machine.
 *
 * A value is rows: one row of `channels` floats for every site of every sample.  A spatial value
 * has height x width sites (pixels) and carries a mask; an ordinary value has one row a sample.
 * How the file names the axes of a value (N,C,H,W, channel-last, regrouped channels) is a view on
 * it, so that Reshape, Unsqueeze and most Transposes cost nothing.
 * A step makes one value from others; steps are in the order in which they run.
 */
#ifndef LM_GRAPH_GRAPH_H
#define LM_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "graph/program.h"
#include "layermask/model.h"
#include "layermask/status.h"
#include "onnx/onnx.h"

/* Bounds that keep products of sizes within 32 and 64 bits: cells of a window and of each of its
 * lengths, sites of a value (and cells of its map), rows and columns of one (a site is 16 bits of
 * each), floats of a row, inputs of a step. */
enum {
    GRAPH_MAX_RANK = ONNX_MAX_RANK,
    GRAPH_MAX_WINDOW = 1 << 13,
    GRAPH_MAX_SITES = 1 << 24,
    GRAPH_MAX_SIDE = 1 << 16,
    GRAPH_MAX_CHANNELS = 1 << 22,
    STEP_MAX_INPUTS = 512,
};

#define GRAPH_NO_VALUE UINT32_MAX

/* A border that a Pad put around the rows and columns of a view, for the next Conv or pool. */
struct border {
    uint32_t top, left, bottom, right; /* cells */
    float constant;
};

struct value {
    bool spatial;
    uint32_t height, width; /* 1 x 1 if ordinary */
    uint32_t channels;      /* floats of a row */
    uint32_t producer;      /* step; GRAPH_NO_VALUE for the input */
    bool shared;            /* read under several names, by several nodes */
    bool rounded;           /* its rows are bfloat16, two to a float */
    bool rectified;         /* no number is below 0 and many may be 0, as behind a Relu */
};

/* dims[0] is the batch.  Of a spatial value, axes row_axis < column_axis are its rows and columns,
 * and the others, in order, make up its channels. */
struct view {
    uint32_t value;
    uint32_t rank;
    int64_t dims[GRAPH_MAX_RANK];
    uint32_t row_axis, column_axis;
    struct border border; /* all 0 mostly */
};

/* Geometry of a Conv or pool, in cells.  pads count zeros (Conv) or nothing (pools); the border is
 * a Pad node's, inside of the pads. */
struct window {
    uint32_t kernel_height, kernel_width, stride_y, stride_x, dilation_y, dilation_x;
    uint32_t pad_top, pad_left, pad_bottom,
        pad_right; /* as declared; overhang of ceil_mode apart */
    struct border border;
    uint32_t in_height, in_width, out_height, out_width;
    uint32_t map; /* pad map of the input, from plan_make */
};

struct graph;
struct kernels;
struct run;
struct step;
struct prologue;

/* How one kind of step treats masks and demand, and computes.  sample < the batch of the run. */
struct step_kind {
    const char *name;
    void (*visible)(struct run *run, const struct step *step, uint32_t sample);
    void (*demand)(struct run *run, const struct step *step, uint32_t sample);
    void (*execute)(struct run *run, const struct step *step);
    /* Makes the identities of the output's sites (graph/memo.h) from those of the inputs, which are
     * all spatial; NULL: the kind cannot say what its rows depend on. */
    void (*identify)(struct run *run, const struct step *step, uint32_t sample);
    bool by_sample; /* execute computes the samples from..to-1 of the run, and needs no others */
    bool recalls;   /* what is remembered is not demanded of its input */
    /* Whether the step may read rows of input `input` at sites that are masked there;
     * masked: whether masked sites of its output may be demanded. */
    bool (*reads_masked)(const struct graph *graph, const struct step *step, uint32_t input,
                         bool masked);
    /* Bytes of scratch that a thread needs; NULL: none. */
    size_t (*scratch)(const struct graph *graph, const struct step *step);
    /* Bytes a sample of scratch that the blocks of a step share; NULL: none. */
    size_t (*shared)(const struct graph *graph, const struct step *step);
    /* The window on input 0; NULL if the kind or the step has none. */
    struct window *(*window)(struct step *step);
    /* Rounds of neighbour padding of input 0; NULL: none. */
    uint32_t (*rounds)(const struct step *step);
    void (*clear)(struct step *step); /* frees its parameters; NULL: it has none */
};

/* Convolutions, fully connected layers and channel-last MatMul.
 * weights: `blocks` matrices of [taps * block_in][block_out], taps in row-major order; a block is
 * one group, or several groups merged to a block-diagonal matrix.  conv_pack packs each for the
 * kernels, at multiples of block_floats (of halves: numbers).  Depthwise: [taps][channels]. Result:
 * (sum + bias) [+ residual], clamped to low..high, then the program if there is one. */
struct conv {
    struct window window;
    bool pointwise; /* value at each site from that site's own value: no neighbour padding */
    bool depthwise;
    uint32_t groups, in_channels, out_channels;
    uint32_t blocks, block_in, block_out;
    size_t block_floats; /* of one packed matrix; 0: not packed */
    void *winograd;      /* packed weights of conv_winograd.c, at multiples of winograd_numbers */
    size_t winograd_numbers;
    uint32_t winograd_side; /* of its tiles; 0: it has none */
    uint32_t recall;        /* how many recall steps come before it */
    bool skips_zeros;       /* of its rows, which a Relu may have left */
    bool remembered; /* others come later: of a sample that uses one, a row is its window's alone */
    float *weights, *bias; /* bias: out_channels, and KERNELS_SLACK more */
    float *border;         /* row of a Pad's constant; NULL if the window has no border */
    bool rounds;           /* it multiplies bfloat16: the weights are in halves and winograd */
    uint16_t *halves;
    uint32_t residual; /* input index (>= 1), or GRAPH_NO_VALUE */
    float low, high;
    struct prologue *before; /* NULL: none */
};

struct pool {
    struct window window;
    bool count_include_pad;
};

/* Copies count channels of an input to the output: target + i * target_step = source + i. */
struct channel_run {
    uint32_t input, source, target, count, target_step;
};

/* Concat, Split, Gather, Slice, Pad and Transpose of channels.  Channels that no run reaches hold
 * `fill`. */
struct channels {
    uint32_t n_runs;
    struct channel_run *runs;
    float fill;
    bool filled; /* some channel is reached by no run */
    /* Of a Concat, whose mask follows policy.concat: how many inputs the node has, and how often
     * each of the step's inputs is among them.  0: not a Concat. */
    uint32_t concatenated;
    uint32_t *weight;
};

/* What makes the rows of a conv of one tap, block by block, instead of steps of their own: either a
 * depthwise convolution of input 0 and a program of its result alone, or a program of the step's
 * inputs, where an OPERAND_JOINED is put together from channels of some of them.  joined: as of a
 * step of channels, but weight is 0 for inputs that are not joined. */
struct prologue {
    struct conv *depthwise; /* NULL: none */
    struct program program;
    struct channels joined;
};

/* Slice of rows and columns: site (y, x) is the input's (y0 + y * dy, x0 + x * dx). */
struct crop {
    int32_t y0, x0, dy, dx;
};

/* Flatten: element y * row_stride + x * column_stride + offset[channel] of the ordinary row. */
struct flatten {
    uint32_t row_stride, column_stride;
    uint32_t *offset;
};

/* A place where rows are remembered (graph/memo.h): number `cut` of at most MEMO_MAX_CUTS.  A row
 * there has seen `pixels` of the picture, across; the convs since the recall step before take
 * `products` for a picture, `tiled` of them of a kind that is computed in tiles otherwise. */
enum { MEMO_MAX_CUTS = 3 };
struct recall {
    uint32_t cut;
    double pixels, products, tiled;
};

struct step {
    const struct step_kind *kind;
    char *name; /* of the ONNX node */
    uint32_t n_inputs;
    uint32_t *inputs; /* values */
    uint32_t output;
    union {
        struct conv conv;
        struct pool pool;
        struct channels channels;
        struct crop crop;
        struct flatten flatten;
        struct recall recall;
    };
    struct program program; /* pointwise steps; after a conv; length 0: none */
    bool dead;
};

struct graph {
    struct lm_policy policy;
    enum lm_precision precision;
    const struct kernels *kernels; /* that run it */
    struct lm_model_limits limits;
    int64_t opset;
    uint32_t batch; /* what the file says the batch is, 1 if open */
    size_t n_values, value_capacity;
    struct value *values;
    size_t n_steps, step_capacity;
    struct step *steps;
    uint32_t input, output; /* values */
    uint64_t bytes;         /* of weights and tables, against limits.max_bytes */
};

/* New value or step; false with *error set when out of memory. A step's inputs are copied. */
bool graph_add_value(struct graph *graph, const struct value *value, uint32_t *id,
                     struct lm_error *error);
struct step *graph_add_step(struct graph *graph, const struct step_kind *kind, const char *name,
                            const uint32_t *inputs, uint32_t n_inputs, const struct value *output,
                            struct lm_error *error);
bool graph_step_add_input(struct step *step, uint32_t value, uint32_t *index);

/* Counts bytes of weights or tables against the limit; false with *error set. */
bool graph_count(struct graph *graph, size_t bytes, struct lm_error *error);

/* Floats for weights and tables, counted against the limit; NULL with *error set. */
float *graph_floats(struct graph *graph, size_t count, struct lm_error *error);

void graph_drop_floats(struct graph *graph, float *floats, size_t count); /* frees them */

void prologue_free(struct prologue *prologue);
void graph_step_clear(struct step *step);
void graph_free(struct graph *graph);

static inline uint64_t value_sites(const struct value *value)
{
    return (uint64_t)value->height * value->width;
}

/* Words of a plane of the value's sites: see graph/sites.h. */
static inline size_t value_words(const struct value *value)
{
    return value->height * bits_words(value->width);
}

/* Floats between the rows of a value. */
static inline size_t value_stride(const struct value *value)
{
    return value->rounded ? ((size_t)value->channels + 1) / 2 : value->channels;
}

static inline uint32_t window_taps(const struct window *window)
{
    return window->kernel_height * window->kernel_width;
}

#endif
