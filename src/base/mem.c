/* SPDX-License-Identifier: Apache-2.0 */
/* See mem.h. */
#include "base/mem.h"
#include "base/mmap.h"
#include "base/sanitized.h"

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
    int pages; /* of npi_pages_alloc */
};
#define HEAD_BYTES NPI_ALIGN /* the block header, padded so that the first allocation is aligned */
#define CHUNK ((size_t)256 << 10)
#define CHUNK_MIN ((size_t)16 << 10) /* many arenas hold a few names and counters, and each chunk is zeroed (918 small files under ASan: 147 -> 5.5 s) */
/* Who has taken this much will take more: pages from the system then, which come zeroed, and many at once. Four fifths of the first load of ConvNeXtPose-S in a process
 * were page faults (Zen 3, virtual machine, MADV_POPULATE_WRITE): malloc and memset 62 ms, pages 55, pages made ready 47. Large pages (MADV_HUGEPAGE) took 29, but now and then
 * 60 to 200, when the system had to make room for them, and 6 MB more. Under a sanitizer each big block stays one of its own, so that it sees its end. */
#define MANY (NPI_SANITIZED ? (size_t)-1 : (size_t)1 << 20)
#define WHOLE ((size_t)64 << 10) /* blocks of pages are multiples of this; what is smaller than a quarter is not worth a call to make it ready */
#define MOST_AHEAD ((size_t)16 << 20)

void npi_arena_init(struct npi_arena *a, size_t limit_bytes) {
    *a = (struct npi_arena){ .limit_bytes = limit_bytes };
}

static void block_free(struct npi_arena_block *b) {
    if (b->pages) npi_pages_free(b, HEAD_BYTES + b->cap);
    else npi_free(b);
}

/* A block with room for n; half as much as was given out is taken ahead: pages that nobody touches cost nothing. */
static struct npi_arena_block *block_new(size_t taken, size_t n) {
    const int pages = taken >= MANY || n >= MANY;
    const size_t ahead = taken / 2 < MOST_AHEAD ? taken / 2 : MOST_AHEAD;
    const size_t chunk = taken < CHUNK_MIN ? CHUNK_MIN : taken < CHUNK ? taken : CHUNK;
    const size_t bytes = pages ? npi_align_up(HEAD_BYTES + (n > ahead ? n : ahead), WHOLE) : HEAD_BYTES + (n > chunk / 4 ? n : chunk);
    if (pages) atomic_fetch_add_explicit(&alloc_calls, 1, memory_order_relaxed);
    struct npi_arena_block *const b = pages ? npi_pages_alloc(bytes) : npi_alloc(bytes);
    if (b) {
        b->cap = bytes - HEAD_BYTES;
        b->pages = pages;
    }
    return b;
}

void *npi_arena_alloc(struct npi_arena *a, size_t bytes) {
    size_t n;
    if (npi_add_overflow(bytes, NPI_TAIL + NPI_ALIGN, &n)) return NULL;
    n = n / NPI_ALIGN * NPI_ALIGN;
    if (n > SIZE_MAX / 2 || (a->limit_bytes && (n > a->limit_bytes || a->total_bytes > a->limit_bytes - n))) return NULL;
    struct npi_arena_block *b = a->head;
    if (!b || b->cap - b->used < n) {
        struct npi_arena_block *const nb = block_new(a->total_bytes, n);
        if (!nb) return NULL;
        if (b && b->cap - b->used > nb->cap - n) { /* the head still has more room than this will have: it stays in front */
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
    if (b->pages && n >= WHOLE / 4) npi_pages_ready(p, n);
    a->total_bytes += n;
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
        block_free(b);
    }
    memset((char *)keep + HEAD_BYTES, 0, keep->used);
    a->total_bytes = 0;
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
        block_free(b);
    }
    *a = (struct npi_arena){ .limit_bytes = a->limit_bytes };
}
