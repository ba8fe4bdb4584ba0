/* Making entries.  For the registry. */
#ifndef JOBS_MODEL_ENTRY_H
#define JOBS_MODEL_ENTRY_H

#include "jobs/registry.h"

/* Loads the model in `path`; its one reference is the caller's.  old: when the files are still
 * those of this entry, *out is NULL; NULL: load in any case.  retire may be NULL. */
enum lm_status model_entry_load(const char *name, const char *path, const struct model_entry *old,
                                const struct registry_options *options, struct model_entry **out,
                                struct lm_error *error);

#endif
