/* SPDX-License-Identifier: Apache-2.0 */
/* See weights.h. */
#include "card/weights.h"

#include <string.h>

const struct npi_weights *npi_weights_of(const struct npi_card *c) {
    for (const struct npi_weights *w = npi_weights; w->file; w++)
        for (int i = 0; i < c->n_files; i++)
            if (!strcmp(c->files[i], w->file)) return w;
    return NULL;
}
