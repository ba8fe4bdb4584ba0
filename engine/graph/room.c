/* The last step's rows fill the pool from its start, all others from its end, so that the youngest
 * of those are next to the free room.  A part of it that is given up is free when all runs have
 * ended that may have been told of the rows there. */
#include "graph/room.h"

#include <assert.h>

void room_clear(struct room *room)
{
    assert(!room->runs);
    room->full = false;
    room->late_end = 0;
    room->early_start = room->free_end = room->size;
}

uint32_t room_run_begins(struct room *room)
{
    room->runs++;
    if (!++room->last_run)
        room->last_run = 1;
    return room->last_run;
}

/* Whether a run in progress had begun when room was last given up; numbers may have wrapped. */
static bool is_before(const struct room *room, uint32_t run)
{
    return room->before && room->given_up_in - run < UINT32_MAX / 2;
}

void room_run_ends(struct room *room, uint32_t run)
{
    assert(room->runs > 0);
    room->runs--;
    if (is_before(room, run) && !--room->before)
        room->free_end = room->early_start;
}

static void give_up(struct room *room)
{
    uint32_t early = room->size - room->early_start, kept = room->size / ROOM_KEPT;
    uint32_t most = room->size / ROOM_STEP;
    if (room->before || early <= kept)
        return;
    room->early_start += early - kept < most ? early - kept : most;
    room->before = room->runs;
    room->given_up_in = room->last_run;
}

bool room_take(struct room *room, uint32_t cut, uint32_t *at)
{
    bool last = cut == room->last_cut;
    if (room->free_end - room->late_end < room->row[cut]) {
        room->full = true;
        if (last)
            give_up(room);
        return false;
    }
    if (room->full && !last)
        return false;
    if (last) {
        *at = room->late_end;
        room->late_end += room->row[cut];
    } else {
        *at = room->early_start = room->free_end -= room->row[cut];
    }
    return true;
}

bool room_holds(const struct room *room, uint32_t cut, uint32_t at)
{
    return cut == room->last_cut || at >= room->early_start;
}
