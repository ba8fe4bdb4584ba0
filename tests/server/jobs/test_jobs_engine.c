/* Explanations through the scheduler: byte for byte what the command line's path gives, for any
 * number of workers, with other jobs around; predictions likewise; memory for sessions.  With a
 * small network made here, and with config/models/shapes where that has been trained. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tiny_model.h"

#include "codec/file.h"
#include "engine_job.h"

enum { NOISE = 6 };

static void forget(void *context, const struct lm_model *model)
{
    jobs_forget_model(*(struct jobs **)context, model);
}

static struct explainer_options options_of(enum masking_kind masking, uint32_t samples)
{
    return (struct explainer_options){
        .lime = {.samples = samples, .seed = 3},
        .segmentation.options = {.method = LM_SEGMENT_SLIC, .n_segments = 14},
        .masking.kind = masking,
        .n_labels = 2,
    };
}

/* What `layermask explain` does. */
static char *explain_alone(const struct model_entry *entry, const struct picture_input *input,
                           const struct explainer_options *options, uint32_t threads)
{
    struct batches *batches = NULL;
    struct explained explained = {0};
    struct lm_error error = {0};
    char *text = NULL;
    enum lm_status status =
        batches_create(entry->model, BATCHES_DEFAULT_SIZE, threads, &batches, &error);
    if (status == LM_OK)
        status =
            explainer_run(&entry->dir, entry->model, batches, input, options, &explained, &error);
    if (status == LM_OK)
        status = explained_text(&entry->dir, input, options, &explained, &text, &error);
    if (status != LM_OK)
        fail_msg("%s", error.text);
    explained_free(&explained);
    batches_free(batches);
    return text;
}

static void submit_explain(struct explain_job *job, struct jobs *jobs,
                           const struct model_entry *entry, const struct picture_input *input,
                           struct explainer_options options)
{
    struct lm_error error = {0};
    *job = (struct explain_job){
        .jobs = jobs, .entry = model_entry_keep(entry), .input = input, .options = options};
    if (explain_submit(job, &error) != LM_OK)
        fail_msg("%s", error.text);
}

static void expect_text(struct explain_job *job, const char *text)
{
    sem_wait(&job->done);
    if (job->end.kind != JOB_SUCCEEDED)
        fail_msg("%s", job->end.error.text);
    if (text)
        assert_string_equal(job->text, text);
    free(job->text);
    sem_destroy(&job->done);
}

/* Two equal jobs among others. */
static void run_among_others(const struct model_entry *entry, struct jobs *jobs,
                             const struct picture_input *input, const struct picture_input *other,
                             const struct explainer_options *options, const char *text)
{
    struct explain_job noise[NOISE], first, second;
    for (int i = 0; i < NOISE; i++) {
        struct explainer_options any = options_of(i % 2 ? MASKING_BLUR : MASKING_LAYER, 30);
        any.lime.seed = (uint64_t)i;
        submit_explain(&noise[i], jobs, entry, other, any);
        if (i == NOISE / 2)
            submit_explain(&first, jobs, entry, input, *options);
    }
    submit_explain(&second, jobs, entry, input, *options);
    expect_text(&first, text);
    expect_text(&second, text);
    for (int i = 0; i < NOISE; i++)
        expect_text(&noise[i], NULL);
}

static void compare(const struct model_entry *entry, uint32_t workers, enum masking_kind masking)
{
    struct jobs *jobs = NULL;
    struct picture_input input = {0}, other = {0};
    const struct explainer_options options = options_of(masking, 70);
    assert_int_equal(draw_input(&entry->dir, 0, &input), LM_OK);
    assert_int_equal(draw_input(&entry->dir, 90, &other), LM_OK);
    char *text = explain_alone(entry, &input, &options, workers == 2 ? 3 : 1);
    assert_int_equal(jobs_create(&(struct jobs_options){.workers = workers}, &jobs, NULL), LM_OK);
    run_among_others(entry, jobs, &input, &other, &options, text);
    jobs_free(jobs);
    free(text);
    picture_input_free(&input);
    picture_input_free(&other);
}

/* One micro-batch, which runs on the helpers, too. */
static void compare_alone(const struct model_entry *entry, uint32_t workers)
{
    struct jobs *jobs = NULL;
    struct picture_input input = {0};
    struct explain_job job;
    const struct explainer_options options = options_of(MASKING_LAYER, BATCHES_DEFAULT_SIZE - 1);
    assert_int_equal(draw_input(&entry->dir, 0, &input), LM_OK);
    char *text = explain_alone(entry, &input, &options, 1);
    assert_int_equal(jobs_create(&(struct jobs_options){.workers = workers}, &jobs, NULL), LM_OK);
    for (int i = 0; i < 3; i++) {
        submit_explain(&job, jobs, entry, &input, options);
        expect_text(&job, text);
    }
    jobs_free(jobs);
    free(text);
    picture_input_free(&input);
}

static void compare_all(const struct registry_options *options, const char *name)
{
    struct registry *registry = NULL;
    assert_int_equal(registry_create(options, &registry, NULL), LM_OK);
    assert_int_equal(registry_reload(registry, NULL), LM_OK);
    const struct model_entry *entry = registry_find(registry, name);
    assert_non_null(entry);
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        compare(entry, workers, MASKING_LAYER);
        compare(entry, workers, MASKING_MEAN);
        compare_alone(entry, workers);
    }
    model_entry_release(entry);
    registry_free(registry);
}

static void explanations_do_not_depend_on_load(void **state)
{
    (void)state;
    tiny_model_write("tiny", 1);
    compare_all(&(struct registry_options){.folder = scratch}, "tiny");
}

static void explanations_of_the_embedded_model(void **state)
{
    (void)state;
    if (!file_exists("config/models/shapes/model.onnx")) {
        print_message("config/models/shapes has no model.onnx\n");
        skip();
    }
    compare_all(&(struct registry_options){.extra = "config/models/shapes"}, "shapes");
}

/* Items in micro-batches of three against one at a time. */
static void predictions_do_not_depend_on_groups(void **state)
{
    (void)state;
    enum { ITEMS = 8 };
    struct registry *registry = NULL;
    struct picture_input input = {0};
    struct lm_mask visible = {0};
    struct runner *runner = NULL;
    struct predictor *predictor = NULL;
    struct predictor_item items[ITEMS];
    struct prediction grouped[ITEMS], single = {0};
    tiny_model_write("tiny", 1);
    const struct registry_options options = {.folder = scratch};
    assert_int_equal(registry_create(&options, &registry, NULL), LM_OK);
    assert_int_equal(registry_reload(registry, NULL), LM_OK);
    const struct model_entry *entry = registry_find(registry, "tiny");
    assert_int_equal(draw_input(&entry->dir, 0, &input), LM_OK);
    assert_int_equal(lm_mask_create(TINY_SIDE, TINY_SIDE, &visible, NULL), LM_OK);
    for (uint32_t x = 0; x < 15; x++)
        lm_mask_set(&visible, x, 2 * x / 3);
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct predictor_item){.input = &input,
                                           .visible = i ? &visible : NULL,
                                           .masking.kind = (enum masking_kind)(i % 5)};
    assert_int_equal(runner_create(entry->model, 3, NULL, &runner, NULL), LM_OK);
    assert_int_equal(
        predictor_prepare(&entry->dir, entry->model, 3, items, ITEMS, &predictor, NULL), LM_OK);
    const struct batches_work *work = predictor_work(predictor);
    assert_int_equal(batches_count(work), 3);
    assert_int_equal(batches_items(work, 2), 2);
    for (uint32_t batch = 3; batch-- > 0;)
        assert_int_equal(runner_take_batch(runner, work, batch, 0, NULL), LM_OK);
    predictor_finish(predictor, grouped);
    predictor_free(predictor);
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(predictor_run(&entry->dir, entry->model, runner, &items[i], &single, NULL),
                         LM_OK);
        assert_int_equal(single.classes, TINY_CLASSES);
        assert_memory_equal(single.logits, grouped[i].logits, TINY_CLASSES * sizeof(float));
        assert_memory_equal(single.probabilities, grouped[i].probabilities,
                            TINY_CLASSES * sizeof(double));
        assert_true(single.visible_fraction == grouped[i].visible_fraction);
        prediction_free(&single);
        prediction_free(&grouped[i]);
    }
    runner_free(runner);
    lm_mask_free(&visible);
    picture_input_free(&input);
    model_entry_release(entry);
    registry_free(registry);
}

static void sessions_are_bounded(void **state)
{
    (void)state;
    struct jobs *jobs = NULL;
    struct registry *registry = NULL;
    struct picture_input input = {0};
    struct explain_job job;
    struct jobs_stats stats;
    tiny_model_write("one", 1);
    tiny_model_write("two", 2);
    const struct registry_options options = {
        .folder = scratch, .retire = forget, .retire_context = &jobs};
    assert_int_equal(registry_create(&options, &registry, NULL), LM_OK);
    assert_int_equal(registry_reload(registry, NULL), LM_OK);
    const struct model_entry *one = registry_find(registry, "one");
    const struct model_entry *two = registry_find(registry, "two");
    uint64_t bytes = runner_bytes(one->model, BATCHES_DEFAULT_SIZE, NULL);
    assert_int_equal(draw_input(&one->dir, 0, &input), LM_OK);

    /* room for one of the two: the other makes place */
    assert_int_equal(jobs_create(&(struct jobs_options){.session_bytes = bytes}, &jobs, NULL),
                     LM_OK);
    submit_explain(&job, jobs, one, &input, options_of(MASKING_LAYER, 30));
    expect_text(&job, NULL);
    submit_explain(&job, jobs, two, &input, options_of(MASKING_LAYER, 30));
    expect_text(&job, NULL);
    jobs_read_stats(jobs, &stats);
    assert_int_equal(stats.sessions, 1);
    assert_int_equal(stats.session_bytes, bytes);
    model_entry_release(one);
    model_entry_release(two);
    assert_int_equal(registry_unload(registry, "two", NULL, NULL), LM_OK);
    jobs_read_stats(jobs, &stats);
    assert_int_equal(stats.sessions, 0);
    jobs_free(jobs);

    /* room for none */
    one = registry_find(registry, "one");
    assert_int_equal(jobs_create(&(struct jobs_options){.session_bytes = bytes - 1}, &jobs, NULL),
                     LM_OK);
    submit_explain(&job, jobs, one, &input, options_of(MASKING_LAYER, 30));
    sem_wait(&job.done);
    assert_int_equal(job.end.kind, JOB_FAILED);
    assert_int_equal(job.end.status, LM_NOMEM);
    assert_non_null(strstr(job.end.error.text, "a session of this model takes"));
    jobs_drain(jobs, 1000);
    model_entry_release(one);
    registry_free(registry);
    jobs_free(jobs);
    picture_input_free(&input);
}

static void expect_session_bytes(const struct model_entry *entry, const struct picture_input *input,
                                 const struct jobs_options *options, uint64_t bytes)
{
    struct jobs *jobs = NULL;
    struct explain_job job;
    struct jobs_stats stats;
    assert_int_equal(jobs_create(options, &jobs, NULL), LM_OK);
    submit_explain(&job, jobs, entry, input, options_of(MASKING_LAYER, 3));
    expect_text(&job, NULL);
    jobs_read_stats(jobs, &stats);
    assert_int_equal(stats.sessions, 1);
    assert_int_equal(stats.session_bytes, bytes);
    jobs_free(jobs);
}

/* Sessions have room for as many helpers as there are workers, 8 at most; for none if that does
 * not fit. */
static void sessions_have_room_for_helpers(void **state)
{
    (void)state;
    struct registry *registry = NULL;
    struct picture_input input = {0};
    tiny_model_write("one", 1);
    const struct registry_options options = {.folder = scratch};
    assert_int_equal(registry_create(&options, &registry, NULL), LM_OK);
    assert_int_equal(registry_reload(registry, NULL), LM_OK);
    const struct model_entry *one = registry_find(registry, "one");
    assert_int_equal(draw_input(&one->dir, 0, &input), LM_OK);
    uint64_t alone = runner_bytes(one->model, BATCHES_DEFAULT_SIZE, NULL);
    for (uint32_t workers = 2; workers <= 10; workers += 4) {
        struct pool *pool = NULL;
        assert_int_equal(pool_create(workers < 8 ? workers : 8, 0, &pool, NULL), LM_OK);
        uint64_t shared = runner_bytes(one->model, BATCHES_DEFAULT_SIZE, pool);
        pool_free(pool);
        assert_true(shared > alone);
        struct jobs_options some = {.workers = workers, .session_bytes = workers * shared};
        expect_session_bytes(one, &input, &some, shared);
        some.session_bytes -= workers;
        expect_session_bytes(one, &input, &some, alone);
    }
    picture_input_free(&input);
    model_entry_release(one);
    registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(explanations_do_not_depend_on_load, scratch_make,
                                        scratch_remove),
        cmocka_unit_test(explanations_of_the_embedded_model),
        cmocka_unit_test_setup_teardown(predictions_do_not_depend_on_groups, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(sessions_are_bounded, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(sessions_have_room_for_helpers, scratch_make,
                                        scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
