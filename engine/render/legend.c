/* The strips above and below a picture: title, colour bar, what the hatching means.
 *
 * All measures are in units of a font pixel.  A legend is a stack of rows: the colour bar with its
 * numbers for overlay and heatmap, lines of text for the other kinds, and one for unseen pixels.
 */
#include "render/legend.h"

#include <stdio.h>
#include <string.h>

#include "render/text.h"

enum { PAD = 8, TITLE_BOTTOM = 6, BAR = 12, BAR_MAX_WIDTH = 420, LINE = 17, SWATCH = 22 };
enum { TITLE_NAME = 256 /* bytes of a title's name that can be cut before its number */ };

static const struct color ink = {32, 33, 36}, soft_ink = {95, 99, 104}, frame = {120, 124, 130};

static bool has_bar(const struct scene *scene)
{
    return scene->options.kind == LM_RENDER_OVERLAY || scene->options.kind == LM_RENDER_HEATMAP;
}

uint32_t legend_title_height(const struct scene *scene)
{
    bool titled = scene->options.title && scene->options.title[0];
    return titled ? (PAD + FONT_HEIGHT + TITLE_BOTTOM) * scene->unit : 0;
}

uint32_t legend_height(const struct scene *scene)
{
    uint32_t lines = scene->unseen ? 1 : 0;
    if (scene->options.kind == LM_RENDER_TOP)
        lines += scene->n_shown ? 2 : 1;
    else
        lines += 1;
    uint32_t bar = has_bar(scene) ? BAR + 4 : 0;
    return (PAD + bar + lines * LINE + PAD - (LINE - FONT_HEIGHT)) * scene->unit;
}

/* Splits "name: number" before the last colon, if that is worth it: the name fits into `name`, and
 * its end has to go for the line to fit into `room`, of which the number leaves half. */
static const char *split_title(const char *title, const struct text_style *style, uint32_t room,
                               char name[TITLE_NAME])
{
    const char *number = strrchr(title, ':');
    if (!number || number - title >= TITLE_NAME || text_width(title, style, room) <= room ||
        text_width(number, style, room) > room / 2)
        return NULL;
    memcpy(name, title, (size_t)(number - title));
    name[number - title] = '\0';
    return number;
}

void legend_draw_title(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    uint32_t pad = PAD * scene->unit, room = area.width - 2 * pad;
    struct text_style style = {scene->unit, true, ink};
    char name[TITLE_NAME];
    const char *title = scene->options.title;
    const char *number = split_title(title, &style, room, name);
    uint32_t x = area.x + pad, y = area.y + pad;
    if (!number) {
        text_draw(canvas, x, y, room, title, &style);
        return;
    }
    uint32_t taken = (uint32_t)text_width(number, &style, room) + FONT_GAP * scene->unit;
    uint64_t end = text_draw(canvas, x, y, room - taken, name, &style);
    text_draw(canvas, (uint32_t)end, y, x + room - (uint32_t)end, number, &style);
}

static void draw_text(const struct scene *scene, struct lm_image *canvas, struct area area,
                      const char *text, struct color color)
{
    struct text_style style = {scene->unit, false, color};
    text_draw(canvas, area.x, area.y, area.width, text, &style);
}

/* halves: how much of the room left over goes before the text; 0 left, 1 centred, 2 right. */
static void draw_aligned(const struct scene *scene, struct lm_image *canvas, struct area area,
                         const char *text, struct color color, uint32_t halves)
{
    struct text_style style = {scene->unit, false, color};
    uint32_t width = (uint32_t)text_width(text, &style, area.width);
    uint32_t room = width < area.width ? area.width - width : 0;
    uint32_t left = room * halves / 2;
    draw_text(scene, canvas, (struct area){area.x + left, area.y, area.width - left, area.height},
              text, color);
}

/* "against" and "supports" between the numbers, where there is room for them. */
static void draw_words(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    struct text_style style = {scene->unit, false, soft_ink};
    if (text_width("against  0  supports", &style, area.width) > area.width)
        return;
    draw_aligned(scene, canvas, area, "against", soft_ink, 0);
    draw_aligned(scene, canvas, area, "supports", soft_ink, 2);
}

/* "-0.21 against      0      supports +0.21" */
static void draw_scale(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    if (scene->scale == 0) {
        draw_text(scene, canvas, area, "all weights are 0", ink);
        return;
    }
    char number[LEGEND_NUMBER], end[LEGEND_NUMBER + 1];
    legend_number(number, scene->scale);
    draw_aligned(scene, canvas, area, "0", ink, 1);
    snprintf(end, sizeof end, "-%s", number);
    draw_aligned(scene, canvas, area, end, ink, 0);
    end[0] = '+';
    draw_aligned(scene, canvas, area, end, ink, 2);
    struct text_style style = {scene->unit, false, ink};
    uint32_t taken = (uint32_t)text_width(end, &style, area.width) + 6 * scene->unit;
    draw_words(scene, canvas,
               (struct area){area.x + taken, area.y, area.width - 2 * taken, area.height});
}

/* The colours as they look on a middle grey of the picture. */
static void draw_bar(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    static const struct color ground = {190, 190, 190};
    for (uint32_t x = 0; x < area.width; x++) {
        double position = area.width > 1 ? 2.0 * x / (area.width - 1) - 1 : 0;
        struct shade shade = scene_shade(scene, scene->scale > 0 ? position : 0);
        draw_fill(canvas, (struct area){area.x + x, area.y, 1, area.height},
                  mix_color(ground, shade.color, shade.cover));
    }
    draw_frame(canvas, area, scene->unit, frame);
    struct area zero = {area.x + (area.width - scene->unit) / 2, area.y + area.height, scene->unit,
                        3 * scene->unit};
    if (scene->scale > 0)
        draw_fill(canvas, zero, frame);
}

static uint32_t draw_colors(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    uint32_t unit = scene->unit;
    struct area bar = {area.x, area.y, area.width, BAR * unit};
    if (bar.width > BAR_MAX_WIDTH * unit)
        bar.width = BAR_MAX_WIDTH * unit;
    draw_bar(scene, canvas, bar);
    struct area row = {bar.x, area.y + (BAR + 4) * unit, bar.width, LINE * unit};
    draw_scale(scene, canvas, row);
    return (BAR + 4 + LINE) * unit;
}

static uint32_t draw_top(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    char text[80], low[LEGEND_NUMBER], high[LEGEND_NUMBER];
    if (scene->n_shown == 0) {
        draw_text(scene, canvas, area, "no segment supports this", ink);
        return LINE * scene->unit;
    }
    bool fewer = scene->n_shown < scene->options.top_segments;
    snprintf(text, sizeof text, fewer ? "only %u supporting segment%s" : "%u strongest segment%s",
             scene->n_shown, scene->n_shown == 1 ? "" : "s");
    draw_text(scene, canvas, area, text, ink);
    legend_number(low, scene->shown_min);
    legend_number(high, scene->shown_max);
    bool range = strcmp(low, high) != 0;
    snprintf(text, sizeof text, "weight%s +%s%s%s", range ? "s" : "", high, range ? " to +" : "",
             range ? low : "");
    area.y += LINE * scene->unit;
    draw_text(scene, canvas, area, text, soft_ink);
    return 2 * LINE * scene->unit;
}

static uint32_t draw_count(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    char text[40];
    snprintf(text, sizeof text, "%u segment%s", scene->n_segments,
             scene->n_segments == 1 ? "" : "s");
    draw_text(scene, canvas, area, text, ink);
    return LINE * scene->unit;
}

static void draw_unseen(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    uint32_t unit = scene->unit;
    struct area swatch = {area.x, area.y, SWATCH * unit, (FONT_BASELINE + 1) * unit};
    for (uint32_t y = 0; y < swatch.height; y++)
        for (uint32_t x = 0; x < swatch.width; x++)
            color_put(canvas, swatch.x + x, swatch.y + y,
                      hatch_color((struct color){222, 222, 222}, x, y, 8 * unit));
    draw_frame(canvas, swatch, unit, frame);
    uint32_t indent = (SWATCH + 6) * unit;
    draw_text(scene, canvas, (struct area){area.x + indent, area.y, area.width - indent, LINE},
              "not seen by the model", soft_ink);
}

void legend_draw(const struct scene *scene, struct lm_image *canvas, struct area area)
{
    uint32_t pad = PAD * scene->unit;
    struct area rows = {area.x + pad, area.y + pad, area.width - 2 * pad, area.height - 2 * pad};
    if (has_bar(scene))
        rows.y += draw_colors(scene, canvas, rows);
    else if (scene->options.kind == LM_RENDER_TOP)
        rows.y += draw_top(scene, canvas, rows);
    else
        rows.y += draw_count(scene, canvas, rows);
    if (scene->unseen)
        draw_unseen(scene, canvas, rows);
}
