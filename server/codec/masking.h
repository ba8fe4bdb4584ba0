/* The ways to make pixels missing.  `layer` leaves the pixels alone and has the network ignore
 * them; all others replace hidden pixels and run the plain network on what comes out. */
#ifndef CODEC_MASKING_H
#define CODEC_MASKING_H

#include <stdbool.h>
#include <stdint.h>

#include "layermask/image.h"
#include "layermask/mask.h"
#include "layermask/status.h"

enum masking_kind {
    MASKING_LAYER, /* layer masking */
    MASKING_BLACK, /* 0 in the picture */
    MASKING_GREY,  /* the model's mean colour: 0 after normalisation */
    MASKING_MEAN,  /* mean colour of each hidden segment; without segments, of all that is hidden */
    MASKING_BLUR,  /* Gaussian blur of the picture, sigma masking_blur_sigma() */
    MASKING_COLOR, /* one colour */
};

struct masking {
    enum masking_kind kind;
    uint8_t rgb[3]; /* of MASKING_COLOR */
};

/* "layer", "black", "grey", "mean", "blur" or "color:#rrggbb". Errors: LM_INVALID. */
enum lm_status masking_parse(const char *text, struct masking *out, struct lm_error *error);

/* The same text again. */
enum { MASKING_NAME_BYTES = 16 };
void masking_name(const struct masking *masking, char out[MASKING_NAME_BYTES]);

/* Of the blur, pixels of the network's input: 10 at 224, in proportion to the shorter side. */
double masking_blur_sigma(uint32_t width, uint32_t height);

/* What hidden pixels are replaced by: 3 x height x width floats, normalised like `planes`.
 * It does not depend on which segments are hidden, so that one substitute serves all samples.
 * labels: the segments, each pixel's in 0..count-1 (MASKING_MEAN only).  Not for MASKING_LAYER.
 * Errors: LM_NOMEM. */
enum lm_status masking_substitute(const struct masking *masking,
                                  const struct lm_preprocess *preprocess, const float *planes,
                                  const int32_t *labels, uint32_t count, float *out,
                                  struct lm_error *error);

/* out = planes where `visible` is set, substitute elsewhere. */
void masking_compose(const float *planes, const float *substitute, const struct lm_mask *visible,
                     float *out);

#endif
