/* SPDX-License-Identifier: Apache-2.0 */
#include "pass/pass.h"
#include "pass/passes.h"

const struct npi_pass npi_passes[] = {
    { "dce", npi_pass_dce, NPI_PASS_FILES },
    { "slice", npi_pass_slice, NPI_PASS_FILES },
    { "idiom", npi_pass_idiom, NPI_PASS_FILES },
    { "layout", npi_pass_layout, NPI_PASS_FILES },
    { "affine", npi_pass_affine, NPI_PASS_FILES },
    { "fuse-act", npi_pass_fuse_act, NPI_PASS_FILES },
    { "fuse-add", npi_pass_fuse_add, NPI_PASS_FILES },
    { "qdq", npi_pass_qdq, NPI_PASS_FILES },
    { "focus", npi_pass_focus, 0 },
    { "maxpool", npi_pass_maxpool, 0 },
    { NULL, NULL, 0 },
};
