/* SPDX-License-Identifier: Apache-2.0 */
/* See mem.h. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t alloc_calls;

void *npi_alloc(size_t bytes) {
    size_t n;
    if (npi_add_overflow(bytes, NPI_TAIL + NPI_ALIGN, &n)) return NULL;
    n = n / NPI_ALIGN * NPI_ALIGN;
    atomic_fetch_add_explicit(&alloc_calls, 1, memory_order_relaxed);
    void *p = aligned_alloc(NPI_ALIGN, n);
    if (p) memset(p, 0, n);
    return p;
}

void npi_free(void *p) { free(p); }
size_t npi_alloc_calls(void) { return atomic_load_explicit(&alloc_calls, memory_order_relaxed); }

struct npi_arena_block {
    struct npi_arena_block *next;
    size_t used, cap;
};
#define HEAD_BYTES NPI_ALIGN /* the block header, padded so that the first allocation is aligned */

void npi_arena_init(struct npi_arena *a, size_t limit_bytes) {
    *a = (struct npi_arena){ .limit_bytes = limit_bytes };
}

void *npi_arena_alloc(struct npi_arena *a, size_t bytes) {
    size_t n;
    if (npi_add_overflow(bytes, NPI_TAIL + NPI_ALIGN, &n)) return NULL;
    n = n / NPI_ALIGN * NPI_ALIGN;
    struct npi_arena_block *b = a->head;
    if (!b || b->cap - b->used < n) {
        const size_t chunk = 256 << 10;
        const size_t cap = n > chunk / 4 ? n : chunk;
        if (a->limit_bytes && (cap > a->limit_bytes || a->total_bytes > a->limit_bytes - cap)) return NULL;
        struct npi_arena_block *nb = npi_alloc(HEAD_BYTES + cap);
        if (!nb) return NULL;
        nb->cap = cap;
        a->total_bytes += cap;
        if (b && cap == n) { /* a big block of its own goes behind the head, which still has room */
            nb->next = b->next;
            b->next = nb;
        } else {
            nb->next = b;
            a->head = nb;
        }
        b = nb;
    }
    void *p = (char *)b + HEAD_BYTES + b->used;
    b->used += n;
    return p;
}

void *npi_arena_calloc(struct npi_arena *a, size_t n, size_t size) {
    size_t bytes;
    return npi_mul_overflow(n, size, &bytes) ? NULL : npi_arena_alloc(a, bytes);
}

char *npi_arena_strndup(struct npi_arena *a, const char *s, size_t n) {
    char *p = npi_arena_alloc(a, n + 1);
    if (!p) return NULL;
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)s[i] < 32 ? '?' : s[i];
    p[n] = 0;
    return p;
}

void npi_arena_reset(struct npi_arena *a) {
    struct npi_arena_block *const keep = a->head;
    if (!keep) return;
    for (struct npi_arena_block *b = keep->next, *next; b; b = next) {
        next = b->next;
        a->total_bytes -= b->cap;
        npi_free(b);
    }
    memset((char *)keep + HEAD_BYTES, 0, keep->used);
    keep->next = NULL;
    keep->used = 0;
}

int npi_arena_owns(const struct npi_arena *a, const void *p) {
    for (const struct npi_arena_block *b = a->head; b; b = b->next)
        if ((uintptr_t)p - (uintptr_t)b < HEAD_BYTES + b->cap) return 1;
    return 0;
}

void npi_arena_free(struct npi_arena *a) {
    for (struct npi_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        npi_free(b);
    }
    *a = (struct npi_arena){ .limit_bytes = a->limit_bytes };
}
