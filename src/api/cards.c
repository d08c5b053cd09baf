/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in cards as callers see them, and the hash that they are checked by. */
#include "base/err.h"
#include "base/mmap.h"
#include "base/sha256.h"
#include "card/weights.h"
#include "nextpose/nextpose.h"

#include <string.h>

static const char *or_null(const char *s) { return *s ? s : NULL; }

int np_card_at(int i, struct np_card_info *out) {
    static const char *const task[] = { [NPI_TASK_DETECT] = "detect", [NPI_TASK_POSE] = "pose", [NPI_TASK_POSE_MULTI] = "pose_multi" };
    const struct npi_card *const c = i < 0 ? NULL : npi_card_builtin_at(i);
    if (!c) return NP_EEND;
    memset(out, 0, sizeof *out);
    out->id = c->id;
    out->name = c->name;
    out->licence = c->licence;
    out->source = c->source;
    out->note = or_null(c->note);
    out->task = task[c->task];
    for (int k = 0; k < c->n_files; k++) out->files[k] = c->files[k];
    for (int k = 0; k < c->n_sha256; k++) out->sha256[k] = c->sha256[k];
    return 0;
}

const void *np_card_weights(const char *id, size_t *size) {
    const struct npi_card *const c = npi_card_builtin(id);
    const struct npi_weights *const w = c ? npi_weights_of(c) : NULL;
    if (size) *size = w ? w->size : 0;
    return w ? w->data : NULL;
}

int np_sha256_file(const char *path, char hex[65], struct np_error *err) {
    struct npi_file f = { 0 };
    const int r = npi_file_map(&f, path, err);
    if (r < 0) return r;
    npi_sha256_hex(f.data, f.size, hex);
    npi_file_unmap(&f);
    return 0;
}
