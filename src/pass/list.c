/* SPDX-License-Identifier: Apache-2.0 */
#include "pass/pass.h"
#include "pass/passes.h"

const struct npi_pass npi_passes[] = {
    { "dce", npi_pass_dce },
    { "slice", npi_pass_slice },
    { "idiom", npi_pass_idiom },
    { "layout", npi_pass_layout },
    { "affine", npi_pass_affine },
    { "fuse-act", npi_pass_fuse_act },
    { "fuse-add", npi_pass_fuse_add },
    { "qdq", npi_pass_qdq },
    { NULL, NULL },
};

const struct npi_pass npi_export_passes[] = {
    { "dce", npi_pass_dce },
    { "slice", npi_pass_slice },
    { "idiom", npi_pass_idiom },
    { "layout", npi_pass_layout },
    { "affine", npi_pass_affine },
    { "fuse-act", npi_pass_fuse_act },
    { "fuse-add", npi_pass_fuse_add },
    { "qdq", npi_pass_qdq },
    { NULL, NULL },
};
