/* Topological order of a graph's nodes.
 *
 * Depth first from each node in the file's order, writers before readers: a file that is in order
 * keeps its order, and a node found on the way to itself is on a cycle.  Iterative, because graphs
 * may be as deep as they have nodes.
 */
#include "base/memory.h"
#include "onnx/reader.h"

enum state { NEW, OPEN, DONE };

struct walk {
    const struct onnx_links *links;
    size_t *order, *stack, *next; /* next[k]: link of node k to look at next */
    uint8_t *state;
    size_t n_order, n_stack;
};

static void open_node(struct walk *walk, size_t node)
{
    walk->state[node] = OPEN;
    walk->next[node] = walk->links->first[node];
    walk->stack[walk->n_stack++] = node;
}

/* Returns a node on a cycle, or ONNX_NO_NODE. */
static size_t visit(struct walk *walk, size_t start)
{
    open_node(walk, start);
    while (walk->n_stack > 0) {
        size_t node = walk->stack[walk->n_stack - 1];
        if (walk->next[node] == walk->links->first[node + 1]) {
            walk->state[node] = DONE;
            walk->order[walk->n_order++] = node;
            walk->n_stack--;
            continue;
        }
        size_t producer = walk->links->producer[walk->next[node]++];
        if (producer == ONNX_NO_NODE || walk->state[producer] == DONE)
            continue;
        if (walk->state[producer] == OPEN)
            return producer;
        open_node(walk, producer);
    }
    return ONNX_NO_NODE;
}

static enum lm_status find_order(const struct onnx_reader *reader, const struct onnx_model *model,
                                 struct walk *walk)
{
    for (size_t k = 0; k < model->n_nodes; k++) {
        if (walk->state[k] != NEW)
            continue;
        size_t loop = visit(walk, k);
        if (loop != ONNX_NO_NODE) {
            char where[ONNX_WHERE];
            onnx_node_text(model->nodes[loop].name, model->nodes[loop].op, loop, where);
            return onnx_fail(reader, LM_CORRUPT, "%s: it needs its own output (a cycle)", where);
        }
    }
    return LM_OK;
}

static enum lm_status apply_order(const struct onnx_reader *reader, struct onnx_model *model,
                                  const size_t *order)
{
    struct onnx_node *nodes = array_alloc(model->n_nodes, sizeof *nodes);
    if (!nodes)
        return onnx_nomem(reader);
    for (size_t k = 0; k < model->n_nodes; k++)
        nodes[k] = model->nodes[order[k]];
    free(model->nodes);
    model->nodes = nodes;
    return LM_OK;
}

enum lm_status onnx_sort(const struct onnx_reader *reader, struct onnx_model *model,
                         const struct onnx_links *links)
{
    size_t n = model->n_nodes;
    struct walk walk = {
        .links = links,
        .order = array_alloc(n, sizeof *walk.order),
        .stack = array_alloc(n, sizeof *walk.stack),
        .next = array_alloc(n, sizeof *walk.next),
        .state = array_zalloc(n, sizeof *walk.state),
    };
    enum lm_status status;
    if (!walk.order || !walk.stack || !walk.next || !walk.state)
        status = onnx_nomem(reader);
    else
        status = find_order(reader, model, &walk);
    if (status == LM_OK)
        status = apply_order(reader, model, walk.order);
    free(walk.order);
    free(walk.stack);
    free(walk.next);
    free(walk.state);
    return status;
}
