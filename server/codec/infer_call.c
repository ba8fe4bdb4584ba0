/* infer: preprocessed tensors or pictures, masks of the network's input beside them, to what the
 * network says, as the Open Inference Protocol (version 2) wants it.
 *
 * It is predict without regions and labels: the tensors become inputs of a predictor.  Pictures are
 * decoded one after the other, so that only one is there in full. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/call.h"
#include "codec/infer_answer.h"
#include "codec/infer_request.h"
#include "codec/predictor.h"

struct infer_call {
    const struct call_terms *terms;
    struct infer_request asked;
    struct request_picture *files; /* n, if they are encoded */
    float *planes;                 /* of all n inputs */
    struct lm_mask *masks;         /* n, or NULL */
    struct picture_input *inputs;  /* n; nothing but planes, which are borrowed from above */
    struct predictor *predictor;
};

static enum lm_status out_of_memory(const struct infer_call *call, struct lm_error *error)
{
    return lm_fail(error, LM_NOMEM, "out of memory for %u pictures", call->asked.n);
}

static size_t input_numbers(const struct call_terms *terms)
{
    return (size_t)terms->info->channels * terms->info->height * terms->info->width;
}

static void infer_free(void *context)
{
    struct infer_call *call = context;
    if (!call)
        return;
    for (uint32_t i = 0; call->masks && i < call->asked.n; i++)
        lm_mask_free(&call->masks[i]);
    predictor_free(call->predictor);
    free(call->masks);
    free(call->inputs);
    free(call->planes);
    free(call->files);
    free(call);
}

static enum lm_status read_files(struct infer_call *call, struct codec_fault *fault,
                                 struct lm_error *error)
{
    const struct infer_tensor *input = &call->asked.input;
    call->files = calloc(call->asked.n, sizeof *call->files);
    if (!call->files)
        return out_of_memory(call, error);
    if (input->listed)
        return infer_tensor_files(input, call->asked.n, call->terms->limits, call->files, fault,
                                  error);
    call->files[0].file = input->raw;
    call->files[0].peek = picture_peek_bytes(input->raw.bytes, input->raw.size);
    return LM_OK;
}

static enum lm_status infer_read(const struct request *request, const struct call_terms *terms,
                                 unsigned wants, void **out, struct codec_fault *fault,
                                 struct lm_error *error)
{
    struct infer_call *call = calloc(1, sizeof *call);
    if (!call)
        return lm_fail(error, LM_NOMEM, "out of memory for a call");
    call->terms = terms;
    enum lm_status status = infer_request_read(request, terms, wants, &call->asked, fault, error);
    if (status == LM_OK && call->asked.encoded)
        status = read_files(call, fault, error);
    if (status != LM_OK) {
        infer_free(call);
        return status;
    }
    *out = call;
    return LM_OK;
}

/* In double, which has room for any product of limits. */
static uint64_t infer_bytes(const void *context)
{
    const struct infer_call *call = context;
    const struct call_terms *terms = call->terms;
    double n = call->asked.n, decode = 0;
    for (uint32_t i = 0; call->files && i < call->asked.n; i++) {
        struct request_picture_cost cost;
        request_picture_cost(&call->files[i], terms, &cost);
        decode = (double)cost.decode > decode ? (double)cost.decode : decode;
    }
    double each = (double)input_numbers(terms) * sizeof(float) + terms->info->classes * 12.0 +
                  sizeof(struct picture_input) + sizeof(struct prediction) * 2 + 256;
    if (call->asked.has_mask)
        each += (terms->info->width / 8.0 + 8) * terms->info->height + sizeof(struct lm_mask);
    double sum = 65536 + n * each + decode + infer_answer_bytes(&call->asked, terms);
    return sum < 0x1p63 ? (uint64_t)sum : UINT64_MAX;
}

/* A file's bytes: as they came, or out of base64 into *decoded. */
static enum lm_status file_bytes(const struct request_picture *file, size_t max_bytes,
                                 const char *label, struct request_bytes *bytes, uint8_t **decoded,
                                 struct lm_error *error)
{
    *bytes = file->file;
    if (!file->text)
        return LM_OK;
    enum lm_status status = codec_base64_decode(label, file->text, file->length, max_bytes, decoded,
                                                &bytes->size, error);
    bytes->bytes = *decoded;
    return status;
}

static enum lm_status decode_file(const struct request_picture *file,
                                  const struct call_terms *terms, const char *label, float *planes,
                                  struct lm_error *error)
{
    const struct lm_image_limits limits = {terms->limits->image_bytes, terms->limits->pixels};
    struct request_bytes bytes = {0};
    uint8_t *decoded = NULL;
    struct picture_input input = {0};
    struct lm_error reason = {0};
    enum lm_status status = file_bytes(file, limits.max_bytes, label, &bytes, &decoded, error);
    if (status != LM_OK)
        return status;
    status = picture_input_read(bytes.bytes, bytes.size, &limits, &terms->dir->about.preprocess,
                                &input, &reason);
    free(decoded);
    if (status != LM_OK)
        return lm_fail(error, status, "%s: %s", label, reason.text);
    memcpy(planes, input.planes, input_numbers(terms) * sizeof *planes);
    picture_input_free(&input);
    return LM_OK;
}

static enum lm_status decode_files(struct infer_call *call, struct codec_fault *fault,
                                   struct lm_error *error)
{
    const struct infer_tensor *tensor = &call->asked.input;
    const char *field = tensor->data ? "data" : NULL;
    char name[INFER_LABEL_BYTES], label[INFER_LABEL_BYTES + 24];
    enum lm_status status = LM_OK;
    infer_tensor_label(tensor, field, name);
    size_t here = infer_tensor_enter(tensor, field, fault);
    for (uint32_t i = 0; i < call->asked.n && status == LM_OK; i++) {
        if ((status = call_check(call->terms, error)) != LM_OK)
            break;
        snprintf(label, sizeof label, "element %u of %s", i, name);
        status = decode_file(&call->files[i], call->terms, tensor->listed ? label : name,
                             call->planes + i * input_numbers(call->terms), error);
        if (status != LM_OK && tensor->data)
            fault_enter_index(fault, i);
    }
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

static enum lm_status make_masks(struct infer_call *call, struct codec_fault *fault,
                                 struct lm_error *error)
{
    const struct lm_model_info *info = call->terms->info;
    enum lm_status status = LM_OK;
    call->masks = calloc(call->asked.n, sizeof *call->masks);
    if (!call->masks)
        return out_of_memory(call, error);
    for (uint32_t i = 0; i < call->asked.n && status == LM_OK; i++)
        status = lm_mask_create(info->width, info->height, &call->masks[i], error);
    if (status == LM_OK)
        status = infer_tensor_masks(&call->asked.mask, call->masks, call->asked.n, fault, error);
    return status;
}

static enum lm_status make_predictor(struct infer_call *call, struct lm_error *error)
{
    const struct call_terms *terms = call->terms;
    struct predictor_item *items = calloc(call->asked.n, sizeof *items);
    call->inputs = calloc(call->asked.n, sizeof *call->inputs);
    enum lm_status status = items && call->inputs ? LM_OK : out_of_memory(call, error);
    for (uint32_t i = 0; i < call->asked.n && status == LM_OK; i++) {
        call->inputs[i].planes = call->planes + i * input_numbers(terms);
        items[i].input = &call->inputs[i];
        items[i].visible = call->masks ? &call->masks[i] : NULL;
    }
    if (status == LM_OK)
        status = predictor_prepare(terms->dir, terms->model, terms->batch, items, call->asked.n,
                                   &call->predictor, error);
    free(items);
    return status;
}

static enum lm_status infer_prepare(void *context, uint32_t *batches, struct codec_fault *fault,
                                    struct lm_error *error)
{
    struct infer_call *call = context;
    size_t numbers = call->asked.n * input_numbers(call->terms);
    call->planes = malloc(numbers * sizeof *call->planes);
    if (!call->planes)
        return out_of_memory(call, error);
    enum lm_status status =
        call->files ? decode_files(call, fault, error)
                    : infer_tensor_floats(&call->asked.input, numbers, call->planes, fault, error);
    if (status == LM_OK && call->asked.has_mask)
        status = make_masks(call, fault, error);
    if (status == LM_OK)
        status = make_predictor(call, error);
    if (status == LM_OK)
        *batches = batches_count(predictor_work(call->predictor));
    return status;
}

static uint32_t infer_items(const void *context, uint32_t batch)
{
    const struct infer_call *call = context;
    return batches_items(predictor_work(call->predictor), batch);
}

static enum lm_status infer_run_batch(void *context, uint32_t batch, struct runner *runner,
                                      uint32_t thread, struct lm_error *error)
{
    struct infer_call *call = context;
    return runner_take_batch(runner, predictor_work(call->predictor), batch, thread, error);
}

static enum lm_status infer_finish(void *context, struct call_answer *out, struct lm_error *error)
{
    struct infer_call *call = context;
    struct call_answer answer = {.samples = call->asked.n};
    struct prediction *results = calloc(call->asked.n, sizeof *results);
    if (!results)
        return out_of_memory(call, error);
    predictor_finish(call->predictor, results);
    enum lm_status status = infer_answer_write(&call->asked, call->terms, results, &answer, error);
    for (uint32_t i = 0; i < call->asked.n; i++)
        prediction_free(&results[i]);
    free(results);
    if (status == LM_OK)
        *out = answer;
    return status;
}

const struct call_kind call_infer = {
    .name = "infer",
    .read = infer_read,
    .forms = CALL_JSON | CALL_BINARY,
    .bytes = infer_bytes,
    .prepare = infer_prepare,
    .items = infer_items,
    .run_batch = infer_run_batch,
    .finish = infer_finish,
    .free = infer_free,
};
