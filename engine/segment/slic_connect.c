/* Connected pieces: k-means leaves clusters in several parts, some of a few pixels.
 *
 * Pixels are visited in reading order.  A pixel without a piece starts one, which spreads over its
 * cluster breadth first until it has max_size pixels (what is left starts another).  A piece with
 * fewer than min_size pixels is given to a neighbouring earlier piece: the one that the search met
 * last, which depends on the order right, left, down, up in which it looks around; this order is
 * part of the result and must stay. */
#include "base/memory.h"
#include "segment/slic.h"

enum { NO_PIECE = -1 };

struct place {
    uint32_t y, x;
};

struct flood {
    const int32_t *clusters;
    int32_t *labels;
    size_t width, height;
    struct place *queue; /* max_size places: the pixels of the piece, in order of discovery */
    size_t max_size, size;
    int32_t label, neighbour; /* of the piece; of the earlier piece met last */
};

/* Looks at one pixel beside the piece: its own, somebody else's, or of another cluster. */
static void meet(struct flood *flood, int32_t cluster, size_t y, size_t x)
{
    if (y >= flood->height || x >= flood->width)
        return;
    size_t pixel = y * flood->width + x;
    int32_t label = flood->labels[pixel];
    if (label == NO_PIECE && flood->clusters[pixel] == cluster && flood->size < flood->max_size) {
        flood->labels[pixel] = flood->label;
        flood->queue[flood->size++] = (struct place){(uint32_t)y, (uint32_t)x};
    } else if (label != NO_PIECE && label != flood->label) {
        flood->neighbour = label;
    }
}

/* Coordinates left of or above the picture wrap round to huge ones, which meet() refuses. */
static void spread(struct flood *flood, size_t y, size_t x)
{
    int32_t cluster = flood->clusters[y * flood->width + x];
    flood->neighbour = flood->label;
    flood->labels[y * flood->width + x] = flood->label;
    flood->queue[0] = (struct place){(uint32_t)y, (uint32_t)x};
    flood->size = 1;
    for (size_t next = 0; next < flood->size && flood->size < flood->max_size; next++) {
        size_t at_y = flood->queue[next].y, at_x = flood->queue[next].x;
        meet(flood, cluster, at_y, at_x + 1);
        meet(flood, cluster, at_y, at_x - 1);
        meet(flood, cluster, at_y + 1, at_x);
        meet(flood, cluster, at_y - 1, at_x);
    }
}

static void give_away(const struct flood *flood)
{
    for (size_t i = 0; i < flood->size; i++)
        flood->labels[flood->queue[i].y * flood->width + flood->queue[i].x] = flood->neighbour;
}

bool slic_connect(const int32_t *clusters, size_t width, size_t height, size_t min_size,
                  size_t max_size, int32_t *labels, uint32_t *count)
{
    struct flood flood = {.clusters = clusters,
                          .labels = labels,
                          .width = width,
                          .height = height,
                          .max_size = max_size,
                          .queue = array_alloc(max_size, sizeof *flood.queue)};
    if (!flood.queue)
        return false;
    for (size_t pixel = 0; pixel < width * height; pixel++)
        labels[pixel] = NO_PIECE;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            if (labels[y * width + x] != NO_PIECE)
                continue;
            spread(&flood, y, x);
            if (flood.size < min_size)
                give_away(&flood);
            else
                flood.label++;
        }
    /* A first piece that is too small has no earlier neighbour: it keeps label 0, shared with the
     * next piece, which touches it. */
    *count = (uint32_t)(flood.label > 0 ? flood.label : 1);
    free(flood.queue);
    return true;
}
