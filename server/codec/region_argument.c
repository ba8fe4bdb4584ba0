/* Regions on the command line: a PNG file, box:x,y,w,h, or JSON, all turned into JSON, so that
 * there is one parser of regions.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/fault.h"
#include "codec/file.h"
#include "codec/region.h"

#define MAX_FILE_BYTES ((size_t)64 << 20)

static enum lm_status from_json(const char *text, json_t **out, struct lm_error *error)
{
    json_error_t at;
    bool ran_out;
    json_t *region = fault_load_json(text, strlen(text), JSON_REJECT_DUPLICATES, &at, &ran_out);
    if (ran_out)
        return lm_fail(error, LM_NOMEM, "region: out of memory");
    if (!region)
        return lm_fail(error, LM_INVALID, "region: not JSON: %s (character %d)", at.text,
                       at.position);
    *out = region;
    return LM_OK;
}

static enum lm_status from_box(const char *text, json_t **out, struct lm_error *error)
{
    double box[4];
    const char *rest = strchr(text, ':') + 1;
    for (size_t i = 0; i < 4; i++) {
        char *end;
        box[i] = strtod(rest, &end);
        if (end == rest || *end != (i < 3 ? ',' : '\0') || !isfinite(box[i]))
            return lm_fail(error, LM_INVALID,
                           "region: %.100s is not box:x,y,width,height with 4 numbers", text);
        rest = end + 1;
    }
    json_t *region = json_pack("{s: [f, f, f, f]}", "box", box[0], box[1], box[2], box[3]);
    if (!region)
        return lm_fail(error, LM_NOMEM, "region: out of memory");
    *out = region;
    return LM_OK;
}

static enum lm_status png_region(const uint8_t *bytes, size_t size, json_t **out,
                                 struct lm_error *error)
{
    char *text;
    enum lm_status status = codec_base64_encode(bytes, size, &text, error);
    if (status != LM_OK)
        return status;
    json_t *region = json_pack("{s: o}", "png", json_string_nocheck(text));
    free(text);
    if (!region)
        return lm_fail(error, LM_NOMEM, "region: out of memory");
    *out = region;
    return LM_OK;
}

static enum lm_status from_file(const char *path, json_t **out, struct lm_error *error)
{
    if (!file_exists(path))
        return lm_fail(error, LM_IO,
                       "region: %.300s is no file, nor box:x,y,width,height, nor JSON", path);
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum lm_status status = file_read(path, MAX_FILE_BYTES, &bytes, &size, error);
    if (status == LM_OK && (size < 8 || memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) != 0))
        status = lm_fail(error, LM_UNSUPPORTED, "region: %.300s is not a PNG file", path);
    if (status == LM_OK)
        status = png_region(bytes, size, out, error);
    free(bytes);
    return status;
}

enum lm_status region_from_argument(const char *text, json_t **out, struct lm_error *error)
{
    if (*text == '{' || *text == '[')
        return from_json(text, out, error);
    if (strncmp(text, "box:", 4) == 0)
        return from_box(text, out, error);
    return from_file(text, out, error);
}
