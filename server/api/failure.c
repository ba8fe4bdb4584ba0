/* Failures of the engine, the scheduler and the store to statuses of HTTP. */
#include "api/failure.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "http/problem.h"
#include "obs/log.h"

enum { RETRY_S = 1, STORE_RETRY_S = 5 };

static const char store_text[] = "the store of jobs cannot be used just now";

/* The monotonic second until which the store counts as broken.  Only calls find out whether it
 * still is, so that it is worth a try after that. */
static atomic_llong store_broken_until_s;

static long long now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

const char *failure_store(void)
{
    return now_s() < atomic_load(&store_broken_until_s) ? store_text : NULL;
}

unsigned failure_retry_s(int status)
{
    return status == 503 ? RETRY_S : 0;
}

void failure_set(struct failure *out, int status, const char *format, ...)
{
    va_list arguments;
    *out = (struct failure){.status = status, .retry_after_s = failure_retry_s(status)};
    va_start(arguments, format);
    vsnprintf(out->detail, sizeof out->detail, format, arguments);
    va_end(arguments);
}

static void set_field(struct failure *out, int status, const struct codec_fault *fault,
                      const struct lm_error *error)
{
    failure_set(out, status, "%s", error->text);
    out->no_memory = error->status == LM_NOMEM;
    if (fault && fault->length > 0 && (status < 500 || status == 501))
        snprintf(out->pointer, sizeof out->pointer, "%s", fault->pointer);
}

static int status_of(const struct codec_fault *fault, const struct lm_error *error)
{
    bool unusable = error->status == LM_INVALID && !(fault && fault->malformed);
    if (error->status == LM_UNSUPPORTED && fault && fault->not_built)
        return 501;
    return unusable ? 422 : problem_status(error->status);
}

void failure_of_reading(struct failure *out, const struct codec_fault *fault,
                        const struct lm_error *error)
{
    set_field(out, error->status == LM_UNSUPPORTED ? 501 : status_of(fault, error), fault, error);
}

void failure_of_running(struct failure *out, const struct codec_fault *fault,
                        const struct lm_error *error)
{
    set_field(out, status_of(fault, error), fault, error);
}

void failure_of_queue(struct failure *out, const struct jobs_refusal *refusal,
                      const struct lm_error *error)
{
    failure_set(out, refusal->why == JOBS_TOO_LARGE ? 413 : 503, "%s", error->text);
    out->no_memory = error->status == LM_NOMEM;
    if (out->status == 503)
        out->retry_after_s = refusal->retry_after_s ? refusal->retry_after_s : RETRY_S;
}

void failure_of_store(struct failure *out, const char *what, const char *job,
                      const struct lm_error *error)
{
    if (error->status == LM_INVALID || error->status == LM_LIMIT) {
        failure_set(out, error->status == LM_LIMIT ? 413 : 400, "%s", error->text);
        return;
    }
    if (error->status == LM_NOMEM) {
        failure_set(out, 503, "out of memory for a job");
        out->no_memory = true;
        return;
    }
    log_event(LOG_ERROR, "store_failed", log_text("what", what), log_text("job", job),
              log_text("error", error->text));
    atomic_store(&store_broken_until_s, now_s() + STORE_RETRY_S);
    failure_set(out, 503, "%s", store_text);
    out->retry_after_s = STORE_RETRY_S;
}

static struct problem problem_of(const struct failure *failure, const struct problem_field *field)
{
    return (struct problem){
        .status = failure->status,
        .detail = failure->detail,
        .retry_after_s = failure->retry_after_s,
        .fields = field,
        .n_fields = failure->pointer[0] ? 1 : 0,
    };
}

void failure_reply(struct http_exchange *exchange, const struct failure *failure)
{
    if (failure->no_memory)
        log_event(LOG_ERROR, "out_of_memory", log_text("request_id", exchange->request_id),
                  log_text("error", failure->detail));
    const struct problem_field field = {failure->pointer, failure->detail};
    const struct problem problem = problem_of(failure, &field);
    problem_reply(exchange, &problem);
}

char *failure_json(const struct failure *failure, const char *job)
{
    if (failure->no_memory)
        log_event(LOG_ERROR, "out_of_memory", log_text("job", job),
                  log_text("error", failure->detail));
    const struct problem_field field = {failure->pointer, failure->detail};
    const struct problem problem = problem_of(failure, &field);
    return problem_json(&problem, job);
}
