/* Checks that parameters of calls have in common. */
#include "codec/parameter.h"

#include <stdio.h>
#include <string.h>

enum lm_status parameter_fail_type(const struct parameter_place *place, const char *what,
                                   const json_t *value)
{
    char name[60];
    snprintf(name, sizeof name, "parameters.%s", place->name);
    return fault_type(place->fault, place->error, name, what, value);
}

enum lm_status parameter_fail_future(const struct parameter_place *place, const char *value,
                                     const char *rest)
{
    return lm_fail(place->error, LM_UNSUPPORTED, "parameters.%s %sis not available yet%s",
                   place->name, value, rest);
}

enum lm_status parameter_whole(const struct parameter_place *place, const json_t *value,
                               json_int_t low, json_int_t high, json_int_t *out)
{
    if (!json_is_integer(value))
        return parameter_fail_type(place, "a whole number", value);
    json_int_t number = json_integer_value(value);
    if (number < low || number > high)
        return lm_fail(place->error, LM_INVALID,
                       "parameters.%s is %" JSON_INTEGER_FORMAT
                       "; must be from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT,
                       place->name, number, low, high);
    *out = number;
    return LM_OK;
}

enum lm_status parameter_real(const struct parameter_place *place, const json_t *value, double low,
                              double high, double *out)
{
    if (!json_is_number(value))
        return parameter_fail_type(place, "a number", value);
    double number = json_number_value(value);
    if (!(number >= low && number <= high))
        return lm_fail(place->error, LM_INVALID, "parameters.%s is %g; must be from %g to %g",
                       place->name, number, low, high);
    *out = number;
    return LM_OK;
}

enum lm_status parameter_word(const struct parameter_place *place, const json_t *value,
                              const char *here, const char *const *future)
{
    char shown[60];
    if (!json_is_string(value))
        return parameter_fail_type(place, "a string", value);
    fault_clip_text(shown, sizeof shown, json_string_value(value));
    if (strcmp(shown, here) == 0)
        return LM_OK;
    while (*future && strcmp(shown, *future) != 0)
        future++;
    if (*future)
        return lm_fail(place->error, LM_UNSUPPORTED,
                       "parameters.%s \"%s\" is not available yet; \"%s\" is", place->name, shown,
                       here);
    return lm_fail(place->error, LM_INVALID, "parameters.%s must be \"%s\", not \"%s\"",
                   place->name, here, shown);
}
