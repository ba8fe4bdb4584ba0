/* What `layermask bench` prints. */
#ifndef CLI_BENCH_REPORT_H
#define CLI_BENCH_REPORT_H

#include "cli/bench_run.h"

/* A flop is an addition or a multiplication: two for each multiply-add.  gflops_needed is for one
 * picture and counts the sites that its mask makes necessary; active_share is their part of what
 * the whole picture would take. */
enum lm_status bench_print_json(const struct model_dir *dir, const struct lm_model *model,
                                const struct bench_options *options,
                                const struct bench_result *result, struct lm_error *error);
void bench_print_text(const struct model_dir *dir, const struct lm_model *model,
                      const struct bench_options *options, const struct bench_result *result);

#endif
