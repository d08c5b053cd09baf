/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax family, norms, Quantize/Dequantize, the quantization wrapper, NonMaxSuppression, DetectionPostProcess. */
#include <math.h>

#include "ops/quantize.h"
#include "ops_run.h"

static const float zeros[16];

static void softmaxes(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    const float ln3 = 1.0986122887f, x[4] = { 0, 5, ln3, 5 }; /* columns: (1, 3) / 4 and (1, 1) / 2 */
    struct npi_node n = { .op = NPI_OP_SOFTMAX, .name = "" };
    n.a.norm.axis = -2;
    RUN(o, n, 1, V(NP_F32, x, DIMS(2, 2)));
    WANT_F32(&o.out[0], 1e-6f, .25f, .5f, .75f, .5f);
    done(&o);
    n.op = NPI_OP_LOG_SOFTMAX;
    RUN(o, n, 1, V(NP_F32, x, DIMS(2, 2)));
    WANT_F32(&o.out[0], 1e-6f, logf(.25f), logf(.5f), logf(.75f), logf(.5f));
    done(&o);
    n.op = NPI_OP_HARDMAX; /* the first of equals */
    RUN(o, n, 1, V(NP_F32, x, DIMS(2, 2)));
    WANT_F32(&o.out[0], 0, 0, 1, 1, 0);
    done(&o);
    n.a.norm.axis = 2;
    RUN(o, n, 1, V(NP_F32, x, DIMS(2, 2)));
    assert_int_equal(o.r, NP_ESHAPE);
}

/* (1, 3): mean 2, variance 1. */
static void norms(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    const float x[4] = { 1, 3, 3, -4 }, scale[2] = { 2, 3 }, bias[2] = { 10, 20 };
    struct npi_node n = { .op = NPI_OP_LAYER_NORM, .name = "" };
    n.a.norm.axis = 1;
    RUN(o, n, 3, V(NP_F32, x, DIMS(1, 2)), V(NP_F32, scale, DIMS(2)), V(NP_F32, bias, DIMS(2)));
    WANT_F32(&o.out[0], 1e-6f, 8, 23);
    WANT_F32(&o.out[1], 0, 2);
    WANT_F32(&o.out[2], 0, 1);
    done(&o);
    n.op = NPI_OP_RMS_NORM; /* mean of squares of (3, -4): 12.5 */
    RUN(o, n, 1, V(NP_F32, x + 2, DIMS(1, 2)), V(NP_F32, scale, DIMS(2)));
    WANT_F32(&o.out[0], 1e-6f, 6 / sqrtf(12.5f), -12 / sqrtf(12.5f));
    done(&o);
    n.op = NPI_OP_GROUP_NORM; /* two channels, a group each: instance norm over the area */
    n.a.norm.groups = 2;
    RUN(o, n, 1, V(NP_F32, x, DIMS(1, 2, 2)), V(NP_F32, scale, DIMS(2)), V(NP_F32, bias, DIMS(2)));
    WANT_F32(&o.out[0], 1e-5f, 8, 12, 23, 17);
    done(&o);
    n.op = NPI_OP_LP_NORM;
    RUN(o, n, 1, V(NP_F32, x, DIMS(2, 2)));
    WANT_F32(&o.out[0], 1e-6f, 1 / sqrtf(10), 3 / sqrtf(10), .6f, -.8f);
    done(&o);
    RUN(o, n, 1, V(NP_F32, zeros, DIMS(1, 2)));
    WANT_F32(&o.out[0], 0, 0, 0);
    done(&o);
    n.op = NPI_OP_LRN; /* size 3, alpha 3: x / (1 + sum of squares of the neighbours) */
    n.a.norm.groups = 3;
    n.a.norm.alpha = 3;
    n.a.norm.beta = 1;
    n.a.norm.bias = 1;
    RUN(o, n, 1, V(NP_F32, x, DIMS(1, 4, 1)));
    WANT_F32(&o.out[0], 1e-6f, 1.f / 11, 3.f / 20, 3.f / 35, -4.f / 26);
    done(&o);
}

static void quantize(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    const struct npi_node n = { .op = NPI_OP_QUANTIZE, .name = "" }, d = { .op = NPI_OP_DEQUANTIZE, .name = "" };
    const float s = 2, s1 = 1, x[5] = { 3, 5, -300, INFINITY, NAN };
    const int32_t z = 1;
    o.out[0] = (struct npi_view){ .dtype = NP_I8, .q = { 1, 0, &s, &z } };
    RUN(o, n, 1, V(NP_F32, x, DIMS(5))); /* 1.5 -> 2, 2.5 -> 2, plus 1 */
    WANT_INT(&o.out[0], NP_I8, 3, 3, -128, 127, -128);
    done(&o);
    const uint8_t u[2] = { 5, 255 }; /* at scale 2, zero 1: 8 and 508; at scale 1 cut to 127 */
    o.out[0] = (struct npi_view){ .dtype = NP_I8, .q = { 1, 0, &s1, NULL } };
    RUN(o, n, 1, VQ(NP_U8, u, &s, &z, DIMS(2)));
    WANT_INT(&o.out[0], NP_I8, 8, 127);
    done(&o);
    const float per[2] = { 1, .5f };
    const int8_t q[4] = { 2, 4, 6, 8 };
    const struct npi_view v = { NP_I8, DIMS(2, 2), { 2, 1, per, NULL }, (void *)q };
    RUN(o, d, 1, &v);
    WANT_F32(&o.out[0], 0, 2, 2, 6, 4);
    done(&o);
    const uint16_t half[5] = { 0x3c00, 0xc000, 0x0001, 0x7c00, 0x7bff }, brain[2] = { 0x3f80, 0xc000 };
    RUN(o, d, 1, V(NP_F16, half, DIMS(5)));
    assert_true(isinf(((float *)o.out[0].data)[3]));
    ((float *)o.out[0].data)[3] = 0;
    WANT_F32(&o.out[0], 0, 1, -2, 0x1p-24f, 0, 65504);
    done(&o);
    RUN(o, d, 1, V(NP_BF16, brain, DIMS(2)));
    WANT_F32(&o.out[0], 0, 1, -2);
    done(&o);
    RUN(o, n, 1, V(NP_F32, x, DIMS(5)));
    assert_int_equal(o.r, NP_EUNSUPPORTED);
}

/* Softmax of int8 through the wrapper: equal logits give 1/2 = 128/256 - 128 = 0. Without a hint the result is f32. */
static void wrapped(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = { .op = NPI_OP_SOFTMAX, .name = "" };
    n.a.norm.axis = 1;
    const float s = .5f, sy = 1.f / 256;
    const int32_t zy = -128;
    const int8_t q[2] = { 9, 9 };
    o.out[0] = (struct npi_view){ .dtype = NP_I8, .q = { 1, 0, &sy, &zy } };
    RUN(o, n, 1, VQ(NP_I8, q, &s, NULL, DIMS(1, 2)));
    WANT_INT(&o.out[0], NP_I8, 0, 0);
    done(&o);
    RUN(o, n, 1, VQ(NP_I8, q, &s, NULL, DIMS(1, 2)));
    WANT_F32(&o.out[0], 0, .5f, .5f);
    done(&o);
    const float bad = -1;
    RUN(o, n, 1, VQ(NP_I8, q, &bad, NULL, DIMS(1, 2)));
    assert_int_equal(o.r, NP_EFORMAT);
}

/* The wrapper's vector loops against the formulas, for all bytes: |x| is exact, so only the two conversions count. */
static void wrapped_loops(void **st) {
    (void)st;
    static const int types[] = { NP_I8, NP_U8, NP_I16 };
    for (int k = 0; k < 9; k++) {
        struct ops_run o = { 0 };
        const struct npi_node n = { .op = NPI_OP_ABS, .name = "" };
        const int in = types[k % 3], out = types[k / 3];
        const float sx = .037f, sy = k & 1 ? .0123f : .0571f;
        const int32_t zx = in == NP_U8 ? 101 : -7, zy = out == NP_U8 ? 3 : -20;
        int16_t wide[256];
        uint8_t bytes[256];
        int32_t lo, hi;
        for (int i = 0; i < 256; i++) wide[i] = (int16_t)(i * 257 - 32768), bytes[i] = (uint8_t)i;
        o.out[0] = (struct npi_view){ .dtype = out, .q = { 1, 0, &sy, &zy } };
        RUN(o, n, 1, VQ(in, in == NP_I16 ? (void *)wide : bytes, &sx, &zx, DIMS(256)));
        assert_int_equal(o.r, 0);
        npi_q_range(out, &lo, &hi);
        for (int i = 0; i < 256; i++) {
            const int64_t q = in == NP_I16 ? wide[i] : in == NP_U8 ? bytes[i] : (int8_t)bytes[i];
            const int64_t want = npi_quantize(fabsf(npi_dequantize(q, sx, zx)), sy, zy, lo, hi);
            if (int_at(&o.out[0], i) != want) fail_msg("%s to %s: %d gives %d, expected %d", np_dtype_name(in), np_dtype_name(out), (int)q, (int)int_at(&o.out[0], i), (int)want);
        }
        done(&o);
    }
}

/* Boxes 0 and 1 overlap by 9/11, 2 is apart; 1 has the best score. */
static void nms(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    const struct npi_node n = { .op = NPI_OP_NMS, .name = "" };
    const float box[12] = { 0, 0, 1, 10, 0, 1, 1, 11, 5, 5, 6, 6 }, score[3] = { .8f, .9f, .1f }, iou = .5f, low = .05f, high = .85f;
    const int64_t max = 3;
    RUN(o, n, 1, V(NP_F32, box, DIMS(1, 3, 4)), V(NP_F32, score, DIMS(1, 1, 3)), V(NP_I64, &max, DIMS(1)), V(NP_F32, &iou, DIMS(1)), V(NP_F32, &low, DIMS(1)));
    WANT_DIMS(&o.out[0], 3, 3);
    WANT_INT(&o.out[0], NP_I64, 0, 0, 1, 0, 0, 2, -1, -1, -1);
    done(&o);
    RUN(o, n, 1, V(NP_F32, box, DIMS(1, 3, 4)), V(NP_F32, score, DIMS(1, 1, 3)), V(NP_I64, &max, DIMS(1)), V(NP_F32, &iou, DIMS(1)), V(NP_F32, &high, DIMS(1)));
    WANT_INT(&o.out[0], NP_I64, 0, 0, 1, -1, -1, -1, -1, -1, -1);
    done(&o);
}

/* Two anchors of size 2 at (1, 1) and (5, 5); zero offsets give the anchors, ty = 1 at scale 10 moves by a tenth of the height. */
static void detection(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = { .op = NPI_OP_DETECTION_POSTPROCESS, .name = "" };
    n.a.detect.max_detections = 2;
    n.a.detect.max_classes_per_detection = 1;
    n.a.detect.detections_per_class = 10;
    n.a.detect.num_classes = 2;
    n.a.detect.score_thr = .3f;
    n.a.detect.iou_thr = .5f;
    n.a.detect.sy = n.a.detect.sx = 10;
    n.a.detect.sh = n.a.detect.sw = 5;
    const float t[8] = { 1, 0, 0, 0, 0, 0, 0, 0 }, anchor[8] = { 1, 1, 2, 2, 5, 5, 2, 2 };
    const float score[6] = { .9f, .1f, .4f, 0, .7f, .6f }; /* background, class 0, class 1 */
    RUN(o, n, 4, V(NP_F32, t, DIMS(1, 2, 4)), V(NP_F32, score, DIMS(1, 2, 3)), V(NP_F32, anchor, DIMS(2, 4)));
    WANT_F32(&o.out[0], 1e-6f, 4, 4, 6, 6, .2f, 0, 2.2f, 2);
    WANT_F32(&o.out[1], 0, 0, 1);
    WANT_F32(&o.out[2], 0, .7f, .4f);
    WANT_F32(&o.out[3], 0, 2);
    done(&o);
    n.a.detect.regular_nms = 1; /* by class: .7 (anchor 1, class 0), .6 (anchor 1, class 1), then .4 falls out */
    RUN(o, n, 4, V(NP_F32, t, DIMS(1, 2, 4)), V(NP_F32, score, DIMS(1, 2, 3)), V(NP_F32, anchor, DIMS(2, 4)));
    WANT_F32(&o.out[0], 1e-6f, 4, 4, 6, 6, 4, 4, 6, 6);
    WANT_F32(&o.out[1], 0, 0, 1);
    WANT_F32(&o.out[2], 0, .7f, .6f);
    done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmaxes), cmocka_unit_test(norms), cmocka_unit_test(quantize), cmocka_unit_test(wrapped), cmocka_unit_test(wrapped_loops), cmocka_unit_test(nms), cmocka_unit_test(detection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
