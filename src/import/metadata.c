/* SPDX-License-Identifier: Apache-2.0 */
/* What a model file says about itself, key by key: metadata_props of ONNX (text), the metadata table of TFLite (names of buffers). */
#include <string.h>

#include "import/fb.h"
#include "import/import.h"
#include "import/pb.h"

enum { M_BUFFERS = 4, M_METADATA = 6 };

static int onnx_at(const void *data, size_t size, int i, struct npi_metadata *out) {
    struct npi_pb m = npi_pb(data, size);
    struct npi_pb_field f;
    while (npi_pb_next(&m, &f)) {
        if (f.num != 14 || i-- > 0) continue;
        const struct npi_pb k = npi_pb_find(f.sub, 1, NULL), v = npi_pb_find(f.sub, 2, NULL);
        *out = (struct npi_metadata){ (const char *)k.p, npi_pb_size(&k), v.p, npi_pb_size(&v) };
        return 1;
    }
    return 0;
}

static int tflite_at(const void *data, size_t size, int i, struct npi_metadata *out) {
    struct npi_fb b;
    struct npi_fb_table root;
    if (npi_fb_open(&b, data, size, "TFL3", &root) < 0) return 0;
    const struct npi_fb_vec list = npi_fb_vec(&root, M_METADATA, 4), buffers = npi_fb_vec(&root, M_BUFFERS, 4);
    if (i < 0 || (uint32_t)i >= list.n) return 0;
    const struct npi_fb_table t = npi_fb_at(&list, (uint32_t)i);
    const uint32_t k = npi_fb_u32(&t, 1, 0);
    *out = (struct npi_metadata){ 0 };
    out->key = npi_fb_str(&t, 0, &out->key_size);
    if (k < buffers.n) {
        const struct npi_fb_table buf = npi_fb_at(&buffers, k);
        const struct npi_fb_vec v = npi_fb_bytes(&buf, 0);
        out->value = v.p;
        out->size = v.n;
    }
    return !b.bad;
}

int npi_is_tflite(const void *data, size_t size) { return size >= 8 && !memcmp((const char *)data + 4, "TFL3", 4); }

int npi_metadata_at(const void *data, size_t size, int i, struct npi_metadata *out) {
    return npi_is_tflite(data, size) ? tflite_at(data, size, i, out) : onnx_at(data, size, i, out);
}

int npi_metadata_find(const void *data, size_t size, const char *key, struct npi_metadata *out) {
    struct npi_metadata m;
    int found = 0;
    for (int i = 0; npi_metadata_at(data, size, i, &m); i++) {
        if (m.key_size != strlen(key) || memcmp(m.key, key, m.key_size)) continue;
        *out = m; /* the last one of a key counts */
        found = 1;
    }
    return found;
}
