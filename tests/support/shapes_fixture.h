/* The model of the shapes and its star, for tests of calls.  Include cmocka.h first. */
#ifndef TEST_SHAPES_FIXTURE_H
#define TEST_SHAPES_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/call.h"
#include "codec/file.h"

struct shapes {
    struct model_dir dir;
    struct lm_model *model;
    struct lm_model_info info;
    struct request_limits limits;
    struct call_terms terms;
    struct runner *runner;
    uint8_t *star, *mask; /* star.png, star.mask.png */
    size_t star_size, mask_size;
    char *star_text, *mask_text; /* the same in base64 */
};

static struct shapes shapes;

static inline void shapes_file(const char *name, uint8_t **bytes, size_t *size, char **text)
{
    char path[200];
    snprintf(path, sizeof path, "config/models/shapes/examples/%s", name);
    assert_int_equal(file_read(path, 1 << 24, bytes, size, NULL), LM_OK);
    assert_int_equal(codec_base64_encode(*bytes, *size, text, NULL), LM_OK);
}

/* batch: items of a micro-batch. */
static inline int shapes_load(uint32_t batch)
{
    shapes = (struct shapes){.limits = request_default_limits};
    if (model_dir_read("config/models/shapes", &shapes.dir, NULL) != LM_OK ||
        model_dir_load(&shapes.dir, NULL, &shapes.model, NULL) != LM_OK ||
        runner_create(shapes.model, batch, NULL, &shapes.runner, NULL) != LM_OK)
        return -1;
    lm_model_info(shapes.model, &shapes.info);
    shapes_file("star.png", &shapes.star, &shapes.star_size, &shapes.star_text);
    shapes_file("star.mask.png", &shapes.mask, &shapes.mask_size, &shapes.mask_text);
    shapes.terms = (struct call_terms){
        .name = "shapes",
        .dir = &shapes.dir,
        .model = shapes.model,
        .info = &shapes.info,
        .batch = batch,
        .threads = 1,
        .limits = &shapes.limits,
    };
    return 0;
}

/* For group fixtures. */
static inline int shapes_setup(void **state)
{
    (void)state;
    return shapes_load(4);
}

static inline int shapes_teardown(void **state)
{
    (void)state;
    runner_free(shapes.runner);
    lm_model_free(shapes.model);
    model_dir_free(&shapes.dir);
    free(shapes.star);
    free(shapes.mask);
    free(shapes.star_text);
    free(shapes.mask_text);
    return 0;
}

/* The document with every @ replaced by the star and every # by its mask, in base64. */
static inline char *shapes_text(const char *document)
{
    size_t star = strlen(shapes.star_text), mask = strlen(shapes.mask_text), size = 1;
    for (const char *c = document; *c; c++)
        size += *c == '@' ? star : *c == '#' ? mask : 1;
    char *text = malloc(size), *to = text;
    assert_non_null(text);
    for (const char *c = document; *c; c++) {
        size_t n = *c == '@' ? star : *c == '#' ? mask : 1;
        memcpy(to, *c == '@' ? shapes.star_text : *c == '#' ? shapes.mask_text : c, n);
        to += n;
    }
    *to = '\0';
    return text;
}

/* A request of such a document; request_free(). */
static inline struct request shapes_request(const char *document)
{
    char *text = shapes_text(document);
    struct request request = {.document = json_loads(text, 0, NULL)};
    assert_non_null(request.document);
    free(text);
    return request;
}

/* A call from reading to answer, its micro-batches from the last to the first. */
static inline enum lm_status shapes_call(const struct call_kind *kind,
                                         const struct request *request, unsigned wants,
                                         struct call_answer *out, struct codec_fault *fault,
                                         struct lm_error *error)
{
    void *call = NULL;
    uint32_t batches = 0;
    enum lm_status status = kind->read(request, &shapes.terms, wants, &call, fault, error);
    if (status == LM_OK)
        status = kind->prepare(call, &batches, fault, error);
    for (uint32_t i = batches; i-- > 0 && status == LM_OK;)
        status = kind->run_batch(call, i, shapes.runner, 0, error);
    if (status == LM_OK)
        status = kind->finish(call, out, error);
    kind->free(call);
    return status;
}

/* The same for a call that must succeed. */
static inline struct call_answer shapes_answer(const struct call_kind *kind,
                                               const struct request *request, unsigned wants)
{
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    if (shapes_call(kind, request, wants, &answer, &fault, &error) != LM_OK)
        fail_msg("%s: %s", fault.pointer, error.text);
    assert_int_equal(fault.length, 0);
    return answer;
}

/* Its line of JSON, a NUL in place of the line end; malloc'ed. */
static inline char *shapes_answer_line(const struct call_kind *kind, const struct request *request)
{
    struct call_answer answer = shapes_answer(kind, request, CALL_JSON);
    assert_true(answer.samples >= 1 && !answer.png.bytes && !answer.jpeg.bytes);
    assert_int_equal(answer.json.bytes[answer.json.size - 1], '\n');
    answer.json.bytes[answer.json.size - 1] = '\0';
    return answer.json.bytes;
}

static inline char *shapes_answer_text(const struct call_kind *kind, const char *document)
{
    struct request request = shapes_request(document);
    char *text = shapes_answer_line(kind, &request);
    request_free(&request);
    return text;
}

/* "predictions" or "explanations" of an answer, a new reference. */
static inline json_t *shapes_answer_list(const struct call_kind *kind, const char *document,
                                         const char *name)
{
    char *text = shapes_answer_text(kind, document);
    json_t *answer = json_loads(text, 0, NULL), *list = json_object_get(answer, name);
    free(text);
    assert_string_equal(json_string_value(json_object_get(answer, "model_name")), "shapes");
    assert_string_equal(json_string_value(json_object_get(answer, "model_version")),
                        shapes.dir.version);
    assert_int_equal(json_object_size(answer), 3);
    json_incref(list);
    json_decref(answer);
    return list;
}

/* call_terms.check: *left more pictures are wanted. */
static inline enum lm_status shapes_check(void *left, struct lm_error *error)
{
    int *more = left;
    return (*more)-- > 0 ? LM_OK : lm_fail(error, LM_CANCELLED, "nobody waits");
}

#endif
