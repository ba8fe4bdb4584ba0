/* lm_render: checks what it was given, lays the canvas out, and has it painted.
 *
 * Sizes follow the picture: up to MAGNIFY_BELOW pixels it is magnified by a whole number, so that
 * lines and text suit it; above, text and lines grow with it.  A thin one is magnified, too, as far
 * as it does not become too long, or there would be more lines than picture.
 */
#include "layermask/render.h"

#include <math.h>

#include "render/boundary.h"
#include "render/legend.h"
#include "render/scene.h"

enum {
    MAGNIFY_BELOW = 300, /* longer side, pixels */
    THIN_BELOW = 60,     /* shorter side */
    MAX_THIN = 2000,     /* longer side of a thin picture, magnified */
    UNIT_WIDTH = 500,    /* pixels of width that make one unit */
    MAX_UNIT = 64,
    DEFAULT_TOP = 5,
};

static const uint64_t max_pixels = (uint64_t)1 << 28;
static const double default_alpha = 0.6;
static const struct color paper = {255, 255, 255};

static enum lm_status check_options(struct lm_render_options *options, struct lm_error *error)
{
    if ((unsigned)options->kind > LM_RENDER_TOP)
        return lm_fail(error, LM_INVALID, "kind: %u is none of 0..%d", (unsigned)options->kind,
                       LM_RENDER_TOP);
    if ((unsigned)options->colormap > LM_COLORMAP_BROWN_TEAL)
        return lm_fail(error, LM_INVALID, "colormap: %u is none of 0..%d",
                       (unsigned)options->colormap, LM_COLORMAP_BROWN_TEAL);
    if (!(options->alpha >= 0 && options->alpha <= 1))
        return lm_fail(error, LM_INVALID, "alpha: %g is not in 0..1", options->alpha);
    if (options->alpha == 0)
        options->alpha = default_alpha;
    if (options->top_segments == 0)
        options->top_segments = DEFAULT_TOP;
    return LM_OK;
}

static enum lm_status check_weights(struct scene *scene, struct lm_error *error)
{
    if (!scene->weights && scene->options.kind != LM_RENDER_BOUNDARIES)
        return lm_fail(error, LM_INVALID, "weights: missing");
    for (uint32_t s = 0; scene->weights && s < scene->n_segments; s++) {
        if (!isfinite(scene->weights[s]))
            return lm_fail(error, LM_INVALID, "weights[%u]: %g is not a finite number", s,
                           scene->weights[s]);
        scene->scale = fmax(scene->scale, fabs(scene->weights[s]));
    }
    return LM_OK;
}

static enum lm_status check_labels(struct scene *scene, struct lm_error *error)
{
    size_t pixels = (size_t)scene->image->width * scene->image->height;
    for (size_t i = 0; i < pixels; i++) {
        int32_t label = scene->labels[i];
        if (label >= 0 && (uint32_t)label >= scene->n_segments)
            return lm_fail(error, LM_INVALID,
                           "labels: %d at (%zu, %zu) is not below the %u segments", label,
                           i % scene->image->width, i / scene->image->width, scene->n_segments);
        scene->unseen |= label < 0;
    }
    return LM_OK;
}

static enum lm_status check_image(const struct lm_image *image, const int32_t *labels,
                                  struct lm_error *error)
{
    if (!image || !image->rgb || image->width == 0 || image->height == 0)
        return lm_fail(error, LM_INVALID, "image: empty");
    if (!labels)
        return lm_fail(error, LM_INVALID, "labels: missing");
    if ((uint64_t)image->width * image->height > max_pixels)
        return lm_fail(error, LM_LIMIT, "image: %u x %u pixels are more than %llu", image->width,
                       image->height, (unsigned long long)max_pixels);
    return LM_OK;
}

/* The smallest whole number that takes `side` to at least `wanted`. */
static uint32_t times_to(uint32_t side, uint32_t wanted)
{
    return side < wanted ? (wanted + side - 1) / side : 1;
}

static uint32_t choose_magnify(uint32_t longer, uint32_t shorter)
{
    uint32_t magnify = times_to(longer, MAGNIFY_BELOW);
    uint32_t thick = times_to(shorter, THIN_BELOW), most = MAX_THIN / longer;
    thick = thick < most ? thick : most;
    return magnify > thick ? magnify : thick;
}

static void choose_sizes(struct scene *scene)
{
    uint32_t width = scene->image->width, height = scene->image->height;
    scene->magnify = 1;
    if (!scene->options.no_legend)
        scene->magnify =
            choose_magnify(width > height ? width : height, width > height ? height : width);
    uint64_t wide = (uint64_t)width * scene->magnify, high = (uint64_t)height * scene->magnify;
    uint64_t across = wide < 2 * high ? wide : 2 * high;
    uint64_t unit = (across + UNIT_WIDTH / 2) / UNIT_WIDTH;
    scene->unit = unit < 1 ? 1 : unit > MAX_UNIT ? MAX_UNIT : (uint32_t)unit;
}

/* Where the parts of the canvas go; the title has the top, the legend the rest below the panel. */
struct layout {
    struct area panel;
    uint32_t title, legend; /* heights */
    uint32_t width, height; /* of the canvas */
};

static enum lm_status lay_out(const struct scene *scene, struct layout *out, struct lm_error *error)
{
    bool strips = !scene->options.no_legend;
    struct layout layout = {.title = strips ? legend_title_height(scene) : 0,
                            .legend = strips ? legend_height(scene) : 0};
    layout.panel.width = scene->image->width * scene->magnify;
    layout.panel.height = scene->image->height * scene->magnify;
    layout.width = layout.panel.width;
    if (strips && layout.width < LEGEND_MIN_WIDTH)
        layout.width = LEGEND_MIN_WIDTH;
    uint64_t height = (uint64_t)layout.title + layout.panel.height + layout.legend;
    if (height * layout.width > max_pixels)
        return lm_fail(error, LM_LIMIT, "picture: %u x %llu pixels are more than %llu",
                       layout.width, (unsigned long long)height, (unsigned long long)max_pixels);
    layout.height = (uint32_t)height;
    layout.panel.x = (layout.width - layout.panel.width) / 2;
    layout.panel.y = layout.title;
    *out = layout;
    return LM_OK;
}

static enum lm_status draw_scene(const struct scene *scene, const struct layout *layout,
                                 struct lm_image *canvas, struct lm_error *error)
{
    struct area whole = {0, 0, layout->width, layout->height};
    struct area title = {0, 0, layout->width, layout->title};
    struct area legend = {0, layout->height - layout->legend, layout->width, layout->legend};
    if (layout->width > layout->panel.width || layout->legend > 0)
        draw_fill(canvas, whole, paper);
    scene_paint(scene, canvas, layout->panel);
    if (scene->options.kind != LM_RENDER_HEATMAP) {
        enum lm_status status = boundary_draw(scene, canvas, layout->panel, error);
        if (status != LM_OK)
            return status;
    }
    if (layout->title > 0)
        legend_draw_title(scene, canvas, title);
    if (layout->legend > 0)
        legend_draw(scene, canvas, legend);
    return LM_OK;
}

static enum lm_status check_scene(struct scene *scene, struct lm_error *error)
{
    enum lm_status status = check_image(scene->image, scene->labels, error);
    if (status == LM_OK)
        status = check_options(&scene->options, error);
    if (status == LM_OK)
        status = check_weights(scene, error);
    return status == LM_OK ? check_labels(scene, error) : status;
}

enum lm_status lm_render(const struct lm_image *image, const int32_t *labels, const double *weights,
                         uint32_t n_segments, const struct lm_render_options *options,
                         struct lm_image *out, struct lm_error *error)
{
    struct scene scene = {
        .image = image, .labels = labels, .weights = weights, .n_segments = n_segments};
    struct lm_image canvas = {0};
    struct layout layout = {0};
    if (options)
        scene.options = *options;
    enum lm_status status = check_scene(&scene, error);
    if (status != LM_OK)
        return status;
    if ((status = scene_prepare(&scene, error)) != LM_OK)
        goto done;
    choose_sizes(&scene);
    if ((status = lay_out(&scene, &layout, error)) != LM_OK ||
        (status = lm_image_create(layout.width, layout.height, &canvas, error)) != LM_OK ||
        (status = draw_scene(&scene, &layout, &canvas, error)) != LM_OK)
        goto done;
    *out = canvas;
    canvas = (struct lm_image){0};
done:
    lm_image_free(&canvas);
    scene_free(&scene);
    return status;
}
