/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a preset: a table of keys, each with its kind and range; see preset.h for where the result goes. */
#include "tune/preset.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum kind { KNOB, WHOLE, NUMBER, SHARE, SWITCH, TEXT }; /* KNOB: a whole number with bounds, `2 in 1..4` */

static const struct { const char *name; int kind; double min, max; } keys[NPI_KEY_COUNT] = {
    [NPI_KEY_TARGET_FPS] = { "target_fps", NUMBER, 0, 240 },
    [NPI_KEY_COMFORT_FPS] = { "comfort_fps", NUMBER, 0, 240 },
    [NPI_KEY_MAX_DELAY_MS] = { "max_delay_ms", NUMBER, 0, 10000 },
    [NPI_KEY_ADAPT] = { "adapt", SWITCH, 0, 1 },
    [NPI_KEY_FRAME_SKIP] = { "frame_skip", KNOB, 1, 5 },
    [NPI_KEY_DETECTION_FREQ] = { "detection_freq", KNOB, 1, 30 },
    [NPI_KEY_DETECTOR_SIZE] = { "detector_size", KNOB, 64, 1280 },
    [NPI_KEY_BATCH_SIZE] = { "batch_size", KNOB, 1, 8 },
    [NPI_KEY_MAX_PERSONS] = { "max_persons", KNOB, 1, 64 },
    [NPI_KEY_DRAW_EVERY] = { "draw_every", KNOB, 1, 30 },
    [NPI_KEY_VARIANT] = { "variant", KNOB, 0, 3 },
    [NPI_KEY_THREADS] = { "threads", SHARE, .01, 1 },
    [NPI_KEY_POSE_PASSES] = { "pose_passes", WHOLE, 1, 2 },
    [NPI_KEY_DETECTION_TIMEOUT_S] = { "detection_timeout_s", NUMBER, .05, .2 },
    [NPI_KEY_POSE_TIMEOUT_S] = { "pose_timeout_s", NUMBER, .05, .2 },
    [NPI_KEY_SMOOTH] = { "smooth", TEXT, 0, 0 },
};

const char *npi_preset_key_name(int key) { return key >= 0 && key < NPI_KEY_COUNT ? keys[key].name : NULL; }

static int find_key(const char *name) {
    for (int i = 0; i < NPI_KEY_COUNT; i++)
        if (!strcmp(keys[i].name, name)) return i;
    return -1;
}

/* Leading number of *s, which moves behind it; blanks before are passed over. */
static int number(const char **s, double *out) {
    char one[24];
    size_t n = 0;
    while (**s == ' ' || **s == '\t') ++*s;
    const char *c = *s;
    for (; n < sizeof one - 1 && ((*c >= '0' && *c <= '9') || *c == '-' || *c == '+' || (*c == '.' && c[1] != '.')); c++) one[n++] = *c;
    one[n] = '\0';
    if (npi_lines_number(one, out) < 0) return -1;
    *s = c;
    return 0;
}

static int word(const char **s, const char *w) {
    while (**s == ' ' || **s == '\t') ++*s;
    if (strncmp(*s, w, strlen(w))) return 0;
    *s += strlen(w);
    return 1;
}

static int at_end(const char **s) { return word(s, "") && !**s; }

static int bad(const struct npi_lines *l, struct np_error *err, const char *why) {
    return npi_fail(err, NP_EINVAL, "%s: line %d: %s = %s: %s", l->where, l->line, l->key, l->value, why);
}

static int parse_value(struct npi_preset *p, int key, const struct npi_lines *l, int from, struct np_error *err) {
    struct npi_value v = { .from = from };
    const char *s = l->value;
    const int kind = keys[key].kind;
    char why[96];
    if (kind == TEXT) {
        if (strlen(s) >= sizeof p->smooth) return bad(l, err, "too long");
        if (strcmp(s, "none") && strcmp(s, "zero-lag") && strncmp(s, "one-euro", 8))
            return bad(l, err, "none of none, one-euro[:min_cutoff,beta,d_cutoff], zero-lag");
        snprintf(p->smooth, sizeof p->smooth, "%s", s);
        p->v[key] = v;
        return 0;
    }
    if (kind == SWITCH) {
        if (strcmp(s, "on") && strcmp(s, "off")) return bad(l, err, "neither on nor off");
        v.start = v.lo = v.hi = !strcmp(s, "on");
        p->v[key] = v;
        return 0;
    }
    if (number(&s, &v.start) < 0) return bad(l, err, kind == KNOB ? "not a number, nor 'START in LOWEST..HIGHEST'" : "not a number");
    v.lo = v.hi = v.start;
    if (kind == SHARE) {
        if (!word(&s, "%")) return bad(l, err, "a share is written as a percentage: 50 %");
        v.start = v.lo = v.hi = v.start / 100;
    } else if (kind == KNOB && word(&s, "in ")) {
        if (number(&s, &v.lo) < 0 || !word(&s, "..") || number(&s, &v.hi) < 0) return bad(l, err, "bounds are written 'START in LOWEST..HIGHEST'");
    }
    if (!at_end(&s)) return bad(l, err, kind == KNOB ? "something follows; bounds are written 'START in LOWEST..HIGHEST'"
                                : "something follows the number");
    const double scale = kind == SHARE ? 100 : 1;
    snprintf(why, sizeof why, "outside of %g to %g", keys[key].min * scale, keys[key].max * scale);
    if (v.lo < keys[key].min || v.hi > keys[key].max || v.start < keys[key].min || v.start > keys[key].max) return bad(l, err, why);
    if ((kind == KNOB || kind == WHOLE) && (v.start != (int)v.start || v.lo != (int)v.lo || v.hi != (int)v.hi))
        return bad(l, err, "not a whole number");
    if (!(v.lo <= v.start && v.start <= v.hi)) return bad(l, err, "the start is not within its bounds");
    p->v[key] = v;
    return 0;
}

int npi_preset_parse(struct npi_preset *out, const char *text, size_t size, const char *where, int live, int must_be_whole, struct np_error *err) {
    enum { COMMON, LIVE, FILE_, N_SECTIONS };
    static const char *const sections[N_SECTIONS] = { "", "live", "file" };
    struct npi_lines l = { .p = text, .end = text + size, .where = where, .tell_sections = 1 };
    struct npi_preset p = { .v[0].from = NPI_FROM_NOWHERE }, scratch;
    unsigned seen[N_SECTIONS] = { 0 };
    int r = 0, n = 0;
    if (size > 65536) return npi_fail(err, NP_EINVAL, "%s: a preset of more than 64 KiB", where);
    if (!must_be_whole && (r = npi_preset_builtin(&p, NP_PRESET_BALANCED, live, err)) < 0) return r;
    for (; (r = npi_lines_next(&l, err)) > 0; n++) {
        int section = 0;
        while (section < N_SECTIONS && strcmp(sections[section], l.section)) section++;
        if (section == N_SECTIONS) return npi_fail(err, NP_EINVAL, "%s: line %d: [%s] is neither [live] nor [file]", where, l.line, l.section);
        if (r == 2) continue;
        if (!strcmp(l.key, "base")) {
            const int base = np_preset_from_name(l.value);
            if (must_be_whole || n || section) return npi_fail(err, NP_EINVAL, "%s: line %d: 'base' comes first and once", where, l.line);
            if (base < 0) return bad(&l, err, "none of high_performance, balanced, efficiency, quality");
            if ((r = npi_preset_builtin(&p, base, live, err)) < 0) return r;
            continue;
        }
        const int key = find_key(l.key);
        if (key < 0) return npi_fail(err, NP_EINVAL, "%s: line %d: '%s' is not a key of a preset (docs/presets.md lists them)", where, l.line, l.key);
        if (seen[section] & 1u << key) return npi_fail(err, NP_EINVAL, "%s: line %d: '%s' is there twice", where, l.line, l.key);
        seen[section] |= 1u << key;
        /* The other mode's section is checked all the same; a common key does not undo one of the section, wherever it stands. */
        const int counts = section == COMMON ? !(seen[live ? LIVE : FILE_] & 1u << key) : section == (live ? LIVE : FILE_);
        if ((r = parse_value(counts ? &p : &scratch, key, &l, NPI_FROM_PRESET, err)) < 0) return r;
    }
    if (r < 0) return r;
    for (int k = 0; must_be_whole && k < NPI_KEY_COUNT; k++)
        for (int s = LIVE; s < N_SECTIONS; s++)
            if (!((seen[COMMON] | seen[s]) & 1u << k))
                return npi_fail(err, NP_EINVAL, "%s: '%s' is missing for [%s]", where, keys[k].name, sections[s]);
    if (!must_be_whole) snprintf(p.base, sizeof p.base, "%s", p.name);
    snprintf(p.name, sizeof p.name, "%s", where);
    for (int k = 0; !must_be_whole && k < NPI_KEY_COUNT; k++)
        if (!((seen[COMMON] | seen[live ? LIVE : FILE_]) & 1u << k)) p.v[k].from = NPI_FROM_BASE;
    *out = p;
    return 0;
}

int npi_preset_builtin(struct npi_preset *out, int preset, int live, struct np_error *err) {
    char file[64];
    const char *const name = np_preset_name(preset);
    if (!name) return npi_fail(err, NP_EINVAL, "preset: %d is none of 0..3", preset);
    snprintf(file, sizeof file, "%s.preset", name);
    const char *const text = npi_embedded_find(file);
    if (!text) return npi_fail(err, NP_EINTERNAL, "preset %s is not in this build", name);
    const int r = npi_preset_parse(out, text, strlen(text), name, live, 1, err);
    return r;
}

int npi_preset_load(struct npi_preset *out, const char *path, int live, struct np_error *err) {
    static const size_t cap = 65537;
    FILE *const f = fopen(path, "rb");
    if (!f) return npi_fail(err, NP_ENOENT,
                            "preset: cannot open '%s': it is neither a file nor one of high_performance, balanced, efficiency, quality", path);
    char *const text = npi_alloc(cap);
    int r = 0;
    if (!text) r = npi_fail(err, NP_ENOMEM, "out of memory");
    else {
        const size_t n = fread(text, 1, cap, f);
        if (ferror(f)) r = npi_fail(err, NP_EIO, "preset: cannot read '%s'", path);
        else r = npi_preset_parse(out, text, n, path, live, 0, err);
    }
    npi_free(text);
    fclose(f);
    return r;
}
