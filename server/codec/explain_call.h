/* What an explain call is made of.  For the files of it: explain_call.c (the steps),
 * explain_parameters.c (what is asked for), explain_forms.c (the answer), explain_cost.c (memory).
 */
#ifndef CODEC_EXPLAIN_CALL_H
#define CODEC_EXPLAIN_CALL_H

#include <stdint.h>

#include "codec/call.h"
#include "codec/explain_parameters.h"
#include "codec/explainer.h"
#include "codec/request_picture.h"

/* Numbers of all sample matrices in one answer. */
enum { EXPLAIN_MAX_CELLS = 1 << 24 };

/* One picture with an explainer of its own. */
struct explain_instance {
    struct request_picture picture;
    struct masking masking;
    struct picture_input input;  /* from prepare on, as are the next */
    struct explainer *explainer; /* until it is answered */
    uint32_t first;              /* of its micro-batches, which follow each other */
};

struct explain_call {
    const struct request *request;
    const struct call_terms *terms;
    unsigned wants;
    struct explain_parameters parameters;
    uint32_t n_instances, batches;
    struct explain_instance *instances;
};

/* The parameters with the instance's masking. */
struct explainer_options explain_options(const struct explain_call *call,
                                         const struct explain_instance *instance);

/* call_kind.finish */
enum lm_status explain_answer(struct explain_call *call, struct call_answer *out,
                              struct lm_error *error);

/* call_kind.bytes */
uint64_t explain_cost(const struct explain_call *call);

#endif
