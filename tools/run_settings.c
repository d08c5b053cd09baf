/* SPDX-License-Identifier: Apache-2.0 */
/* Options of nextpose run: the table, what they are as the library's settings, and --print-config. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/source.h"
#include "tool.h"

const struct opt_def cmd_run_opts[] = {
    { "input", 'i', OPT_STRING, NULL, 0, 0, NULL, "INPUT", "video, picture, folder, 'glob', camera number, URL, or - (stdin)", "Input" },
    { "live", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "newest frame wins, late ones are skipped (default for cameras and rtsp)", NULL },
    { "every-frame", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "handle every frame, also of a camera (default for files)", NULL },
    { "reconnect", 0, OPT_STRING, "auto", 0, 0, NULL, "N|yes|no", "tries to get a lost camera or stream back (auto: 5 live, else none)", NULL },
    { "save-video", 'o', OPT_STRING, NULL, 0, 0, NULL, "FILE", "annotated H.264 video (.mp4)", "Output" },
    { "save-json", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "joints as JSON lines; - is standard output", NULL },
    { "save-images", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "annotated pictures (.jpg)", NULL },
    { "format", 0, OPT_CHOICE, NULL, 0, 0, "jsonl|csv|openpose|coco|alphapose|motchallenge", "NAME",
      "format of --out: jsonl, csv, openpose, coco, alphapose, motchallenge", NULL },
    { "out", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE|DIR|-", "joints in --format", NULL },
    { "draw-boxes", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "no boxes in video and pictures", NULL },
    { "draw-ids", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "no ids in video and pictures", NULL },
    { "show-fps", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "write the processed frames/s into video and pictures", NULL },
    { "quiet", 'q', OPT_BOOL, NULL, 0, 0, NULL, NULL, "no progress line, no summary; errors only", NULL },
    { "json-summary", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "the summary as one JSON object", NULL },
    { "log-level", 0, OPT_CHOICE, "warn", 0, 0, "error|warn|info|debug", NULL, "what is told on stderr", NULL },
    { "view", 0, OPT_CHOICE, "auto", 0, 0, "auto|none|window|web", NULL, "live view; auto: a window for a camera, where there is a display", "Watching" },
    { "web-port", 0, OPT_INT, "8765", 0, 65535, NULL, "N", "port of --view web; 0: any free one", NULL },
    { "web-bind", 0, OPT_STRING, "127.0.0.1", 0, 0, NULL, "ADDRESS", "others than loopback: read only, with a token", NULL },
    { "web-token", 0, OPT_STRING, NULL, 0, 0, NULL, "TEXT", "who does not know it sees nothing", NULL },
    { "metrics-port", 0, OPT_INT, NULL, 0, 65535, NULL, "N", "Prometheus text at /metrics, without a view", NULL },
    { "stats", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "a line of rates, delay and bottleneck each second, on stderr", NULL },
    { "stats-json", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "the same and more as JSON lines, one a second", NULL },
    { "detector", 0, OPT_STRING, NULL, 0, 0, NULL, "MODEL", "finds people: id, .onnx, .tflite or card; none: whole picture", "Networks" },
    { "model", 'm', OPT_STRING, NULL, 0, 0, NULL, "MODEL", "finds joints: id, .onnx, .tflite or card; none: boxes only", NULL },
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "where ids are looked up first", NULL },
    { "preset", 0, OPT_STRING, "balanced", 0, 0, NULL, "NAME|FILE", "high_performance, balanced, efficiency, quality, or a file of your own", NULL },
    { "frame-skip", 0, OPT_INT_AUTO, NULL, 1, 5, NULL, "N|auto", "pose net on every N-th frame, between them poses are propagated", "Speed" },
    { "detection-freq", 0, OPT_INT_AUTO, NULL, 1, 30, NULL, "N|auto", "detector on every N-th frame, between them boxes are tracked", NULL, "det-interval" },
    { "batch-size", 0, OPT_INT_AUTO, NULL, 1, 8, NULL, "N|auto", "crops inferred at once at most", NULL },
    { "detection-timeout", 0, OPT_FLOAT, NULL, 0.05, 0.2, NULL, "S", "a detection older than this is not used", NULL },
    { "pose-timeout", 0, OPT_FLOAT, NULL, 0.05, 0.2, NULL, "S", "a propagated pose older than this is not shown", NULL },
    { "target-fps", 0, OPT_FLOAT, NULL, 0, 1000, NULL, "X", "live: rate to hold; 0: none", NULL },
    { "max-delay", 0, OPT_FLOAT, NULL, 0, 60000, NULL, "MS", "live: delay to hold from capture to result; 0: none", NULL },
    { "adapt", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "live: adapt what was not set to the load (presets say whether)", NULL },
    { "auto-tune", 0, OPT_CHOICE, "off", 0, 0, "off|propose|apply", NULL, "follow the advice of --stats: say it, or try it and remember what gained", NULL },
    { "smooth", 0, OPT_STRING, NULL, 0, 0, NULL, "NAME", "none, one-euro[:min_cutoff,beta,d_cutoff], zero-lag[:cutoff] (not live)", NULL },
    { "max-persons", 0, OPT_INT, NULL, 1, 64, NULL, "N", "people a frame at most", NULL },
    { "bbox-thr", 0, OPT_FLOAT, NULL, 0, 1, NULL, "X", "detections below are dropped", NULL },
    { "nms-thr", 0, OPT_FLOAT, NULL, 0, 1, NULL, "X", "overlap above which the weaker box is dropped", NULL },
    { "kpt-thr", 0, OPT_FLOAT, NULL, 0, 1, NULL, "X", "joints below are not drawn", NULL },
    { "yolo-size", 0, OPT_INT, NULL, 256, 640, NULL, "N", "longer side of the detector's input", NULL },
    { "backend", 0, OPT_STRING, "auto", 0, 0, NULL, "NAME", "auto, native, onnx (ort), tflite (litert), openvino, torch (pytorch)", "Engine" },
    { "device", 0, OPT_STRING, NULL, 0, 0, NULL, "NAME", "of other runtimes: cpu, gpu, auto, cuda, tensorrt, … [cpu]", NULL },
    { "precision", 0, OPT_CHOICE, "auto", 0, 0, TOOL_PRECISIONS, "NAME", TOOL_PRECISION_HELP, NULL },
    { "backend-options", 0, OPT_STRING, NULL, 0, 0, NULL, "K=V,…", "settings of the runtime by its own names", NULL },
    { "backend-timeout", 0, OPT_INT, NULL, 0, 3600000, NULL, "MS", "an inference that takes longer has failed; 0: never", NULL },
    { "strict", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "fail when the backend is not available, instead of falling back", NULL },
    { "isolate", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "other runtimes run in processes of their own: a crash there is no crash here", NULL },
    { "isolate-memory", 0, OPT_INT, NULL, 16, 1 << 24, NULL, "MB", "that such a process may take [3/4 of what there is]", NULL },
    { "worker", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "the program of those processes [nextpose-worker of this installation]", NULL },
    TOOL_RUNTIME_OPTS,
    { "threads", 't', OPT_INT, NULL, 1, 64, NULL, "N", "worker threads (default: as many as this process may use)", NULL, "thread-pool-size" },
    { "isa", 0, OPT_STRING, NULL, 0, 0, NULL, "LEVEL", "highest instruction set: scalar, avx2, avx512, …", NULL },
    { "async", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "one frame after another", NULL },
    { "config", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "settings as 'key = value' lines", "Settings" },
    { "print-config", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "print all settings and where each comes from", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static int setting_int(const struct opts *o, const char *name) { return opt_str(o, name) ? opt_int(o, name) : 0; }
static float setting_thr(const struct opts *o, const char *name) { return opt_str(o, name) ? (float)opt_float(o, name) : -1.f; }

int run_settings(struct np_settings *s, const struct opts *o, int mode, struct np_error *err) {
    static char dirs[8192];
    np_settings_default(s);
    tool_models_dirs(dirs, sizeof dirs, opt_str(o, "models-dir"));
    s->models_dir = dirs;
    s->detector = opt_str(o, "detector");
    s->model = opt_str(o, "model");
    int r = tool_runtimes(s, o, err);
    if (r < 0) return r;
    s->backend = opt_str(o, "backend");
    s->strict = opt_bool(o, "strict");
    s->device = opt_str(o, "device");
    s->precision = opt_str(o, "precision");
    s->backend_options = opt_str(o, "backend-options");
    if (opt_str(o, "backend-timeout")) s->backend_timeout_ms = opt_int(o, "backend-timeout") > 0 ? opt_int(o, "backend-timeout") : -1;
    s->isolate = opt_bool(o, "isolate");
    s->isolate_memory_mb = setting_int(o, "isolate-memory");
    s->worker = opt_str(o, "worker");
    s->isa = opt_str(o, "isa");
    s->threads = setting_int(o, "threads");
    s->mode = mode;
    s->max_persons = setting_int(o, "max-persons");
    s->detector_size = setting_int(o, "yolo-size");
    s->bbox_thr = setting_thr(o, "bbox-thr");
    s->nms_thr = setting_thr(o, "nms-thr");
    s->kpt_thr = setting_thr(o, "kpt-thr");
    s->frame_skip = setting_int(o, "frame-skip");
    s->detection_freq = setting_int(o, "detection-freq");
    s->batch_size = setting_int(o, "batch-size");
    s->detection_timeout_s = setting_thr(o, "detection-timeout");
    s->pose_timeout_s = setting_thr(o, "pose-timeout");
    s->target_fps = setting_thr(o, "target-fps");
    s->max_delay_ms = setting_thr(o, "max-delay");
    s->adapt = opt_str(o, "adapt") ? opt_bool(o, "adapt") : -1;
    s->smooth = opt_str(o, "smooth");
    s->keep_frames = 1;
    return tool_preset(s, opt_str(o, "preset"), err);
}

int run_reconnect(const struct opts *o) {
    const char *const v = opt_str(o, "reconnect");
    if (!strcasecmp(v, "auto")) return opt_bool(o, "every-frame") ? 0 : 5;
    if (!strcasecmp(v, "yes") || !strcasecmp(v, "no")) return strcasecmp(v, "no") ? -1 : 0;
    return strspn(v, "0123456789") == strlen(v) && strlen(v) < 7 ? atoi(v) : -2;
}

static void config_line(void *opaque, const char *name, const char *value, const char *bounds, const char *from) {
    struct opts *const o = opaque;
    char where[300];
    snprintf(where, sizeof where, *bounds ? "%s; may move in %s" : "%s", from, bounds);
    static const char *const flag_of[][2] = { { "detector_size", "yolo-size" }, { "max_delay_ms", "max-delay" }, { "detection_timeout_s", "detection-timeout" }, { "pose_timeout_s", "pose-timeout" } };
    for (size_t i = 0; i < sizeof flag_of / sizeof *flag_of; i++)
        if (!strcmp(name, flag_of[i][0])) name = flag_of[i][1];
    if (!strcmp(name, "yolo-size")) opts_amended(o, name, value, where);
    if (!opts_derived(o, name, value, where)) printf("%-16s = %-24s ; %s\n", name, value, where);
}

/* Every value and where it came from; what the preset decides depends on the mode, which an input that was not opened yet only hints at. */
int run_print_config(struct opts *o) {
    struct np_settings s;
    struct np_error e = { 0 };
    const char *const in = opt_str(o, "input");
    const int camera = in && npi_source_is_live(in);
    const int live = opt_bool(o, "live") || (camera && !opt_bool(o, "every-frame"));
    int r = run_settings(&s, o, live ? NP_MODE_LIVE : opt_bool(o, "async") ? NP_MODE_FILE : NP_MODE_SYNC, &e);
    if (r < 0) return tool_fail(EXIT_USAGE, &e);
    char precision[256];
    if (np_precision_here(opt_str(o, "isa"), precision, sizeof precision) < 0) return tool_fail(EXIT_USAGE, &(struct np_error){ NP_EINVAL, "--isa: not a level that we know; see `nextpose doctor`" });
    printf("; precision, on this machine: %s\n", precision);
    printf("; as for %s\n", live ? "a live input: --live, a camera, rtsp" : "a file; with --live other values hold");
    if ((r = np_settings_explain(&s, config_line, o, &e)) < 0) return tool_fail(EXIT_USAGE, &e);
    opts_derived(o, "models-dir", s.models_dir, "searched in this order");
    tool_runtimes_derived(o);
    char tries[16];
    const int auto_tries = camera ? run_reconnect(o) : 0;
    snprintf(tries, sizeof tries, "%d", auto_tries);
    opts_derived(o, "reconnect", auto_tries ? tries : "no", auto_tries ? "auto: a live input" : in ? "auto: neither camera nor stream, or --every-frame" : "auto: no input yet; 5 for a camera or stream");
    opts_print_config(o, stdout);
    return EXIT_OK;
}
