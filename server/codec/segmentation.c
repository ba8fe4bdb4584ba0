/* Segments of the picture as the network sees it: the engine's methods by name, and maps of the
 * user's own. */
#include "codec/segmentation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/file.h"
#include "codec/text_memory.h"

enum { MAX_MAP_BYTES = 1 << 26 };

/* A whole number from 1 to LM_SEGMENTS_MAX up to the end of the text or to `stop`. */
static bool read_number(const char **text, char stop, uint32_t *out)
{
    uint32_t value = 0;
    const char *at = *text;
    for (; *at >= '0' && *at <= '9' && value <= LM_SEGMENTS_MAX; at++)
        value = 10 * value + (uint32_t)(*at - '0');
    if (at == *text || *at != stop || value < 1 || value > LM_SEGMENTS_MAX)
        return false;
    *out = value;
    *text = *at ? at + 1 : at;
    return true;
}

static bool parse_grid(const char *sizes, struct lm_segment_options *options)
{
    options->method = LM_SEGMENT_GRID;
    if (!strchr(sizes, 'x'))
        return read_number(&sizes, '\0', &options->cell);
    return read_number(&sizes, 'x', &options->rows) && read_number(&sizes, '\0', &options->columns);
}

enum lm_status segmentation_parse(const char *text, struct segmentation *out,
                                  struct lm_error *error)
{
    struct segmentation result = {0};
    bool valid = false;
    if (strncmp(text, "custom:", 7) == 0 && text[7]) {
        result.custom = true;
        result.path = text_copy(text + 7);
        if (!result.path)
            return lm_fail(error, LM_NOMEM, "segmentation: out of memory");
        valid = true;
    } else if (strcmp(text, "slic") == 0 || strcmp(text, "grid") == 0) {
        result.options.method = text[0] == 's' ? LM_SEGMENT_SLIC : LM_SEGMENT_GRID;
        valid = true;
    } else if (strncmp(text, "slic:", 5) == 0) {
        const char *number = text + 5;
        valid = read_number(&number, '\0', &result.options.n_segments);
    } else if (strncmp(text, "grid:", 5) == 0) {
        valid = parse_grid(text + 5, &result.options);
    }
    if (!valid)
        return lm_fail(error, LM_INVALID,
                       "segmentation: \"%.60s\" is none of slic:N, grid:ROWSxCOLUMNS, grid:PIXELS, "
                       "custom:FILE.png (numbers from 1 to %d)",
                       text, LM_SEGMENTS_MAX);
    *out = result;
    return LM_OK;
}

void segmentation_free(struct segmentation *segmentation)
{
    if (!segmentation)
        return;
    free(segmentation->path);
    *segmentation = (struct segmentation){0};
}

const char *segmentation_method(const struct segmentation *segmentation)
{
    if (segmentation->custom)
        return "custom";
    return segmentation->options.method == LM_SEGMENT_GRID ? "grid" : "slic";
}

/* Of a PNG, byte 24 is the number of bits of a channel. */
static bool has_16_bits(const uint8_t *bytes, size_t size)
{
    return size > 24 && memcmp(bytes, "\x89PNG", 4) == 0 && bytes[24] == 16;
}

static enum lm_status read_map(const char *path, const struct lm_transform *transform,
                               struct lm_image *out, struct lm_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct lm_image map = {0};
    enum lm_status status = file_read(path, MAX_MAP_BYTES, &bytes, &size, error);
    if (status == LM_OK && has_16_bits(bytes, size))
        status = lm_fail(error, LM_UNSUPPORTED,
                         "%s: 16 bits a channel are not read; use 8-bit grey, or one RGB colour "
                         "for each segment",
                         path);
    if (status == LM_OK)
        status = lm_image_decode(bytes, size, NULL, &map, error);
    free(bytes);
    if (status != LM_OK)
        return status;
    if (map.width != transform->image_width || map.height != transform->image_height) {
        status = lm_fail(error, LM_INVALID, "%s: %u x %u pixels, the picture has %u x %u", path,
                         map.width, map.height, transform->image_width, transform->image_height);
        lm_image_free(&map);
        return status;
    }
    *out = map;
    return LM_OK;
}

static bool is_grey(const struct lm_image *map)
{
    size_t pixels = (size_t)map->width * map->height;
    for (const uint8_t *p = map->rgb; p < map->rgb + 3 * pixels; p += 3)
        if (p[0] != p[1] || p[1] != p[2])
            return false;
    return true;
}

/* The map's ids at the pixels that the network sees, nearest neighbour. */
static void sample_map(const struct lm_image *map, const struct lm_transform *transform,
                       int64_t *ids)
{
    bool grey = is_grey(map);
    for (uint32_t y = 0; y < transform->input_height; y++) {
        for (uint32_t x = 0; x < transform->input_width; x++) {
            uint32_t map_x, map_y;
            lm_transform_to_image(transform, x, y, &map_x, &map_y);
            const uint8_t *p = map->rgb + 3 * ((size_t)map_y * map->width + map_x);
            *ids++ = grey ? p[0] : (int64_t)p[0] << 16 | (int64_t)p[1] << 8 | p[2];
        }
    }
}

static enum lm_status run_custom(const char *path, const struct lm_transform *transform,
                                 struct lm_segments *out, int64_t **ids, struct lm_error *error)
{
    size_t pixels = (size_t)transform->input_width * transform->input_height;
    struct lm_image map = {0};
    int64_t *sampled = calloc(pixels, sizeof *sampled), *of_segment = NULL;
    struct lm_segments segments = {0};
    enum lm_status status = sampled ? read_map(path, transform, &map, error)
                                    : lm_fail(error, LM_NOMEM, "%s: out of memory", path);
    if (status != LM_OK)
        goto done;
    sample_map(&map, transform, sampled);
    status = lm_segments_custom(sampled, transform->input_width, transform->input_height,
                                SEGMENTATION_MAX_SEGMENTS, &segments, error);
    if (status != LM_OK)
        goto done;
    of_segment = calloc(segments.count, sizeof *of_segment);
    if (!of_segment) {
        status = lm_fail(error, LM_NOMEM, "%s: out of memory", path);
        goto done;
    }
    for (size_t i = 0; i < pixels; i++)
        of_segment[segments.labels[i]] = sampled[i];
    *out = segments;
    segments = (struct lm_segments){0};
    if (ids) {
        *ids = of_segment;
        of_segment = NULL;
    }
done:
    lm_image_free(&map);
    lm_segments_free(&segments);
    free(sampled);
    free(of_segment);
    return status;
}

enum lm_status segmentation_run(const struct segmentation *segmentation,
                                const struct picture_input *input, struct lm_segments *out,
                                int64_t **ids, struct lm_error *error)
{
    if (segmentation->custom)
        return run_custom(segmentation->path, &input->transform, out, ids, error);
    struct lm_segments segments = {0};
    enum lm_status status = lm_segment(&input->seen, &segmentation->options, &segments, error);
    if (status != LM_OK)
        return status;
    if (segments.count > SEGMENTATION_MAX_SEGMENTS) {
        status = lm_fail(error, LM_LIMIT, "segmentation: %u segments, the limit is %d",
                         segments.count, SEGMENTATION_MAX_SEGMENTS);
        lm_segments_free(&segments);
        return status;
    }
    *out = segments;
    if (ids)
        *ids = NULL;
    return LM_OK;
}
