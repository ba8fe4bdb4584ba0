/* Base64 (RFC 4648, the + / alphabet, padded) to bytes and back. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

/* White space is skipped; everything else that is not base64 is refused.  `field` names the text
 * in errors.  *bytes is malloc'ed, never NULL on success; the caller frees it.
 * Errors: LM_LIMIT (more than max_bytes), LM_CORRUPT (a wrong character, missing or wrong
 * padding), LM_NOMEM. */
enum lm_status codec_base64_decode(const char *field, const char *text, size_t length,
                                   size_t max_bytes, uint8_t **bytes, size_t *size,
                                   struct lm_error *error);

/* *text is malloc'ed and NUL-terminated.  Errors: LM_LIMIT (too large for a size_t), LM_NOMEM. */
enum lm_status codec_base64_encode(const void *bytes, size_t size, char **text,
                                   struct lm_error *error);

#endif
