/* SPDX-License-Identifier: Apache-2.0 */
/* A net in several files: pose.onnx, pose.tflite, pose.pt beside each other are the same net, with one card. */
#include "pipe/choose.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct { const char *suffix, *format; } known[] = {
    { ".onnx", "onnx" }, { ".tflite", "tflite" }, { ".pt", "torch" }, { ".pt2", "torch" }, { ".pth", "torch" }, { ".torchscript", "torch" }, { ".xml", "openvino" },
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
        if (!strcmp(known[i].format, format) && (size_t)snprintf(out, size, "%.*s%s", (int)(dot - path), path, known[i].suffix) < size && stat(out, &st) == 0 && S_ISREG(st.st_mode))
            return 1;
    return 0;
}
