/* Lines where segments meet. */
#ifndef LM_RENDER_BOUNDARY_H
#define LM_RENDER_BOUNDARY_H

#include "render/scene.h"

/* Draws the boundaries of the scene's segments into `panel` of the canvas: a dark line with a
 * light halo, which shows on any ground.  With scene->shown, those of the shown segments only.
 * Errors: LM_NOMEM. */
enum lm_status boundary_draw(const struct scene *scene, struct lm_image *canvas, struct area panel,
                             struct lm_error *error);

#endif
