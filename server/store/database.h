/* A SQLite file that belongs to this process, and statements on it; knows nothing of jobs.
 *
 *     struct connection *on = database_enter(database, DATABASE_WRITE);
 *     sql_begin(on, true);
 *     sql_use(on, SQL_COUNT);
 *     sql_bind_int(on, 1, 7);
 *     if (sql_step(on))
 *         count = sql_int(on, 0);
 *     sql_commit(on);
 *     return database_leave(on, error);
 *
 * The first failure sticks: what follows does nothing, sql_step says "no row", and database_leave
 * rolls back and returns it.  Nothing in between needs a check for the sake of errors alone. */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

struct database;
struct connection;

/* Each has a lock of its own.  Readers never wait for the writer; small reads have a connection of
 * their own so that they do not wait for large ones either. */
enum database_lane { DATABASE_WRITE, DATABASE_READ, DATABASE_READ_LARGE, DATABASE_LANES };

struct database_plan {
    int32_t application_id; /* marks the file as ours; not 0 */
    int version;            /* migrations[v] makes version v + 1 out of v; version of them */
    const char *const *migrations;
    const char *check_table;  /* looked through at open */
    const char *find_damaged; /* then asked what is wrong with a row that cannot be, if there is
                                 one; NULL: none */
    const char *const *statements;
    size_t statement_count;
};

/* LM_IO (cannot be opened or written, used by another process), LM_CORRUPT (damaged, not a
 * database, another program's), LM_UNSUPPORTED (of a newer version), LM_INVALID (name), LM_NOMEM.
 * plan must stay. */
enum lm_status database_open(const char *path, const struct database_plan *plan,
                             struct database **out, struct lm_error *error);
void database_close(struct database *database); /* NULL is fine */

/* Between enter and leave a connection belongs to the thread. */
struct connection *database_enter(struct database *database, enum database_lane lane);
enum lm_status database_leave(struct connection *on, struct lm_error *error);

/* durable: sql_commit returns when the change is on disk; else when it survives the process. */
void sql_begin(struct connection *on, bool durable);
void sql_commit(struct connection *on);

/* Statement number `statement` of the plan, with all places NULL.  Ends the one before: its row's
 * texts and bytes are gone. */
void sql_use(struct connection *on, size_t statement);

/* Places count from 1.  Texts (NULL is fine) and bytes must stay until the next sql_use. */
void sql_bind_int(struct connection *on, int place, int64_t value);
void sql_bind_text(struct connection *on, int place, const char *text);
void sql_bind_bytes(struct connection *on, int place, const void *bytes, size_t size);

/* true: there is a row, to be read with the following (columns count from 0). */
bool sql_step(struct connection *on);
int64_t sql_int(struct connection *on, int column);
const char *sql_text(struct connection *on, int column); /* NULL if it is */
char *sql_text_copy(struct connection *on, int column);  /* likewise; fails out of memory */
const void *sql_bytes(struct connection *on, int column, size_t *size);

int64_t sql_changes(struct connection *on);    /* rows that the last statement changed */
int64_t sql_last_row(struct connection *on);   /* key of the last row that was inserted */
bool sql_good(const struct connection *on);    /* nothing has failed since database_enter */
void sql_out_of_memory(struct connection *on); /* makes it fail */

#endif
