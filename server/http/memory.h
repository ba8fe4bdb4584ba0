/* Small pieces of memory that are freed together. */
#ifndef HTTP_MEMORY_H
#define HTTP_MEMORY_H

#include <stddef.h>

struct memory_block;

struct memory {
    struct memory_block *blocks;
};

/* NULL: out of memory. */
void *memory_alloc(struct memory *memory, size_t size);
char *memory_copy(struct memory *memory, const char *text);
void memory_free(struct memory *memory);

#endif
