/* Writes protobuf's wire format, right or wrong on purpose, for tests.
 *
 *     struct wire node = {0};
 *     wire_text(&node, 4, "Relu");
 *     wire_put(&graph, 1, &node);    appends it as field 1, and frees it
 */
#ifndef TEST_WIRE_H
#define TEST_WIRE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct wire {
    uint8_t *bytes;
    size_t size, capacity;
};

static inline void wire_bytes(struct wire *wire, const void *bytes, size_t size)
{
    if (wire->size + size > wire->capacity) {
        wire->capacity = 2 * (wire->size + size) + 64;
        wire->bytes = realloc(wire->bytes, wire->capacity);
        if (!wire->bytes)
            abort();
    }
    if (size > 0)
        memcpy(wire->bytes + wire->size, bytes, size);
    wire->size += size;
}

static inline void wire_varint(struct wire *wire, uint64_t value)
{
    while (value >= 0x80) {
        uint8_t byte = (uint8_t)(value | 0x80);
        wire_bytes(wire, &byte, 1);
        value >>= 7;
    }
    uint8_t last = (uint8_t)value;
    wire_bytes(wire, &last, 1);
}

static inline void wire_tag(struct wire *wire, uint32_t field, uint32_t type)
{
    wire_varint(wire, (uint64_t)field << 3 | type);
}

static inline void wire_int(struct wire *wire, uint32_t field, int64_t value)
{
    wire_tag(wire, field, 0);
    wire_varint(wire, (uint64_t)value);
}

static inline void wire_float(struct wire *wire, uint32_t field, float value)
{
    wire_tag(wire, field, 5);
    wire_bytes(wire, &value, sizeof value);
}

static inline void wire_data(struct wire *wire, uint32_t field, const void *bytes, size_t size)
{
    wire_tag(wire, field, 2);
    wire_varint(wire, size);
    wire_bytes(wire, bytes, size);
}

static inline void wire_text(struct wire *wire, uint32_t field, const char *text)
{
    wire_data(wire, field, text, strlen(text));
}

static inline void wire_ints(struct wire *wire, uint32_t field, const int64_t *values, size_t n)
{
    struct wire list = {0};
    for (size_t k = 0; k < n; k++)
        wire_varint(&list, (uint64_t)values[k]);
    wire_data(wire, field, list.bytes, list.size);
    free(list.bytes);
}

static inline void wire_free(struct wire *wire)
{
    free(wire->bytes);
    *wire = (struct wire){0};
}

static inline void wire_put(struct wire *wire, uint32_t field, struct wire *message)
{
    wire_data(wire, field, message->bytes, message->size);
    wire_free(message);
}

#endif
