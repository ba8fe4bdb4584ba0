/* The inputs of an explanation's samples.  Layer masking shares the picture's planes between all
 * samples and gives each a mask; all other maskings give each sample planes of its own, put
 * together from the picture's and the one substitute. */
#include "codec/sample_inputs.h"

#include <stdlib.h>

struct sample_inputs {
    enum masking_kind kind;
    const float *planes;
    const struct lm_segments *segments;
    uint32_t slots, batch;
    struct lm_mask *masks; /* one for each slot of each thread */
    size_t numbers;        /* floats of an input */
    float *substitute;     /* unless layer masking, as is the next */
    float *composed;       /* numbers for each slot of each thread */
};

static enum lm_status create_substitute(struct sample_inputs *inputs, const struct masking *masking,
                                        const struct lm_preprocess *preprocess,
                                        struct lm_error *error)
{
    const struct lm_segments *segments = inputs->segments;
    inputs->substitute = calloc(inputs->numbers, sizeof *inputs->substitute);
    inputs->composed = calloc(inputs->slots, inputs->numbers * sizeof *inputs->composed);
    if (!inputs->substitute || !inputs->composed)
        return lm_fail(error, LM_NOMEM, "out of memory for %u inputs", inputs->slots);
    return masking_substitute(masking, preprocess, inputs->planes, segments->labels,
                              segments->count, inputs->substitute, error);
}

enum lm_status sample_inputs_create(const struct masking *masking,
                                    const struct lm_preprocess *preprocess, const float *planes,
                                    const struct lm_segments *segments, uint32_t threads,
                                    uint32_t batch, struct sample_inputs **out,
                                    struct lm_error *error)
{
    struct sample_inputs *inputs = calloc(1, sizeof *inputs);
    if (!inputs)
        return lm_fail(error, LM_NOMEM, "out of memory for the inputs of samples");
    *inputs = (struct sample_inputs){
        .kind = masking->kind,
        .planes = planes,
        .segments = segments,
        .slots = threads * batch,
        .batch = batch,
        .masks = calloc((size_t)threads * batch, sizeof *inputs->masks),
        .numbers = (size_t)3 * preprocess->height * preprocess->width,
    };
    enum lm_status status = LM_OK;
    if (!inputs->masks)
        status = lm_fail(error, LM_NOMEM, "out of memory for %u masks", inputs->slots);
    for (uint32_t i = 0; i < inputs->slots && status == LM_OK; i++)
        status = lm_mask_create(segments->width, segments->height, &inputs->masks[i], error);
    if (status == LM_OK && masking->kind != MASKING_LAYER)
        status = create_substitute(inputs, masking, preprocess, error);
    if (status != LM_OK) {
        sample_inputs_free(inputs);
        return status;
    }
    *out = inputs;
    return LM_OK;
}

void sample_inputs_free(struct sample_inputs *inputs)
{
    if (!inputs)
        return;
    for (uint32_t i = 0; inputs->masks && i < inputs->slots; i++)
        lm_mask_free(&inputs->masks[i]);
    free(inputs->masks);
    free(inputs->substitute);
    free(inputs->composed);
    free(inputs);
}

/* Sets the pixels of the visible segments, a word at a time. */
static void draw_visible(const struct lm_segments *segments, const uint8_t *z, struct lm_mask *mask)
{
    const int32_t *label = segments->labels;
    for (uint32_t y = 0; y < segments->height; y++) {
        uint64_t *row = mask->bits + y * mask->words;
        for (uint32_t x = 0; x < segments->width;) {
            uint64_t word = 0;
            uint32_t stop = x + 64 < segments->width ? x + 64 : segments->width;
            for (uint32_t bit = 0; x < stop; x++, bit++)
                word |= (uint64_t)z[*label++] << bit;
            *row++ = word;
        }
    }
}

void sample_inputs_fill(struct sample_inputs *inputs, const uint8_t *z, uint32_t thread,
                        uint32_t slot, const float **planes, const struct lm_mask **visible)
{
    size_t place = (size_t)thread * inputs->batch + slot;
    struct lm_mask *mask = &inputs->masks[place];
    draw_visible(inputs->segments, z, mask);
    *planes = inputs->planes;
    *visible = mask;
    if (inputs->kind == MASKING_LAYER)
        return;
    float *composed = inputs->composed + place * inputs->numbers;
    masking_compose(inputs->planes, inputs->substitute, mask, composed);
    *planes = composed;
    *visible = NULL;
}
