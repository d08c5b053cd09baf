/* SPDX-License-Identifier: Apache-2.0 */
/* What the sub-commands share: exit codes, messages, model folders. */
#ifndef NPI_TOOLS_TOOL_H
#define NPI_TOOLS_TOOL_H
#include <stdatomic.h>

#include "io/io.h"
#include "opts.h"

enum { EXIT_OK = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_MODEL = 3, EXIT_INPUT = 4, EXIT_BACKEND = 5, EXIT_INTERRUPTED = 130 };

/* One line on stderr, "nextpose: …". */
void tool_say(const char *fmt, ...) NPI_IO_PRINTF(1, 2);
/* Says the error and returns `exit_code`. */
int tool_fail(int exit_code, const struct np_error *e);
/* Exit code of an error from the library about a model or a context. */
int tool_exit_code(int np_code);
/* A logger that prints lines up to `level` on stderr. */
struct np_logger tool_logger(int level);
int tool_log_level(const char *name); /* "error" … "debug" */

/* Folders that models are looked for in, colon-separated: `first` (may be NULL), $XDG_DATA_HOME/nextpose/models,
 * the cache folder of `models get`, /usr/local/share/nextpose/models, /usr/share/nextpose/models. */
void tool_models_dirs(char *out, size_t size, const char *first);
/* Where `models get` puts them: $XDG_CACHE_HOME/nextpose/models or ~/.cache/nextpose/models. NP_ENOENT without a home. */
int tool_models_home(char *out, size_t size, struct np_error *err);
/* A real clip with three people, which `models get demo_clip` brings; NP_ENOENT when it is not here, with what to do. */
#define TOOL_DEMO_CLIP "cam01.mp4"
int tool_demo_clip(char *path, size_t size, struct np_error *err);
/* First existing file of a card in the folders; 0 when there is none. */
int tool_find_model(char *path, size_t size, const struct np_card_info *c, const char *dirs);

/* --preset NAME|FILE: a name in any spelling into s->preset, else the path of a file into s->preset_file. NP_EINVAL with a line. */
int tool_preset(struct np_settings *s, const char *text, struct np_error *err);
/* The rate that the preset of these settings wants to hold; 0: none. */
int tool_preset_target(const struct np_settings *s, double *fps, struct np_error *err);

/* Of --precision: np_settings.precision. */
#define TOOL_PRECISIONS "auto|fp32|fp32-fast|bf16|int8|fp16|auto-emulated|fp32-emulated|fp32-fast-emulated|bf16-emulated"
#define TOOL_PRECISION_HELP "what nets compute in: auto, fp32, fp32-fast, bf16, int8, fp16; …-emulated without the hardware"

/* Rows of an option table: where foreign runtimes are. tool_runtimes reads them, what the environment says of Python packages and libraries, and the
 * cache folder, into s->runtime_search and s->cache_dir (memory of the program). NP_EINVAL when a library that was named is not there. */
#define TOOL_RUNTIME_OPTS                                                                                                            \
    { "ort-lib", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "libonnxruntime.so to use (default: the one in the active Python)", NULL }, \
    { "litert-lib", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "libLiteRt.so to use, likewise", NULL },                                 \
    { "openvino-lib", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "libopenvino_c.so to use, likewise", NULL },                           \
    { "torch-lib", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "libtorch_cpu.so to use, likewise", NULL },                               \
    { "plugins", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR[:DIR]", "where np_backend_*.so are looked for first", NULL },                  \
    { "cache-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "measured times, converted and compiled models [~/.cache/nextpose]", NULL }
int tool_runtimes(struct np_settings *s, const struct opts *o, struct np_error *err);
void tool_runtimes_derived(struct opts *o); /* what holds of these rows where nobody set them, for --print-config */

/* Catches SIGINT and SIGTERM from now on. 0: go on; above: interrupted, so often, and the second one ends the process at once; TOOL_STOP_OURSELVES. */
const atomic_int *tool_stop_flag(void);
#define TOOL_STOP_OURSELVES -1000
/* An error, or nothing left to do: those who wait stop too. A Ctrl-C that came before stays one. */
void tool_stop_ourselves(void);
int tool_is_terminal(void); /* stderr is one */

/* The text of /proc/cpuinfo's model name, or "unknown processor". */
const char *tool_cpu_name(void);
/* Nanoseconds since this process was started by the system. */
int64_t tool_since_exec_ns(void);
long tool_peak_memory_kb(void);

extern const struct opt_def cmd_run_opts[];
/* What options of `run` say, for the library. The strings live as long as the options. */
int run_settings(struct np_settings *s, const struct opts *o, int mode, struct np_error *err);
/* --reconnect as npi_source_params.reconnect has it; -2: neither number nor word. */
int run_reconnect(const struct opts *o);
int run_print_config(struct opts *o); /* exit code */
int cmd_run(int argc, char **argv);
int cmd_models(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_recommend(int argc, char **argv);
int cmd_help(const char *topic); /* NULL: the list */
#endif
