/* SPDX-License-Identifier: Apache-2.0 */
/* Model files that are part of the library: our own nets of weights/, so that they need no download. The table is made by scripts/embed_weights.sh;
 * it is empty in a build with -Dweights=false. */
#ifndef NPI_CARD_WEIGHTS_H
#define NPI_CARD_WEIGHTS_H
#include "card/card.h"

struct npi_weights { const char *file; const void *data; size_t size; };
extern const struct npi_weights npi_weights[]; /* ends with a file of NULL */

/* The built-in file of a card, NULL when there is none. */
const struct npi_weights *npi_weights_of(const struct npi_card *c);
#endif
