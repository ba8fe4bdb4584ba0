/* Where in a JSON document something is wrong, for error answers that point at the field.
 *
 * Parsers enter a field before they read it and leave it when it was fine, so that on failure the
 * pointer stays at the field at fault:
 *
 *     size_t here = fault_enter_key(fault, "box");
 *     if ((status = read_box(...)) != LM_OK)
 *         return status;
 *     fault_leave(fault, here);
 */
#ifndef CODEC_FAULT_H
#define CODEC_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "layermask/status.h"

/* {0} is the whole document, nothing wrong. */
struct codec_fault {
    bool malformed;    /* wrong type or unknown field (HTTP 400), rather than well-formed but
                          unusable (422); the status is LM_INVALID in both cases */
    bool not_built;    /* known, but not built (501); the status is LM_UNSUPPORTED */
    size_t length;     /* of pointer */
    char pointer[256]; /* RFC 6901; what does not fit is left off, with all below it */
    bool cut;
};

/* Both return what fault_leave wants. */
size_t fault_enter_key(struct codec_fault *fault, const char *key);
size_t fault_enter_index(struct codec_fault *fault, size_t index);
void fault_leave(struct codec_fault *fault, size_t here);

/* lm_fail with LM_INVALID, and marks the document as malformed. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum lm_status
fault_malformed(struct codec_fault *fault, struct lm_error *error, const char *format, ...);

/* The malformed "<field> must be <what>, not <type of value>", or that it is missing
 * when value is NULL. */
enum lm_status fault_type(struct codec_fault *fault, struct lm_error *error, const char *field,
                          const char *what, const json_t *value);

/* The malformed "<object> has the unknown field "key"", pointing at the field. */
enum lm_status fault_unknown(struct codec_fault *fault, struct lm_error *error, const char *object,
                             const char *key);

/* Foreign text made fit for a one-line message: control characters become '?', and it is cut to
 * fit `size` bytes with its NUL, at the end of a UTF-8 character, "..." marking the cut. */
void fault_clip_text(char *out, size_t size, const char *text);

/* json_loadb; *ran_out: whether it failed for want of memory, which jansson itself tells as a
 * mistake in the text, or not at all: it may then leave out some of it.  reason->text is fit for a
 * one-line message, without *ran_out. */
json_t *fault_load_json(const char *text, size_t size, size_t flags, json_error_t *reason,
                        bool *ran_out);

/* json_dumps; NULL also where jansson has left out something for want of memory. */
char *fault_dump_json(const json_t *json, size_t flags);

#endif
