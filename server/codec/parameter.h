/* Values of "parameters": types and ranges, with errors that name the parameter. */
#ifndef CODEC_PARAMETER_H
#define CODEC_PARAMETER_H

#include <jansson.h>

#include "codec/fault.h"
#include "layermask/status.h"

/* Where a parameter is, and where its error goes. */
struct parameter_place {
    const char *name;
    struct codec_fault *fault; /* at the parameter */
    struct lm_error *error;
};

/* A whole number, a number, or text that is `here`; of `future` (NULL behind the last) are words
 * that are known, but not built.  Ranges include their ends.
 * Errors: LM_INVALID, LM_UNSUPPORTED (future). */
enum lm_status parameter_whole(const struct parameter_place *place, const json_t *value,
                               json_int_t low, json_int_t high, json_int_t *out);
enum lm_status parameter_real(const struct parameter_place *place, const json_t *value, double low,
                              double high, double *out);
enum lm_status parameter_word(const struct parameter_place *place, const json_t *value,
                              const char *here, const char *const *future);

/* "parameters.<name> must be <what>, not <type of value>", malformed. */
enum lm_status parameter_fail_type(const struct parameter_place *place, const char *what,
                                   const json_t *value);

/* "parameters.<name> <value>is not available yet<rest>", LM_UNSUPPORTED. */
enum lm_status parameter_fail_future(const struct parameter_place *place, const char *value,
                                     const char *rest);

#endif
