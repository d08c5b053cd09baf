/* SPDX-License-Identifier: Apache-2.0 */
/* Modules that must be refused: built four times, with one of WRONG_ABI, SHORT, EMPTY, LIAR. */
#include <nextpose/backend.h>

static int score(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) { return 1; }
static int open_net(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) { return NP_EBACKEND; }
static int tensor(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out) { return NP_EEND; }
static int run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) { return NP_EBACKEND; }
static void close_net(struct np_backend_net *n) {}

static const struct np_backend table = {
#ifdef WRONG_ABI
    .abi = 4242,
#else
    .abi = NP_BACKEND_ABI,
#endif
#ifdef SHORT
    .size = 16,
#else
    .size = sizeof table,
#endif
    .name = "onnx", .title = "refused", .formats = "onnx", .score = score, .open = open_net, .tensor = tensor, .run = run, .close = close_net,
};

const struct np_backend *np_backend_entry(void) {
#ifdef EMPTY
    (void)table;
    return NULL;
#else
    return &table;
#endif
}
