/* Depthwise convolution; part of body.h.
 *
 * Windows of neighbouring sites share cells, so a tile of TILE_SITES windows of some channels reads
 * each cell once and each weight once, its sums in registers.  Pointers to the cells of a run of
 * neighbours are looked up once, for all channels.  What does not fill a tile is computed where a
 * full one fits, over sites or channels that another tile makes, too: a sum depends on its own
 * window alone, so both write the same.
 */
enum { TILE_SITES = 4, RUN_SITES = 32, MAX_KERNEL = 7, MAX_STEP = 2, WEIGHT_FLOATS = 1 << 12 };
enum { RUN_CELLS = (RUN_SITES - 1) * MAX_STEP + MAX_KERNEL };

/* Addresses of the cells of a run: row y of the windows, cell after cell. */
struct run_cells {
    uintptr_t at[MAX_KERNEL][RUN_CELLS];
};

static void find_cells(const struct windows *w, const int32_t *map, uint32_t n, uintptr_t *at)
{
    uintptr_t source = (uintptr_t)w->source, stride = w->source_stride * sizeof(float);
    uintptr_t zeros = (uintptr_t)w->zeros, border = (uintptr_t)w->border;
    uint32_t limit = (uint32_t)w->limit;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = (uint32_t)map[i];
        uintptr_t other = row == (uint32_t)MAP_BORDER ? border : zeros;
        at[i] = row < limit ? source + row * stride : other;
    }
}

static inline vector finish_sum(const struct depthwise *d, vector sum, size_t place)
{
    if (d->residual)
        sum += *(const vector *)(d->residual + place);
    return clamp_vector(sum, d->low, d->high);
}

/* Windows of kernel x kernel cells, `step` apart: `sites` of them, from cell `cell` of the run, for
 * output row `row`; `vectors` vectors of channels from `first`. */
__attribute__((always_inline)) static inline void depthwise_tile(
    const struct depthwise *d, const struct run_cells *cells, uint32_t cell, size_t row,
    uint32_t first, const int kernel, const int step, const int sites, const int vectors)
{
    vector sum[TILE_SITES][2];
    const float *weights = d->weights + first;
    UNROLL for (int v = 0; v < vectors; v++)
    {
        vector start = *(const vector *)(d->bias + first + v * LANES);
        UNROLL for (int s = 0; s < sites; s++) sum[s][v] = start;
    }
    for (int y = 0; y < kernel; y++) {
        const uintptr_t *at = cells->at[y] + cell;
        vector w[MAX_KERNEL][2];
        UNROLL for (int x = 0; x < kernel; x++, weights += d->channels)
        {
            UNROLL for (int v = 0; v < vectors; v++) w[x][v] =
                *(const vector *)(weights + v * LANES);
        }
        UNROLL for (int i = 0; i < (sites - 1) * step + kernel; i++)
        {
            const float *source = (const float *)at[i] + first;
            UNROLL for (int v = 0; v < vectors; v++)
            {
                vector x = *(const vector *)(source + v * LANES);
                UNROLL for (int s = 0; s < sites; s++) if (i >= s * step && i < s * step + kernel)
                    sum[s][v] += x * w[i - s * step][v];
            }
        }
    }
    UNROLL for (int s = 0; s < sites; s++)
    {
        size_t place = (row + (size_t)s) * d->channels + first;
        UNROLL for (int v = 0; v < vectors; v++, place += LANES) * (vector *)(d->target + place) =
            finish_sum(d, sum[s][v], place);
    }
}

/* Channels first..last-1 of `sites` windows of a run. */
__attribute__((always_inline)) static inline void depthwise_sites(
    const struct depthwise *d, const struct run_cells *cells, uint32_t site, size_t row,
    uint32_t first, uint32_t last, const int kernel, const int step, const int sites)
{
    uint32_t c = first, cell = site * (uint32_t)step;
    for (; c + 2 * LANES <= last; c += 2 * LANES)
        depthwise_tile(d, cells, cell, row + site, c, kernel, step, sites, 2);
    for (; c < last; c += LANES) {
        c = c + LANES <= last ? c : last - LANES;
        depthwise_tile(d, cells, cell, row + site, c, kernel, step, sites, 1);
    }
}

/* Few channels at a time, so that their weights stay in the L1 cache, but as many as possible, so
 * that cells are read in the order in which they stand. */
__attribute__((always_inline)) static inline void depthwise_run(const struct depthwise *d,
                                                                const struct run_cells *cells,
                                                                size_t row, uint32_t n,
                                                                const int kernel, const int step)
{
    const uint32_t most = WEIGHT_FLOATS / (uint32_t)(kernel * kernel) / LANES * LANES;
    for (uint32_t first = 0; first < d->channels;) {
        uint32_t last = d->channels - first < most + LANES ? d->channels : first + most;
        uint32_t site = 0;
        for (; n >= TILE_SITES && site < n; site += TILE_SITES) {
            site = site + TILE_SITES <= n ? site : n - TILE_SITES;
            depthwise_sites(d, cells, site, row, first, last, kernel, step, TILE_SITES);
        }
        for (; site < n; site++)
            depthwise_sites(d, cells, site, row, first, last, kernel, step, 1);
        first = last;
    }
}

#define RUN_KERNEL(kernel, step)                                                                   \
    static void depthwise_##kernel##_##step(const struct depthwise *d,                             \
                                            const struct run_cells *cells, size_t row, uint32_t n) \
    {                                                                                              \
        depthwise_run(d, cells, row, n, kernel, step);                                             \
    }
RUN_KERNEL(3, 1)
RUN_KERNEL(3, 2)
RUN_KERNEL(5, 1)
RUN_KERNEL(5, 2)
RUN_KERNEL(7, 1)

typedef void run_kernel(const struct depthwise *d, const struct run_cells *cells, size_t row,
                        uint32_t n);

/* NULL: none for these windows. */
static run_kernel *find_run_kernel(const struct depthwise *d)
{
    uint32_t kernel = d->windows->kernel, step = d->windows->step;
    if (d->channels < LANES || d->windows->taps != kernel * kernel)
        return NULL;
    switch (kernel * 8 + step) {
    case 3 * 8 + 1: return depthwise_3_1;
    case 3 * 8 + 2: return depthwise_3_2;
    case 5 * 8 + 1: return depthwise_5_1;
    case 5 * 8 + 2: return depthwise_5_2;
    case 7 * 8 + 1: return depthwise_7_1;
    default: return NULL;
    }
}

/* Rows from `row` whose windows follow each other on the map, at most RUN_SITES. */
static uint32_t run_length(const struct windows *w, size_t row, size_t rows)
{
    uint32_t n = 1;
    while (n < RUN_SITES && row + n < rows &&
           w->origin[row + n] == w->origin[row + n - 1] + w->step)
        n++;
    return n;
}

/* Any window, one site at a time. */
static void depthwise_any(const struct depthwise *d, size_t row)
{
    float *restrict target = d->target + row * d->channels;
    const float *residual = d->residual ? d->residual + row * d->channels : NULL;
    memcpy(target, d->bias, d->channels * sizeof *target);
    for (uint32_t t = 0; t < d->windows->taps; t++) {
        const float *source = source_row(d->windows, row, t);
        const float *weights = d->weights + (size_t)t * d->channels;
        for (uint32_t c = 0; source && c < d->channels; c++)
            target[c] += source[c] * weights[c];
    }
    for (uint32_t c = 0; c < d->channels; c++) {
        float x = target[c] + (residual ? residual[c] : 0.0f);
        x = x > d->low ? x : d->low;
        target[c] = x < d->high ? x : d->high;
    }
}

static void depthwise(const struct depthwise *d, size_t rows)
{
    const struct windows *w = d->windows;
    run_kernel *kernel = find_run_kernel(d);
    struct run_cells cells;
    for (size_t row = 0; row < rows;) {
        if (!kernel) {
            depthwise_any(d, row++);
            continue;
        }
        uint32_t n = run_length(w, row, rows);
        for (uint32_t y = 0; y < w->kernel; y++)
            find_cells(w, w->map + w->origin[row] + w->offset[y * w->kernel],
                       (n - 1) * w->step + w->kernel, cells.at[y]);
        kernel(d, &cells, row, n);
        row += n;
    }
}
