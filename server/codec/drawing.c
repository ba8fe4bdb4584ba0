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

enum lm_status drawing_make(const struct model_dir *dir, const struct picture_input *input,
                            const struct explained *explained, uint32_t rank,
                            const struct lm_render_options *options, struct lm_image *out,
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
    enum lm_status status = lm_render(&input->picture, explained->placement.labels, weights,
                                      explained->segments.count, &titled, out, error);
    free(weights);
    return status;
}

enum lm_status drawing_png(const struct model_dir *dir, const struct picture_input *input,
                           const struct explained *explained, uint32_t rank,
                           const struct lm_render_options *options, uint8_t **bytes, size_t *size,
                           struct lm_error *error)
{
    struct lm_image image = {0};
    enum lm_status status = drawing_make(dir, input, explained, rank, options, &image, error);
    if (status == LM_OK)
        status = lm_image_encode_png(&image, bytes, size, error);
    lm_image_free(&image);
    return status;
}

/* Pixels with title and legend.  Small pictures are magnified to 600 at the most, and the strips
 * are up to 100 font pixels high, which are a 500th of the picture's width or of twice its height.
 */
static uint64_t canvas_pixels(uint32_t width, uint32_t height)
{
    const uint64_t least = 600, most = (uint64_t)1 << 28; /* lm_render's own limit */
    uint64_t w = width > least ? width : least, h = height > least ? height : least;
    uint64_t across = w < 2 * h ? w : 2 * h;
    uint64_t pixels = w * (h + 100 * (across / 500 + 1));
    return pixels < most ? pixels : most;
}

uint64_t drawing_file_bytes(uint32_t width, uint32_t height)
{
    uint64_t raw = 3 * canvas_pixels(width, height);
    return raw + raw / 64 + 4096; /* pixels that do not compress, and what is around them */
}

/* A growing file may be there twice, its room doubled. */
uint64_t drawing_bytes(uint32_t width, uint32_t height)
{
    return 3 * canvas_pixels(width, height) + 3 * drawing_file_bytes(width, height) + (1u << 20);
}
