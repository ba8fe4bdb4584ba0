/* Pieces cut from blocks; a request's strings need one or two of them. */
#include "http/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096
#define ALIGNMENT _Alignof(max_align_t)

struct memory_block {
    struct memory_block *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char bytes[];
};

static struct memory_block *add_block(struct memory *memory, size_t size)
{
    size = size < BLOCK_BYTES ? BLOCK_BYTES : size;
    struct memory_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    *block = (struct memory_block){.next = memory->blocks, .size = size};
    memory->blocks = block;
    return block;
}

void *memory_alloc(struct memory *memory, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct memory_block *block = memory->blocks;
    if (!block || block->size - block->used < size)
        block = add_block(memory, size);
    if (!block)
        return NULL;
    void *piece = block->bytes + block->used;
    block->used += size;
    return piece;
}

char *memory_copy(struct memory *memory, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memory_alloc(memory, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

void memory_free(struct memory *memory)
{
    while (memory->blocks) {
        struct memory_block *next = memory->blocks->next;
        free(memory->blocks);
        memory->blocks = next;
    }
}
