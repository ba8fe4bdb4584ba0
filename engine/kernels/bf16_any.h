/* Products in bfloat16 without instructions for them; part of body.h.
 *
 * Rows are packed as floats that are rounded to bfloat16, weights widened to floats a panel at a
 * time: then it is the product of floats.  Its terms are exact, so that all tables that do it this
 * way give the same bits.
 */
enum { BF16_BYTES = sizeof(float), BF16_ROWS = 64, BF16_PANEL = 2 * LANES };

static void bf16_pack(void *target, const struct bf16_rows *s, size_t rows)
{
    size_t floats =
        kernels_bf16_row_bytes(&KERNELS_TABLE, (size_t)s->taps * s->depth) / sizeof(float);
    const void *const *source = s->source;
    for (size_t r = 0; r < rows; r++) {
        float *restrict row = (float *)target + r * floats;
        for (uint32_t t = 0; t < s->taps; t++, source++, row += s->depth)
            if (s->rounded)
                for (uint32_t k = 0; k < s->depth; k++)
                    row[k] = bf16_value(((const uint16_t *)*source)[k]);
            else
                for (uint32_t k = 0; k < s->depth; k++)
                    row[k] = bf16_value(bf16_of(((const float *)*source)[k]));
    }
}

/* Columns first..first+width-1 (a multiple of 4) as the product of floats reads them. */
static void widen_panel(const struct bf16_product *p, uint32_t first, uint32_t width)
{
    size_t steps = (p->depth + BF16_STEP - 1) / BF16_STEP;
    for (uint32_t c = first; c < first + width; c += LANES) {
        uint32_t panel = c / (2 * BF16_COLUMNS) * (2 * BF16_COLUMNS);
        uint32_t wide = p->columns - panel > BF16_COLUMNS ? 2 : 1;
        const uint16_t *square = p->weights + (size_t)panel * steps * BF16_STEP +
                                 (c - panel) / BF16_COLUMNS * BF16_COLUMNS * BF16_STEP;
        uint32_t column = c % BF16_COLUMNS;
        for (uint32_t k = 0; k < p->depth; k++) {
            const uint16_t *pairs = square +
                                    (size_t)(k / BF16_STEP) * wide * BF16_STEP * BF16_COLUMNS +
                                    (k % BF16_STEP / 2 * BF16_COLUMNS + column) * 2 + k % 2;
            float *target = p->panel + (size_t)k * width + (c - first);
            for (uint32_t i = 0; i < LANES; i++)
                target[i] = bf16_value(pairs[2 * (size_t)i]);
        }
    }
}

/* A panel's sums for some rows, with the epilogue on floats, then where they belong. */
static void store_panel(const struct bf16_product *p, size_t row, uint32_t first, uint32_t n,
                        const float *sums, size_t rows)
{
    for (size_t r = 0; r < rows; r++, sums += BF16_PANEL) {
        size_t at = (row + r) * p->target_stride + first;
        if (p->target_rounded)
            bf16_round((uint16_t *)p->target + at, sums, n);
        else
            memcpy((float *)p->target + at, sums, n * sizeof *sums);
    }
}

static void read_residual(const struct bf16_product *p, size_t row, uint32_t first, uint32_t n,
                          float *residual, size_t rows)
{
    for (size_t r = 0; r < rows; r++, residual += BF16_PANEL) {
        size_t at = (row + r) * p->residual_stride + first;
        for (uint32_t c = 0; c < n; c++)
            residual[c] = p->residual_rounded ? bf16_value(((const uint16_t *)p->residual)[at + c])
                                              : ((const float *)p->residual)[at + c];
    }
}

static void multiply_panel(const struct bf16_product *p, uint32_t first, uint32_t n, size_t rows)
{
    float sums[BF16_ROWS * BF16_PANEL], residual[BF16_ROWS * BF16_PANEL], bias[BF16_PANEL] = {0};
    const float *source[BF16_ROWS];
    size_t floats = kernels_bf16_row_bytes(&KERNELS_TABLE, p->depth) / sizeof(float);
    memcpy(bias, p->bias + first, n * sizeof *bias);
    for (size_t row = 0; row < rows; row += BF16_ROWS) {
        size_t some = rows - row < BF16_ROWS ? rows - row : BF16_ROWS;
        for (size_t r = 0; r < some; r++)
            source[r] = (const float *)p->rows + (row + r) * floats;
        if (p->residual)
            read_residual(p, row, first, n, residual, some);
        struct product product = {.taps = 1,
                                  .depth = p->depth,
                                  .columns = n,
                                  .source = source,
                                  .weights = p->panel,
                                  .bias = bias,
                                  .residual = p->residual ? residual : NULL,
                                  .residual_stride = BF16_PANEL,
                                  .low = p->low,
                                  .high = p->high,
                                  .target = sums,
                                  .target_stride = BF16_PANEL};
        multiply(&product, some);
        store_panel(p, row, first, n, sums, some);
    }
}

static void bf16_multiply(const struct bf16_product *p, size_t rows)
{
    for (uint32_t first = 0; first < p->columns; first += BF16_PANEL) {
        uint32_t n = p->columns - first < BF16_PANEL ? p->columns - first : BF16_PANEL;
        widen_panel(p, first, n > LANES ? BF16_PANEL : LANES);
        multiply_panel(p, first, n, rows);
    }
}
