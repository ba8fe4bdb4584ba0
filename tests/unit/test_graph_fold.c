/* Constant folding: values by the ONNX operators (and numpy), and what must be refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostile.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SMALLEST "-9223372036854775808"
#define LARGEST "9223372036854775807"
#define NUMBERS "int a 7,-7,7,-7,0,5;int b 3,3,-3,-3,4,0;"

/* Nodes that fold to a list `c` of up to 8 numbers, and what it must hold. */
struct folded {
    const char *nodes;
    size_t n;
    float numbers[8];
};

/* The list times ones and plus zeros of the image's features. */
static void assert_folds(const struct folded *folded)
{
    char text[2000];
    float scores[128];
    snprintf(text, sizeof text,
             "input x 1,%zu,2,2;output y 1,4;GlobalMaxPool p x v;Flatten flat v t;float none %zu 0;"
             "Mul m t,none zeros;int row 1,%zu;%s;Cast last c real to:1;"
             "Reshape shape real,row rows;Add sum zeros,rows y",
             folded->n, folded->n, folded->n, folded->nodes);
    assert_int_equal(run_network(text, scores), folded->n);
    for (size_t i = 0; i < folded->n; i++)
        if (scores[i] != folded->numbers[i])
            fail_msg("%s: number %zu is %g, not %g", folded->nodes, i, (double)scores[i],
                     (double)folded->numbers[i]);
}

static void test_integers(void **state)
{
    (void)state;
    const struct folded cases[] = {
        {NUMBERS "Div k a,b c", 6, {2, -2, -2, 2, 0, 0}},
        {NUMBERS "Mod k a,b c", 6, {1, 2, -2, -1, 0, 0}},
        {"int a " SMALLEST "," LARGEST ",5;int b -1,-1,0;Mod k a,b c", 3, {0, 0, 0}},
        {"int a " LARGEST "," SMALLEST ";int b " LARGEST "," LARGEST ";Mod k a,b d;int m 1000;"
         "Mod l d,m c",
         2,
         {0, 806}},
        {"int a " SMALLEST ",5;int b -1,0;Div k a,b c", 2, {0, 0}},
        {"int a " LARGEST ";int b 1;Add k a,b d;Equal l d,a c", 1, {1}},
        {"int a " SMALLEST ";int b 1;Sub k a,b d;Equal l d,a c", 1, {1}},
        {"int a " SMALLEST ";Neg k a d;int b " LARGEST ";Equal l d,b c", 1, {1}},
        {"int a " SMALLEST ";Abs k a d;int b " LARGEST ";Equal l d,b c", 1, {1}},
        {NUMBERS "Greater k a,b c", 6, {1, 0, 1, 0, 0, 1}},
        {NUMBERS "Less k a,b c", 6, {0, 1, 0, 1, 1, 0}},
        {NUMBERS "Max k a,b c", 6, {7, 3, 7, -3, 4, 5}},
        {NUMBERS "Min k a,b c", 6, {3, -7, -3, -7, 0, 0}},
        {"scalar s 10;scalar e 0;scalar k -3;Range r s,e,k c", 4, {10, 7, 4, 1}},
        {"scalar s -2;scalar e 3;scalar k 2;Range r s,e,k c", 3, {-2, 0, 2}},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_folds(&cases[i]);
}

/* A constant stays until the last node that reads it; one that the graph gives out, for good. */
static void test_readers(void **state)
{
    (void)state;
    const struct folded cases[] = {
        {"float w 3 2;Add k w,w d;Mul m w,d e;Sub n e,w c", 3, {6, 6, 6}},
        {"float w 3 2;output w 3;Add k w,w d;output d 3;Mul m w,d e;Sub n e,w c", 3, {6, 6, 6}},
        {"float w 3 2;Add k w,w d;Add l w,d unread;Mul m w,w c;Sub n d,unread e", 3, {4, 4, 4}},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_folds(&cases[i]);
}

static void test_casts(void **state)
{
    (void)state;
    const struct folded cases[] = {
        {"float z 1 0;Div n z,z nan;Cast k nan c to:7", 1, {0}},
        {"float z 1 0;float o 1 1;Div n o,z inf;Cast k inf c to:7", 1, {0}},
        {"float o 2 1e30;Cast k o c to:7", 2, {0, 0}},
        {"float o 2 -2.75;Cast k o c to:7", 2, {-2, -2}},
        {"int a 0,5,-1;Cast k a c to:9", 3, {0, 1, 1}},
        {"float z 1 0;Sqrt q z s;Exp e s c", 1, {1}},
        {"float m 1 -1;Sqrt q m nan;Cast k nan c to:6", 1, {0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_folds(&cases[i]);
}

static void test_layouts(void **state)
{
    (void)state;
    const struct folded cases[] = {
        {"int a 1,2,3,4,5,6;int s 2,3;Reshape r a,s b;Transpose t b d;int f -1;Reshape q d,f c",
         6,
         {1, 4, 2, 5, 3, 6}},
        {"int a 1,2,3,4,5,6;int i -1,0,-6;Gather g a,i c", 3, {6, 1, 1}},
        {"int a 1,2,3,4,5,6;int s 2,3;Reshape r a,s b;int i 2,0;Gather g b,i d axis:-1;int f -1;"
         "Reshape q d,f c",
         4,
         {3, 1, 6, 4}},
        {"int a 1,2,3;int s " LARGEST ";int e " SMALLEST ";int w 0;int k -1;Slice l a,s,e,w,k c",
         3,
         {3, 2, 1}},
        {"int a 1,2,3,4,5;int s -4;int e " LARGEST ";int w 0;int k 2;Slice l a,s,e,w,k c",
         2,
         {2, 4}},
        {"int a 1,2;int b;int d 3;Concat k a,b,d c axis:0", 3, {1, 2, 3}},
        {"int a 1,2;int s 2,2;Expand e a,s b;int f 4;Reshape r b,f c", 4, {1, 2, 1, 2}},
        {"int a 1,0,1;int b 5,6,7;scalar n -1;Where w a,b,n c", 3, {5, -1, 7}},
        {"int a 1,2;int w 0,2;Unsqueeze u a,w b;Shape s b c", 3, {1, 2, 1}},
        {"Shape s x b;int i 1,2;Gather g b,i c", 2, {2, 2}},
        {"Shape s x c start:-3 end:-1", 2, {2, 2}},
        {"int s 2;ConstantOfShape o s c value#9", 2, {9, 9}},
        {"Constant k - c value#4,5", 2, {4, 5}},
        {"Constant k - c value_ints=4,5", 2, {4, 5}},
        {"Constant k - b value_float~2.5;int f 1;Reshape r b,f c", 1, {2.5f}},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_folds(&cases[i]);
}

#define HEAD "input x 1,3,8,8;output y 1,4;GlobalAveragePool p x y;"
#define VAST "4611686018427387904"

static void test_refusals(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {HEAD "int a 1,2;int i 2;Gather k a,i c", LM_CORRUPT, "node 'k' (Gather): index 2 of 2"},
        {HEAD "int a 1,2;int i " SMALLEST ";Gather k a,i c", LM_CORRUPT,
         "node 'k' (Gather): index " SMALLEST " of 2"},
        {HEAD "int a 1,2;int i 0;Gather k a,i c axis:1", LM_CORRUPT,
         "node 'k' (Gather): axis 1 of a rank 1 constant"},
        {HEAD "scalar a 1;int i 0;Gather k a,i c", LM_CORRUPT,
         "node 'k' (Gather): axis 0 of a rank 0 constant"},
        {HEAD "int a 1,2;float i 1;Gather k a,i c", LM_CORRUPT,
         "node 'k' (Gather): axis 0 of a rank 1 constant"},
        {HEAD "Gather k - c", LM_CORRUPT, "node 'k' (Gather): input 0 is missing"},
        {HEAD "int a 1,2;Gather k a c", LM_CORRUPT, "node 'k' (Gather): input 1 is missing"},
        {HEAD "int a 1,2;int b 1,2,3;Add k a,b c", LM_CORRUPT,
         "node 'k' (Add): shapes that cannot be broadcast"},
        {HEAD "int a 1,2;Add k a c", LM_CORRUPT, "node 'k' (Add): input 1 is missing"},
        {HEAD "int a 1,2;int b;Add k a,b c", LM_CORRUPT,
         "node 'k' (Add): shapes that cannot be broadcast"},
        {HEAD "int a 1,2;Sqrt k a c", LM_UNSUPPORTED,
         "node 'k' (Sqrt): Sqrt of integers is not supported"},
        {HEAD "float a 2;Mod k a,a c", LM_UNSUPPORTED,
         "node 'k' (Mod): Mod of these constants is not supported"},
        {HEAD "int a 1,2;float b 2;Concat k a,b c axis:0", LM_CORRUPT,
         "node 'k' (Concat): constants of different shape or type"},
        {HEAD "int a 1,2;Concat k a,a c axis:1", LM_CORRUPT,
         "node 'k' (Concat): axis out of range"},
        {HEAD "scalar a 1;Concat k a,a c axis:0", LM_CORRUPT,
         "node 'k' (Concat): axis out of range"},
        {HEAD "int a 1,2;Concat k a,_,a c axis:0", LM_CORRUPT,
         "node 'k' (Concat): input 1 is missing"},
        {HEAD "int a 1;Concat k a,a,a,a,a,a,a,a,a c axis:0", LM_UNSUPPORTED,
         "node 'k' (Concat): 9 constant inputs"},
        {HEAD "int a 1,2;int s 3;Reshape k a,s c", LM_CORRUPT,
         "node 'k' (Reshape): 2 numbers reshaped to 3"},
        {HEAD "int a 1,2;int s -1,3;Reshape k a,s c", LM_CORRUPT,
         "node 'k' (Reshape): 2 numbers reshaped to 0"},
        {HEAD "int a 1,2;int s -2;Reshape k a,s c", LM_CORRUPT,
         "node 'k' (Reshape): a negative size"},
        {HEAD "int a 1,2;int s " VAST "," VAST ";Reshape k a,s c", LM_CORRUPT,
         "node 'k' (Reshape): a negative size"},
        {HEAD "int a 1,2;int s 1,1,1,1,1,1,1,1,2;Reshape k a,s c", LM_CORRUPT,
         "node 'k' (Reshape): a shape of 9 numbers"},
        {HEAD "int a 1,2;Transpose k a c perm=1", LM_CORRUPT,
         "node 'k' (Transpose): perm is no permutation"},
        {HEAD "int a 1,2;Transpose k a c perm=0,1", LM_CORRUPT,
         "node 'k' (Transpose): perm is no permutation"},
        {HEAD "int a 1,2;Transpose k a c perm:0", LM_CORRUPT,
         "node 'k' (Transpose): attribute perm is not a list of integers"},
        {HEAD "int a 1,2;Transpose k a c perm=1", LM_CORRUPT,
         "node 'k' (Transpose): perm is no permutation"},
        {HEAD "int a 1,2;int s 0;Squeeze k a,s c", LM_CORRUPT,
         "node 'k' (Squeeze): an axis that is not 1"},
        {HEAD "int a 1,2;int s 1;Squeeze k a,s c", LM_CORRUPT,
         "node 'k' (Squeeze): axis 1 is out of range"},
        {HEAD "int a 1,2;float s 1;Squeeze k a,s c", LM_UNSUPPORTED,
         "node 'k' (Squeeze): axes is computed from the image, or not made of integers"},
        {HEAD "int a 1,2;int s " SMALLEST ";Unsqueeze k a,s c", LM_CORRUPT,
         "node 'k' (Unsqueeze): axis " SMALLEST " is out of range"},
        {HEAD "int a 1,2;Unsqueeze k a c", LM_CORRUPT,
         "node 'k' (Unsqueeze): axes are missing or too many"},
        {HEAD "int a 1,2;int s 0;int e 1,2;Slice k a,s,e c", LM_CORRUPT,
         "node 'k' (Slice): starts, ends, axes and steps of different length"},
        {HEAD "int a 1,2;Slice k a c", LM_CORRUPT,
         "node 'k' (Slice): starts, ends, axes and steps of different length"},
        {HEAD "int a 1,2;int s 0;int e 1;int w -2;Slice k a,s,e,w c", LM_CORRUPT,
         "node 'k' (Slice): axis -2 of rank 1, step 1"},
        {HEAD "float a 2;float b 2;Where k a,a,b c", LM_CORRUPT,
         "node 'k' (Where): constants of different types"},
        {HEAD "int a 1,2;int s 3;Expand k a,s c", LM_CORRUPT,
         "node 'k' (Expand): shapes that cannot be broadcast"},
        {HEAD "int a 1;int s -3;Expand k a,s c", LM_CORRUPT,
         "node 'k' (Expand): a constant with a size of -3"},
        {HEAD "float s 2;ConstantOfShape k s c", LM_CORRUPT,
         "node 'k' (ConstantOfShape): a shape of 2 numbers"},
        {HEAD "Constant k - c", LM_CORRUPT, "node 'k' (Constant): a Constant needs one value"},
        {HEAD "Constant k - c value@text", LM_CORRUPT,
         "node 'k' (Constant): attribute value is not a float or a tensor"},
        {HEAD "Constant k - c value_string@text", LM_UNSUPPORTED,
         "node 'k' (Constant): a Constant with attribute value_string"},
        {HEAD "int a 1;Cast k a c to:8", LM_UNSUPPORTED, "node 'k' (Cast): a Cast to type 8"},
        {HEAD "int a 1;Cast k a c to:-1", LM_UNSUPPORTED, "node 'k' (Cast): a Cast to type -1"},
        {HEAD "int a 1;Cast k a c to:4294967297", LM_UNSUPPORTED,
         "node 'k' (Cast): a Cast to type 4294967297"},
        {HEAD "int a 1,2;int s 0,1;Reshape k a,s c allowzero:1", LM_CORRUPT,
         "node 'k' (Reshape): 2 numbers reshaped to 0"},
        {HEAD "float s 1;float e 1;Range k s,e,s c", LM_UNSUPPORTED,
         "node 'k' (Range): a Range of other than integers"},
        {HEAD "Shape k - c", LM_CORRUPT, "node 'k' (Shape): input 0 is missing"},
        {HEAD "Dropout d x h,m;Shape k m c", LM_CORRUPT, "node 'k' (Shape): input 0 is missing"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

/* No numbers, but vast sides: nothing may be counted or looped over by them. */
static void test_empty_constants(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {HEAD "int s 0," VAST ";ConstantOfShape z s e;Concat k e,e,e c axis:1", LM_LIMIT,
         "node 'k' (Concat): constants of too many numbers"},
        {HEAD "int s 0," VAST ";ConstantOfShape z s e;Transpose k e c", LM_LIMIT,
         "node 'k' (Transpose): a constant of more than 536870912 numbers"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
    static const char *const networks[] = {
        HEAD "int s 536870912,0;ConstantOfShape z s e;Concat k e,e,e,e,e,e,e,e c axis:1",
        HEAD "int s 536870912,1,0;ConstantOfShape z s e;int i 0;Gather k e,i c axis:1",
        HEAD "int s 0," VAST "," VAST ";ConstantOfShape z s e;Abs k e c;Add l c,c d",
        HEAD "int s 0;ConstantOfShape z s e;Reshape k e,s c;Squeeze q c d",
        HEAD "int s;ConstantOfShape z s e;Identity k e c",
    };
    for (size_t i = 0; i < COUNT(networks); i++) {
        float scores[128];
        run_network(networks[i], scores);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers), cmocka_unit_test(test_casts),
        cmocka_unit_test(test_layouts),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_readers),  cmocka_unit_test(test_empty_constants),
    };
    return cmocka_run_group_tests_name("graph_fold", tests, hostile_start, scratch_remove);
}
