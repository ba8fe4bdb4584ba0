/* What models may multiply, by name; the order is that of the enum in model.h. */
#include "codec/precision.h"

#include <string.h>

static const char *const names[] = {"float32", "bfloat16"};

bool precision_parse(const char *text, enum lm_precision *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], text) == 0) {
            *out = (enum lm_precision)i;
            return true;
        }
    return false;
}

const char *precision_name(enum lm_precision precision)
{
    return names[precision];
}
