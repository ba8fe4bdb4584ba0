/* predict --input: for tests, and for people with a preprocessing of their own.  Numbers are
 * printed with 9 significant digits, which give the same float32 back. */
#include "cli/predict_tensor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/common.h"
#include "codec/npy.h"
#include "codec/thread_pool.h"
#include "layermask/mask.h"
#include "layermask/session.h"

enum { MICRO_BATCH = 4, MAX_IMAGES = 1 << 20 };

struct tensor_work {
    struct model_dir dir;
    struct lm_model *model;
    struct lm_model_info info;
    struct npy input, mask;
    uint32_t images;
    struct lm_mask masks[MICRO_BATCH]; /* of the images that run now */
    struct pool *pool;
    struct lm_session *session;
    float *logits; /* images x classes */
};

static void tensor_work_free(struct tensor_work *work)
{
    free(work->logits);
    lm_session_free(work->session);
    pool_free(work->pool);
    for (int i = 0; i < MICRO_BATCH; i++)
        lm_mask_free(&work->masks[i]);
    npy_free(&work->input);
    npy_free(&work->mask);
    lm_model_free(work->model);
    model_dir_free(&work->dir);
}

/* "[2, 3, 224, 224]" */
static const char *shape_text(const struct npy *array, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (uint32_t i = 0; i < array->dimensions && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%zu", i ? ", " : "", array->shape[i]);
    if (used < size)
        snprintf(out + used, size - used, "]");
    return out;
}

static bool has_shape(const struct npy *array, size_t n, size_t channels,
                      const struct lm_model_info *info)
{
    return array->dimensions == 4 && array->shape[0] == n && array->shape[1] == channels &&
           array->shape[2] == info->height && array->shape[3] == info->width;
}

static enum lm_status check_input(const char *path, struct tensor_work *work,
                                  struct lm_error *error)
{
    const struct lm_model_info *info = &work->info;
    char shape[120];
    size_t n = work->input.dimensions == 4 ? work->input.shape[0] : 0;
    if (!has_shape(&work->input, n, info->channels, info))
        return lm_fail(error, LM_INVALID, "%s: shape %s, the network takes [N, %u, %u, %u]", path,
                       shape_text(&work->input, shape, sizeof shape), info->channels, info->height,
                       info->width);
    if (n < 1 || n > MAX_IMAGES)
        return lm_fail(error, LM_LIMIT, "%s: %zu images, must be 1 to %d", path, n, MAX_IMAGES);
    work->images = (uint32_t)n;
    return LM_OK;
}

static enum lm_status check_mask(const char *path, const struct tensor_work *work,
                                 struct lm_error *error)
{
    char shape[120];
    if (!has_shape(&work->mask, work->images, 1, &work->info))
        return lm_fail(error, LM_INVALID, "%s: shape %s, must be [%u, 1, %u, %u]", path,
                       shape_text(&work->mask, shape, sizeof shape), work->images,
                       work->info.height, work->info.width);
    for (size_t i = 0; i < work->mask.count; i++)
        if (work->mask.data[i] != 0.0f && work->mask.data[i] != 1.0f)
            return lm_fail(error, LM_INVALID, "%s: number %zu is %g, must be 0 or 1", path, i,
                           (double)work->mask.data[i]);
    return LM_OK;
}

/* Numbers of hidden pixels do not matter; of visible ones, a Relu would make NaN 0, unseen. */
static enum lm_status check_numbers(const char *path, const struct tensor_work *work,
                                    struct lm_error *error)
{
    size_t pixels = (size_t)work->info.height * work->info.width;
    size_t image = pixels * work->info.channels;
    for (size_t i = 0; i < work->input.count; i++) {
        size_t at = i / image * pixels + i % pixels;
        bool visible = !work->mask.data || work->mask.data[at] != 0.0f;
        if (visible && !isfinite(work->input.data[i]))
            return lm_fail(error, LM_INVALID, "%s: number %zu is %g, but its pixel is visible",
                           path, i, (double)work->input.data[i]);
    }
    return LM_OK;
}

static enum lm_status read_tensors(const char *input, const char *mask, struct tensor_work *work,
                                   struct lm_error *error)
{
    enum lm_status status = npy_read(input, &work->input, error);
    if (status == LM_OK)
        status = check_input(input, work, error);
    if (status == LM_OK && mask)
        status = npy_read(mask, &work->mask, error);
    if (status == LM_OK && mask)
        status = check_mask(mask, work, error);
    return status == LM_OK ? check_numbers(input, work, error) : status;
}

static enum lm_status create_session(uint32_t threads, struct tensor_work *work,
                                     struct lm_error *error)
{
    uint32_t batch = work->images < MICRO_BATCH ? work->images : MICRO_BATCH;
    enum lm_status status = LM_OK;
    for (uint32_t i = 0; i < batch && status == LM_OK; i++)
        status = lm_mask_create(work->info.width, work->info.height, &work->masks[i], error);
    if (status == LM_OK)
        status = pool_create(threads, 0, &work->pool, error);
    if (status == LM_OK)
        status = lm_session_create(work->model, batch, threads, &work->session, error);
    work->logits = calloc(work->images, work->info.classes * sizeof *work->logits);
    if (status == LM_OK && !work->logits)
        status = lm_fail(error, LM_NOMEM, "out of memory for %u x %u outputs", work->images,
                         work->info.classes);
    return status;
}

/* The mask of image `index` as bits. */
static void set_bits(const struct tensor_work *work, uint32_t index, struct lm_mask *out)
{
    size_t pixels = (size_t)out->width * out->height;
    const float *value = work->mask.data + index * pixels;
    lm_mask_fill(out, false);
    for (uint32_t y = 0; y < out->height; y++)
        for (uint32_t x = 0; x < out->width; x++)
            if (*value++ != 0.0f)
                lm_mask_set(out, x, y);
}

static enum lm_status run_micro_batch(struct tensor_work *work, uint32_t first, uint32_t n,
                                      struct lm_error *error)
{
    const float *planes[MICRO_BATCH];
    const struct lm_mask *visible[MICRO_BATCH];
    size_t numbers = (size_t)work->info.channels * work->info.height * work->info.width;
    for (uint32_t i = 0; i < n; i++) {
        planes[i] = work->input.data + (first + i) * numbers;
        visible[i] = work->mask.data ? &work->masks[i] : NULL;
        if (work->mask.data)
            set_bits(work, first + i, &work->masks[i]);
    }
    const struct lm_parallel parallel = pool_parallel(work->pool);
    return lm_session_run(work->session, n, planes, visible,
                          work->logits + (size_t)first * work->info.classes, &parallel, error);
}

static enum lm_status run_all(struct tensor_work *work, struct lm_error *error)
{
    enum lm_status status = LM_OK;
    for (uint32_t first = 0; first < work->images && status == LM_OK; first += MICRO_BATCH) {
        uint32_t left = work->images - first;
        status = run_micro_batch(work, first, left < MICRO_BATCH ? left : MICRO_BATCH, error);
    }
    size_t count = (size_t)work->images * work->info.classes;
    for (size_t i = 0; i < count && status == LM_OK; i++)
        if (!isfinite(work->logits[i]))
            status = lm_fail(error, LM_INVALID,
                             "output %zu of the network on image %zu is not a finite number",
                             i % work->info.classes, i / work->info.classes);
    return status;
}

static void print_logits(const struct tensor_work *work)
{
    const float *logit = work->logits;
    printf("{\"logits\": [");
    for (uint32_t image = 0; image < work->images; image++) {
        printf("%s[", image ? ", " : "");
        for (uint32_t i = 0; i < work->info.classes; i++)
            printf("%s%.9g", i ? ", " : "", (double)*logit++);
        printf("]");
    }
    puts("]}");
}

int predict_tensor(const char *model, const char *policy, const char *precision, const char *input,
                   const char *mask, uint32_t threads)
{
    struct tensor_work work = {0};
    struct lm_error error = {0};
    enum lm_status status =
        common_load_model(model, policy, precision, &work.dir, &work.model, &error);
    if (status == LM_OK) {
        lm_model_info(work.model, &work.info);
        status = read_tensors(input, mask, &work, &error);
    }
    if (status == LM_OK)
        status = create_session(threads, &work, &error);
    if (status == LM_OK)
        status = run_all(&work, &error);
    if (status == LM_OK)
        print_logits(&work);
    tensor_work_free(&work);
    return status == LM_OK ? COMMAND_DONE : command_fail(&error);
}
