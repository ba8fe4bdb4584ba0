/* What the server says of itself and of its models, as whole texts: names, order and nesting are
 * what clients rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../jobs/tiny_model.h"
#include "api/model_answers.h"
#include "api/v2_answers.h"
#include "fault.h"

static struct model_entry tiny;

/* The folder's name is "small", the model calls itself "tiny". */
static int load_tiny(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    tiny_model_write("small", 1);
    struct lm_error error = {0};
    if (model_dir_read(scratch_path("small"), &tiny.dir, &error) != LM_OK ||
        model_dir_load(&tiny.dir, NULL, &tiny.model, &error) != LM_OK)
        fail_msg("%s", error.text);
    lm_model_info(tiny.model, &tiny.info);
    tiny.name = "small";
    tiny.load_ms = 1.5;
    strcpy(tiny.dir.version, "0123456789ab");
    json_object_set_new(tiny.dir.about.json, "trained", json_pack("{s:f}", "top1", 0.7));
    return 0;
}

static int drop_tiny(void **state)
{
    lm_model_free(tiny.model);
    model_dir_free(&tiny.dir);
    return scratch_remove(state);
}

static void assert_text(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static struct model_status status_of(const char *name, enum model_state state, const char *error)
{
    struct model_status status = {.state = state};
    strcpy(status.name, name);
    if (state == MODEL_READY)
        strcpy(status.version, "0123456789ab");
    strcpy(status.error.text, error);
    return status;
}

static void server(void **state)
{
    (void)state;
    assert_text(
        v2_server_answer("1.2", false),
        "{\"name\":\"layermask\",\"version\":\"1.2\",\"extensions\":[\"binary_tensor_data\","
        "\"classification\",\"model_configuration\"]}");
    assert_text(
        v2_server_answer("1.2", true),
        "{\"name\":\"layermask\",\"version\":\"1.2\",\"extensions\":[\"binary_tensor_data\","
        "\"classification\",\"model_configuration\",\"model_repository\"]}");
}

#define TENSORS                                                                                    \
    "\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[-1,3,24,24]},"               \
    "{\"name\":\"mask\",\"datatype\":\"FP32\",\"shape\":[-1,1,24,24]},"                            \
    "{\"name\":\"image\",\"datatype\":\"BYTES\",\"shape\":[-1]}],"                                 \
    "\"outputs\":[{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[-1,8]},"                   \
    "{\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[-1,8]}]"

static void model(void **state)
{
    (void)state;
    assert_text(
        v2_model_answer(&tiny),
        "{\"name\":\"small\",\"versions\":[\"0123456789ab\"],\"platform\":\"layermask\"," TENSORS
        "}");
    assert_text(v2_model_ready_answer("small", true), "{\"name\":\"small\",\"ready\":true}");
    assert_text(v2_model_ready_answer("a", false), "{\"name\":\"a\",\"ready\":false}");
    assert_text(
        v2_model_config_answer(&tiny, 64),
        "{\"name\":\"small\",\"platform\":\"layermask\",\"backend\":\"layermask\","
        "\"version_policy\":{\"latest\":{\"num_versions\":1}},\"max_batch_size\":64,"
        "\"input\":[{\"name\":\"input\",\"data_type\":\"TYPE_FP32\",\"format\":"
        "\"FORMAT_NCHW\",\"dims\":[3,24,24],\"optional\":false},"
        "{\"name\":\"mask\",\"data_type\":\"TYPE_FP32\",\"format\":\"FORMAT_NONE\",\"dims\":"
        "[1,24,24],\"optional\":true},"
        "{\"name\":\"image\",\"data_type\":\"TYPE_STRING\",\"format\":\"FORMAT_NONE\","
        "\"dims\":[1],\"optional\":true}],"
        "\"output\":[{\"name\":\"logits\",\"data_type\":\"TYPE_FP32\",\"dims\":[8]},"
        "{\"name\":\"probabilities\",\"data_type\":\"TYPE_FP32\",\"dims\":[8]}]}");
}

/* 8 x 3 x 3 x 3 weights and 8 biases; 24 x 24 places. */
static void details(void **state)
{
    (void)state;
    char *text = model_answers_ready(&tiny);
    assert_non_null(text);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_true(json_integer_value(json_object_get(json, "layers")) == tiny.info.layers);
    assert_true(json_integer_value(json_object_get(json, "weight_bytes")) >= 216 * 4);
    assert_string_equal(json_string_value(json_object_get(json, "kernels")), tiny.info.kernels);
    json_object_del(json, "kernels");
    json_object_del(json, "layers");
    json_object_del(json, "weight_bytes");
    assert_text(json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)),
                "{\"name\":\"small\",\"ready\":true,\"version\":\"0123456789ab\"," TENSORS
                ",\"preprocessing\":{\"size\":[24,24],\"channels\":\"RGB\",\"resize_shorter\":null,"
                "\"crop\":\"center\",\"mean\":[127.5,127.5,127.5],\"std\":[64.0,64.0,64.0],"
                "\"assumed\":false},\"output\":\"logits\",\"classes\":8,\"labels\":0,\"masking\":"
                "{\"concat\":\"union\",\"exposed\":\"computed\",\"average_pool\":\"visible\","
                "\"global_pool\":\"visible\"},\"precision\":\"float32\",\"opset\":13,"
                "\"parameters\":224,\"macs\":124416,"
                "\"operators\":{\"Conv\":1,\"Relu\":1,\"GlobalAveragePool\":1,\"Flatten\":1},"
                "\"load_ms\":1.5,\"description\":{\"name\":\"tiny\",\"trained\":{\"top1\":0.7}},"
                "\"warnings\":[]}");
    json_decref(json);
    free(text);
}

static void details_of_assumed_preprocessing(void **state)
{
    (void)state;
    struct model_entry entry = tiny;
    entry.dir.assumed = true;
    entry.dir.about.json = NULL;
    entry.dir.about.probabilities = true;
    entry.dir.about.preprocess.resize_shorter = 27;
    entry.dir.about.preprocess.center_crop = false;
    entry.dir.about.preprocess.channels = LM_BGR;
    entry.dir.labels = json_pack("[s, s]", "a", "b");
    char *text = model_answers_ready(&entry);
    assert_non_null(text);
    static const char *const parts[] = {
        "\"channels\":\"BGR\",\"resize_shorter\":27,\"crop\":\"none\"",
        "\"assumed\":true",
        "\"output\":\"probabilities\",\"classes\":8,\"labels\":2",
        ("\"description\":{},\"warnings\":[\"there is no model.json: torchvision's ImageNet "
         "preprocessing is assumed\"]}"),
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i]))
            fail_msg("no %s in %s", parts[i], text);
    free(text);
    json_decref(entry.dir.labels);
}

static void lists(void **state)
{
    (void)state;
    const struct model_status all[] = {
        status_of("a", MODEL_READY, ""),
        status_of("b", MODEL_FAILED, "b/model.onnx: \"caf\xc3\xa9\", cut caf\xc3"),
        status_of("c", MODEL_LOADING, ""),
        status_of("d", MODEL_READY, "d/model.onnx: it is broken now"),
        status_of("e", MODEL_UNLOADED, ""),
    };
    assert_text(model_answers_list(all, 5), "{\"models\":[\"a\",\"b\",\"c\",\"d\"]}");
    assert_text(model_answers_list(NULL, 0), "{\"models\":[]}");
    assert_text(
        v2_index_answer(all, 5, false),
        "[{\"name\":\"a\",\"state\":\"READY\",\"version\":\"0123456789ab\"},"
        "{\"name\":\"b\",\"state\":\"UNAVAILABLE\",\"reason\":\"b/model.onnx: \\\"caf\xc3\xa9"
        "\\\", cut caf?\"},"
        "{\"name\":\"c\",\"state\":\"LOADING\",\"reason\":\"the model is being loaded\"},"
        "{\"name\":\"d\",\"state\":\"READY\",\"version\":\"0123456789ab\",\"reason\":"
        "\"d/model.onnx: it is broken now\"},"
        "{\"name\":\"e\",\"state\":\"UNAVAILABLE\",\"reason\":\"the model has been unloaded\"}"
        "]");
    assert_text(v2_index_answer(all, 3, true),
                "[{\"name\":\"a\",\"state\":\"READY\",\"version\":\"0123456789ab\"}]");
    assert_text(v2_index_answer(NULL, 0, false), "[]");
}

static void not_ready(void **state)
{
    (void)state;
    const struct model_status failed = status_of("b", MODEL_FAILED, "it is broken"),
                              unknown = status_of("b", MODEL_FAILED, ""),
                              loading = status_of("c", MODEL_LOADING, "old trouble"),
                              raced = status_of("c", MODEL_READY, ""),
                              unloaded = status_of("d", MODEL_UNLOADED, "");
    assert_text(model_answers_not_ready(&failed),
                "{\"name\":\"b\",\"ready\":false,\"state\":\"failed\",\"error\":\"it is broken\"}");
    assert_text(model_answers_not_ready(&unknown), "{\"name\":\"b\",\"ready\":false,\"state\":"
                                                   "\"failed\",\"error\":\"the model could not be "
                                                   "loaded\"}");
    assert_text(model_answers_not_ready(&loading),
                "{\"name\":\"c\",\"ready\":false,\"state\":\"loading\",\"error\":\"the model is "
                "being loaded\"}");
    assert_text(model_answers_not_ready(&raced),
                "{\"name\":\"c\",\"ready\":false,\"state\":\"loading\",\"error\":\"the model is "
                "being loaded\"}");
    assert_text(model_answers_not_ready(&unloaded),
                "{\"name\":\"d\",\"ready\":false,\"state\":\"unloaded\",\"error\":\"the model has "
                "been unloaded\"}");
}

/* NULL stands for no memory. */
static enum lm_status text_made(char *text, struct lm_error *error)
{
    free(text);
    return text ? LM_OK : lm_fail(error, LM_NOMEM, "no text");
}

static enum lm_status answer_server(struct lm_error *error)
{
    return text_made(v2_server_answer("1", true), error);
}

static enum lm_status answer_model(struct lm_error *error)
{
    return text_made(v2_model_answer(&tiny), error);
}

static enum lm_status answer_config(struct lm_error *error)
{
    return text_made(v2_model_config_answer(&tiny, 64), error);
}

static enum lm_status answer_details(struct lm_error *error)
{
    return text_made(model_answers_ready(&tiny), error);
}

static enum lm_status answer_lists(struct lm_error *error)
{
    const struct model_status all[] = {status_of("a", MODEL_READY, ""),
                                       status_of("b", MODEL_FAILED, "it is broken")};
    enum lm_status status = text_made(model_answers_list(all, 2), error);
    if (status == LM_OK)
        status = text_made(v2_index_answer(all, 2, false), error);
    if (status == LM_OK)
        status = text_made(model_answers_not_ready(&all[1]), error);
    return status;
}

static void without_memory(void **state)
{
    (void)state;
    fault_ratchet(answer_server);
    fault_ratchet(answer_model);
    fault_ratchet(answer_config);
    fault_ratchet(answer_details);
    fault_ratchet(answer_lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server),         cmocka_unit_test(model),
        cmocka_unit_test(details),        cmocka_unit_test(details_of_assumed_preprocessing),
        cmocka_unit_test(lists),          cmocka_unit_test(not_ready),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("v2_answers", tests, load_tiny, drop_tiny);
}
