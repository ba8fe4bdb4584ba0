/* Windows of Convs and pools. */
#ifndef LM_OPS_LOWER_WINDOW_H
#define LM_OPS_LOWER_WINDOW_H

#include "ops/ops.h"

/* Reads strides, dilations, pads, auto_pad, ceil_mode and kernel_shape of the node; kernel_height
 * and kernel_width: of the weights, 0 if there are none.  The view's border is part of the picture.
 */
enum lm_status lower_window(struct lowering *lowering, const struct onnx_node *node,
                            const struct view *view, uint32_t kernel_height, uint32_t kernel_width,
                            struct window *out);

#endif
