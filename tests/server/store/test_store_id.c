/* Ids of jobs. */
#include "store_fixture.h"

static void ids_are_unique_and_sort_by_time(void **state)
{
    (void)state;
    char ids[1000][STORE_ID_SIZE];
    for (int i = 0; i < 1000; i++) {
        assert_done(store_id_make(1764000000000 + i, ids[i], error));
        assert_int_equal(strlen(ids[i]), 36);
        assert_true(store_id_valid(ids[i]));
        assert_true(i == 0 || strcmp(ids[i - 1], ids[i]) < 0);
    }
}

/* 1469918176385 ms is 01ARYZ6S41 in the ULID specification's own example. */
static void time_is_written_as_in_ulid(void **state)
{
    (void)state;
    char id[STORE_ID_SIZE];
    assert_done(store_id_make(1469918176385, id, error));
    assert_memory_equal(id, "01aryz6s41", 10);
    assert_done(store_id_make(-1, id, error));
    assert_memory_equal(id, "0000000000", 10);
    assert_done(store_id_make(INT64_MAX, id, error));
    assert_true(store_id_valid(id));
}

/* Every place of the random part takes on all its values. */
static void random_part_is_random(void **state)
{
    (void)state;
    unsigned char seen[STORE_ID_LENGTH][128] = {0};
    char id[STORE_ID_SIZE];
    for (int i = 0; i < 2000; i++) {
        assert_done(store_id_make(1, id, error));
        for (int at = 10; at < STORE_ID_LENGTH; at++)
            seen[at][(int)id[at]] = 1;
    }
    for (int at = 10; at < STORE_ID_LENGTH; at++) {
        int values = 0;
        for (int i = 0; i < 128; i++)
            values += seen[at][i];
        assert_int_equal(values, at < STORE_ID_LENGTH - 1 ? 32 : 8); /* 128 = 25 * 5 + 3 bits */
    }
}

static void what_is_no_id(void **state)
{
    (void)state;
    assert_true(store_id_valid("0123456789abcdefghjkmnpqrstvwxyz0123"));
    assert_false(store_id_valid("0123456789abcdefghjkmnpqrstvwxyz012"));
    assert_false(store_id_valid("0123456789abcdefghjkmnpqrstvwxyz01234"));
    assert_false(store_id_valid("0123456789ABCDEFGHJKMNPQRSTVWXYZ0123"));
    assert_false(store_id_valid("0123456789abcdefghjkmnpqrstvwxyz01/3"));
    assert_false(store_id_valid(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_unique_and_sort_by_time),
        cmocka_unit_test(time_is_written_as_in_ulid),
        cmocka_unit_test(random_part_is_random),
        cmocka_unit_test(what_is_no_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
