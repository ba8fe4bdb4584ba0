/* Where a run's time goes, and the work that it was for.
 *
 * A step's bytes are a floor, not a measurement: each row of its inputs that some window can reach
 * is read once, each row of its output is written once, the weights are read once a run. */
#include "session_profile.h"

#include <string.h>
#include <time.h>

#include "base/memory.h"

bool profile_create(const struct lm_model *model, struct profile *out)
{
    size_t n = model->graph.n_steps;
    *out = (struct profile){.steps = array_zalloc(n, sizeof *out->steps)};
    return out->steps || !n;
}

void profile_free(struct profile *profile)
{
    free(profile->steps);
    *profile = (struct profile){0};
}

void profile_reset(struct profile *profile, size_t steps, bool on)
{
    profile->on = on;
    profile->sums = (struct lm_profile){0};
    memset(profile->steps, 0, steps * sizeof *profile->steps);
}

void profile_read(const struct profile *profile, const struct lm_model *model,
                  struct lm_profile *out, struct lm_step_profile *steps)
{
    *out = profile->sums;
    for (uint32_t i = 0; steps && i < model->graph.n_steps; i++) {
        struct lm_layer_info layer;
        lm_model_layer(model, i, &layer);
        steps[i] = profile->steps[i];
        steps[i].name = layer.name;
        steps[i].kind = layer.kind;
        steps[i].bytes += profile->sums.runs * layer.parameters * sizeof(float);
    }
}

uint64_t profile_now(const struct profile *profile)
{
    struct timespec now;
    if (!profile->on)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void profile_run(struct profile *profile, uint32_t n, uint64_t planning_ns, uint64_t reading_ns)
{
    if (!profile->on)
        return;
    profile->sums.runs++;
    profile->sums.images += n;
    profile->sums.planning_ns += planning_ns;
    profile->sums.reading_ns += reading_ns;
}

/* Rows of input `index` that the step's rows can reach. */
static uint64_t rows_reached(const struct run *run, const struct step *step, uint32_t index,
                             const struct window *window)
{
    uint32_t in = step->inputs[index];
    uint64_t there = run->states[in].n_rows, reach = run->states[step->output].n_rows;
    if (run->graph->values[in].spatial && !run->graph->values[step->output].spatial && !window)
        return there; /* of all sites together */
    if (index == 0 && window)
        reach *= window_taps(window);
    return there < reach ? there : reach;
}

static uint64_t bytes_of_rows(const struct run *run, struct step *step)
{
    const struct value *values = run->graph->values;
    const struct window *window = step->kind->window ? step->kind->window(step) : NULL;
    uint64_t floats =
        (uint64_t)run->states[step->output].n_rows * value_stride(&values[step->output]);
    for (uint32_t i = 0; i < step->n_inputs; i++)
        floats += rows_reached(run, step, i, window) * value_stride(&values[step->inputs[i]]);
    return floats * sizeof(float);
}

void profile_step(struct profile *profile, const struct run *run, size_t index, uint64_t start_ns,
                  const struct lm_run_stats *before)
{
    if (!profile->on)
        return;
    struct step *step = &run->graph->steps[index];
    struct lm_step_profile *sums = &profile->steps[index];
    sums->time_ns += profile_now(profile) - start_ns;
    sums->kernel = run->kernel ? run->kernel : step->kind->name;
    sums->macs_needed += run->stats.macs_needed - before->macs_needed;
    sums->macs_done += run->stats.macs_done - before->macs_done;
    if (run->to < run->n) /* more samples come, and these are counted with the last */
        return;
    sums->rows += run->states[step->output].n_rows;
    sums->rows_plain += value_sites(&run->graph->values[step->output]) * run->n;
    sums->bytes += bytes_of_rows(run, step);
}
