/* Segments of the picture as the network sees it: the engine's methods, by name. */
#include "codec/segmentation.h"

#include <stdlib.h>
#include <string.h>

#include "codec/segmentation_custom.h"
#include "codec/text_memory.h"

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
    json_decref(segmentation->png);
    json_decref(segmentation->rle);
    *segmentation = (struct segmentation){0};
}

const char *segmentation_method(const struct segmentation *segmentation)
{
    if (segmentation->custom)
        return "custom";
    return segmentation->options.method == LM_SEGMENT_GRID ? "grid" : "slic";
}

uint32_t segmentation_limit(const struct segmentation *segmentation)
{
    return segmentation->max_segments ? segmentation->max_segments : SEGMENTATION_MAX_SEGMENTS;
}

/* SLIC makes about as many as it is asked for: never twice as many. */
uint32_t segmentation_most(const struct segmentation *segmentation)
{
    const struct lm_segment_options *options = &segmentation->options;
    uint64_t limit = segmentation_limit(segmentation);
    uint64_t most = 2 * (options->n_segments ? (uint64_t)options->n_segments : 50);
    if (options->rows && options->columns)
        most = (uint64_t)options->rows * options->columns;
    if (options->cell)
        most = limit;
    if (segmentation->custom)
        most = segmentation->rle ? json_array_size(segmentation->rle) + 1 : limit;
    return (uint32_t)(most < limit ? most : limit);
}

enum lm_status segmentation_run(const struct segmentation *segmentation,
                                const struct picture_input *input, struct lm_segments *out,
                                int64_t **ids, struct lm_error *error)
{
    if (segmentation->custom)
        return segmentation_run_custom(segmentation, &input->transform, out, ids, error);
    struct lm_segments segments = {0};
    enum lm_status status = lm_segment(&input->seen, &segmentation->options, &segments, error);
    if (status != LM_OK)
        return status;
    if (segments.count > segmentation_limit(segmentation)) {
        status = lm_fail(error, LM_LIMIT, "segmentation: %u segments, the limit is %u",
                         segments.count, segmentation_limit(segmentation));
        lm_segments_free(&segments);
        return status;
    }
    *out = segments;
    if (ids)
        *ids = NULL;
    return LM_OK;
}

/* SLIC works in 56 bytes a pixel at the most (see lm_segment); labels are 4. */
uint64_t segmentation_bytes(const struct segmentation *segmentation, uint64_t picture_pixels,
                            uint64_t input_pixels)
{
    if (segmentation->custom)
        return segmentation_custom_bytes(segmentation, picture_pixels, input_pixels);
    return input_pixels * (56 + 4);
}
