/* What calls about pictures read alike from a request: its fields, its instances, their pictures
 * and maskings.
 *
 *     static const char *const fields[] = {"masking", NULL};    besides those of the picture
 *     request_instances(request, terms->limits, fields, &count, &fault, &error);
 *     for each i: request_picture_read(request, i, terms->limits, &pictures[i], &fault, &error);
 *                 request_masking(request, i, &maskings[i], &fault, &error);
 *     ... request_picture_cost(&pictures[i], terms, &cost) for call_kind.bytes ...
 *     request_picture_decode(&pictures[i], terms, &input, &fault, &error);          later
 *
 * `fault` is at the document's root when these are called, and again when they succeed.
 */
#ifndef CODEC_REQUEST_PICTURE_H
#define CODEC_REQUEST_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "codec/call.h"
#include "codec/fault.h"
#include "codec/masking.h"
#include "codec/picture_input.h"
#include "codec/picture_peek.h"
#include "codec/request.h"
#include "layermask/status.h"

/* fault_unknown for the first field of the object that is not in `fields` (NULL behind the last).
 * name: of the object in the error.  Here `fault` is where the object is. */
enum lm_status request_check_fields(json_t *object, const char *name, const char *const *fields,
                                    struct codec_fault *fault, struct lm_error *error);

/* Checks the document: nothing but "parameters", an object, and "instances", a list of 1 to
 * limits->instances objects with nothing but a picture's fields and `fields`.  Without "instances"
 * there must be request->image, and there is one instance.
 * Errors: LM_INVALID (malformed), LM_LIMIT. */
enum lm_status request_instances(const struct request *request, const struct request_limits *limits,
                                 const char *const *fields, uint32_t *count,
                                 struct codec_fault *fault, struct lm_error *error);

/* All below are for requests that request_instances has found well.  Both borrowed; the instance is
 * NULL where the files of the request are it, the parameters are NULL if there are none. */
json_t *request_instance(const struct request *request, uint32_t index);
json_t *request_parameters(const struct request *request);

/* Enters "/instances/<index>", or nothing where there is no list; returns what fault_leave wants.
 * The same for "/parameters". */
size_t request_enter_instance(const struct request *request, uint32_t index,
                              struct codec_fault *fault);
size_t request_enter_parameters(struct codec_fault *fault);

/* Masking of an instance: its own, else that of the parameters, else layer.
 * Errors: LM_INVALID. */
enum lm_status request_masking(const struct request *request, uint32_t index, struct masking *out,
                               struct codec_fault *fault, struct lm_error *error);

/* Fields of an instance that may hold its picture; NULL behind the last. */
extern const char *const request_picture_keys[];

/* A picture as it was sent, borrowed from the request; nothing of it is decoded. */
struct request_picture {
    const char *text; /* base64, without the header of a data: URL; NULL: bytes */
    size_t length;
    struct request_bytes file;
    struct picture_peek peek; /* what its header says */
    const char *key;          /* where it was: "image", "image_bytes" or "data" ... */
    const char *inner;        /* ... and "b64" in it, or NULL */
    uint32_t index;           /* of the instance */
    bool listed;              /* in "instances" */
};

/* Forms: {"image": {"b64": "..."}}, {"image": "..."}, the same with image_bytes or data, and the
 * file request->image.  Strings may begin with "data:image/...;base64,".  Nothing of *out needs to
 * be freed.  Errors: LM_INVALID, LM_LIMIT (a file above limits->image_bytes). */
enum lm_status request_picture_read(const struct request *request, uint32_t index,
                                    const struct request_limits *limits,
                                    struct request_picture *out, struct codec_fault *fault,
                                    struct lm_error *error);

/* Upper bounds, in bytes where nothing else is said. */
struct request_picture_cost {
    uint64_t pixels;  /* of the picture */
    uint64_t side;    /* of the picture, the longer one, pixels */
    uint64_t mask;    /* an lm_mask of the picture's size */
    uint64_t decode;  /* most that request_picture_decode has at a time, what it returns included */
    uint64_t picture; /* picture_input.picture */
    uint64_t input;   /* the rest of the picture_input: seen, planes */
};
void request_picture_cost(const struct request_picture *picture, const struct call_terms *terms,
                          struct request_picture_cost *out);

/* Base64, JPEG or PNG, preprocessing.  Limits: image_bytes, pixels.
 * Errors: those of codec_base64_decode and picture_input_read. */
enum lm_status request_picture_decode(const struct request_picture *picture,
                                      const struct call_terms *terms, struct picture_input *out,
                                      struct codec_fault *fault, struct lm_error *error);

#endif
