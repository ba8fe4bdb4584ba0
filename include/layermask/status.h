/* Status codes and error texts of liblayermask.
 *
 * Every call that can fail returns an enum lm_status and, if it was given one, fills a
 * struct lm_error.  On failure the caller's outputs are untouched, so that
 *
 *     struct lm_error error = {0};
 *     struct lm_image image = {0};
 *     if (lm_image_decode(bytes, size, NULL, &image, &error) != LM_OK)
 *         fprintf(stderr, "%s\n", error.text);
 *
 * needs no cleanup on the failing path.  The library never prints, exits or aborts on bad input.
 */
#ifndef LAYERMASK_STATUS_H
#define LAYERMASK_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum lm_status {
    LM_OK = 0,
    LM_INVALID,     /* an argument or a field is out of its range, or two do not fit together */
    LM_CORRUPT,     /* bytes that are not what they claim to be (image, mask, model) */
    LM_UNSUPPORTED, /* well-formed, but not something that this library does */
    LM_LIMIT,       /* above a configured limit */
    LM_NOMEM,       /* out of memory */
    LM_IO,          /* a file could not be read or written */
    LM_CANCELLED,   /* the caller asked to stop */
};

/* text: one line, no trailing newline; names the field or file, the value and the limit. */
struct lm_error {
    enum lm_status status;
    char text[500];
};

/* Records a failure and returns `status`, for `return lm_fail(error, LM_LIMIT, "...", ...)`.
 * The first failure wins: an error that is already set is left alone.  error may be NULL. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum lm_status
lm_fail(struct lm_error *error, enum lm_status status, const char *format, ...);

/* A constant lower-case name such as "out of memory"; never NULL. */
const char *lm_status_name(enum lm_status status);

#ifdef __cplusplus
}
#endif
#endif
