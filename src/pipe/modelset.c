/* SPDX-License-Identifier: Apache-2.0 */
/* A net in several files: pose.onnx, pose.tflite, pose.pt beside each other are the same net, with one card. */
#include "pipe/choose.h"
#include "base/log.h"
#include "base/mmap.h"
#include "base/sha256.h"
#include "nextpose/convert.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct { const char *suffix, *format; } known[] = {
    { ".onnx", "onnx" }, { ".tflite", "tflite" }, { ".pt", "torch" }, { ".pt2", "torch" }, { ".pth", "torch" }, { ".torchscript", "torch" },
        { ".xml", "openvino" },
};

const char *npi_model_format(const char *path) {
    const size_t n = strlen(path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t k = strlen(known[i].suffix);
        if (n > k && !strcmp(path + n - k, known[i].suffix)) return known[i].format;
    }
    unsigned char head[8] = { 0 };
    FILE *const f = fopen(path, "rb");
    const size_t got = f ? fread(head, 1, sizeof head, f) : 0;
    if (f) fclose(f);
    if (got == 8 && !memcmp(head + 4, "TFL3", 4)) return "tflite";
    if (got >= 4 && !memcmp(head, "PK\3\4", 4)) return "torch";
    const char *const dot = strrchr(path, '.');
    if (got >= 1 && (head[0] == 0x08 || head[0] == 0x12 || head[0] == 0x3a)) return "onnx";
    return dot && !strchr(dot, '/') && dot[1] ? dot + 1 : "";
}

int npi_model_sibling(const char *path, const char *format, char *out, size_t size) {
    struct stat st;
    if (!strcmp(npi_model_format(path), format)) return (size_t)snprintf(out, size, "%s", path) < size;
    const char *const dot = strrchr(path, '.');
    if (!dot || strchr(dot, '/')) return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].format, format) && (size_t)snprintf(out, size, "%.*s%s", (int)(dot - path), path, known[i].suffix) < size &&
            stat(out, &st) == 0 && S_ISREG(st.st_mode))
            return 1;
    return 0;
}

int npi_model_hash(const char *path, char hex[65]) {
    struct npi_file f = { 0 };
    if (npi_file_map(&f, path, NULL) < 0) return 0;
    npi_sha256_hex(f.data, f.size, hex);
    npi_file_unmap(&f);
    return 1;
}

/* The converter fills a gap: model.tflite -> CACHE/converted/HASH-VERSION.onnx, once. */
static int convert(const char *path, const char *format, const char *cache_dir, const struct np_logger *log, char *out, size_t size) {
    const int to_onnx = !strcmp(format, "onnx"), to_tflite = !strcmp(format, "tflite");
    const char *const from = npi_model_format(path);
    char hex[65], dir[NPI_PATH_MAX + 16];
    struct np_error e = { 0 };
    struct stat st;
    if ((!to_onnx && !to_tflite) || (strcmp(from, "onnx") && strcmp(from, "tflite")) || !npi_model_hash(path, hex)) return 0;
    if ((size_t)snprintf(dir, sizeof dir, "%s/converted", cache_dir) >= sizeof dir) return 0;
    if ((size_t)snprintf(out, size, "%s/%.32s-keep-" NP_VERSION_STRING ".%s", dir, hex, to_onnx ? "onnx" : "tflite") >= size) return 0;
    if (stat(out, &st) == 0) return 1;
    mkdir(cache_dir, 0777);
    mkdir(dir, 0777);
    struct np_convert_params p;
    np_convert_params_default(&p);
    p.strategy = NP_STRATEGY_FP32;
    p.io_layout = NP_IO_LAYOUT_KEEP; /* the card's head reads the same shapes */
    p.format = to_onnx ? NP_FORMAT_ONNX : NP_FORMAT_TFLITE;
    if (np_convert(path, out, &p, NULL, &e) >= 0) {
        npi_log(log, NP_LOG_INFO, "%s: converted to %s, kept as %s", path, format, out);
        return 1;
    }
    npi_log(log, NP_LOG_INFO, "%s: cannot be converted to %s: %s", path, format, e.message);
    return 0;
}

int npi_model_file(const char *path, const char *formats, const char *cache_dir, const struct np_logger *log, char *format, size_t format_size,
                   char *out, size_t size) {
    for (int pass = 0; pass < (cache_dir ? 2 : 1); pass++)
        for (const char *f = formats; *f;) {
            const size_t n = strcspn(f, ",");
            snprintf(format, format_size, "%.*s", (int)n, f);
            if (pass ? convert(path, format, cache_dir, log, out, size) : npi_model_sibling(path, format, out, size)) return 1;
            f += n + (f[n] == ',');
        }
    return 0;
}
