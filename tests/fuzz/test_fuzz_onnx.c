/* Model files: whatever loads within small limits must also run.
 *
 * Bytes that are changed at random seldom get past the reader, so that texts of networks (see
 * network_text.h) are changed as well, word by word: numbers, names and operators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fuzz.h"
#include "hostile.h"

static const char fuzz_name[] = "onnx";

#define IN "input x 1,3,8,8;output y 1,4;"

static const char *const networks[] = {
    IN "float w 4,3,3,3;float b 4;float n 4 0.5;Conv c x,w,b h pads=1,1,1,1 strides=2,2 "
       "dilations=1,1 group:1 auto_pad@NOTSET;BatchNormalization n h,n,n,n,n i;Relu r i j;"
       "Add a j,h k;GlobalAveragePool p k l;Flatten f l m;float g 4,4;Gemm e m,g y transB:1",
    IN "float w 3,1,3,3;Conv c x,w h pads=1,1,1,1 group:3;MaxPool m h i kernel_shape=3,3 "
       "strides=2,2 pads=1,1,1,1 ceil_mode:1;AveragePool a i j kernel_shape=2,2 pads=0,1,1,0 "
       "count_include_pad:1;Concat k i,i l axis:1;GlobalMaxPool p l y",
    IN "Shape s x b;int i 0,1;Gather g b,i d axis:0;int e -1,8,8;Concat c d,e f axis:0;"
       "int z 0;Slice l f,z,z2,z,one k;int z2 4;int one 1;Reshape r x,full h;int full 1,3,8,8;"
       "int pads 0,1,2,2,0,0,1,1;float pv 1 0.5;Pad p h,pads,pv o;MaxPool m o q kernel_shape=2,2;"
       "GlobalAveragePool a q y",
    IN "int s 1,1,3,8,8;Reshape r x,s h;Transpose t h i perm=0,2,1,3,4;int u 1,3,8,8;"
       "Reshape v i,u j;int parts 1,2;Split p j,parts k,l axis:1;ReduceMean m l n axes=1 "
       "keepdims:1;Mul q k,n o;Sigmoid a o b;int st 1;int en 7;int ax 2;int sp 2;"
       "Slice c b,st,en,ax,sp d;int first 0;Gather g d,first e axis:1;GlobalAveragePool w e y",
    IN "Transpose t x h perm=0,2,3,1;float s 3 0.5;LayerNormalization l h,s,s i axis:-1 "
       "epsilon~0.1;float w 3,5;MatMul m i,w j;Gelu g j k approximate@tanh;"
       "Transpose b k n perm=0,3,1,2;LRN r n o size:3 alpha~0.1;Clip c o,lo,hi p;float lo 1 0;"
       "float hi 1 6;ReduceMean a p q axes=2,3 keepdims:0;Softmax z q y axis:1",
    IN "float w 16,3,3,3;Conv c x,w h;float v 4,16,3,3;float b 4;Conv d h,v,b i;"
       "GlobalMaxPool g i y",
    IN "scalar a 0;scalar b 6;scalar k 2;Range r a,b,k i;int one 1;ConstantOfShape z one v "
       "value#3;Mod m i,v n;Cast c n o to:1;int s 1,3,1,1;Reshape e o,s p;Add d x,p h;"
       "Squeeze q u w axes=0;Unsqueeze t i u axes=0;Expand ex w,s2 f;int s2 3;Max x2 h,h l;"
       "Where wh w,w,w g;Div dv g,w j;GlobalAveragePool gp l y",
};

enum { NETWORKS = sizeof networks / sizeof *networks };

static struct wire fuzz_seed(size_t index)
{
    return index < NETWORKS ? network(networks[index]) : (struct wire){0};
}

static void run_once(const struct lm_model *model)
{
    struct lm_model_info info;
    lm_model_info(model, &info);
    if (info.macs > 10000000 || lm_session_bytes(model, 1, 1) > 32 << 20)
        return;
    struct lm_session *session = NULL;
    struct lm_mask mask;
    float *image = calloc((size_t)info.channels * info.height * info.width, sizeof *image);
    float *logits = calloc(info.classes, sizeof *logits);
    make_ragged_mask(&mask, info.width, info.height);
    const float *const inputs[] = {image};
    const struct lm_mask *const masks[] = {&mask};
    if (lm_session_create(model, 1, 1, &session, NULL) != LM_OK ||
        lm_session_run(session, 1, inputs, NULL, logits, NULL, NULL) != LM_OK ||
        lm_session_run(session, 1, inputs, masks, logits, NULL, NULL) != LM_OK)
        abort();
    lm_session_free(session);
    lm_mask_free(&mask);
    free(image);
    free(logits);
}

static void fuzz_one(const uint8_t *bytes, size_t size)
{
    const struct lm_model_options options = {
        .height = 8, .width = 8, .limits = {1 << 20, 500, 1 << 18, 16 << 20}};
    struct lm_error error = {0};
    struct lm_model *model = NULL;
    char *lines = NULL;
    if (!scratch[0]) {
        if (access("/dev/shm", W_OK) == 0)
            setenv("TMPDIR", "/dev/shm", 0);
        if (scratch_make(NULL) != 0)
            abort();
    }
    scratch_write("m.onnx", bytes, size);
    enum lm_status status = lm_model_load(scratch_path("m.onnx"), &options, &model, &error);
    if (status == LM_OK)
        run_once(model);
    else if (error.status != status || !error.text[0] || strchr(error.text, '\n'))
        abort();
    lm_model_free(model);
    if (lm_model_check(scratch_path("m.onnx"), &options, &lines, NULL) == LM_OK &&
        (status == LM_OK) != !lines[0])
        abort();
    free(lines);
}

/* ---- words */

static const char *const numbers_to_try[] = {"0",
                                             "1",
                                             "2",
                                             "3",
                                             "4",
                                             "7",
                                             "8",
                                             "9",
                                             "16",
                                             "-1",
                                             "-2",
                                             "-3",
                                             "255",
                                             "256",
                                             "4096",
                                             "8192",
                                             "65536",
                                             "2147483647",
                                             "2147483648",
                                             "-2147483648",
                                             "4294967295",
                                             "4294967296",
                                             "9223372036854775807",
                                             "-9223372036854775808",
                                             "1099511627776"};
static const char *const operators_to_try[] = {"Add",
                                               "Sub",
                                               "Mul",
                                               "Div",
                                               "Mod",
                                               "Pow",
                                               "Max",
                                               "Min",
                                               "Relu",
                                               "Sigmoid",
                                               "Neg",
                                               "Abs",
                                               "Cast",
                                               "Shape",
                                               "Gather",
                                               "Concat",
                                               "Split",
                                               "Slice",
                                               "Pad",
                                               "Transpose",
                                               "Reshape",
                                               "Flatten",
                                               "Squeeze",
                                               "Unsqueeze",
                                               "Identity",
                                               "Expand",
                                               "Where",
                                               "Range",
                                               "ConstantOfShape",
                                               "MaxPool",
                                               "AveragePool",
                                               "GlobalAveragePool",
                                               "ReduceMean",
                                               "Conv",
                                               "Gemm",
                                               "MatMul",
                                               "Softmax",
                                               "LRN",
                                               "PRelu",
                                               "BatchNormalization",
                                               "LayerNormalization",
                                               "Gelu",
                                               "Clip",
                                               "Floor",
                                               "Sqrt",
                                               "Dropout"};

static const char *pick(struct rng *rng, const char *const *list, size_t n)
{
    return list[fuzz_below(rng, n)];
}

/* Copies the text with word `which` of the kind changed; words are runs of [A-Za-z0-9_-]. */
static void change_word(struct rng *rng, const char *from, char *to)
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t n_words = 0;
    for (const char *c = from; *c; c += strcspn(c, word), c += strspn(c, word))
        n_words++;
    size_t which = fuzz_below(rng, n_words), i = 0;
    const char *c = from;
    while (*c) {
        size_t gap = strcspn(c, word);
        memcpy(to, c, gap);
        to += gap;
        c += gap;
        size_t length = strspn(c, word);
        const char *instead = NULL;
        char name[2] = {(char)('a' + (int)fuzz_below(rng, 26)), 0};
        if (i++ == which && length) {
            if ((*c >= '0' && *c <= '9') || *c == '-')
                instead = pick(rng, numbers_to_try, sizeof numbers_to_try / sizeof(char *));
            else if (*c >= 'A' && *c <= 'Z')
                instead = pick(rng, operators_to_try, sizeof operators_to_try / sizeof(char *));
            else if (length == 1)
                instead = name;
        }
        if (instead) {
            memcpy(to, instead, strlen(instead));
            to += strlen(instead);
        } else {
            memcpy(to, c, length);
            to += length;
        }
        c += length;
    }
    *to = 0;
}

/* Initializers of more than a few numbers would have to be written into the file. */
static bool is_writable(const char *text)
{
    for (const char *line = text; line; line = strchr(line, ';')) {
        line += *line == ';';
        double count = 1;
        int used = 0;
        if (sscanf(line, "float %*s %n", &used) == 0 && used && strncmp(line, "float ", 6) == 0) {
            for (const char *c = line + used; *c && *c != ' ' && *c != ';';) {
                char *end;
                long long dim = strtoll(c, &end, 10);
                if (end == c || dim < 0)
                    return false;
                count *= (double)dim;
                c = *end == ',' ? end + 1 : end;
            }
            if (count > 10000)
                return false;
        }
    }
    return true;
}

static void mutate_words(void **state)
{
    (void)state;
    uint64_t seed = fuzz_setting("SEED", 1), rounds = fuzz_setting("ROUNDS", 3000);
    clock_t start = clock();
    for (fuzz_round = 0; fuzz_round < rounds; fuzz_round++) {
        struct rng rng;
        char text[4000], changed[4000];
        rng_seed(&rng, seed * 7000003 + fuzz_round);
        strcpy(text, networks[fuzz_below(&rng, NETWORKS)]);
        for (size_t n = 1 + fuzz_below(&rng, 5); n > 0; n--) {
            change_word(&rng, text, changed);
            strcpy(text, changed);
        }
        if (!is_writable(text))
            continue;
        if (getenv("VERBOSE"))
            fprintf(stderr, "%llu: %s\n", (unsigned long long)fuzz_round, text);
        struct wire bytes = network(text);
        fuzz_one(bytes.bytes, bytes.size);
        wire_free(&bytes);
        if (!getenv("ROUNDS") && (double)(clock() - start) / CLOCKS_PER_SEC > 4)
            break;
    }
}

static void clean_up(void **state)
{
    scratch_remove(state);
}

FUZZ_MAIN(cmocka_unit_test(mutate_words), cmocka_unit_test(clean_up))
