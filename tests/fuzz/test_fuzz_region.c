/* Regions in JSON, of a picture and of the input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/region.h"
#include "fuzz.h"

static const char fuzz_name[] = "region";

static const struct lm_transform transform = {40, 20, 20, 10, 5, 0, 10, 10};

static struct wire fuzz_seed(size_t index)
{
    static const char *const texts[] = {
        "{\"box\": [12, 2.5, 9, 9]}",
        "{\"box\": [-1e3, 2, 1e5, 9], \"space\": \"input\"}",
        "{\"polygon\": [[12, 2, 30, 3, 20.5, 15], [1, 1, 5, 1, 5, 5, 1, 5]]}",
        "{\"rle\": {\"size\": [20, 40], \"counts\": [300, 200, 300]}}",
        "{\"rle\": {\"size\": [20, 40], \"counts\": \"<9h0`0Xi0\"}}",
        "{\"rle\": {\"size\": [10, 10], \"counts\": [30, 20, 50]}, \"space\": \"input\"}",
        "[{\"box\": [12, 2, 9, 9]}, {\"box\": [20, 2, 5, 5], \"space\": \"image\"}]",
        "{\"segments\": [0, 2], \"segmentation\": {\"method\": \"grid\"}}",
        "{\"hide\": {\"box\": [12, 2, 9, 9]}}",
        "{\"png\": "
        "\"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEANl9ngAAAAABJR"
        "U5ErkJggg==\"}",
    };
    return index < sizeof texts / sizeof *texts ? fuzz_text(texts[index]) : (struct wire){0};
}

static enum lm_status find_segments(void *context, json_t *segmentation,
                                    const struct lm_segments **out, struct codec_fault *fault,
                                    struct lm_error *error)
{
    static int32_t quarters[100];
    static const struct lm_segments segments = {10, 10, 4, quarters};
    (void)context;
    if (segmentation && !json_is_object(segmentation))
        return fault_type(fault, error, "segmentation", "an object", segmentation);
    for (int i = 0; i < 100; i++)
        quarters[i] = i % 10 / 5 + i / 50 * 2;
    *out = &segments;
    return LM_OK;
}

static void parse(json_t *value, bool visible)
{
    struct region_budget budget = {.regions = 100, .points = 1000, .work = 1000000};
    struct region_context context = {
        .transform = &transform, .budget = &budget, .segments = find_segments};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    struct lm_mask input = {0}, image = {0};
    enum lm_status status = (visible ? region_parse_visible : region_parse)(value, &context, &input,
                                                                            &image, &fault, &error);
    if (status != LM_OK && (error.status != status || !error.text[0] || input.bits || image.bits))
        abort();
    for (const char *c = error.text; *c; c++)
        if ((unsigned char)*c < ' ')
            abort();
    lm_mask_free(&input);
    lm_mask_free(&image);
}

static void fuzz_one(const uint8_t *bytes, size_t size)
{
    json_t *value = json_loadb((const char *)bytes, size, JSON_DECODE_ANY, NULL);
    if (!value)
        return;
    parse(value, false);
    if (json_is_object(value))
        parse(value, true);
    json_decref(value);
}

FUZZ_MAIN()
