/* Requests' JSON: texts from outside to documents.  jansson parses by recursion, so the depth is
 * counted in the text before it starts. */
#include "codec/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

const struct request_limits request_default_limits = {
    .image_bytes = 32 * MIB,
    .pixels = 50000000,
    .instances = 64,
    .masks = 1000,
    .samples = 10000,
    .segments = 1000,
    .regions = 10000,
    .json_depth = 32,
};

void request_free(struct request *request)
{
    if (!request)
        return;
    json_decref(request->document);
    *request = (struct request){0};
}

/* Where the text goes deeper than `depth` lists and objects; `size`: nowhere.  Brackets in strings
 * are none.  Of a text that is not JSON, the answer is good for as much as a parser reads of it.
 * *values: at least as many as it has up to there. */
static size_t find_too_deep(const char *text, size_t size, uint32_t depth, size_t *values)
{
    uint32_t open = 0;
    *values = 1;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == ',' || c == ':')
            ++*values;
        else if ((c == '[' || c == '{') && ++*values && open++ == depth)
            return i;
        else if ((c == ']' || c == '}') && open)
            open--;
    }
    return size;
}

static enum lm_status fail_too_deep(const char *text, size_t at,
                                    const struct request_limits *limits, struct codec_fault *fault,
                                    struct lm_error *error)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        bool starts = ((unsigned char)text[i] & 0xc0) != 0x80; /* not within a UTF-8 character */
        line += text[i] == '\n';
        column = text[i] == '\n' ? 1 : column + starts;
    }
    return fault_malformed(fault, error,
                           "JSON: more than the limit of %u lists and objects inside each other "
                           "(line %zu, column %zu)",
                           limits->json_depth, line, column);
}

enum lm_status request_parse_json(const char *what, const char *text, size_t size,
                                  const struct request_limits *limits, json_t **out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    if (!size)
        return fault_malformed(fault, error, "JSON: %s is empty, it must be an object", what);
    size_t values, too_deep = find_too_deep(text, size, limits->json_depth, &values);
    if (too_deep < size)
        return fail_too_deep(text, too_deep, limits, fault, error);
    if (values > REQUEST_MAX_VALUES)
        return lm_fail(error, LM_LIMIT,
                       "JSON: more than %d values, which is the limit; send tensors in binary",
                       REQUEST_MAX_VALUES);
    json_error_t reason;
    bool ran_out;
    json_t *document = fault_load_json(text, size, JSON_REJECT_DUPLICATES, &reason, &ran_out);
    if (ran_out)
        return lm_fail(error, LM_NOMEM, "JSON: out of memory");
    if (!document)
        return fault_malformed(fault, error, "JSON: %s (line %d, column %d)", reason.text,
                               reason.line, reason.column);
    if (!json_is_object(document)) {
        enum lm_status status = fault_type(fault, error, what, "an object", document);
        json_decref(document);
        return status;
    }
    *out = document;
    return LM_OK;
}

/* The text as a string, '?' in place of all that is not ASCII if it is not UTF-8. */
static json_t *text_string(const char *text)
{
    errno = 0;
    json_t *string = json_string(text);
    if (string || errno == ENOMEM)
        return string;
    char *plain = strdup(text);
    for (char *c = plain; c && *c; c++)
        *c = *c & '\x80' ? '?' : *c;
    string = plain ? json_string(plain) : NULL;
    free(plain);
    return string;
}

enum lm_status request_text_value(const char *text, const struct request_limits *limits,
                                  json_t **out, struct lm_error *error)
{
    size_t size = strlen(text), values;
    json_error_t reason;
    bool ran_out = false;
    json_t *value = NULL;
    if (find_too_deep(text, size, limits->json_depth, &values) == size)
        value = fault_load_json(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &reason,
                                &ran_out);
    if (json_is_string(value) || json_is_null(value)) {
        json_decref(value);
        value = NULL;
    }
    if (!value && !ran_out)
        value = text_string(text);
    if (!value)
        return lm_fail(error, LM_NOMEM, "out of memory for a parameter");
    *out = value;
    return LM_OK;
}
