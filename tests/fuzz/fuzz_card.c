/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a card: read or refused with one line; what was read survives writing and reading again, and opens or is refused
 * by its decoder on outputs of a few shapes. With clang's libFuzzer (-Dfuzz=true), or replayed over corpus/card. */
#include <string.h>

#include "card/card.h"
#include "decode/head.h"
#include "fuzz.h"

static void try_decoder(const struct npi_card *c) {
    static const struct npi_view shapes[] = {
        { .dtype = NP_F32, .rank = 3, .d = { 1, 84, 6 } },      { .dtype = NP_F32, .rank = 2, .d = { 1, 195 } },
        { .dtype = NP_F32, .rank = 2, .d = { 1, 1 } },          { .dtype = NP_F32, .rank = 4, .d = { 1, 16, 12, 17 } },
        { .dtype = NP_F32, .rank = 4, .d = { 1, 8, 8, 18 * 8 } }, { .dtype = NP_F32, .rank = 4, .d = { 1, 1, 17, 3 } },
    };
    struct npi_decoder *d = NULL;
    struct np_error err = { 0 };
    const int r = npi_decoder_open(&d, c, shapes, (int)(sizeof shapes / sizeof *shapes), 64, 64, &err);
    if (r < 0 && (err.code != r || !err.message[0])) __builtin_trap();
    npi_decoder_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct npi_card c, again;
    struct np_error err = { 0 };
    const int r = npi_card_parse(&c, (const char *)data, size, "fuzz", &err);
    if (r < 0) {
        if (err.code != r || !err.message[0] || strchr(err.message, '\n')) __builtin_trap(); /* a refusal says why, in one line */
        return 0;
    }
    static char text[32768], text2[32768];
    const size_t n = npi_card_write(&c, text, sizeof text);
    if (n >= sizeof text || npi_card_parse(&again, text, n, "again", &err) < 0) __builtin_trap();
    npi_card_write(&again, text2, sizeof text2);
    if (strcmp(text, text2)) __builtin_trap();
    try_decoder(&c);
    return 0;
}
