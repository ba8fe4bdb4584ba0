/* Routings: which channel of a result comes from which channel of an input. */
#ifndef LM_OPS_ROUTING_H
#define LM_OPS_ROUTING_H

#include "ops/ops.h"

/* Where one channel of the result comes from; input GRAPH_NO_VALUE: the fill. */
struct origin {
    uint32_t input, source;
};

struct routing {
    uint32_t n_inputs, inputs[STEP_MAX_INPUTS];
    size_t width;
    struct origin *origins;
    float fill;
    uint32_t concatenated; /* inputs of a Concat, counted as often as they occur; 0: no Concat */
    uint32_t weight[STEP_MAX_INPUTS];
};

/* A routing with room for the channels of `out`, from one input. Free origins. */
enum lm_status routing_start(struct lowering *lowering, struct routing *routing,
                             const struct view *out, uint32_t input);

/* Adds the step and defines output i of the node as `view` with the step's result as its value. */
enum lm_status routing_finish(struct lowering *lowering, const struct onnx_node *node, size_t i,
                              const struct routing *routing, struct view *view);

/* The coordinate on each channel axis of channel c of a row (0 on the other axes), and back, with
 * strides as view_strides gives them. */
void routing_coordinates(const struct graph *graph, const struct view *view, size_t c, int64_t *at);
size_t routing_channel(const size_t *strides, uint32_t rank, const int64_t *at);

/* LM_UNSUPPORTED if a Pad's border is waiting for its Conv or pool. */
enum lm_status refuse_border(struct lowering *lowering, const struct view *view);

/* Transpose and Pad; see lower_layout.c. */
enum lm_status lower_transpose(struct lowering *lowering, const struct onnx_node *node);
enum lm_status lower_pad(struct lowering *lowering, const struct onnx_node *node);

#endif
