/* The strips above and below a picture. */
#ifndef LM_RENDER_LEGEND_H
#define LM_RENDER_LEGEND_H

#include "render/scene.h"

enum {
    LEGEND_MIN_WIDTH = 280, /* pixels in which the lines of a legend fit, at unit 1 */
    LEGEND_NUMBER = 16,     /* bytes of a formatted number, with its NUL */
};

/* A number >= 0 for people: 0.21, 12.3, 1.2e-5.  Always with a point, whatever the locale. */
void legend_number(char text[LEGEND_NUMBER], double value);

/* Pixels that the title strip (0 without a title) and the legend strip are high. */
uint32_t legend_title_height(const struct scene *scene);
uint32_t legend_height(const struct scene *scene);

/* Draw the strips into areas of their heights. */
void legend_draw_title(const struct scene *scene, struct lm_image *canvas, struct area area);
void legend_draw(const struct scene *scene, struct lm_image *canvas, struct area area);

#endif
