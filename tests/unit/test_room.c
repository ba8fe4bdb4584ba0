/* Where remembered rows stand: who gets room, who gives it up, and when it is used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/room.h"

enum { SIZE = 96, KEPT = SIZE / ROOM_KEPT, STEP = SIZE / ROOM_STEP, LAST = 2 };

/* Rows of 1, 2 and 3 units. */
static struct room new_room(void)
{
    struct room room = {.size = SIZE, .row = {1, 2, 3}, .last_cut = LAST};
    room_clear(&room);
    return room;
}

static void assert_taken(struct room *room, uint32_t cut, uint32_t expected)
{
    uint32_t at = UINT32_MAX;
    assert_true(room_take(room, cut, &at));
    assert_int_equal(at, expected);
    assert_true(room_holds(room, cut, at));
}

static void assert_refused(struct room *room, uint32_t cut)
{
    uint32_t at = 1234;
    assert_false(room_take(room, cut, &at));
    assert_int_equal(at, 1234);
}

/* Early rows in all of the room. */
static struct room full_of_early_rows(void)
{
    struct room room = new_room();
    for (uint32_t at = SIZE; at; at -= 2)
        assert_taken(&room, 1, at - 2);
    return room;
}

static void test_one_pool_for_all(void **state)
{
    (void)state;
    struct room room = new_room();
    uint32_t run = room_run_begins(&room);
    assert_taken(&room, LAST, 0);
    assert_taken(&room, 0, SIZE - 1);
    assert_taken(&room, 1, SIZE - 3);
    for (uint32_t at = 3; at < SIZE - 3; at += 3)
        assert_taken(&room, LAST, at);
    assert_refused(&room, LAST);
    room_run_ends(&room, run);
    assert_refused(&room, LAST); /* the others have less than what they keep */
    assert_true(room_holds(&room, 1, SIZE - 3));

    room_clear(&room);
    for (uint32_t at = 0; at < SIZE; at += 3)
        assert_taken(&room, LAST, at);
    for (uint32_t cut = 0; cut <= LAST; cut++)
        assert_refused(&room, cut);
}

static void test_earlier_steps_stop_when_it_is_full(void **state)
{
    (void)state;
    struct room room = new_room();
    for (uint32_t at = SIZE; at > 2; at -= 2)
        assert_taken(&room, 1, at - 2);
    assert_refused(&room, LAST);
    assert_refused(&room, 0); /* which would fit */
    room_clear(&room);
    assert_taken(&room, 0, SIZE - 1);
}

static void test_the_youngest_give_up_their_room(void **state)
{
    (void)state;
    struct room room = full_of_early_rows();
    uint32_t run = room_run_begins(&room);
    assert_refused(&room, LAST);
    assert_false(room_holds(&room, 1, STEP - 2));
    assert_true(room_holds(&room, 1, STEP));
    assert_refused(&room, LAST); /* the run may use the rows there */
    assert_true(room_holds(&room, 1, STEP));
    room_run_ends(&room, run);
    for (uint32_t at = 0; at < STEP; at += 3)
        assert_taken(&room, LAST, at);
    assert_refused(&room, 1);
}

static void test_earlier_steps_keep_a_share(void **state)
{
    (void)state;
    struct room room = full_of_early_rows();
    uint32_t at, taken = 0;
    for (int i = 0; i < 2 * ROOM_STEP; i++) {
        uint32_t run = room_run_begins(&room);
        while (room_take(&room, LAST, &at))
            taken += 3;
        room_run_ends(&room, run);
    }
    assert_int_equal(taken, (SIZE - KEPT) / 3 * 3);
    assert_false(room_holds(&room, 1, SIZE - KEPT - 2));
    assert_true(room_holds(&room, 1, SIZE - KEPT));
}

static void test_waits_for_all_runs_that_knew(void **state)
{
    (void)state;
    struct room room = full_of_early_rows();
    uint32_t first = room_run_begins(&room), second = room_run_begins(&room);
    assert_int_not_equal(first, second);
    assert_refused(&room, LAST);
    uint32_t third = room_run_begins(&room);
    room_run_ends(&room, second);
    room_run_ends(&room, third); /* it began too late to know of them */
    assert_refused(&room, LAST);
    room_run_ends(&room, first);
    assert_taken(&room, LAST, 0);
}

static void test_numbers_begin_anew(void **state)
{
    (void)state;
    struct room room = full_of_early_rows();
    room.last_run = UINT32_MAX - 1;
    uint32_t first = room_run_begins(&room), second = room_run_begins(&room);
    assert_int_equal(first, UINT32_MAX);
    assert_int_equal(second, 1);
    assert_refused(&room, LAST);
    room_run_ends(&room, room_run_begins(&room));
    room_run_ends(&room, second);
    assert_refused(&room, LAST);
    room_run_ends(&room, first);
    assert_taken(&room, LAST, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_pool_for_all),
        cmocka_unit_test(test_earlier_steps_stop_when_it_is_full),
        cmocka_unit_test(test_the_youngest_give_up_their_room),
        cmocka_unit_test(test_earlier_steps_keep_a_share),
        cmocka_unit_test(test_waits_for_all_runs_that_knew),
        cmocka_unit_test(test_numbers_begin_anew),
    };
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
