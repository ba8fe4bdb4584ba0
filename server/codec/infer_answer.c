/* Answers of the Open Inference Protocol: JSON, and raw little-endian tensors behind it, in the
 * order of the outputs.  Classes are written as Triton does, "value:index:label", but with all
 * digits of the value. */
#include "codec/infer_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/answer.h"
#include "codec/answer_part.h"
#include "codec/fault.h"
#include "codec/labels.h"
#include "codec/probability.h"

enum { VALUE_BYTES = 32 }; /* "-1.23456789e-38:4294967295:" */

/* What the pieces below write. */
struct writer {
    const struct infer_request *request;
    const struct call_terms *terms;
    const struct prediction *results;
    double *values; /* of all classes */
    uint32_t *top;  /* room for all classes */
    char *raw;      /* all raw tensors */
    size_t used, capacity;
};

static float value_of(const struct prediction *result, enum infer_what what, uint32_t index)
{
    return what == INFER_LOGITS ? result->logits[index] : (float)result->probabilities[index];
}

static bool reserve(struct writer *writer, size_t more)
{
    if (writer->capacity - writer->used >= more)
        return true;
    size_t capacity = writer->capacity;
    while (capacity - writer->used < more)
        if (__builtin_mul_overflow(capacity ? capacity : 256, (size_t)2, &capacity))
            return false;
    char *grown = realloc(writer->raw, capacity);
    if (!grown)
        return false;
    writer->raw = grown;
    writer->capacity = capacity;
    return true;
}

/* There must be room. */
static void put_bits(struct writer *writer, uint32_t bits)
{
    for (int shift = 0; shift < 32; shift += 8)
        writer->raw[writer->used++] = (char)(unsigned char)(bits >> shift & 0xff);
}

static bool put_numbers(struct writer *writer, enum infer_what what)
{
    uint32_t classes = writer->terms->info->classes;
    if (!reserve(writer, (size_t)writer->request->n * classes * sizeof(float)))
        return false;
    for (uint32_t i = 0; i < writer->request->n; i++) {
        for (uint32_t class = 0; class < classes; class ++) {
            float value = value_of(&writer->results[i], what, class);
            uint32_t bits;
            memcpy(&bits, &value, sizeof bits);
            put_bits(writer, bits);
        }
    }
    return true;
}

static json_t *number_list(const struct writer *writer, enum infer_what what)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < writer->request->n && list; i++) {
        for (uint32_t class = 0; class < writer->terms->info->classes && list; class ++) {
            float value = value_of(&writer->results[i], what, class);
            if (json_array_append_new(list, json_real((double)value)) != 0) {
                json_decref(list);
                list = NULL;
            }
        }
    }
    return list;
}

/* "12.3456789:281:" and the label, which is NULL if there is none (then without the last colon). */
static const char *class_text(const struct writer *writer, const struct infer_output *output,
                              uint32_t picture, uint32_t class, char value[VALUE_BYTES])
{
    const char *label = labels_get(writer->terms->dir->labels, class);
    snprintf(value, VALUE_BYTES, "%.9g:%u%s",
             (double)value_of(&writer->results[picture], output->what, class), class,
             label ? ":" : "");
    return label;
}

/* Calls put for each class of each picture, best first. */
static bool each_class(struct writer *writer, const struct infer_output *output,
                       bool (*put)(struct writer *writer, const char *value, const char *label,
                                   void *context),
                       void *context)
{
    bool done = true;
    uint32_t classes = writer->terms->info->classes;
    for (uint32_t i = 0; i < writer->request->n && done; i++) {
        for (uint32_t class = 0; class < classes; class ++)
            writer->values[class] = (double)value_of(&writer->results[i], output->what, class);
        probability_top(writer->values, classes, output->top, writer->top);
        for (uint32_t k = 0; k < output->top && done; k++) {
            char value[VALUE_BYTES];
            const char *label = class_text(writer, output, i, writer->top[k], value);
            done = put(writer, value, label ? label : "", context);
        }
    }
    return done;
}

static bool put_class(struct writer *writer, const char *value, const char *label, void *context)
{
    (void)context;
    size_t head = strlen(value), rest = strlen(label);
    if (!reserve(writer, 4 + head + rest))
        return false;
    put_bits(writer, (uint32_t)(head + rest));
    memcpy(writer->raw + writer->used, value, head);
    memcpy(writer->raw + writer->used + head, label, rest);
    writer->used += head + rest;
    return true;
}

static bool list_class(struct writer *writer, const char *value, const char *label, void *context)
{
    (void)writer;
    return json_array_append_new(context, json_sprintf("%s%s", value, label)) == 0;
}

static json_t *class_list(struct writer *writer, const struct infer_output *output)
{
    json_t *list = json_array();
    if (list && !each_class(writer, output, list_class, list)) {
        json_decref(list);
        return NULL;
    }
    return list;
}

/* {"binary_data_size": n}, its bytes behind the others. */
static json_t *raw_tensor(struct writer *writer, const struct infer_output *output)
{
    size_t start = writer->used;
    bool done = output->top ? each_class(writer, output, put_class, NULL)
                            : put_numbers(writer, output->what);
    return done ? json_pack("{s:I}", "binary_data_size", (json_int_t)(writer->used - start)) : NULL;
}

static json_t *output_tensor(struct writer *writer, const struct infer_output *output)
{
    json_t *data = output->binary ? raw_tensor(writer, output)
                   : output->top  ? class_list(writer, output)
                                  : number_list(writer, output->what);
    uint32_t width = output->top ? output->top : writer->terms->info->classes;
    return json_pack("{s:s, s:s, s:[I, I], s:o}", "name", infer_output_names[output->what],
                     "datatype", output->top ? "BYTES" : "FP32", "shape",
                     (json_int_t)writer->request->n, (json_int_t)width,
                     output->binary ? "parameters" : "data", data);
}

static json_t *whole_answer(struct writer *writer)
{
    json_t *outputs = json_array();
    bool failed = !outputs;
    for (uint32_t i = 0; i < writer->request->n_outputs && !failed; i++)
        failed = json_array_append_new(outputs,
                                       output_tensor(writer, &writer->request->outputs[i])) != 0;
    json_t *answer = json_pack("{s:s, s:s}", "model_name", writer->terms->name, "model_version",
                               writer->terms->dir->version);
    failed = failed || !answer;
    if (!failed && writer->request->id)
        failed = json_object_set_new(answer, "id", json_string(writer->request->id)) != 0;
    if (!failed)
        failed = json_object_set(answer, "outputs", outputs) != 0;
    json_decref(outputs);
    if (failed) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

/* The text with the raw tensors behind it. */
static bool join(struct writer *writer, char *text, struct call_answer *out)
{
    size_t length = strlen(text);
    char *joined = realloc(text, length + writer->used + 1);
    if (!joined) {
        free(text);
        return false;
    }
    if (writer->used > 0)
        memcpy(joined + length, writer->raw, writer->used);
    out->binary = (struct call_body){joined, length + writer->used};
    out->binary_json_bytes = length;
    return true;
}

enum lm_status infer_answer_write(const struct infer_request *request,
                                  const struct call_terms *terms, const struct prediction *results,
                                  struct call_answer *out, struct lm_error *error)
{
    struct writer writer = {.request = request,
                            .terms = terms,
                            .results = results,
                            .values = calloc(terms->info->classes, sizeof *writer.values),
                            .top = calloc(terms->info->classes, sizeof *writer.top)};
    json_t *answer = writer.values && writer.top ? whole_answer(&writer) : NULL;
    char *text = answer ? fault_dump_json(answer, ANSWER_FLOAT_FLAGS) : NULL;
    json_decref(answer);
    bool written = text != NULL;
    if (text && request->binary)
        written = join(&writer, text, out);
    else if (text)
        out->json = (struct call_body){text, strlen(text)};
    free(writer.values);
    free(writer.top);
    free(writer.raw);
    return written ? LM_OK : answer_fail(error);
}

static size_t longest_label(const json_t *labels, uint32_t classes)
{
    size_t longest = 0;
    for (uint32_t i = 0; labels && i < classes; i++) {
        const char *label = labels_get(labels, i);
        size_t length = label ? strlen(label) : 0;
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* Raw tensors are there three times while they grow or are joined.  In JSON, a number is 64 bytes
 * as a value, and its text of 17 is there three times, too; each byte of a string is six as
 * "\u0000". */
double infer_answer_bytes(const struct infer_request *request, const struct call_terms *terms)
{
    double n = request->n, sum = 16384 + 12.0 * terms->info->classes;
    sum += request->id ? 20.0 * (double)strlen(request->id) : 0;
    for (uint32_t i = 0; i < request->n_outputs; i++) {
        const struct infer_output *output = &request->outputs[i];
        double text = VALUE_BYTES;
        if (output->top)
            text += (double)longest_label(terms->dir->labels, terms->info->classes);
        if (output->top)
            sum += n * output->top * (output->binary ? 3 * (4 + text) : 96 + 20 * text);
        else
            sum += n * terms->info->classes * (output->binary ? 12 : 128);
    }
    return sum;
}
