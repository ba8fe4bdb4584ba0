/* What holds of all segmentations, for the tests of segments. Include after cmocka.h. */
#ifndef SEGMENT_CHECKS_H
#define SEGMENT_CHECKS_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "layermask/segment.h"

/* Every label is in 0..count-1 and every number in 0..count-1 is a label. */
static inline void assert_labels_contiguous(const struct lm_segments *segments)
{
    size_t pixels = (size_t)segments->width * segments->height;
    bool *seen = calloc(segments->count, sizeof *seen);
    assert_non_null(seen);
    for (size_t i = 0; i < pixels; i++) {
        assert_in_range(segments->labels[i], 0, segments->count - 1);
        seen[segments->labels[i]] = true;
    }
    for (uint32_t label = 0; label < segments->count; label++)
        assert_true(seen[label]);
    free(seen);
}

static inline size_t root_of(size_t *parent, size_t pixel)
{
    while (parent[pixel] != pixel)
        pixel = parent[pixel] = parent[parent[pixel]];
    return pixel;
}

/* Number of 4-connected areas of equal label, by union-find. */
static inline uint32_t count_areas(const struct lm_segments *segments)
{
    size_t width = segments->width, pixels = width * segments->height;
    const int32_t *labels = segments->labels;
    size_t *parent = malloc(pixels * sizeof *parent);
    assert_non_null(parent);
    uint32_t areas = 0;
    for (size_t i = 0; i < pixels; i++) {
        parent[i] = i;
        if (i % width && labels[i] == labels[i - 1])
            parent[root_of(parent, i)] = root_of(parent, i - 1);
        if (i >= width && labels[i] == labels[i - width])
            parent[root_of(parent, i)] = root_of(parent, i - width);
    }
    for (size_t i = 0; i < pixels; i++)
        areas += parent[i] == i;
    free(parent);
    return areas;
}

/* A failing call: its status, its whole text, and an untouched result. */
static inline void assert_segment_error(const struct lm_image *image,
                                        const struct lm_segment_options *options, const char *text)
{
    struct lm_segments out = {.width = 77};
    struct lm_error error = {0};
    assert_int_equal(lm_segment(image, options, &out, &error), LM_INVALID);
    assert_int_equal(error.status, LM_INVALID);
    assert_string_equal(error.text, text);
    assert_int_equal(out.width, 77);
    assert_null(out.labels);
    assert_int_equal(lm_segment(image, options, &out, NULL), LM_INVALID);
}

#endif
