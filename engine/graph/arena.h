/* Memory for the values of a run. */
#ifndef LM_GRAPH_ARENA_H
#define LM_GRAPH_ARENA_H

#include "graph/plan.h"

/* Sets plan->arena and the offset of every value that has rows, from their rows, channels and
 * lives; values that are alive at the same time never overlap.  Errors: LM_NOMEM. */
enum lm_status arena_plan(const struct graph *graph, struct plan *plan, struct lm_error *error);

#endif
