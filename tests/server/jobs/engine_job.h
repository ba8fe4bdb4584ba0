/* An explanation as a job, the way the server makes one. */
#ifndef TEST_ENGINE_JOB_H
#define TEST_ENGINE_JOB_H

#include <semaphore.h>
#include <stdlib.h>

#include "codec/answer.h"
#include "jobs/jobs.h"
#include "jobs/registry.h"

struct explain_job {
    struct jobs *jobs;
    const struct model_entry *entry; /* a reference, released by free */
    const struct picture_input *input;
    struct explainer_options options;
    sem_t *started, *go; /* NULL, or: the first micro-batch posts the one, waits for the other */

    struct explainer *explainer;
    struct explained explained;
    char *text; /* the answer */
    struct job_end end;
    sem_t done;
};

/* The answer of the JSON API, with everything that does not tell the time. */
static inline enum lm_status explained_text(const struct model_dir *dir,
                                            const struct picture_input *input,
                                            const struct explainer_options *options,
                                            const struct explained *explained, char **out,
                                            struct lm_error *error)
{
    const struct lm_render_options render = {0};
    json_t *item = NULL;
    enum lm_status status = answer_explanation(
        dir, input, options, explained, ANSWER_SEGMENTS | ANSWER_SAMPLES, &render, &item, error);
    if (status == LM_OK)
        *out = json_dumps(item, ANSWER_DOUBLE_FLAGS);
    json_decref(item);
    return status;
}

static inline enum lm_status explain_prepare(void *context, struct job_worker *worker,
                                             uint32_t *batches, struct lm_error *error)
{
    struct explain_job *job = context;
    (void)worker;
    enum lm_status status = explainer_prepare(&job->entry->dir, job->entry->model,
                                              jobs_batch_size(job->jobs), jobs_workers(job->jobs),
                                              job->input, &job->options, &job->explainer, error);
    if (status == LM_OK)
        *batches = batches_count(explainer_work(job->explainer));
    return status;
}

static inline uint32_t explain_items(void *context, uint32_t batch)
{
    const struct explain_job *job = context;
    return batches_items(explainer_work(job->explainer), batch);
}

static inline enum lm_status explain_batch(void *context, uint32_t batch, struct job_worker *worker,
                                           struct lm_error *error)
{
    struct explain_job *job = context;
    struct runner *runner = NULL;
    if (batch == 0 && job->started) {
        sem_post(job->started);
        sem_wait(job->go);
    }
    enum lm_status status = job_worker_runner(worker, job->entry->model, &runner, error);
    if (status == LM_OK)
        status = runner_take_batch(runner, explainer_work(job->explainer), batch,
                                   job_worker_number(worker), error);
    return status;
}

static inline enum lm_status explain_finish(void *context, struct lm_error *error)
{
    struct explain_job *job = context;
    enum lm_status status = explainer_finish(job->explainer, &job->explained, error);
    if (status == LM_OK)
        status = explained_text(&job->entry->dir, job->input, &job->options, &job->explained,
                                &job->text, error);
    return status;
}

static inline void explain_ended(void *context, const struct job_end *end)
{
    struct explain_job *job = context;
    job->end = *end;
}

static inline void explain_free(void *context)
{
    struct explain_job *job = context;
    explainer_free(job->explainer);
    explained_free(&job->explained);
    model_entry_release(job->entry);
    sem_post(&job->done);
}

static const struct job_ops explain_ops = {
    .prepare = explain_prepare,
    .items = explain_items,
    .run_batch = explain_batch,
    .finish = explain_finish,
    .ended = explain_ended,
    .free = explain_free,
};

static inline enum lm_status explain_submit(struct explain_job *job, struct lm_error *error)
{
    sem_init(&job->done, 0, 0);
    const struct job submitted = {
        .ops = &explain_ops,
        .context = job,
        .class = JOB_EXPLAIN,
        .bytes = explainer_bytes(job->entry->model, &job->options,
                                 (uint64_t)job->input->picture.width * job->input->picture.height,
                                 jobs_batch_size(job->jobs), jobs_workers(job->jobs)),
    };
    return jobs_submit(job->jobs, &submitted, NULL, NULL, error);
}

/* A picture with edges to segment, as an input of the model. */
static inline enum lm_status draw_input(const struct model_dir *dir, uint32_t shift,
                                        struct picture_input *out)
{
    struct lm_image picture = {0};
    enum lm_status status = lm_image_create(120, 90, &picture, NULL);
    if (status != LM_OK)
        return status;
    for (uint32_t y = 0; y < 90; y++)
        for (uint32_t x = 0; x < 120; x++) {
            uint8_t *pixel = picture.rgb + 3 * ((size_t)y * 120 + x);
            pixel[0] = (uint8_t)(x * 2 + shift);
            pixel[1] = (uint8_t)((x / 17 + y / 13 + shift) % 5 * 50);
            pixel[2] = (uint8_t)(y > x ? 200 : 3 * y);
        }
    status = picture_input_prepare(&picture, &dir->about.preprocess, out, NULL);
    lm_image_free(&picture);
    return status;
}

#endif
