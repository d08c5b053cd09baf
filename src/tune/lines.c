/* SPDX-License-Identifier: Apache-2.0 */
/* `key = value` lines, bounded: a name or a value that is too long is an error, never cut. */
#include "tune/preset.h"

#include <ctype.h>
#include <string.h>

const char *npi_embedded_find(const char *name) {
    for (const struct npi_embedded *e = npi_embedded; e->name; e++)
        if (!strcmp(e->name, name)) return e->text;
    return NULL;
}

int npi_lines_number(const char *s, double *out) {
    double v = 0, place = 1;
    int digits = 0;
    const int neg = *s == '-';
    if (*s == '-' || *s == '+') s++;
    for (; isdigit((unsigned char)*s) && digits < 18; s++, digits++) v = v * 10 + (*s - '0');
    if (*s == '.')
        for (s++; isdigit((unsigned char)*s) && digits < 18; s++, digits++) v += (*s - '0') * (place /= 10);
    if (!digits || *s) return -1;
    *out = neg ? -v : v;
    return 0;
}

static int is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* [a, b) without the blanks around it into out; NP_EINVAL when it does not fit or holds what is not text. */
static int take(struct npi_lines *l, char *out, size_t cap, const char *a, const char *b, const char *what, struct np_error *err) {
    while (a < b && is_space(*a)) a++;
    while (b > a && is_space(b[-1])) b--;
    if (a == b) return npi_fail(err, NP_EINVAL, "%s: line %d: the %s is missing", l->where, l->line, what);
    if ((size_t)(b - a) >= cap)
        return npi_fail(err, NP_EINVAL, "%s: line %d: the %s is longer than %zu characters", l->where, l->line, what, cap - 1);
    for (const char *c = a; c < b; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return npi_fail(err, NP_EINVAL, "%s: line %d: a control character (is this a text file?)", l->where, l->line);
    memcpy(out, a, (size_t)(b - a));
    out[b - a] = '\0';
    return 0;
}

int npi_lines_next(struct npi_lines *l, struct np_error *err) {
    while (l->p < l->end) {
        const char *a = l->p, *nl = memchr(a, '\n', (size_t)(l->end - a)), *b = nl ? nl : l->end;
        l->p = nl ? nl + 1 : l->end;
        l->line++;
        if (l->line == 1 && b - a >= 3 && !memcmp(a, "\xef\xbb\xbf", 3)) a += 3; /* an editor's byte order mark */
        while (a < b && is_space(*a)) a++;
        for (const char *c = a; c < b; c++) /* a comment begins a line or follows a blank */
            if ((*c == '#' || *c == ';') && (c == a || is_space(c[-1]))) b = c;
        while (b > a && is_space(b[-1])) b--;
        if (a == b) continue;
        if (*a == '[') {
            if (b[-1] != ']') return npi_fail(err, NP_EINVAL, "%s: line %d: '[' without ']'", l->where, l->line);
            const int r = take(l, l->section, sizeof l->section, a + 1, b - 1, "section's name", err);
            if (r < 0) return r;
            if (l->tell_sections) return 2;
            continue;
        }
        const char *const eq = memchr(a, '=', (size_t)(b - a));
        if (!eq) return npi_fail(err, NP_EINVAL, "%s: line %d is not 'key = value'", l->where, l->line);
        int r = take(l, l->key, sizeof l->key, a, eq, "key", err);
        if (r >= 0) r = take(l, l->value, sizeof l->value, eq + 1, b, "value", err);
        if (r < 0) return r;
        for (char *c = l->key; *c; c++) *c = *c == '-' ? '_' : (char)tolower((unsigned char)*c);
        return 1;
    }
    return 0;
}
