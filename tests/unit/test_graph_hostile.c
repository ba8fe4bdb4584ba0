/* Model files whose meaning is wrong: Convs, pools, channels and shapes.  Each is refused with a
 * text that names the node, or runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostile.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define IMAGE "input x 1,3,8,8;output y 1,4;"
#define CONV IMAGE "float w 4,3,3,3;float b 4;"
#define TAIL ";GlobalAveragePool p h y"

static void test_weights(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {CONV "Conv c x,w,b h group:0" TAIL, LM_CORRUPT,
         "node 'c' (Conv): weights 4x3x3x3 in 0 groups do not fit an input of 1x3x8x8"},
        {CONV "Conv c x,w,b h group:-1" TAIL, LM_CORRUPT,
         "node 'c' (Conv): weights 4x3x3x3 in -1 groups do not fit an input of 1x3x8x8"},
        {CONV "Conv c x,w,b h group:3" TAIL, LM_CORRUPT,
         "node 'c' (Conv): weights 4x3x3x3 in 3 groups do not fit an input of 1x3x8x8"},
        {CONV "Conv c x,w,b h group:9223372036854775807" TAIL, LM_CORRUPT,
         "node 'c' (Conv): weights 4x3x3x3 in 9223372036854775807 groups do not fit an input of "
         "1x3x8x8"},
        {IMAGE "float w 4,2,3,3;Conv c x,w h" TAIL, LM_CORRUPT,
         "node 'c' (Conv): weights 4x2x3x3 in 1 groups do not fit an input of 1x3x8x8"},
        {IMAGE "float w 0,3,3,3;Conv c x,w h" TAIL, LM_CORRUPT,
         "node 'c' (Conv): weights 0x3x3x3 in 1 groups do not fit an input of 1x3x8x8"},
        {IMAGE "float w 4,3,0,3;Conv c x,w h" TAIL, LM_CORRUPT,
         "node 'c' (Conv): weights 4x3x0x3 in 1 groups do not fit an input of 1x3x8x8"},
        {IMAGE "float w 4,3,3;Conv c x,w h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): only two-dimensional convolutions of N,C,H,W are supported"},
        {IMAGE "scalar w 3;Conv c x,w h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): weights are computed from the image, or not floats"},
        {IMAGE "float w 4,3,3,3;Conv c w,x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): weights are computed from the image, or not floats"},
        {IMAGE "Conv c x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): weights are computed from the image, or not floats"},
        {IMAGE "Conv c x,_ h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): weights are computed from the image, or not floats"},
        {CONV "Conv c x,w,x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): the bias is computed from the image"},
        {IMAGE "float w 4,3,3,3;float b 3;Conv c x,w,b h" TAIL, LM_CORRUPT,
         "node 'c' (Conv): 3 biases for 4 channels"},
        {IMAGE "float w 4,3,3,3;int b 1,2,3,4;Conv c x,w,b h" TAIL, LM_CORRUPT,
         "node 'c' (Conv): 4 biases for 4 channels"},
        {IMAGE "float w 5,4;GlobalAveragePool p x v;Flatten f v t;Gemm g t,w y", LM_CORRUPT,
         "node 'g' (Gemm): a matrix of 5x4 does not fit an input of 1x3"},
        {IMAGE "float w 3,0;GlobalAveragePool p x v;Flatten f v t;Gemm g t,w y", LM_CORRUPT,
         "node 'g' (Gemm): a matrix of 3x0 does not fit an input of 1x3"},
        {IMAGE "float w 3,4;float b 5;GlobalAveragePool p x v;Flatten f v t;Gemm g t,w,b y",
         LM_CORRUPT, "node 'g' (Gemm): 5 biases for 4 features"},
        {IMAGE "float w 3,4;Gemm g x,w y", LM_UNSUPPORTED,
         "node 'g' (Gemm): only a matrix N,C that is not transposed"},
        {IMAGE "float w 8,4;MatMul m x,w y", LM_UNSUPPORTED,
         "node 'm' (MatMul): only over channels on the last axis"},
        {IMAGE "float s 4;BatchNormalization n x,s,s,s,s h" TAIL, LM_CORRUPT,
         "node 'n' (BatchNormalization): input 1 is not 3 constants"},
        {IMAGE "float s 3;BatchNormalization n x,s,s,s h" TAIL, LM_CORRUPT,
         "node 'n' (BatchNormalization): input 4 is not 3 constants"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

/* A Relu would hide them behind zeros. */
static void test_numbers_that_are_none(void **state)
{
    (void)state;
    static const char weights[] =
        "node 'c': its weights, with what was folded into them, hold NaN or inf";
    static const char biases[] =
        "node 'c': its biases, with what was folded into them, hold NaN or inf";
    const struct refusal cases[] = {
        {IMAGE "float w 4,3,3,3 nan;Conv c x,w r;Relu s r h" TAIL, LM_CORRUPT, weights},
        {IMAGE "float w 3,1,3,3 inf;Conv c x,w r group:3;Relu s r h" TAIL, LM_CORRUPT, weights},
        {IMAGE "float w 4,3,3,3;float b 4 -inf;Conv c x,w,b h" TAIL, LM_CORRUPT, biases},
        {IMAGE "float w 3,4 nan;GlobalAveragePool p x v;Flatten f v t;Gemm c t,w y", LM_CORRUPT,
         weights},
        {IMAGE "float s 3;float v 3 -1;BatchNormalization n x,s,s,s,v h" TAIL, LM_CORRUPT,
         "node 'n' (BatchNormalization): channel 0: scale -0.5, bias -0.5, mean -0.5, variance -1, "
         "epsilon 1e-05"},
        {CONV "float s 4 1;float n 4 nan;Conv c x,w r;BatchNormalization n1 r,s,n,s,s h" TAIL,
         LM_CORRUPT,
         "node 'n1' (BatchNormalization): channel 0: scale 1, bias nan, mean 1, variance 1, "
         "epsilon 1e-05"},
        {IMAGE "float w 4,3,3,3 3e38;float s 4,1,1 1e9;Conv c x,w r;Mul m r,s h" TAIL, LM_CORRUPT,
         weights},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

/* An attribute of another kind is none that could be left out. */
static void test_attribute_kinds(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {CONV "Conv c x,w h group~1" TAIL, LM_CORRUPT,
         "node 'c' (Conv): attribute group is not an integer"},
        {CONV "Conv c x,w h auto_pad:1" TAIL, LM_CORRUPT,
         "node 'c' (Conv): attribute auto_pad is not a string"},
        {CONV "Conv c x,w h strides~2" TAIL, LM_CORRUPT,
         "node 'c' (Conv): attribute strides is not a list of integers"},
        {CONV "Conv c x,w h dilations@1" TAIL, LM_CORRUPT,
         "node 'c' (Conv): attribute dilations is not a list of integers"},
        {IMAGE "LeakyRelu r x h alpha:1" TAIL, LM_CORRUPT,
         "node 'r' (LeakyRelu): attribute alpha is not a float"},
        {IMAGE "MaxPool p x h kernel_shape=2,2 ceil_mode=1" TAIL, LM_CORRUPT,
         "node 'p' (MaxPool): attribute ceil_mode is not an integer"},
        {IMAGE "int s 1;ConstantOfShape k s c value:1;Add a x,c h" TAIL, LM_CORRUPT,
         "node 'k' (ConstantOfShape): attribute value is not a float or a tensor"},
        {IMAGE "int s 0,-1;Reshape r x,s y allowzero:1", LM_CORRUPT,
         "node 'r' (Reshape): a shape holds 0"},
        {IMAGE "Cast r x h to:7" TAIL, LM_UNSUPPORTED,
         "node 'r' (Cast): a Cast of image features to type 7"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

static void test_windows(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {CONV "Conv c x,w h strides=0,1" TAIL, LM_INVALID,
         "node 'c' (Conv): strides holds 0 (1 to 8192)"},
        {CONV "Conv c x,w h strides=2147483648,1" TAIL, LM_INVALID,
         "node 'c' (Conv): strides holds 2147483648 (1 to 8192)"},
        {CONV "Conv c x,w h dilations=1,-1" TAIL, LM_INVALID,
         "node 'c' (Conv): dilations holds -1 (1 to 8192)"},
        {CONV "Conv c x,w h dilations=4,4" TAIL, LM_INVALID,
         "node 'c' (Conv): a window of 9 cells on 8"},
        {CONV "Conv c x,w h pads=0,0,-1,0" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): pads holds -1 (0 to 8192)"},
        {CONV "Conv c x,w h pads=0,0,0,4294967296" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): pads holds 4294967296 (0 to 8192)"},
        {CONV "Conv c x,w h pads=1,1" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): pads has 2 numbers, not 4"},
        {CONV "Conv c x,w h pads:1" TAIL, LM_CORRUPT,
         "node 'c' (Conv): attribute pads is not a list of integers"},
        {CONV "Conv c x,w h strides=1,1,1" TAIL, LM_UNSUPPORTED,
         "node 'c' (Conv): strides has 3 numbers; only two-dimensional windows are supported"},
        {CONV "Conv c x,w h kernel_shape=5,5" TAIL, LM_CORRUPT,
         "node 'c' (Conv): kernel_shape 5x5, but weights of 3x3"},
        {CONV "Conv c x,w h auto_pad@SAME" TAIL, LM_UNSUPPORTED, "node 'c' (Conv): auto_pad SAME"},
        {IMAGE "MaxPool c x h" TAIL, LM_CORRUPT, "node 'c' (MaxPool): kernel_shape is missing"},
        {IMAGE "MaxPool c x h kernel_shape=9,9" TAIL, LM_INVALID,
         "node 'c' (MaxPool): a window of 9 cells on 8"},
        {IMAGE "MaxPool c x h kernel_shape=8192,8192 pads=8192,8192,8192,8192" TAIL, LM_LIMIT,
         "node 'c' (MaxPool): a kernel of 8192x8192 cells (at most 8192)"},
        {IMAGE "MaxPool c x h kernel_shape=0,1" TAIL, LM_INVALID,
         "node 'c' (MaxPool): kernel_shape holds 0 (1 to 8192)"},
        {IMAGE "MaxPool c x h,i kernel_shape=2,2" TAIL, LM_UNSUPPORTED,
         "node 'c' (MaxPool): the second output, indices"},
        {IMAGE "AveragePool c x h kernel_shape=2,2 dilations=2,2" TAIL, LM_UNSUPPORTED,
         "node 'c' (AveragePool): dilations"},
        {IMAGE "float w 4,3,1,251 0;Conv c x,w h pads=0,125,0,125" TAIL, LM_UNSUPPORTED,
         "c: a kernel 251 wide (at most 250)"},
        /* 8 + 2 * 8192 on each side is within the sites of a value, twice that is not. */
        {IMAGE "MaxPool c x h kernel_shape=1,1 pads=8192,8192,8192,8192" TAIL, LM_LIMIT,
         "node 'c' (MaxPool): a result of 16392x16392 sites (at most 16777216)"},
        {IMAGE "MaxPool c x h kernel_shape=1,1 dilations=1,1 auto_pad@SAME_UPPER strides=8192,1;"
               "AveragePool d h i kernel_shape=1,1 pads=8192,8192,8192,8192;" TAIL,
         LM_LIMIT, "node 'd' (AveragePool): a result of 16385x16392 sites (at most 16777216)"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

/* A picture that is grown line by line until its rows cannot be numbered. */
static void test_long_sides(void **state)
{
    (void)state;
    char network[2000] = "input x 1,1,1,8;output y 1,1;", from[20] = "x";
    for (int i = 0; i < 5; i++) {
        char line[100];
        snprintf(line, sizeof line, "MaxPool p%d %s h%d kernel_shape=1,1 pads=0,8192,0,8192;", i,
                 from, i);
        strcat(network, line);
        snprintf(from, sizeof from, "h%d", i);
    }
    strcat(network, "GlobalAveragePool p h4 y");
    const struct refusal refusal = {network, LM_LIMIT,
                                    "node 'p3' (MaxPool): a result of 1x65544 sites "
                                    "(at most 65536 a side)"};
    assert_true(is_refused(&refusal, NULL));
}

/* A window and its paddings span more cells than any table should have. */
static void test_frames(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {IMAGE "MaxPool c x h kernel_shape=2,2 dilations=8192,8192 strides=8192,8192 "
               "auto_pad@SAME_UPPER" TAIL,
         LM_LIMIT, "c: a window over 8193x8193 padded cells (at most 33554432)"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

static void test_channels(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {IMAGE "Concat c x,x h axis:4" TAIL, LM_CORRUPT, "node 'c' (Concat): axis 4 of rank 4"},
        {IMAGE "Concat c x,x h axis:-5" TAIL, LM_CORRUPT, "node 'c' (Concat): axis -5 of rank 4"},
        {IMAGE "Concat c x,x h axis:2" TAIL, LM_UNSUPPORTED,
         "node 'c' (Concat): axis 2 is the batch, rows or columns"},
        {IMAGE "Concat c x,x h axis:-9223372036854775808" TAIL, LM_CORRUPT,
         "node 'c' (Concat): axis -9223372036854775808 of rank 4"},
        {IMAGE "float w 1,3,8,8;Concat c x,w h axis:1" TAIL, LM_UNSUPPORTED,
         "node 'c' (Concat): constants beside values computed from the image"},
        {IMAGE "MaxPool m x s kernel_shape=2,2;Concat c x,s h axis:1" TAIL, LM_UNSUPPORTED,
         "node 'c' (Concat): inputs of different layout or size"},
        {IMAGE "Split c x h,i axis:4" TAIL, LM_CORRUPT, "node 'c' (Split): axis 4 of rank 4"},
        {IMAGE "int s 1,2,3;Split c x,s h,i axis:1" TAIL, LM_CORRUPT,
         "node 'c' (Split): 3 sizes for 2 outputs"},
        {IMAGE "int s 2,2;Split c x,s h,i axis:1" TAIL, LM_CORRUPT,
         "node 'c' (Split): parts that do not fit 3 channels"},
        {IMAGE "int s 9223372036854775807,1;Split c x,s h,i axis:1" TAIL, LM_CORRUPT,
         "node 'c' (Split): parts that do not fit 3 channels"},
        {IMAGE "int s -1,4;Split c x,s h,i axis:1" TAIL, LM_CORRUPT,
         "node 'c' (Split): parts that do not fit 3 channels"},
        {IMAGE "Split c x h,i,j,k axis:1" TAIL, LM_CORRUPT,
         "node 'c' (Split): parts that do not fit 3 channels"},
        {IMAGE "int s 3;Gather c x,s h axis:1" TAIL, LM_CORRUPT,
         "node 'c' (Gather): channel 3 of 3"},
        {IMAGE "int s -9223372036854775808;Gather c x,s h axis:1" TAIL, LM_CORRUPT,
         "node 'c' (Gather): channel -9223372036854775808 of 3"},
        {IMAGE "int s;Gather c x,s h axis:1" TAIL, LM_UNSUPPORTED,
         "node 'c' (Gather): only a constant channel number or list of them"},
        {IMAGE "int s 0;Gather c x,s h axis:7" TAIL, LM_CORRUPT,
         "node 'c' (Gather): axis 7 of rank 4"},
        {IMAGE "int a 0;int b 0;Slice c x,a,b h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Slice): a slice of the batch, or of nothing"},
        {IMAGE "int a 3;int b 9223372036854775807;int k 1;Slice c x,a,b,k h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Slice): a slice of the batch, or of nothing"},
        {IMAGE "int a 0;int b 2;int k 4;Slice c x,a,b,k h" TAIL, LM_CORRUPT,
         "node 'c' (Slice): axis 4 of rank 4, step 1"},
        {IMAGE "int a 0;int b 2;int k 1;int s 0;Slice c x,a,b,k,s h" TAIL, LM_CORRUPT,
         "node 'c' (Slice): axis 1 of rank 4, step 0"},
        {IMAGE "int a 0;int b 2,3;int k 1;Slice c x,a,b,k h" TAIL, LM_CORRUPT,
         "node 'c' (Slice): starts, ends, axes and steps of different length"},
        {IMAGE "int a 0,0;int b 2,2;int k 1,2;Slice c x,a,b,k h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Slice): a slice of several kinds of axes at once"},
        {IMAGE "Transpose c x h perm=0,1,2" TAIL, LM_UNSUPPORTED,
         "node 'c' (Transpose): perm is missing, or of another rank than 4"},
        {IMAGE "Transpose c x h perm=0,1,1,3" TAIL, LM_CORRUPT,
         "node 'c' (Transpose): perm is no permutation"},
        {IMAGE "Transpose c x h perm=0,1,2,4294967299" TAIL, LM_CORRUPT,
         "node 'c' (Transpose): perm is no permutation"},
        {IMAGE "Transpose c x h perm=1,0,2,3" TAIL, LM_UNSUPPORTED,
         "node 'c' (Transpose): a Transpose that moves the batch, or swaps rows and columns"},
        {IMAGE "int p 0,0,1,1,0,0,1;Pad c x,p h" TAIL, LM_CORRUPT,
         "node 'c' (Pad): 7 pads for 4 axes"},
        {IMAGE "Pad c x h" TAIL, LM_CORRUPT, "node 'c' (Pad): 0 pads for 4 axes"},
        {IMAGE "int p 0,-1,0,0,0,0,0,0;Pad c x,p h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Pad): pads of -1 and 0 on axis 1 (0 to 8192)"},
        {IMAGE "int p 0,1099511627776,0,0,0,0,0,0;Pad c x,p h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Pad): pads of 1099511627776 and 0 on axis 1 (0 to 8192)"},
        {IMAGE "int p 0,0,1,1,0,0,1,1;Pad c x,p h" TAIL, LM_UNSUPPORTED,
         "node 'p' (GlobalAveragePool): a padded border may only enter a Conv or pool"},
        {IMAGE "int p 1,1;int k 9;Pad c x,p,_,k h" TAIL, LM_CORRUPT,
         "node 'c' (Pad): axis 9 of rank 4"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

static void test_shapes(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {IMAGE "int s 1,-1,-1,8;Reshape c x,s h" TAIL, LM_CORRUPT,
         "node 'c' (Reshape): a shape holds -1"},
        {IMAGE "int s 1,5,-1;Reshape c x,s h" TAIL, LM_CORRUPT,
         "node 'c' (Reshape): 192 numbers do not fit the new shape"},
        {IMAGE "int s 1,-2;Reshape c x,s h" TAIL, LM_CORRUPT,
         "node 'c' (Reshape): a shape holds -2"},
        {IMAGE "int s 1,4294967296,4294967296;Reshape c x,s h" TAIL, LM_CORRUPT,
         "node 'c' (Reshape): a shape holds 4294967296"},
        {IMAGE "int s 192;Reshape c x,s h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Reshape): a result of rank 1 (2 to 8)"},
        {IMAGE "Reshape c x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Reshape): a result of rank 0 (2 to 8)"},
        {IMAGE "int s 1,1,1,1,1,1,1,1,192;Reshape c x,s h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Reshape): a result of rank 9 (2 to 8)"},
        {IMAGE "int s 3,64;Reshape c x,s h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Reshape): a Reshape of 1x3x8x8 to 3x64, which changes the batch"},
        {IMAGE "int s 1,3,64;Reshape c x,s h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Reshape): a Reshape of 1x3x8x8 to 1x3x64, which takes rows and columns apart"},
        {IMAGE "Flatten c x h axis:2" TAIL, LM_UNSUPPORTED,
         "node 'c' (Flatten): only axis 1 of values computed from the image"},
        {IMAGE "int s 9;Unsqueeze c x,s h" TAIL, LM_UNSUPPORTED, "node 'c' (Unsqueeze): axis 9"},
        {IMAGE "int s 1,1;Unsqueeze c x,s h" TAIL, LM_UNSUPPORTED, "node 'c' (Unsqueeze): axis 1"},
        {IMAGE "int s 1,2,3,4,5;Unsqueeze c x,s h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Unsqueeze): a result of rank 9"},
        {IMAGE "int s 1;Squeeze c x,s h" TAIL, LM_UNSUPPORTED, "node 'c' (Squeeze): axis 1"},
        {IMAGE "int s -9;Squeeze c x,s h" TAIL, LM_UNSUPPORTED, "node 'c' (Squeeze): axis -9"},
        {IMAGE "int s 1,2;ReduceMean c x h axes=1,4" TAIL, LM_CORRUPT,
         "node 'c' (ReduceMean): an axis out of range"},
        {IMAGE "ReduceMean c x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (ReduceMean): a mean over all axes"},
        {IMAGE "Softmax c x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Softmax): only over the classes of N,C"},
        {IMAGE "float s 8;LayerNormalization c x,s h axis:9" TAIL, LM_UNSUPPORTED,
         "node 'c' (LayerNormalization): only over channels on the last axis"},
        {IMAGE "LRN c x h size:0" TAIL, LM_CORRUPT, "node 'c' (LRN): size 0"},
        {IMAGE "LRN c x h" TAIL, LM_CORRUPT, "node 'c' (LRN): size 0"},
        {IMAGE "Cast c x h to:7" TAIL, LM_UNSUPPORTED,
         "node 'c' (Cast): a Cast of image features to type 7"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

static void test_operands(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {IMAGE "float w 1,4,1,1;Add c x,w h" TAIL, LM_CORRUPT,
         "node 'c' (Add): shapes 1x3x8x8 and 1x4x1x1 cannot be broadcast"},
        {IMAGE "float w 2,1,1,1,1;Add c x,w h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Add): operands of different rank"},
        {IMAGE "float w 2,1,1,1;Add c x,w h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Add): a constant with a batch of its own"},
        {"input x 2,3,8,8;output y 1,4;float w 2,1,1,1;Add c x,w h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Add): a constant with a batch of its own"},
        {IMAGE "float w 1,0,1,1;GlobalAveragePool p x v;Add c v,w h" TAIL, LM_CORRUPT,
         "node 'c' (Add): shapes 1x3x1x1 and 1x0x1x1 cannot be broadcast"},
        {"input x 1,1,8,8;output y 1,4;float w 1,0,1,1;Add c x,w h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Add): an empty constant"},
        {IMAGE "Add c x h" TAIL, LM_CORRUPT, "node 'c' (Add): input 1 is missing"},
        {IMAGE "Add c x,_ h" TAIL, LM_CORRUPT, "node 'c' (Add): input 1 is missing"},
        {IMAGE "float w 1;float v 1;Add c w,v,x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Add): no operand is computed from the image"},
        {IMAGE "float w 1;Gelu c w,x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Gelu): no operand is computed from the image"},
        {IMAGE "float w 1;Cast c w,x h to:1" TAIL, LM_UNSUPPORTED,
         "node 'c' (Cast): input 0 is a constant"},
        {IMAGE "float w 1;Relu c w,x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Relu): no operand is computed from the image"},
        {IMAGE "Relu c _,x h" TAIL, LM_CORRUPT, "node 'c' (Relu): input 0 is missing"},
        {IMAGE "Dropout d x h,m;Relu c m v" TAIL, LM_CORRUPT,
         "node 'c' (Relu): input 0 is missing"},
        {IMAGE "Dropout d x h,m;Cast c m v to:1" TAIL, LM_UNSUPPORTED,
         "node 'c' (Cast): input 0 is a constant"},
        {IMAGE "Clip c x,x h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Clip): min is computed from the image, or not one number"},
        {IMAGE "GlobalAveragePool p x v;int s 1,3,1;int t 1,1,3;Reshape a v,s m;Reshape b v,t n;"
               "Add c m,n h;Flatten f h y",
         LM_UNSUPPORTED, "node 'c' (Add): operands that share some channel axes only"},
        {IMAGE "Max c - h" TAIL, LM_CORRUPT, "node 'c' (Max): input 0 is missing"},
        {IMAGE "Concat c - h" TAIL, LM_CORRUPT, "node 'c' (Concat): input 0 is missing"},
        {IMAGE "Relu c - h" TAIL, LM_UNSUPPORTED,
         "node 'c' (Relu): operator Relu is supported on values computed from the image only"},
        {IMAGE "Add c x,x h;Flurb d h i;GlobalAveragePool p i y", LM_UNSUPPORTED,
         "node 'd' (Flurb): operator Flurb is not supported"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
}

static void test_ends(void **state)
{
    (void)state;
    const struct refusal cases[] = {
        {"input x 1,3,8,8;output x 1,3,8,8;Relu r x h", LM_UNSUPPORTED,
         "output 'x' of 1x3x8x8 still has rows and columns; a classifier gives one row of scores"},
        {IMAGE "Relu r x y", LM_UNSUPPORTED,
         "output 'y' of 1x3x8x8 still has rows and columns; a classifier gives one row of scores"},
        {"input x 1,3,8,8;output w 4;float w 4;Relu r x y", LM_UNSUPPORTED,
         "the output is not computed from the image"},
        {IMAGE "Dropout d x h,y", LM_UNSUPPORTED, "the output is not computed from the image"},
        {"input x 1,3,8,8;input z 1,3,8,8;output y 1,4;Add r x,z h" TAIL, LM_UNSUPPORTED,
         "2 inputs; an image classifier has one"},
        {"input x 1,3,8;output y 1,4;GlobalAveragePool p x y", LM_UNSUPPORTED,
         "input 'x' has rank 3, not N,C,H,W"},
        {"input x -1,3,-1,8;output y 1,4;GlobalAveragePool p x y", LM_INVALID,
         "input 'x' leaves its height open: say it in model.json's input.size"},
        {"input x 1,3,0,8;output y 1,4;GlobalAveragePool p x y", LM_CORRUPT,
         "input 'x': height 0 (1 to 4096)"},
        {"input x 0,3,8,8;output y 1,4;GlobalAveragePool p x y", LM_CORRUPT,
         "input 'x': batch 0 (1 to 4096)"},
        {"input x 1,3,-7,8;output y 1,4;GlobalAveragePool p x y", LM_CORRUPT,
         "tensor \"x\": dim 2 is -7"},
        {"input x 1,3,8,8 7;output y 1,4;GlobalAveragePool p x y", LM_UNSUPPORTED,
         "input 'x' is int64; only floats are supported"},
        {"input x 1,3,8,8 2;output y 1,4;GlobalAveragePool p x y", LM_UNSUPPORTED,
         "input 'x' is uint8; only floats are supported"},
        {"input x 1,3,8,8 99;output y 1,4;GlobalAveragePool p x y", LM_UNSUPPORTED,
         "input 'x' is unknown; only floats are supported"},
        {"input x 1,3,8,100000;output y 1,4;GlobalAveragePool p x y", LM_LIMIT,
         "input 'x': width 100000 (at most 4096)"},
        {"input x 1,9223372036854775807,8,8;output y 1,4;GlobalAveragePool p x y", LM_LIMIT,
         "input 'x': channels 9223372036854775807 (at most 4096)"},
        {"input x 4294967297,3,8,8;output y 1,4;GlobalAveragePool p x y", LM_LIMIT,
         "input 'x': batch 4294967297 (at most 4096)"},
    };
    assert_all_refused(cases, COUNT(cases), NULL);
    const struct lm_model_options asked = {.height = 100000, .width = 8}, other = {.height = 9};
    const struct refusal open = {"input x -1,-1,-1,-1;output y 1,4;GlobalAveragePool p x y",
                                 LM_LIMIT, "input 'x': height 100000 (at most 4096)"};
    const struct refusal fixed = {IMAGE "GlobalAveragePool p x y", LM_INVALID,
                                  "input 'x': height is 8 in the file, but 9 was asked for"};
    assert_true(is_refused(&open, &asked));
    assert_true(is_refused(&fixed, &other));
}

/* Odd, but meaningful: they run. */
static void test_odd_networks(void **state)
{
    (void)state;
    static const char *const networks[] = {
        IMAGE "int s 1,2;Split c x,s h,i axis:1" TAIL,
        IMAGE "Split s x a,b,c axis:1;Add d a,a h;GlobalAveragePool p h y",
        IMAGE "Concat c x,x,x h axis:1;GlobalMaxPool p h y",
        IMAGE "MaxPool m x h kernel_shape=1,1 pads=3,3,3,3" TAIL,
        IMAGE "AveragePool m x h kernel_shape=2,2 pads=5,5,5,5 count_include_pad:1" TAIL,
        IMAGE "MaxPool m x h kernel_shape=3,3 strides=8192,8192" TAIL,
        IMAGE "float w 4,3,3,3;Conv c x,w h dilations=3,3 pads=9,9,9,9 strides=5,5" TAIL,
        IMAGE "int a -1;int b -9223372036854775808;int k 1;int s -1;Slice c x,a,b,k,s h" TAIL,
        IMAGE "int a -9223372036854775808;int b 9223372036854775807;int k 2;int s 2147483647;"
              "Slice c x,a,b,k,s h" TAIL,
        IMAGE "int p 0,2,0,0,0,3,0,0;Pad c x,p h" TAIL,
        IMAGE "scalar s -1;Gather c x,s v axis:1;int k 1;Unsqueeze u v,k h" TAIL,
        IMAGE "GlobalAveragePool p x y;Relu unused x z;Exp alsounused z q",
        "input x 4,3,8,8;output y 4,4;float w 3,4;GlobalAveragePool p x v;Flatten f v t;"
        "Gemm g t,w y",
        "input x 1,1,1,1;output y 1,4;float w 4,1,1,1;Conv c x,w h" TAIL,
    };
    for (size_t i = 0; i < COUNT(networks); i++) {
        float scores[128];
        uint32_t classes = run_network(networks[i], scores);
        for (uint32_t k = 0; k < 2 * classes; k++)
            assert_true(scores[k] == scores[k] && scores[k] < 1e6f && scores[k] > -1e6f);
    }
}

/* Every refused node has its line; nodes that only depend on refused ones have none. */
static void test_check(void **state)
{
    (void)state;
    char *lines = NULL;
    struct lm_error error = {0};
    const char *path = network_file(IMAGE "Foo a x h;Relu b h i;Bar_? c x j;Conv d x k;"
                                          "GlobalAveragePool p i y");
    assert_int_equal(lm_model_check(path, NULL, &lines, &error), LM_OK);
    assert_string_equal(lines, "node 'a' (Foo): operator Foo is not supported\n"
                               "node 'c' (Bar_?): operator Bar_? is not supported\n"
                               "node 'd' (Conv): weights are computed from the image, or not "
                               "floats\n");
    free(lines);
    assert_int_equal(lm_model_check(network_file(IMAGE "GlobalMaxPool p x y"), NULL, &lines, NULL),
                     LM_OK);
    assert_string_equal(lines, "");
    free(lines);
    assert_int_equal(lm_model_check(network_file(IMAGE "Relu p x y"), NULL, &lines, NULL), LM_OK);
    assert_string_equal(lines, "m.onnx: output 'y' of 1x3x8x8 still has rows and columns; a "
                               "classifier gives one row of scores\n");
    free(lines);
    lines = NULL;
    scratch_write("m.onnx", "not a model", 11);
    assert_int_equal(lm_model_check(scratch_path("m.onnx"), NULL, &lines, &error), LM_CORRUPT);
    assert_null(lines);
}

/* Control characters of a file never reach the text. */
static void test_one_line(void **state)
{
    (void)state;
    static const char *const networks[] = {
        IMAGE "Fl\rurb a\x7f x h" TAIL,
        IMAGE "float w 4,3,3,3;Conv c x,w h auto_pad@a\rb" TAIL,
        IMAGE "int p 0,0,0,0,0,0,0,0;Pad c x,p h mode@re\rflect" TAIL,
        "input x\r 1,3,8;output y 1,4;GlobalAveragePool p x\r y",
        "input x 1,3,8,8;output y\x1b 1,4;Relu p x y\x1b",
        IMAGE "Constant c - h va\rlue@x" TAIL,
    };
    for (size_t i = 0; i < COUNT(networks); i++) {
        struct lm_error error = {0};
        struct lm_model *model;
        assert_int_not_equal(lm_model_load(network_file(networks[i]), NULL, &model, &error), LM_OK);
        for (const char *c = error.text; *c; c++)
            if (*c < ' ' || *c > '~')
                fail_msg("network %zu: %s", i, error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_long_sides),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_operands),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_odd_networks),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_numbers_that_are_none),
        cmocka_unit_test(test_attribute_kinds),
        cmocka_unit_test(test_one_line),
    };
    return cmocka_run_group_tests_name("graph_hostile", tests, hostile_start, scratch_remove);
}
