/* Programs of pointwise steps: arithmetic that sees one row at a time.
 *
 * Exporters write an activation as one node or as eight, a LayerNormalization as nine.  All of them
 * become one list of instructions that runs over a block of rows while it is in the cache, so no
 * pattern has to be recognised.  Instruction i makes temporary i; the last one is the result.
 */
#ifndef LM_GRAPH_PROGRAM_H
#define LM_GRAPH_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "layermask/status.h"

enum operand_kind {
    OPERAND_NONE,
    OPERAND_TEMPORARY, /* index: instruction */
    OPERAND_INPUT,     /* index: input of the step; an ordinary one is the same for all sites */
    OPERAND_SCALAR,    /* scalar */
    OPERAND_CHANNELS,  /* data: a row (of PW_AFFINE: two) */
    OPERAND_SITES,     /* data: height * width rows */
    OPERAND_JOINED,    /* channels of several inputs; only in a prologue, which says of which */
};

struct operand {
    enum operand_kind kind;
    uint32_t index;
    uint32_t width; /* floats a row: 1 or the channels of the step */
    float scalar;
    float *data; /* shared by copies of the operand; the program's `owned` list frees it */
};

/* parameter: the meaning is the operation's (see kernels.h). */
struct instruction {
    enum pointwise op;
    struct operand a, b;
    float parameter[4];
    uint32_t width;
    uint32_t slot; /* buffer that holds the result, from program_allocate */
};

enum { PROGRAM_MAX_LENGTH = 64, PROGRAM_MAX_SLOTS = 12 };

struct program {
    uint32_t length, slots;
    struct instruction *code;
    size_t n_owned;
    float **owned;
    bool
        by_sample; /* an operand differs between samples or sites: blocks end where a sample ends */
};

bool program_append(struct program *program, const struct instruction *instruction);
bool program_own(struct program *program, float *data);

/* Puts `first` before `program`; every use of the program's input `input` becomes first's result,
 * first's input i becomes input renumber[i].  first is left empty.  LM_LIMIT (too long, or too many
 * results at once) and LM_NOMEM leave both as they were. */
enum lm_status program_prepend(struct program *program, struct program *first, uint32_t input,
                               const uint32_t *renumber);

/* Replaces the instructions of SiLU and GELU by the one that means the same. */
void program_join_idioms(struct program *program);

/* Replaces a product and a sum with a row of factors and of terms, clamped, as a normalization and
 * its Relu are, by PW_AFFINE, whose b has both rows, one behind the other.  false: out of memory.
 */
bool program_join_affine(struct program *program);

/* Assigns slots by liveness; false if more than PROGRAM_MAX_SLOTS are needed.  No instruction
 * writes where it reads: an operand of one float a row would be overwritten by a whole row. */
bool program_allocate(struct program *program);

/* Number of uses of an input, and of the result of an instruction. */
uint32_t program_input_uses(const struct program *program, uint32_t input);

void program_free(struct program *program);

#endif
