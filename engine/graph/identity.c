/* Identities of sites: a hash is a sum of the parts' identities, each times a factor of its own,
 * with its bits mixed afterwards; 0 is nobody's, so that cells that are not there add nothing. */
#include "graph/identity.h"

#include <string.h>

#include "graph/sites.h"

static uint64_t *identity(const struct run *run, uint32_t value)
{
    return memo_identities(run->memo)->of[value];
}

static uint64_t finished(uint64_t sum)
{
    uint64_t mixed = identity_mix(sum);
    return mixed ? mixed : 1;
}

void identity_of_input(struct run *run, uint32_t sample)
{
    const struct value *value = &run->graph->values[run->graph->input];
    const uint64_t *visible = value_visible(run, run->graph->input, sample);
    uint64_t *out = identity(run, run->graph->input);
    for (uint32_t y = 0; y < value->height; y++, visible += bits_words(value->width))
        for (uint32_t x = 0; x < value->width; x++)
            *out++ = bits_get(visible, x);
}

/* A value in the frame of one of its maps: the identities of cells that windows see. */
struct framed {
    const struct value *value;
    const struct pad_map *map;
    uint64_t *corner; /* of the picture's first cell */
};

static struct framed frame_visible(struct run *run, uint32_t id, uint32_t map, uint32_t sample)
{
    struct framed f = {.value = &run->graph->values[id], .map = &run->plan->maps[map]};
    uint64_t *cells = memo_identities(run->memo)->cells;
    const uint64_t *visible = value_visible(run, id, sample), *from = identity(run, id);
    f.corner = cells + (size_t)f.map->top * f.map->width + f.map->left;
    memset(cells, 0, (size_t)f.map->height * f.map->width * sizeof *cells);
    for (uint32_t y = 0; y < f.value->height; y++, visible += bits_words(f.value->width))
        for (uint32_t x = 0; x < f.value->width; x++)
            f.corner[(size_t)y * f.map->width + x] = *from++ & -(uint64_t)bits_get(visible, x);
    return f;
}

static uint64_t of_neighbours(const struct framed *f, uint32_t site, const uint64_t factor[9])
{
    const uint64_t *cell = f->corner + (size_t)site_y(site) * f->map->width + site_x(site);
    uint64_t sum = 0;
    for (int64_t i = 0; i < 9; i++)
        sum += cell[(i / 3 - 1) * (int64_t)f->map->width + i % 3 - 1] * factor[i];
    return finished(sum);
}

/* Neighbour padding: round r makes the cells next to those that are known after round r - 1. */
static void frame_rounds(struct run *run, uint32_t id, uint32_t rounds, uint32_t sample,
                         const struct framed *f)
{
    const struct identities *ids = memo_identities(run->memo);
    const struct value *value = f->value;
    size_t words = value_words(value);
    uint64_t *known = run->planes[0], *grown = run->planes[1], factor[9];
    for (uint64_t i = 0; i < 9; i++)
        factor[i] = identity_factor(i + 1000);
    memcpy(known, value_visible(run, id, sample), words * sizeof *known);
    for (uint32_t r = 1; r <= rounds; r++) {
        sites_grow(value->height, value->width, known, grown);
        for (size_t w = 0; w < words; w++) {
            uint64_t all = grown[w];
            grown[w] &= ~known[w];
            known[w] = all;
        }
        uint32_t n = sites_list(value->height, value->width, grown, ids->list);
        for (uint32_t i = 0; i < n; i++)
            ids->fresh[i] = of_neighbours(f, ids->list[i], factor);
        for (uint32_t i = 0; i < n; i++)
            f->corner[(size_t)site_y(ids->list[i]) * f->map->width + site_x(ids->list[i])] =
                ids->fresh[i];
        if (!n)
            break;
    }
}

/* A visible site's window holds a visible cell, so that it sees none that is far from all. */
static uint32_t rounds_seen(const struct run *run, const struct step *step,
                            const struct window *window, uint32_t rounds)
{
    uint32_t height = (window->kernel_height - 1) * window->dilation_y;
    uint32_t width = (window->kernel_width - 1) * window->dilation_x;
    uint32_t reach = height > width ? height : width;
    if (run->plan->values[step->output].masked_rows || rounds < reach)
        return rounds;
    return reach;
}

static void sum_windows(const struct framed *f, const struct window *w, uint64_t *out)
{
    int64_t width = f->map->width;
    for (uint32_t y = 0; y < w->out_height; y++, out += w->out_width) {
        memset(out, 0, w->out_width * sizeof *out);
        for (uint32_t t = 0; t < window_taps(w); t++) {
            uint32_t ky = t / w->kernel_width, kx = t % w->kernel_width;
            int64_t top =
                (int64_t)y * w->stride_y + ky * w->dilation_y - w->pad_top - w->border.top;
            int64_t left = (int64_t)kx * w->dilation_x - w->pad_left - w->border.left;
            const uint64_t *cell = f->corner + top * width + left;
            uint64_t factor = identity_factor(t);
            for (uint32_t x = 0; x < w->out_width; x++)
                out[x] += cell[(size_t)x * w->stride_x] * factor;
        }
        for (uint32_t x = 0; x < w->out_width; x++)
            out[x] = finished(out[x]);
    }
}

void identity_of_windows(struct run *run, const struct step *step, const struct window *window,
                         uint32_t rounds, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    struct framed f = frame_visible(run, in, window->map, sample);
    frame_rounds(run, in, rounds_seen(run, step, window, rounds), sample, &f);
    sum_windows(&f, window, identity(run, step->output));
}

void identity_join(struct run *run, const struct step *step, uint32_t first)
{
    const struct value *value = &run->graph->values[step->output];
    uint64_t *out = identity(run, step->output);
    size_t n = value_sites(value);
    if (step->n_inputs <= first || run->plan->values[step->output].identity != step->output)
        return;
    if (!first)
        memset(out, 0, n * sizeof *out);
    for (uint32_t i = first; i < step->n_inputs; i++) {
        const uint64_t *in = identity(run, step->inputs[i]);
        uint64_t factor = identity_factor(i + 2000);
        for (size_t p = 0; p < n; p++)
            out[p] += in[p] * factor;
    }
    for (size_t p = 0; p < n; p++)
        out[p] = finished(out[p]);
}
