/* Explanations of the whole service, against the command line tool and against themselves: under
 * load, with other numbers of workers, in other forms. */
#include "client.h"

#include <pthread.h>

#define STAR EXAMPLES "star.png"
#define TOOL "explain --model config/models/shapes "

static int start(void **state)
{
    return daemon_shared_start(state, FLAGS("--workers", "2"));
}

static char *explain(const struct daemon *daemon, json_t *body)
{
    struct answer answer = post(daemon, EXPLAIN, body);
    assert_status(&answer, 200);
    assert_header(&answer, "Content-Type", "application/json");
    char *text = strdup(answer.body);
    answer_free(&answer);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* more: parameters as members in JSON, or NULL. */
static void expect_tool(const struct daemon *daemon, unsigned samples, const char *more,
                        const char *arguments)
{
    char command[500];
    char *text = explain(daemon, explanation(STAR, samples, more));
    snprintf(command, sizeof command, TOOL "--samples %u %s --json - " STAR, samples, arguments);
    char *expected = tool(command, NULL);
    expected[strcspn(expected, "\n")] = '\0';
    assert_string_equal(text, expected);
    free(text);
    free(expected);
}

static void tool_says_the_same(void **state)
{
    expect_tool(*state, few(200), NULL, "");
    expect_tool(*state, few(100), "\"seed\": 7, \"segmentation\": {\"n_segments\": 20}",
                "--seed 7 --segmentation slic:20");
    expect_tool(*state, few(100),
                "\"segmentation\": {\"method\": \"grid\", \"rows\": 4, \"columns\": 5}, "
                "\"masking\": \"blur\", \"kernel_width\": 0.5, \"alpha\": 2, \"num_features\": 6",
                "--segmentation grid:4x5 --masking blur --kernel-width 0.5 --alpha-ridge 2 "
                "--num-features 6");
    expect_tool(*state, few(60), "\"top_labels\": 3", "--top-labels 3");
    expect_tool(*state, few(60), "\"labels\": [8, 0]", "--labels 8,0");
    expect_tool(*state, few(40),
                "\"include\": [\"segments\", \"heatmap\", \"overlay\", \"samples\"]",
                "--include segments,heatmap,overlay,samples");
}

static void shape_of_the_answer(void **state)
{
    char *text = explain(
        *state, explanation(STAR, few(120), "\"method\": \"lime\", \"include\": [\"timing\"]"));
    json_t *body = parse(text), *one = at(body, "explanations.0");
    assert_text(body, "model_name", "shapes");
    assert_int_equal(strlen(text_at(body, "model_version")), 12);
    assert_text(one, "method", "lime");
    assert_text(one, "masking", "layer");
    assert_near(number_at(one, "seed"), 0, 0);
    assert_near(number_at(one, "samples"), few(120), 0);
    assert_true(json_is_true(at(one, "complete")));
    assert_true(json_is_array(at(one, "warnings")));
    assert_text(one, "labels.0.label", "star");
    assert_text(one, "segmentation.method", "slic");
    assert_int_equal(json_array_size(at(one, "labels.0.weights")),
                     (size_t)number_at(one, "segmentation.n_segments"));
    assert_near(number_at(one, "timing.forward_passes"), few(120), 0);
    double before = 1e9;
    size_t i;
    json_t *weight;
    json_array_foreach(at(one, "labels.0.weights"), i, weight)
    {
        double size = number_at(weight, "weight");
        size = size < 0 ? -size : size;
        assert_true(size <= before);
        before = size;
    }
    json_decref(body);
    free(text);
}

/* With at most as many masks as samples, all of them are run. */
static void few_segments_are_exact(void **state)
{
    char *text = explain(*state, body_with(STAR, NULL,
                                           "{\"samples\": 1000, \"include\": [\"timing\"], "
                                           "\"segmentation\": {\"method\": \"grid\", \"rows\": 2, "
                                           "\"columns\": 2}}"));
    json_t *body = parse(text), *one = at(body, "explanations.0");
    assert_true(json_is_true(at(one, "exact")));
    assert_near(number_at(one, "samples"), 16, 0);
    assert_near(number_at(one, "timing.forward_passes"), 16, 0);
    json_decref(body);
    free(text);
}

enum { DRAWN = 24 }; /* samples of explanations that are drawn */

/* more: parameters as members in JSON, or NULL. */
static struct answer ask_drawing(const struct daemon *daemon, const char *accept, const char *query,
                                 const char *more)
{
    char header[100], path[300];
    snprintf(header, sizeof header, "Accept: %s", accept);
    snprintf(path, sizeof path, EXPLAIN "%s", query);
    return ask(daemon, (struct ask){.path = path,
                                    .headers = HEADERS(header),
                                    .json = explanation(STAR, DRAWN, more)});
}

static void expect_drawing(const struct daemon *daemon, const char *query, const char *more,
                           const char *arguments)
{
    char path[100], command[500];
    size_t size;
    struct answer answer = ask_drawing(daemon, "image/png", query, more);
    assert_status(&answer, 200);
    assert_header(&answer, "Content-Type", "image/png");
    snprintf(path, sizeof path, "%s/tool.png", daemon->folder);
    snprintf(command, sizeof command, TOOL "--samples %d %s -o %s " STAR, DRAWN, arguments, path);
    char *text = tool(command, NULL);
    free(text);
    char *expected = file_bytes(path, &size);
    assert_int_equal(answer.size, size);
    assert_memory_equal(answer.body, expected, size);
    free(expected);
    answer_free(&answer);
}

static void drawings(void **state)
{
    expect_drawing(*state, "", NULL, "");
    expect_drawing(*state, "?render=heatmap&colormap=purple_green&opacity=0.5", NULL,
                   "--render heatmap --colormap purple_green --alpha 0.5");
    expect_drawing(*state, "", "\"render\": \"top\", \"top_segments\": 3",
                   "--render top --top-segments 3");
    expect_drawing(*state, "?render=boundaries", NULL, "--render boundaries");
}

static void negotiation(void **state)
{
    static const struct {
        const char *accept, *type;
    } cases[] = {
        {"image/jpeg", "image/jpeg"},
        {"image/png;q=0.5, image/jpeg", "image/jpeg"},
        {"image/*", "image/png"},
        {"application/json, image/png;q=0.9", "application/json"},
        {"*/*", "application/json"},
        {"text/html, */*;q=0.1", "application/json"},
        {"text/html, image/png;q=0.3, application/json;q=0.2", "image/png"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = ask_drawing(*state, cases[i].accept, "", NULL);
        assert_status(&answer, 200);
        assert_header(&answer, "Content-Type", cases[i].type);
        if (strcmp(cases[i].type, "image/jpeg") == 0)
            assert_memory_equal(answer.body, "\xff\xd8\xff", 3);
        if (strcmp(cases[i].type, "image/png") == 0)
            assert_memory_equal(answer.body, "\x89PNG", 4);
        answer_free(&answer);
    }
}

/* The overlay in the JSON and the one that is the answer are the same file. */
static void overlay_inside(void **state)
{
    char *text = explain(*state, explanation(STAR, DRAWN, "\"include\": [\"overlay\"]"));
    json_t *body = parse(text);
    struct answer drawing = ask_drawing(*state, "image/png", "", NULL);
    char *expected = base64(drawing.body, drawing.size);
    assert_status(&drawing, 200);
    assert_text(body, "explanations.0.overlay", expected);
    free(expected);
    answer_free(&drawing);
    json_decref(body);
    free(text);
}

static void bare_pictures_and_forms(void **state)
{
    size_t size;
    char *png = file_bytes(STAR, &size);
    char *expected = explain(*state, explanation(STAR, 24, "\"seed\": 3"));
    struct answer answer = ask(*state, (struct ask){.path = EXPLAIN "?samples=24&seed=3",
                                                    .headers = HEADERS("Content-Type: image/png"),
                                                    .body = png,
                                                    .size = size});
    assert_status(&answer, 200);
    answer.body[strcspn(answer.body, "\n")] = '\0';
    assert_string_equal(answer.body, expected);
    answer_free(&answer);
    static const char before[] = "--b\r\nContent-Disposition: form-data; name=image; "
                                 "filename=\"s.png\"\r\n\r\n",
                      after[] = "\r\n--b\r\nContent-Disposition: form-data; name=parameters\r\n\r\n"
                                "{\"samples\": 24, \"seed\": 3}\r\n--b--\r\n";
    struct bytes form = {NULL, 0};
    bytes_add((char *)(uintptr_t)before, 1, sizeof before - 1, &form);
    bytes_add(png, 1, size, &form);
    bytes_add((char *)(uintptr_t)after, 1, sizeof after - 1, &form);
    answer = ask(*state,
                 (struct ask){.path = EXPLAIN,
                              .headers = HEADERS("Content-Type: multipart/form-data; boundary=b"),
                              .body = form.bytes,
                              .size = form.size});
    assert_status(&answer, 200);
    answer.body[strcspn(answer.body, "\n")] = '\0';
    assert_string_equal(answer.body, expected);
    answer_free(&answer);
    free(form.bytes);
    free(expected);
    free(png);
}

static void many_pictures(void **state)
{
    json_t *instances = json_array();
    json_array_append_new(instances, instance(STAR));
    json_array_append_new(instances, instance(EXAMPLES "heart.png"));
    char *text = explain(*state, json_pack("{s: o, s: {s: i}}", "instances", instances,
                                           "parameters", "samples", 24));
    char *alone_text = explain(*state, explanation(EXAMPLES "heart.png", 24, NULL));
    json_t *body = parse(text), *alone = parse(alone_text);
    assert_int_equal(json_array_size(at(body, "explanations")), 2);
    assert_text(body, "explanations.0.labels.0.label", "star");
    assert_true(json_equal(at(body, "explanations.1"), at(alone, "explanations.0")));
    json_decref(body);
    json_decref(alone);
    free(text);
    free(alone_text);
}

/* A segment for each half. */
static void own_segments(void **state)
{
    char *mask = file_base64(EXAMPLES "star.mask.png");
    json_t *body =
        json_pack("{s: [o], s: {s: i, s: {s: s, s: s}}}", "instances", instance(STAR), "parameters",
                  "samples", 50, "segmentation", "method", "custom", "png16", mask);
    struct answer answer = post(*state, EXPLAIN, body);
    assert_status(&answer, 200);
    assert_near(number_at(answer.json, "explanations.0.segmentation.n_segments"), 2, 0);
    free(mask);
    answer_free(&answer);
}

struct caller {
    const struct daemon *daemon;
    char *got;
};

static json_t *loaded(void)
{
    return explanation(STAR, few(120), "\"seed\": 11, \"top_labels\": 2");
}

static void *call(void *context)
{
    struct caller *caller = context;
    caller->got = explain(caller->daemon, loaded());
    return NULL;
}

static void same_bytes_under_load(void **state)
{
    struct caller callers[6];
    pthread_t threads[6];
    char *expected = explain(*state, loaded());
    for (size_t i = 0; i < 6; i++) {
        callers[i] = (struct caller){*state, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        assert_string_equal(callers[i].got, expected);
        free(callers[i].got);
    }
    static const char *const workers[] = {"1", "5"};
    for (size_t i = 0; i < 2; i++) {
        struct daemon other = {0};
        daemon_start(&other, FLAGS("--workers", workers[i]));
        char *got = explain(&other, loaded());
        assert_string_equal(got, expected);
        free(got);
        assert_int_equal(daemon_stop(&other), 0);
        daemon_clean(&other);
    }
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tool_says_the_same),
        cmocka_unit_test(shape_of_the_answer),
        cmocka_unit_test(few_segments_are_exact),
        cmocka_unit_test(drawings),
        cmocka_unit_test(negotiation),
        cmocka_unit_test(overlay_inside),
        cmocka_unit_test(bare_pictures_and_forms),
        cmocka_unit_test(many_pictures),
        cmocka_unit_test(own_segments),
        cmocka_unit_test(same_bytes_under_load),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
