/* COCO's compressed string: count i, or from the fourth on its difference to count i - 2, in groups
 * of 5 bits, low ones first, each as the character 48 + group, + 32 if more follow; the highest
 * bit of the last group is the sign.
 */
#ifndef LM_MASK_RLE_H
#define LM_MASK_RLE_H

/* More groups than the longest number needs (31 bits and a sign), and their bits fit in 64. */
#define RLE_MAX_GROUPS 10

#endif
