/* Ridge regression by Cholesky on the weight-centred normal equations, in double.
 *
 * Centring takes the intercept out of the penalty and the system; the ridge's alpha keeps the
 * matrix positive definite whatever the samples (equal columns, fewer samples than segments).  All
 * inner loops run along rows: dot products with eight running sums, which compilers vectorise
 * without being allowed to reorder, and updates of one row by another.
 */
#include "explain/ridge.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"

enum { LANES = 8, SIDES = 8 };

static double dot(const double *a, const double *b, size_t count)
{
    double sums[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i < count; i++, lane++)
        sums[lane] += a[i] * b[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* A cell of a symmetric matrix of which the lower triangle is stored. */
static double symmetric_at(const double *matrix, size_t size, size_t j, size_t k)
{
    return j >= k ? matrix[j * size + k] : matrix[k * size + j];
}

static void copy_columns(const double *matrix, size_t matrix_size, const uint32_t *columns,
                         size_t size, double *out)
{
    for (size_t j = 0; j < size; j++)
        for (size_t k = 0; k <= j; k++)
            out[j * size + k] = symmetric_at(matrix, matrix_size, columns[j], columns[k]);
}

/* In place, lower triangle; false if a pivot is lost in rounding. */
static bool factorise(double *matrix, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        double *row = matrix + i * size;
        for (size_t j = 0; j < i; j++)
            row[j] = (row[j] - dot(row, matrix + j * size, j)) / matrix[j * size + j];
        double pivot = row[i] - dot(row, row, i);
        if (!(pivot > 4 * DBL_EPSILON * (double)size * row[i]))
            return false;
        row[i] = sqrt(pivot);
    }
    return true;
}

enum lm_status ridge_create(const struct gram *gram, const uint32_t *columns, uint32_t size,
                            double alpha, struct ridge *out, struct lm_error *error)
{
    struct ridge ridge = {.size = size, .alpha = alpha};
    ridge.factor = array_alloc((size_t)size * size, sizeof *ridge.factor);
    ridge.variances = array_zalloc(size, sizeof *ridge.variances);
    if (!ridge.factor || !ridge.variances) {
        ridge_free(&ridge);
        return lm_fail(error, LM_NOMEM, "out of memory for a ridge over %" PRIu32 " segments",
                       size);
    }
    copy_columns(gram->centred, gram->size, columns, size, ridge.factor);
    for (size_t j = 0; j < size; j++)
        ridge.factor[j * size + j] += alpha;
    if (!factorise(ridge.factor, size)) {
        ridge_free(&ridge);
        return lm_fail(error, LM_INVALID,
                       "alpha is %g, too small for these samples: the ridge over %" PRIu32
                       " segments is singular",
                       alpha, size);
    }
    *out = ridge;
    return LM_OK;
}

void ridge_free(struct ridge *ridge)
{
    free(ridge->factor);
    free(ridge->variances);
    *ridge = (struct ridge){0};
}

/* Solves L x = side for sides that are zero before `start`. */
static void substitute_forwards(const struct ridge *ridge, double *sides, size_t count,
                                size_t start)
{
    size_t size = ridge->size;
    for (size_t i = start; i < size; i++) {
        const double *row = ridge->factor + i * size;
        for (size_t r = 0; r < count; r++) {
            double *x = sides + r * size;
            x[i] = (x[i] - dot(row + start, x + start, i - start)) / row[i];
        }
    }
}

/* Solves L' x = side, down the columns of L' that are rows of L. */
static void substitute_backwards(const struct ridge *ridge, double *sides, size_t count)
{
    size_t size = ridge->size;
    for (size_t i = size; i-- > 0;) {
        const double *row = ridge->factor + i * size;
        for (size_t r = 0; r < count; r++) {
            double *x = sides + r * size;
            double value = x[i] /= row[i];
            for (size_t k = 0; k < i; k++)
                x[k] -= value * row[k];
        }
    }
}

void ridge_solve(const struct ridge *ridge, double *sides, uint32_t count)
{
    substitute_forwards(ridge, sides, count, 0);
    substitute_backwards(ridge, sides, count);
}

/* Rows first..first+count-1 of A^-1, one right side each. */
static void invert_rows(const struct ridge *ridge, size_t first, size_t count, double *rows)
{
    memset(rows, 0, count * ridge->size * sizeof *rows);
    for (size_t r = 0; r < count; r++)
        rows[r * ridge->size + first + r] = 1;
    substitute_forwards(ridge, rows, count, first);
    substitute_backwards(ridge, rows, count);
}

/* For p, row j of A^-1: adds p' M p to variances[j]; returns row j's share of trace(A^-1 M).  M is
 * read once for all rows. */
static double add_variances(struct ridge *ridge, const double *squared, size_t first, size_t count,
                            const double *rows)
{
    size_t size = ridge->size;
    double trace = 0;
    for (size_t k = 0; k < size; k++) {
        const double *m = squared + k * size;
        for (size_t r = 0; r < count; r++) {
            const double *p = rows + r * size;
            double below = dot(m, p, k);
            ridge->variances[first + r] += p[k] * (m[k] * p[k] + 2 * below);
            if (k == first + r)
                trace += m[k] * p[k] + 2 * below;
        }
    }
    return trace;
}

enum lm_status ridge_find_errors(struct ridge *ridge, const struct gram *gram,
                                 const uint32_t *columns, struct lm_error *error)
{
    size_t size = ridge->size;
    double *squared = array_alloc(size * size, sizeof *squared);
    double *rows = array_alloc(SIDES * size, sizeof *rows);
    if (!squared || !rows) {
        free(squared);
        free(rows);
        return lm_fail(error, LM_NOMEM, "out of memory for the standard errors of %zu segments",
                       size);
    }
    copy_columns(gram->squared, gram->size, columns, size, squared);
    memset(ridge->variances, 0, size * sizeof *ridge->variances);
    ridge->freedom = gram->weight_sum - gram->square_sum / gram->weight_sum;
    for (size_t first = 0; first < size; first += SIDES) {
        size_t count = size - first < SIDES ? size - first : SIDES;
        invert_rows(ridge, first, count, rows);
        ridge->freedom -= add_variances(ridge, squared, first, count, rows);
    }
    for (size_t j = 0; j < size; j++) {
        ridge->variances[j] = fmax(ridge->variances[j], 0);
        ridge->freedom -= ridge->alpha * ridge->variances[j];
    }
    free(squared);
    free(rows);
    return LM_OK;
}
