/* SPDX-License-Identifier: Apache-2.0 */
/* What goes along with a net: its card, and what its file says about itself. The card lies in the output (key "nextpose_card") and beside it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/convert_priv.h"
#include "base/sha256.h"
#include "import/import.h"

#define CARD_KEY "nextpose_card"

void npi_note(char *notes, size_t size, const char *fmt, ...) {
    const size_t n = strlen(notes);
    va_list ap;
    if (n + 2 >= size) return;
    if (n) strcpy(notes + n, "\n");
    va_start(ap, fmt);
    vsnprintf(notes + n + (n > 0), size - n - (n > 0), fmt, ap);
    va_end(ap);
}

static int exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

/* x.onnx -> x.json; 0: too long, or no ending. */
static int beside(const char *model, char *json, size_t size) {
    const char *dot = strrchr(model, '.');
    return dot && !strchr(dot, '/') && (size_t)snprintf(json, size, "%.*s.json", (int)(dot - model), model) < size;
}

static int find_card(struct npi_luggage *l, const char *in, const struct npi_file *f, const struct np_convert_params *p, struct np_error *err) {
    char json[4096], hex[65];
    struct npi_metadata m;
    int r = 0;
    if (p->card) r = npi_card_load(&l->card, p->card, err);
    else if (beside(in, json, sizeof json) && exists(json)) r = npi_card_load(&l->card, json, err);
    else if (npi_metadata_find(f->data, f->size, CARD_KEY, &m)) r = npi_card_parse(&l->card, m.value ? m.value : "", m.size, in, err);
    else {
        const struct npi_card *c = npi_card_find_by_file(in);
        if (!c) {
            npi_sha256_hex(f->data, f->size, hex);
            c = npi_card_find_by_sha256(hex);
        }
        if (!c) return 0;
        l->card = *c;
    }
    if (r < 0) {
        if (r == NP_EUNSUPPORTED) { /* a build without JSON */
            npi_note(l->note, sizeof l->note, "the card was not carried over: this build reads no JSON");
            return 0;
        }
        return r;
    }
    l->has_card = 1;
    return 0;
}

static int is_text(const void *p, size_t n) {
    const unsigned char *s = p;
    for (size_t i = 0; i < n; i++)
        if (s[i] < 9 || (s[i] > 13 && s[i] < 32)) return 0;
    return 1;
}

int npi_luggage_pack(struct npi_luggage *l, struct npi_arena *mem, const char *in, const struct npi_file *f, const struct np_convert_params *p, int format, const char *out,
                     struct np_error *err) {
    struct npi_metadata m;
    int n = 0;
    *l = (struct npi_luggage){ 0 };
    const int r = find_card(l, in, f, p, err);
    if (r < 0) return r;
    while (n < 256 && npi_metadata_at(f->data, f->size, n, &m)) n++;
    l->meta = npi_arena_array(mem, struct npi_meta, n + 1);
    char *text = npi_arena_alloc(mem, 8192);
    if (!l->meta || !text) return npi_fail(err, NP_ENOMEM, "%s: out of memory", in);
    for (int i = 0; i < n; i++) {
        npi_metadata_at(f->data, f->size, i, &m);
        char *key = npi_arena_strndup(mem, m.key, m.key_size);
        if (!key) return npi_fail(err, NP_ENOMEM, "%s: out of memory", in);
        if (!strcmp(key, CARD_KEY) || !strcmp(key, "min_runtime_version") || !strcmp(key, "CONVERSION_METADATA")) continue;
        if (format == NP_FORMAT_ONNX && !is_text(m.value, m.size)) {
            npi_note(l->note, sizeof l->note, "metadata '%.60s' is no text and stayed behind", key);
            continue;
        }
        l->meta[l->n_meta++] = (struct npi_meta){ key, m.value, m.size };
    }
    if (!l->has_card) return 0;
    /* The card is of another file now: hashes and names are the old one's. */
    const char *slash = strrchr(out, '/');
    l->card.n_sha256 = 0;
    memset(l->card.sha256, 0, sizeof l->card.sha256);
    memset(l->card.files, 0, sizeof l->card.files);
    l->card.n_files = 1;
    snprintf(l->card.files[0], sizeof l->card.files[0], "%s", slash ? slash + 1 : out);
    l->card.in.layout = NPI_LAYOUT_AUTO;
    if (npi_card_write(&l->card, text, 8192) >= 8192) return npi_fail(err, NP_EINTERNAL, "%s: its card is longer than 8 KB", in);
    l->meta[l->n_meta++] = (struct npi_meta){ CARD_KEY, text, strlen(text) };
    return 0;
}

int npi_luggage_card(const struct npi_luggage *l, const char *out, char *written, size_t size, char *note, size_t note_size, struct np_error *err) {
    char json[4096], text[8192];
    *written = '\0';
    if (!l->has_card || !beside(out, json, sizeof json)) return 0;
    if (exists(json)) {
        npi_note(note, note_size, "%s is there already and was left alone; the card is in the model file", json);
        return 0;
    }
    const size_t n = npi_card_write(&l->card, text, sizeof text);
    const int r = npi_save(json, &(struct npi_piece){ text, n }, 1, err);
    if (r >= 0) snprintf(written, size, "%s", json);
    return r;
}
