/* Prints what onnx_read makes of a file, for comparison with another reader.
 *
 *     onnx_dump MODEL           one JSON object a line: the model, then each value, node and
 * tensor; a tensor's line is followed by its count * 4 or 8 bytes and "\n" onnx_dump --memory MODEL
 * peak of the process in kB before and after reading (Linux)
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "onnx/onnx.h"

/* Names in tests have no characters that JSON would escape, but for what onnx_quote removes. */
static void print_names(const char *key, char *const *names, size_t n)
{
    printf(", \"%s\": [", key);
    for (size_t k = 0; k < n; k++)
        printf("%s\"%s\"", k ? ", " : "", names[k]);
    printf("]");
}

static void print_dims(uint32_t rank, const int64_t *dims)
{
    printf(", \"dims\": [");
    for (uint32_t k = 0; k < rank; k++)
        printf("%s%" PRId64, k ? ", " : "", dims[k]);
    printf("]");
}

static void print_tensor(const struct onnx_tensor *tensor)
{
    size_t size = tensor->type == ONNX_FLOAT ? sizeof(float) : sizeof(int64_t);
    printf("{\"tensor\": \"%s\", \"source_type\": %" PRId32 ", \"bytes\": %zu", tensor->name,
           tensor->source_type, tensor->count * size);
    print_dims(tensor->rank, tensor->dims);
    printf("}\n");
    fwrite(tensor->data, size, tensor->count, stdout);
    printf("\n");
}

static void print_attribute(const struct onnx_attribute *attribute)
{
    printf("{\"attribute\": \"%s\", \"kind\": %d", attribute->name, (int)attribute->kind);
    switch (attribute->kind) {
    case ONNX_ATTR_FLOAT: printf(", \"value\": %.9g", (double)attribute->f); break;
    case ONNX_ATTR_INT: printf(", \"value\": %" PRId64, attribute->i); break;
    case ONNX_ATTR_STRING: printf(", \"value\": \"%s\"", attribute->s); break;
    case ONNX_ATTR_FLOATS:
    case ONNX_ATTR_INTS:
        printf(", \"value\": [");
        for (size_t k = 0; k < attribute->n; k++)
            if (attribute->kind == ONNX_ATTR_FLOATS)
                printf("%s%.9g", k ? ", " : "", (double)attribute->floats[k]);
            else
                printf("%s%" PRId64, k ? ", " : "", attribute->ints[k]);
        printf("]");
        break;
    default: break;
    }
    printf("}\n");
    if (attribute->kind == ONNX_ATTR_TENSOR)
        print_tensor(&attribute->tensor);
}

static void print_node(const struct onnx_node *node)
{
    printf("{\"node\": \"%s\", \"op\": \"%s\", \"attributes\": %zu", node->name, node->op,
           node->n_attributes);
    print_names("inputs", node->inputs, node->n_inputs);
    print_names("outputs", node->outputs, node->n_outputs);
    printf("}\n");
    for (size_t k = 0; k < node->n_attributes; k++)
        print_attribute(&node->attributes[k]);
}

static void print_values(const char *kind, const struct onnx_value *values, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        printf("{\"%s\": \"%s\", \"source_type\": %" PRId32, kind, values[k].name,
               values[k].source_type);
        print_dims(values[k].rank, values[k].dims);
        printf("}\n");
    }
}

static void print_model(const struct onnx_model *model)
{
    printf("{\"ir_version\": %" PRId64 ", \"opset\": %" PRId64 "}\n", model->ir_version,
           model->opset);
    print_values("input", model->inputs, model->n_inputs);
    print_values("output", model->outputs, model->n_outputs);
    for (size_t k = 0; k < model->n_nodes; k++)
        print_node(&model->nodes[k]);
    for (size_t k = 0; k < model->n_initializers; k++)
        print_tensor(&model->initializers[k]);
}

static long peak_kb(void)
{
    char line[200];
    long peak = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "VmHWM: %ld", &peak);
    if (file)
        fclose(file);
    return peak;
}

int main(int argc, char **argv)
{
    const struct lm_model_limits limits = {(uint64_t)1 << 31, 20000, (uint64_t)1 << 29,
                                           (uint64_t)1 << 32};
    int memory = argc == 3 && strcmp(argv[1], "--memory") == 0;
    if (argc != 2 + memory)
        return 2;
    struct onnx_model model;
    struct lm_error error = {0};
    long before = peak_kb();
    if (onnx_read(argv[1 + memory], &limits, &model, &error) != LM_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    if (memory)
        printf("%ld %ld\n", before, peak_kb());
    else
        print_model(&model);
    onnx_free(&model);
    return 0;
}
