/* The inputs of an explanation's samples.  Layer masking shares the picture's planes between all
 * samples and gives each a mask; all other maskings give each sample planes of its own, put
 * together from the picture's and the one substitute.  Which segments lie in each word of a mask's
 * rows is found once, so that a mask takes a few operations a word. */
#include "codec/sample_inputs.h"

#include <stdlib.h>

/* Pixels of one segment in one word of a mask. */
struct piece {
    uint32_t segment, word;
    uint64_t bits;
};

struct sample_inputs {
    enum masking_kind kind;
    const float *planes;
    const struct lm_segments *segments;
    uint32_t slots, batch;
    struct piece *pieces; /* by word */
    size_t n_pieces;
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

/* The segments of n pixels, at most 64, and which are theirs; returns how many. */
static uint32_t split_word(const int32_t *labels, uint32_t n, uint32_t segment[64],
                           uint64_t bits[64])
{
    uint32_t count = 0, at = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (count == 0 || segment[at] != (uint32_t)labels[i])
            for (at = 0; at < count && segment[at] != (uint32_t)labels[i];)
                at++;
        if (at == count) {
            segment[count] = (uint32_t)labels[i];
            bits[count++] = 0;
        }
        bits[at] |= (uint64_t)1 << i;
    }
    return count;
}

/* Splits all words of a mask; returns the number of pieces.  pieces: NULL: only counts. */
static size_t split_words(const struct lm_segments *segments, struct piece *pieces)
{
    uint32_t segment[64], word = 0;
    uint64_t bits[64];
    size_t n = 0;
    for (uint32_t y = 0; y < segments->height; y++)
        for (uint32_t x = 0; x < segments->width; x += 64, word++) {
            uint32_t left = segments->width - x;
            uint32_t count = split_word(segments->labels + (size_t)y * segments->width + x,
                                        left < 64 ? left : 64, segment, bits);
            for (uint32_t i = 0; pieces && i < count; i++)
                pieces[n + i] = (struct piece){segment[i], word, bits[i]};
            n += count;
        }
    return n;
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
        .n_pieces = split_words(segments, NULL),
        .numbers = (size_t)3 * preprocess->height * preprocess->width,
    };
    inputs->pieces = calloc(inputs->n_pieces, sizeof *inputs->pieces);
    enum lm_status status = LM_OK;
    if (!inputs->masks || !inputs->pieces)
        status = lm_fail(error, LM_NOMEM, "out of memory for %u masks", inputs->slots);
    else
        split_words(segments, inputs->pieces);
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
    free(inputs->pieces);
    free(inputs->substitute);
    free(inputs->composed);
    free(inputs);
}

static void draw_visible(const struct sample_inputs *inputs, const uint8_t *z, struct lm_mask *mask)
{
    lm_mask_fill(mask, false);
    for (size_t i = 0; i < inputs->n_pieces; i++) {
        const struct piece *piece = &inputs->pieces[i];
        mask->bits[piece->word] |= piece->bits & -(uint64_t)z[piece->segment];
    }
}

void sample_inputs_fill(struct sample_inputs *inputs, const uint8_t *z, uint32_t thread,
                        uint32_t slot, const float **planes, const struct lm_mask **visible)
{
    size_t place = (size_t)thread * inputs->batch + slot;
    struct lm_mask *mask = &inputs->masks[place];
    draw_visible(inputs, z, mask);
    *planes = inputs->planes;
    *visible = mask;
    if (inputs->kind == MASKING_LAYER)
        return;
    float *composed = inputs->composed + place * inputs->numbers;
    masking_compose(inputs->planes, inputs->substitute, mask, composed);
    *planes = composed;
    *visible = NULL;
}
