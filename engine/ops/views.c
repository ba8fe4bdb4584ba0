/* Views: how the axes that the file names lie in rows. */
#include <inttypes.h>
#include <stdio.h>

#include "ops/ops.h"

bool view_axis_is_place(const struct graph *graph, const struct view *view, uint32_t axis)
{
    return axis == 0 ||
           (view_spatial(graph, view) && (axis == view->row_axis || axis == view->column_axis));
}

bool view_axis(const struct view *view, int64_t axis, uint32_t *out)
{
    if (axis < -(int64_t)view->rank || axis >= (int64_t)view->rank)
        return false;
    *out = (uint32_t)(axis < 0 ? axis + view->rank : axis);
    return true;
}

void view_strides(const struct graph *graph, const struct view *view, size_t *strides)
{
    size_t stride = 1;
    for (uint32_t a = view->rank; a-- > 0;) {
        strides[a] = 0;
        if (view_axis_is_place(graph, view, a))
            continue;
        strides[a] = stride;
        stride *= (size_t)view->dims[a];
    }
}

bool view_has_border(const struct view *view)
{
    const struct border *b = &view->border;
    return b->top || b->left || b->bottom || b->right;
}

bool view_is_channel_first(const struct graph *graph, const struct view *view)
{
    if (!view_spatial(graph, view))
        return view->rank == 2 || (view->rank == 4 && view->dims[2] == 1 && view->dims[3] == 1);
    return view->rank == 4 && view->row_axis == 2 && view->column_axis == 3;
}

void view_drop_axis(struct view *view, uint32_t axis)
{
    for (uint32_t a = axis; a + 1 < view->rank; a++)
        view->dims[a] = view->dims[a + 1];
    view->rank--;
    view->row_axis -= view->row_axis > axis;
    view->column_axis -= view->column_axis > axis;
}

const char *shape_text(const int64_t *dims, uint32_t rank, char text[96])
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t a = 0; a < rank && used < 90; a++) {
        int n = snprintf(text + used, 96 - used, "%s%" PRId64, a ? "x" : "", dims[a]);
        used += n > 0 ? (size_t)n : 0;
    }
    return text;
}
