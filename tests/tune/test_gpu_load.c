/* SPDX-License-Identifier: Apache-2.0 */
/* The load of the GPU: amdgpu's files in a made-up tree, NVML played by fake_nvml.c, and what is missing or broken. Then the statistics of a pipe's meter
 * read it, without opening a file again and without allocating. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipe/meter.h"
#include "tune/gpu_load.h"

static char root[] = "/tmp/nextpose-gpu-XXXXXX", nowhere[64];
static const int64_t second = 1000000000;

static void put(const char *card, const char *file, const char *text) {
    char path[256];
    const char *const parts[] = { "sys", "sys/class", "sys/class/drm", NULL };
    for (int i = 0; parts[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", root, parts[i]);
        mkdir(path, 0777);
    }
    snprintf(path, sizeof path, "%s/sys/class/drm/%s", root, card);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/sys/class/drm/%s/device", root, card);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/sys/class/drm/%s/device/%s", root, card, file);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int n_open(void) {
    DIR *const d = opendir("/proc/self/fd");
    int n = 0;
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static void amdgpu(void **state) {
    struct npi_gpu_load g;
    const int before = n_open();
    put("card0", "gpu_busy_percent", "5\n"); /* its memory is not told */
    npi_gpu_load_open(&g, root, NULL);
    npi_gpu_load_look(&g, second);
    assert_true(g.share == .05 && g.memory_mb == -1);
    npi_gpu_load_close(&g);
    put("card0", "mem_info_vram_total", "536870912\n"); /* the small one inside the processor */
    put("card0", "gpu_busy_percent", "99\n");
    put("card0", "mem_info_vram_used", "1048576\n");
    put("card1", "mem_info_vram_total", "8573157376\n");
    put("card1", "gpu_busy_percent", "37\n");
    put("card1", "mem_info_vram_used", "2147483648\n");
    put("card2", "vendor", "0x8086\n"); /* does not tell */
    put("card1-DP-1", "gpu_busy_percent", "1\n");
    npi_gpu_load_open(&g, root, NULL);
    assert_int_equal(n_open(), before + 2);
    npi_gpu_load_look(&g, second);
    assert_true(g.share > .3699 && g.share < .3701 && g.memory_mb == 2048);
    put("card1", "gpu_busy_percent", "100\n");
    put("card1", "mem_info_vram_used", "0\n");
    npi_gpu_load_look(&g, second + 1000000);
    assert_true(g.share < .5); /* not looked at yet */
    npi_gpu_load_look(&g, 2 * second);
    assert_true(g.share == 1 && g.memory_mb == 0);
    put("card1", "gpu_busy_percent", ""); /* asleep */
    npi_gpu_load_look(&g, 3 * second);
    assert_true(g.share == -1 && g.memory_mb == 0);
    put("card1", "gpu_busy_percent", "what?\n");
    put("card1", "mem_info_vram_used", "-5\n");
    npi_gpu_load_look(&g, 4 * second);
    assert_true(g.share == -1 && g.memory_mb == -1);
    put("card1", "gpu_busy_percent", "400\n");
    npi_gpu_load_look(&g, 5 * second);
    assert_true(g.share == 1);
    assert_int_equal(n_open(), before + 2);
    npi_gpu_load_close(&g);
    assert_int_equal(n_open(), before);
    npi_gpu_load_close(&g); /* twice is harmless */
}

static void no_gpu(void **state) {
    struct npi_gpu_load g;
    npi_gpu_load_open(&g, nowhere, "/nonexistent/libnvidia-ml.so.1");
    npi_gpu_load_look(&g, second);
    assert_true(g.share == -1 && g.memory_mb == -1);
    npi_gpu_load_close(&g);
}

static void nvml(void **state) {
    const char *const lib = getenv("FAKE_NVML_LIB");
    struct npi_gpu_load g;
    if (!lib) skip();
    setenv("FAKE_NVML", "8192", 1);
    npi_gpu_load_open(&g, root, lib);
    npi_gpu_load_look(&g, second);
    assert_true(g.share > .4199 && g.share < .4201 && g.memory_mb == 2048);
    setenv("FAKE_NVML", "old", 1); /* from now on it does not tell */
    npi_gpu_load_look(&g, 2 * second);
    assert_true(g.share == -1 && g.memory_mb == -1);
    npi_gpu_load_close(&g);
    setenv("FAKE_NVML", "dead", 1);
    put("card1", "gpu_busy_percent", "12\n");
    npi_gpu_load_open(&g, root, lib); /* then DRM is asked */
    npi_gpu_load_look(&g, second);
    assert_true(g.share > .1199 && g.share < .1201);
    npi_gpu_load_close(&g);
}

static void in_the_statistics(void **state) {
    static struct npi_meter m;
    static struct np_stats s;
    npi_meter_init(&m, 1);
    npi_gpu_load_open(&m.gpu, root, NULL); /* the made-up tree in place of this machine's */
    m.gpu_open = 1;
    put("card1", "gpu_busy_percent", "25\n");
    put("card1", "mem_info_vram_used", "104857600\n");
    npi_meter_read(&m, &s);
    assert_true(s.gpu_share == .25 && s.gpu_memory_mb == 100);
    npi_meter_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(amdgpu), cmocka_unit_test(no_gpu), cmocka_unit_test(nvml), cmocka_unit_test(in_the_statistics) };
    char command[128];
    if (!mkdtemp(root)) return 1;
    snprintf(nowhere, sizeof nowhere, "%s/none", root);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command) != 0 || failed;
}
