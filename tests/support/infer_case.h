/* Calls of the Open Inference Protocol, from request to answer, as the server takes them.
 * Include cmocka.h first. */
#ifndef TEST_INFER_CASE_H
#define TEST_INFER_CASE_H

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/call.h"
#include "network_text.h"

struct infer_case {
    struct model_dir dir;
    struct lm_model *model;
    struct lm_model_info info;
    struct request_limits limits;
    struct call_terms terms;
    struct runner *runner;
};

/* path: of a model folder. */
static inline void infer_case_open(struct infer_case *c, const char *path)
{
    struct lm_error error = {0};
    *c = (struct infer_case){.limits = request_default_limits};
    if (model_dir_read(path, &c->dir, &error) != LM_OK ||
        model_dir_load(&c->dir, NULL, &c->model, &error) != LM_OK ||
        runner_create(c->model, 2, NULL, &c->runner, &error) != LM_OK)
        fail_msg("%s", error.text);
    lm_model_info(c->model, &c->info);
    c->terms = (struct call_terms){.name = "demo",
                                   .dir = &c->dir,
                                   .model = c->model,
                                   .info = &c->info,
                                   .batch = 2,
                                   .threads = 1,
                                   .limits = &c->limits};
}

static inline void infer_case_close(struct infer_case *c)
{
    runner_free(c->runner);
    lm_model_free(c->model);
    model_dir_free(&c->dir);
}

static inline enum lm_status infer_case_work(struct infer_case *c, void *call,
                                             struct call_answer *out, struct codec_fault *fault,
                                             struct lm_error *error)
{
    uint32_t batches = 0;
    enum lm_status status = call_infer.prepare(call, &batches, fault, error);
    for (uint32_t i = 0; i < batches && status == LM_OK; i++)
        status = call_infer.run_batch(call, i, c->runner, 0, error);
    return status == LM_OK ? call_infer.finish(call, out, error) : status;
}

/* All steps. */
static inline enum lm_status infer_case_run(struct infer_case *c, const struct request *request,
                                            unsigned wants, struct call_answer *out,
                                            struct codec_fault *fault, struct lm_error *error)
{
    void *call = NULL;
    enum lm_status status = call_infer.read(request, &c->terms, wants, &call, fault, error);
    if (status == LM_OK)
        status = infer_case_work(c, call, out, fault, error);
    call_infer.free(call);
    return status;
}

/* Writes the model folder scratch/tiny: inputs of 4 x 4, whose planes' means are the logits of the
 * labels a, b and c. */
static inline const char *infer_case_tiny(void)
{
    static const char json[] =
        "{\"input\": {\"size\": [4, 4], \"resize_shorter\": null, \"mean\": [127, 127, 127],"
        " \"std\": [64, 64, 64]}}";
    struct wire bytes = network("input x 1,3,4,4;output y 1,3;GlobalAveragePool p x y");
    mkdir(scratch_path("tiny"), 0700);
    scratch_write("tiny/model.onnx", bytes.bytes, bytes.size);
    scratch_write("tiny/model.json", json, sizeof json - 1);
    scratch_write("tiny/labels.txt", "a\nb\nc\n", 6);
    wire_free(&bytes);
    return scratch_path("tiny");
}

/* JSON, and a tail that is copied to memory of exactly its size, so that sanitizers see what is
 * read behind it.  A text of NULL is a body without JSON. */
static inline struct request infer_request_make(const char *text, const void *tail, size_t size)
{
    struct request request = {.document = text ? json_loads(text, 0, NULL) : json_object()};
    if (!request.document)
        fail_msg("not JSON: %s", text ? text : "");
    if (tail) {
        uint8_t *bytes = malloc(size ? size : 1);
        memcpy(bytes, tail, size);
        request.tail = (struct request_bytes){bytes, size};
    }
    return request;
}

static inline void infer_request_drop(struct request *request)
{
    union {
        const uint8_t *borrowed;
        uint8_t *owned;
    } tail = {.borrowed = request->tail.bytes};
    free(tail.owned);
    request_free(request);
}

#endif
