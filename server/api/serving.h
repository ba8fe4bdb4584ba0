/* One call being served: from a request, or from the store, to its one answer.
 *
 *     direct   handler -> intake thread (read, submit) -> worker (prepare, run, finish) -> reply
 *     stored   handler -> intake thread (read, put, submit, 202)       worker -> store, events
 *              or, after a restart: store -> recovery (read, submit)   the same
 *
 * A direct call keeps what it has read; a stored one throws it away when it is accepted and reads
 * it again when its turn comes, so that a long queue costs disk and not memory.
 */
#ifndef API_SERVING_H
#define API_SERVING_H

#include "api/api_room.h"
#include "api/content.h"
#include "api/failure.h"
#include "codec/call.h"

struct serving {
    struct intake_task task; /* first */
    atomic_uint references;
    struct api *api;
    const struct call_kind *kind;
    enum job_class class;
    const struct model_entry *entry; /* a reference, until its job has ended */

    struct http_exchange *exchange; /* direct, and until it is answered */
    unsigned wants;                 /* of enum CALL_... */
    bool is_infer, is_async;
    size_t json_size; /* see content_read_infer */
    uint64_t deadline_ns;

    char id[STORE_ID_SIZE]; /* stored */
    struct store_content *stored;
    uint64_t started_ns;
    struct job_worker *worker; /* that prepares it */
    bool is_unwanted;          /* cancelled before it started */
    bool is_stray;             /* the store did not let it start */
    bool is_unread;            /* the store did not hand its request out */

    struct content content;
    struct request request;
    struct call_terms terms;
    void *call;
    struct codec_fault fault;
    bool is_read;
    struct call_answer answer;

    pthread_mutex_t lock; /* of all below */
    bool gone, numbered;
    uint64_t number;
};

/* With one reference; takes over the model's.  NULL: out of memory. */
struct serving *serving_new(struct api *api, const struct call_kind *kind,
                            const struct model_entry *entry);
void serving_drop(struct serving *serving);

/* Lets go of the model, after serving_forget: what is left of the serving may stay until a slow
 * client has its answer, and the last to hold a model has to free it. */
void serving_leave_model(struct serving *serving);

/* Takes over serving and its exchange (a direct or an async call, with its content): answers it,
 * now or later.  From a handler. */
void serving_begin(struct serving *serving);

/* Makes the call of `content`. */
enum lm_status serving_read(struct serving *serving, struct lm_error *error);
void serving_forget(struct serving *serving); /* what was read */

/* Gives it to the scheduler, which has a reference then. */
enum lm_status serving_submit(struct serving *serving, const struct job_ops *ops, uint64_t bytes,
                              struct jobs_refusal *refusal, struct lm_error *error);

/* Steps that both kinds have. */
enum lm_status serving_prepare(struct serving *serving, struct job_worker *worker,
                               uint32_t *batches, struct lm_error *error);
uint32_t serving_items(void *serving, uint32_t batch);
enum lm_status serving_run_batch(void *serving, uint32_t batch, struct job_worker *worker,
                                 struct lm_error *error);
enum lm_status serving_finish(void *serving, struct lm_error *error);
void serving_free(void *serving); /* drops the scheduler's reference */

/* Counts a job that has ended. */
void serving_count(const struct serving *serving, const struct job_end *end);

/* Answers an exchange with a stored or fresh answer in one form of it. */
struct answer_part {
    unsigned form;
    struct call_body body;    /* taken over */
    size_t binary_json_bytes; /* of CALL_BINARY */
};
void serving_reply(struct http_exchange *exchange, const struct answer_part *part);
const char *serving_type(unsigned form); /* the content type of a form */

/* serving_stored.c.  Puts it into the store and answers with 202 or why not. */
void serving_store(struct serving *serving);

/* Submits a job of the store again, or finishes one that the store did not take the end of;
 * failures become the job's.  What may go better later becomes a stray. */
void serving_recover(struct api *api, const char *id);

/* One form of a stored result, which it has: copied, or made.  Errors: LM_NOMEM, LM_CORRUPT. */
enum lm_status serving_unpack(const struct store_content *result, unsigned form,
                              struct answer_part *out, struct lm_error *error);
unsigned serving_stored_forms(const struct store_content *result);

#endif
