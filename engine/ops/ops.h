/* Operators: how each ONNX operator becomes steps, and how each kind of step masks and computes. */
#ifndef LM_OPS_OPS_H
#define LM_OPS_OPS_H

#include "graph/graph.h"
#include "graph/run.h"

/* ---- kinds of steps */

extern const struct step_kind step_conv, step_max_pool, step_average_pool, step_global_average,
    step_global_max, step_pointwise, step_channels, step_crop, step_flatten, step_recall;

/* ---- from nodes to steps */

/* What a name of the file stands for. */
enum symbol_kind {
    SYMBOL_UNDEFINED, /* its node has not been looked at yet */
    SYMBOL_CONSTANT,  /* tensor */
    SYMBOL_VIEW,      /* view */
    SYMBOL_UNKNOWN,   /* made by a node that was refused (while listing all that are) */
};

struct symbol {
    const char *name;
    enum symbol_kind kind;
    uint32_t uses;    /* by nodes, and by the graph's output */
    uint32_t pending; /* of them, those by nodes that are not lowered yet, and by the output */
    struct onnx_tensor tensor; /* its data is the symbol's own, and freed after the last use */
    struct view view;
};

struct lowering {
    struct graph *graph;
    struct onnx_model *model;
    size_t n_symbols;
    struct symbol *symbols;
    uint32_t *table; /* hash table of symbol index + 1, by name */
    size_t table_size;
    uint64_t folded_bytes;  /* of constants made by folding */
    uint64_t fold_limit;    /* of them, in proportion to the file's own numbers */
    struct lm_error *error; /* texts have no node in them: the caller adds it */
};

/* Takes over the numbers of the model's initializers. */
enum lm_status lowering_start(struct lowering *lowering, struct graph *graph,
                              struct onnx_model *model, struct lm_error *error);
void lowering_free(struct lowering *lowering);

/* One node becomes steps, a new view or a constant; each is lowered once, in the file's order.
 * Error texts say what is wrong with the node. */
enum lm_status lowering_node(struct lowering *lowering, const struct onnx_node *node,
                             struct lm_error *error);

/* Marks the node's outputs as unknown, so that later nodes can still be looked at. */
void lowering_give_up(struct lowering *lowering, const struct onnx_node *node);

/* NULL if there is no such symbol. */
struct symbol *lowering_find(struct lowering *lowering, const char *name);

/* A rule gets nodes with at least one input that is a view. */
struct onnx_rule {
    const char *op;
    enum lm_status (*lower)(struct lowering *lowering, const struct onnx_node *node);
};

/* Tables of rules, one a family, each ended by {NULL}. */
extern const struct onnx_rule rules_conv[], rules_pool[], rules_pointwise[], rules_shape[],
    rules_norm[], rules_channels[], rules_reduce[];

/* Operator i of all that can be lowered or folded; NULL past the end. */
const char *onnx_operator_name(size_t index);

/* ---- for rules */

/* Records why this node is refused. */
#define REFUSE(lowering, ...) lm_fail((lowering)->error, LM_UNSUPPORTED, __VA_ARGS__)

/* Input i of the node; NULL if it is left out. */
const struct symbol *input_symbol(struct lowering *lowering, const struct onnx_node *node,
                                  size_t i);
/* The same as a view or a constant; NULL if it is not that. */
const struct view *input_view(struct lowering *lowering, const struct onnx_node *node, size_t i);
const struct onnx_tensor *input_constant(struct lowering *lowering, const struct onnx_node *node,
                                         size_t i);

/* Defines output i. The tensor's data is taken over. */
enum lm_status output_view(struct lowering *lowering, const struct onnx_node *node, size_t i,
                           const struct view *view);
enum lm_status output_constant(struct lowering *lowering, const struct onnx_node *node, size_t i,
                               struct onnx_tensor *tensor);

/* Whether all attributes that we know are of their kind; the readers below rely on it. */
enum lm_status attributes_check(struct lowering *l, const struct onnx_node *node);

int64_t attribute_int(const struct onnx_node *node, const char *name, int64_t otherwise);
float attribute_float(const struct onnx_node *node, const char *name, float otherwise);
const char *attribute_string(const struct onnx_node *node, const char *name, const char *otherwise);

/* A list of integers that is attribute `name` in old opsets and input `index` in new ones.
 * *n = SIZE_MAX if it is given in neither; LM_UNSUPPORTED if it is computed at run time. */
enum lm_status setting_ints(struct lowering *lowering, const struct onnx_node *node,
                            const char *name, size_t index, const int64_t **ints, size_t *n);
/* The same for one number. */
enum lm_status setting_float(struct lowering *lowering, const struct onnx_node *node,
                             const char *name, size_t index, float otherwise, float *out);

/* ---- views */

static inline const struct value *view_value(const struct graph *graph, const struct view *view)
{
    return &graph->values[view->value];
}

static inline bool view_spatial(const struct graph *graph, const struct view *view)
{
    return graph->values[view->value].spatial;
}

/* Whether the axis is the batch, or the rows or columns of a spatial view. */
bool view_axis_is_place(const struct graph *graph, const struct view *view, uint32_t axis);

/* Axis counted from 0; false if out of range. */
bool view_axis(const struct view *view, int64_t axis, uint32_t *out);

/* Floats between neighbours along each channel axis within a row; 0 for the other axes. */
void view_strides(const struct graph *graph, const struct view *view, size_t *strides);

bool view_has_border(const struct view *view);

/* N,C,H,W or N,C: the channels are axis 1 alone. */
bool view_is_channel_first(const struct graph *graph, const struct view *view);

/* Removes an axis that is not a place (or is of size 1). */
void view_drop_axis(struct view *view, uint32_t axis);

/* "1x64x56x56" */
const char *shape_text(const int64_t *dims, uint32_t rank, char text[96]);

/* ---- shared between families */

/* result = value * scale + shift for each channel, into the conv that made the view, if that conv's
 * result is read by nobody else; false if it cannot. */
bool conv_absorb_affine(struct lowering *lowering, const struct symbol *symbol, const float *scale,
                        const float *shift);

/* The masks and demand of steps that keep sites as they are: all inputs, intersected. */
void demand_same_sites(struct run *run, const struct step *step, uint32_t first_input,
                       uint32_t sample);
void visible_intersection(struct run *run, const struct step *step, uint32_t first_input,
                          uint32_t sample);

/* Whether the mask of these channels is a matter of how many of them are visible, and that mask. */
bool concat_votes(const struct graph *graph, const struct channels *channels);
void concat_visible(struct run *run, const struct step *step, const struct channels *channels,
                    uint32_t sample);

/* One run of a program over rows first..first+rows-1 of a step's output: the step's own program, or
 * its prologue's.  target: those rows, width floats each; own: what INPUT 0 means if it is the rows
 * of a conv (may be target), else NULL.  scratch: program_scratch bytes. */
struct program_call {
    struct run *run;
    const struct step *step;
    const struct program *program;
    uint32_t width, first, rows;
    float *target;
    const float *own;
    uint8_t *scratch;
};
void program_run(const struct program_call *call);
size_t program_scratch(const struct graph *graph, const struct step *step,
                       const struct program *program);

/* Rows first..first+rows-1 of `out`'s sites, from input value `in`: a pointer to its rows if they
 * are the same, else a copy in buffer (zeros where it has none). */
const float *rows_at_sites(struct run *run, uint32_t in, uint32_t out, bool same, uint32_t first,
                           uint32_t rows, float *buffer);

/* What a Slice node keeps of each axis: start, start + step, ... (count of them, inside the axis).
 */
struct slice_range {
    int64_t start, step, count;
};
enum lm_status slice_ranges(struct lowering *lowering, const struct onnx_node *node, uint32_t rank,
                            const int64_t *dims, struct slice_range ranges[ONNX_MAX_RANK]);

/* A Slice of rows and columns. */
enum lm_status lower_crop(struct lowering *lowering, const struct onnx_node *node,
                          const struct view *view, const struct slice_range *ranges);

/* The mean over all channel axes; result: the view that it has, but for its value. */
enum lm_status lower_channel_mean(struct lowering *lowering, const struct onnx_node *node,
                                  const struct view *result);

/* Constant folding: false if the operator cannot be folded. */
bool fold_supported(const char *op);
/* Operator i of those that are only ever folded; NULL past the end. */
const char *fold_only_name(size_t index);
enum lm_status fold_node(struct lowering *lowering, const struct onnx_node *node);

/* Packs the weights of all convs for the kernels; they cannot be changed any more. */
enum lm_status graph_pack(struct graph *graph, struct lm_error *error);

/* Whether what a value's step does last leaves nothing below 0, so that many of its numbers may be
 * zeros. */
bool graph_is_rectified(const struct graph *graph, uint32_t value);

/* Says which values are rectified, and which steps skip the zeros of those, after fusion. */
void graph_rectify(struct graph *graph);

/* Puts recall steps (graph/memo.h) behind early values, after fusion. */
enum lm_status graph_place_recalls(struct graph *graph, struct lm_error *error);

/* How many of them pay for a sample with these visible pixels (a plane of the input's sites); which
 * is a matter of the mask alone, whatever is remembered. */
uint32_t graph_recalls_of(const struct graph *graph, const uint64_t *visible);

/* Fusion: pointwise chains into one program, programs into the convs that feed them. */
enum lm_status graph_fuse(struct graph *graph, struct lm_error *error);

#endif
