/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite_Detection_PostProcess, the one custom operator we write: its options are a FlexBuffer.
 *
 *   key\0key\0…   count, offsets to the keys   offset to those, their width, count, values, types   root: offset to the values, type, width
 *
 * Everything is 4 bytes wide; offsets count backwards from where they stand. Keys are sorted: readers search by halves. */
#include "export/tflite_write.h"

#include <string.h>

enum { OP_CUSTOM = 32, FX_INT = 1, FX_FLOAT = 3, FX_MAP = 9, FX_BOOL = 26, FX_WIDTH4 = 2, N_OPTIONS = 11 };

struct option { const char *key; int type; uint32_t value; };

static uint32_t bits(float v) { return (uint32_t)npi_fbw_f32(v); }

static void word(struct npi_bytes *b, size_t v) {
    const uint32_t u = (uint32_t)v;
    npi_bytes_put(b, &u, 4);
}

static void flex_map(struct npi_bytes *b, const struct option *o, int n) {
    size_t key[N_OPTIONS];
    for (int i = 0; i < n; i++) {
        key[i] = b->n;
        npi_bytes_put(b, o[i].key, strlen(o[i].key) + 1);
    }
    npi_fbw_align(b, 4);
    word(b, (size_t)n);
    const size_t keys = b->n;
    for (int i = 0; i < n; i++) word(b, b->n - key[i]);
    word(b, b->n - keys);
    word(b, 4);
    word(b, (size_t)n);
    const size_t map = b->n;
    for (int i = 0; i < n; i++) word(b, o[i].value);
    for (int i = 0; i < n; i++) npi_bytes_put(b, &(uint8_t){ (uint8_t)(o[i].type << 2 | FX_WIDTH4) }, 1);
    npi_fbw_align(b, 4);
    word(b, b->n - map);
    npi_bytes_put(b, (const uint8_t[]){ FX_MAP << 2 | FX_WIDTH4, 4 }, 2);
}

int npi_tw_detection(struct npi_tw *w, const struct npi_node *n) {
    const struct option o[N_OPTIONS] = {
        { "detections_per_class", FX_INT, (uint32_t)n->a.detect.detections_per_class }, { "h_scale", FX_FLOAT, bits(n->a.detect.sh) },
        { "max_classes_per_detection", FX_INT, (uint32_t)n->a.detect.max_classes_per_detection }, { "max_detections", FX_INT, (uint32_t)n->a.detect.max_detections },
        { "nms_iou_threshold", FX_FLOAT, bits(n->a.detect.iou_thr) }, { "nms_score_threshold", FX_FLOAT, bits(n->a.detect.score_thr) },
        { "num_classes", FX_INT, (uint32_t)n->a.detect.num_classes }, { "use_regular_nms", FX_BOOL, n->a.detect.regular_nms != 0 },
        { "w_scale", FX_FLOAT, bits(n->a.detect.sw) }, { "x_scale", FX_FLOAT, bits(n->a.detect.sx) }, { "y_scale", FX_FLOAT, bits(n->a.detect.sy) },
    };
    struct npi_bytes b = { 0 };
    int in[3];
    for (int i = 0; i < 3; i++) in[i] = npi_tw_tensor(w, n->in[i]);
    struct npi_tw_op *op = npi_tw_push(w, OP_CUSTOM, 0, 1, 3, n);
    if (!op) return npi_tw_nomem(w);
    memcpy(op->in, in, sizeof in);
    flex_map(&b, o, N_OPTIONS);
    uint8_t *const p = b.failed ? NULL : npi_arena_alloc(&w->tmp, b.n);
    if (p) {
        memcpy(p, b.p, b.n);
        op->custom = p;
        op->custom_bytes = b.n;
    }
    npi_bytes_free(&b);
    return p ? 0 : npi_tw_nomem(w);
}
