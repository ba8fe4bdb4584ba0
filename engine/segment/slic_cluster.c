/* k-means of SLIC: each pixel goes to the centre with the least
 *
 *     (dx^2 + dy^2) / step^2 + |colour difference|^2      (colours already divided by compactness)
 *
 * among the centres whose window, two steps to each side, holds it; then centres move to the mean
 * of their pixels.
 *
 * A round goes through the picture once, row by row: all centres that reach the row claim their
 * part of it in order of label (a later centre only if strictly nearer), then the row is added to
 * the sums of its owners.  The row's distances and owners stay in the L1 cache, claims are made in
 * vectors over planes, and sums are taken in the order of pixels, as scikit-image does. */
#include <float.h>
#include <string.h>

#include "base/memory.h"
#include "segment/slic.h"

/* Two pixels side by side, the vector that every 64-bit machine has.  Four with AVX2 are a fifth
 * faster, which does not pay for a second build of the loop. */
enum { LANES = 2 };
typedef double reals __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t wholes __attribute__((vector_size(LANES * sizeof(int64_t))));

struct centre {
    double y, x, colour[3];
    bool lost;                             /* it has no pixels any more, and gets none again */
    size_t y_begin, y_end, x_begin, x_end; /* window, empty when lost */
    size_t later_begin;                    /* least y_begin of this and all later centres */
};

struct sum {
    size_t pixels;
    double y, x, colour[3];
};

struct clustering {
    const struct slic_lab *lab;
    struct centre *centres;
    struct sum *sums;
    size_t count;
    size_t reach_y, reach_x; /* of windows, pixels */
    double weight;           /* of squared distance */
    double *position;        /* 0, 1, 2, ...: x, ready to calculate with */
    double *nearest;         /* row: least distance so far */
    int64_t *owner;          /* row: whose it is; as wide as a double for the sake of vectors */
    int32_t *labels;
};

static void place_centres(struct clustering *work, const struct slic_lattice *lattice)
{
    for (size_t i = 0; i < work->count; i++) {
        size_t row = i / lattice->columns, column = i % lattice->columns;
        work->centres[i] = (struct centre){
            .y = (double)(lattice->start_y + row * lattice->step_y),
            .x = (double)(lattice->start_x + column * lattice->step_x),
        };
    }
}

static void set_window(double at, size_t reach, size_t size, size_t *begin, size_t *end)
{
    double low = at - (double)reach, high = at + (double)reach + 1.0;
    *begin = low > 0.0 ? (size_t)low : 0;
    *end = high < (double)size ? (size_t)high : size;
}

static void set_windows(struct clustering *work)
{
    const struct slic_lab *lab = work->lab;
    size_t later = lab->height;
    for (size_t i = work->count; i-- > 0;) {
        struct centre *centre = &work->centres[i];
        centre->later_begin = later;
        if (centre->lost)
            continue;
        set_window(centre->y, work->reach_y, lab->height, &centre->y_begin, &centre->y_end);
        set_window(centre->x, work->reach_x, lab->width, &centre->x_begin, &centre->x_end);
        if (centre->y_begin < later)
            later = centre->y_begin;
        centre->later_begin = later;
    }
}

/* One centre and one row: what a claim needs. */
struct bid {
    const double *planes[3], *position; /* of the row */
    double colour[3], x, dy_squared, weight;
    int64_t label;
    double *nearest;
    int64_t *owner;
};

static inline void claim_pixel(const struct bid *bid, size_t x)
{
    double dx = bid->x - bid->position[x];
    double dl = bid->planes[0][x] - bid->colour[0], da = bid->planes[1][x] - bid->colour[1],
           db = bid->planes[2][x] - bid->colour[2];
    double distance = (bid->dy_squared + dx * dx) * bid->weight + (dl * dl + da * da + db * db);
    if (distance < bid->nearest[x]) {
        bid->nearest[x] = distance;
        bid->owner[x] = bid->label;
    }
}

/* LANES pixels at once, the same arithmetic; a comparison of vectors gives all bits or none. */
static inline void claim_lanes(const struct bid *bid, size_t x)
{
    reals position, l, a, b, nearest;
    wholes owner;
    memcpy(&position, bid->position + x, sizeof position);
    memcpy(&l, bid->planes[0] + x, sizeof l);
    memcpy(&a, bid->planes[1] + x, sizeof a);
    memcpy(&b, bid->planes[2] + x, sizeof b);
    memcpy(&nearest, bid->nearest + x, sizeof nearest);
    memcpy(&owner, bid->owner + x, sizeof owner);
    reals dx = bid->x - position;
    reals dl = l - bid->colour[0], da = a - bid->colour[1], db = b - bid->colour[2];
    reals distance = (bid->dy_squared + dx * dx) * bid->weight + (dl * dl + da * da + db * db);
    wholes won = distance < nearest;
    nearest = (reals)((won & (wholes)distance) | (~won & (wholes)nearest));
    owner = (won & bid->label) | (~won & owner);
    memcpy(bid->nearest + x, &nearest, sizeof nearest);
    memcpy(bid->owner + x, &owner, sizeof owner);
}

static void claim(const struct bid *all, size_t begin, size_t end)
{
    const struct bid bid = *all;
    size_t x = begin;
    for (; x + LANES <= end; x += LANES)
        claim_lanes(&bid, x);
    for (; x < end; x++)
        claim_pixel(&bid, x);
}

static void bid_row(const struct clustering *work, size_t label, size_t y)
{
    const struct centre *centre = &work->centres[label];
    double dy = centre->y - (double)y;
    struct bid bid = {.position = work->position,
                      .x = centre->x,
                      .dy_squared = dy * dy,
                      .weight = work->weight,
                      .label = (int64_t)label,
                      .nearest = work->nearest,
                      .owner = work->owner};
    for (size_t c = 0; c < 3; c++) {
        bid.planes[c] = slic_lab_row(work->lab, y, c);
        bid.colour[c] = centre->colour[c];
    }
    claim(&bid, centre->x_begin, centre->x_end);
}

/* Claims of all centres that reach row y; *first is the first one that reaches y or a later row. */
static void assign_row(const struct clustering *work, size_t y, size_t *first)
{
    const struct centre *centres = work->centres;
    const int32_t *labels = work->labels + y * work->lab->width;
    for (size_t x = 0; x < work->lab->width; x++) {
        work->nearest[x] = DBL_MAX;
        work->owner[x] = labels[x]; /* stays if windows have moved away */
    }
    while (*first < work->count && centres[*first].y_end <= y)
        ++*first;
    for (size_t i = *first; i < work->count && centres[i].later_begin <= y; i++)
        if (centres[i].y_begin <= y && y < centres[i].y_end)
            bid_row(work, i, y);
}

/* Adds a run of pixels with one owner. */
static void add_run(const struct clustering *work, size_t y, size_t begin, size_t end)
{
    struct sum *sum = &work->sums[work->owner[begin]];
    const double *plane_l = slic_lab_row(work->lab, y, 0), *plane_a = slic_lab_row(work->lab, y, 1),
                 *plane_b = slic_lab_row(work->lab, y, 2);
    double l = sum->colour[0], a = sum->colour[1], b = sum->colour[2];
    for (size_t x = begin; x < end; x++) {
        l += plane_l[x];
        a += plane_a[x];
        b += plane_b[x];
    }
    double pixels = (double)(end - begin);
    sum->y += (double)y * pixels;
    sum->x += (double)(begin + end - 1) * pixels / 2.0;
    sum->colour[0] = l;
    sum->colour[1] = a;
    sum->colour[2] = b;
    sum->pixels += end - begin;
}

/* Notes the row's owners as labels and adds its pixels to their sums; true if a label is new. */
static bool settle_row(const struct clustering *work, size_t y)
{
    size_t width = work->lab->width, begin = 0;
    int32_t *labels = work->labels + y * width;
    bool changed = false;
    for (size_t x = 0; x < width; x++) {
        int32_t label = (int32_t)work->owner[x];
        changed |= labels[x] != label;
        labels[x] = label;
        if (x + 1 == width || work->owner[x + 1] != work->owner[begin]) {
            add_run(work, y, begin, x + 1);
            begin = x + 1;
        }
    }
    return changed;
}

static void move_centres(const struct clustering *work)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct sum *sum = &work->sums[i];
        double pixels = (double)sum->pixels;
        struct centre *centre = &work->centres[i];
        *centre = (struct centre){.lost = sum->pixels == 0};
        if (centre->lost)
            continue;
        centre->y = sum->y / pixels;
        centre->x = sum->x / pixels;
        for (size_t c = 0; c < 3; c++)
            centre->colour[c] = sum->colour[c] / pixels;
    }
}

/* One round; false when it changed nothing, after which further rounds would change nothing. */
static bool run_round(struct clustering *work)
{
    bool changed = false;
    size_t first = 0;
    set_windows(work);
    memset(work->sums, 0, work->count * sizeof *work->sums);
    for (size_t y = 0; y < work->lab->height; y++) {
        assign_row(work, y, &first);
        changed |= settle_row(work, y);
    }
    move_centres(work);
    return changed;
}

static bool allocate(struct clustering *work)
{
    size_t width = work->lab->width;
    work->centres = array_alloc(work->count, sizeof *work->centres);
    work->sums = array_alloc(work->count, sizeof *work->sums);
    work->position = array_alloc(width, sizeof *work->position);
    work->nearest = array_alloc(width, sizeof *work->nearest);
    work->owner = array_alloc(width, sizeof *work->owner);
    if (!work->centres || !work->sums || !work->position || !work->nearest || !work->owner)
        return false;
    for (size_t x = 0; x < width; x++)
        work->position[x] = (double)x;
    return true;
}

bool slic_cluster(const struct slic_lab *lab, const struct slic_lattice *lattice, uint32_t rounds,
                  int32_t *labels)
{
    struct clustering work = {
        .lab = lab, .labels = labels, .count = lattice->rows * lattice->columns};
    struct slic_lattice found = slic_lattice_plan(lab->width, lab->height, work.count);
    work.reach_y = 2 * found.step_y;
    work.reach_x = 2 * found.step_x;
    double step = (double)(lattice->step_y > lattice->step_x ? lattice->step_y : lattice->step_x);
    work.weight = 1.0 / (step * step);
    bool made = allocate(&work);
    if (made) {
        memset(labels, 0, lab->width * lab->height * sizeof *labels);
        place_centres(&work, lattice);
        bool changed = true;
        for (uint32_t round = 0; round < rounds && (changed || round < 2); round++)
            changed = run_round(&work);
    }
    free(work.centres);
    free(work.sums);
    free(work.position);
    free(work.nearest);
    free(work.owner);
    return made;
}
