/* Formatted text in memory of its own. */
#ifndef CODEC_TEXT_MEMORY_H
#define CODEC_TEXT_MEMORY_H

#include <stdbool.h>

/* printf into malloc'ed memory; NULL when out of memory. */
__attribute__((format(printf, 1, 2))) char *text_format(const char *format, ...);

/* strdup that is NULL for NULL, too. */
char *text_copy(const char *text);

bool text_ends_with(const char *text, const char *ending);

#endif
