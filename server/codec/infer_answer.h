/* Answers of the Open Inference Protocol. */
#ifndef CODEC_INFER_ANSWER_H
#define CODEC_INFER_ANSWER_H

#include <stdint.h>

#include "codec/call.h"
#include "codec/infer_request.h"
#include "codec/predictor.h"

/* Writes out->json or out->binary.  Errors: LM_NOMEM. */
enum lm_status infer_answer_write(const struct infer_request *request,
                                  const struct call_terms *terms, const struct prediction *results,
                                  struct call_answer *out, struct lm_error *error);

/* The most memory that this takes, bytes. */
double infer_answer_bytes(const struct infer_request *request, const struct call_terms *terms);

#endif
