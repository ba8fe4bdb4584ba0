/* Stored jobs that are not finished and not in the scheduler either: the store or the memory failed
 * them, or their model is not ready.  They are looked at again now and then.  Thread-safe. */
#ifndef API_STRAYS_H
#define API_STRAYS_H

#include <stdint.h>

#include "layermask/status.h"

struct strays;

/* Errors: LM_NOMEM. */
enum lm_status strays_create(struct strays **out, struct lm_error *error);
void strays_free(struct strays *strays); /* NULL is fine */

/* Without memory for it the job waits for the next start of the process. */
void strays_add(struct strays *strays, const char *id);

/* How many there are; those that are being looked at are none. */
uint64_t strays_count(struct strays *strays);

/* Takes all out and calls `look` with each, which may add it again. */
void strays_each(struct strays *strays, void (*look)(void *context, const char *id), void *context);

#endif
