/* Runs a step's program, chunk by chunk, while the rows are in the L1 cache. */
#include <string.h>

#include "ops/ops.h"

enum { CHUNK_FLOATS = 2048 };

/* An operand for one chunk: row r starts at data + r * row_step. */
struct source {
    const float *data;
    size_t row_step;
    uint32_t width;
};

struct chunk {
    struct run *run;
    const struct step *step;
    const struct program *program;
    uint32_t width; /* floats of a row of the result */
    uint32_t first, rows, sample;
    const float *own;
    float *slots, *copies; /* width floats x chunk rows each */
    size_t buffer;         /* floats of one slot or copy */
    uint32_t copied;       /* copies in use */
    const bool *same;
};

static uint32_t widest(const struct graph *graph, const struct step *step,
                       const struct program *program)
{
    uint32_t width = graph->values[step->output].channels;
    for (uint32_t i = 0; i < program->length; i++)
        width = program->code[i].width > width ? program->code[i].width : width;
    for (uint32_t i = 0; i < step->n_inputs; i++) {
        uint32_t channels = graph->values[step->inputs[i]].channels;
        width = channels > width ? channels : width;
    }
    return width;
}

static uint32_t chunk_rows(uint32_t width)
{
    return width >= CHUNK_FLOATS ? 1 : CHUNK_FLOATS / width;
}

static bool is_copied(const struct operand *operand)
{
    return operand->kind == OPERAND_SITES || operand->kind == OPERAND_JOINED;
}

/* Operands that may have to be copied together: inputs, tables of sites and joined rows. */
static uint32_t copies_of(const struct step *step, const struct program *program)
{
    uint32_t n = step->n_inputs;
    for (uint32_t i = 0; i < program->length; i++)
        n += (uint32_t)is_copied(&program->code[i].a) + (uint32_t)is_copied(&program->code[i].b);
    return n;
}

size_t program_scratch(const struct graph *graph, const struct step *step,
                       const struct program *program)
{
    if (!program->length)
        return 0;
    uint32_t width = widest(graph, step, program);
    return ((size_t)PROGRAM_MAX_SLOTS + copies_of(step, program)) * chunk_rows(width) * width *
           sizeof(float);
}

const float *rows_at_sites(struct run *run, uint32_t in, uint32_t out, bool same, uint32_t first,
                           uint32_t rows, float *buffer)
{
    const struct value *value = &run->graph->values[in];
    const struct value_state *state = &run->states[in], *target = &run->states[out];
    size_t stride = value_stride(value);
    if (same)
        return state->rows + (size_t)first * stride;
    size_t sites = (size_t)value_sites(value), bytes = stride * sizeof(float);
    uint32_t s = run_sample_of(run, out, first);
    for (uint32_t i = 0; i < rows; i++) {
        while (first + i >= target->first[s + 1])
            s++;
        uint32_t site = target->sites[first + i];
        int32_t row =
            state->site_map[s * sites + (size_t)site_y(site) * value->width + site_x(site)];
        float *copy = buffer + (size_t)i * stride;
        if (row < 0)
            memset(copy, 0, bytes);
        else
            memcpy(copy, state->rows + (size_t)row * stride, bytes);
    }
    return buffer;
}

static struct source input_source(struct chunk *c, uint32_t index)
{
    uint32_t in = c->step->inputs[index], out = c->step->output;
    const struct value *value = &c->run->graph->values[in];
    uint32_t width = value->channels;
    if (c->own && index == 0)
        return (struct source){c->own, c->width, c->width};
    if (!value->spatial && c->run->graph->values[out].spatial)
        return (struct source){c->run->states[in].rows + (size_t)c->sample * width, 0, width};
    float *buffer = c->copies + c->buffer * index;
    return (struct source){
        rows_at_sites(c->run, in, out, c->same[index], c->first, c->rows, buffer), width, width};
}

static struct source site_source(struct chunk *c, const struct operand *operand)
{
    const struct value *value = &c->run->graph->values[c->step->output];
    float *buffer = c->copies + c->buffer * c->copied++;
    for (uint32_t i = 0; i < c->rows; i++) {
        uint32_t site = value->spatial ? c->run->states[c->step->output].sites[c->first + i] : 0;
        size_t position = (size_t)site_y(site) * value->width + site_x(site);
        memcpy(buffer + (size_t)i * operand->width, operand->data + position * operand->width,
               operand->width * sizeof *buffer);
    }
    return (struct source){buffer, operand->width, operand->width};
}

/* The channels from `first` on of all rows. */
static void scale_rows(const struct chunk *c, const struct instruction *code, uint32_t first,
                       uint32_t count, const float *data, size_t row_step, float *target)
{
    const float *scale = code->b.data + first, *shift = scale + code->width;
    for (uint32_t r = 0; r < c->rows; r++)
        c->run->kernels->affine(target + (size_t)r * code->width + first, data + r * row_step,
                                scale, shift, count, code->parameter[0], code->parameter[1]);
}

/* affine: scales them on the way; NULL: copies them. */
static void join_rows(struct chunk *c, const struct instruction *affine, uint32_t width,
                      float *target)
{
    const struct channels *joined = &c->step->conv.before->joined;
    for (uint32_t i = 0; i < joined->n_runs; i++) {
        const struct channel_run *r = &joined->runs[i];
        struct source from = input_source(c, r->input);
        const float *data = from.data + r->source;
        if (affine)
            scale_rows(c, affine, r->target, r->count, data, from.row_step, target);
        for (uint32_t k = 0; k < c->rows && !affine; k++)
            memcpy(target + (size_t)k * width + r->target, data + k * from.row_step,
                   r->count * sizeof *target);
    }
}

static struct source joined_source(struct chunk *c, const struct operand *operand)
{
    float *buffer = c->copies + c->buffer * c->copied++;
    join_rows(c, NULL, operand->width, buffer);
    return (struct source){buffer, operand->width, operand->width};
}

static struct source resolve(struct chunk *c, const struct operand *operand)
{
    const struct instruction *code = c->program->code;
    switch (operand->kind) {
    case OPERAND_TEMPORARY: {
        const struct instruction *made = &code[operand->index];
        return (struct source){c->slots + c->buffer * made->slot, made->width, made->width};
    }
    case OPERAND_INPUT: return input_source(c, operand->index);
    case OPERAND_SCALAR: return (struct source){&operand->scalar, 0, 1};
    case OPERAND_CHANNELS: return (struct source){operand->data, 0, operand->width};
    case OPERAND_SITES: return site_source(c, operand);
    case OPERAND_JOINED: return joined_source(c, operand);
    case OPERAND_NONE: break;
    }
    return (struct source){NULL, 0, 1};
}

/* Whether the operand can be read as one run of rows * width floats, or one float for all. */
static bool is_flat(const struct source *s, uint32_t width)
{
    return (s->width == width && s->row_step == width) || (s->width == 1 && s->row_step == 0);
}

static void execute(struct chunk *c, const struct instruction *code, float *target)
{
    const struct kernels *kernels = c->run->kernels;
    bool affine = code->op == PW_AFFINE;
    if (code->a.kind == OPERAND_JOINED && (affine || code->op == PW_COPY)) {
        join_rows(c, affine ? code : NULL, code->width, target);
        return;
    }
    struct source a = resolve(c, &code->a);
    if (affine) {
        scale_rows(c, code, 0, code->width, a.data, a.row_step, target);
        return;
    }
    struct source b = pointwise_is_binary(code->op) ? resolve(c, &code->b) : a;
    if (pointwise_is_row(code->op)) {
        kernels->row_op(code->op, target, a.data, c->rows, a.width, code->parameter);
        return;
    }
    uint32_t width = code->width;
    if (is_flat(&a, width) && is_flat(&b, width)) {
        kernels->pointwise(code->op, target, a.data, b.data, a.row_step != 0, b.row_step != 0,
                           (size_t)c->rows * width, code->parameter);
        return;
    }
    for (uint32_t r = 0; r < c->rows; r++)
        kernels->pointwise(code->op, target + (size_t)r * width, a.data + r * a.row_step,
                           b.data + r * b.row_step, a.width == width && width > 1,
                           b.width == width && width > 1, width, code->parameter);
}

static void run_chunk(struct chunk *c, float *target)
{
    const struct program *program = c->program;
    c->copied = c->step->n_inputs;
    for (uint32_t i = 0; i < program->length; i++) {
        const struct instruction *code = &program->code[i];
        bool last = i + 1 == program->length;
        execute(c, code, last ? target : c->slots + c->buffer * code->slot);
    }
}

void program_run(const struct program_call *call)
{
    struct run *run = call->run;
    const struct step *step = call->step;
    uint32_t width = widest(run->graph, step, call->program), most = chunk_rows(width), done = 0;
    struct chunk c = {.run = run,
                      .step = step,
                      .program = call->program,
                      .width = call->width,
                      .buffer = (size_t)most * width};
    c.slots = (float *)(void *)call->scratch;
    c.copies = c.slots + PROGRAM_MAX_SLOTS * c.buffer;
    bool same[STEP_MAX_INPUTS];
    for (uint32_t i = 0; i < step->n_inputs; i++)
        same[i] = run_same_rows(run, step->inputs[i], step->output);
    c.same = same;
    while (done < call->rows) {
        c.first = call->first + done;
        c.rows = call->rows - done < most ? call->rows - done : most;
        if (call->program->by_sample) {
            c.sample = run_sample_of(run, step->output, c.first);
            uint32_t end = run->states[step->output].first[c.sample + 1];
            c.rows = c.rows < end - c.first ? c.rows : end - c.first;
        }
        c.own = call->own ? call->own + (size_t)done * call->width : NULL;
        run_chunk(&c, call->target + (size_t)done * call->width);
        done += c.rows;
    }
}
