/* Where the polynomials of F(4x4, 3x3) are interpolated: 0, +-A, +-B and infinity; the kernels and
 * the weights' transform have to agree. */
#ifndef LM_KERNELS_WINOGRAD_POINTS_H
#define LM_KERNELS_WINOGRAD_POINTS_H

#define WINOGRAD_A 0.625f
#define WINOGRAD_B 1.5f

#endif
