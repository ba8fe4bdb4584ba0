/* Jobs as JSON. */
#ifndef API_JOB_ANSWER_H
#define API_JOB_ANSWER_H

#include "store/store.h"

/* {"id", "status", "kind", "model", "progress": {"done", "total"}, "created_at", "started_at",
 * "finished_at", "error"}: times are RFC 3339 in UTC, null when they have not come; error is the
 * problem of a failed job, else null.  Malloc'ed; NULL when out of memory. */
char *job_answer(const struct store_job *job);

/* {"jobs": [...], "next": "<cursor>"}; next is left out on the last page. */
char *job_answer_list(const struct store_list *list);

#endif
