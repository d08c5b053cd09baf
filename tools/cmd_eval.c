/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose eval: how good a net is, on pictures with labels. Every accuracy figure of this project is made here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/outfile.h"
#include "evaluate.h"
#include "tool.h"

static const struct opt_def eval_opts[] = {
    { "images", 'i', OPT_STRING, NULL, 0, 0, NULL, "DIR", "folder with the labels' pictures", "What" },
    { "labels", 'l', OPT_STRING, NULL, 0, 0, NULL, "FILE", "COCO labels: person_keypoints or instances JSON", NULL },
    { "predictions", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "judge these COCO results; no net is run, no pictures are needed", NULL },
    { "limit", 'n', OPT_INT, NULL, 1, 1000000, NULL, "N", "the first N pictures, by id, only", NULL },
    { "model", 'm', OPT_STRING, NULL, 0, 0, NULL, "NAME", "pose net: id, file or card; none: boxes only", "Nets" },
    { "detector", 'd', OPT_STRING, NULL, 0, 0, NULL, "NAME", "detector: id, file or card; none: the whole picture is one person", NULL },
    { "boxes", 0, OPT_CHOICE, "detector", 0, 0, "detector|given", NULL, "whose boxes the pose net gets: the detector's, or those of the labels", NULL },
    { "preset", 0, OPT_CHOICE, "balanced", 0, 0, "high_performance|efficiency|balanced|quality:ultra_fast|speed_balanced|quality_focused", "NAME",
      "quality looks at each person twice, with nets that can", NULL },
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "where models are looked for first", NULL },
    { "bbox-thr", 0, OPT_FLOAT, "0.05", 0, 1, NULL, "X", "detections below are dropped; low, because COCO's figures rank all of them", NULL },
    { "nms-thr", 0, OPT_FLOAT, NULL, 0, 1, NULL, "X", "overlap above which the weaker box is dropped (default: the card's)", NULL },
    { "yolo-size", 0, OPT_INT, NULL, 256, 640, NULL, "N", "longer side of the detector's input", NULL },
    { "threads", 't', OPT_INT, NULL, 1, 64, NULL, "N", "threads (default: as many as this process may use)", NULL },
    { "isa", 0, OPT_STRING, NULL, 0, 0, NULL, "LEVEL", "highest instruction set", NULL },
    { "precision", 0, OPT_CHOICE, "auto", 0, 0, TOOL_PRECISIONS, "NAME", TOOL_PRECISION_HELP, NULL },
    { "results", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "write the predictions as COCO results", "Output" },
    { "json", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "the figures as one JSON object", NULL },
    { "quiet", 'q', OPT_BOOL, NULL, 0, 0, NULL, NULL, "no progress", NULL },
    { "log-level", 0, OPT_CHOICE, "warn", 0, 0, "error|warn|info|debug", NULL, "what is told on stderr", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

struct job {
    struct opts o;
    struct evaluation ev;
    struct np_context *ctx;
    struct np_context_info net;
};

static int usage(const char *fmt, const char *a) {
    tool_say(fmt, a);
    return EXIT_USAGE;
}

static int check_options(const struct job *j) {
    const struct opts *const o = &j->o;
    if (o->n_rest) return usage("unexpected argument '%s'", o->rest[0]);
    if (!opt_str(o, "labels")) return usage("no labels: --labels %s", "FILE.json (nextpose eval --help)");
    if (!opt_str(o, "predictions") && !opt_str(o, "images")) return usage("no pictures: --images %s, or --predictions FILE.json", "DIR");
    if (opt_str(o, "predictions")) {
        static const char *const not_both[] = { "images", "model", "detector", "results", "limit", NULL };
        for (int i = 0; not_both[i]; i++)
            if (opt_str(o, not_both[i])) return usage("--predictions judges a finished file: --%s does not go with it", not_both[i]);
    }
    if (!strcmp(opt_str(o, "boxes"), "given") && opt_str(o, "detector")) return usage("--boxes given leaves the detector out: %s", "do not name one");
    if (!strcmp(opt_str(o, "boxes"), "given") && opt_str(o, "model") && !strcmp(opt_str(o, "model"), "none"))
        return usage("--boxes given and --model none: %s", "nothing to do");
    return 0;
}

static int open_nets(struct job *j, struct np_error *err) {
    static char dirs[8192];
    const struct opts *const o = &j->o;
    struct np_settings s;
    np_settings_default(&s);
    tool_models_dirs(dirs, sizeof dirs, opt_str(o, "models-dir"));
    s.models_dir = dirs;
    s.detector = j->ev.given ? "none" : opt_str(o, "detector");
    s.model = opt_str(o, "model");
    s.preset = np_preset_from_name(opt_str(o, "preset"));
    s.isa = opt_str(o, "isa");
    s.precision = opt_str(o, "precision");
    s.threads = opt_str(o, "threads") ? opt_int(o, "threads") : 0;
    s.mode = NP_MODE_SYNC;
    s.max_persons = 64;
    s.detector_size = opt_str(o, "yolo-size") ? opt_int(o, "yolo-size") : 0;
    s.bbox_thr = (float)opt_float(o, "bbox-thr");
    if (opt_str(o, "nms-thr")) s.nms_thr = (float)opt_float(o, "nms-thr");
    s.logger = j->ev.log;
    const int r = np_open(&j->ctx, &s, err);
    if (r == 0) np_context_info(j->ctx, &j->net);
    return r;
}

static void text_stats(const char *head, const double *v, int boxes) {
    printf("%-9s", head);
    for (int i = 0; np_eval_stat_name(boxes, i); i++) {
        if (v[i] < 0) printf("%s%s -", i ? "  " : "", np_eval_stat_name(boxes, i)); /* no labels of that size */
        else printf("%s%s %.4f", i ? "  " : "", np_eval_stat_name(boxes, i), v[i]);
    }
    printf("\n");
}

static void print_text(const struct job *j, const struct np_eval_score *s) {
    const char *const pred = opt_str(&j->o, "predictions");
    printf("labels   %s: %d pictures, %d people with joints%s%s\n", opt_str(&j->o, "labels"), j->ev.info.n_images, j->ev.info.n_people, j->ev.info.set ? ", " : "", j->ev.info.set ? j->ev.info.set->name : "");
    if (j->ev.info.n_orphans) printf("         %d labels of pictures that the file does not list were left out\n", j->ev.info.n_orphans);
    if (pred) printf("results  %s: %d predictions\n", pred, s->n_predictions);
    else {
        printf("nets     %s, %s; in %s, isa %s, threads %d\n", j->ev.given ? "given boxes" : j->net.detector_id, j->net.model_id, j->net.precision, j->net.isa, j->net.threads);
        printf("speed    %d pictures, %lld people in %.2f s: %.2f pictures/s with reading and decoding; nets %.2f ms a picture\n", j->ev.info.n_images, (long long)j->ev.n_persons, j->ev.wall_s,
               j->ev.info.n_images / j->ev.wall_s, 1e3 * j->ev.nets_s / j->ev.info.n_images);
    }
    if (s->has_boxes) text_stats("boxes", s->boxes, 1);
    if (!s->has_keypoints) return;
    text_stats("joints", s->keypoints, 0);
    printf("people   mean OKS %.4f of %d; PCK@0.2 %.4f of the %d with a torso\n", s->oks, s->n_people, s->pck, s->n_torso);
    printf("%-20s %8s %8s %8s\n", "joint", "labelled", "PCK@0.2", "OKS");
    for (int k = 0; k < s->n_joints; k++)
        if (s->joint[k].n) printf("%-20s %8d %8.4f %8.4f\n", j->ev.info.set->names[k], s->joint[k].n, s->joint[k].pck, s->joint[k].oks);
}

/* --- JSON --- */

static void key(struct npi_outfile *o, const char *name) {
    npi_out_str(o, ", \"");
    npi_out_str(o, name);
    npi_out_str(o, "\": ");
}

static void text(struct npi_outfile *o, const char *name, const char *s) {
    key(o, name);
    npi_out_json_str(o, s ? s : "");
}

static void whole(struct npi_outfile *o, const char *name, int v) {
    key(o, name);
    npi_out_int(o, v);
}

/* Below 0: not known. */
static void number(struct npi_outfile *o, const char *name, double v) {
    key(o, name);
    npi_out_fixed(o, v < 0 ? NAN : v, 6, "null");
}

static void json_stats(struct npi_outfile *o, const char *name, const double *v, int boxes) {
    key(o, name);
    npi_out_str(o, "{");
    for (int i = 0; np_eval_stat_name(boxes, i); i++) {
        npi_out_str(o, i ? ", " : "");
        npi_out_json_str(o, np_eval_stat_name(boxes, i));
        npi_out_str(o, ": ");
        npi_out_fixed(o, v[i] < 0 ? NAN : v[i], 6, "null");
    }
    npi_out_str(o, "}");
}

static void json_joints(struct npi_outfile *o, const struct job *j, const struct np_eval_score *s) {
    key(o, "joints");
    npi_out_str(o, "{");
    for (int k = 0; k < s->n_joints; k++) {
        npi_out_str(o, k ? ", " : "");
        npi_out_json_str(o, j->ev.info.set->names[k]);
        npi_out_str(o, ": {\"n\": ");
        npi_out_int(o, s->joint[k].n);
        number(o, "pck", s->joint[k].pck);
        number(o, "oks", s->joint[k].oks);
        npi_out_str(o, "}");
    }
    npi_out_str(o, "}");
}

static int print_json(const struct job *j, const struct np_eval_score *s, struct np_error *err) {
    struct npi_outfile o;
    const int r = npi_out_open(&o, "-", NULL, err);
    if (r < 0) return r;
    npi_out_str(&o, "{\"labels\": ");
    npi_out_json_str(&o, opt_str(&j->o, "labels"));
    whole(&o, "images", j->ev.info.n_images);
    whole(&o, "people", j->ev.info.n_people);
    whole(&o, "orphans", j->ev.info.n_orphans);
    whole(&o, "predictions", s->n_predictions);
    if (j->ev.info.set) text(&o, "keypoint_set", j->ev.info.set->name);
    if (!opt_str(&j->o, "predictions")) {
        text(&o, "detector", j->ev.given ? "given" : j->net.detector_id);
        text(&o, "model", j->net.model_id);
        text(&o, "isa", j->net.isa);
        whole(&o, "threads", j->net.threads);
        number(&o, "images_per_s", j->ev.info.n_images / j->ev.wall_s);
        number(&o, "nets_ms", 1e3 * j->ev.nets_s / j->ev.info.n_images);
    }
    if (s->has_boxes) json_stats(&o, "boxes", s->boxes, 1);
    if (s->has_keypoints) {
        json_stats(&o, "keypoints", s->keypoints, 0);
        number(&o, "oks", s->oks);
        number(&o, "pck", s->pck);
        whole(&o, "with_torso", s->n_torso);
        json_joints(&o, j, s);
    }
    npi_out_str(&o, "}\n");
    return npi_out_close(&o, err);
}

static int eval(struct job *j) {
    struct np_error e = { 0 };
    struct np_eval_score s;
    const struct opts *const o = &j->o;
    int r = check_options(j);
    if (r) return r;
    j->ev.log = tool_logger(tool_log_level(opt_str(o, "log-level")));
    j->ev.given = !strcmp(opt_str(o, "boxes"), "given");
    j->ev.images = opt_str(o, "images");
    j->ev.progress = !opt_bool(o, "quiet");
    if ((r = np_eval_open(&j->ev.eval, opt_str(o, "labels"), &e)) < 0) return tool_fail(r == NP_ENOMEM ? EXIT_RUNTIME : EXIT_INPUT, &e);
    if (opt_str(o, "limit")) np_eval_limit(j->ev.eval, opt_int(o, "limit"));
    np_eval_info(j->ev.eval, &j->ev.info);
    if (opt_str(o, "predictions")) {
        if ((r = np_eval_load(j->ev.eval, opt_str(o, "predictions"), &e)) < 0) return tool_fail(r == NP_ENOMEM ? EXIT_RUNTIME : EXIT_INPUT, &e);
    } else {
        if (j->ev.given && !j->ev.info.n_people) return usage("--boxes given: nobody in '%s' has labelled joints", opt_str(o, "labels"));
        if ((r = evaluation_check(&j->ev, &e)) < 0) return tool_fail(EXIT_INPUT, &e);
        if ((r = open_nets(j, &e)) < 0) return tool_fail(tool_exit_code(r), &e);
        if ((r = evaluation_run(&j->ev, j->ctx, &e)) < 0) return tool_fail(r == NP_ENOMEM || r == NP_EUNSUPPORTED ? EXIT_RUNTIME : EXIT_INPUT, &e);
        if (opt_str(o, "results") && (r = np_eval_save(j->ev.eval, opt_str(o, "results"), &e)) < 0) return tool_fail(EXIT_RUNTIME, &e);
    }
    if ((r = np_eval_score(j->ev.eval, &s, &e)) < 0) return tool_fail(EXIT_RUNTIME, &e);
    if (opt_bool(o, "json")) return print_json(j, &s, &e) < 0 ? tool_fail(EXIT_RUNTIME, &e) : EXIT_OK;
    print_text(j, &s);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_RUNTIME;
}

int cmd_eval(int argc, char **argv) {
    struct job *const j = calloc(1, sizeof *j);
    struct np_error e = { 0 };
    if (!j) return EXIT_RUNTIME;
    int code = EXIT_OK;
    opts_init(&j->o, eval_opts, "eval");
    if (opts_parse(&j->o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (j->o.help) {
        printf("usage: nextpose eval --images DIR --labels FILE.json [OPTIONS]\n       nextpose eval --labels FILE.json --predictions FILE.json\n\n"
               "Runs the nets over labelled pictures and prints COCO's AP and AR and PCK@0.2.\n");
        opts_print_help(&j->o, stdout);
    } else code = eval(j);
    np_close(&j->ctx);
    np_eval_close(&j->ev.eval);
    opts_free(&j->o);
    free(j);
    return code;
}
