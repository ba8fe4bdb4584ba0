/* How far the running jobs are: what changes too often for a disk.  Not locked. */
#ifndef STORE_RUNNING_H
#define STORE_RUNNING_H

#include <stdbool.h>
#include <stdint.h>

#include "store/id.h"

struct running {
    void *tree; /* {0} is empty */
};

struct running_job {
    char id[STORE_ID_SIZE];
    uint64_t done, total;
};

/* NULL if it is not there. */
struct running_job *running_find(struct running *running, const char *id);
/* Out of memory, it is not there, and its progress is not shown. */
void running_add(struct running *running, const char *id, uint64_t total);
void running_remove(struct running *running, const char *id);
void running_clear(struct running *running);

#endif
