/* A few threads for what HTTP threads must not wait for: parsing bodies, writing to the store,
 * reading results, loading models.  First come, first served.  */
#ifndef API_INTAKE_H
#define API_INTAKE_H

#include <stdint.h>

#include "layermask/status.h"

struct intake;

/* Part of what it is about; `run` is called once and may free it. */
struct intake_task {
    struct intake_task *next;
    void (*run)(struct intake_task *task);
};

/* Errors: LM_NOMEM. */
enum lm_status intake_create(uint32_t threads, struct intake **out, struct lm_error *error);

/* Never waits, cannot fail. */
void intake_post(struct intake *intake, struct intake_task *task);

/* Runs what has been posted, then ends.  NULL is fine. */
void intake_free(struct intake *intake);

#endif
