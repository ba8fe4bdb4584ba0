/* Identities of sites: a hash is a sum of the parts' identities, each times a factor of its own,
 * with its bits mixed afterwards; 0 is nobody's, so that cells that are not there add nothing.
 *
 * Most sites under a mask see no masked pixel.  Theirs are made once; a sample makes those that are
 * touched: whose window sees a masked or touched cell.
 */
#include "graph/identity.h"

#include <string.h>

#include "graph/sites.h"

static struct identity_map *map_of(const struct run *run, uint32_t value)
{
    return memo_identities(run->memo)->of[value];
}

static uint64_t finished(uint64_t sum)
{
    uint64_t mixed = identity_mix(sum);
    return mixed ? mixed : 1;
}

static size_t cell_of(const struct identity_map *map, uint32_t site)
{
    return site_y(site) * map->stride + site_x(site);
}

/* Lists the sites of a plane of the value in identities.list. */
static uint32_t list_plane(struct run *run, uint32_t value, const uint64_t *plane)
{
    const struct value *v = &run->graph->values[value];
    return sites_list(v->height, v->width, plane, memo_identities(run->memo)->list);
}

/* ---- what differs from the plain picture */

/* The sample's masked sites, and touched ones beside them (in run->planes[0], which is used up). */
static void settle(struct run *run, uint32_t value, uint32_t sample)
{
    struct identity_map *map = map_of(run, value);
    const struct value *v = &run->graph->values[value];
    size_t words = value_words(v);
    memset(map->masked, 0, words * sizeof *map->masked);
    sites_fill(v->height, v->width, sample == IDENTITY_PLAIN ? run->planes[0] : map->masked);
    if (sample != IDENTITY_PLAIN)
        sites_without(map->masked, value_visible(run, value, sample), words);
    sites_or(run->planes[0], map->masked, words);
    memcpy(map->touched, run->planes[0], words * sizeof *map->touched);
}

/* run->planes[0] = the sites whose identities have to be made. */
static void find_made(struct run *run, uint32_t value)
{
    const struct identity_map *map = map_of(run, value);
    size_t words = value_words(&run->graph->values[value]);
    memcpy(run->planes[0], map->touched, words * sizeof *map->touched);
    if (map->all == map->seen)
        sites_without(run->planes[0], map->masked, words);
}

/* The same listed, and noted as the array's.  Whoever lists them makes them. */
static uint32_t list_made(struct run *run, uint32_t value)
{
    const struct identity_map *map = map_of(run, value);
    size_t words = value_words(&run->graph->values[value]);
    find_made(run, value);
    sites_or(map->changed, run->planes[0], words);
    for (size_t i = 0; i < words; i++)
        map->blank[i] &= ~(run->planes[0][i] & ~map->masked[i]);
    return list_plane(run, value, run->planes[0]);
}

/* Brings what windows see of some sites up to date: untouched and masked ones; all others have been
 * made. */
static void bring_up(struct run *run, uint32_t value, const uint64_t *region)
{
    struct identity_map *map = map_of(run, value);
    const uint32_t *list = memo_identities(run->memo)->list;
    uint64_t *some = run->planes[1];
    size_t words = value_words(&run->graph->values[value]);
    for (size_t i = 0; i < words; i++) {
        some[i] = region[i] & map->changed[i] & ~map->touched[i];
        map->changed[i] &= ~some[i];
        map->blank[i] &= ~some[i];
    }
    uint32_t n = list_plane(run, value, some);
    for (uint32_t i = 0; i < n; i++) {
        size_t cell = cell_of(map, list[i]);
        map->all[cell] = map->seen[cell] = map->plain[cell];
    }
    for (size_t i = 0; i < words; i++) {
        some[i] = region[i] & map->masked[i] & ~map->blank[i];
        map->changed[i] |= some[i];
        map->blank[i] |= some[i];
    }
    n = list_plane(run, value, some);
    for (uint32_t i = 0; i < n; i++)
        map->seen[cell_of(map, list[i])] = 0;
}

static void show(const struct identity_map *map, const uint32_t *list, uint32_t n)
{
    for (uint32_t i = 0; i < n && map->all != map->seen; i++)
        if (!sites_has(map->masked, map->width, list[i]))
            map->seen[cell_of(map, list[i])] = map->all[cell_of(map, list[i])];
}

/* ---- inputs */

static void of_input(struct run *run, uint32_t sample)
{
    uint32_t id = run->graph->input;
    struct identity_map *map = map_of(run, id);
    const uint32_t *list = memo_identities(run->memo)->list;
    memset(run->planes[0], 0, value_words(&run->graph->values[id]) * sizeof *run->planes[0]);
    settle(run, id, sample);
    uint32_t n = list_made(run, id);
    for (uint32_t i = 0; i < n; i++)
        map->all[cell_of(map, list[i])] = 1;
}

/* ---- windows */

static uint64_t of_neighbours(const struct identity_map *map, uint32_t site,
                              const uint64_t factor[9])
{
    const uint64_t *cell = map->seen + cell_of(map, site);
    uint64_t sum = 0;
    for (int64_t i = 0; i < 9; i++)
        sum += cell[(i / 3 - 1) * (int64_t)map->stride + i % 3 - 1] * factor[i];
    return finished(sum);
}

/* Neighbour padding: round r makes the cells next to those that are known after round r - 1, here
 * those of a region.  They stand among those that windows see, until clear_rounds. */
static void add_rounds(struct run *run, uint32_t id, uint32_t rounds, const uint64_t *region)
{
    const struct identities *ids = memo_identities(run->memo);
    const struct identity_map *map = ids->of[id];
    const struct value *value = &run->graph->values[id];
    size_t words = value_words(value);
    uint64_t *known = run->planes[0], *grown = run->planes[1], factor[9];
    for (uint64_t i = 0; i < 9; i++)
        factor[i] = identity_factor(i + 1000);
    sites_fill(value->height, value->width, known);
    sites_without(known, map->masked, words);
    for (uint32_t r = 1; r <= rounds; r++) {
        sites_grow(value->height, value->width, known, grown);
        sites_without(grown, known, words);
        sites_and(grown, region, words);
        uint32_t n = list_plane(run, id, grown);
        for (uint32_t i = 0; i < n; i++)
            ids->fresh[i] = of_neighbours(map, ids->list[i], factor);
        for (uint32_t i = 0; i < n; i++)
            map->seen[cell_of(map, ids->list[i])] = ids->fresh[i];
        if (!n)
            break;
        sites_or(known, grown, words);
    }
    sites_and(known, map->masked, words);
}

/* known: the cells that add_rounds left in run->planes[0]. */
static void clear_rounds(struct run *run, uint32_t id, const uint64_t *known)
{
    const struct identity_map *map = map_of(run, id);
    const uint32_t *list = memo_identities(run->memo)->list;
    uint32_t n = list_plane(run, id, known);
    for (uint32_t i = 0; i < n; i++)
        map->seen[cell_of(map, list[i])] = 0;
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

/* Some taps of a window: where they are, from its first cell, and their factors. */
enum { TAPS = 32 };
struct taps {
    uint32_t n;
    size_t offset[TAPS];
    uint64_t factor[TAPS];
};

static void take_taps(const struct window *w, size_t stride, uint32_t first, struct taps *out)
{
    uint32_t left = window_taps(w) - first;
    out->n = left < TAPS ? left : TAPS;
    for (uint32_t i = 0; i < out->n; i++) {
        uint32_t y = (first + i) / w->kernel_width, x = (first + i) % w->kernel_width;
        out->offset[i] = (size_t)y * w->dilation_y * stride + (size_t)x * w->dilation_x;
        out->factor[i] = identity_factor(first + i);
    }
}

static uint64_t sum_taps(const struct taps *taps, const uint64_t *cells)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < taps->n; i++)
        sum += cells[taps->offset[i]] * taps->factor[i];
    return sum;
}

/* Of the n sites that are listed. */
static void sum_windows(struct run *run, const struct step *step, const struct window *w,
                        uint32_t n)
{
    const struct identities *ids = memo_identities(run->memo);
    const struct identity_map *in = ids->of[step->inputs[0]], *out = ids->of[step->output];
    int64_t top = (int64_t)w->pad_top + w->border.top, left = (int64_t)w->pad_left + w->border.left;
    struct taps taps;
    memset(ids->fresh, 0, n * sizeof *ids->fresh);
    for (uint32_t t = 0; t < window_taps(w); t += TAPS) {
        take_taps(w, in->stride, t, &taps);
        for (uint32_t i = 0; i < n; i++) {
            int64_t y = (int64_t)site_y(ids->list[i]) * w->stride_y - top;
            int64_t x = (int64_t)site_x(ids->list[i]) * w->stride_x - left;
            ids->fresh[i] += sum_taps(&taps, in->seen + y * (int64_t)in->stride + x);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        out->all[cell_of(out, ids->list[i])] = finished(ids->fresh[i]);
}

/* Sites that see a touched cell of an input: of input 0 through the window, NULL: there is none. */
static void touch(struct run *run, const struct step *step, const struct window *window)
{
    size_t words = value_words(&run->graph->values[step->output]);
    uint64_t *touched = run->planes[0];
    if (window)
        sites_any(window, map_of(run, step->inputs[0])->touched, touched);
    else
        memset(touched, 0, words * sizeof *touched);
    for (uint32_t i = window != NULL; i < step->n_inputs; i++)
        sites_or(touched, map_of(run, step->inputs[i])->touched, words);
}

/* Adds the identities of inputs first..n_inputs-1 to those of the n sites that are listed. */
static void join(struct run *run, const struct step *step, uint32_t first, uint32_t n)
{
    const struct identities *ids = memo_identities(run->memo);
    const struct identity_map *out = ids->of[step->output];
    for (uint32_t i = 0; i < n && first < step->n_inputs; i++) {
        uint64_t sum = first ? out->all[cell_of(out, ids->list[i])] : 0;
        for (uint32_t k = first; k < step->n_inputs; k++)
            sum += identity_at(ids->of[step->inputs[k]], ids->list[i]) * identity_factor(k + 2000);
        out->all[cell_of(out, ids->list[i])] = finished(sum);
    }
}

/* run->planes[2] = the cells of input 0 that the identities to be made are made of. */
static void find_region(struct run *run, const struct step *step, const struct window *window,
                        uint32_t rounds)
{
    const struct value *value = &run->graph->values[step->inputs[0]];
    uint64_t *region = run->planes[2], *grown = run->planes[1];
    size_t bytes = value_words(value) * sizeof *region;
    find_made(run, step->output);
    memset(region, 0, bytes);
    sites_cover(window, run->planes[0], region);
    for (uint32_t r = 0; r < rounds; r++) {
        sites_grow(value->height, value->width, region, grown);
        memcpy(region, grown, bytes);
    }
}

void identity_of_windows(struct run *run, const struct step *step, const struct window *window,
                         uint32_t rounds, uint32_t sample)
{
    const struct identities *ids = memo_identities(run->memo);
    uint32_t in = step->inputs[0], out = step->output;
    size_t words = value_words(&run->graph->values[in]);
    rounds = sample == IDENTITY_PLAIN ? 0 : rounds_seen(run, step, window, rounds);
    touch(run, step, window);
    settle(run, out, sample);
    find_region(run, step, window, rounds);
    bring_up(run, in, run->planes[2]);
    if (rounds) {
        add_rounds(run, in, rounds, run->planes[2]);
        memcpy(run->planes[2], run->planes[0], words * sizeof *run->planes[2]);
    }
    uint32_t n = list_made(run, out);
    sum_windows(run, step, window, n);
    join(run, step, 1, n);
    show(ids->of[out], ids->list, n);
    if (rounds)
        clear_rounds(run, in, run->planes[2]);
}

void identity_of_inputs(struct run *run, const struct step *step, uint32_t sample)
{
    const struct identities *ids = memo_identities(run->memo);
    touch(run, step, NULL);
    settle(run, step->output, sample);
    uint32_t n = list_made(run, step->output);
    join(run, step, 0, n);
    show(ids->of[step->output], ids->list, n);
}

/* ---- all of them */

static void identify(struct run *run, uint32_t sample)
{
    of_input(run, sample);
    for (size_t i = 0; i < memo_identities(run->memo)->steps; i++) {
        const struct step *step = &run->graph->steps[i];
        if (run->plan->values[step->output].identity == step->output)
            step->kind->identify(run, step, sample);
    }
}

/* Nothing is touched where nothing is masked. */
static void keep_plain(struct run *run, uint32_t value)
{
    struct identity_map *map = map_of(run, value);
    const struct value *v = &run->graph->values[value];
    for (uint32_t y = 0; y < v->height; y++)
        memcpy(map->plain + y * map->stride, map->all + y * map->stride,
               v->width * sizeof *map->all);
    memset(map->changed, 0, value_words(v) * sizeof *map->changed);
}

void run_identify(struct run *run, uint32_t sample)
{
    struct identities *ids = memo_identities(run->memo);
    if (!ids->ready) {
        for (uint32_t v = 0; v < run->graph->n_values; v++)
            if (run->plan->values[v].identity == v)
                memset(ids->of[v]->blank, 0,
                       value_words(&run->graph->values[v]) * sizeof(uint64_t));
        identify(run, IDENTITY_PLAIN);
        for (uint32_t v = 0; v < run->graph->n_values; v++)
            if (run->plan->values[v].identity == v)
                keep_plain(run, v);
        ids->ready = true;
    }
    identify(run, sample);
}
