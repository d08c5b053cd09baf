/* SPDX-License-Identifier: Apache-2.0 */
/* See tiny.h. ONNX is protobuf: (field << 3 | wire type), length, content, inside out. TFLite is a flatbuffer: tables that point forwards, each
 * behind the vtable that says where its fields are; here every field takes four bytes. */
#include "backend/tiny.h"

#include <stdint.h>
#include <string.h>

struct out { unsigned char *p; size_t n, size; };

static void byte(struct out *o, unsigned v) {
    if (o->n < o->size) o->p[o->n] = (unsigned char)v;
    o->n++;
}

static void bytes(struct out *o, const void *p, size_t n) {
    for (size_t i = 0; i < n; i++) byte(o, ((const unsigned char *)p)[i]);
}

/* --- ONNX: all lengths here are below 128, so a varint is a byte --- */

static void field(struct out *o, unsigned number, const void *p, size_t n) {
    byte(o, number << 3 | 2);
    byte(o, (unsigned)n);
    bytes(o, p, n);
}

static void number(struct out *o, unsigned n, unsigned v) {
    byte(o, n << 3);
    byte(o, v);
}

#define SUB(name) unsigned char name##_mem[128]; struct out name = { name##_mem, 0, sizeof name##_mem }
#define PUT(to, number, sub) field(to, number, (sub).p, (sub).n)

static void value_info(struct out *o, unsigned n, const char *name) {
    SUB(dim1); SUB(dim4); SUB(shape); SUB(tensor); SUB(type); SUB(info);
    number(&dim1, 1, 1);
    number(&dim4, 1, NPI_TINY_N);
    PUT(&shape, 1, dim1);
    PUT(&shape, 1, dim4);
    number(&tensor, 1, 1); /* FLOAT */
    PUT(&tensor, 2, shape);
    PUT(&type, 1, tensor);
    field(&info, 1, name, strlen(name));
    PUT(&info, 2, type);
    PUT(o, n, info);
}

static void onnx(struct out *o) {
    SUB(node); SUB(graph); SUB(opset);
    field(&node, 1, "x", 1);
    field(&node, 2, "y", 1);
    field(&node, 4, "Sigmoid", 7);
    PUT(&graph, 1, node);
    field(&graph, 2, "tiny", 4);
    value_info(&graph, 11, "x");
    value_info(&graph, 12, "y");
    number(&opset, 2, 13);
    number(o, 1, 7); /* IR version */
    PUT(o, 7, graph);
    PUT(o, 8, opset);
}

/* --- TFLite --- */

static void put32(struct out *o, uint32_t v) {
    for (int i = 0; i < 4; i++) byte(o, v >> 8 * i & 255);
}

static void put16(struct out *o, unsigned v) {
    byte(o, v & 255);
    byte(o, v >> 8);
}

/* The forward offset at `at` now points here. */
static void point(struct out *o, size_t at) {
    const uint32_t v = (uint32_t)(o->n - at);
    for (int i = 0; i < 4 && at + 4 <= o->size; i++) o->p[at + (size_t)i] = (unsigned char)(v >> 8 * i);
}

/* A table with the fields of `mask`, all zero; at[i] is where field i lies. The offset at `from` points to it. */
static void table(struct out *o, size_t from, unsigned mask, size_t *at) {
    int n = 0, k = 0;
    while (mask >> n) n++;
    for (int i = 0; i < n; i++) k += mask >> i & 1;
    if (n & 1) put16(o, 0); /* the table behind it begins at a multiple of four */
    const size_t vtable = o->n;
    put16(o, 4 + 2 * (unsigned)n);
    put16(o, 4 + 4 * (unsigned)k);
    for (int i = 0, f = 0; i < n; i++) put16(o, mask >> i & 1 ? 4 + 4 * (unsigned)f++ : 0);
    point(o, from);
    const size_t here = o->n;
    put32(o, (uint32_t)(here - vtable));
    for (int i = 0, f = 0; i < n; i++)
        if (mask >> i & 1) at[i] = here + 4 + 4 * (size_t)f++;
    for (int i = 0; i < k; i++) put32(o, 0);
}

static void set(struct out *o, size_t at, uint32_t v) {
    for (int i = 0; i < 4 && at + 4 <= o->size; i++) o->p[at + (size_t)i] = (unsigned char)(v >> 8 * i);
}

/* A vector of n numbers (or of offsets still to be pointed): where its elements begin. */
static size_t vector(struct out *o, size_t from, uint32_t n, const uint32_t *v) {
    point(o, from);
    put32(o, n);
    const size_t first = o->n;
    for (uint32_t i = 0; i < n; i++) put32(o, v ? v[i] : 0);
    return first;
}

static void text(struct out *o, size_t from, const char *s) {
    point(o, from);
    put32(o, (uint32_t)strlen(s));
    bytes(o, s, strlen(s) + 1);
    while (o->n & 3) byte(o, 0);
}

static void tflite(struct out *o) {
    static const uint32_t zero = 0, one = 1, shape[2] = { 1, NPI_TINY_N };
    size_t model[8], code[8], graph[8], tensor[8], op[8], none[8], v;
    put32(o, 0);
    bytes(o, "TFL3", 4);
    table(o, 0, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4, model); /* version, operator_codes, subgraphs, buffers */
    set(o, model[0], 3);
    v = vector(o, model[1], 1, NULL);
    table(o, v, 1 << 0 | 1 << 2 | 1 << 3, code); /* deprecated_builtin_code, version, builtin_code: LOGISTIC */
    set(o, code[0], 14);
    set(o, code[2], 1);
    set(o, code[3], 14);
    v = vector(o, model[4], 1, NULL); /* buffer 0: empty */
    table(o, v, 0, none);
    v = vector(o, model[2], 1, NULL);
    table(o, v, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3, graph); /* tensors, inputs, outputs, operators */
    vector(o, graph[1], 1, &zero);
    vector(o, graph[2], 1, &one);
    v = vector(o, graph[0], 2, NULL);
    for (int i = 0; i < 2; i++) {
        table(o, v + 4 * (size_t)i, 1 << 0 | 1 << 3, tensor); /* shape, name; type 0 is FLOAT32, buffer 0 */
        vector(o, tensor[0], 2, shape);
        text(o, tensor[3], i ? "y" : "x");
    }
    v = vector(o, graph[3], 1, NULL);
    table(o, v, 1 << 1 | 1 << 2, op); /* inputs, outputs; opcode_index 0 */
    vector(o, op[1], 1, &zero);
    vector(o, op[2], 1, &one);
}

size_t npi_tiny_model(const char *format, unsigned char *buf, size_t size) {
    struct out o = { buf, 0, size };
    if (!strcmp(format, "onnx")) onnx(&o);
    else if (!strcmp(format, "tflite")) tflite(&o);
    return o.n <= size ? o.n : 0;
}
