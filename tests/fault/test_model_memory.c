/* Loading, checking and running a model when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"
#include "hostile.h"
#include "onnx/onnx.h"

/* One of everything, folding, fusion and absorption included. */
static const char NETWORK[] =
    "input x 1,3,12,12;output y 1,5;"
    "float w1 8,3,3,3;float b1 8;float n 8 0.5;float v 8 1;float w2 8,1,3,3;float w3 8,8,1,1;"
    "float g 8,5;float gb 5;float dense 8,8;float slope 8,1,1;float one 1 1;float scale 1,8,1,1;"
    "Conv c1 x,w1,b1 h1 pads=1,1,1,1;BatchNormalization bn h1,n,n,n,v h2;Relu r1 h2 h3;"
    "Conv c2 h3,w2 h4 pads=1,1,1,1 group:8;Mul ab h4,scale h5;Sigmoid s1 h5 h6;Mul m1 h5,h6 h7;"
    "Conv c3 h7,w3 h8;Add res h8,h3 h9;Clip clip h9,zero,six h10;float zero 1 0;float six 1 6;"
    "MaxPool mp h10 h11 kernel_shape=2,2 strides=2,2;"
    "int pads 0,0,1,1,0,0,1,1;float pv 1 0.5;Pad pad h11,pads,pv h12;"
    "AveragePool ap h11 h13 kernel_shape=3,3 pads=1,1,1,1;"
    "Conv c4 h12,w4 h14;float w4 8,8,3,3;Concat cat h13,h14 h15 axis:1;"
    "int parts 8,8;Split sp h15,parts h16,h17 axis:1;"
    "int shuffle 1,2,4,6,6;Shape sh h16 shape;Gather ga shape,first dim;int first 1;"
    "int rest 1;int two 2,4,6,6;Concat sc rest,two sd axis:0;Reshape re h16,sd h18;"
    "Transpose tr h18 h19 perm=0,2,1,3,4;int back 1,8,6,6;Reshape rb h19,back h20;"
    "Gelu ge h20 h21;PRelu pr h21,slope h22;LRN lr h22 h23 size:3;"
    "Transpose last h23 h24 perm=0,2,3,1;LayerNormalization ln h24,n,n h25;"
    "MatMul mm h25,dense h26;Transpose chan h26 h27 perm=0,3,1,2;Add sum h27,h17 h28;"
    "int st 1;int en 5;int ax 2;Slice sl h28,st,en,ax h29;Max mx h29,h29,one h30;"
    "GlobalAveragePool gp h30 h31;Flatten fl h31 h32;Gemm ge2 h32,g,gb h33;Softmax so h33 y;"
    "Flurb unused x h99";

static const char *path;

static int write_network(void **state)
{
    if (hostile_start(state) != 0)
        return -1;
    char text[sizeof NETWORK];
    memcpy(text, NETWORK, sizeof text);
    *strstr(text, ";Flurb") = 0;
    path = network_file(text);
    return 0;
}

static enum lm_status read_onnx(struct lm_error *error)
{
    struct onnx_model model = {.opset = 77};
    enum lm_status status = onnx_read(path, &test_limits, &model, error);
    if (status == LM_OK)
        onnx_free(&model);
    else
        assert_true(model.opset == 77 && !model.nodes);
    return status;
}

static enum lm_status load_model(struct lm_error *error)
{
    struct lm_model *const untouched = (struct lm_model *)(void *)error, *model = untouched;
    enum lm_status status = lm_model_load(path, NULL, &model, error);
    if (status == LM_OK)
        lm_model_free(model);
    else
        assert_ptr_equal(model, untouched);
    return status;
}

static enum lm_status load_bfloat16(struct lm_error *error)
{
    const struct lm_model_options options = {.precision = LM_PRECISION_BFLOAT16};
    struct lm_model *const untouched = (struct lm_model *)(void *)error, *loaded = untouched;
    enum lm_status status = lm_model_load(path, &options, &loaded, error);
    if (status == LM_OK)
        lm_model_free(loaded);
    else
        assert_ptr_equal(loaded, untouched);
    return status;
}

static enum lm_status check_model(struct lm_error *error)
{
    char *const untouched = error->text;
    char *lines = untouched;
    enum lm_status status = lm_model_check(path, NULL, &lines, error);
    if (status == LM_OK)
        free(lines);
    else
        assert_ptr_equal(lines, untouched);
    return status;
}

static void test_read(void **state)
{
    (void)state;
    fault_ratchet(read_onnx);
}

static void test_load(void **state)
{
    (void)state;
    fault_ratchet(load_model);
    fault_ratchet(load_bfloat16);
}

static void test_check(void **state)
{
    (void)state;
    fault_ratchet(check_model);
    path = network_file(NETWORK);
    fault_ratchet(check_model);
    write_network(NULL);
}

static struct lm_model *model;

static enum lm_status create_session(struct lm_error *error)
{
    struct lm_session *const untouched = (struct lm_session *)(void *)error, *session = untouched;
    enum lm_status status = lm_session_create(model, 2, 2, &session, error);
    if (status == LM_OK)
        lm_session_free(session);
    else
        assert_ptr_equal(session, untouched);
    return status;
}

static void test_session(void **state)
{
    (void)state;
    assert_int_equal(lm_model_load(path, NULL, &model, NULL), LM_OK);
    fault_ratchet(create_session);
    lm_model_free(model);
}

/* The network works at all, and is as large as it was meant to be. */
static void test_network(void **state)
{
    (void)state;
    float scores[128], sum = 0;
    assert_int_equal(run_file(path, NULL, scores), 5);
    for (int i = 0; i < 5; i++)
        sum += scores[i];
    assert_float_equal(sum, 1, 1e-5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network), cmocka_unit_test(test_read),    cmocka_unit_test(test_load),
        cmocka_unit_test(test_check),   cmocka_unit_test(test_session),
    };
    return cmocka_run_group_tests_name("model_memory", tests, write_network, scratch_remove);
}
