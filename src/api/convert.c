/* SPDX-License-Identifier: Apache-2.0 */
/* np_convert: import, the passes that other formats understand, the weights as the strategy wants them, the writer. */
#include "nextpose/convert.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mmap.h"
#include "export/export.h"
#include "import/import.h"
#include "pass/pass.h"

#define LOAD_LIMIT_BYTES ((size_t)4 << 30)

static const char *const strategies[] = { "auto", "fp32", "fp16", "dynamic", "int8" };

const char *np_strategy_name(int s) { return s >= 0 && s < (int)(sizeof strategies / sizeof *strategies) ? strategies[s] : NULL; }

void np_convert_params_default(struct np_convert_params *p) { *p = (struct np_convert_params){ 0 }; }

static int ends(const char *s, const char *with) {
    const size_t n = strlen(s), k = strlen(with);
    return n > k && !strcmp(s + n - k, with);
}

static int format_of(const char *out, int asked, struct np_error *err) {
    if (asked == NP_FORMAT_ONNX || asked == NP_FORMAT_TFLITE) return asked;
    if (asked != NP_FORMAT_BY_NAME) return npi_fail(err, NP_EINVAL, "convert: %d is no output format", asked);
    if (ends(out, ".onnx")) return NP_FORMAT_ONNX;
    if (ends(out, ".tflite")) return NP_FORMAT_TFLITE;
    return npi_fail(err, NP_EINVAL, "%s: the name says no format: end it in .onnx or .tflite, or give the format", out);
}

struct job {
    const struct np_convert_params *p;
    struct np_convert_report *rep;
    struct np_error *err;
    struct npi_arena mem;
    struct npi_graph g;
    struct npi_file file;
};

static int load(struct job *j, const char *in) {
    const struct np_convert_params *p = j->p;
    struct npi_import_opts o = { .path = in, .input_name = p->input_name, .rank = p->rank, .logger = &p->logger };
    memcpy(o.dims, p->dims, sizeof o.dims);
    npi_arena_init(&j->mem, LOAD_LIMIT_BYTES);
    int r = npi_file_map(&j->file, in, j->err);
    if (r < 0) return r;
    if (npi_graph_init(&j->g, &j->mem, in) < 0) return npi_fail(j->err, NP_ENOMEM, "%s: out of memory", in);
    if ((r = npi_import(&j->g, j->file.data, j->file.size, &o, j->err)) < 0) return r;
    return npi_pass_run(&j->g, npi_export_passes, &p->logger, j->err);
}

int np_convert(const char *in, const char *out, const struct np_convert_params *params, struct np_convert_report *report, struct np_error *err) {
    struct np_convert_params def;
    struct np_convert_report rep = { 0 };
    if (!in || !out) return npi_fail(err, NP_EINVAL, "np_convert: NULL argument");
    np_convert_params_default(&def);
    struct job j = { .p = params ? params : &def, .rep = &rep, .err = err };
    const int format = format_of(out, j.p->format, err);
    if (format < 0) return format;
    if (!np_strategy_name(j.p->strategy)) return npi_fail(err, NP_EINVAL, "convert: %d is no strategy", j.p->strategy);
    struct npi_export x = { 0 };
    int r = load(&j, in);
    if (r >= 0) {
        const int was_tflite = j.file.size > 8 && !memcmp((const char *)j.file.data + 4, "TFL3", 4), same = was_tflite == (format == NP_FORMAT_TFLITE);
        const struct npi_export_opts o = { .format = format, .keep_io_layout = j.p->io_layout == NP_IO_LAYOUT_KEEP || (j.p->io_layout == NP_IO_LAYOUT_AUTO && same) };
        r = npi_export_graph(&x, &j.g, &o, err);
    }
    if (r >= 0) r = npi_export_save(&x, out, err);
    if (r >= 0) {
        rep.strategy = j.p->strategy ? j.p->strategy : NP_STRATEGY_FP32;
        rep.format = format;
        rep.n_nodes = x.n_nodes;
        rep.n_transposes = x.n_transposes;
        rep.bytes_in = j.file.size;
        rep.bytes_out = npi_export_bytes(&x);
        snprintf(rep.notes, sizeof rep.notes, "%s", x.io_note);
        if (report) *report = rep;
    }
    npi_export_free(&x);
    npi_file_unmap(&j.file);
    npi_arena_free(&j.mem);
    return r < 0 ? r : 0;
}
