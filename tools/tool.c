/* SPDX-License-Identifier: Apache-2.0 */
/* What the sub-commands share. */
#define _GNU_SOURCE
#include "tool.h"

#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void tool_say(const char *fmt, ...) {
    va_list ap;
    char line[1024];
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (char *p = line; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = ' '; /* one line, whatever a file name holds */
    }
    /* "\r" and erase: a progress line may stand there */
    fprintf(stderr, "%snextpose: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", line);
}

int tool_fail(int exit_code, const struct np_error *e) {
    tool_say("%s", e->message);
    return exit_code;
}

static atomic_int stop_flag;

static void on_signal(int sig) {
    if (atomic_fetch_add(&stop_flag, 1) > 0) _exit(EXIT_INTERRUPTED);
}

const atomic_int *tool_stop_flag(void) {
    struct sigaction a = { .sa_handler = on_signal };
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    return &stop_flag;
}

void tool_stop_ourselves(void) {
    int none = 0;
    atomic_compare_exchange_strong(&stop_flag, &none, TOOL_STOP_OURSELVES);
}

int tool_is_terminal(void) { return isatty(STDERR_FILENO); }

int tool_exit_code(int np_code) {
    switch (np_code) {
    case NP_EINVAL: return EXIT_USAGE;
    case NP_ENOENT: case NP_EIO: case NP_ELIMIT: case NP_EFORMAT: case NP_EMODEL: case NP_ESHAPE: case NP_EUNSUPPORTED: return EXIT_MODEL;
    case NP_EBACKEND: return EXIT_BACKEND;
    case NP_EINTR: return EXIT_INTERRUPTED;
    default: return EXIT_RUNTIME;
    }
}

static const char *const levels[] = { "error", "warn", "info", "debug" };

static void print_line(void *opaque, int level, const char *line) {
    if (level > (int)(intptr_t)opaque) return;
    if (level < 0 || level > 3) level = 3;
    tool_say("%s: %s", level == NP_LOG_WARN ? "warning" : levels[level], line);
}

static void no_line(void *opaque, const char *name, const char *value, const char *bounds, const char *from) {}

int tool_preset(struct np_settings *s, const char *text, struct np_error *err) {
    char name[32] = "";
    size_t n = 0;
    for (; text[n] && n < sizeof name - 1; n++) name[n] = text[n] == '-' ? '_' : (char)tolower((unsigned char)text[n]);
    name[n] = '\0';
    s->preset_file = NULL;
    if (!text[n] && np_preset_from_name(name) >= 0) {
        s->preset = np_preset_from_name(name);
        return 0;
    }
    if (!strpbrk(text, "/.") && access(text, F_OK) != 0)
        return npi_io_fail(err, NP_EINVAL, "--preset: '%s' is not one of high_performance, balanced, efficiency, quality, nor a file", text);
    s->preset = NP_PRESET_BALANCED;
    s->preset_file = text;
    struct np_settings probe = *s;
    return np_settings_explain(&probe, no_line, NULL, err); /* a mistake in it is told now, not after the input was opened */
}

static void take_target(void *opaque, const char *name, const char *value, const char *bounds, const char *from) {
    if (!strcmp(name, "target_fps")) *(double *)opaque = atof(value);
}

int tool_preset_target(const struct np_settings *s, double *fps, struct np_error *err) { return np_settings_explain(s, take_target, fps, err); }

struct np_logger tool_logger(int level) { return (struct np_logger){ print_line, (void *)(intptr_t)level }; }

int tool_log_level(const char *name) {
    for (int i = 0; i < 4; i++) {
        if (!strcasecmp(name, levels[i])) return i;
    }
    return NP_LOG_WARN;
}

static int home_dir(char *out, size_t size, const char *variable, const char *under) {
    const char *const xdg = getenv(variable), *const home = getenv("HOME");
    if (xdg && *xdg == '/') snprintf(out, size, "%s/nextpose/models", xdg);
    else if (home && *home) snprintf(out, size, "%s/%s/nextpose/models", home, under);
    else return -1;
    return 0;
}

extern char **environ;

static const struct { const char *flag, *runtime; } lib[] = { { "ort-lib", "onnx" }, { "litert-lib", "tflite" }, { "openvino-lib", "openvino" }, { "torch-lib", "torch" } };

void tool_runtimes_derived(struct opts *o) {
    opts_derived(o, "plugins", "auto", "the folder of this installation; `nextpose doctor` lists what is found");
    for (size_t i = 0; i < sizeof lib / sizeof lib[0]; i++) opts_derived(o, lib[i].flag, "auto", "searched; `nextpose doctor` lists what is found");
}

int tool_runtimes(struct np_settings *s, const struct opts *o, struct np_error *err) {
    static struct np_runtime_search search;
    static char cache[2048];
    np_runtime_search_env(&search, (const char *const *)environ);
    for (size_t i = 0; i < sizeof lib / sizeof lib[0]; i++) {
        const char *const path = opt_str(o, lib[i].flag); /* flag, config file or NEXTPOSE_ORT_LIB */
        if (path && np_runtime_search_lib(&search, lib[i].runtime, path, NULL) < 0) return npi_io_fail(err, NP_EINVAL, "--%s: there is no library '%s'", lib[i].flag, path);
    }
    const char *const plugins = opt_str(o, "plugins"), *const dir = opt_str(o, "cache-dir"), *const xdg = getenv("XDG_CACHE_HOME"), *const home = getenv("HOME");
    if (plugins) snprintf(search.plugins, sizeof search.plugins, "%s", plugins);
    cache[0] = '\0';
    if (dir) snprintf(cache, sizeof cache, "%s", dir);
    else if (xdg && *xdg == '/') snprintf(cache, sizeof cache, "%s/nextpose", xdg);
    else if (home && *home) snprintf(cache, sizeof cache, "%s/.cache/nextpose", home);
    s->runtime_search = &search;
    s->cache_dir = cache[0] ? cache : NULL;
    return 0;
}

int tool_models_home(char *out, size_t size, struct np_error *err) {
    if (home_dir(out, size, "XDG_CACHE_HOME", ".cache") == 0) return 0;
    return npi_io_fail(err, NP_ENOENT, "no home folder: set HOME or use --models-dir");
}

int tool_demo_clip(char *path, size_t size, struct np_error *err) {
    char home[4096];
    const int r = tool_models_home(home, sizeof home, err);
    if (r < 0) return r;
    snprintf(path, size, "%s/../clips/" TOOL_DEMO_CLIP, home);
    return access(path, R_OK) == 0 ? 0 : npi_io_fail(err, NP_ENOENT, "no clip: name one with --input, or get one with 'nextpose models get demo_clip'");
}

void tool_models_dirs(char *out, size_t size, const char *first) {
    char data[2048] = "", cache[2048] = "";
    home_dir(data, sizeof data, "XDG_DATA_HOME", ".local/share");
    home_dir(cache, sizeof cache, "XDG_CACHE_HOME", ".cache");
    snprintf(out, size, "%s%s%s%s%s%s/usr/local/share/nextpose/models:/usr/share/nextpose/models", first ? first : "", first ? ":" : "", data,
             *data ? ":" : "", cache,
             *cache ? ":" : "");
}

int tool_find_model(char *path, size_t size, const struct np_card_info *c, const char *dirs) {
    struct stat st;
    for (const char *d = dirs; *d;) {
        const size_t n = strcspn(d, ":");
        for (size_t i = 0; n && i < sizeof c->files / sizeof c->files[0] && c->files[i]; i++) {
            if ((size_t)snprintf(path, size, "%.*s/%s", (int)n, d, c->files[i]) < size && stat(path, &st) == 0 && S_ISREG(st.st_mode)) return 1;
        }
        d += n + (d[n] == ':');
    }
    return 0;
}

const char *tool_cpu_name(void) {
    static char name[128];
    char line[256];
    FILE *const f = fopen("/proc/cpuinfo", "r");
    snprintf(name, sizeof name, "unknown processor");
    while (f && fgets(line, sizeof line, f)) {
        char *const colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10)) continue;
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(name, sizeof name, "%s", colon + 2);
        break;
    }
    if (f) fclose(f);
    return name;
}

/* The kernel knows when the process started, in ticks of 10 ms since boot: that includes loading the libraries. Where this
 * cannot be (a time namespace, no /proc), the count begins at the first call. */
int64_t tool_since_exec_ns(void) {
    static int64_t start_ns;
    const int64_t now = npi_io_now_ns();
    if (!start_ns) {
        char buf[1024];
        struct timespec boot;
        long long ticks = -1;
        start_ns = now;
        FILE *const f = fopen("/proc/self/stat", "r");
        const size_t n = f ? fread(buf, 1, sizeof buf - 1, f) : 0;
        if (f) fclose(f);
        buf[n] = '\0';
        const char *p = strrchr(buf, ')'); /* the name before it may hold spaces */
        for (int field = 2; p && field < 22; field++) p = strchr(p + 1, ' ');
        if (p) ticks = strtoll(p, NULL, 10);
        if (ticks > 0 && clock_gettime(CLOCK_BOOTTIME, &boot) == 0) {
            const int64_t age = (int64_t)boot.tv_sec * 1000000000 + boot.tv_nsec - ticks * (1000000000 / sysconf(_SC_CLK_TCK));
            if (age >= 0 && age < 5000000000) start_ns = now - age;
        }
    }
    return now - start_ns;
}

/* Of this program alone: what getrusage counts begins with the process that started us. */
long tool_peak_memory_kb(void) {
    long kb = 0;
    char line[128];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    if (f) fclose(f);
    if (kb > 0) return kb;
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_maxrss : 0;
}
