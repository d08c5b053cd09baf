/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose doctor: what this machine and this build can do, whether the main job can run, and what would help most. */
#include <stdio.h>

#include "doctor/doctor.h"

static const struct opt_def doctor_opts[] = {
    { "json", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "one JSON object", "Options" },
    { "measure", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "do not run the presets on the demo clip (about ten seconds)", NULL },
    { "isolate", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "try other runtimes in this process: one that crashes ends doctor", NULL },
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "look for models here first", NULL },
    TOOL_RUNTIME_OPTS,
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static int doctor(const struct opts *o, struct np_settings *s) {
    static struct doctor d;
    static char dirs[8192];
    struct np_error e;
    tool_models_dirs(dirs, sizeof dirs, opt_str(o, "models-dir"));
    s->models_dir = dirs;
    doctor_collect(&d, s, dirs, opt_bool(o, "measure"), opt_bool(o, "isolate"));
    if (!opt_bool(o, "json")) doctor_print_text(&d, stdout);
    else if (doctor_print_json(&d, "-", &e) < 0) return tool_fail(EXIT_RUNTIME, &e);
    return d.ready ? EXIT_OK : EXIT_MODEL;
}

int cmd_doctor(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    struct np_settings s;
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
    } else code = doctor(&o, &s);
    opts_free(&o);
    return code;
}
