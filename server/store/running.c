/* The running jobs in a balanced tree (libc's tsearch). */
#include "store/running.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* The id is the first member, so that a text can be looked up as well. */
static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

struct running_job *running_find(struct running *running, const char *id)
{
    struct running_job **node = tfind(id, &running->tree, compare);
    return node ? *node : NULL;
}

void running_add(struct running *running, const char *id, uint64_t total)
{
    struct running_job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    memcpy(job->id, id, sizeof job->id);
    job->total = total;
    struct running_job **node = tsearch(job, &running->tree, compare);
    if (!node || *node != job)
        free(job);
}

void running_remove(struct running *running, const char *id)
{
    struct running_job *job = running_find(running, id);
    if (job)
        tdelete(id, &running->tree, compare);
    free(job);
}

void running_clear(struct running *running)
{
    while (running->tree) /* a node begins with its key */
        running_remove(running, (*(struct running_job **)running->tree)->id);
}
