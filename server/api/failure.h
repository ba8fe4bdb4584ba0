/* Why a call failed, as clients are told. */
#ifndef API_FAILURE_H
#define API_FAILURE_H

#include "codec/fault.h"
#include "http/http.h"
#include "jobs/jobs.h"
#include "layermask/status.h"

struct failure {
    int status; /* of HTTP; 0: none */
    unsigned retry_after_s;
    bool no_memory;
    char detail[sizeof((struct lm_error *)0)->text];
    char pointer[sizeof((struct codec_fault *)0)->pointer]; /* "" without a field */
};

__attribute__((format(printf, 3, 4))) void failure_set(struct failure *out, int status,
                                                       const char *format, ...);

/* Of reading (LM_UNSUPPORTED: 501) or of what came after it; fault may be NULL. */
void failure_of_reading(struct failure *out, const struct codec_fault *fault,
                        const struct lm_error *error);
void failure_of_running(struct failure *out, const struct codec_fault *fault,
                        const struct lm_error *error);

/* jobs_submit has said no. */
void failure_of_queue(struct failure *out, const struct jobs_refusal *refusal,
                      const struct lm_error *error);

/* Of the store, doing `what` with a job (NULL: none in particular): what is the server's own
 * trouble, with its paths, goes to the log. */
void failure_of_store(struct failure *out, const char *what, const char *job,
                      const struct lm_error *error);

/* Why the store cannot be used: for a few seconds after it has failed; NULL: it can. */
const char *failure_store(void);

/* Both log a failure for want of memory. */
void failure_reply(struct http_exchange *exchange, const struct failure *failure);

/* The problem of this job as JSON, malloc'ed; NULL when out of memory. */
char *failure_json(const struct failure *failure, const char *job);

/* Retry-After of a stored problem; 0: none. */
unsigned failure_retry_s(int status);

#endif
