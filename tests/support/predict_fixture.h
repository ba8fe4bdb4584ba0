/* The model of the shapes and its star, for tests of calls. */
#ifndef TEST_PREDICT_FIXTURE_H
#define TEST_PREDICT_FIXTURE_H

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

static inline void shapes_file(const char *name, uint8_t **bytes, size_t *size, char **text)
{
    char path[200];
    snprintf(path, sizeof path, "config/models/shapes/examples/%s", name);
    assert_int_equal(file_read(path, 1 << 24, bytes, size, NULL), LM_OK);
    assert_int_equal(codec_base64_encode(*bytes, *size, text, NULL), LM_OK);
}

static inline int shapes_load(struct shapes *shapes, uint32_t batch)
{
    *shapes = (struct shapes){.limits = request_default_limits};
    if (model_dir_read("config/models/shapes", &shapes->dir, NULL) != LM_OK ||
        model_dir_load(&shapes->dir, NULL, &shapes->model, NULL) != LM_OK ||
        runner_create(shapes->model, batch, NULL, &shapes->runner, NULL) != LM_OK)
        return -1;
    lm_model_info(shapes->model, &shapes->info);
    shapes_file("star.png", &shapes->star, &shapes->star_size, &shapes->star_text);
    shapes_file("star.mask.png", &shapes->mask, &shapes->mask_size, &shapes->mask_text);
    shapes->terms = (struct call_terms){
        .name = "shapes",
        .dir = &shapes->dir,
        .model = shapes->model,
        .info = &shapes->info,
        .batch = batch,
        .threads = 1,
        .limits = &shapes->limits,
    };
    return 0;
}

static inline void shapes_free(struct shapes *shapes)
{
    runner_free(shapes->runner);
    lm_model_free(shapes->model);
    model_dir_free(&shapes->dir);
    free(shapes->star);
    free(shapes->mask);
    free(shapes->star_text);
    free(shapes->mask_text);
}

/* The document with every @ replaced by the star and every # by its mask, in base64. */
static inline char *shapes_text(const struct shapes *shapes, const char *document)
{
    size_t star = strlen(shapes->star_text), mask = strlen(shapes->mask_text), size = 1;
    for (const char *c = document; *c; c++)
        size += *c == '@' ? star : *c == '#' ? mask : 1;
    char *text = malloc(size), *to = text;
    assert_non_null(text);
    for (const char *c = document; *c; c++) {
        size_t n = *c == '@' ? star : *c == '#' ? mask : 1;
        memcpy(to, *c == '@' ? shapes->star_text : *c == '#' ? shapes->mask_text : c, n);
        to += n;
    }
    *to = '\0';
    return text;
}

/* A request of such a document; request_free(). */
static inline struct request shapes_request(const struct shapes *shapes, const char *document)
{
    char *text = shapes_text(shapes, document);
    struct request request = {.document = json_loads(text, 0, NULL)};
    assert_non_null(request.document);
    free(text);
    return request;
}

/* A call from reading to answer. */
static inline enum lm_status shapes_call(const struct shapes *shapes, const struct request *request,
                                         struct call_answer *out, struct codec_fault *fault,
                                         struct lm_error *error)
{
    void *call = NULL;
    uint32_t batches = 0;
    enum lm_status status =
        call_predict.read(request, &shapes->terms, CALL_JSON, &call, fault, error);
    if (status == LM_OK)
        status = call_predict.prepare(call, &batches, fault, error);
    for (uint32_t i = batches; i-- > 0 && status == LM_OK;)
        status = call_predict.run_batch(call, i, shapes->runner, 0, error);
    if (status == LM_OK)
        status = call_predict.finish(call, out, error);
    call_predict.free(call);
    return status;
}

#endif
