/* SPDX-License-Identifier: Apache-2.0 */
/* Config file and environment of `nextpose run`: any bytes either set options within their ranges or give one line. The bytes
 * are a config file; each line of them is also taken for an environment entry. */
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct opts o;
    struct np_error e = { 0 };
    if (size > 1 << 16) return 0;
    char *const text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    opts_init(&o, cmd_run_opts, "run");
    int r = opts_config_string(&o, text, "fuzz.ini", &e);
    if (r < 0 && (!*e.message || strchr(e.message, '\n'))) abort();
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        const char *const env[] = { line, NULL };
        e.message[0] = '\0';
        r = opts_environment(&o, env, &e);
        if (r < 0 && (!*e.message || strchr(e.message, '\n'))) abort();
    }
    for (int i = 0; cmd_run_opts[i].name; i++) { /* whatever came through is in range */
        const struct opt_def *const d = &cmd_run_opts[i];
        const char *const s = opt_str(&o, d->name);
        if (s && (d->type == OPT_INT || d->type == OPT_FLOAT) && !(opt_float(&o, d->name) >= d->min && opt_float(&o, d->name) <= d->max)) abort();
        if (s && !*s) abort();
    }
    opts_free(&o);
    free(text);
    return 0;
}
