/* Files put into the program by the assembler, which needs no step of its own in the build.  Paths
 * are from the top folder, where the compiler is run. */
#include "api/assets.h"

#define ASSET(name, path)                                                                          \
    __asm__(".section .rodata\n"                                                                   \
            ".global asset_start_" #name "\n"                                                      \
            "asset_start_" #name ":\n"                                                             \
            ".incbin \"" path "\"\n"                                                               \
            ".global asset_end_" #name "\n"                                                        \
            "asset_end_" #name ":\n"                                                               \
            ".byte 0\n"                                                                            \
            ".previous\n");                                                                        \
    extern const char asset_start_##name[], asset_end_##name[];                                    \
    const struct asset asset_##name = {asset_start_##name, asset_end_##name};

ASSET(index, "server/web/index.html")
ASSET(docs, "server/web/docs.html")
ASSET(openapi, "openapi.yaml")
