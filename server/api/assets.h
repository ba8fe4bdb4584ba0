/* Files that are part of the program. */
#ifndef API_ASSETS_H
#define API_ASSETS_H

struct asset {
    const char *bytes, *end;
};

extern const struct asset asset_index, asset_docs; /* server/web/ */
extern const struct asset asset_openapi;           /* openapi.yaml */

#endif
