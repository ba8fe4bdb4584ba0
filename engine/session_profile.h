/* What a session notes about its steps while it is profiled. */
#ifndef LM_SESSION_PROFILE_H
#define LM_SESSION_PROFILE_H

#include "graph/run.h"
#include "layermask/session.h"
#include "model_room.h"

struct profile {
    bool on;
    struct lm_profile sums;
    struct lm_step_profile *steps; /* of each step; weights are added when it is read */
};

/* false when out of memory. */
bool profile_create(const struct lm_model *model, struct profile *out);
void profile_free(struct profile *profile);

void profile_reset(struct profile *profile, size_t steps, bool on);
void profile_read(const struct profile *profile, const struct lm_model *model,
                  struct lm_profile *out, struct lm_step_profile *steps);

/* Nanoseconds from some fixed point; 0 if the profile is off. */
uint64_t profile_now(const struct profile *profile);

/* Before the steps of a run of n images. */
void profile_run(struct profile *profile, uint32_t n, uint64_t planning_ns, uint64_t reading_ns);

/* After step `index`, which began at start_ns with these stats. */
void profile_step(struct profile *profile, const struct run *run, size_t index, uint64_t start_ns,
                  const struct lm_run_stats *before);

#endif
