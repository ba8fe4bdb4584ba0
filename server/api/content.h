/* What a call sent, from HTTP's or the store's hands, made a struct request. */
#ifndef API_CONTENT_H
#define API_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#include "codec/fault.h"
#include "codec/request.h"
#include "layermask/status.h"

struct content {
    const char *type;  /* the Content-Type header; "" is JSON */
    const char *query; /* as sent */
    const uint8_t *body;
    size_t size;
};

/* Whether the type is one that content_read knows: JSON, multipart/form-data, JPEG or PNG. */
bool content_is_known(const char *type);
#define CONTENT_TYPES "application/json, multipart/form-data, image/jpeg or image/png"

/* *out borrows from the body.  Parameters of the query are added to those of the document.
 * Errors: LM_INVALID (malformed), LM_LIMIT, LM_NOMEM. */
enum lm_status content_read(const struct content *content, const struct request_limits *limits,
                            struct request *out, struct codec_fault *fault, struct lm_error *error);

/* The same for the Open Inference Protocol: json_size bytes of JSON, raw tensors behind them;
 * SIZE_MAX: all is JSON, 0: all is tensor.  The query is not looked at. */
enum lm_status content_read_infer(const struct content *content, size_t json_size,
                                  const struct request_limits *limits, struct request *out,
                                  struct codec_fault *fault, struct lm_error *error);

#endif
