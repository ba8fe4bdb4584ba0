/* Records are in one table and blobs in two others: looking for jobs never touches pages of
 * blobs.  States and kinds are the numbers of store.h (2 and up: final), times milliseconds, 0 =
 * not yet.  seq is the order of creation and is never used twice. */
#include "store/job_tables.h"

#include <assert.h>

#include "store/store.h"

#define RECORD                                                                                     \
    "seq, id, kind, state, model, owner, done, total, created_ms, started_ms, finished_ms, "       \
    "expires_ms, attempts, error_status, error, result_type, request_bytes, result_bytes"

static const char *const migrations[] = {
    "CREATE TABLE job ("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  id TEXT NOT NULL UNIQUE,"
    "  kind INTEGER NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0,"
    "  model TEXT NOT NULL,"
    "  owner TEXT NOT NULL,"
    "  done INTEGER NOT NULL DEFAULT 0,"
    "  total INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  started_ms INTEGER NOT NULL DEFAULT 0,"
    "  finished_ms INTEGER NOT NULL DEFAULT 0,"
    "  expires_ms INTEGER NOT NULL DEFAULT 0,"
    "  attempts INTEGER NOT NULL DEFAULT 0,"
    "  error_status INTEGER NOT NULL DEFAULT 0,"
    "  error TEXT,"
    "  result_type TEXT,"
    "  request_bytes INTEGER NOT NULL,"
    "  result_bytes INTEGER NOT NULL DEFAULT 0,"
    "  key TEXT,"
    "  request_hash BLOB"
    ") STRICT;"
    "CREATE UNIQUE INDEX job_key ON job (owner, key) WHERE key IS NOT NULL;"
    "CREATE INDEX job_expires ON job (expires_ms, seq) WHERE state >= 2;"
    "CREATE INDEX job_running ON job (seq) WHERE state = 1;"
    "CREATE TABLE request (seq INTEGER PRIMARY KEY, type TEXT NOT NULL, target TEXT NOT NULL,"
    "  bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE result (seq INTEGER PRIMARY KEY, type TEXT NOT NULL, bytes BLOB NOT NULL) "
    "STRICT;",
};

static const char *const statements[SQL_STATEMENTS] = {
    /* owner, key: the job's seq, id, hash, time of creation */
    [SQL_FIND_KEY] = "SELECT seq, id, request_hash, created_ms FROM job "
                     "WHERE owner = ?1 AND key = ?2",
    [SQL_FORGET_KEY] = "UPDATE job SET key = NULL, request_hash = NULL WHERE seq = ?1",
    [SQL_INSERT_JOB] = "INSERT INTO job (id, kind, model, owner, total, created_ms, request_bytes, "
                       "key, request_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    /* seq, type, [target,] bytes */
    [SQL_INSERT_REQUEST] = "INSERT INTO request VALUES (?1, ?2, ?3, ?4)",
    [SQL_INSERT_RESULT] = "INSERT INTO result VALUES (?1, ?2, ?3)",
    /* id: what a step has to know */
    [SQL_FIND] = "SELECT seq, state, request_bytes + result_bytes, total FROM job WHERE id = ?1",
    [SQL_GET] = "SELECT " RECORD " FROM job WHERE id = ?1",
    /* id: type, target, bytes */
    [SQL_GET_REQUEST] = "SELECT type, target, bytes FROM request "
                        "WHERE seq = (SELECT seq FROM job WHERE id = ?1)",
    [SQL_GET_RESULT] = "SELECT type, '', bytes FROM result "
                       "WHERE seq = (SELECT seq FROM job WHERE id = ?1)",
    /* cursor, owner or NULL, bits of states, limit */
    [SQL_LIST_NEWEST] = "SELECT " RECORD " FROM job WHERE seq < ?1 AND (?2 IS NULL OR owner = ?2) "
                        "AND ?3 >> state & 1 ORDER BY seq DESC LIMIT ?4",
    [SQL_LIST_OLDEST] = "SELECT " RECORD " FROM job WHERE seq > ?1 AND (?2 IS NULL OR owner = ?2) "
                        "AND ?3 >> state & 1 ORDER BY seq LIMIT ?4",
    /* seq, now */
    [SQL_START] = "UPDATE job SET state = 1, started_ms = ?2, attempts = attempts + 1 "
                  "WHERE seq = ?1",
    [SQL_GIVE_BACK] = "UPDATE job SET state = 0, attempts = max(attempts - 1, 0) WHERE seq = ?1",
    /* seq, state, now, expires, error status, error, result's type and bytes, done, total */
    [SQL_FINISH] = "UPDATE job SET state = ?2, finished_ms = ?3, expires_ms = ?4, "
                   "error_status = ?5, error = ?6, result_type = ?7, result_bytes = ?8, "
                   "done = coalesce(?9, done), total = coalesce(?10, total) WHERE seq = ?1",
    [SQL_RECOVER] = "UPDATE job SET state = 0 WHERE state = 1",
    /* of those in a final state: seq, state, bytes, expires */
    [SQL_FIRST_TO_EXPIRE] = "SELECT seq, state, request_bytes + result_bytes, expires_ms FROM job "
                            "WHERE state >= 2 ORDER BY expires_ms, seq LIMIT 1",
    [SQL_DELETE_JOB] = "DELETE FROM job WHERE seq = ?1",
    [SQL_DELETE_REQUEST] = "DELETE FROM request WHERE seq = ?1",
    [SQL_DELETE_RESULT] = "DELETE FROM result WHERE seq = ?1",
    /* the latest time of creation whose key is forgotten */
    [SQL_FORGET_OLD_KEYS] = "UPDATE job SET key = NULL, request_hash = NULL "
                            "WHERE key IS NOT NULL AND created_ms <= ?1",
    [SQL_GIVE_SPACE_BACK] = "PRAGMA incremental_vacuum(2048)", /* pages: 8 MB */
    [SQL_COUNT] = "SELECT state, count(*), sum(request_bytes + result_bytes) FROM job "
                  "GROUP BY state",
};

/* Rows that no store has written; what reads them trusts these numbers. */
static_assert(STORE_KINDS == 3 && STORE_STATES == 5 && STORE_FAILED == 3 && STORE_ID_SIZE == 37,
              "find_damaged knows them");
static const char find_damaged[] =
    "SELECT 'a job has the id ' || quote(substr(id, 1, 40)) || ', kind ' || kind || ', state ' || "
    "  state || ', error status ' || error_status FROM job "
    "WHERE length(id) <> 36 OR kind NOT BETWEEN 0 AND 2 OR state NOT BETWEEN 0 AND 4 "
    "  OR state = 3 AND (error IS NULL OR error_status NOT BETWEEN 400 AND 599) "
    "  OR min(done, total, attempts, request_bytes, result_bytes) < 0 LIMIT 1";

const struct database_plan job_tables = {
    .application_id = 0x4c4d6a73, /* "LMjs" */
    .version = sizeof migrations / sizeof *migrations,
    .migrations = migrations,
    .check_table = "job",
    .find_damaged = find_damaged,
    .statements = statements,
    .statement_count = SQL_STATEMENTS,
};
