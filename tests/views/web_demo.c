/* SPDX-License-Identifier: Apache-2.0 */
/* web_demo [bind [token]]: the web view over made-up frames and people, without nets: 25 frames a second of a grey picture with a bright disc
 * that goes round, and a person whose joints lie on it. Statistics are the sample's; presets and max-persons can be changed.
 * First line printed: the address. One line a change. A line on standard input: "stop" stops the frames, "end" ends the run, end of file quits. */
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "io/http.h"
#include "sample_stats.h"

#define W 320
#define H 240

static atomic_int max_persons = 5;
static void clear(void *pixels) {}
static void fill(void *opaque, struct np_stats *s) {
    sample_stats(s);
    s->knobs.max_persons = atomic_load(&max_persons);
}

static int adjust(void *opaque, const char *name, const char *value, struct np_error *err) {
    if (!strcmp(name, "preset") && np_preset_from_name(value) < 0) return npi_io_fail(err, NP_EINVAL, "no preset is called '%s'", value);
    if (!strcmp(name, "max-persons")) {
        if (atoi(value) < 1 || atoi(value) > 8) return npi_io_fail(err, NP_EINVAL, "max-persons: %s is outside of 1 to 8", value);
        atomic_store(&max_persons, atoi(value));
    } else if (strcmp(name, "preset")) return npi_io_fail(err, NP_EINVAL, "'%s' cannot be changed while running", name);
    if (!strcmp(value, "efficiency")) snprintf(err->message, sizeof err->message, "16 people (there is room for 8) need a restart");
    printf("changed %s %s\n", name, value);
    fflush(stdout);
    return 0;
}

static void draw(uint8_t *p, double cx, double cy) {
    memset(p, 60, W * H);
    memset(p + W * H, 128, W * H / 2);
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            if ((x - cx) * (x - cx) + (y - cy) * (y - cy) < 30 * 30) p[y * W + x] = 230;
        }
    }
}

static void publish(struct npi_hub *hub, struct npi_pic_pool *pool, const struct np_keypoint_set *set, int64_t i) {
    struct npi_pic *const pic = npi_pic_get(pool);
    if (!pic || (!pic->pixels && !(pic->pixels = malloc(W * H * 3 / 2)))) exit(1);
    uint8_t *const px = pic->pixels;
    const double a = (double)i / 12, cx = 160 + 80 * cos(a), cy = 120 + 60 * sin(a);
    draw(px, cx, cy);
    pic->f.format = NP_PIX_I420;
    pic->f.width = W;
    pic->f.height = H;
    for (int k = 0; k < 3; k++) {
        pic->f.plane[k] = px + (k == 0 ? 0 : k == 1 ? W * H : W * H * 5 / 4);
        pic->f.stride_bytes[k] = k ? W / 2 : W;
    }
    static struct np_person who;
    who = (struct np_person){ .id = 1, .score = 0.9f, .pose_score = 0.8f, .box = { (float)cx - 30, (float)cy - 30, 60, 60 }, .n_keypoints = 17,
                              .pose_source = i % 3 ? NP_POSE_PROPAGATED : NP_POSE_INFERRED, .age_frames = (int)(i % 3) };
    for (int k = 0; k < 17; k++) who.keypoint[k] = (struct np_keypoint){ .x = (float)(cx + 24 * cos(k * 0.3696)), .y = (float)(cy + 24 * sin(k * 0.3696)), .conf = k == 3 ? 0.01f : 0.9f, .z = NAN, .wx = NAN };
    const struct np_result r = { .index = i, .pts_ns = i * 40000000, .width = W, .height = H, .n_persons = 1, .persons = &who, .set = set, .inferred = i % 3 == 0,
                                 .detected = i % 2 == 0, .delay_ms = 31.5f };
    npi_hub_publish(hub, &r, pic);
    npi_pic_unref(pic);
}

int main(int argc, char **argv) {
    struct npi_hub *hub = NULL;
    struct npi_http *web = NULL;
    struct np_error e = { 0 };
    const struct np_keypoint_set *const set = np_keypoint_set_find("coco17");
    struct npi_pic_pool *const pool = npi_pic_pool_new(clear, free);
    const struct npi_hub_params hp = { .input = "demo <b>&\"quoted\"</b>", .detector = "none", .model = "circle", .kpt_thr = 0.3f, .set = set, .stats = fill, .adjust = adjust };
    const struct npi_http_params wp = { .bind = argc > 1 ? argv[1] : NULL, .token = argc > 2 ? argv[2] : NULL, .header_timeout_s = 2 };
    signal(SIGPIPE, SIG_IGN);
    alarm(300); /* nobody is left behind when a test is killed */
    if (npi_hub_open(&hub, &hp, &e) < 0 || npi_http_open(&web, hub, &wp, &e) < 0) {
        fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    printf("%s\n", npi_http_url(web));
    fflush(stdout);
    int stopped = 0;
    for (int64_t i = 0;; i++) {
        char line[32];
        struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
        if (!stopped) publish(hub, pool, set, i);
        if (poll(&in, 1, 40) <= 0) continue;
        if (!fgets(line, sizeof line, stdin)) break;
        if (!strncmp(line, "stop", 4)) stopped = 1;
        if (!strncmp(line, "end", 3)) {
            stopped = 1;
            npi_hub_end(hub);
        }
    }
    npi_hub_end(hub);
    npi_http_close(&web);
    npi_hub_close(&hub);
    npi_pic_pool_free(pool);
    return 0;
}
