/* Predictions of the whole service: every way to send a picture and a region, against the command
 * line tool (which shares no line of HTTP with it) and against each other. */
#include "client.h"

#include <pthread.h>

#define STAR EXAMPLES "star.png"
#define HEART EXAMPLES "heart.png"

static int start(void **state)
{
    return daemon_shared_start(state, FLAGS("--workers", "2"));
}

/* The answer to a body, malloc'ed. */
static char *predict(const struct daemon *daemon, json_t *body)
{
    struct answer answer = post(daemon, PREDICT, body);
    assert_status(&answer, 200);
    assert_header(&answer, "Content-Type", "application/json");
    char *text = strdup(answer.body);
    answer_free(&answer);
    return text;
}

/* One line of the tool, without its end. */
static char *tool_line(const char *arguments)
{
    char *text = tool(arguments, NULL);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static void expect_tool(const struct daemon *daemon, json_t *body, const char *arguments)
{
    char *text = predict(daemon, body), *expected = tool_line(arguments);
    text[strcspn(text, "\n")] = '\0';
    assert_string_equal(text, expected);
    free(text);
    free(expected);
}

#define TOOL "predict --json --model config/models/shapes "

static void tool_says_the_same(void **state)
{
    expect_tool(*state, body_with(STAR, NULL, NULL), TOOL STAR);
    expect_tool(*state, body_with(STAR, NULL, "{\"top_k\": 2, \"logits\": true}"),
                TOOL "--top 2 --logits " STAR);
    expect_tool(*state, body_with(STAR, NULL, "{\"top_k\": 100}"), TOOL "--top 100 " STAR);
    expect_tool(*state, body_with(STAR, "{\"hide\": {\"box\": [60, 60, 120, 120]}}", NULL),
                TOOL "--hide box:60,60,120,120 " STAR);
    expect_tool(*state, body_with(STAR, "{\"keep\": {\"box\": [60, 60, 120, 120]}}", NULL),
                TOOL "--keep box:60,60,120,120 " STAR);
    expect_tool(*state, body_with("tests/golden/images/baseline.jpg", NULL, NULL),
                TOOL "tests/golden/images/baseline.jpg");
}

static void every_masking(void **state)
{
    static const char *const maskings[] = {"layer", "black", "grey",
                                           "mean",  "blur",  "color:#ff8000"};
    for (size_t i = 0; i < sizeof maskings / sizeof *maskings; i++) {
        char members[200], parameters[100], arguments[300];
        snprintf(members, sizeof members,
                 "{\"hide\": {\"box\": [50, 40, 90, 80]}, \"masking\": \"%s\"}", maskings[i]);
        snprintf(parameters, sizeof parameters, "{\"masking\": \"%s\"}", maskings[i]);
        snprintf(arguments, sizeof arguments, TOOL "--hide box:50,40,90,80 --masking %s %s",
                 maskings[i], STAR);
        expect_tool(*state, body_with(STAR, members, NULL), arguments);
        expect_tool(*state, body_with(STAR, "{\"hide\": {\"box\": [50, 40, 90, 80]}}", parameters),
                    arguments);
    }
}

static void every_form_of_a_picture(void **state)
{
    char *expected = predict(*state, body_with(STAR, NULL, NULL)), *text = file_base64(STAR);
    char *url = malloc(strlen(text) + 100);
    sprintf(url, "data:image/png;base64,%s", text);
    json_t *forms[] = {
        json_pack("{s: s}", "image", text),
        json_pack("{s: s}", "image", url),
        json_pack("{s: {s: s}}", "image", "b64", url),
        json_pack("{s: {s: s}}", "image_bytes", "b64", text),
        json_pack("{s: s}", "image_bytes", text),
        json_pack("{s: s}", "data", text),
        json_pack("{s: {s: s}}", "data", "b64", text),
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *got = predict(*state, json_pack("{s: [o]}", "instances", forms[i]));
        assert_string_equal(got, expected);
        free(got);
    }
    free(text);
    free(url);
    free(expected);
}

static char *predict_bytes(const struct daemon *daemon, const char *path, const char *type,
                           const void *bytes, size_t size)
{
    char header[200];
    snprintf(header, sizeof header, "Content-Type: %s", type);
    struct answer answer =
        ask(daemon,
            (struct ask){.path = path, .headers = HEADERS(header), .body = bytes, .size = size});
    assert_status(&answer, 200);
    char *text = strdup(answer.body);
    answer_free(&answer);
    return text;
}

static void bare_pictures(void **state)
{
    size_t size;
    char *png = file_bytes(STAR, &size);
    char *expected = predict(*state, body_with(STAR, NULL, NULL));
    char *got = predict_bytes(*state, PREDICT, "image/png", png, size);
    assert_string_equal(got, expected);
    free(got);
    free(expected);
    expected = predict(
        *state, body_with(STAR, "{\"masking\": \"grey\"}", "{\"top_k\": 3, \"logits\": true}"));
    got =
        predict_bytes(*state, PREDICT "?top_k=3&logits=true&masking=grey", "image/png", png, size);
    assert_string_equal(got, expected);
    free(got);
    free(expected);
    free(png);
    char *jpeg = file_bytes("tests/golden/images/progressive.jpg", &size);
    expected = predict(*state, body_with("tests/golden/images/progressive.jpg", NULL, NULL));
    got = predict_bytes(*state, PREDICT, "image/jpeg; charset=binary", jpeg, size);
    assert_string_equal(got, expected);
    free(got);
    free(expected);
    free(jpeg);
}

/* A form, of parts whose contents are text or files. */
static void add_part(struct bytes *form, const char *name, const char *type, const void *content,
                     size_t size)
{
    char head[300];
    snprintf(head, sizeof head,
             "--=b0undary\r\nContent-Disposition: form-data; name=\"%s\"%s\r\nContent-Type: %s"
             "\r\n\r\n",
             name, type[0] == 'i' ? "; filename=\"x.png\"" : "", type);
    bytes_add(head, 1, strlen(head), form);
    bytes_add((char *)(uintptr_t)content, 1, size, form);
    bytes_add((char *)(uintptr_t) "\r\n", 1, 2, form);
}

static char *predict_form(const struct daemon *daemon, const char *image, const char *region,
                          const char *region_file, const char *parameters)
{
    struct bytes form = {NULL, 0};
    size_t size;
    char *bytes = file_bytes(image, &size);
    add_part(&form, "image", "image/png", bytes, size);
    free(bytes);
    if (region) {
        bytes = file_bytes(region_file, &size);
        add_part(&form, region, "image/png", bytes, size);
        free(bytes);
    }
    if (parameters)
        add_part(&form, "parameters", "application/json", parameters, strlen(parameters));
    bytes_add((char *)(uintptr_t) "--=b0undary--\r\n", 1, 15, &form);
    char *text = predict_bytes(daemon, PREDICT, "multipart/form-data; boundary=\"=b0undary\"",
                               form.bytes, form.size);
    free(form.bytes);
    return text;
}

static void forms(void **state)
{
    char *expected = predict(*state, body_with(STAR, NULL, NULL));
    char *got = predict_form(*state, STAR, NULL, NULL, NULL);
    assert_string_equal(got, expected);
    free(got);
    free(expected);
    static const char *const sides[] = {"hide", "keep"};
    for (size_t i = 0; i < 2; i++) {
        char *mask = file_base64(EXAMPLES "star.mask.png");
        json_t *one = instance(STAR);
        json_object_set_new(one, sides[i], json_pack("{s: s}", "png", mask));
        json_object_set_new(one, "masking", json_string("blur"));
        expected = predict(
            *state, json_pack("{s: [o], s: {s: i}}", "instances", one, "parameters", "top_k", 1));
        got = predict_form(*state, STAR, sides[i], EXAMPLES "star.mask.png",
                           "{\"masking\": \"blur\", \"top_k\": 1}");
        assert_string_equal(got, expected);
        free(mask);
        free(got);
        free(expected);
    }
}

/* All of these hide the pixels 60..179 of both directions of a picture of 240 x 240. */
static void every_form_of_a_region(void **state)
{
    static const char *const regions[] = {
        "{\"box\": [60, 60, 120, 120]}",
        "{\"polygon\": [[60, 60, 180, 60, 180, 180, 60, 180]]}",
        "[{\"box\": [60, 60, 70, 120]}, {\"box\": [120, 60, 60, 120]}]",
        "[{\"polygon\": [[60, 60, 180, 60, 180, 120, 60, 120]]}, {\"box\": [60, 110, 120, 70]}]",
        "{\"box\": [24, 24, 48, 48], \"space\": \"input\"}",
        "{\"segments\": [5, 6, 9, 10], \"segmentation\": {\"method\": \"grid\", \"cell\": 24}}",
    };
    char *expected = NULL;
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
        char members[400];
        snprintf(members, sizeof members, "{\"hide\": %s}", regions[i]);
        char *got = predict(*state, body_with(STAR, members, NULL));
        if (expected)
            assert_string_equal(got, expected);
        else
            expected = strdup(got);
        free(got);
    }
    json_t *body = parse(expected);
    assert_near(number_at(body, "predictions.0.visible_fraction"), 0.75, 1e-9);
    json_decref(body);

    /* COCO RLE, by columns: 60 empty ones, then 60 off, 120 on, 60 off in each, then 60 empty. */
    json_t *counts = json_array(), *one = instance(STAR);
    json_array_append_new(counts, json_integer(60 * 240 + 60));
    for (int column = 0; column < 120; column++) {
        json_array_append_new(counts, json_integer(120));
        json_array_append_new(counts, json_integer(column < 119 ? 120 : 60 * 240 + 60));
    }
    json_object_set_new(
        one, "hide",
        json_pack("{s: {s: [i, i], s: o}}", "rle", "size", 240, 240, "counts", counts));
    char *got = predict(*state, json_pack("{s: [o]}", "instances", one));
    assert_string_equal(got, expected);
    free(got);
    free(expected);
}

static void keep_is_the_rest_of_hide(void **state)
{
    char *hidden = predict(*state, body_with(STAR,
                                             "{\"hide\": [{\"box\": [0, 0, 240, 100]}, "
                                             "{\"box\": [0, 100, 75, 140]}]}",
                                             NULL));
    char *kept =
        predict(*state, body_with(STAR, "{\"keep\": {\"box\": [75, 100, 165, 140]}}", NULL));
    assert_string_equal(kept, hidden);
    free(hidden);
    free(kept);
}

static void what_if(void **state)
{
    static const char *const each[] = {
        "{\"hide\": {\"box\": [60, 60, 120, 120]}}",
        "{\"keep\": {\"box\": [60, 60, 120, 120]}}",
        "{\"hide\": {\"box\": [0, 0, 30, 30]}}",
    };
    char members[400];
    snprintf(members, sizeof members, "{\"masks\": [%s, %s, %s], \"masking\": \"black\"}", each[0],
             each[1], each[2]);
    char *text = predict(*state, body_with(STAR, members, "{\"logits\": true}"));
    json_t *body = parse(text), *one = at(body, "predictions.0");
    char *plain_text =
        predict(*state, body_with(STAR, "{\"masking\": \"black\"}", "{\"logits\": true}"));
    json_t *plain = parse(plain_text);
    assert_int_equal(json_array_size(at(one, "masks")), 3);
    assert_true(json_equal(at(one, "top"), at(plain, "predictions.0.top")));
    assert_true(json_equal(at(one, "logits"), at(plain, "predictions.0.logits")));
    assert_near(number_at(one, "visible_fraction"), 1, 0);
    for (size_t i = 0; i < 3; i++) {
        json_t *alone = parse(each[i]), *mask = json_array_get(at(one, "masks"), i);
        json_object_set_new(alone, "masking", json_string("black"));
        char *alone_members = json_dumps(alone, 0);
        char *alone_text =
            predict(*state, body_with(STAR, alone_members, "{\"logits\": true, \"top_k\": 10}"));
        json_t *expected = parse(alone_text), *prediction = at(expected, "predictions.0");
        double after = -1;
        for (size_t k = 0; k < 10; k++)
            if (number_at(json_array_get(at(prediction, "top"), k), "index") ==
                number_at(one, "top.0.index"))
                after = number_at(json_array_get(at(prediction, "top"), k), "probability");
        assert_near(number_at(mask, "delta"), after - number_at(one, "top.0.probability"), 1e-7);
        assert_true(json_equal(at(mask, "logits"), at(prediction, "logits")));
        assert_near(number_at(mask, "visible_fraction"), number_at(prediction, "visible_fraction"),
                    0);
        assert_int_equal(json_array_size(at(mask, "top")), 5);
        assert_true(json_equal(at(mask, "top.0"), at(prediction, "top.0")));
        json_decref(alone);
        json_decref(expected);
        free(alone_members);
        free(alone_text);
    }
    json_decref(plain);
    json_decref(body);
    free(plain_text);
    free(text);
}

static void many_pictures(void **state)
{
    static const char *const names[] = {"arrow", "flower", "heart", "star"};
    json_t *instances = json_array();
    for (size_t i = 0; i < 11; i++) {
        char path[200];
        snprintf(path, sizeof path, EXAMPLES "%s.png", names[i % 4]);
        json_array_append_new(instances, instance(path));
    }
    char *text = predict(
        *state, json_pack("{s: o, s: {s: b}}", "instances", instances, "parameters", "logits", 1));
    json_t *body = parse(text);
    assert_int_equal(json_array_size(at(body, "predictions")), 11);
    for (size_t i = 0; i < 11; i++) {
        char path[200];
        snprintf(path, sizeof path, EXAMPLES "%s.png", names[i % 4]);
        char *alone_text = predict(*state, body_with(path, NULL, "{\"logits\": true}"));
        json_t *alone = parse(alone_text);
        json_t *prediction = json_array_get(at(body, "predictions"), i);
        assert_text(prediction, "top.0.label", names[i % 4]);
        assert_true(json_equal(prediction, at(alone, "predictions.0")));
        json_decref(alone);
        free(alone_text);
    }
    json_decref(body);
    free(text);
}

/* What the network sees is upright, and regions are in pixels of what people see. */
static void pictures_that_were_turned(void **state)
{
    static const char region[] = "{\"hide\": {\"box\": [1, 2, 5, 3]}}";
    char *expected = predict(*state, body_with("tests/golden/images/exif_1.png", region, NULL));
    for (int turn = 2; turn <= 8; turn++) {
        char path[100];
        snprintf(path, sizeof path, "tests/golden/images/exif_%d.png", turn);
        char *got = predict(*state, body_with(path, region, NULL));
        assert_string_equal(got, expected);
        free(got);
    }
    free(expected);
}

struct caller {
    const struct daemon *daemon;
    const char *path, *expected;
    int wrong;
};

static void *call_often(void *context)
{
    struct caller *caller = context;
    CURL *handle = curl_easy_init();
    for (unsigned i = 0; i < few(25); i++) {
        struct answer answer =
            ask_quietly(caller->daemon, (struct ask){.path = PREDICT,
                                                     .json = body_with(caller->path, NULL, NULL),
                                                     .handle = handle});
        caller->wrong += answer.failure != CURLE_OK || answer.status != 200 ||
                         strcmp(answer.body, caller->expected) != 0;
        answer_free(&answer);
    }
    curl_easy_cleanup(handle);
    return NULL;
}

static void many_callers(void **state)
{
    struct caller callers[8];
    pthread_t threads[8];
    char *expected[2] = {predict(*state, body_with(STAR, NULL, NULL)),
                         predict(*state, body_with(HEART, NULL, NULL))};
    for (size_t i = 0; i < 8; i++) {
        callers[i] = (struct caller){*state, i % 2 ? HEART : STAR, expected[i % 2], 0};
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].wrong, 0);
    }
    free(expected[0]);
    free(expected[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tool_says_the_same),
        cmocka_unit_test(every_masking),
        cmocka_unit_test(every_form_of_a_picture),
        cmocka_unit_test(bare_pictures),
        cmocka_unit_test(forms),
        cmocka_unit_test(every_form_of_a_region),
        cmocka_unit_test(keep_is_the_rest_of_hide),
        cmocka_unit_test(what_if),
        cmocka_unit_test(many_pictures),
        cmocka_unit_test(pictures_that_were_turned),
        cmocka_unit_test(many_callers),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
