/* The stored jobs that this process has in hand: their numbers in the scheduler, and who listens to
 * their events.  All functions are thread-safe and never wait for disk or network. */
#ifndef API_LIVE_H
#define API_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/http.h"
#include "layermask/status.h"

struct live;

/* Errors: LM_NOMEM. */
enum lm_status live_create(struct live **out, struct lm_error *error);
void live_free(struct live *live); /* closes all streams; NULL is fine */

/* Before a job is submitted; until live_end.  false: out of memory. */
bool live_open(struct live *live, const char *id);

/* The job's number in the scheduler.  false: nobody wants it any more, so that its number is to be
 * cancelled there: it has been cancelled meanwhile, or has ended. */
bool live_number(struct live *live, const char *id, uint64_t number);

/* The store has cancelled it.  true: its *number is to be cancelled in the scheduler; false: it is
 * not there, or not yet: then live_number tells whoever brings it there. */
bool live_cancel(struct live *live, const char *id, uint64_t *number);

/* Adds a listener, whose stream is open; it belongs to live now.  false: out of memory; the stream
 * is the caller's still.  The caller looks at the job's state afterwards, and calls live_end if it
 * is final. */
bool live_listen(struct live *live, const char *id, struct http_exchange *exchange);

/* Sends "progress" to all who listen. */
void live_progress(struct live *live, const char *id, uint32_t done, uint32_t total);

/* Sends "done" with the job as JSON (NULL: none), closes the streams, forgets the job. */
void live_end(struct live *live, const char *id, const char *job);

#endif
