/* Models over HTTP: list, description, a folder of them, reload while the service runs. */
#include "client.h"

#define SHAPES_FOLDER "config/models/shapes/"
#define STAR EXAMPLES "star.png"

static int start(void **state)
{
    return daemon_shared_start(state, FLAGS("--workers", "1"));
}

/* The built-in model under another name, in a folder of models; text: its model.json, NULL as it
 * is, "" for none. */
static void add_model(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/model.onnx", folder, name);
    file_copy(SHAPES_FOLDER "model.onnx", path);
    snprintf(path, sizeof path, "%s/%s/labels.txt", folder, name);
    file_copy(SHAPES_FOLDER "labels.txt", path);
    snprintf(path, sizeof path, "%s/%s/model.json", folder, name);
    if (!text)
        file_copy(SHAPES_FOLDER "model.json", path);
    else if (*text)
        file_put(path, text, strlen(text));
}

/* model.json with one more field. */
static char *described(const char *description)
{
    char *text = file_bytes(SHAPES_FOLDER "model.json", NULL);
    json_t *json = parse(text);
    json_object_set_new(json, "description", json_string(description));
    json_object_set_new(json, "mine", json_pack("{s: i}", "answer", 42));
    free(text);
    text = json_dumps(json, 0);
    json_decref(json);
    return text;
}

static void the_built_in_model(void **state)
{
    struct answer answer = get(*state, "/v1/models");
    assert_status(&answer, 200);
    assert_int_equal(json_array_size(at(answer.json, "models")), 1);
    assert_text(answer.json, "models.0", "shapes");
    answer_free(&answer);
    answer = get(*state, "/v1/models/shapes");
    assert_status(&answer, 200);
    json_t *model = answer.json;
    assert_text(model, "name", "shapes");
    assert_true(json_is_true(at(model, "ready")));
    assert_int_equal(strlen(text_at(model, "version")), 12);
    assert_near(number_at(model, "classes"), 10, 0);
    assert_near(number_at(model, "labels"), 10, 0);
    assert_text(model, "output", "logits");
    assert_text(model, "masking.concat", "union");
    assert_text(model, "masking.global_pool", "visible");
    assert_near(number_at(model, "inputs.0.shape.1"), 3, 0);
    assert_near(number_at(model, "inputs.0.shape.2"), 96, 0);
    assert_true(number_at(model, "layers") > 5);
    assert_true(number_at(model, "parameters") > 50000);
    assert_true(number_at(model, "macs") > 1e6);
    assert_true(number_at(model, "operators.Conv") > 3);
    assert_true(number_at(model, "load_ms") > 0);
    assert_near(number_at(model, "preprocessing.mean.0"), 127.5, 0);
    assert_non_null(strstr(json_string_value(at(model, "description.license")), "MIT"));
    answer_free(&answer);
}

/* Where models are kept is not for everybody. */
static void expect_no_folder(const struct daemon *daemon, struct answer *answer)
{
    if (strstr(answer->body, daemon->folder))
        answer_show(answer);
    assert_null(strstr(answer->body, daemon->folder));
    answer_free(answer);
}

static void a_folder_of_models(void **state)
{
    struct daemon daemon = {0};
    char folder[200], *text = described("the second");
    (void)state;
    daemon_make_folder(&daemon);
    snprintf(folder, sizeof folder, "%s/models", daemon.folder);
    mkdir(folder, 0700);
    add_model(folder, "first", NULL);
    add_model(folder, "second", text);
    add_model(folder, "bare", "");
    add_model(folder, "broken", "{\"input\": 5}");
    free(text);
    daemon_start(&daemon, FLAGS("--models", folder));
    struct answer answer = get(&daemon, "/v1/models");
    assert_status(&answer, 200);
    json_t *models = at(answer.json, "models");
    bool has[4] = {false};
    static const char *const names[] = {"first", "second", "bare", "broken"};
    for (size_t i = 0; i < json_array_size(models); i++)
        for (size_t k = 0; k < 4; k++)
            has[k] |= strcmp(json_string_value(json_array_get(models, i)), names[k]) == 0;
    assert_true(has[0] && has[1] && has[2]);
    answer_free(&answer);
    answer = get(&daemon, "/v1/models/second");
    assert_status(&answer, 200);
    assert_text(answer.json, "description.description", "the second");
    assert_near(number_at(answer.json, "description.mine.answer"), 42, 0);
    answer_free(&answer);
    answer = get(&daemon, "/v1/models/bare"); /* ImageNet's preprocessing, and it says so */
    assert_status(&answer, 200);
    assert_true(json_is_true(at(answer.json, "preprocessing.assumed")));
    assert_int_equal(json_array_size(at(answer.json, "warnings")), 1);
    answer_free(&answer);
    daemon_await_log(&daemon, "model.json");
    answer = get(&daemon, "/v1/models/broken");
    assert_status(&answer, 503);
    assert_true(json_is_false(at(answer.json, "ready")));
    assert_header(&answer, "Retry-After", "1");
    assert_text(answer.json, "state", "failed");
    assert_non_null(strstr(text_at(answer.json, "error"), "input"));
    expect_no_folder(&daemon, &answer);
    answer = post(&daemon, "/v1/models/broken:predict", body_with(STAR, NULL, NULL));
    assert_status(&answer, 503);
    assert_non_null(answer_header(&answer, "Retry-After"));
    expect_no_folder(&daemon, &answer);
    answer = post(&daemon, "/v2/repository/index", json_object());
    assert_status(&answer, 200);
    assert_non_null(strstr(answer.body, "model.json"));
    expect_no_folder(&daemon, &answer);
    answer = post(&daemon, "/v1/models/second:predict", body_with(STAR, NULL, NULL));
    assert_status(&answer, 200);
    assert_text(answer.json, "model_name", "second");
    assert_text(answer.json, "predictions.0.top.0.label", "star");
    answer_free(&answer);
    json_t *line = daemon_await_logged(&daemon, "model_failed");
    assert_text(line, "model", "broken");
    assert_non_null(strstr(text_at(line, "error"), folder)); /* those who run it are told */
    json_decref(line);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

static void await_model(const struct daemon *daemon, const char *path, int status,
                        const char *member, const char *value)
{
    double end = now_ms() + 10000;
    for (;; sleep_ms(5)) {
        struct answer answer = get(daemon, path);
        bool good = answer.status == status &&
                    (!member || strcmp(text_at(answer.json, member), value) == 0);
        if (!good && now_ms() > end)
            answer_show(&answer);
        answer_free(&answer);
        if (good)
            return;
        assert_true(now_ms() <= end);
    }
}

static void reload(void **state)
{
    struct daemon daemon = {0};
    char folder[200], path[300], *text = described("the old one");
    (void)state;
    daemon_make_folder(&daemon);
    snprintf(folder, sizeof folder, "%s/models", daemon.folder);
    mkdir(folder, 0700);
    add_model(folder, "mine", text);
    free(text);
    daemon_start(&daemon, FLAGS("--models", folder, "--workers", "1"));
    struct answer answer = post_async(&daemon, "/v1/models/mine:explain",
                                      explanation(STAR, few(1200), "\"seed\": 2"), NULL);
    char *id = accepted(&answer);
    answer = await_job(&daemon, id, "running");
    answer_free(&answer);

    text = described("the new one"); /* while a job runs on the old one */
    add_model(folder, "mine", text);
    add_model(folder, "other", NULL);
    free(text);
    kill(daemon.pid, SIGHUP);
    await_model(&daemon, "/v1/models/mine", 200, "description.description", "the new one");
    await_model(&daemon, "/v1/models/other", 200, NULL, NULL);
    answer = await_job(&daemon, id, "succeeded");
    answer_free(&answer);

    add_model(folder, "mine", "{\"input\""); /* broken: the one before stays */
    kill(daemon.pid, SIGHUP);
    json_t *line = daemon_await_logged(&daemon, "model_failed");
    assert_text(line, "model", "mine");
    json_decref(line);
    await_model(&daemon, "/v1/models/mine", 200, "description.description", "the new one");
    answer = post(&daemon, "/v1/models/mine:predict", body_with(STAR, NULL, NULL));
    assert_status(&answer, 200);
    answer_free(&answer);

    snprintf(path, sizeof path, "%s/other", folder); /* its folder has gone, and so does it */
    folder_remove(path);
    kill(daemon.pid, SIGHUP);
    await_model(&daemon, "/v1/models/other", 404, NULL, NULL);
    free(id);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

static void expect_control(const struct daemon *daemon, const char *path, int status,
                           const char *words)
{
    struct answer answer = post(daemon, path, json_object());
    assert_problem(&answer, status, text_at(answer.json, "detail"), NULL);
    if (!strstr(text_at(answer.json, "detail"), words))
        answer_show(&answer);
    assert_non_null(strstr(text_at(answer.json, "detail"), words));
    answer_free(&answer);
}

static void why_a_model_is_not_loaded(void **state)
{
    struct daemon daemon = {0};
    char folder[200], path[300];
    (void)state;
    daemon_make_folder(&daemon);
    snprintf(folder, sizeof folder, "%s/models", daemon.folder);
    mkdir(folder, 0700);
    add_model(folder, "first", NULL);
    add_model(folder, "broken", "{\"input\": 5}");
    add_model(folder, "shut", NULL);
    add_model(folder, "more", NULL);
    daemon_start(&daemon, FLAGS("--models", folder, "--load-models", "first", "--max-models", "2",
                                "--model-control=true"));
    expect_control(&daemon, "/v2/repository/models/nothing/load", 404, "there is no folder");
    expect_control(&daemon, "/v2/repository/models/nothing/unload", 404, "no such model");
    expect_control(&daemon, "/v2/repository/models/broken/load", 422, "model.json");
    expect_control(&daemon, "/v2/repository/models/.broken/load", 422, "a model's name");
    snprintf(path, sizeof path, "%s/shut/labels.txt", folder);
    unlink(path);
    expect_control(&daemon, "/v2/repository/models/shut/load", 503, "labels.txt: No such file");
    file_copy(SHAPES_FOLDER "labels.txt", path);
    struct answer answer = post(&daemon, "/v2/repository/models/shut/load", json_object());
    assert_status(&answer, 200);
    answer_free(&answer);
    expect_control(&daemon, "/v2/repository/models/more/load", 409, "the limit (max_models) is 2");
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* A folder of so many models that a start takes a while. */
static void make_many_models(struct daemon *daemon, char folder[200], unsigned n)
{
    char name[20];
    daemon_make_folder(daemon);
    snprintf(folder, 200, "%s/models", daemon->folder);
    mkdir(folder, 0700);
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "m%u", i);
        add_model(folder, name, NULL);
    }
}

static unsigned count_loads(const struct daemon *daemon)
{
    unsigned n = 0;
    char *text = file_bytes(daemon->log, NULL);
    for (const char *at = text + daemon->log_from; (at = strstr(at, "\"model_loaded\"")); at++)
        n++;
    free(text);
    return n;
}

/* SIGTERM does not wait until all models are loaded, at the start and on SIGHUP. */
static void stops_while_it_loads(void **state)
{
    enum { MODELS = 400 };
    struct daemon daemon = {0};
    char folder[200], elsewhere[200];
    (void)state;
    make_many_models(&daemon, folder, MODELS);
    daemon_launch(&daemon, FLAGS("--models", folder, "--max-models", "1000"));
    daemon_await_port(&daemon);
    assert_int_equal(daemon_status(&daemon, "/livez"), 200);
    assert_int_equal(daemon_status(&daemon, "/readyz"), 503);
    assert_int_equal(daemon_stop(&daemon), 0);
    assert_in_range(count_loads(&daemon), 0, MODELS - 1);
    snprintf(elsewhere, sizeof elsewhere, "%s/none", daemon.folder);
    assert_int_equal(rename(folder, elsewhere), 0);
    mkdir(folder, 0700);
    daemon_start(&daemon, FLAGS("--models", folder, "--max-models", "1000"));
    rmdir(folder);
    assert_int_equal(rename(elsewhere, folder), 0);
    kill(daemon.pid, SIGHUP);
    kill(daemon.pid, SIGHUP); /* once more, when it has ended */
    double end = now_ms() + 10000;
    while (count_loads(&daemon) < 3 && now_ms() < end)
        sleep_ms(1);
    struct answer answer = post(&daemon, PREDICT, body_with(STAR, NULL, NULL));
    assert_status(&answer, 200);
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    assert_in_range(count_loads(&daemon), 3, MODELS - 1);
    daemon_clean(&daemon);
}

static void chosen_models(void **state)
{
    struct daemon daemon = {0};
    char folder[200];
    (void)state;
    daemon_make_folder(&daemon);
    snprintf(folder, sizeof folder, "%s/models", daemon.folder);
    mkdir(folder, 0700);
    add_model(folder, "first", NULL);
    add_model(folder, "second", NULL);
    daemon_start(&daemon, FLAGS("--models", folder, "--load-models", "second"));
    struct answer answer = get(&daemon, "/v1/models/second");
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = get(&daemon, "/v1/models/first");
    assert_true(answer.status == 404 || answer.status == 503);
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_built_in_model),
        cmocka_unit_test(a_folder_of_models),
        cmocka_unit_test(reload),
        cmocka_unit_test(why_a_model_is_not_loaded),
        cmocka_unit_test(stops_while_it_loads),
        cmocka_unit_test(chosen_models),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
