/* A call: one request for computation (predict, explain, infer), from reading to answer, in the
 * steps that a scheduler wants.  Nothing here knows of HTTP or of threads.
 *
 *     call_predict.read(&request, &terms, CALL_JSON, &call, &fault, &error);     cheap
 *     bytes = call_predict.bytes(call);                  what it will take from here to its end
 *     call_predict.prepare(call, &batches, &fault, &error);               decoding, segments, masks
 *     call_predict.run_batch(call, i, runner, thread, &error);            each i in 0..batches-1
 *     call_predict.finish(call, &answer, &error);
 *     call_predict.free(call);
 */
#ifndef CODEC_CALL_H
#define CODEC_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "codec/batches.h"
#include "codec/fault.h"
#include "codec/model_dir.h"
#include "codec/request.h"
#include "layermask/model.h"
#include "layermask/status.h"

/* Forms of the answer, a bit each. */
enum { CALL_JSON = 1, CALL_PNG = 2, CALL_JPEG = 4, CALL_BINARY = 8 };
enum { CALL_FORMS = 4 };

/* What a call runs on; outlives it. */
struct call_terms {
    const char *name; /* what the model is asked for by: "model_name" in answers */
    const struct model_dir *dir;
    const struct lm_model *model;
    const struct lm_model_info *info;
    uint32_t batch;   /* items of a micro-batch */
    uint32_t threads; /* that may run its micro-batches; their numbers are below this */
    const struct request_limits *limits;

    /* Asked between the pictures of prepare: LM_CANCELLED when nobody wants the rest.  NULL: it is
     * wanted. */
    enum lm_status (*check)(void *context, struct lm_error *error);
    void *check_context;
};
enum lm_status call_check(const struct call_terms *terms, struct lm_error *error);

struct call_body {
    char *bytes; /* malloc'ed; NULL: this form was not asked for */
    size_t size;
};

struct call_answer {
    struct call_body json, png, jpeg;
    struct call_body binary;  /* JSON and raw tensors behind it ... */
    size_t binary_json_bytes; /* ... of which this much is JSON */
    uint64_t samples;         /* forward passes that it took, for logs */
};
void call_answer_free(struct call_answer *answer); /* NULL is fine; leaves {0} */

/* All take the call as `void *`, made by read.  Failures leave it to be freed.  On a failure of
 * read or prepare, `fault` points at the field (JSON pointer from the document's root), and
 * fault->malformed tells 400 from 422.  LM_UNSUPPORTED of read means: known, but not built (501).
 */
struct call_kind {
    const char *name; /* "predict", ... */

    /* Reads and checks everything that does not need pixels.  request and terms outlive the call;
     * wants: forms of the answer, at least one that `forms` has. */
    enum lm_status (*read)(const struct request *request, const struct call_terms *terms,
                           unsigned wants, void **call, struct codec_fault *fault,
                           struct lm_error *error);
    unsigned forms; /* that it can answer in */

    /* The most memory that it will take from now to its end, answer included. */
    uint64_t (*bytes)(const void *call);

    enum lm_status (*prepare)(void *call, uint32_t *batches, struct codec_fault *fault,
                              struct lm_error *error);
    uint32_t (*items)(const void *call, uint32_t batch);

    /* Several at once, on different threads, each with a runner of terms->model. */
    enum lm_status (*run_batch)(void *call, uint32_t batch, struct runner *runner, uint32_t thread,
                                struct lm_error *error);

    /* Once, when all micro-batches have been run without an error, by a thread that has seen them
     * end. */
    enum lm_status (*finish)(void *call, struct call_answer *out, struct lm_error *error);
    void (*free)(void *call); /* NULL is fine */
};

extern const struct call_kind call_predict; /* predict_call.c */
extern const struct call_kind call_explain; /* explain_call.c */
extern const struct call_kind call_infer;   /* infer_call.c: Open Inference Protocol */

#endif
