/* Constant folding: what the files that fold operators share. */
#ifndef LM_OPS_FOLDING_H
#define LM_OPS_FOLDING_H

#include "ops/ops.h"

/* One node being folded: its constant inputs (NULL: left out) and its result. */
struct folding {
    struct lowering *l;
    const struct onnx_node *node;
    size_t n;
    const struct onnx_tensor *in[8];
    struct onnx_tensor out;
};

size_t folding_element_bytes(enum onnx_type type);

/* Sets the shape and type of the result and takes its memory, zeroed. */
enum lm_status folding_shape(struct folding *folding, enum onnx_type type, uint32_t rank,
                             const int64_t *dims);

/* LM_CORRUPT if one of the first n inputs is left out. */
enum lm_status folding_need(struct folding *folding, size_t n);

void folding_copy_element(struct onnx_tensor *out, size_t to, const struct onnx_tensor *in,
                          size_t from);

/* Shape of the first n inputs together, by numpy broadcasting, and the index into one of them of
 * element `index` of that shape. */
enum lm_status folding_broadcast(struct folding *folding, size_t n, uint32_t *rank, int64_t *dims);
size_t folding_broadcast_index(const struct onnx_tensor *in, uint32_t rank, const int64_t *dims,
                               size_t index);

float folding_float(const struct onnx_tensor *tensor, size_t i);

/* fold_arithmetic.c */
enum lm_status fold_binary(struct folding *folding);
enum lm_status fold_unary(struct folding *folding);
enum lm_status fold_cast(struct folding *folding);
enum lm_status fold_where(struct folding *folding);

/* fold_layout.c */
enum lm_status fold_copy(struct folding *folding);
enum lm_status fold_gather(struct folding *folding);
enum lm_status fold_concat(struct folding *folding);
enum lm_status fold_reshape(struct folding *folding);
enum lm_status fold_transpose(struct folding *folding);
enum lm_status fold_squeeze(struct folding *folding);
enum lm_status fold_slice(struct folding *folding);
enum lm_status fold_expand(struct folding *folding);

#endif
