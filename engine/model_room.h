/* What a loaded model is made of; for model.c, model_info.c and session.c. */
#ifndef LM_MODEL_ROOM_H
#define LM_MODEL_ROOM_H

#include "graph/graph.h"
#include "graph/memo.h"
#include "graph/plan.h"
#include "kernels/kernels.h"
#include "layermask/model.h"

struct operator_count {
    char *name;
    uint32_t count;
};

struct lm_model {
    struct graph graph;
    struct plan plan;
    const struct kernels *kernels;
    struct shelves *shelves; /* of early rows; NULL: nothing is remembered */
    uint32_t n_operators;
    size_t operator_capacity;
    struct operator_count *operators; /* of the file, in order of first use */
};

/* Growing text, NUL-terminated once something was appended. */
struct text {
    char *bytes;
    size_t length, capacity;
};

bool text_append(struct text *text, const char *more);

#endif
