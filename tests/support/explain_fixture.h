/* Explain calls, for tests. */
#ifndef TEST_EXPLAIN_FIXTURE_H
#define TEST_EXPLAIN_FIXTURE_H

#include "predict_fixture.h"

/* A call from reading to answer, its micro-batches from the last to the first. */
static inline enum lm_status explain_run(const struct shapes *shapes, const struct request *request,
                                         unsigned wants, struct call_answer *out,
                                         struct codec_fault *fault, struct lm_error *error)
{
    void *call = NULL;
    uint32_t batches = 0;
    enum lm_status status = call_explain.read(request, &shapes->terms, wants, &call, fault, error);
    if (status == LM_OK)
        status = call_explain.prepare(call, &batches, fault, error);
    for (uint32_t i = batches; i-- > 0 && status == LM_OK;)
        status = call_explain.run_batch(call, i, shapes->runner, 0, error);
    if (status == LM_OK)
        status = call_explain.finish(call, out, error);
    call_explain.free(call);
    return status;
}

#endif
