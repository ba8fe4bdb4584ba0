/* Building a pointwise step: operands from views and constants, instructions, the step itself. */
#ifndef LM_OPS_BUILDING_H
#define LM_OPS_BUILDING_H

#include "ops/ops.h"

/* An operand before the step exists: a view or a constant. */
struct part {
    const struct symbol *symbol;
    const struct view *view;
    const struct onnx_tensor *constant;
};

/* What the result looks like, and the program so far. */
struct building {
    struct lowering *l;
    const struct onnx_node *node;
    struct view shape; /* of the result; value: an input that has its sites */
    uint32_t n_inputs, inputs[STEP_MAX_INPUTS];
    struct program program;
};

/* Starts a building for the node's first n inputs, which become parts; at least one is a view.
 * The shape is theirs, broadcast. */
enum lm_status building_start(struct building *building, struct lowering *lowering,
                              const struct onnx_node *node, struct part *parts, size_t n);

/* An operand for a part, laid out as rows of the result. */
enum lm_status building_operand(struct building *building, const struct part *part,
                                struct operand *out);

/* An operand of one number for each channel; the row is copied. */
enum lm_status building_channels(struct building *building, const float *row, size_t n,
                                 struct operand *out);

struct operand building_number(float number);

/* Appends an instruction; parameters: 4 numbers or NULL. */
enum lm_status building_append(struct building *building, enum pointwise op, struct operand a,
                               struct operand b, const float *parameters);

/* The last instruction's result. */
struct operand building_result(const struct building *building);

/* Turns a good building into a step and defines the node's output 0; frees a bad one.  Returns
 * `status`, or why the step could not be made. */
enum lm_status building_finish(struct building *building, enum lm_status status);

/* Floats of a row of the result. */
size_t building_width(const struct building *building);

/* Whether a constant differs between sites; if not, its number for channel c. */
bool constant_has_sites(const struct building *building, const struct onnx_tensor *constant);
float constant_channel(const struct building *building, const struct onnx_tensor *constant,
                       size_t c);

/* For instructions of one operand. */
#define NO_OPERAND ((struct operand){.width = 1})

#endif
