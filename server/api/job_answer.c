/* Jobs as JSON. */
#include "api/job_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "codec/fault.h"

enum { TIME_BYTES = 40 };

static json_t *time_of(int64_t ms)
{
    char text[TIME_BYTES], seconds[TIME_BYTES];
    time_t whole = (time_t)(ms / 1000);
    struct tm parts;
    if (ms == 0 || !gmtime_r(&whole, &parts))
        return json_null();
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof text, "%.30s.%03dZ", seconds, (int)(ms % 1000));
    return json_string(text);
}

/* The store keeps the problem as text. */
static json_t *error_of(const struct store_job *job)
{
    json_error_t reason;
    bool ran_out;
    json_t *problem =
        job->error ? fault_load_json(job->error, strlen(job->error), 0, &reason, &ran_out) : NULL;
    return problem ? problem : json_null();
}

/* NULL: out of memory. */
static json_t *job_json(const struct store_job *job)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:I, s:I}, s:o, s:o, s:o, s:o}", "id", job->id,
                     "status", store_state_name(job->state), "kind", store_kind_name(job->kind),
                     "model", job->model, "progress", "done", (json_int_t)job->done, "total",
                     (json_int_t)job->total, "created_at", time_of(job->created_ms), "started_at",
                     time_of(job->started_ms), "finished_at", time_of(job->finished_ms), "error",
                     error_of(job));
}

char *job_answer(const struct store_job *job)
{
    json_t *json = job_json(job);
    char *text = json ? fault_dump_json(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

char *job_answer_list(const struct store_list *list)
{
    char cursor[24];
    snprintf(cursor, sizeof cursor, "%" PRIu64, list->next);
    json_t *jobs = json_array();
    bool failed = !jobs;
    for (size_t i = 0; i < list->count && !failed; i++)
        failed = json_array_append_new(jobs, job_json(&list->jobs[i])) != 0;
    json_t *json = failed ? NULL : json_pack("{s:O}", "jobs", jobs);
    if (json && list->next && json_object_set_new(json, "next", json_string(cursor)) != 0)
        failed = true;
    char *text = json && !failed ? fault_dump_json(json, JSON_COMPACT) : NULL;
    json_decref(json);
    json_decref(jobs);
    return text;
}
