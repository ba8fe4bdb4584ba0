/* Three ways to send a call, one struct request.  Multipart and bare pictures become a document
 * that has only "parameters", with the files beside it. */
#include "api/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/media.h"
#include "http/multipart.h"
#include "http/uri.h"

enum { PARTS_MAX = 16 };

static const char *const picture_types[] = {"image/jpeg", "image/png"};

static bool is_picture(const char *type)
{
    return strcmp(type, picture_types[0]) == 0 || strcmp(type, picture_types[1]) == 0;
}

static bool is_json(const char *type)
{
    return type[0] == '\0' || strcmp(type, "application/json") == 0;
}

bool content_is_known(const char *text)
{
    char type[MEDIA_TYPE_MAX];
    if (text[0] && !media_type(text, type))
        return false;
    return !text[0] || is_json(type) || is_picture(type) ||
           strcmp(type, "multipart/form-data") == 0;
}

static enum lm_status out_of_memory(struct lm_error *error)
{
    return lm_fail(error, LM_NOMEM, "out of memory for a request");
}

/* The document's "parameters", made if there are none; NULL: it is something else than an object.
 */
static enum lm_status parameters_of(json_t *document, json_t **out, struct codec_fault *fault,
                                    struct lm_error *error)
{
    json_t *parameters = json_object_get(document, "parameters");
    if (!parameters && json_object_set_new(document, "parameters", json_object()) != 0)
        return out_of_memory(error);
    parameters = json_object_get(document, "parameters");
    if (!json_is_object(parameters)) {
        fault_enter_key(fault, "parameters");
        return fault_type(fault, error, "parameters", "an object", parameters);
    }
    *out = parameters;
    return LM_OK;
}

static enum lm_status add_pair(const struct http_pair *pair, const struct request_limits *limits,
                               json_t *parameters, struct codec_fault *fault,
                               struct lm_error *error)
{
    json_t *value = NULL;
    fault_enter_key(fault, "parameters");
    fault_enter_key(fault, pair->name);
    if (json_object_get(parameters, pair->name))
        return fault_malformed(fault, error, "parameters.%.80s is given twice", pair->name);
    enum lm_status status = request_text_value(pair->value, limits, &value, error);
    if (status == LM_OK && json_object_set_new(parameters, pair->name, value) != 0)
        status = out_of_memory(error);
    if (status == LM_OK)
        fault_leave(fault, 0);
    return status;
}

static enum lm_status add_query(const char *query, const struct request_limits *limits,
                                json_t *document, struct codec_fault *fault, struct lm_error *error)
{
    struct http_pair pairs[URI_QUERY_MAX];
    size_t n = 0;
    json_t *parameters = NULL;
    if (!query[0])
        return LM_OK;
    char *buffer = malloc(strlen(query) + 2);
    if (!buffer)
        return out_of_memory(error);
    enum lm_status status = uri_query(query, buffer, pairs, &n)
                                ? LM_OK
                                : fault_malformed(fault, error, "the query cannot be read");
    if (status == LM_OK)
        status = parameters_of(document, &parameters, fault, error);
    for (size_t i = 0; i < n && status == LM_OK; i++)
        status = add_pair(&pairs[i], limits, parameters, fault, error);
    free(buffer);
    return status;
}

static enum lm_status read_part(const struct multipart_part *part,
                                const struct request_limits *limits, struct request *request,
                                struct codec_fault *fault, struct lm_error *error)
{
    const struct {
        const char *name;
        struct request_bytes *bytes;
    } files[] = {{"image", &request->image}, {"hide", &request->hide}, {"keep", &request->keep}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (strcmp(part->name, files[i].name) == 0) {
            if (files[i].bytes->bytes)
                return fault_malformed(fault, error, "there are two parts called %s", part->name);
            *files[i].bytes = (struct request_bytes){part->bytes, part->size};
            return LM_OK;
        }
    if (strcmp(part->name, "parameters") != 0) {
        char name[100];
        fault_clip_text(name, sizeof name, part->name);
        return fault_malformed(fault, error,
                               "the form has the unknown part \"%s\"; there are image, hide, keep "
                               "and parameters",
                               name);
    }
    if (json_object_get(request->document, "parameters"))
        return fault_malformed(fault, error, "there are two parts called parameters");
    json_t *parameters = NULL;
    fault_enter_key(fault, "parameters");
    enum lm_status status = request_parse_json("parameters", (const char *)part->bytes, part->size,
                                               limits, &parameters, fault, error);
    if (status == LM_OK && json_object_set_new(request->document, "parameters", parameters) != 0)
        status = out_of_memory(error);
    if (status == LM_OK)
        fault_leave(fault, 0);
    return status;
}

static enum lm_status read_form(const struct content *content, const struct request_limits *limits,
                                struct request *request, struct codec_fault *fault,
                                struct lm_error *error)
{
    struct multipart form;
    enum lm_status status =
        multipart_parse(content->type, content->body, content->size, PARTS_MAX, &form, error);
    if (status == LM_INVALID || status == LM_CORRUPT) {
        fault->malformed = true;
        error->status = LM_INVALID;
        return LM_INVALID;
    }
    if (status != LM_OK)
        return status;
    request->document = json_object();
    if (!request->document)
        status = out_of_memory(error);
    for (size_t i = 0; i < form.n && status == LM_OK; i++)
        status = read_part(&form.parts[i], limits, request, fault, error);
    multipart_free(&form);
    if (status == LM_OK && !request->image.bytes)
        return fault_malformed(fault, error, "the form has no part called image");
    return status;
}

enum lm_status content_read(const struct content *content, const struct request_limits *limits,
                            struct request *out, struct codec_fault *fault, struct lm_error *error)
{
    struct request request = {0};
    char type[MEDIA_TYPE_MAX] = "";
    enum lm_status status = LM_OK;
    media_type(content->type, type);
    if (is_json(type)) {
        status = request_parse_json("the body", (const char *)content->body, content->size, limits,
                                    &request.document, fault, error);
    } else if (is_picture(type)) {
        request.image = (struct request_bytes){content->body, content->size};
        request.document = json_object();
        if (!request.document)
            status = out_of_memory(error);
    } else {
        status = read_form(content, limits, &request, fault, error);
    }
    if (status == LM_OK)
        status = add_query(content->query, limits, request.document, fault, error);
    if (status != LM_OK) {
        request_free(&request);
        return status;
    }
    *out = request;
    return LM_OK;
}

enum lm_status content_read_infer(const struct content *content, size_t json_size,
                                  const struct request_limits *limits, struct request *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    struct request request = {0};
    bool is_json_only = json_size == SIZE_MAX;
    if (is_json_only)
        json_size = content->size;
    if (json_size > content->size)
        return fault_malformed(fault, error,
                               "Inference-Header-Content-Length is %zu, but the body has %zu bytes",
                               json_size, content->size);
    if (!is_json_only)
        request.tail = (struct request_bytes){content->body + json_size, content->size - json_size};
    enum lm_status status = LM_OK;
    if (json_size > 0 || is_json_only)
        status = request_parse_json("the body", (const char *)content->body, json_size, limits,
                                    &request.document, fault, error);
    else if (!(request.document = json_object()))
        status = out_of_memory(error);
    if (status != LM_OK)
        return status;
    *out = request;
    return LM_OK;
}
