/* Geometry of Convs and pools from a node's attributes.
 *
 * ceil_mode follows PyTorch: a last window that would start beyond the picture and its leading
 * padding is left out. */
#include <inttypes.h>
#include <string.h>

#include "ops/lower_window.h"

static enum lm_status read_pair(struct lowering *l, const struct onnx_node *node, const char *name,
                                uint32_t *y, uint32_t *x)
{
    const struct onnx_attribute *a = onnx_attribute_find(node, name);
    if (!a)
        return LM_OK;
    if (a->kind != ONNX_ATTR_INTS || a->n != 2)
        return REFUSE(l, "%s has %zu numbers; only two-dimensional windows are supported", name,
                      a->kind == ONNX_ATTR_INTS ? a->n : 0);
    for (size_t i = 0; i < 2; i++)
        if (a->ints[i] < 1 || a->ints[i] > GRAPH_MAX_WINDOW)
            return lm_fail(l->error, LM_INVALID, "%s holds %" PRId64 " (1 to %d)", name, a->ints[i],
                           GRAPH_MAX_WINDOW);
    *y = (uint32_t)a->ints[0];
    *x = (uint32_t)a->ints[1];
    return LM_OK;
}

static enum lm_status read_pads(struct lowering *l, const struct onnx_node *node, uint32_t pads[4])
{
    const struct onnx_attribute *a = onnx_attribute_find(node, "pads");
    if (!a)
        return LM_OK;
    if (a->kind != ONNX_ATTR_INTS || a->n != 4)
        return REFUSE(l, "pads has %zu numbers, not 4", a->n);
    for (size_t i = 0; i < 4; i++) {
        if (a->ints[i] < 0 || a->ints[i] > GRAPH_MAX_WINDOW)
            return REFUSE(l, "pads holds %" PRId64 " (0 to %d)", a->ints[i], GRAPH_MAX_WINDOW);
        pads[i] = (uint32_t)a->ints[i];
    }
    return LM_OK;
}

struct axis {
    uint32_t size; /* border included */
    uint32_t kernel, stride, dilation;
    uint32_t before, after, out;
};

static void auto_pads(struct axis *a, bool upper)
{
    uint32_t span = a->dilation * (a->kernel - 1) + 1;
    uint32_t needed = ((a->size + a->stride - 1) / a->stride - 1) * a->stride + span;
    uint32_t both = needed > a->size ? needed - a->size : 0;
    a->before = upper ? both / 2 : both - both / 2;
    a->after = both - a->before;
}

static enum lm_status finish_axis(struct lowering *l, struct axis *a, const char *mode, bool ceil)
{
    char text[ONNX_QUOTE];
    if (!strcmp(mode, "SAME_UPPER") || !strcmp(mode, "SAME_LOWER"))
        auto_pads(a, !strcmp(mode, "SAME_UPPER"));
    else if (!strcmp(mode, "VALID"))
        a->before = a->after = 0;
    else if (strcmp(mode, "NOTSET") != 0)
        return REFUSE(l, "auto_pad %s", onnx_quote(mode, text));
    uint64_t span = (uint64_t)a->dilation * (a->kernel - 1) + 1;
    uint64_t padded = (uint64_t)a->size + a->before + a->after;
    if (span > padded)
        return lm_fail(l->error, LM_INVALID, "a window of %" PRIu64 " cells on %" PRIu64, span,
                       padded);
    uint64_t steps = (padded - span + (ceil ? a->stride - 1 : 0)) / a->stride;
    if (ceil && steps * a->stride >= (uint64_t)a->size + a->before)
        steps--;
    a->out = (uint32_t)steps + 1;
    return LM_OK;
}

enum lm_status lower_window(struct lowering *l, const struct onnx_node *node,
                            const struct view *view, uint32_t kernel_height, uint32_t kernel_width,
                            struct window *out)
{
    struct window w = {.kernel_height = kernel_height,
                       .kernel_width = kernel_width,
                       .stride_y = 1,
                       .stride_x = 1,
                       .dilation_y = 1,
                       .dilation_x = 1};
    uint32_t given_height = kernel_height, given_width = kernel_width, pads[4] = {0};
    const struct value *value = view_value(l->graph, view);
    enum lm_status status = read_pair(l, node, "strides", &w.stride_y, &w.stride_x);
    if (status == LM_OK)
        status = read_pair(l, node, "dilations", &w.dilation_y, &w.dilation_x);
    if (status == LM_OK)
        status = read_pair(l, node, "kernel_shape", &given_height, &given_width);
    if (status == LM_OK)
        status = read_pads(l, node, pads);
    if (status != LM_OK)
        return status;
    w.kernel_height = given_height;
    w.kernel_width = given_width;
    if ((kernel_height && given_height != kernel_height) ||
        (kernel_width && given_width != kernel_width))
        return lm_fail(l->error, LM_CORRUPT, "kernel_shape %ux%u, but weights of %ux%u",
                       given_height, given_width, kernel_height, kernel_width);
    if (!w.kernel_height || !w.kernel_width)
        return lm_fail(l->error, LM_CORRUPT, "kernel_shape is missing");
    if ((uint64_t)w.kernel_height * w.kernel_width > GRAPH_MAX_WINDOW)
        return lm_fail(l->error, LM_LIMIT, "a kernel of %ux%u cells (at most %d)", w.kernel_height,
                       w.kernel_width, GRAPH_MAX_WINDOW);
    w.border = view->border;
    struct axis y = {value->height + w.border.top + w.border.bottom,
                     w.kernel_height,
                     w.stride_y,
                     w.dilation_y,
                     pads[0],
                     pads[2],
                     0};
    struct axis x = {value->width + w.border.left + w.border.right,
                     w.kernel_width,
                     w.stride_x,
                     w.dilation_x,
                     pads[1],
                     pads[3],
                     0};
    const char *mode = attribute_string(node, "auto_pad", "NOTSET");
    bool ceil = attribute_int(node, "ceil_mode", 0) != 0;
    if ((status = finish_axis(l, &y, mode, ceil)) != LM_OK ||
        (status = finish_axis(l, &x, mode, ceil)) != LM_OK)
        return status;
    w.pad_top = y.before;
    w.pad_bottom = y.after;
    w.pad_left = x.before;
    w.pad_right = x.after;
    w.in_height = value->height;
    w.in_width = value->width;
    w.out_height = y.out;
    w.out_width = x.out;
    if (w.out_height > GRAPH_MAX_SIDE || w.out_width > GRAPH_MAX_SIDE)
        return lm_fail(l->error, LM_LIMIT, "a result of %ux%u sites (at most %d a side)",
                       w.out_height, w.out_width, GRAPH_MAX_SIDE);
    if ((uint64_t)w.out_height * w.out_width > GRAPH_MAX_SITES)
        return lm_fail(l->error, LM_LIMIT, "a result of %ux%u sites (at most %d)", w.out_height,
                       w.out_width, GRAPH_MAX_SITES);
    *out = w;
    return LM_OK;
}
