/* The kernels for any machine: the reference of the other tables. */
#include "kernels/tables.h"

#define KERNELS_TABLE kernels_portable
#define KERNELS_NAME "portable"
#include "kernels/body.h"
