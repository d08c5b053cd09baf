/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a sub-command, from one table: the flag, its environment twin NEXTPOSE_…, its key in a config file, its type and
 * range, its default and its help line. A flag beats the environment, that beats the config file, that beats the default;
 * each value remembers where it came from (--print-config). What a preset decides
 * is put in last, for printing (opts_derived). Hyphens and underscores in names are the same. */
#ifndef NPI_TOOLS_OPTS_H
#define NPI_TOOLS_OPTS_H
#include <stdio.h>

#include "io/io.h"

enum opt_type { OPT_BOOL, OPT_INT, OPT_FLOAT, OPT_STRING, OPT_CHOICE, OPT_INT_AUTO /* a number, or "auto", which reads as 0 */ };
enum opt_origin { FROM_DEFAULT = 0, FROM_PRESET, FROM_CONFIG, FROM_ENV, FROM_FLAG };

struct opt_def {
    const char *name;        /* with hyphens; "async" is also --no-async */
    char letter;             /* short form, 0 none */
    int type;
    const char *fallback;    /* default as text; NULL: unset */
    double min, max;         /* of INT, INT_AUTO and FLOAT */
    const char *choices;     /* "a|b|c" of CHOICE; what stands after ':' is accepted but not shown. Of "config": not NULL when the command reads that file itself */
    const char *metavar;     /* "FILE" */
    const char *help;
    const char *group;       /* heading in --help; NULL: same as the one before */
    const char *alias;       /* another name for it, e.g. one that other tools use; NULL: none */
};

struct opt_value { char *text; int origin; char where[120]; };

#define OPT_MAX 96
struct opts {
    const struct opt_def *defs;  /* ends with a NULL name */
    const char *command;         /* "run" */
    struct opt_value v[OPT_MAX];
    const char *rest[16];        /* arguments that are not flags */
    int n_rest;
    int help;                    /* --help was there */
};

void opts_init(struct opts *o, const struct opt_def *defs, const char *command);
void opts_free(struct opts *o);
/* Command line, then (lower) environment, then (lower still) the file that --config names. NP_EINVAL with one line, or 0. */
int opts_parse(struct opts *o, int argc, char **argv, struct np_error *err);
/* Parts of opts_parse, for tests. A value is only taken when nothing of a higher origin is there. */
int opts_set(struct opts *o, const char *name, const char *text, int origin, const char *where, struct np_error *err);
/* For printing: an option that nobody set has this value, because of `where` ("preset balanced"). 0: no such option. */
int opts_derived(struct opts *o, const char *name, const char *text, const char *where);
/* Likewise: what somebody set comes to `text`, because of `where`. Nobody set it: nothing happens. */
void opts_amended(struct opts *o, const char *name, const char *text, const char *where);
int opts_environment(struct opts *o, const char *const *environ_, struct np_error *err);
int opts_config_string(struct opts *o, const char *text, const char *path, struct np_error *err);

/* Asking for a name that is not in the table is a mistake in the program (asserted). */
const char *opt_str(const struct opts *o, const char *name); /* NULL: unset */
int opt_int(const struct opts *o, const char *name);
double opt_float(const struct opts *o, const char *name);
int opt_bool(const struct opts *o, const char *name);
int opt_origin(const struct opts *o, const char *name);

void opts_print_help(const struct opts *o, FILE *f);
void opts_print_config(const struct opts *o, FILE *f);
/* The nearest of the names, or NULL when none is near; `next` gives them one by one. */
const char *opts_nearest(const char *word, const char *(*next)(const void *arg, int i), const void *arg);
#endif
