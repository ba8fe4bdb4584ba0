/* The colours of weights. */
#ifndef LM_RENDER_COLORMAP_H
#define LM_RENDER_COLORMAP_H

#include "layermask/render.h"
#include "render/draw.h"

/* position: -1 (speaks against) over 0 (neutral) to +1 (supports); clamped. */
struct color colormap_color(enum lm_colormap map, double position);

#endif
