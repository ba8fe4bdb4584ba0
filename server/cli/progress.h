/* A progress bar on standard error, if that is a terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;      /* standard error is a terminal */
    double start_ms; /* when work began */
    double drawn_ms; /* when the bar was last drawn */
};

void progress_begin(struct progress *progress);

/* batches.h's progress callback, with a struct progress as context; always true. */
bool progress_update(void *progress, uint32_t done, uint32_t total);

/* Removes the bar. */
void progress_end(struct progress *progress);

#endif
