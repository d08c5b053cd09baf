/* SPDX-License-Identifier: Apache-2.0 */
/* See conv_bf16_step.h. */
#include "plan/conv_bf16_step.h"

#include <string.h>

enum {
    TASK_PRODUCTS = 8000000, /* about 5 us on AMX; emulation takes what tasks it gets */
    MAX_TASKS = 64,
    TILE_BYTES = 192 * 1024  /* of A: stays in L2 beside the panels that pass */
};

struct conv_bf16 {
    struct npi_conv_f32 c;       /* geometry, rows, epilogue; its packed and block are unused */
    struct npi_gemm_bf16 g;
    int parts, kt, panels, panels_per_task;
    const uint16_t *packed; size_t group_bytes;
    size_t copies_at, tiles_at;  /* in scratch, behind the row pointers */
};

int npi_conv_bf16_takes(const struct npi_binder *b, const struct npi_conv_f32 *c) {
    const int parts = b->k->product_parts, cog = c->co / c->groups;
    const int64_t k = (int64_t)c->taps * c->k;
    if (!parts || k > INT32_MAX / 64 || cog <= NPI_GEMM_F32_NARROW) return 0;
    /* Tiles are 16 rows, 32 values and 16 columns: a product that fills them badly, or has too few columns to pay for converting its rows, is better off in f32. */
    if (parts > 1) return c->m >= 16 && k >= 48 && cog >= 32;
    return k >= 8 && cog >= 8;
}

static void run(const struct npi_step *s, const struct npi_exec *x, int task, int worker) {
    const struct conv_bf16 *const p = s->params;
    const struct npi_conv_f32 *const c = &p->c;
    const int block = task % c->n_blocks, tile = task / c->n_blocks % c->m_tiles, group = task / c->n_blocks / c->m_tiles;
    const size_t m0 = (size_t)tile * (size_t)c->m_tile;
    const int m = c->m - m0 < (size_t)c->m_tile ? (int)(c->m - m0) : c->m_tile;
    const int cog = c->co / c->groups, cig = c->ci / c->groups, n0 = block * p->panels_per_task * NPI_BF16_COLS;
    const int n = cog - n0 < p->panels_per_task * NPI_BF16_COLS ? cog - n0 : p->panels_per_task * NPI_BF16_COLS;
    const size_t col = (size_t)(group * cog + n0);
    char *const scratch = npi_exec_scratch(x, worker);
    const float **const rows = (const float **)(void *)scratch;
    uint16_t *const tiles = (uint16_t *)(void *)(scratch + p->tiles_at);
    npi_conv_f32_rows(c, (const float *)x->ptr[c->x] + group * cig, m0, m, rows, (float *)(void *)(scratch + p->copies_at));
    const struct npi_gemm_bf16_rows r = { .dst = tiles, .a = rows, .a_stride = (size_t)c->m_tile, .m = m, .taps = c->taps, .k = c->k, .parts = p->parts };
    p->g.rows(&r);
    float *const tile_at = c->sink ? (float *)(void *)(scratch + c->tile_at) : (float *)x->ptr[c->y] + m0 * c->ldc + col;
    const struct npi_gemm_bf16_job j = {
        .a = tiles, .m = m, .kt = p->kt, .parts = p->parts,
        .w = p->packed + ((size_t)group * p->group_bytes + npi_gemm_bf16_w_bytes(p->kt * NPI_BF16_K, n0, p->parts)) / sizeof *p->packed,
        .bias = c->bias + col, .n = n, .c = tile_at, .ldc = c->sink ? (size_t)c->tile_cols : c->ldc,
        .res = c->res < 0 ? NULL : (const float *)x->ptr[c->res] + m0 * (size_t)c->co + col, .ldres = (size_t)c->co,
        .res_before_act = c->res_before_act, .act = c->act
    };
    p->g.run(&j);
    if (c->sink) c->sink->put(c->sink, x, tile_at, j.ldc, m0, m, (int)col, n, tile_at + (size_t)c->m_tile * j.ldc + NPI_TAIL / sizeof(float));
}

/* Tiles of A that stay in L2; runs of panels only where there are too few tiles for the threads, since each converts the rows anew. */
static void choose_grid(struct conv_bf16 *p) {
    struct npi_conv_f32 *const c = &p->c;
    const size_t row = (size_t)p->kt * NPI_BF16_K * 2 * (size_t)p->parts;
    const double products = (double)c->m * (double)p->kt * NPI_BF16_K * c->co / c->groups * (p->parts * (p->parts + 1) / 2);
    int64_t want = (int64_t)(products / TASK_PRODUCTS);
    want = want < 1 ? 1 : want > MAX_TASKS ? MAX_TASKS : want;
    size_t tile = 128;
    while (tile > 32 && tile * row > TILE_BYTES) tile /= 2;
    while (tile < 512 && c->m / tile > (size_t)want * 2 && 2 * tile * row <= TILE_BYTES) tile *= 2;
    const size_t tiles = (c->m + tile - 1) / tile;
    c->m_tile = (int)npi_align_up((c->m + tiles - 1) / tiles, 32);
    c->m_tiles = (int)((c->m + (size_t)c->m_tile - 1) / (size_t)c->m_tile);
    const int64_t per_group = (int64_t)c->m_tiles * c->groups;
    int64_t blocks = per_group >= want ? 1 : (want + per_group - 1) / per_group;
    if (blocks > p->panels) blocks = p->panels;
    if (c->sink && c->sink->piece && blocks < c->co / c->sink->piece) blocks = c->co / c->sink->piece;
    p->panels_per_task = (int)((p->panels + blocks - 1) / blocks);
    while (c->sink && p->panels_per_task < p->panels && p->panels_per_task * NPI_BF16_COLS % c->sink->granule) p->panels_per_task++;
    c->tile_cols = p->panels_per_task * NPI_BF16_COLS;
    c->n_blocks = (p->panels + p->panels_per_task - 1) / p->panels_per_task;
}

int npi_conv_bf16_step(struct npi_binder *b, const struct npi_conv_f32 *from, struct npi_step *s) {
    struct conv_bf16 *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    struct npi_conv_f32 *const c = &p->c;
    const int cog = from->co / from->groups, k = from->taps * from->k;
    *p = (struct conv_bf16){ .c = *from, .g = b->k->gemm_bf16, .parts = b->k->product_parts, .kt = npi_gemm_bf16_kt(k), .panels = npi_gemm_bf16_panels(cog) };
    p->group_bytes = npi_gemm_bf16_w_bytes(k, cog, p->parts);
    size_t bytes;
    if (npi_mul_overflow(p->group_bytes, (size_t)c->groups, &bytes)) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
    uint16_t *const packed = npi_arena_alloc(b->mem, bytes);
    float *const bias = npi_arena_array(b->mem, float, (size_t)c->co + 16), *const zero = npi_arena_array(b->mem, float, (size_t)c->k + 16);
    if (!packed || !bias || !zero) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
    for (int i = 0; i < c->groups; i++)
        npi_gemm_bf16_pack(packed + (size_t)i * p->group_bytes / sizeof *packed, c->weights + (size_t)i * (size_t)cog * (size_t)k, k, cog, 1, (size_t)k, p->parts);
    if (c->bias_in) memcpy(bias, c->bias_in, (size_t)c->co * sizeof *bias);
    choose_grid(p);
    p->packed = packed;
    c->bias = bias;
    c->zero = zero;
    p->copies_at = npi_align_up((size_t)c->taps * (size_t)c->m_tile * sizeof(float *), NPI_ALIGN);
    p->tiles_at = p->copies_at;
    if (c->rows == NPI_ROWS_RUNS && (c->win.pl > 0 || c->win.pr > 0)) p->tiles_at += npi_align_up((size_t)c->m_tile * (size_t)k * sizeof(float), NPI_ALIGN);
    s->kernel = p->g.name[p->parts - 1];
    s->run = run;
    s->params = p;
    s->n_tasks = c->m_tiles * c->n_blocks * c->groups;
    s->scratch_bytes = p->tiles_at + npi_gemm_bf16_a_bytes(c->m_tile, k, p->parts);
    c->tile_at = npi_align_up(s->scratch_bytes, NPI_ALIGN);
    if (c->sink) s->scratch_bytes = c->tile_at + (size_t)c->m_tile * (size_t)c->tile_cols * sizeof(float) + NPI_TAIL + npi_sink_scratch(c->sink, c->m_tile, c->tile_cols);
    s->packed_in = c->bias_in ? 6 : 2;
    s->parts = p->parts;
    if (c->res >= 0 && !npi_bind_same_memory(b, c->res, c->x)) s->inplace_of = 3; /* the kernels allow res to be c */
    return 1;
}
