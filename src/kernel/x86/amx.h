/* SPDX-License-Identifier: Apache-2.0 */
/* AMX tile registers: eight tiles of 16 rows by 64 bytes, configured when a kernel starts and let go when it ends. The thread belongs to somebody else in
 * between (another runtime in this process may use tiles, too), and a thread whose tiles are in their initial state is cheaper to switch.
 * Compilers take tile numbers as literals only, hence the macros in the kernels. */
#ifndef NPI_KERNEL_X86_AMX_H
#define NPI_KERNEL_X86_AMX_H
#include <immintrin.h>
#include <stdint.h>

static const struct { uint8_t palette, start_row, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } npi_amx_tiles __attribute__((aligned(64))) = {
    .palette = 1, .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 }, .rows = { 16, 16, 16, 16, 16, 16, 16, 16 }
};
static inline void npi_amx_enter(void) { _tile_loadconfig(&npi_amx_tiles); }
static inline void npi_amx_leave(void) { _tile_release(); }
/* gcc's tile loads do not say that they read memory: without this before the first one, stores to what they load may be moved behind it or dropped. */
static inline void npi_amx_see_memory(void) { __asm__ volatile("" ::: "memory"); }
#endif
