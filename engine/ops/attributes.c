/* What kind of value an attribute holds, whatever the operator: ONNX uses each name for one kind,
 * but for "value".
 *
 * An attribute of another kind would otherwise be taken for one that is not there, and the network
 * would run with a default in its place. */
#include <string.h>

#include "ops/ops.h"

enum { INT = 1, FLOAT = 2, STRING = 4, INTS = 8, TENSOR = 16 };

static const struct {
    const char *name;
    unsigned kinds;
} known[] = {
    {"allowzero", INT},
    {"alpha", FLOAT},
    {"approximate", STRING},
    {"auto_pad", STRING},
    {"axes", INTS},
    {"axis", INT},
    {"beta", FLOAT},
    {"bias", FLOAT},
    {"ceil_mode", INT},
    {"count_include_pad", INT},
    {"dilations", INTS},
    {"end", INT},
    {"ends", INTS},
    {"epsilon", FLOAT},
    {"fmod", INT},
    {"group", INT},
    {"keepdims", INT},
    {"kernel_shape", INTS},
    {"max", FLOAT},
    {"min", FLOAT},
    {"mode", STRING},
    {"momentum", FLOAT},
    {"noop_with_empty_axes", INT},
    {"num_outputs", INT},
    {"pads", INTS},
    {"perm", INTS},
    {"ratio", FLOAT},
    {"saturate", INT},
    {"size", INT},
    {"split", INTS},
    {"start", INT},
    {"starts", INTS},
    {"stash_type", INT},
    {"storage_order", INT},
    {"strides", INTS},
    {"to", INT},
    {"training_mode", INT},
    {"transA", INT},
    {"transB", INT},
    {"value", FLOAT | TENSOR},
};

static unsigned kind_of(const struct onnx_attribute *attribute)
{
    switch (attribute->kind) {
    case ONNX_ATTR_INT: return INT;
    case ONNX_ATTR_FLOAT: return FLOAT;
    case ONNX_ATTR_STRING: return STRING;
    case ONNX_ATTR_INTS: return INTS;
    case ONNX_ATTR_TENSOR: return TENSOR;
    default: return 0;
    }
}

static const char *kind_name(unsigned kinds)
{
    switch (kinds) {
    case INT: return "an integer";
    case FLOAT: return "a float";
    case STRING: return "a string";
    case INTS: return "a list of integers";
    default: return "a float or a tensor";
    }
}

enum lm_status attributes_check(struct lowering *l, const struct onnx_node *node)
{
    for (size_t i = 0; i < node->n_attributes; i++) {
        const struct onnx_attribute *attribute = &node->attributes[i];
        size_t k = 0, n = sizeof known / sizeof known[0];
        while (k < n && strcmp(known[k].name, attribute->name) != 0)
            k++;
        if (k < n && !(known[k].kinds & kind_of(attribute)))
            return lm_fail(l->error, LM_CORRUPT, "attribute %s is not %s", known[k].name,
                           kind_name(known[k].kinds));
    }
    return LM_OK;
}
