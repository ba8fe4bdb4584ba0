/* Answers of calls. */
#include "codec/call.h"

#include <stdlib.h>

void call_answer_free(struct call_answer *answer)
{
    if (!answer)
        return;
    free(answer->json.bytes);
    free(answer->png.bytes);
    free(answer->jpeg.bytes);
    free(answer->binary.bytes);
    *answer = (struct call_answer){0};
}

enum lm_status call_check(const struct call_terms *terms, struct lm_error *error)
{
    return terms->check ? terms->check(terms->check_context, error) : LM_OK;
}
