/* Activations that exporters write as several instructions become the one that has a kernel: a
 * logistic times its argument (SiLU), and half of the argument times 1 + erf (GELU); and so does a
 * normalization with its Relu.  Anything else stays as it is written.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/program.h"

static bool same_operand(const struct operand *a, const struct operand *b)
{
    return a->kind == b->kind && a->index == b->index &&
           (a->kind == OPERAND_TEMPORARY || a->kind == OPERAND_INPUT);
}

static bool is_scalar(const struct operand *operand, float value)
{
    return operand->kind == OPERAND_SCALAR && fabsf(operand->scalar - value) <= 1e-6f * value;
}

/* The instruction of kind `op` that makes the operand; NULL if that is another. */
static const struct instruction *made_by(const struct program *program,
                                         const struct operand *operand, enum pointwise op)
{
    if (operand->kind != OPERAND_TEMPORARY || program->code[operand->index].op != op)
        return NULL;
    return &program->code[operand->index];
}

static bool is_silu(const struct program *program, const struct instruction *code,
                    struct operand *x)
{
    for (int side = 0; side < 2; side++) {
        const struct operand *factor = side ? &code->b : &code->a;
        const struct operand *other = side ? &code->a : &code->b;
        const struct instruction *logistic = made_by(program, other, PW_SIGMOID);
        if (logistic && same_operand(&logistic->a, factor)) {
            *x = *factor;
            return true;
        }
    }
    return false;
}

/* 1 + erf(x / sqrt 2) */
static bool is_one_plus_erf(const struct program *program, const struct operand *operand,
                            const struct operand *x)
{
    const struct instruction *sum = made_by(program, operand, PW_ADD);
    if (!sum || !(is_scalar(&sum->a, 1) || is_scalar(&sum->b, 1)))
        return false;
    const struct instruction *erf =
        made_by(program, is_scalar(&sum->a, 1) ? &sum->b : &sum->a, PW_ERF);
    if (!erf || erf->a.kind != OPERAND_TEMPORARY)
        return false;
    const struct instruction *scaled = &program->code[erf->a.index];
    if (scaled->op == PW_DIV)
        return is_scalar(&scaled->b, sqrtf(2)) && same_operand(&scaled->a, x);
    if (scaled->op != PW_MUL)
        return false;
    return (is_scalar(&scaled->b, sqrtf(0.5f)) && same_operand(&scaled->a, x)) ||
           (is_scalar(&scaled->a, sqrtf(0.5f)) && same_operand(&scaled->b, x));
}

enum { FACTORS = 3 };

/* The factors of a product of products; more than FACTORS if there are more. */
static uint32_t list_factors(const struct program *program, const struct operand *operand,
                             struct operand *factors, uint32_t n)
{
    const struct instruction *product = made_by(program, operand, PW_MUL);
    if (n >= FACTORS)
        return FACTORS + 1;
    if (!product) {
        factors[n] = *operand;
        return n + 1;
    }
    n = list_factors(program, &product->a, factors, n);
    return list_factors(program, &product->b, factors, n);
}

/* x, 1/2 and 1 + erf(x / sqrt 2), in any order. */
static bool is_gelu(const struct program *program, const struct instruction *code,
                    struct operand *x)
{
    struct operand factors[FACTORS];
    uint32_t n = list_factors(program, &code->a, factors, 0);
    n = list_factors(program, &code->b, factors, n);
    if (n != FACTORS)
        return false;
    for (uint32_t i = 0; i < FACTORS; i++)
        for (uint32_t j = 0; j < FACTORS; j++)
            if (i != j && is_scalar(&factors[FACTORS - i - j], 0.5f) &&
                is_one_plus_erf(program, &factors[i], &factors[j])) {
                *x = factors[j];
                return true;
            }
    return false;
}

/* Drops the instructions whose results nobody reads. */
static void drop_unread(struct program *program)
{
    bool read[PROGRAM_MAX_LENGTH] = {0};
    uint32_t number[PROGRAM_MAX_LENGTH], kept = 0;
    read[program->length - 1] = true;
    for (uint32_t i = program->length; i-- > 0;)
        for (int side = 0; side < 2 && read[i]; side++) {
            const struct operand *operand = side ? &program->code[i].b : &program->code[i].a;
            if (operand->kind == OPERAND_TEMPORARY)
                read[operand->index] = true;
        }
    for (uint32_t i = 0; i < program->length; i++) {
        struct instruction code = program->code[i];
        if (!read[i])
            continue;
        if (code.a.kind == OPERAND_TEMPORARY)
            code.a.index = number[code.a.index];
        if (code.b.kind == OPERAND_TEMPORARY)
            code.b.index = number[code.b.index];
        number[i] = kept;
        program->code[kept++] = code;
    }
    program->length = kept;
}

void program_join_idioms(struct program *program)
{
    bool found = false;
    for (uint32_t i = 0; i < program->length; i++) {
        struct instruction *code = &program->code[i];
        struct operand x;
        if (code->op != PW_MUL)
            continue;
        bool silu = is_silu(program, code, &x);
        if (!silu && !is_gelu(program, code, &x))
            continue;
        code->op = silu ? PW_SILU : PW_GELU;
        code->a = x;
        code->b = (struct operand){.kind = OPERAND_NONE};
        found = true;
    }
    if (found)
        drop_unread(program);
}

/* The row of numbers among the operands of an instruction; NULL: none.  other: the operand besides.
 */
static const struct operand *row_of(const struct instruction *code, const struct operand **other)
{
    bool is_a = code->a.kind == OPERAND_CHANNELS;
    const struct operand *row = is_a ? &code->a : &code->b;
    *other = is_a ? &code->b : &code->a;
    return row->kind == OPERAND_CHANNELS && row->width == code->width ? row : NULL;
}

/* Whether the clamp's argument is x * scale + shift. */
static bool is_affine(const struct program *program, const struct instruction *clamp,
                      const struct operand **x, const struct operand **scale,
                      const struct operand **shift)
{
    const struct operand *product;
    const struct instruction *sum = made_by(program, &clamp->a, PW_ADD);
    *shift = sum ? row_of(sum, &product) : NULL;
    const struct instruction *made = *shift ? made_by(program, product, PW_MUL) : NULL;
    *scale = made ? row_of(made, x) : NULL;
    return *scale && clamp->width > 1 && clamp->width == sum->width && sum->width == made->width &&
           (*x)->width == made->width;
}

bool program_join_affine(struct program *program)
{
    bool found = false;
    for (uint32_t i = 0; i < program->length; i++) {
        struct instruction *code = &program->code[i];
        const struct operand *x, *scale, *shift;
        if (code->op != PW_CLAMP || !is_affine(program, code, &x, &scale, &shift))
            continue;
        float *rows = malloc(2 * (size_t)code->width * sizeof *rows);
        if (!rows || !program_own(program, rows)) {
            free(rows);
            return false;
        }
        memcpy(rows, scale->data, code->width * sizeof *rows);
        memcpy(rows + code->width, shift->data, code->width * sizeof *rows);
        code->op = PW_AFFINE;
        code->a = *x;
        code->b = (struct operand){.kind = OPERAND_CHANNELS, .width = code->width, .data = rows};
        found = true;
    }
    if (found)
        drop_unread(program);
    return true;
}
