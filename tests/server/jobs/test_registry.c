/* The registry: what is loaded, kept, replaced and forgotten, and when a model is really freed. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tiny_model.h"

#include "engine_job.h"

static struct jobs *jobs;
static atomic_int retired, loaded, failed;

static void retire(void *context, const struct lm_model *model)
{
    (void)context;
    atomic_fetch_add(&retired, 1);
    if (jobs)
        jobs_forget_model(jobs, model);
}

static void count_load(void *context, const char *name, double took_ms,
                       const struct lm_error *error)
{
    (void)context;
    assert_true(registry_name_is_plain(name) && took_ms >= 0);
    atomic_fetch_add(error ? &failed : &loaded, 1);
}

static char passed_over[100]; /* the last one */

static void note_name(void *context, const char *name)
{
    (void)context;
    snprintf(passed_over, sizeof passed_over, "%s", name);
}

static struct registry *open_registry(const char *folder, const char *extra)
{
    struct registry *registry = NULL;
    const struct registry_options options = {.folder = folder,
                                             .extra = extra,
                                             .retire = retire,
                                             .loaded = count_load,
                                             .passed_over = note_name};
    atomic_store(&retired, 0);
    atomic_store(&loaded, 0);
    atomic_store(&failed, 0);
    assert_int_equal(registry_create(&options, &registry, NULL), LM_OK);
    return registry;
}

static void reload(struct registry *registry)
{
    struct lm_error error = {0};
    if (registry_reload(registry, &error) != LM_OK)
        fail_msg("%s", error.text);
}

/* "one ready, two failed" */
static void expect_list(struct registry *registry, const char *expected)
{
    static const char *const states[] = {"loading", "ready", "failed", "unloaded"};
    struct model_status *list = NULL;
    size_t n = 0;
    char text[1000] = "";
    assert_int_equal(registry_list(registry, &list, &n, NULL), LM_OK);
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s %s%s", i ? ", " : "", list[i].name,
                 states[list[i].state], list[i].error.text[0] ? "!" : "");
        assert_int_equal(strlen(list[i].version), list[i].state == MODEL_READY ? 12 : 0);
    }
    free(list);
    assert_string_equal(text, expected);
}

static void break_model(const char *name)
{
    char file[300];
    snprintf(file, sizeof file, "%s/model.onnx", name);
    scratch_write(file, "nonsense", 8);
}

static void remove_model(const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    remove_tree(path);
}

static void loads_what_is_there(void **state)
{
    (void)state;
    tiny_model_write("two", 2);
    tiny_model_write("one", 1);
    tiny_model_write("spaced name", 1);
    tiny_model_write(".hidden", 1);
    scratch_write("file", "", 0);
    mkdir(scratch_path("empty"), 0700);
    struct registry *registry = open_registry(scratch, NULL);
    expect_list(registry, "");
    assert_null(registry_find(registry, "one"));
    reload(registry);
    expect_list(registry, "one ready, two ready");
    const struct model_entry *entry = registry_find(registry, "two");
    assert_string_equal(entry->name, "two");
    assert_string_equal(entry->dir.name, "tiny");
    assert_int_equal(entry->info.classes, TINY_CLASSES);
    model_entry_release(entry);
    assert_null(registry_find(registry, "three"));
    reload(registry); /* nothing has changed */
    assert_int_equal(atomic_load(&loaded), 2);
    assert_int_equal(atomic_load(&retired), 0);
    registry_free(registry);
    assert_int_equal(atomic_load(&retired), 2);
    model_entry_release(NULL);
    registry_free(NULL);
}

static void failures_keep_the_old_model(void **state)
{
    (void)state;
    tiny_model_write("one", 1);
    tiny_model_write("two", 2);
    break_model("two");
    struct registry *registry = open_registry(scratch, NULL);
    reload(registry);
    expect_list(registry, "one ready, two failed!");
    assert_null(registry_find(registry, "two"));
    break_model("one");
    tiny_model_write("two", 2);
    reload(registry);
    expect_list(registry, "one ready!, two ready");
    const struct model_entry *entry = registry_find(registry, "one");
    assert_non_null(entry);
    model_entry_release(entry);
    tiny_model_write("one", 1); /* as it was: nothing to load, the error goes */
    reload(registry);
    expect_list(registry, "one ready, two ready");
    assert_int_equal(atomic_load(&retired), 0);
    assert_int_equal(atomic_load(&loaded), 2);
    assert_int_equal(atomic_load(&failed), 2);
    registry_free(registry);
}

static void changes_replace_models(void **state)
{
    (void)state;
    tiny_model_write("one", 1);
    struct registry *registry = open_registry(scratch, NULL);
    reload(registry);
    const struct model_entry *old = registry_find(registry, "one");
    tiny_model_write("one", 7);
    reload(registry);
    const struct model_entry *new = registry_find(registry, "one");
    assert_ptr_not_equal(old, new);
    assert_string_not_equal(old->dir.version, new->dir.version);
    assert_int_equal(atomic_load(&retired), 0);
    model_entry_release(old);
    assert_int_equal(atomic_load(&retired), 1);
    scratch_write("one/labels.txt", "a\nb\nc\nd\ne\nf\ng\nh\n", 16);
    reload(registry);
    old = new;
    new = registry_find(registry, "one");
    assert_ptr_not_equal(old, new);
    assert_null(old->dir.labels);
    assert_non_null(new->dir.labels);
    model_entry_release(old);
    model_entry_release(new);
    assert_int_equal(atomic_load(&retired), 2);
    remove_model("one");
    reload(registry);
    expect_list(registry, "");
    assert_int_equal(atomic_load(&retired), 3);
    registry_free(registry);
}

static void loads_and_unloads_by_name(void **state)
{
    (void)state;
    struct lm_error error = {0};
    tiny_model_write("one", 1);
    tiny_model_write("two", 2);
    struct registry *registry = open_registry(scratch, NULL);
    assert_int_equal(registry_load(registry, "two", NULL, NULL), LM_OK);
    expect_list(registry, "two ready");
    assert_int_equal(registry_unload(registry, "two", NULL, NULL), LM_OK);
    expect_list(registry, "two unloaded");
    assert_int_equal(atomic_load(&retired), 1);
    reload(registry); /* stays unloaded */
    expect_list(registry, "one ready, two unloaded");
    assert_null(registry_find(registry, "two"));
    assert_int_equal(registry_load(registry, "two", NULL, NULL), LM_OK);
    expect_list(registry, "one ready, two ready");
    assert_int_equal(registry_unload(registry, "three", NULL, &error), LM_IO);
    assert_string_equal(error.text, "three: there is no such model");
    error = (struct lm_error){0};
    assert_int_equal(registry_load(registry, "three", NULL, &error), LM_IO);
    assert_string_equal(error.text, "three: there is no folder with such a model");
    break_model("one");
    error = (struct lm_error){0};
    assert_int_not_equal(registry_load(registry, "one", NULL, &error), LM_OK);
    assert_non_null(strstr(error.text, "model.onnx"));
    expect_list(registry, "one ready!, two ready");
    registry_free(registry);
}

/* Who asks over HTTP is not told where models are kept; the log and those who load are. */
static void errors_are_shown_without_folders(void **state)
{
    (void)state;
    struct model_status status;
    struct lm_error error = {0};
    enum registry_refusal refusal = 0;
    char folder[600];
    tiny_model_write("one", 1);
    break_model("one");
    struct registry *registry = open_registry(scratch, NULL);
    reload(registry);
    assert_true(registry_look(registry, "one", &status));
    assert_int_equal(status.state, MODEL_FAILED);
    assert_null(strstr(status.error.text, scratch));
    assert_int_equal(strncmp(status.error.text, "model.onnx: ", 12), 0);
    assert_int_not_equal(registry_load(registry, "one", &refusal, &error), LM_OK);
    assert_int_equal(refusal, REGISTRY_FAILED);
    registry_free(registry);
    scratch_write("one/model.json", "{", 1);
    registry = open_registry(scratch, NULL);
    reload(registry);
    assert_true(registry_look(registry, "one", &status));
    assert_int_equal(strncmp(status.error.text, "model.json: ", 12), 0);
    registry_free(registry);
    snprintf(folder, sizeof folder, "%s/one//", scratch);
    registry = open_registry(NULL, folder);
    reload(registry);
    assert_true(registry_look(registry, "one", &status));
    assert_int_equal(strncmp(status.error.text, "model.json: ", 12), 0);
    registry_free(registry);
}

static void refusals(void **state)
{
    (void)state;
    struct registry *registry = NULL;
    struct lm_error error = {0};
    enum registry_refusal refusal = 0;
    tiny_model_write("one", 1);
    tiny_model_write("two", 2);
    const struct registry_options options = {.folder = scratch, .max_models = 1};
    assert_int_equal(registry_create(&options, &registry, NULL), LM_OK);
    assert_int_equal(registry_load(registry, "one", &refusal, &error), LM_OK);
    assert_int_equal(registry_load(registry, "two", &refusal, &error), LM_LIMIT);
    assert_int_equal(refusal, REGISTRY_FULL);
    assert_string_equal(error.text, "two: 1 models are loaded, the limit (max_models) is 1");
    assert_int_equal(registry_load(registry, "three", &refusal, NULL), LM_IO);
    assert_int_equal(refusal, REGISTRY_NO_MODEL);
    assert_int_equal(registry_unload(registry, "three", &refusal, NULL), LM_IO);
    assert_int_equal(refusal, REGISTRY_NO_MODEL);
    assert_int_equal(registry_load(registry, "..", &refusal, NULL), LM_INVALID);
    assert_int_equal(refusal, REGISTRY_FAILED);
    registry_free(registry);
}

/* Folders whose file is no model: what matters is their number. */
static void make_folders(char letter, int first, int end)
{
    char path[600];
    for (int i = first; i < end; i++) {
        snprintf(path, sizeof path, "%s/%c%d", scratch, letter, i);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof path, "%s/%c%d/model.onnx", scratch, letter, i);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
    }
}

static void remove_folders(char letter, int first, int end)
{
    char name[20];
    for (int i = first; i < end; i++) {
        snprintf(name, sizeof name, "%c%d", letter, i);
        remove_model(name);
    }
}

/* Models that do not fit beside those that are unloaded: nothing changes, nothing hangs. */
static void too_many_with_the_unloaded(void **state)
{
    (void)state;
    enum { OLD = 600, NEW = 500 };
    struct model_status *list = NULL;
    struct lm_error error = {0};
    char name[20];
    size_t n = 0;
    make_folders('a', 0, OLD);
    struct registry *registry = open_registry(scratch, NULL);
    reload(registry);
    for (int i = 0; i < OLD; i++) {
        snprintf(name, sizeof name, "a%d", i);
        assert_int_equal(registry_unload(registry, name, NULL, NULL), LM_OK);
    }
    remove_folders('a', 0, OLD);
    make_folders('b', 0, NEW);
    assert_int_equal(registry_reload(registry, &error), LM_LIMIT);
    assert_non_null(
        strstr(error.text, ": 1100 models, with those that are unloaded; the limit is 1000"));
    assert_int_equal(registry_list(registry, &list, &n, NULL), LM_OK);
    assert_int_equal(n, OLD);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(list[i].state, MODEL_UNLOADED);
    free(list);
    remove_folders('b', 400, NEW);
    reload(registry);
    assert_int_equal(registry_list(registry, &list, &n, NULL), LM_OK);
    assert_int_equal(n, 1000);
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal(list[i].state, MODEL_LOADING);
    free(list);
    registry_free(registry);
    remove_folders('b', 0, 400);
}

static void names_are_plain(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    ".",     "..",   "../x", "a/b", "/etc",
                                      "a b", ".hide", "a\nb", "\xc3", "a%",  "a:b"};
    char longest[102];
    struct registry *registry = open_registry(scratch, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lm_error error = {0};
        assert_false(registry_name_is_plain(bad[i]));
        assert_int_equal(registry_load(registry, bad[i], NULL, &error), LM_INVALID);
        assert_string_equal(error.text, "a model's name is 1 to 100 letters, digits, '.', '_' and "
                                        "'-', and does not start with '.'");
        assert_int_equal(registry_unload(registry, bad[i], NULL, NULL), LM_INVALID);
        assert_null(registry_find(registry, bad[i]));
    }
    memset(longest, 'x', sizeof longest);
    longest[101] = '\0';
    assert_false(registry_name_is_plain(longest));
    longest[100] = '\0';
    assert_true(registry_name_is_plain(longest));
    assert_true(registry_name_is_plain("squeezenet1_1-v.2"));
    registry_free(registry);
}

/* Models that nobody would find out about otherwise. */
static void folders_that_are_no_names(void **state)
{
    (void)state;
    char own[600], expected[700];
    struct lm_error error = {0};
    passed_over[0] = '\0';
    tiny_model_write("one", 1);
    tiny_model_write(".hidden", 2);
    struct registry *registry = open_registry(scratch, NULL);
    reload(registry);
    expect_list(registry, "one ready");
    assert_string_equal(passed_over, "");
    tiny_model_write("another one", 3);
    reload(registry);
    expect_list(registry, "one ready");
    assert_string_equal(passed_over, "another one");
    registry_free(registry);
    snprintf(own, sizeof own, "%s/one", scratch);
    registry = open_registry(own, NULL);
    assert_int_equal(registry_reload(registry, &error), LM_INVALID);
    snprintf(expected, sizeof expected,
             "models: %s is a model's own folder; name the one that it is in", own);
    assert_string_equal(error.text, expected);
    registry_free(registry);
}

static void extra_model_and_missing_folder(void **state)
{
    (void)state;
    char extra[600], missing[600];
    struct lm_error error = {0};
    tiny_model_write("one", 1);
    snprintf(extra, sizeof extra, "%s/one/", scratch);
    snprintf(missing, sizeof missing, "%s/nowhere", scratch);
    struct registry *registry = open_registry(NULL, extra);
    reload(registry);
    expect_list(registry, "one ready");
    registry_free(registry);
    registry = open_registry(missing, extra);
    assert_int_equal(registry_reload(registry, &error), LM_IO);
    assert_non_null(strstr(error.text, "/nowhere: no such folder"));
    expect_list(registry, "");
    registry_free(registry);
}

static void submit_explain(struct explain_job *job, const struct model_entry *entry,
                           const struct picture_input *input, sem_t *started, sem_t *go)
{
    *job = (struct explain_job){
        .jobs = jobs,
        .entry = entry,
        .input = input,
        .options = {.lime = {.samples = 40},
                    .segmentation.options = {.method = LM_SEGMENT_GRID, .n_segments = 12}},
        .started = started,
        .go = go};
    assert_int_equal(explain_submit(job, NULL), LM_OK);
}

static char *take_text(struct explain_job *job)
{
    sem_wait(&job->done);
    if (job->end.kind != JOB_SUCCEEDED)
        fail_msg("%s", job->end.error.text);
    return job->text;
}

/* A job that has begun goes on with the model that it began with, which is freed by its end. */
static void jobs_keep_their_model(void **state)
{
    (void)state;
    struct picture_input input = {0};
    struct explain_job before, during, after;
    struct jobs_stats stats;
    sem_t started, go;
    tiny_model_write("one", 1);
    sem_init(&started, 0, 0);
    sem_init(&go, 0, 0);
    assert_int_equal(jobs_create(&(struct jobs_options){.workers = 2}, &jobs, NULL), LM_OK);
    struct registry *registry = open_registry(scratch, NULL);
    reload(registry);
    const struct model_entry *entry = registry_find(registry, "one");
    assert_int_equal(draw_input(&entry->dir, 0, &input), LM_OK);
    model_entry_release(entry);

    submit_explain(&before, registry_find(registry, "one"), &input, NULL, NULL);
    char *expected = take_text(&before);
    submit_explain(&during, registry_find(registry, "one"), &input, &started, &go);
    sem_wait(&started);
    tiny_model_write("one", 2);
    reload(registry);
    submit_explain(&after, registry_find(registry, "one"), &input, NULL, NULL);
    char *other = take_text(&after);
    assert_int_equal(atomic_load(&retired), 0);
    sem_post(&go);
    char *text = take_text(&during);
    assert_int_equal(atomic_load(&retired), 1);
    assert_string_equal(text, expected);
    assert_string_not_equal(other, expected);
    jobs_drain(jobs, 10000);
    registry_free(registry);
    jobs_read_stats(jobs, &stats);
    assert_true(stats.sessions == 0 && stats.session_bytes == 0);
    jobs_free(jobs);
    jobs = NULL;
    free(expected);
    free(other);
    free(text);
    picture_input_free(&input);
}

static atomic_bool stop_reloading;

static void *keep_reloading(void *argument)
{
    for (uint32_t seed = 1; !atomic_load(&stop_reloading); seed++) {
        tiny_model_write("one", seed % 5);
        registry_reload(argument, NULL);
    }
    return NULL;
}

/* For the sanitizers. */
static void reloads_while_jobs_run(void **state)
{
    (void)state;
    enum { JOBS = 60 };
    static struct explain_job list[JOBS];
    struct picture_input input = {0};
    pthread_t thread;
    tiny_model_write("one", 1);
    assert_int_equal(jobs_create(&(struct jobs_options){.workers = 3}, &jobs, NULL), LM_OK);
    struct registry *registry = open_registry(scratch, NULL);
    reload(registry);
    const struct model_entry *entry = registry_find(registry, "one");
    assert_int_equal(draw_input(&entry->dir, 0, &input), LM_OK);
    model_entry_release(entry);
    atomic_store(&stop_reloading, false);
    assert_int_equal(pthread_create(&thread, NULL, keep_reloading, registry), 0);
    for (int i = 0; i < JOBS; i++) {
        submit_explain(&list[i], registry_find(registry, "one"), &input, NULL, NULL);
        if (i >= 10)
            free(take_text(&list[i - 10]));
    }
    for (int i = JOBS - 10; i < JOBS; i++)
        free(take_text(&list[i]));
    atomic_store(&stop_reloading, true);
    pthread_join(thread, NULL);
    jobs_drain(jobs, 10000);
    registry_free(registry);
    assert_int_equal(atomic_load(&retired), atomic_load(&loaded));
    jobs_free(jobs);
    jobs = NULL;
    picture_input_free(&input);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        TEST(loads_what_is_there),
        TEST(failures_keep_the_old_model),
        TEST(changes_replace_models),
        TEST(loads_and_unloads_by_name),
        TEST(errors_are_shown_without_folders),
        TEST(refusals),
        TEST(too_many_with_the_unloaded),
        TEST(names_are_plain),
        TEST(folders_that_are_no_names),
        TEST(extra_model_and_missing_folder),
        TEST(jobs_keep_their_model),
        TEST(reloads_while_jobs_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
