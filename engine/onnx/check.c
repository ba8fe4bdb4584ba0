/* What the nodes of a file say, checked one by one; then who writes which tensor.
 *
 * Names are looked up in a sorted table rather than a hash table: its worst case is the same for
 * names that someone has chosen.
 */
#include <string.h>

#include "base/memory.h"
#include "onnx/reader.h"

static enum lm_status check_attributes(const struct onnx_reader *reader, const char *where,
                                       const struct onnx_node *node)
{
    char name[ONNX_QUOTE];
    if (node->n_attributes > ONNX_MAX_ATTRIBUTES)
        return onnx_fail(reader, LM_LIMIT, "%s: %zu attributes (limit %d)", where,
                         node->n_attributes, ONNX_MAX_ATTRIBUTES);
    for (size_t k = 0; k < node->n_attributes; k++) {
        const struct onnx_attribute *attribute = &node->attributes[k];
        if (!*attribute->name)
            return onnx_fail(reader, LM_CORRUPT, "%s: attribute %zu has no name", where, k);
        if (onnx_attribute_find(node, attribute->name) != attribute)
            return onnx_fail(reader, LM_CORRUPT, "%s: attribute \"%s\" is given twice", where,
                             onnx_quote(attribute->name, name));
    }
    return LM_OK;
}

static enum lm_status check_node(const struct onnx_reader *reader, struct onnx_node *node,
                                 size_t index)
{
    char where[ONNX_WHERE], domain[ONNX_QUOTE];
    onnx_node_text(node->name, node->op, index, where);
    if (!*node->op)
        return onnx_fail(reader, LM_CORRUPT, "%s: it has no operator", where);
    if (strcmp(node->domain, "ai.onnx") == 0)
        node->domain[0] = '\0';
    if (*node->domain)
        return onnx_fail(reader, LM_UNSUPPORTED, "%s: domain \"%s\" is not supported", where,
                         onnx_quote(node->domain, domain));
    if (node->n_outputs == 0)
        return onnx_fail(reader, LM_CORRUPT, "%s: it has no output", where);
    return check_attributes(reader, where, node);
}

enum lm_status onnx_check_nodes(const struct onnx_reader *reader, struct onnx_model *model)
{
    enum lm_status status = LM_OK;
    for (size_t k = 0; k < model->n_nodes && status == LM_OK; k++)
        status = check_node(reader, &model->nodes[k], k);
    return status;
}

/* Who writes a tensor; the order matters to take_names. */
enum writer { INITIALIZER, INPUT, NODE };

struct name {
    const char *text;
    enum writer writer;
    size_t index; /* of the writer among its kind */
};

struct names {
    struct name *list;
    size_t n;
};

static int compare_names(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    if (order != 0)
        return order;
    if (x->writer != y->writer)
        return x->writer < y->writer ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static const struct name *find_name(const struct names *names, const char *text)
{
    size_t low = 0, high = names->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(text, names->list[middle].text);
        if (order == 0)
            return &names->list[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool alloc_names(const struct onnx_model *model, struct names *names)
{
    size_t most;
    if (!size_add(model->n_initializers, model->n_inputs, &most))
        return false;
    for (size_t k = 0; k < model->n_nodes; k++)
        if (!size_add(most, model->nodes[k].n_outputs, &most))
            return false;
    names->list = array_alloc(most, sizeof *names->list);
    return names->list != NULL;
}

static void add_name(struct names *names, const char *text, enum writer writer, size_t index)
{
    names->list[names->n++] = (struct name){text, writer, index};
}

static enum lm_status list_names(const struct onnx_reader *reader, const struct onnx_model *model,
                                 struct names *names)
{
    if (!alloc_names(model, names))
        return onnx_nomem(reader);
    for (size_t k = 0; k < model->n_initializers; k++) {
        if (!*model->initializers[k].name)
            return onnx_fail(reader, LM_CORRUPT, "initializer %zu has no name", k);
        add_name(names, model->initializers[k].name, INITIALIZER, k);
    }
    for (size_t k = 0; k < model->n_inputs; k++) {
        if (!*model->inputs[k].name)
            return onnx_fail(reader, LM_CORRUPT, "input %zu of the graph has no name", k);
        add_name(names, model->inputs[k].name, INPUT, k);
    }
    for (size_t k = 0; k < model->n_nodes; k++)
        for (size_t o = 0; o < model->nodes[k].n_outputs; o++)
            if (*model->nodes[k].outputs[o])
                add_name(names, model->nodes[k].outputs[o], NODE, k);
    qsort(names->list, names->n, sizeof *names->list, compare_names);
    return LM_OK;
}

static void writer_text(const struct onnx_model *model, const struct name *name,
                        char out[ONNX_WHERE])
{
    if (name->writer != NODE) {
        strcpy(out, name->writer == INPUT ? "an input" : "an initializer");
        return;
    }
    const struct onnx_node *node = &model->nodes[name->index];
    onnx_node_text(node->name, node->op, name->index, out);
}

/* Names that are there twice fail, but for inputs that are initializers (their default, which is
 * all that this engine uses): those are taken out of the table, and drop[input] is set. */
static enum lm_status unite_names(const struct onnx_reader *reader, const struct onnx_model *model,
                                  struct names *names, bool *drop)
{
    size_t kept = 0;
    for (size_t k = 0; k < names->n; k++) {
        const struct name *name = &names->list[k], *before = k ? name - 1 : NULL;
        if (!before || strcmp(before->text, name->text) != 0) {
            names->list[kept++] = *name;
        } else if (before->writer == INITIALIZER && name->writer == INPUT) {
            drop[name->index] = true;
        } else {
            char text[ONNX_QUOTE], first[ONNX_WHERE], second[ONNX_WHERE];
            writer_text(model, before, first);
            writer_text(model, name, second);
            return onnx_fail(reader, LM_CORRUPT, "tensor \"%s\" is written twice: by %.150s and %s",
                             onnx_quote(name->text, text), first, second);
        }
    }
    names->n = kept;
    return LM_OK;
}

static void drop_inputs(struct onnx_model *model, const bool *drop)
{
    size_t kept = 0;
    for (size_t k = 0; k < model->n_inputs; k++) {
        if (drop[k])
            free(model->inputs[k].name);
        else
            model->inputs[kept++] = model->inputs[k];
    }
    model->n_inputs = kept;
}

static enum lm_status take_names(const struct onnx_reader *reader, struct onnx_model *model,
                                 struct names *names)
{
    bool *drop = NULL;
    enum lm_status status = list_names(reader, model, names);
    if (status != LM_OK)
        goto done;
    drop = array_zalloc(model->n_inputs, sizeof *drop);
    if (!drop) {
        status = onnx_nomem(reader);
        goto done;
    }
    status = unite_names(reader, model, names, drop);
    if (status == LM_OK)
        drop_inputs(model, drop);
done:
    free(drop);
    return status;
}

static enum lm_status check_ends(const struct onnx_reader *reader, const struct onnx_model *model,
                                 const struct names *names)
{
    char text[ONNX_QUOTE];
    if (model->n_inputs == 0)
        return onnx_fail(reader, LM_CORRUPT, "the graph has no input");
    if (model->n_outputs == 0)
        return onnx_fail(reader, LM_CORRUPT, "the graph has no output");
    for (size_t k = 0; k < model->n_outputs; k++)
        if (!find_name(names, model->outputs[k].name))
            return onnx_fail(reader, LM_CORRUPT, "output \"%s\" of the graph: nothing writes it",
                             onnx_quote(model->outputs[k].name, text));
    return LM_OK;
}

static enum lm_status link_node(const struct onnx_reader *reader, const struct onnx_model *model,
                                const struct names *names, size_t index, size_t *producer)
{
    const struct onnx_node *node = &model->nodes[index];
    for (size_t k = 0; k < node->n_inputs; k++) {
        producer[k] = ONNX_NO_NODE;
        if (!*node->inputs[k])
            continue;
        const struct name *name = find_name(names, node->inputs[k]);
        if (!name) {
            char where[ONNX_WHERE], text[ONNX_QUOTE];
            onnx_node_text(node->name, node->op, index, where);
            return onnx_fail(reader, LM_CORRUPT, "%s: input \"%s\": nothing writes it", where,
                             onnx_quote(node->inputs[k], text));
        }
        if (name->writer == NODE)
            producer[k] = name->index;
    }
    return LM_OK;
}

static bool alloc_links(const struct onnx_model *model, struct onnx_links *links)
{
    links->first = array_alloc(model->n_nodes + 1, sizeof *links->first);
    if (!links->first)
        return false;
    links->first[0] = 0;
    for (size_t k = 0; k < model->n_nodes; k++)
        if (!size_add(links->first[k], model->nodes[k].n_inputs, &links->first[k + 1]))
            return false;
    links->producer = array_alloc(links->first[model->n_nodes], sizeof *links->producer);
    return links->producer != NULL;
}

enum lm_status onnx_link(const struct onnx_reader *reader, struct onnx_model *model,
                         struct onnx_links *links)
{
    struct names names = {0};
    enum lm_status status = take_names(reader, model, &names);
    if (status == LM_OK)
        status = check_ends(reader, model, &names);
    if (status == LM_OK && !alloc_links(model, links))
        status = onnx_nomem(reader);
    for (size_t k = 0; k < model->n_nodes && status == LM_OK; k++)
        status = link_node(reader, model, &names, k, links->producer + links->first[k]);
    free(names.list);
    return status;
}
