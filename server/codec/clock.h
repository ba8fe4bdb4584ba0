/* Time that passes, in milliseconds from some fixed point. */
#ifndef CODEC_CLOCK_H
#define CODEC_CLOCK_H

double clock_ms(void);

#endif
