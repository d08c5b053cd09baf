/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose doctor: what this machine and this build can do. Everything printed was looked at, not assumed. */
#define _GNU_SOURCE
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef NPI_HAVE_FFMPEG
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#endif

#include "nextpose/hardware.h"
#include "nextpose/runtimes.h"
#include "tool.h"

static const struct opt_def doctor_opts[] = {
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "look for models here first", "Options" },
    TOOL_RUNTIME_OPTS,
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static void runtime(void *opaque, const struct np_runtime_info *i) {
    static const char *const verdict[] = { "not tried", "no", "works" };
    printf("runtime    %-9s %-9s %s", i->name, *i->problem ? "no" : verdict[i->works + 1], i->title);
    if (*i->version) printf(" %s", i->version);
    if (*i->devices) printf(", devices: %s", i->devices);
    if (*i->missing) printf(" (not here: %s)", i->missing);
    if (i->works == 1 && *i->library) printf("; loaded in %.0f ms", i->load_ms);
    printf("\n");
    if (*i->library) printf("%-30s %s: %s\n", "", i->found, i->library);
    if (*i->problem) printf("%-30s %s\n", "", i->problem);
}

static void processor(void) {
    printf("processor  %s\nmay use    %d of its threads (affinity and container limits)\nisa        ", tool_cpu_name(), np_cpu_count());
    for (int i = 0; np_isa_level(i); i++) printf("%s%s", i ? ", " : "", np_isa_level(i));
    printf("\n");
}

static void on_runtime(void *opaque, const struct np_runtime_info *i) {
    char *const name = opaque;
    const int gpu = strcasestr(i->devices, "cuda") || strcasestr(i->devices, "gpu") || strcasestr(i->devices, "rocm");
    if (!*name && gpu && i->works == 1) snprintf(name, 64, "%s", i->title);
}

/* What a run starts from before anything was measured. Runtimes are tried only when there is a GPU that one of them might use. */
static void hardware(void) {
    struct np_hardware h;
    char runtime[64] = "";
    np_hardware_info(&h, NULL);
    for (int i = 0; i < h.n_gpus; i++) {
        printf("gpu        %s", h.gpu[i].name);
        if (h.gpu[i].memory_mb > 0) printf(", %.1f GB", h.gpu[i].memory_mb / 1024);
        printf(" (%s)\n", h.gpu[i].probe);
    }
    for (int i = 0; i < h.n_gpus && !*runtime; i++) {
        struct np_runtime_search s;
        if (h.gpu[i].memory_mb <= 0) continue;
        np_runtime_search_env(&s, (const char *const *)environ);
        np_runtime_list(&s, 1, on_runtime, runtime);
        break;
    }
    if (*runtime) np_hardware_info(&h, runtime);
    printf("category   %s: %s; %g to %g frames/s expected at the least\n", np_hardware_category_name(h.category), h.reason, h.floor_fps[0],
           h.floor_fps[1]);
}

/* 1: all models that `run` takes by default are here and right. */
static int models(const char *dirs) {
    struct np_card_info c;
    char path[4096], hex[65];
    int det = 0, pose = 0;
    for (int i = 0; np_card_at(i, &c) == 0; i++) {
        if (!tool_find_model(path, sizeof path, &c, dirs)) continue;
        int right = !c.sha256[0];
        const int readable = np_sha256_file(path, hex, NULL) == 0;
        for (int k = 0; readable && k < 3 && c.sha256[k]; k++) right |= !strcmp(hex, c.sha256[k]);
        printf("model      %-24s %s  %s\n", c.id, !readable ? "cannot be read" : right ? "hash right" : "HASH WRONG", path);
        if (readable && right && !strcmp(c.id, "efficientdet_lite0_int8")) det = 1;
        if (readable && right && !strcmp(c.id, "blazepose_full")) pose = 1;
    }
    if (!det || !pose) printf("model      the defaults are not complete: run 'nextpose models get'\n");
    return det && pose;
}

static void video(void) {
#ifdef NPI_HAVE_FFMPEG
    static const struct { const char *name; enum AVCodecID id; } want[] = {
        { "H.264", AV_CODEC_ID_H264 }, { "H.265", AV_CODEC_ID_HEVC }, { "MPEG-4", AV_CODEC_ID_MPEG4 }, { "MJPEG", AV_CODEC_ID_MJPEG },
        { "VP9", AV_CODEC_ID_VP9 }, { "AV1", AV_CODEC_ID_AV1 },
        { "PNG", AV_CODEC_ID_PNG }, { "WebP", AV_CODEC_ID_WEBP },
    };
    const unsigned f = avformat_version(), v = avcodec_version();
    printf("ffmpeg     libavformat %u.%u.%u, libavcodec %u.%u.%u\nreads      ", f >> 16, f >> 8 & 255, f & 255, v >> 16, v >> 8 & 255, v & 255);
    int n = 0;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        if (avcodec_find_decoder(want[i].id)) printf("%s%s", n++ ? ", " : "", want[i].name);
    }
    const AVCodec *enc = avcodec_find_encoder_by_name("libx264");
    if (!enc) enc = avcodec_find_encoder(AV_CODEC_ID_H264);
    printf("\nwrites     %s%s\n", enc ? "H.264 with " : "no H.264: --save-video will fail", enc ? enc->name : "");
#else
    printf("ffmpeg     not in this build: PPM and PGM pictures only\n");
#endif
}

static void cameras(void) {
    glob_t g;
    if (glob("/dev/video*", 0, NULL, &g) != 0) {
        printf("camera     none (/dev/video*)\n");
        return;
    }
    for (size_t i = 0; i < g.gl_pathc; i++) {
        const int ok = access(g.gl_pathv[i], R_OK | W_OK) == 0;
        printf("camera     %s%s\n", g.gl_pathv[i], ok ? "" : " (no permission: is this user in the group 'video'?)");
    }
    globfree(&g);
}

int cmd_doctor(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    struct np_settings s;
    char dirs[8192];
    int code = EXIT_OK;
    opts_init(&o, doctor_opts, "doctor");
    np_settings_default(&s);
    if (opts_parse(&o, argc, argv, &e) < 0 || (!o.help && tool_runtimes(&s, &o, &e) < 0)) code = tool_fail(EXIT_USAGE, &e);
    else if (o.n_rest) {
        tool_say("unexpected argument '%s'", o.rest[0]);
        code = EXIT_USAGE;
    } else if (o.help) {
        printf("usage: nextpose doctor [OPTIONS]\n\nexit code: 0 ready to run, 3 default models missing or wrong\n");
        opts_print_help(&o, stdout);
    } else {
        tool_models_dirs(dirs, sizeof dirs, opt_str(&o, "models-dir"));
        printf("nextpose   %s (API %d)\n", np_version(), np_api_version());
        processor();
        hardware();
        fflush(stdout);
        np_runtime_list(s.runtime_search, 1, runtime, NULL);
        if (!models(dirs)) code = EXIT_MODEL;
        video();
        cameras();
    }
    opts_free(&o);
    return code;
}
