/* SPDX-License-Identifier: Apache-2.0 */
/* stats_dump json|prometheus|empty-json|empty-prometheus: the sample snapshot (or one with nothing known yet) on standard output, for check_stats.py. */
#include "sample_stats.h"

int main(int argc, char **argv) {
    const char *const what = argc > 1 ? argv[1] : "";
    struct np_stats s = { .bottleneck = -2, .gpu_share = -1, .gpu_memory_mb = -1 };
    struct npi_stats_extra x = { 0 };
    struct npi_outfile o;
    if (npi_out_open(&o, "-", NULL, NULL) < 0) return 1;
    if (strncmp(what, "empty-", 6)) {
        sample_stats(&s);
        x = sample_extra();
    }
    if (strstr(what, "json")) npi_stats_json(&o, &s, &x);
    else if (strstr(what, "prometheus")) npi_stats_prometheus(&o, &s, &x);
    else return 2;
    return npi_out_close(&o, NULL) < 0;
}
