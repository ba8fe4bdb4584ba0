/* Products in bfloat16 without instructions for them; part of body.h.
 *
 * Rows are packed as floats that are rounded to bfloat16, weights widened to floats a panel at a
 * time: then it is the product of floats.  Its terms are exact, so that all tables that do it this
 * way give the same bits.
 */
enum { BF16_BYTES = sizeof(float), BF16_IN_PLACE = false, BF16_ROWS = 64, WIDTH = PANEL * LANES };

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

/* A vector of columns, `width` floats from row to row, from pairs of rows of a square. */
static void widen_columns(const struct bf16_product *p, uint32_t column, uint32_t width,
                          float *target)
{
    size_t steps = (p->depth + BF16_STEP - 1) / BF16_STEP;
    uint32_t panel = column / (2 * BF16_COLUMNS) * (2 * BF16_COLUMNS), c = column - panel;
    uint32_t wide = p->columns - panel > BF16_COLUMNS ? 2 : 1;
    size_t square = (size_t)BF16_STEP * BF16_COLUMNS;
    const uint16_t *source =
        p->weights + panel * steps * BF16_STEP + c / BF16_COLUMNS * square + c % BF16_COLUMNS * 2;
    for (uint32_t k = 0; k < p->depth; k += 2, target += 2 * width) {
        words pairs =
            *(const words *)(source + k / BF16_STEP * wide * square + k % BF16_STEP * BF16_COLUMNS);
        *(words *)target = pairs << 16;
        *(words *)(target + width) = pairs & 0xffff0000u;
    }
}

/* Some rows of a panel: in and out they are floats; else they are copied. */
struct bf16_panel {
    const struct bf16_product *product;
    uint32_t first, columns;
    float bias[WIDTH], sums[BF16_ROWS * WIDTH], residual[BF16_ROWS * WIDTH];
};

static void read_residual(struct bf16_panel *panel, size_t at, size_t rows, struct product *out)
{
    const struct bf16_product *p = panel->product;
    if (p->residual && !p->residual_rounded) {
        out->residual = (const float *)p->residual + at;
        out->residual_stride = p->residual_stride;
    } else if (p->residual) {
        for (size_t r = 0; r < rows; r++)
            for (uint32_t c = 0; c < panel->columns; c++)
                panel->residual[r * WIDTH + c] =
                    bf16_value(((const uint16_t *)p->residual)[at + r * p->residual_stride + c]);
        out->residual = panel->residual;
        out->residual_stride = WIDTH;
    }
}

static void multiply_panel(struct bf16_panel *panel, size_t row, size_t rows)
{
    const struct bf16_product *p = panel->product;
    const float *source[BF16_ROWS];
    size_t floats = kernels_bf16_row_bytes(&KERNELS_TABLE, p->depth) / sizeof(float);
    size_t at = row * p->target_stride + panel->first;
    bool copied = p->target_rounded;
    struct product product = {.taps = 1,
                              .depth = p->depth,
                              .columns = panel->columns,
                              .source = source,
                              .weights = p->panel,
                              .bias = panel->bias,
                              .low = p->low,
                              .high = p->high,
                              .target = copied ? panel->sums : (float *)p->target + at,
                              .target_stride = copied ? WIDTH : p->target_stride};
    for (size_t r = 0; r < rows; r++)
        source[r] = (const float *)p->rows + (row + r) * floats;
    read_residual(panel, row * p->residual_stride + panel->first, rows, &product);
    multiply(&product, rows);
    for (size_t r = 0; r < rows && copied; r++)
        bf16_round((uint16_t *)p->target + at + r * p->target_stride, panel->sums + r * WIDTH,
                   panel->columns);
}

static void bf16_multiply(const struct bf16_product *p, size_t rows)
{
    struct bf16_panel panel = {.product = p};
    for (; panel.first < p->columns; panel.first += WIDTH) {
        uint32_t left = p->columns - panel.first;
        panel.columns = left < WIDTH ? left : WIDTH;
        uint32_t width = (panel.columns + LANES - 1) / LANES * LANES;
        for (uint32_t c = 0; c < width; c += LANES)
            widen_columns(p, panel.first + c, width, p->panel + c);
        memcpy(panel.bias, p->bias + panel.first, panel.columns * sizeof *panel.bias);
        for (size_t row = 0; row < rows; row += BF16_ROWS)
            multiply_panel(&panel, row, rows - row < BF16_ROWS ? rows - row : BF16_ROWS);
    }
}
