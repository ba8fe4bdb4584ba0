/* The schema and the statements of the job store. */
#ifndef STORE_JOB_TABLES_H
#define STORE_JOB_TABLES_H

#include "store/database.h"

/* What each takes and answers stands beside its text. */
enum job_statement {
    SQL_FIND_KEY,
    SQL_FORGET_KEY,
    SQL_INSERT_JOB,
    SQL_INSERT_REQUEST,
    SQL_INSERT_RESULT,
    SQL_FIND,
    SQL_GET,
    SQL_GET_REQUEST,
    SQL_GET_RESULT,
    SQL_LIST_NEWEST,
    SQL_LIST_OLDEST,
    SQL_START,
    SQL_GIVE_BACK,
    SQL_FINISH,
    SQL_RECOVER,
    SQL_FIRST_TO_EXPIRE,
    SQL_DELETE_JOB,
    SQL_DELETE_REQUEST,
    SQL_DELETE_RESULT,
    SQL_FORGET_OLD_KEYS,
    SQL_GIVE_SPACE_BACK,
    SQL_COUNT,
    SQL_STATEMENTS
};

extern const struct database_plan job_tables;

#endif
