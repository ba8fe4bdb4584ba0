/* Activations that are written as several instructions: which become one, and which must not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/program.h"

static struct operand input(uint32_t index)
{
    return (struct operand){.kind = OPERAND_INPUT, .index = index, .width = 8};
}

static struct operand made(uint32_t index)
{
    return (struct operand){.kind = OPERAND_TEMPORARY, .index = index, .width = 8};
}

static struct operand number(float x)
{
    return (struct operand){.kind = OPERAND_SCALAR, .scalar = x, .width = 1};
}

static void add(struct program *program, enum pointwise op, struct operand a, struct operand b)
{
    struct instruction code = {.op = op, .a = a, .b = b, .width = 8};
    assert_true(program_append(program, &code));
}

static const struct operand none = {.kind = OPERAND_NONE};

static void assert_one(struct program *program, enum pointwise op)
{
    program_join_idioms(program);
    assert_int_equal(program->length, 1);
    assert_int_equal(program->code[0].op, op);
    assert_int_equal(program->code[0].a.kind, OPERAND_INPUT);
    program_free(program);
}

static void assert_kept(struct program *program)
{
    uint32_t length = program->length;
    program_join_idioms(program);
    assert_int_equal(program->length, length);
    program_free(program);
}

static void test_silu(void **state)
{
    (void)state;
    for (int swapped = 0; swapped < 2; swapped++) {
        struct program p = {0};
        add(&p, PW_SIGMOID, input(0), none);
        add(&p, PW_MUL, swapped ? input(0) : made(0), swapped ? made(0) : input(0));
        assert_one(&p, PW_SILU);
    }
}

static void test_other_products(void **state)
{
    (void)state;
    struct program p = {0};
    add(&p, PW_SIGMOID, input(1), none); /* a gate of another value */
    add(&p, PW_MUL, input(0), made(0));
    assert_kept(&p);
    p = (struct program){0};
    add(&p, PW_SIGMOID, input(0), none);
    add(&p, PW_ADD, input(0), made(0));
    assert_kept(&p);
}

/* x / sqrt 2 or x * sqrt 1/2; erf; + 1; and the factors in three orders. */
static void test_gelu(void **state)
{
    (void)state;
    for (int form = 0; form < 6; form++) {
        struct program p = {0};
        bool divided = form % 2 == 0;
        add(&p, divided ? PW_DIV : PW_MUL, input(0), number(divided ? sqrtf(2) : sqrtf(0.5f)));
        add(&p, PW_ERF, made(0), none);
        add(&p, PW_ADD, divided ? made(1) : number(1), divided ? number(1) : made(1));
        if (form / 2 == 0) {
            add(&p, PW_MUL, input(0), made(2));
            add(&p, PW_MUL, made(3), number(0.5f));
        } else if (form / 2 == 1) {
            add(&p, PW_MUL, input(0), number(0.5f));
            add(&p, PW_MUL, made(3), made(2));
        } else {
            add(&p, PW_MUL, number(0.5f), made(2));
            add(&p, PW_MUL, made(3), input(0));
        }
        assert_one(&p, PW_GELU);
    }
}

static void test_not_gelu(void **state)
{
    (void)state;
    const float scale[] = {1.5f, 1.41421356f, 1.41421356f, 1.41421356f};
    const float one[] = {1, 2, 1, 1}, half[] = {0.5f, 0.5f, 0.25f, 0.5f};
    for (uint32_t i = 0; i < 4; i++) {
        struct program p = {0};
        add(&p, PW_DIV, input(0), number(scale[i]));
        add(&p, PW_ERF, made(0), none);
        add(&p, PW_ADD, made(1), number(one[i]));
        add(&p, PW_MUL, input(i == 3), made(2));
        add(&p, PW_MUL, made(3), number(half[i]));
        assert_kept(&p);
    }
}

static float factors[] = {1, 2, 3, 4, 5, 6, 7, 8}, terms[] = {-1, -2, -3, -4, -5, -6, -7, -8};

static struct operand row(float *data)
{
    return (struct operand){.kind = OPERAND_CHANNELS, .data = data, .width = 8};
}

static void add_clamp(struct program *program, struct operand a)
{
    add(program, PW_CLAMP, a, none);
    program->code[program->length - 1].parameter[1] = 6;
}

/* A normalization and its Relu6, with the operands in both orders. */
static void test_affine(void **state)
{
    (void)state;
    for (int swapped = 0; swapped < 2; swapped++) {
        struct program p = {0};
        add(&p, PW_MUL, swapped ? row(factors) : input(3), swapped ? input(3) : row(factors));
        add(&p, PW_ADD, swapped ? row(terms) : made(0), swapped ? made(0) : row(terms));
        add_clamp(&p, made(1));
        add(&p, PW_SQRT, made(2), none);
        assert_true(program_join_affine(&p));
        assert_int_equal(p.length, 2);
        const struct instruction *code = &p.code[0];
        assert_int_equal(code->op, PW_AFFINE);
        assert_true(code->a.kind == OPERAND_INPUT && code->a.index == 3);
        assert_true(code->parameter[0] == 0 && code->parameter[1] == 6);
        assert_int_equal(code->b.kind, OPERAND_CHANNELS);
        assert_memory_equal(code->b.data, factors, sizeof factors);
        assert_memory_equal(code->b.data + 8, terms, sizeof terms);
        assert_int_equal(p.code[1].a.index, 0);
        program_free(&p);
    }
}

static void test_not_affine(void **state)
{
    (void)state;
    for (int form = 0; form < 5; form++) {
        struct program p = {0};
        struct operand single = input(0);
        single.width = 1;
        add(&p, form == 0 ? PW_DIV : PW_MUL, form == 1 ? single : input(0), row(factors));
        add(&p, form == 2 ? PW_SUB : PW_ADD, made(0), form == 3 ? number(1) : row(terms));
        if (form == 4)
            add(&p, PW_LEAKY_RELU, made(1), none); /* keeps what is not a number */
        else
            add_clamp(&p, made(1));
        uint32_t length = p.length;
        assert_true(program_join_affine(&p));
        assert_int_equal(p.length, length);
        program_free(&p);
    }
}

/* What comes before and after stays, and reads the right results. */
static void test_amid_others(void **state)
{
    (void)state;
    struct program p = {0};
    add(&p, PW_ADD, input(0), input(1));
    add(&p, PW_SIGMOID, made(0), none);
    add(&p, PW_MUL, made(0), made(1));
    add(&p, PW_SUB, made(2), made(0));
    program_join_idioms(&p);
    assert_int_equal(p.length, 3);
    assert_int_equal(p.code[1].op, PW_SILU);
    assert_int_equal(p.code[1].a.index, 0);
    assert_int_equal(p.code[2].a.index, 1);
    assert_int_equal(p.code[2].b.index, 0);
    program_free(&p);
    add(&p, PW_SIGMOID, input(0), none); /* the logistic has another reader */
    add(&p, PW_MUL, input(0), made(0));
    add(&p, PW_ADD, made(0), made(1));
    program_join_idioms(&p);
    assert_int_equal(p.length, 3);
    assert_int_equal(p.code[0].op, PW_SIGMOID);
    assert_int_equal(p.code[1].op, PW_SILU);
    program_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silu),        cmocka_unit_test(test_other_products),
        cmocka_unit_test(test_gelu),        cmocka_unit_test(test_not_gelu),
        cmocka_unit_test(test_affine),      cmocka_unit_test(test_not_affine),
        cmocka_unit_test(test_amid_others),
    };
    return cmocka_run_group_tests_name("idioms", tests, NULL, NULL);
}
