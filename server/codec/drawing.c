/* Drawings of an explanation: weights laid out by segment, a title, and lm_render. */
#include "codec/drawing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/labels.h"

static const char *const kinds[] = {"overlay", "heatmap", "boundaries", "top"};
static const char *const colormaps[] = {"red_blue", "purple_green", "brown_teal"};

static int find_name(const char *const *names, int n, const char *text)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

enum lm_status drawing_kind_parse(const char *text, enum lm_render_kind *out,
                                  struct lm_error *error)
{
    int index = find_name(kinds, sizeof kinds / sizeof kinds[0], text);
    if (index < 0)
        return lm_fail(error, LM_INVALID,
                       "render: \"%.40s\" is none of overlay, heatmap, boundaries, top", text);
    *out = (enum lm_render_kind)index;
    return LM_OK;
}

enum lm_status drawing_colormap_parse(const char *text, enum lm_colormap *out,
                                      struct lm_error *error)
{
    int index = find_name(colormaps, sizeof colormaps / sizeof colormaps[0], text);
    if (index < 0)
        return lm_fail(error, LM_INVALID,
                       "colormap: \"%.40s\" is none of red_blue, purple_green, brown_teal", text);
    *out = (enum lm_colormap)index;
    return LM_OK;
}

static void write_title(const struct model_dir *dir, const struct lm_label_explanation *label,
                        char *out, size_t size)
{
    const char *name = labels_get(dir->labels, label->label);
    if (name)
        snprintf(out, size, "%.80s: %.1f %%", name, 100 * label->output);
    else
        snprintf(out, size, "class %u: %.1f %%", label->label, 100 * label->output);
}

enum lm_status drawing_png(const struct model_dir *dir, const struct picture_input *input,
                           const struct explained *explained, uint32_t rank,
                           const struct lm_render_options *options, uint8_t **bytes, size_t *size,
                           struct lm_error *error)
{
    const struct lm_label_explanation *label = &explained->lime.labels[rank];
    struct lm_render_options titled = *options;
    char title[128];
    write_title(dir, label, title, sizeof title);
    titled.title = title;
    double *weights = calloc(explained->segments.count, sizeof *weights);
    if (!weights)
        return lm_fail(error, LM_NOMEM, "out of memory for a drawing");
    for (uint32_t i = 0; i < label->n_weights; i++)
        weights[label->weights[i].segment] = label->weights[i].weight;
    struct lm_image image = {0};
    enum lm_status status = lm_render(&input->picture, explained->placement.labels, weights,
                                      explained->segments.count, &titled, &image, error);
    free(weights);
    if (status == LM_OK)
        status = lm_image_encode_png(&image, bytes, size, error);
    lm_image_free(&image);
    return status;
}
