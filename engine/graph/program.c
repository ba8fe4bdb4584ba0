/* Lists of pointwise instructions: joining and slot assignment. */
#include "graph/program.h"

#include <stdlib.h>
#include <string.h>

bool program_append(struct program *program, const struct instruction *instruction)
{
    if (program->length >= PROGRAM_MAX_LENGTH)
        return false;
    struct instruction *code =
        realloc(program->code, (program->length + (size_t)1) * sizeof *program->code);
    if (!code)
        return false;
    program->code = code;
    code[program->length++] = *instruction;
    return true;
}

bool program_own(struct program *program, float *data)
{
    float **owned = realloc(program->owned, (program->n_owned + 1) * sizeof *owned);
    if (!owned)
        return false;
    program->owned = owned;
    owned[program->n_owned++] = data;
    return true;
}

static void renumber_first(struct operand *operand, const uint32_t *renumber)
{
    if (operand->kind == OPERAND_INPUT)
        operand->index = renumber[operand->index];
}

static void renumber_second(struct operand *operand, uint32_t shift, uint32_t input)
{
    if (operand->kind == OPERAND_TEMPORARY)
        operand->index += shift;
    if (operand->kind == OPERAND_INPUT && operand->index == input) {
        operand->kind = OPERAND_TEMPORARY;
        operand->index = shift - 1;
    }
}

/* Temporaries alive at once when the joined code runs; more than the slots there are: do not join.
 */
static enum lm_status check_slots(const struct instruction *code, uint32_t length)
{
    struct program probe = {.length = length};
    probe.code = malloc(length * sizeof *code);
    if (!probe.code)
        return LM_NOMEM;
    memcpy(probe.code, code, length * sizeof *code);
    bool fits = program_allocate(&probe);
    free(probe.code);
    return fits ? LM_OK : LM_LIMIT;
}

enum lm_status program_prepend(struct program *program, struct program *first, uint32_t input,
                               const uint32_t *renumber)
{
    uint32_t length = first->length + program->length;
    enum lm_status status = LM_NOMEM;
    if (length > PROGRAM_MAX_LENGTH)
        return LM_LIMIT;
    struct instruction *code = malloc(length * sizeof *code);
    float **owned = malloc((first->n_owned + program->n_owned + 1) * sizeof *owned);
    if (!code || !owned)
        goto failed;
    memcpy(code, first->code, first->length * sizeof *code);
    memcpy(code + first->length, program->code, program->length * sizeof *code);
    for (uint32_t i = 0; i < length; i++)
        for (int side = 0; side < 2; side++) {
            struct operand *operand = side ? &code[i].b : &code[i].a;
            if (i < first->length)
                renumber_first(operand, renumber);
            else
                renumber_second(operand, first->length, input);
        }
    status = check_slots(code, length);
    if (status != LM_OK)
        goto failed;
    size_t n_owned = 0;
    for (size_t i = 0; i < first->n_owned; i++)
        owned[n_owned++] = first->owned[i];
    for (size_t i = 0; i < program->n_owned; i++)
        owned[n_owned++] = program->owned[i];
    bool by_sample = first->by_sample || program->by_sample;
    free(first->code);
    free(first->owned);
    free(program->code);
    free(program->owned);
    *first = (struct program){0};
    *program = (struct program){
        .length = length, .code = code, .n_owned = n_owned, .owned = owned, .by_sample = by_sample};
    return LM_OK;
failed:
    free(code);
    free(owned);
    return status;
}

static uint32_t last_use(const struct program *program, uint32_t temporary)
{
    uint32_t last = temporary;
    for (uint32_t i = temporary + 1; i < program->length; i++) {
        const struct instruction *code = &program->code[i];
        if ((code->a.kind == OPERAND_TEMPORARY && code->a.index == temporary) ||
            (code->b.kind == OPERAND_TEMPORARY && code->b.index == temporary))
            last = i;
    }
    return last;
}

bool program_allocate(struct program *program)
{
    uint32_t free_from[PROGRAM_MAX_SLOTS] = {0};
    program->slots = 0;
    for (uint32_t i = 0; i < program->length; i++) {
        uint32_t slot = 0;
        while (slot < PROGRAM_MAX_SLOTS && free_from[slot] > i)
            slot++;
        if (slot == PROGRAM_MAX_SLOTS)
            return false;
        program->code[i].slot = slot;
        free_from[slot] = last_use(program, i) + 1;
        if (slot >= program->slots)
            program->slots = slot + 1;
    }
    return true;
}

uint32_t program_input_uses(const struct program *program, uint32_t input)
{
    uint32_t uses = 0;
    for (uint32_t i = 0; i < program->length; i++) {
        const struct instruction *code = &program->code[i];
        uses += code->a.kind == OPERAND_INPUT && code->a.index == input;
        uses += code->b.kind == OPERAND_INPUT && code->b.index == input;
    }
    return uses;
}

void program_free(struct program *program)
{
    for (size_t i = 0; i < program->n_owned; i++)
        free(program->owned[i]);
    free(program->owned);
    free(program->code);
    *program = (struct program){0};
}
