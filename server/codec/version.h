/* The version of all programs. */
#ifndef CODEC_VERSION_H
#define CODEC_VERSION_H

#define LAYERMASK_VERSION "0.1.0"

#endif
