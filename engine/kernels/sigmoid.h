/* The logistic function and SiLU, a vector at a time; part of body.h.
 *
 * 1 / (1 + e^-x) for both signs at once: with x held within the range where e^-x and its reciprocal
 * are numbers, nothing has to be chosen.  -x = k ln 2 + r, and e^r is the polynomial of degree 5
 * whose largest relative error is the smallest: 9e-8.  A last part of a vector is computed as a
 * whole one, so that a result depends on its argument alone.
 */
#ifndef VECTOR_RECIPROCAL
#define VECTOR_RECIPROCAL(x) (1.0f / (x))
#endif

typedef uint32_t vector_bits
    __attribute__((vector_size(LANES * sizeof(uint32_t)), aligned(4), may_alias));

static inline vector vector_sigmoid(vector x)
{
    x = VECTOR_MAX(vector_of(-87.7f), x); /* this way round, a NaN stays one */
    x = VECTOR_MIN(vector_of(87.0f), x);
    vector t = x * -1.44269504f + 12582912.0f; /* 1.5 * 2^23: its last bits are the integer k */
    vector k = t - 12582912.0f;
    vector r = k * 0.693359375f + x;
    r = k * -2.12194440e-4f + r; /* -r */
    vector p = r * -8.290307596e-03f + 4.189797863e-02f;
    p = p * r - 1.666763723e-01f;
    p = p * r + 4.999915063e-01f;
    p = p * r - 9.999997020e-01f;
    p = p * r + 1.0f;
    return VECTOR_RECIPROCAL((vector)((vector_bits)p + ((vector_bits)t << 23)) + 1.0f);
}

/* sigmoid(a), or a times that. */
static void sigmoid_apply(float *target, const float *a, size_t a_step, size_t n, bool times)
{
    for (size_t i = 0; i < n; i += LANES) {
        vector x = vector_of(a[0]);
        size_t left = n - i < LANES ? n - i : LANES;
        if (a_step && left == LANES)
            x = *(const vector *)(a + i);
        else if (a_step)
            memcpy(&x, a + i, left * sizeof *a);
        vector y = vector_sigmoid(x);
        if (times)
            y *= x;
        if (left == LANES)
            *(vector *)(target + i) = y;
        else
            memcpy(target + i, &y, left * sizeof *target);
    }
}
