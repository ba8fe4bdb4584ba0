/* Pictures' answers.  Layer masking hands the mask to the network; the other maskings replace the
 * hidden pixels, and the network runs as if everything was visible. */
#include "codec/predictor.h"

#include <stdlib.h>
#include <string.h>

#include "codec/probability.h"

struct predictor {
    const struct model_dir *dir;
    uint32_t n, classes;
    struct predictor_item *items;
    float **replaced;           /* of each item: the input with its hidden pixels replaced, or NULL;
                                   only there while the item's micro-batch runs */
    struct prediction *results; /* of each item */
    struct batches_work work;
};

/* Labels that make two segments: what is visible (0) and what is hidden (1). */
static int32_t *labels_of_mask(const struct lm_mask *visible)
{
    int32_t *labels = calloc((size_t)visible->width * visible->height, sizeof *labels);
    if (!labels)
        return NULL;
    for (uint32_t y = 0; y < visible->height; y++)
        for (uint32_t x = 0; x < visible->width; x++)
            labels[(size_t)y * visible->width + x] = !lm_mask_get(visible, x, y);
    return labels;
}

/* The input with its hidden pixels replaced: *out is malloc'ed. */
static enum lm_status replace_hidden(const struct masking *masking,
                                     const struct lm_preprocess *preprocess, const float *planes,
                                     const struct lm_mask *visible, float **out,
                                     struct lm_error *error)
{
    size_t numbers = (size_t)3 * preprocess->height * preprocess->width;
    int32_t *labels = labels_of_mask(visible);
    float *substitute = calloc(numbers, sizeof *substitute);
    float *composed = calloc(numbers, sizeof *composed);
    enum lm_status status = LM_OK;
    if (!labels || !substitute || !composed) {
        status = lm_fail(error, LM_NOMEM, "out of memory to replace hidden pixels");
        goto done;
    }
    status = masking_substitute(masking, preprocess, planes, labels, 2, substitute, error);
    if (status != LM_OK)
        goto done;
    masking_compose(planes, substitute, visible, composed);
    *out = composed;
    composed = NULL;
done:
    free(labels);
    free(substitute);
    free(composed);
    return status;
}

static enum lm_status fill(void *context, uint32_t index, uint32_t thread, uint32_t slot,
                           const float **planes, const struct lm_mask **visible,
                           struct lm_error *error)
{
    struct predictor *predictor = context;
    const struct predictor_item *item = &predictor->items[index];
    (void)thread, (void)slot;
    *planes = item->input->planes;
    *visible = item->visible;
    if (!item->visible || item->masking.kind == MASKING_LAYER)
        return LM_OK;
    enum lm_status status =
        replace_hidden(&item->masking, &predictor->dir->about.preprocess, item->input->planes,
                       item->visible, &predictor->replaced[index], error);
    *planes = predictor->replaced[index];
    *visible = NULL;
    return status;
}

static enum lm_status take(void *context, uint32_t first, uint32_t n, const float *logits,
                           uint32_t thread, struct lm_error *error)
{
    struct predictor *predictor = context;
    uint32_t classes = predictor->classes;
    enum lm_status status = LM_OK;
    (void)thread;
    for (uint32_t i = 0; i < n && status == LM_OK; i++) {
        struct prediction *result = &predictor->results[first + i];
        free(predictor->replaced[first + i]);
        predictor->replaced[first + i] = NULL;
        memcpy(result->logits, logits + (size_t)i * classes, classes * sizeof *logits);
        status =
            probability_from_logits(result->logits, classes, predictor->dir->about.probabilities,
                                    result->probabilities, error);
    }
    return status;
}

static double visible_fraction(const struct lm_mask *visible)
{
    if (!visible)
        return 1;
    return (double)lm_mask_count(visible) / ((double)visible->width * visible->height);
}

static enum lm_status create_result(const struct predictor_item *item, uint32_t classes,
                                    struct prediction *result, struct lm_error *error)
{
    *result = (struct prediction){.classes = classes,
                                  .logits = calloc(classes, sizeof *result->logits),
                                  .probabilities = calloc(classes, sizeof(double)),
                                  .visible_fraction = visible_fraction(item->visible)};
    if (!result->logits || !result->probabilities)
        return lm_fail(error, LM_NOMEM, "out of memory for %u outputs", classes);
    return LM_OK;
}

enum lm_status predictor_prepare(const struct model_dir *dir, const struct lm_model *model,
                                 uint32_t size, const struct predictor_item *items, uint32_t n,
                                 struct predictor **out, struct lm_error *error)
{
    struct lm_model_info info;
    lm_model_info(model, &info);
    struct predictor *predictor = calloc(1, sizeof *predictor);
    if (!predictor)
        return lm_fail(error, LM_NOMEM, "out of memory for predictions");
    *predictor = (struct predictor){
        .dir = dir,
        .n = n,
        .classes = info.classes,
        .items = calloc(n, sizeof *predictor->items),
        .replaced = calloc(n, sizeof *predictor->replaced),
        .results = calloc(n, sizeof *predictor->results),
        .work = {.count = n, .size = size, .context = predictor, .fill = fill, .take = take},
    };
    enum lm_status status = LM_OK;
    if (!predictor->items || !predictor->replaced || !predictor->results)
        status = lm_fail(error, LM_NOMEM, "out of memory for %u predictions", n);
    for (uint32_t i = 0; i < n && status == LM_OK; i++) {
        predictor->items[i] = items[i];
        status = create_result(&items[i], info.classes, &predictor->results[i], error);
    }
    if (status != LM_OK) {
        predictor_free(predictor);
        return status;
    }
    *out = predictor;
    return LM_OK;
}

const struct batches_work *predictor_work(const struct predictor *predictor)
{
    return &predictor->work;
}

void predictor_finish(struct predictor *predictor, struct prediction *out)
{
    for (uint32_t i = 0; i < predictor->n; i++) {
        out[i] = predictor->results[i];
        predictor->results[i] = (struct prediction){0};
    }
}

void predictor_free(struct predictor *predictor)
{
    if (!predictor)
        return;
    for (uint32_t i = 0; predictor->replaced && i < predictor->n; i++)
        free(predictor->replaced[i]);
    for (uint32_t i = 0; predictor->results && i < predictor->n; i++)
        prediction_free(&predictor->results[i]);
    free(predictor->items);
    free(predictor->replaced);
    free(predictor->results);
    free(predictor);
}

enum lm_status predictor_run(const struct model_dir *dir, const struct lm_model *model,
                             struct runner *runner, const struct predictor_item *item,
                             struct prediction *out, struct lm_error *error)
{
    struct predictor *predictor = NULL;
    enum lm_status status = predictor_prepare(dir, model, 1, item, 1, &predictor, error);
    if (status == LM_OK)
        status = runner_take_batch(runner, predictor_work(predictor), 0, 0, error);
    if (status == LM_OK)
        predictor_finish(predictor, out);
    predictor_free(predictor);
    return status;
}

void prediction_free(struct prediction *prediction)
{
    if (!prediction)
        return;
    free(prediction->logits);
    free(prediction->probabilities);
    *prediction = (struct prediction){0};
}
