/* One picture's answer.  Layer masking hands the mask to the network; the other maskings replace
 * the hidden pixels, and the network runs as if everything was visible. */
#include "codec/predictor.h"

#include <stdlib.h>

#include "codec/probability.h"

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

static enum lm_status forward(const struct model_dir *dir, struct lm_session *session,
                              const struct lm_parallel *pool, const struct picture_input *input,
                              const struct lm_mask *visible, const struct masking *masking,
                              float *logits, struct lm_error *error)
{
    const float *planes = input->planes;
    float *replaced = NULL;
    enum lm_status status = LM_OK;
    if (visible && masking->kind != MASKING_LAYER) {
        status = replace_hidden(masking, &dir->about.preprocess, planes, visible, &replaced, error);
        planes = replaced;
        visible = NULL;
    }
    if (status == LM_OK)
        status = lm_session_run(session, 1, &planes, &visible, logits, pool, error);
    free(replaced);
    return status;
}

static double visible_fraction(const struct lm_mask *visible)
{
    if (!visible)
        return 1;
    return (double)lm_mask_count(visible) / ((double)visible->width * visible->height);
}

enum lm_status predictor_run(const struct model_dir *dir, const struct lm_model *model,
                             struct lm_session *session, const struct lm_parallel *pool,
                             const struct picture_input *input, const struct lm_mask *visible,
                             const struct masking *masking, struct prediction *out,
                             struct lm_error *error)
{
    struct lm_model_info info;
    lm_model_info(model, &info);
    struct prediction result = {.classes = info.classes,
                                .logits = calloc(info.classes, sizeof *result.logits),
                                .probabilities = calloc(info.classes, sizeof(double)),
                                .visible_fraction = visible_fraction(visible)};
    enum lm_status status = LM_OK;
    if (!result.logits || !result.probabilities)
        status = lm_fail(error, LM_NOMEM, "out of memory for %u outputs", info.classes);
    if (status == LM_OK)
        status = forward(dir, session, pool, input, visible, masking, result.logits, error);
    if (status == LM_OK)
        status = probability_from_logits(result.logits, info.classes, dir->about.probabilities,
                                         result.probabilities, error);
    if (status != LM_OK) {
        prediction_free(&result);
        return status;
    }
    *out = result;
    return LM_OK;
}

void prediction_free(struct prediction *prediction)
{
    if (!prediction)
        return;
    free(prediction->logits);
    free(prediction->probabilities);
    *prediction = (struct prediction){0};
}
