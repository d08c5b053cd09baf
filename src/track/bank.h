/* SPDX-License-Identifier: Apache-2.0 */
/* Which slot of a fixed array belongs to which person. A newcomer takes a free slot, or that of whoever was used longest ago;
 * so nobody has to say when a track has died. */
#ifndef NPI_TRACK_BANK_H
#define NPI_TRACK_BANK_H
#include <stdint.h>

struct npi_bank_key { int id; uint64_t used; }; /* id 0: free */

/* Seconds from a to b; any two times, however absurd. */
static inline float npi_seconds(int64_t a_ns, int64_t b_ns) { return (float)(((double)b_ns - (double)a_ns) * 1e-9); }

/* Slot of id, -1: none. */
static inline int npi_bank_find(const struct npi_bank_key *key, int n, int id) {
    for (int i = 0; i < n && id > 0; i++)
        if (key[i].id == id) return i;
    return -1;
}

/* Slot for id; *fresh = 1 when it was somebody else's or nobody's. */
static inline int npi_bank_take(struct npi_bank_key *key, int n, int id, uint64_t *clock, int *fresh) {
    int at = npi_bank_find(key, n, id);
    *fresh = at < 0;
    for (int i = 0; i < n && *fresh; i++)
        if (at < 0 || (!key[i].id && key[at].id) || (!key[i].id == !key[at].id && key[i].used < key[at].used)) at = i;
    key[at] = (struct npi_bank_key){ id, ++*clock };
    return at;
}

/* id -1: all. */
static inline void npi_bank_forget(struct npi_bank_key *key, int n, int id) {
    for (int i = 0; i < n; i++)
        if (id < 0 || key[i].id == id) key[i] = (struct npi_bank_key){ 0, 0 };
}
#endif
