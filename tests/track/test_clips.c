/* SPDX-License-Identifier: Apache-2.0 */
/* Tracking on real clips.
 *
 * usage: test_clips ids CLIPS_DIR MODELS_DIR IDENTITIES NAME [every]   people of clip NAME as counted by hand in IDENTITIES
 *        test_clips poses MODELS_DIR CLIP [SIDE]                       what propagation, smoothing and repair do: the tables of docs/tracking.md
 * Exit code 77: the clip is not there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "track_all.h"

static int failures;
#define CHECK(x, ...) do { if (!(x)) { failures++; printf("FAIL %s:%d: %s: ", __FILE__, __LINE__, #x); printf(__VA_ARGS__); puts(""); } } while (0)

/* Best fitting id at a point of a frame (picture pixels): the smallest box that holds it. 0: nobody. */
static int id_at(const struct tracked *t, int frame, float x, float y) {
    int best = 0;
    float least = 1e30f;
    for (int id = 1; id <= t->n_ids; id++) {
        const struct rec_det *const d = tracked_at(t, id, frame);
        if (!d || x < d->box.x || y < d->box.y || x > d->box.x + d->box.w || y > d->box.y + d->box.h || d->box.w * d->box.h >= least) continue;
        least = d->box.w * d->box.h;
        best = id;
    }
    return best;
}

static void summary(const struct tracked *t) {
    for (int id = 1; id <= t->n_ids; id++) {
        int first = -1, last = -1, seen = 0;
        for (int i = 0; i < t->r->n; i++)
            if (tracked_at(t, id, i)) {
                if (first < 0) first = i;
                last = i;
                seen++;
            }
        printf("  id %2d: frames %d to %d, seen on %d\n", id, first, last, seen);
    }
}

/* clip NAME FILE SIDE EVERY LEAST MOST, then lines  same NAME FRAME X Y FRAME X Y  and  seen NAME LEAST_BOXES_A_FRAME */
static int identities(const char *clips, const char *models, const char *list, const char *name, int force_every) {
    FILE *f = fopen(list, "r");
    char line[512], kind[16], who[64], file[256], path[1024];
    struct record r = { 0 };
    struct tracked t = { 0 };
    int found = 0, n_same = 0;
    if (!f) {
        fprintf(stderr, "test_clips: cannot read %s\n", list);
        return 1;
    }
    while (fgets(line, sizeof line, f)) {
        int side, every, least, most, fa, fb;
        float xa, ya, xb, yb;
        if (*line == '#' || sscanf(line, "%15s %63s", kind, who) != 2 || strcmp(who, name)) continue;
        if (!strcmp(kind, "clip") && sscanf(line, "%*s %*s %255s %d %d %d %d", file, &side, &every, &least, &most) == 5) {
            snprintf(path, sizeof path, "%s%s%s", *file == '/' ? "" : clips, *file == '/' ? "" : "/", file);
            if (access(path, R_OK) || access(models, R_OK)) {
                printf("skipped: %s or its models are not here\n", path);
                fclose(f);
                return 77;
            }
            if (force_every) every = force_every;
            record_clip(&r, path, models, side, every, 0);
            track_all(&t, &r, 1);
            printf("%s, every frame of %d: %d ids, by hand %d to %d\n", file, every, t.n_ids, least, most);
            summary(&t);
            CHECK(least > 0 && least <= t.n_ids && t.n_ids <= most, "%d ids, not %d to %d", t.n_ids, least, most);
            found = every;
        } else if (!strcmp(kind, "same") && sscanf(line, "%*s %*s %d %f %f %d %f %f", &fa, &xa, &ya, &fb, &xb, &yb) == 6) {
            const int a = id_at(&t, fa / (found ? found : 1), xa, ya), b = id_at(&t, fb / (found ? found : 1), xb, yb);
            CHECK(a > 0 && a == b, "id %d on frame %d at %g,%g and id %d on frame %d at %g,%g are one person", a, fa, (double)xa, (double)ya, b, fb, (double)xb, (double)yb);
            n_same++;
        } else CHECK(0, "%s: cannot read: %s", list, line);
    }
    fclose(f);
    CHECK(found, "%s has no clip %s", list, name);
    printf("%d journeys checked\n", n_same);
    tracked_free(&t);
    record_free(&r);
    return failures != 0;
}

static int poses(const char *models, const char *clip, int side) {
    struct record r;
    struct tracked t;
    const char *const slash = strrchr(clip, '/');
    if (access(clip, R_OK) || access(models, R_OK)) {
        printf("skipped: %s or its models are not here\n", clip);
        return 77;
    }
    record_clip(&r, clip, models, side, 1, 1);
    track_all(&t, &r, 1);
    failures += measure(&t, slash ? slash + 1 : clip);
    tracked_free(&t);
    record_free(&r);
    return failures != 0;
}

int main(int argc, char **argv) {
    if (argc >= 6 && !strcmp(argv[1], "ids")) return identities(argv[2], argv[3], argv[4], argv[5], argc > 6 ? atoi(argv[6]) : 0);
    if (argc >= 4 && !strcmp(argv[1], "poses")) return poses(argv[2], argv[3], argc > 4 ? atoi(argv[4]) : 0);
    fprintf(stderr, "usage: test_clips ids CLIPS_DIR MODELS_DIR IDENTITIES NAME [every] | poses MODELS_DIR CLIP [SIDE]\n");
    return 2;
}
