/* Memory of what the store hands out.  Contents are counted references: the memory store gives the
 * same 50 MB to many readers without copying them. */
#include "store/store_backend.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counted {
    struct store_content content; /* first: a content is the counted it is part of */
    atomic_uint owners;
    unsigned char bytes[]; /* bytes, then type and target with their NULs */
};

struct store_content *store_content_new(const char *type, const char *target, const void *bytes,
                                        size_t size)
{
    size_t type_size = strlen(type) + 1, target_size = strlen(target) + 1;
    if (size > STORE_MAX_BLOB)
        return NULL;
    struct counted *counted = malloc(sizeof *counted + size + type_size + target_size);
    if (!counted)
        return NULL;
    if (size)
        memcpy(counted->bytes, bytes, size);
    unsigned char *texts = counted->bytes + size;
    memcpy(texts, type, type_size);
    memcpy(texts + type_size, target, target_size);
    counted->content = (struct store_content){.type = (const char *)texts,
                                              .target = (const char *)texts + type_size,
                                              .bytes = counted->bytes,
                                              .size = size};
    atomic_init(&counted->owners, 1u);
    return &counted->content;
}

struct store_content *store_content_share(struct store_content *content)
{
    if (content)
        atomic_fetch_add(&((struct counted *)content)->owners, 1u);
    return content;
}

void store_content_free(struct store_content *content)
{
    if (content && atomic_fetch_sub(&((struct counted *)content)->owners, 1u) == 1)
        free(content);
}

void store_job_clear(struct store_job *job)
{
    if (!job)
        return;
    free(job->model);
    free(job->owner);
    free(job->error);
    free(job->result_type);
    *job = (struct store_job){0};
}

void store_list_clear(struct store_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++)
        store_job_clear(&list->jobs[i]);
    free(list->jobs);
    *list = (struct store_list){0};
}
