/* SPDX-License-Identifier: Apache-2.0 */
/* Reading options. Everything is kept as checked text; the getters convert. */
#define _GNU_SOURCE
#include "opts.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef NPI_HAVE_INIH
#include <ini.h>
#endif

extern char **environ;

void opts_init(struct opts *o, const struct opt_def *defs, const char *command) {
    memset(o, 0, sizeof *o);
    o->defs = defs;
    o->command = command;
}

void opts_free(struct opts *o) {
    for (int i = 0; i < OPT_MAX; i++) free(o->v[i].text);
    memset(o->v, 0, sizeof o->v);
}

/* Names compare without case, '-' and '_' being one; `n` is the length of b. */
static int same_name(const char *a, const char *b, size_t n) {
    if (strlen(a) != n) return 0;
    for (size_t i = 0; i < n; i++) {
        const int x = tolower((unsigned char)a[i]), y = tolower((unsigned char)b[i]);
        if ((x == '_' ? '-' : x) != (y == '_' ? '-' : y)) return 0;
    }
    return 1;
}

static int find(const struct opts *o, const char *name, size_t n) {
    for (int i = 0; o->defs[i].name; i++) {
        if (same_name(o->defs[i].name, name, n) || (o->defs[i].alias && same_name(o->defs[i].alias, name, n))) return i;
    }
    return -1;
}

static int truth(const char *s) {
    static const char *const yes[] = { "1", "true", "yes", "on", NULL }, *const no[] = { "0", "false", "no", "off", NULL };
    for (int i = 0; yes[i]; i++) {
        if (same_name(yes[i], s, strlen(s))) return 1;
        if (same_name(no[i], s, strlen(s))) return 0;
    }
    return -1;
}

/* The number, whole or not, without the locale's say (strtod would want "0,3" in half of Europe). */
static int number(const char *s, double *out) {
    double v = 0, place = 1;
    int digits = 0, neg = 0;
    if (*s == '-' || *s == '+') neg = *s++ == '-';
    for (; isdigit((unsigned char)*s) && digits < 300; s++, digits++) v = v * 10 + (*s - '0');
    if (*s == '.') {
        for (s++; isdigit((unsigned char)*s) && digits < 300; s++, digits++) v += (*s - '0') * (place /= 10);
    }
    if (!digits || *s) return -1;
    *out = neg ? -v : v;
    return 0;
}

/* The choice that s means among "a|b:c" (what follows ':' counts too) as the table spells it, *n long; NULL: none. */
static const char *choice(const char *choices, const char *s, size_t *n) {
    for (const char *p = choices; *p;) {
        *n = strcspn(p, "|:");
        if (same_name(s, p, *n)) return p;
        p += *n;
        if (*p) p++;
    }
    return NULL;
}

static int check(const struct opt_def *d, const char *text, const char *where, struct np_error *err) {
    double v = 0;
    size_t n;
    switch (d->type) {
    case OPT_BOOL:
        if (truth(text) < 0) return npi_io_fail(err, NP_EINVAL, "%s: '%s' is neither yes nor no", where, text);
        return 0;
    case OPT_CHOICE:
        if (!choice(d->choices, text, &n))
            return npi_io_fail(err, NP_EINVAL, "%s: '%s' is not one of %.*s", where, text, (int)strcspn(d->choices, ":"), d->choices);
        return 0;
    case OPT_INT_AUTO:
        if (same_name("auto", text, strlen(text))) return 0;
        if (number(text, &v) < 0 || v != floor(v)) return npi_io_fail(err, NP_EINVAL, "%s: '%s' is neither a whole number nor auto", where, text);
        if (v < d->min || v > d->max) return npi_io_fail(err, NP_EINVAL, "%s: %s is outside of %g to %g", where, text, d->min, d->max);
        return 0;
    case OPT_INT: case OPT_FLOAT:
        if (number(text, &v) < 0 || (d->type == OPT_INT && v != floor(v)))
            return npi_io_fail(err, NP_EINVAL, "%s: '%s' is not a%s number", where, text, d->type == OPT_INT ? " whole" : "");
        if (v < d->min || v > d->max) return npi_io_fail(err, NP_EINVAL, "%s: %s is outside of %g to %g", where, text, d->min, d->max);
        return 0;
    default:
        if (!*text) return npi_io_fail(err, NP_EINVAL, "%s: the value is empty", where);
        return 0;
    }
}

static int set_at(struct opts *o, int i, const char *text, int origin, const char *where, struct np_error *err) {
    const int r = check(&o->defs[i], text, where, err);
    if (r < 0) return r;
    struct opt_value *const v = &o->v[i];
    if (v->text && v->origin > origin) return 0;
    size_t n = strlen(text);
    if (o->defs[i].type == OPT_CHOICE) text = choice(o->defs[i].choices, text, &n);
    char *const copy = strndup(text, n);
    if (!copy) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    free(v->text);
    v->text = copy;
    v->origin = origin;
    snprintf(v->where, sizeof v->where, "%s", where);
    return 0;
}

/* Edits (insert, delete, change, swap) to get from a to b; long names count as far. */
static int distance(const char *a, const char *b) {
    enum { MAX = 40 };
    int d[MAX + 1][MAX + 1];
    const int n = (int)strlen(a), m = (int)strlen(b);
    if (n > MAX || m > MAX) return 99;
    for (int i = 0; i <= n; i++) d[i][0] = i;
    for (int j = 0; j <= m; j++) d[0][j] = j;
    for (int i = 1; i <= n; i++) {
        for (int j = 1; j <= m; j++) {
            const int cost = a[i - 1] != b[j - 1];
            int best = d[i - 1][j - 1] + cost;
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best) best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}

const char *opts_nearest(const char *word, const char *(*next)(const void *, int), const void *arg) {
    const char *best = NULL;
    int best_d = (int)strlen(word) / 3 + 2;
    for (int i = 0;; i++) {
        const char *const name = next(arg, i);
        if (!name) return best;
        int d = distance(word, name);
        if (strlen(word) >= 3 && !strncmp(word, name, strlen(word))) d = 1; /* an abbreviation */
        if (d < best_d) {
            best_d = d;
            best = name;
        }
    }
}

static const char *next_def(const void *arg, int i) { return ((const struct opt_def *)arg)[i].name; }

static int unknown(const struct opts *o, const char *shown, const char *name, struct np_error *err) {
    char clean[64];
    size_t n = 0;
    for (; name[n] && name[n] != '=' && n < sizeof clean - 1; n++) clean[n] = name[n] == '_' ? '-' : (char)tolower((unsigned char)name[n]);
    clean[n] = '\0';
    const char *const near = opts_nearest(clean, next_def, o->defs);
    if (near) return npi_io_fail(err, NP_EINVAL, "unknown %s: did you mean '%s'?", shown, near);
    return npi_io_fail(err, NP_EINVAL, "unknown %s: see 'nextpose %s --help'", shown, o->command);
}

int opts_set(struct opts *o, const char *name, const char *text, int origin, const char *where, struct np_error *err) {
    const int i = find(o, name, strlen(name));
    if (i >= 0) return set_at(o, i, text, origin, where, err);
    char shown[100];
    snprintf(shown, sizeof shown, "setting %s", where);
    return unknown(o, shown, name, err);
}

int opts_environment(struct opts *o, const char *const *env, struct np_error *err) {
    static const char prefix[] = "NEXTPOSE_";
    for (; env && *env; env++) {
        const char *const eq = strchr(*env, '=');
        if (!eq || strncmp(*env, prefix, sizeof prefix - 1) || !eq[1]) continue;
        const char *const name = *env + sizeof prefix - 1;
        const int i = find(o, name, (size_t)(eq - name));
        if (i < 0) continue; /* of another command, or of the library (NEXTPOSE_MAX_ISA) */
        char where[100];
        snprintf(where, sizeof where, "%.*s", (int)(eq - *env), *env);
        const int r = set_at(o, i, eq + 1, FROM_ENV, where, err);
        if (r < 0) return r;
    }
    return 0;
}

int opts_derived(struct opts *o, const char *name, const char *text, const char *where) {
    const int i = find(o, name, strlen(name));
    if (i < 0) return 0;
    if (o->v[i].text) return 1;
    if ((o->v[i].text = strdup(text))) o->v[i].origin = FROM_PRESET;
    snprintf(o->v[i].where, sizeof o->v[i].where, "%s", where);
    return 1;
}

void opts_amended(struct opts *o, const char *name, const char *text, const char *where) {
    const int i = find(o, name, strlen(name));
    if (i < 0 || !o->v[i].text || !strcmp(o->v[i].text, text)) return;
    char *const t = strdup(text);
    if (!t) return;
    free(o->v[i].text);
    o->v[i].text = t;
    const size_t n = strlen(o->v[i].where);
    snprintf(o->v[i].where + n, sizeof o->v[i].where - n, "; %s", where);
}

#ifdef NPI_HAVE_INIH
struct reading { struct opts *o; const char *path; struct np_error *err; int r; };

static int on_key(void *user, const char *section, const char *key, const char *value) {
    struct reading *const rd = user;
    char where[120];
    snprintf(where, sizeof where, "'%.40s' in %.70s", key, rd->path);
    if (*section && strcmp(section, rd->o->command)) return 1; /* of another command */
    if (same_name("config", key, strlen(key))) rd->r = npi_io_fail(rd->err, NP_EINVAL, "%s: a config file cannot name another one", where);
    else if ((rd->r = opts_set(rd->o, key, value ? value : "", FROM_CONFIG, where, rd->err)) == 0) return 1;
    return 0;
}

int opts_config_string(struct opts *o, const char *text, const char *path, struct np_error *err) {
    struct reading rd = { o, path, err, 0 };
    const int line = ini_parse_string(text, on_key, &rd);
    if (rd.r < 0) return rd.r;
    if (line) return npi_io_fail(err, NP_EINVAL, "%s: line %d is not 'key = value'", path, line);
    return 0;
}
#else
int opts_config_string(struct opts *o, const char *text, const char *path, struct np_error *err) {
    return npi_io_fail(err, NP_EUNSUPPORTED, "%s: this build has no config files (inih was missing)", path);
}
#endif

static int config_file(struct opts *o, const char *path, struct np_error *err) {
    char *text = NULL;
    int r = npi_io_read_text(&text, path, 1 << 20, err);
    if (r >= 0) r = opts_config_string(o, text, path, err);
    free(text);
    return r;
}

/* One argument that begins with '-'; *used: how many of argv it took. */
static int flag(struct opts *o, int argc, char **argv, int *used, struct np_error *err) {
    const char *const a = argv[0];
    char shown[100];
    int i = -1, negated = 0;
    const char *value = NULL;
    *used = 1;
    if (a[1] != '-') {
        for (int k = 0; o->defs[k].name; k++) {
            if (o->defs[k].letter && o->defs[k].letter == a[1]) i = k;
        }
        if (a[2]) value = a[2] == '=' ? a + 3 : a + 2;
        snprintf(shown, sizeof shown, "-%c", a[1]);
    } else {
        const size_t n = strcspn(a + 2, "=");
        i = find(o, a + 2, n);
        if (i < 0 && n > 3 && same_name("no-", a + 2, 3)) {
            i = find(o, a + 5, n - 3);
            if (i >= 0 && o->defs[i].type != OPT_BOOL) i = -1;
            negated = i >= 0;
        }
        if (a[2 + n]) value = a + 3 + n;
        snprintf(shown, sizeof shown, "--%s", i >= 0 ? o->defs[i].name : a + 2);
    }
    if (i < 0) {
        snprintf(shown, sizeof shown, "option '%.60s'", a);
        return unknown(o, shown, a[1] == '-' ? a + 2 : a + 1, err);
    }
    if (o->defs[i].type == OPT_BOOL) {
        if (negated && value) return npi_io_fail(err, NP_EINVAL, "--no-%s takes no value", o->defs[i].name);
        return set_at(o, i, negated ? "no" : value ? value : "yes", FROM_FLAG, shown, err);
    }
    if (!value) {
        if (argc < 2) return npi_io_fail(err, NP_EINVAL, "%s needs a value: %s", shown, o->defs[i].metavar ? o->defs[i].metavar : o->defs[i].choices);
        value = argv[1];
        *used = 2;
    }
    return set_at(o, i, value, FROM_FLAG, shown, err);
}

int opts_parse(struct opts *o, int argc, char **argv, struct np_error *err) {
    int r = 0;
    for (int i = 0, used = 1, only_rest = 0; i < argc; i += used) {
        used = 1;
        if (!only_rest && !strcmp(argv[i], "--")) only_rest = 1;
        else if (!only_rest && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) o->help = 1;
        else if (!only_rest && argv[i][0] == '-' && argv[i][1]) {
            if ((r = flag(o, argc - i, argv + i, &used, err)) < 0) return r;
        } else if (o->n_rest == (int)(sizeof o->rest / sizeof o->rest[0])) return npi_io_fail(err, NP_EINVAL, "too many arguments");
        else o->rest[o->n_rest++] = argv[i];
    }
    if ((r = opts_environment(o, (const char *const *)environ, err)) < 0) return r;
    const int config = find(o, "config", 6);
    if (config >= 0 && !o->defs[config].choices && o->v[config].text) r = config_file(o, o->v[config].text, err);
    return r;
}

static const struct opt_value *get(const struct opts *o, const char *name, const struct opt_def **def) {
    const int i = find(o, name, strlen(name));
    assert(i >= 0);
    *def = &o->defs[i];
    return &o->v[i];
}

const char *opt_str(const struct opts *o, const char *name) {
    const struct opt_def *d;
    const struct opt_value *const v = get(o, name, &d);
    return v->text ? v->text : d->fallback;
}

double opt_float(const struct opts *o, const char *name) {
    const char *const s = opt_str(o, name);
    double v = 0;
    if (s) number(s, &v);
    return v;
}

int opt_int(const struct opts *o, const char *name) { return (int)opt_float(o, name); }

int opt_bool(const struct opts *o, const char *name) {
    const char *const s = opt_str(o, name);
    return s && truth(s) == 1;
}

int opt_origin(const struct opts *o, const char *name) {
    const struct opt_def *d;
    return get(o, name, &d)->origin;
}

void opts_print_help(const struct opts *o, FILE *f) {
    for (const struct opt_def *d = o->defs; d->name; d++) {
        char left[80];
        if (d->group) fprintf(f, "\n%s:\n", d->group);
        const int by_default_on = d->type == OPT_BOOL && d->fallback && truth(d->fallback) == 1;
        int n = snprintf(left, sizeof left, d->letter ? "  -%c, " : "      ", d->letter);
        n += snprintf(left + n, sizeof left - (size_t)n, "--%s%s", by_default_on ? "no-" : "", d->name);
        if (d->type == OPT_CHOICE && !d->metavar) snprintf(left + n, sizeof left - (size_t)n, " %.*s", (int)strcspn(d->choices, ":"), d->choices);
        else if (d->metavar) snprintf(left + n, sizeof left - (size_t)n, " %s", d->metavar);
        if (strlen(left) > 31) fprintf(f, "%s\n%-32s%s", left, "", d->help);
        else fprintf(f, "%-32s%s", left, d->help);
        if (d->fallback && d->type != OPT_BOOL) fprintf(f, " [%s]", d->fallback);
        fputc('\n', f);
    }
}

void opts_print_config(const struct opts *o, FILE *f) {
    static const char *const from[] = { "default", "preset", "config file", "environment", "command line" };
    for (int i = 0; o->defs[i].name; i++) {
        const struct opt_value *const v = &o->v[i];
        const char *const text = v->text ? v->text : o->defs[i].fallback;
        const int say = v->text && v->origin != FROM_PRESET; /* `where` of a preset says it all */
        fprintf(f, "%-16s = %-24s ; %s%s%s%s\n", o->defs[i].name, text ? text : o->defs[i].type == OPT_BOOL ? "no" : "(unset)", v->origin == FROM_PRESET ? v->where : from[v->origin],
                say ? " (" : "", say ? v->where : "", say ? ")" : "");
    }
}
