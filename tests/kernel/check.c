/* SPDX-License-Identifier: Apache-2.0 */
/* Main program of the kernel test rig (the idea is dav1d's checkasm); see check.h for how to add a family.
 *
 *   check [--family NAME] [--level NAME] [--seed N]             test
 *   check --bench [FAMILY] [--level NAME] [--csv] [--ms N]      time with the shapes of tests/kernel/shapes.txt
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_priv.h"
#include "families.h"
#include "nextpose/engine.h"

#define DECLARE(name) extern const struct ck_family ck_##name;
CK_FAMILIES(DECLARE)
#define ENTRY(name) &ck_##name,
static const struct ck_family *const families[] = { CK_FAMILIES(ENTRY) NULL };

#if defined(__SANITIZE_ADDRESS__)
enum { under_asan = 1 };
#else
enum { under_asan = 0 };
#endif
static sigjmp_buf crash_jmp;

static void on_crash(int sig) {
    siglongjmp(crash_jmp, sig);
}

static void catch_crashes(void) {
    static char stack[65536];
    const stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction sa = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK };
    sigaltstack(&ss, NULL);
    const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) sigaction(sigs[i], &sa, NULL);
}

int ck_fn_(struct ck *c, const char *name, ck_any_fn fn, ck_any_fn ref) {
    struct ck_priv *p = ck_priv(c);
    ck_fn_end(c);
    (void)ref;
    if (!fn) return 0;
    for (int i = 0; i < p->n_seen; i++)
        if (p->seen[i] == fn) return 0;
    if (p->n_seen == CK_MAX_FNS) {
        fprintf(stderr, "check: more than %d functions\n", CK_MAX_FNS);
        exit(2);
    }
    p->seen[p->n_seen++] = fn;
    snprintf(p->fn, sizeof p->fn, "%s", name);
    p->text[0] = 0;
    p->n_fns++;
    return 1;
}

void ck_fn_end(struct ck *c) {
    struct ck_priv *p = ck_priv(c);
    ck_reset(c);
    if (p->fn[0] && !p->compared) ck_fail(c, "ck_fn without a comparison");
    if (p->fn_failures) p->n_failed++;
    p->fn[0] = 0;
    p->compared = p->fn_failures = 0;
}

void ck_case(struct ck *c, const char *fmt, ...) {
    struct ck_priv *p = ck_priv(c);
    ck_reset(c);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->text, sizeof p->text, fmt, ap);
    va_end(ap);
}

void ck_fail(struct ck *c, const char *fmt, ...) {
    struct ck_priv *p = ck_priv(c);
    if (p->fn_failures++ >= 5) return; /* the first few tell the story */
    printf("FAIL %s %s.%s (%s): ", c->level, p->family, p->fn[0] ? p->fn : "?", p->text);
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

/* Words of the table that point into our code and that no family asked for. */
static void check_all_tested(struct ck *c) {
    extern const char __executable_start[], etext[]; /* by the linker */
    struct ck_priv *p = ck_priv(c);
    const char *table = (const char *)c->k;
    for (size_t at = 0; at + sizeof(uintptr_t) <= sizeof *c->k; at += sizeof(uintptr_t)) {
        uintptr_t w;
        memcpy(&w, table + at, sizeof w);
        if (w < (uintptr_t)__executable_start || w >= (uintptr_t)etext) continue;
        int known = 0;
        for (int i = 0; i < p->n_seen && !known; i++) known = (uintptr_t)p->seen[i] == w;
        if (known) continue;
        printf("FAIL %s: the function at byte %zu of struct npi_kernels (address 0x%zx, link 0x%zx) is in the table but was never tested\n", c->level, at,
               (size_t)w, (size_t)(w - (uintptr_t)__executable_start));
        p->n_failed++;
        p->seen[p->n_seen++] = (ck_any_fn)w; /* say it once */
    }
}

static void run_family(struct ck *c, const struct ck_family *f, int bench) {
    struct ck_priv *p = ck_priv(c);
    p->family = f->name;
    const int sig = sigsetjmp(crash_jmp, 1);
    if (sig) {
        p->compared = 1;
        ck_fail(c, "crashed with signal %d (%s)", sig, strsignal(sig));
    } else if (bench) {
        f->bench(c);
    } else {
        f->check(c);
    }
    ck_fn_end(c);
}

static int level_present(const char *name) {
    const char *have;
    for (int i = 0; (have = np_isa_level(i)); i++)
        if (!strcmp(have, name)) return 1;
    return 0;
}

struct args { const char *family, *level; int bench; unsigned long seed; };

static int known_family(const char *name) {
    for (int f = 0; families[f]; f++)
        if (!strcmp(families[f]->name, name)) return 1;
    return 0;
}

static int parse(int argc, char **argv, struct args *a, struct ck_priv *p) {
    for (int i = 1; i < argc; i++) {
        const char *s = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(s, "--bench")) {
            a->bench = 1;
            if (v && v[0] != '-') a->family = v, i++;
        } else if (!strcmp(s, "--csv")) {
            p->csv = 1;
        } else if (v && !strcmp(s, "--family")) {
            a->family = v, i++;
        } else if (v && !strcmp(s, "--level")) {
            a->level = v, i++;
        } else if (v && !strcmp(s, "--seed")) {
            a->seed = strtoul(v, NULL, 10), i++;
        } else if (v && !strcmp(s, "--ms")) {
            p->budget_ms = atoi(v), i++;
        } else if (v && !strcmp(s, "--shapes")) {
            p->shapes_path = v, i++;
        } else {
            fprintf(stderr, "usage: %s [--bench [FAMILY]] [--family NAME] [--level NAME] [--seed N] [--ms N] [--csv] [--shapes FILE]\n", argv[0]);
            return 2;
        }
    }
    if (a->family && !known_family(a->family)) {
        fprintf(stderr, "check: no family '%s'; there are:", a->family);
        for (int f = 0; families[f]; f++) fprintf(stderr, " %s", families[f]->name);
        fprintf(stderr, "\n");
        return 2;
    }
    return 0;
}

int main(int argc, char **argv) {
    static struct ck_priv priv = { .budget_ms = 60, .family = "" };
    static struct npi_kernels table, ref; /* static: a table on the stack would hide a kernel that smashes it */
    struct args a = { .seed = 1 };
    if (parse(argc, argv, &a, &priv)) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!under_asan) catch_crashes(); /* its own report says more */
    struct ck c = { .k = &table, .ref = &ref, .priv = &priv };
    npi_kernels_init(&ref, 0);
    if (a.bench) ck_bench_header(&c);
    char levels[256] = "";
    const char *name;
    unsigned flags;
    for (int i = 0; npi_cpu_level_at(i, &name, &flags); i++) {
        if (a.level && strcmp(a.level, name) && !(a.bench && i == 0)) continue; /* bench needs scalar for the ratio */
        if (!level_present(name)) {
            printf("skipped: %s (not on this machine)\n", name);
            continue;
        }
        const size_t l = strlen(levels);
        snprintf(levels + l, sizeof levels - l, " %s", name);
        npi_kernels_init(&table, flags & npi_cpu_flags());
        c.level = name;
        for (int f = 0; families[f]; f++) {
            if (a.family && strcmp(a.family, families[f]->name)) continue;
            if (a.bench && !families[f]->bench) continue;
            priv.rng = (uint64_t)a.seed * 0x9e3779b97f4a7c15ull + 1;
            run_family(&c, families[f], a.bench);
        }
        if (!a.bench && !a.family) check_all_tested(&c);
    }
    printf("%d checks passed, %d failed, %ld comparisons, levels:%s\n", priv.n_fns - priv.n_failed, priv.n_failed, priv.n_compared, levels);
    return priv.n_failed ? 1 : 0;
}
