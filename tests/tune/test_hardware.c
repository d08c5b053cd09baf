/* SPDX-License-Identifier: Apache-2.0 */
/* src/cpu/topo.c, src/tune/gpu.c, hardware.c against folders that look like /sys and /proc of real machines, machines in containers, and wrecks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cpu/topo.h"
#include "nextpose/engine.h"
#include "tune/hardware.h"

static char root[256];
static unsigned char all[NPI_TOPO_MAX];
static struct np_hardware h;

static int setup(void **state) {
    snprintf(root, sizeof root, "/tmp/nextpose-hw-XXXXXX");
    memset(all, 1, sizeof all);
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state) {
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

__attribute__((format(printf, 2, 3)))
static void put(const char *path, const char *fmt, ...) {
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *c = full + strlen(root) + 1; *c; c++)
        if (*c == '/') {
            *c = '\0';
            mkdir(full, 0755);
            *c = '/';
        }
    FILE *const f = fopen(full, "w");
    if (!f) fail_msg("cannot write %s", full);
    va_list ap;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fclose(f);
}

static void put_siblings(int cpu, const char *fmt, int a, int b) {
    char path[128], list[64];
    snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/core_cpus_list", cpu);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(list, sizeof list, fmt, a, b);
#pragma GCC diagnostic pop
    put(path, "%s", list);
}

static void probe(const char *gpu_runtime, const char *nvml) {
    npi_hardware_probe(&h, &(struct npi_hardware_probe){ .root = root, .nvml = nvml, .allowed = all, .gpu_runtime = gpu_runtime });
    assert_non_null(np_hardware_category_name(h.category));
    assert_true(h.reason[0] && !strchr(h.reason, '\n'));
    assert_true(h.n_logical >= 1 && h.n_allowed >= 1 && h.n_cores >= 1 && h.usable_cores > 0 && h.floor_fps[0] > 0);
}

static void says(const char *text) {
    if (!strstr(h.reason, text)) fail_msg("'%s' is not in '%s'", text, h.reason);
}

/* 2 P cores with two threads each (0-3), 8 E cores (4-11): Intel Core i5-1235U, the reference laptop. */
static void laptop_1235u(void) {
    put("sys/devices/system/cpu/online", "0-11");
    put("sys/devices/cpu_core/cpus", "0-3");
    put("sys/devices/cpu_atom/cpus", "4-11");
    for (int i = 0; i < 4; i++) put_siblings(i, "%d-%d", i & ~1, (i & ~1) + 1);
    for (int i = 4; i < 12; i++) put_siblings(i, "%d", i, 0);
    put("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 154\nmodel name\t: 12th Gen Intel(R) Core(TM) i5-1235U");
    put("proc/meminfo", "MemTotal:       16131072 kB\nMemFree:         1131072 kB");
    put("proc/self/cgroup", "0::/user.slice/user-1000.slice");
    put("sys/class/drm/card0/device/vendor", "0x8086");
    put("sys/class/drm/card0/device/device", "0x46a8");
    put("sys/class/drm/card0/device/uevent", "DRIVER=i915\nPCI_CLASS=30000");
    put("sys/class/drm/card0-eDP-1/status", "connected");
    put("sys/class/drm/renderD128/device/vendor", "0x8086");
}

static void intel_hybrid(void **state) {
    laptop_1235u();
    probe(NULL, NULL);
    assert_int_equal(h.n_logical, 12);
    assert_int_equal(h.n_cores, 10);
    assert_int_equal(h.n_performance, 2);
    assert_int_equal(h.n_efficiency, 8);
    assert_true(h.usable_cores == 6);
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE);
    assert_string_equal(h.cpu_name, "12th Gen Intel(R) Core(TM) i5-1235U");
    assert_true(h.memory_mb == 15753);
    assert_int_equal(h.n_gpus, 1);
    assert_string_equal(h.gpu[0].name, "i915 8086:46a8");
    says("2 performance + 8 efficiency cores (these count half)");
    says("i915 8086:46a8 does not count: it has no memory of its own");
    probe("openvino on GPU", NULL); /* a runtime does not help: an integrated GPU has nothing of its own */
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE);
    memset(all, 0, sizeof all);
    all[0] = all[1] = 1; /* taskset 0,1: one core with both its threads */
    probe(NULL, NULL);
    assert_int_equal(h.n_allowed, 2);
    assert_int_equal(h.n_cores, 1);
    assert_int_equal(h.category, NP_HW_CPU_LOW_END);
    says("2 of 12 processors allowed");
    memset(all, 0, sizeof all);
    memset(all + 4, 1, 8); /* the E cores only */
    probe(NULL, NULL);
    assert_true(h.n_cores == 8 && h.n_performance == 0 && h.usable_cores == 4);
}

/* 8 cores, 16 threads, siblings i and i + 8; the integrated GPU has 512 MB carved out. */
static void zen_laptop(void **state) {
    put("sys/devices/system/cpu/online", "0-15");
    for (int i = 0; i < 16; i++) put_siblings(i, "%d,%d", i % 8, i % 8 + 8);
    put("proc/cpuinfo", "model name\t: AMD Ryzen 7 7840U w/ Radeon 780M Graphics");
    put("sys/class/drm/card1/device/vendor", "0x1002");
    put("sys/class/drm/card1/device/device", "0x15bf");
    put("sys/class/drm/card1/device/uevent", "DRIVER=amdgpu");
    put("sys/class/drm/card1/device/mem_info_vram_total", "536870912");
    probe(NULL, NULL);
    assert_int_equal(h.n_cores, 8);
    assert_int_equal(h.n_efficiency, 0);
    assert_int_equal(h.category, NP_HW_CPU_HIGH_END);
    assert_true(h.floor_fps[0] == 8 && h.floor_fps[1] == 12);
    says("8 cores");
    says("amdgpu 1002:15bf with 0.5 GB does not count: no runtime here can use it");
    probe("torch with ROCm", NULL);
    assert_int_equal(h.category, NP_HW_GPU_ENTRY_LEVEL);
    says("used through torch with ROCm");
}

/* Two sockets of 32 cores, 128 threads, in containers of different kinds. */
static void server(void) {
    put("sys/devices/system/cpu/online", "0-127");
    for (int i = 0; i < 128; i++) put_siblings(i, "%d,%d", i % 64, i % 64 + 64);
    put("proc/meminfo", "MemTotal:       528000000 kB");
}

static void server_and_containers(void **state) {
    server();
    probe(NULL, NULL);
    assert_int_equal(h.n_cores, 64);
    assert_true(h.quota == 0);
    assert_int_equal(h.category, NP_HW_CPU_HIGH_END);
    put("proc/self/cgroup", "0::/"); /* v2, the container's own view */
    put("sys/fs/cgroup/cpu.max", "150000 100000");
    put("sys/fs/cgroup/memory.max", "2147483648");
    probe(NULL, NULL);
    assert_true(h.quota == 1.5 && h.usable_cores == 1.5 && h.memory_mb == 2048);
    assert_int_equal(h.category, NP_HW_CPU_LOW_END);
    says("the group's quota is 1.5");
    put("sys/fs/cgroup/cpu.max", "max 100000");
    put("sys/fs/cgroup/memory.max", "max");
    probe(NULL, NULL);
    assert_true(h.quota == 0);
    assert_int_equal(h.category, NP_HW_CPU_HIGH_END);
    put("proc/self/cgroup", "0::/kube.slice/pod7/box"); /* v2, the group above has less than the process's own */
    put("sys/fs/cgroup/kube.slice/pod7/cpu.max", "400000 100000");
    put("sys/fs/cgroup/kube.slice/pod7/box/cpu.max", "800000 100000");
    probe(NULL, NULL);
    assert_true(h.quota == 4);
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE);
    assert_true(npi_topo_quota(root) == 4);
}

static void cgroup_v1(void **state) {
    server();
    put("proc/self/cgroup", "12:pids:/docker/abc\n5:cpu,cpuacct:/docker/abc\n4:cpuset:/\n3:memory:/docker/abc\n1:name=systemd:/docker/abc");
    put("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000");
    put("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "50000");
    put("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712");
    probe(NULL, NULL);
    assert_true(h.quota == 5 && h.memory_mb > 500000);
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE);
    put("proc/self/cgroup", "5:cpu:/docker/abc"); /* the group's path is not below the mount: its root counts */
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
    probe(NULL, NULL);
    assert_true(h.quota == 0);
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
    probe(NULL, NULL);
    assert_true(h.quota == .5 && h.usable_cores == .5);
    assert_int_equal(h.category, NP_HW_CPU_LOW_END);
}

/* Four small and two large cores told by their capacity. */
static void arm_big_little(void **state) {
    put("sys/devices/system/cpu/online", "0-5");
    for (int i = 0; i < 6; i++) {
        char path[128];
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpu_capacity", i);
        put(path, "%d", i < 4 ? 446 : 1024);
        put_siblings(i, "%d", i, 0);
    }
    probe(NULL, NULL);
    assert_true(h.n_performance == 2 && h.n_efficiency == 4 && h.usable_cores == 4);
}

static void nvidia(void **state) {
    const char *const nvml = getenv("FAKE_NVML_LIB");
    if (!nvml) skip();
    laptop_1235u();
    put("sys/class/drm/card1/device/vendor", "0x10de"); /* the same card as DRM sees it: told once */
    put("sys/class/drm/card1/device/device", "0x2484");
    setenv("FAKE_NVML", "8192", 1);
    probe(NULL, nvml);
    assert_int_equal(h.n_gpus, 3);
    assert_string_equal(h.gpu[0].name, "NVIDIA GeForce RTX 3070");
    assert_string_equal(h.gpu[0].probe, "nvml");
    assert_true(h.gpu[0].memory_mb == 8192);
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE); /* until something can use it */
    says("NVIDIA GeForce RTX 3070 with 8.0 GB does not count: no runtime here can use it");
    static const struct { const char *mb; int category; } cards[] = {
        { "8192", NP_HW_GPU_HIGH_END }, { "6144", NP_HW_GPU_MID_RANGE }, { "5921", NP_HW_GPU_MID_RANGE }, { "3072", NP_HW_GPU_MID_RANGE },
            { "2048", NP_HW_GPU_ENTRY_LEVEL } };
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
        setenv("FAKE_NVML", cards[i].mb, 1);
        probe("onnx with CUDA", nvml);
        if (h.category != cards[i].category) fail_msg("%s MB: %s", cards[i].mb, np_hardware_category_name(h.category));
        assert_int_equal(h.gpu_counts, 1);
    }
    setenv("FAKE_NVML", "dead", 1); /* a driver that does not answer */
    probe("onnx with CUDA", nvml);
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE);
    setenv("FAKE_NVML", "old", 1);
    probe("onnx with CUDA", nvml);
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE);
    put("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA GeForce RTX 3070\nIRQ: 1");
    probe("onnx with CUDA", "/nonexistent/libnvidia-ml.so.1");
    assert_string_equal(h.gpu[0].probe, "nvidia-proc");
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE);
    says("its driver's library does not tell its memory");
    probe("onnx with CUDA", root); /* not a library at all */
    assert_int_equal(h.category, NP_HW_CPU_MID_RANGE);
}

static void nothing_at_all(void **state) {
    probe(NULL, NULL);
    assert_int_equal(h.category, NP_HW_CPU_LOW_END);
    assert_int_equal(h.n_cores, 1);
    assert_int_equal(h.n_gpus, 0);
    assert_string_equal(h.cpu_name, "");
    says("1 core");
}

/* Every file there, and nonsense in it. */
static void wrecks(void **state) {
    static const char *const nonsense[] = { "", "x", "-1", "0-", "99999999999999999999", "0-1023", "5-2", ",,,", "nan", "1e400", "0-3,3-0", "%s%n",
                                            "max", "\xff\xfe", "0::", ":::" };
    static const char *const files[] = { "sys/devices/system/cpu/online", "sys/devices/cpu_core/cpus", "sys/devices/cpu_atom/cpus",
                                         "sys/devices/system/cpu/cpu0/topology/core_cpus_list",
                                         "sys/devices/system/cpu/cpu1/cpu_capacity", "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/memory.max",
                                             "proc/self/cgroup", "proc/meminfo", "proc/cpuinfo",
                                         "sys/class/drm/card0/device/vendor", "sys/class/drm/card0/device/device",
                                             "sys/class/drm/card0/device/uevent", "sys/class/drm/card0/device/mem_info_vram_total" };
    for (size_t n = 0; n < sizeof nonsense / sizeof *nonsense; n++) {
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) put(files[i], "%s", nonsense[n]);
        probe("some runtime", NULL);
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) { /* and one of them right */
            put(files[i], "%s", "0-3");
            probe(NULL, NULL);
            put(files[i], "%s", nonsense[(n + i) % (sizeof nonsense / sizeof *nonsense)]);
        }
    }
}

static void this_machine(void **state) {
    np_hardware_info(&h, NULL);
    assert_true(h.n_allowed >= np_cpu_count()); /* the quota may be less */
    assert_true(h.n_cores <= h.n_allowed && h.n_allowed <= h.n_logical);
    assert_int_equal(h.gpu_counts, 0);
    print_message("this machine: %s: %s\n", np_hardware_category_name(h.category), h.reason);
    struct np_hardware quick;
    npi_hardware_probe(&quick, &(struct npi_hardware_probe){ .root = "", .skip_gpus = 1 });
    assert_int_equal(quick.n_gpus, 0);
    assert_int_equal(quick.category, h.category);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = { T(intel_hybrid), T(zen_laptop), T(server_and_containers), T(cgroup_v1), T(arm_big_little), T(nvidia),
                                        T(nothing_at_all), T(wrecks), cmocka_unit_test(this_machine) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
