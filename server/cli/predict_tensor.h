/* predict --input: tensors in, numbers out. */
#ifndef CLI_PREDICT_TENSOR_H
#define CLI_PREDICT_TENSOR_H

#include <stdint.h>

/* Runs the network on an N,C,H,W array (and an N,1,H,W mask, or NULL) and prints
 * {"logits": [[...], ...]}.  Returns the exit status. */
int predict_tensor(const char *model, const char *policy, const char *precision, const char *input,
                   const char *mask, uint32_t threads);

#endif
