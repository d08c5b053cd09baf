/* SPDX-License-Identifier: Apache-2.0 */
/* The findings for people (a bug report takes them as they are) and as one JSON object. */
#include <math.h>
#include <string.h>

#include "doctor.h"
#include "io/outfile.h"

static void print_runtimes(const struct doctor *d, FILE *f) {
    static const char *const verdict[] = { "not tried", "no", "works" };
    for (int k = 0; k < d->n_runtimes; k++) {
        const struct np_runtime_info *const i = &d->runtime[k];
        fprintf(f, "runtime    %-9s %-9s %s", i->name, *i->problem && i->works >= 0 ? "no" : verdict[i->works + 1], i->title);
        if (*i->version) fprintf(f, " %s", i->version);
        if (*i->devices) fprintf(f, ", devices: %s", i->devices);
        if (*i->missing) fprintf(f, " (not here: %s)", i->missing);
        if (i->works == 1 && *i->library) fprintf(f, "; loaded in %.0f ms", i->load_ms);
        fprintf(f, "\n");
        if (*i->library) fprintf(f, "%-30s %s: %s\n", "", i->found, i->library);
        if (*i->problem) fprintf(f, "%-30s %s\n", "", i->problem);
    }
}

static void print_presets(const struct doctor *d, FILE *f) {
    if (!*d->clip) {
        fprintf(f, "rates      not measured; category %s: %g to %g frames/s at the least\n", np_hardware_category_name(d->hw.category), d->hw.floor_fps[0], d->hw.floor_fps[1]);
        return;
    }
    for (int i = 0; i < d->n_presets; i++) {
        const struct doc_preset *const p = &d->preset[i];
        if (!p->n) continue;
        fprintf(f, "rates      %-17s %5.1f frames/s (%.1f to %.1f in %d runs), %s %g; delay p99 %.0f ms\n", p->name, p->mid, p->low, p->high, p->n,
                p->mid >= p->target_fps ? "holds its" : "MISSES its", p->target_fps, p->delay_p99);
    }
    fprintf(f, "           live, on %s with %.1f people a frame, as fast as it goes\n", npi_io_basename(d->clip), d->persons);
}

void doctor_print_text(const struct doctor *d, FILE *f) {
    char precision[256];
    const struct np_hardware *const h = &d->hw;
    fprintf(f, "nextpose   %s (API %d)\nprocessor  %s\n", np_version(), np_api_version(), tool_cpu_name());
    fprintf(f, "may use    %d of %d threads, %d cores", h->n_allowed, h->n_logical, h->n_cores);
    if (h->n_efficiency) fprintf(f, " (%d performance, %d efficiency)", h->n_performance, h->n_efficiency);
    if (h->quota > 0) fprintf(f, ", container limit %.1f processors", h->quota);
    fprintf(f, "\nisa        ");
    for (int i = 0; np_isa_level(i); i++) fprintf(f, "%s%s", i ? ", " : "", np_isa_level(i));
    if (np_precision_here(NULL, precision, sizeof precision) == 0) fprintf(f, "\nprecision  %s", precision);
    fprintf(f, "\nmemory     %.0f MB, %.0f free; caches %s\n", h->memory_mb, d->memory_available_mb, *d->caches ? d->caches : "unknown");
    if (!h->n_gpus) fprintf(f, "gpu        none\n");
    for (int i = 0; i < h->n_gpus; i++) {
        fprintf(f, "gpu        %s", h->gpu[i].name);
        if (h->gpu[i].memory_mb > 0) fprintf(f, ", %.1f GB", h->gpu[i].memory_mb / 1024);
        fprintf(f, " (%s)\n", h->gpu[i].probe);
    }
    fprintf(f, "category   %s: %s\n", np_hardware_category_name(h->category), h->reason);
    print_runtimes(d, f);
    for (int i = 0; i < d->n_models; i++) fprintf(f, "model      %-24s %s  %s\n", d->model[i].id, d->model[i].state, d->model[i].path);
    if (!d->defaults_here) fprintf(f, "model      the defaults are not complete: run 'nextpose models get'\n");
    if (*d->ffmpeg) {
        fprintf(f, "ffmpeg     %s\nreads      ", d->ffmpeg);
        for (int i = 0; i < d->n_reads; i++) fprintf(f, "%s%s", i ? ", " : "", d->reads[i]);
        fprintf(f, "\nwrites     %s%s\nhardware decoders  ", *d->encoder ? "H.264 with " : "no H.264: --save-video will fail", d->encoder);
        for (int i = 0; i < d->n_hw_decoders; i++) fprintf(f, "%s%s", i ? ", " : "", d->hw_decoder[i]);
        fprintf(f, "%s\n", d->n_hw_decoders ? "" : "none that opens here");
    } else fprintf(f, "ffmpeg     not in this build: PPM and PGM pictures only\n");
    if (!d->n_cameras) fprintf(f, "camera     none (/dev/video*)\n");
    for (int i = 0; i < d->n_cameras; i++) {
        const struct doc_camera *const c = &d->camera[i];
        fprintf(f, "camera     %s %s%s%s%s\n", c->path, c->name, *c->problem ? "(" : "", c->problem, *c->problem ? ")" : "");
        for (int k = 0; k < c->n_modes; k++) fprintf(f, "           %s\n", c->mode[k]);
    }
    fprintf(f, "display    %s\n", *d->display ? d->display : "none: --view web shows it in a browser");
    print_presets(d, f);
    for (int i = 0; i < d->n_advice; i++) fprintf(f, "%s %s\n", i ? "          " : "advice    ", d->advice[i]);
    fprintf(f, "verdict    %s\n", d->ready ? "ready: nextpose run -i CLIP --save-video out.mp4" : "not ready");
}

/* --- JSON: objects are opened and closed by hand, commas are minded here --- */

struct json { struct npi_outfile o; int first; };
static void key(struct json *j, const char *k) {
    npi_out_str(&j->o, j->first ? "" : ", ");
    j->first = 0;
    if (!k) return;
    npi_out_json_str(&j->o, k);
    npi_out_str(&j->o, ": ");
}
static void open_with(struct json *j, const char *k, const char *bracket) {
    key(j, k);
    npi_out_str(&j->o, bracket);
    j->first = 1;
}
static void close_with(struct json *j, const char *bracket) {
    npi_out_str(&j->o, bracket);
    j->first = 0;
}
static void text(struct json *j, const char *k, const char *v) {
    key(j, k);
    npi_out_json_str(&j->o, v);
}
static void number(struct json *j, const char *k, double v) {
    key(j, k);
    npi_out_fixed(&j->o, v, v == floor(v) ? 0 : 3, "null");
}
static void truth(struct json *j, const char *k, int v) {
    key(j, k);
    npi_out_str(&j->o, v ? "true" : "false");
}

static void json_machine(struct json *j, const struct doctor *d) {
    const struct np_hardware *const h = &d->hw;
    open_with(j, "cpu", "{");
    text(j, "model", tool_cpu_name());
    number(j, "logical", h->n_logical);
    number(j, "allowed", h->n_allowed);
    number(j, "cores", h->n_cores);
    number(j, "performance_cores", h->n_performance);
    number(j, "efficiency_cores", h->n_efficiency);
    number(j, "quota", h->quota);
    text(j, "caches", d->caches);
    open_with(j, "isa", "[");
    for (int i = 0; np_isa_level(i); i++) text(j, NULL, np_isa_level(i));
    close_with(j, "]");
    char precision[256];
    if (np_precision_here(NULL, precision, sizeof precision) == 0) text(j, "precision", precision);
    close_with(j, "}");
    open_with(j, "memory", "{");
    number(j, "total_mb", h->memory_mb);
    number(j, "available_mb", d->memory_available_mb);
    close_with(j, "}");
    open_with(j, "gpus", "[");
    for (int i = 0; i < h->n_gpus; i++) {
        open_with(j, NULL, "{");
        text(j, "name", h->gpu[i].name);
        number(j, "memory_mb", h->gpu[i].memory_mb);
        text(j, "probe", h->gpu[i].probe);
        close_with(j, "}");
    }
    close_with(j, "]");
    open_with(j, "category", "{");
    text(j, "name", np_hardware_category_name(h->category));
    text(j, "reason", h->reason);
    number(j, "floor_fps_low", h->floor_fps[0]);
    number(j, "floor_fps_high", h->floor_fps[1]);
    close_with(j, "}");
}

static void json_software(struct json *j, const struct doctor *d) {
    open_with(j, "runtimes", "[");
    for (int i = 0; i < d->n_runtimes; i++) {
        const struct np_runtime_info *const r = &d->runtime[i];
        open_with(j, NULL, "{");
        text(j, "name", r->name);
        text(j, "title", r->title);
        text(j, "version", r->version);
        text(j, "found", r->found);
        text(j, "library", r->library);
        text(j, "devices", r->devices);
        truth(j, "works", r->works == 1);
        text(j, "problem", r->problem);
        close_with(j, "}");
    }
    close_with(j, "]");
    open_with(j, "models", "[");
    for (int i = 0; i < d->n_models; i++) {
        open_with(j, NULL, "{");
        text(j, "id", d->model[i].id);
        text(j, "state", d->model[i].state);
        text(j, "path", d->model[i].path);
        close_with(j, "}");
    }
    close_with(j, "]");
    open_with(j, "video", "{");
    text(j, "ffmpeg", d->ffmpeg);
    open_with(j, "reads", "[");
    for (int i = 0; i < d->n_reads; i++) text(j, NULL, d->reads[i]);
    close_with(j, "]");
    text(j, "encoder", d->encoder);
    open_with(j, "hardware_decoders", "[");
    for (int i = 0; i < d->n_hw_decoders; i++) text(j, NULL, d->hw_decoder[i]);
    close_with(j, "]");
    close_with(j, "}");
}

int doctor_print_json(const struct doctor *d, const char *path, struct np_error *err) {
    struct json j = { .first = 1 };
    const int r = npi_out_open(&j.o, path, NULL, err);
    if (r < 0) return r;
    npi_out_str(&j.o, "{");
    text(&j, "nextpose", np_version());
    json_machine(&j, d);
    json_software(&j, d);
    open_with(&j, "cameras", "[");
    for (int i = 0; i < d->n_cameras; i++) {
        open_with(&j, NULL, "{");
        text(&j, "path", d->camera[i].path);
        text(&j, "name", d->camera[i].name);
        text(&j, "problem", d->camera[i].problem);
        open_with(&j, "modes", "[");
        for (int k = 0; k < d->camera[i].n_modes; k++) text(&j, NULL, d->camera[i].mode[k]);
        close_with(&j, "]");
        close_with(&j, "}");
    }
    close_with(&j, "]");
    text(&j, "display", d->display);
    open_with(&j, "presets", "[");
    for (int i = 0; i < d->n_presets && *d->clip; i++) {
        const struct doc_preset *const p = &d->preset[i];
        if (!p->n) continue;
        open_with(&j, NULL, "{");
        text(&j, "name", p->name);
        number(&j, "target_fps", p->target_fps);
        number(&j, "fps", p->mid);
        number(&j, "fps_low", p->low);
        number(&j, "fps_high", p->high);
        number(&j, "delay_p99_ms", p->delay_p99);
        close_with(&j, "}");
    }
    close_with(&j, "]");
    open_with(&j, "advice", "[");
    for (int i = 0; i < d->n_advice; i++) text(&j, NULL, d->advice[i]);
    close_with(&j, "]");
    truth(&j, "ready", d->ready);
    npi_out_str(&j.o, "}\n");
    return npi_out_close(&j.o, err);
}
