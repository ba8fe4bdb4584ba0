/* What a caller asks for, whichever way it came: as JSON, as multipart/form-data or as a picture's
 * bare bytes.  Whoever took the bytes apart (the HTTP API) fills a struct request; calls (call.h)
 * read it.
 *
 *     JSON        document: the body
 *     multipart   document: {"parameters": {...}}; image, hide, keep: the files
 *     bare image  document: {"parameters": {...}} made of the query; image: the body
 *
 * Without "instances" there is one, whose picture is `image` and whose region is `hide` or `keep`.
 * Bytes are borrowed and outlive the call.
 */
#ifndef CODEC_REQUEST_H
#define CODEC_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "codec/fault.h"
#include "codec/picture_input.h"
#include "codec/region.h"
#include "layermask/status.h"

/* What one request may ask for; the daemon's options of the same names. */
struct request_limits {
    size_t image_bytes;
    uint64_t pixels;
    uint32_t instances, masks, samples, segments, regions;
    uint32_t json_depth;
};
extern const struct request_limits request_default_limits;

struct request_bytes {
    const uint8_t *bytes; /* NULL: not sent */
    size_t size;
};

struct request {
    json_t *document; /* an object, owned */
    struct request_bytes image, hide, keep;
    struct request_bytes tail; /* raw tensors behind the JSON (Open Inference Protocol) */
};

void request_free(struct request *request); /* NULL is fine; leaves {0} */

/* Values in one document, since each takes 20 to 60 bytes when it is read: a JSON tensor of 26
 * pictures of 3 x 224 x 224. */
enum { REQUEST_MAX_VALUES = 4000000 };

/* JSON text to a document: an object, no key twice, at most limits->json_depth levels and
 * REQUEST_MAX_VALUES values.
 * Errors: LM_LIMIT (too many values), LM_INVALID (fault->malformed: with line and column),
 * LM_NOMEM. */
enum lm_status request_parse_json(const char *what, const char *text, size_t size,
                                  const struct request_limits *limits, json_t **out,
                                  struct codec_fault *fault, struct lm_error *error);

/* A parameter that came as text (query string, form field) to the JSON value that it means: 5, 0.5,
 * true, false and JSON lists and objects are themselves, everything else is a string.
 * Errors: LM_NOMEM. */
enum lm_status request_text_value(const char *text, const struct request_limits *limits,
                                  json_t **out, struct lm_error *error);

#endif
