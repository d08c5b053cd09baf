/* SPDX-License-Identifier: Apache-2.0 */
/* Timing side of the kernel test rig: shapes of real layers from shapes.txt, minimum and median of many calls, and the
 * ratio to what the C function took for the same shape (level scalar runs first). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "check_priv.h"

static const char *shapes_path(const struct ck_priv *p, char *buf, size_t size) {
    if (p->shapes_path) return p->shapes_path;
    const char *src = getenv("NEXTPOSE_SOURCE");
    snprintf(buf, size, "%s/tests/kernel/shapes.txt", src ? src : NPI_TEST_SOURCE_ROOT);
    return buf;
}

/* "family name key=value …"; 1 when the line is one of `family`. */
static int parse_line(char *line, const char *family, struct ck_shape *out) {
    char *save = NULL, *w = strtok_r(line, " \t\r\n", &save);
    if (!w || w[0] == '#' || strcmp(w, family)) return 0;
    memset(out, 0, sizeof *out);
    if (!(w = strtok_r(NULL, " \t\r\n", &save))) return 0;
    snprintf(out->name, sizeof out->name, "%s", w);
    while ((w = strtok_r(NULL, " \t\r\n", &save)) && out->n < (int)(sizeof out->kv / sizeof *out->kv)) {
        char *eq = strchr(w, '=');
        if (!eq) continue;
        *eq = 0;
        snprintf(out->kv[out->n].key, sizeof out->kv[0].key, "%s", w);
        out->kv[out->n++].value = atoi(eq + 1);
    }
    return 1;
}

int ck_shape(struct ck *c, const char *family, struct ck_shape *out, int *pos) {
    char buf[1024], line[1024];
    const char *path = shapes_path(ck_priv(c), buf, sizeof buf);
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "check: cannot open %s\n", path);
        exit(2);
    }
    int found = 0;
    for (int at = 0; !found && fgets(line, sizeof line, f); at++)
        if (at >= *pos && parse_line(line, family, out)) {
            found = 1;
            *pos = at + 1;
        }
    fclose(f);
    return found;
}

int ck_get(const struct ck_shape *s, const char *key, int otherwise) {
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->kv[i].key, key)) return s->kv[i].value;
    return otherwise;
}

int ck_bench_fn_(struct ck *c, ck_any_fn fn) {
    struct ck_priv *p = ck_priv(c);
    if (!fn || p->n_benched == CK_MAX_FNS) return 0;
    for (int i = 0; i < p->n_benched; i++)
        if (p->benched[i] == fn) return 0;
    p->benched[p->n_benched++] = fn;
    return 1;
}

/* Times of level scalar, by function and shape. */
static struct { char key[128]; double ns; } base[2048];
static int n_base;

static double *base_ns(const char *fn, const char *shape, int make) {
    char key[128];
    snprintf(key, sizeof key, "%s %s", fn, shape);
    for (int i = 0; i < n_base; i++)
        if (!strcmp(base[i].key, key)) return &base[i].ns;
    if (!make || n_base == (int)(sizeof base / sizeof *base)) return NULL;
    memcpy(base[n_base].key, key, sizeof key);
    return &base[n_base++].ns;
}

static int cmp_i64(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void ck_bench_header(struct ck *c) {
    printf(ck_priv(c)->csv ? "level,function,shape,min_ns,median_ns,gops,ratio_to_c\n" : "%-12s %-20s %-26s %12s %12s %9s %8s\n", "level", "function", "shape",
           "min ns", "median ns", "Gop/s", "x C");
}

void ck_bench(struct ck *c, const char *fn, const char *shape, void (*call)(void *), void *arg, double ops) {
    enum { MAX = 2000 };
    static int64_t t[MAX];
    const int scalar = !strcmp(c->level, "scalar");
    const int64_t budget = (int64_t)ck_priv(c)->budget_ms * 1000000, start = npi_now_ns();
    if (!scalar) call(arg); /* warm */
    int n = 0;
    while (n < MAX && (n < 1 || npi_now_ns() - start < budget)) {
        const int64_t t0 = npi_now_ns();
        call(arg);
        t[n++] = npi_now_ns() - t0;
    }
    qsort(t, (size_t)n, sizeof *t, cmp_i64);
    double *b = base_ns(fn, shape, scalar);
    if (b && scalar) *b = (double)t[0];
    printf(ck_priv(c)->csv ? "%s,%s,%s,%lld,%lld,%.2f,%.2f\n" : "%-12s %-20s %-26s %12lld %12lld %9.2f %8.2f\n", c->level, fn, shape, (long long)t[0],
           (long long)t[n / 2], ops / (double)t[0], b ? *b / (double)t[0] : 0.);
}
