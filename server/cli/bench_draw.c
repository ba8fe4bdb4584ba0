/* The picture is synthetic: a network's speed depends on which pixels are visible, and little on
 * what they show (SLIC looks at them, so there are colours to follow; products skip zeros).  Each
 * sample hides the same number of segments, drawn anew. */
#include "cli/bench_draw.h"

#include <math.h>
#include <stdlib.h>

/* Coloured waves, of some structure at every scale. */
enum lm_status bench_draw_picture(const struct model_dir *dir, struct picture_input *out,
                                  struct lm_error *error)
{
    const struct lm_preprocess *preprocess = &dir->about.preprocess;
    struct lm_image picture = {0};
    enum lm_status status = lm_image_create(preprocess->width, preprocess->height, &picture, error);
    if (status != LM_OK)
        return status;
    uint8_t *value = picture.rgb;
    for (uint32_t y = 0; y < picture.height; y++)
        for (uint32_t x = 0; x < picture.width; x++)
            for (uint32_t channel = 0; channel < 3; channel++) {
                double wave = sin(0.05 * (channel + 1) * x) + cos(0.07 * (3 - channel) * y) +
                              sin(0.4 * x + 0.3 * y);
                *value++ = (uint8_t)(128 + 40 * wave);
            }
    status = picture_input_prepare(&picture, preprocess, out, error);
    lm_image_free(&picture);
    return status;
}

/* splitmix64 (Vigna): good enough to shuffle segments, the same on every machine. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Hides exactly `hidden` segments of one sample: selection sampling. */
static void draw_sample(uint32_t segments, uint32_t hidden, uint64_t *state, uint8_t *z)
{
    uint32_t left = hidden;
    for (uint32_t s = 0; s < segments; s++) {
        bool hide = next_random(state) % (segments - s) < left;
        z[s] = !hide;
        left -= hide;
    }
}

uint8_t *bench_draw_samples(const struct bench_options *options, uint32_t segments)
{
    uint8_t *z = calloc(options->samples, segments);
    uint32_t hidden = options->plain ? 0 : (uint32_t)lround(options->hidden * segments);
    uint64_t state = options->seed;
    for (uint32_t i = 0; z && i < options->samples; i++)
        draw_sample(segments, hidden, &state, z + (size_t)i * segments);
    return z;
}

double bench_hidden_share(const struct lm_segments *segments, const uint8_t *z, uint32_t samples)
{
    size_t pixels = (size_t)segments->width * segments->height;
    uint64_t *hidden_in = calloc(segments->count, sizeof *hidden_in); /* samples, by segment */
    double sum = 0;
    if (!hidden_in)
        return 0;
    for (uint32_t i = 0; i < samples; i++)
        for (uint32_t s = 0; s < segments->count; s++)
            hidden_in[s] += !*z++;
    for (size_t i = 0; i < pixels; i++)
        sum += (double)hidden_in[segments->labels[i]];
    free(hidden_in);
    return sum / ((double)pixels * samples);
}
