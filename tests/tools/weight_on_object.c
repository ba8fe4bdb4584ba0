/* How much of an explanation's positive weight lies on an object that one knows.
 *
 *     weight_on_object OBJECT.png EXPLANATION.json...
 *
 * OBJECT.png: not 0 on the object, of the picture's size.  EXPLANATION.json: from `layermask
 * explain
 * --include segments --json`; its first label counts.  Prints a line for each: per cent of the
 * positive weight on segments that touch the object, and per cent of all segments that do, which is
 * what weights strewn at random would get.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "codec/file.h"
#include "layermask/layermask.h"

enum { MAX_BYTES = 1 << 26 }; /* of OBJECT.png */

static enum lm_status touches(const struct lm_mask *object, const json_t *segment, bool *out,
                              struct lm_error *error)
{
    const json_t *rle = json_object_get(segment, "rle");
    const char *counts = json_string_value(json_object_get(rle, "counts"));
    struct lm_mask mask = {0};
    if (!counts)
        return lm_fail(error, LM_INVALID, "no segments: --include segments is missing");
    enum lm_status status = lm_mask_create(object->width, object->height, &mask, error);
    if (status == LM_OK)
        status = lm_mask_add_rle_string(&mask, counts, strlen(counts), error);
    if (status == LM_OK) {
        lm_mask_intersect(&mask, object);
        *out = lm_mask_count(&mask) > 0;
    }
    lm_mask_free(&mask);
    return status;
}

static enum lm_status print_shares(const struct lm_mask *object, const json_t *explanation,
                                   struct lm_error *error)
{
    const json_t *segments = json_object_get(explanation, "segments");
    const json_t *label = json_array_get(json_object_get(explanation, "labels"), 0), *row;
    const json_t *weights = json_object_get(label, "weights");
    double positive = 0, positive_on = 0, count_on = 0;
    size_t i;
    json_array_foreach(weights, i, row)
    {
        double weight = json_number_value(json_object_get(row, "weight"));
        json_int_t id = json_integer_value(json_object_get(row, "segment"));
        bool on = false;
        enum lm_status status = touches(object, json_array_get(segments, (size_t)id), &on, error);
        if (status != LM_OK)
            return status;
        positive += weight > 0 ? weight : 0;
        positive_on += weight > 0 && on ? weight : 0;
        count_on += on;
    }
    if (positive <= 0)
        return lm_fail(error, LM_INVALID, "an explanation without positive weights");
    printf("%.0f %.0f\n", 100 * positive_on / positive, 100 * count_on / (double)i);
    return LM_OK;
}

static enum lm_status read_object(const char *path, struct lm_mask *out, struct lm_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct lm_image image = {0};
    enum lm_status status = file_read(path, MAX_BYTES, &bytes, &size, error);
    if (status == LM_OK)
        status = lm_image_decode(bytes, size, NULL, &image, error);
    if (status == LM_OK)
        status = lm_mask_create(image.width, image.height, out, error);
    if (status == LM_OK)
        status = lm_mask_add_png(out, bytes, size, error);
    lm_image_free(&image);
    free(bytes);
    return status;
}

int main(int argc, char **argv)
{
    struct lm_error error = {0};
    struct lm_mask object = {0};
    enum lm_status status = argc < 3 ? lm_fail(&error, LM_INVALID, "OBJECT.png EXPLANATION.json...")
                                     : read_object(argv[1], &object, &error);
    for (int i = 2; i < argc && status == LM_OK; i++) {
        json_t *answer = json_load_file(argv[i], 0, NULL);
        status = answer ? print_shares(&object,
                                       json_array_get(json_object_get(answer, "explanations"), 0),
                                       &error)
                        : lm_fail(&error, LM_CORRUPT, "%s is not JSON", argv[i]);
        json_decref(answer);
    }
    if (status != LM_OK)
        fprintf(stderr, "weight_on_object: %s\n", error.text);
    lm_mask_free(&object);
    return status != LM_OK;
}
