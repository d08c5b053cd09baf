/* SPDX-License-Identifier: Apache-2.0 */
/* The custom detection op, and as much of FlexBuffers as its options need: numbers in a root map.
 *
 * A FlexBuffer is read from its end: root bytes, packed type of the root (type << 2 | log2 width), width of the root. A map is
 *   [offset back to the key vector][width of its keys][count] | values … | packed types …
 * and its pointer points at the first value; keys are offsets back to zero-terminated strings. */
#include "import/tflite.h"

#include "base/buf.h"

#include <math.h>
#include <string.h>

#define TRY(call) do { const int try_r = (call); if (try_r < 0) return try_r; } while (0)

enum { FX_INT = 1, FX_UINT = 2, FX_FLOAT = 3, FX_INDIRECT_INT = 6, FX_INDIRECT_UINT = 7, FX_INDIRECT_FLOAT = 8, FX_MAP = 9, FX_BOOL = 26 };

static int uint_at(const struct npi_buf *b, size_t pos, size_t width, uint64_t *out) {
    struct npi_buf s = npi_buf_sub(b, pos, width);
    *out = width == 1 ? npi_buf_u8(&s) : width == 2 ? npi_buf_u16(&s) : width == 4 ? npi_buf_u32(&s) : npi_buf_u64(&s);
    return s.bad ? -1 : 0;
}

/* Target of the backward offset stored at pos. */
static int back(const struct npi_buf *b, size_t pos, size_t width, size_t *out) {
    uint64_t off;
    if (uint_at(b, pos, width, &off) < 0 || off > pos) return -1;
    *out = pos - (size_t)off;
    return 0;
}

static int number(const struct npi_buf *b, size_t pos, size_t width, int packed, double *out) {
    int type = packed >> 2;
    uint64_t u;
    if (type >= FX_INDIRECT_INT && type <= FX_INDIRECT_FLOAT) {
        if (back(b, pos, width, &pos) < 0) return -1;
        width = (size_t)1 << (packed & 3);
        type -= FX_INDIRECT_INT - FX_INT;
    }
    if (uint_at(b, pos, width, &u) < 0) return -1;
    if (type == FX_UINT || type == FX_BOOL) {
        *out = (double)u;
    } else if (type == FX_INT) {
        const int shift = 64 - 8 * (int)width;
        *out = (double)((int64_t)(u << shift) >> shift);
    } else if (type == FX_FLOAT && width == 4) {
        float f;
        const uint32_t bits = (uint32_t)u;
        memcpy(&f, &bits, 4);
        *out = f;
    } else if (type == FX_FLOAT && width == 8) {
        memcpy(out, &u, 8);
    } else {
        return -1;
    }
    return 1;
}

int npi_flex_number(const uint8_t *p, size_t size, const char *key, double *out) {
    if (size < 3) return -1;
    const struct npi_buf b = npi_buf(p, size);
    const size_t root_width = p[size - 1], len = strlen(key) + 1;
    size_t map, keys;
    uint64_t n, key_width;
    if ((root_width != 1 && root_width != 2 && root_width != 4 && root_width != 8) || root_width > size - 2 || p[size - 2] >> 2 != FX_MAP) return -1;
    const size_t w = (size_t)1 << (p[size - 2] & 3);
    if (back(&b, size - 2 - root_width, root_width, &map) < 0 || map < 3 * w) return -1;
    if (uint_at(&b, map - w, w, &n) < 0 || uint_at(&b, map - 2 * w, w, &key_width) < 0 || back(&b, map - 3 * w, w, &keys) < 0) return -1;
    if ((key_width != 1 && key_width != 2 && key_width != 4 && key_width != 8) || n > size / (w + 1) || n > size / key_width) return -1;
    for (size_t i = 0; i < n; i++) {
        size_t k;
        if (back(&b, keys + i * key_width, key_width, &k) < 0) return -1;
        const struct npi_buf s = npi_buf_sub(&b, k, len);
        if (s.bad || memcmp(s.p, key, len) != 0) continue;
        uint64_t packed;
        if (uint_at(&b, map + n * w + i, 1, &packed) < 0) return -1;
        return number(&b, map + i * w, w, (int)packed, out);
    }
    return 0;
}

struct option { const char *key; double lo, hi, value; int required; };

/* Box encodings, class scores (with a background class in front), anchors -> boxes, classes, scores, count. */
int npi_tfl_detection(struct npi_tfl_op *op, const uint8_t *options, size_t size) {
    struct option o[] = {
        { "max_detections", 1, 1 << 16, 0, 1 }, { "max_classes_per_detection", 1, 1 << 16, 1, 0 }, { "detections_per_class", 1, 1 << 16, 100, 0 },
        { "num_classes", 1, 1 << 16, 0, 1 }, { "use_regular_nms", 0, 1, 0, 0 }, { "nms_score_threshold", -INFINITY, INFINITY, 0, 1 },
        { "nms_iou_threshold", 0, 1, 0, 1 }, { "y_scale", 1e-6, 1e6, 0, 1 }, { "x_scale", 1e-6, 1e6, 0, 1 }, { "h_scale", 1e-6, 1e6, 0, 1 },
        { "w_scale", 1e-6, 1e6, 0, 1 },
    };
    for (size_t i = 0; i < sizeof o / sizeof *o; i++) {
        const int r = npi_flex_number(options, size, o[i].key, &o[i].value);
        if (r < 0) return npi_tfl_fail(op, NP_EFORMAT, "its options are broken");
        if (r == 0 && o[i].required) return npi_tfl_fail(op, NP_EFORMAT, "its options lack '%s'", o[i].key);
        if (!(o[i].value >= o[i].lo && o[i].value <= o[i].hi)) return npi_tfl_fail(op, NP_EFORMAT, "its option '%s' is %g", o[i].key, o[i].value);
    }
    struct npi_node n = npi_tfl_node(op, NPI_OP_DETECTION_POSTPROCESS);
    n.a.detect.max_detections = (int)o[0].value;
    n.a.detect.max_classes_per_detection = (int)o[1].value;
    n.a.detect.detections_per_class = (int)o[2].value;
    n.a.detect.num_classes = (int)o[3].value;
    n.a.detect.regular_nms = o[4].value != 0;
    n.a.detect.score_thr = (float)o[5].value;
    n.a.detect.iou_thr = (float)o[6].value;
    n.a.detect.sy = (float)o[7].value;
    n.a.detect.sx = (float)o[8].value;
    n.a.detect.sh = (float)o[9].value;
    n.a.detect.sw = (float)o[10].value;
    int in[3];
    for (int i = 0; i < 3; i++) TRY(npi_tfl_in(op, i, &in[i]));
    return npi_tfl_emit(op, &n, in, 3);
}
