/* What a predict call is made of.  For the files of it: predict_call.c (the steps), predict_read.c
 * (what is asked for), predict_items.c (pictures and masks), predict_cost.c (memory). */
#ifndef CODEC_PREDICT_CALL_H
#define CODEC_PREDICT_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/call.h"
#include "codec/predictor.h"
#include "codec/request_picture.h"

/* One picture, and what the network is to say about it: an item for each mask. */
struct predict_instance {
    struct request_picture picture;
    struct masking masking;
    json_t *object;             /* of the request, borrowed; NULL: the request's files */
    uint32_t first;             /* of its items, which follow each other */
    uint32_t masks;             /* of "masks"; the item before them is the picture without a mask */
    struct picture_input input; /* from prepare on, without picture and seen once it has ended */
};

struct predict_call {
    const struct request *request;
    const struct call_terms *terms;
    uint32_t top_k;
    bool logits;
    uint32_t n_instances, n_items;
    struct predict_instance *instances;
    struct lm_mask *visible;     /* of each item; {0}: all.  From prepare on, as is the next */
    struct predictor *predictor; /* over all items */
};

/* Reads the request into a call that is {0} but for request and terms. */
enum lm_status predict_read(struct predict_call *call, struct codec_fault *fault,
                            struct lm_error *error);

/* Decodes pictures, draws masks and makes the predictor. */
enum lm_status predict_items_prepare(struct predict_call *call, struct codec_fault *fault,
                                     struct lm_error *error);

/* call_kind.bytes */
uint64_t predict_cost(const struct predict_call *call);

#endif
