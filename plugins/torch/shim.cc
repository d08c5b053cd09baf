/* SPDX-License-Identifier: Apache-2.0 */
/* The only C++ of the project: LibTorch has no C API that loads a model. Thin: load, run, copy out. It is a module of its own (np_torch_shim.so), linked
 * against libtorch_cpu and libc10 by name and without a search path; torch.c loads the user's LibTorch first, so that the linker takes that one.
 *
 * Every function that C calls is one `guarded` block: nothing is thrown across. What comes out of the model is checked: number of tensors, types and
 * shapes are those of the first run, or it is an error. */
#include "shim.h"

#include <torch/script.h>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <istream>
#include <memory>
#include <streambuf>
#include <string>
#include <vector>

namespace {

/* The file as a stream, without a copy. */
struct bytes_buf : std::streambuf {
    bytes_buf(const void *p, size_t n) {
        char *const at = const_cast<char *>(static_cast<const char *>(p));
        setg(at, at, at + n);
    }
    pos_type seekoff(off_type off, std::ios_base::seekdir way, std::ios_base::openmode) override {
        const off_type from = way == std::ios_base::beg ? 0 : way == std::ios_base::cur ? gptr() - eback() : egptr() - eback();
        if (from + off < 0 || from + off > egptr() - eback()) return pos_type(off_type(-1));
        setg(eback(), eback() + from + off, egptr());
        return pos_type(from + off);
    }
    pos_type seekpos(pos_type to, std::ios_base::openmode mode) override { return seekoff(off_type(to), std::ios_base::beg, mode); }
};

/* What nets that share have in common. */
struct model {
    torch::jit::Module script;
    at::Device device = at::kCPU;
};

struct tensor_desc {
    std::string name;
    at::ScalarType type = at::kFloat;
    np_tensor_info info = {};
};

int say(struct np_error *err, int code, const char *what, const char *words) {
    if (err) {
        err->code = code;
        std::snprintf(err->message, sizeof err->message, "torch: %s: %.400s", what, words);
        for (char *s = err->message; *s; s++)
            if (*s == '\n' || *s == '\r') *s = ' ';
    }
    return code;
}

/* Runs `f` and turns whatever it throws into `code` and a line. */
template <typename F> int guarded(struct np_error *err, int code, const char *what, F f) noexcept {
    try {
        return f();
    } catch (const std::bad_alloc &) {
        return say(err, NP_ENOMEM, what, "out of memory");
    } catch (const c10::Error &e) {
        return say(err, code, what, e.what_without_backtrace());
    } catch (const std::exception &e) {
        return say(err, code, what, e.what());
    } catch (...) {
        return say(err, code, what, "threw something that is no exception");
    }
}

const struct { int dtype; at::ScalarType type; } types[] = {
    { NP_F32, at::kFloat }, { NP_F16, at::kHalf }, { NP_BF16, at::kBFloat16 }, { NP_F64, at::kDouble }, { NP_I8, at::kChar }, { NP_U8, at::kByte },
    { NP_I16, at::kShort }, { NP_I32, at::kInt }, { NP_I64, at::kLong }, { NP_BOOL, at::kBool },
};

} // namespace

struct np_backend_net {
    std::shared_ptr<model> m;
    int threads = 1;
    std::string device;
    tensor_desc in;
    std::vector<tensor_desc> out;

    /* at::set_num_threads sets what the calling thread's next parallel loops use (and a default for new threads): once a thread is not enough when
     * nets with different counts take turns on it. */
    void use_threads() const {
        static thread_local int now = 0;
        if (now == threads) return;
        at::set_num_threads(threads);
        now = threads;
    }

    static void flatten(const c10::IValue &v, std::vector<at::Tensor> &to) {
        if (v.isTensor()) to.push_back(v.toTensor());
        else if (v.isTuple()) for (const auto &e : v.toTupleRef().elements()) flatten(e, to);
        else if (v.isList()) for (const c10::IValue &e : v.toListRef()) flatten(e, to);
        else if (v.isGenericDict()) for (const auto &e : v.toGenericDict()) flatten(e.value(), to);
        else TORCH_CHECK(v.isNone(), "an output is a ", v.tagKind(), ", not a tensor");
    }

    std::vector<at::Tensor> forward(const void *data) const {
        const c10::InferenceMode guard;
        use_threads();
        const std::vector<int64_t> shape(in.info.dims, in.info.dims + in.info.rank);
        at::Tensor x = at::from_blob(const_cast<void *>(data), shape, at::TensorOptions().dtype(in.type));
        if (!m->device.is_cpu()) x = x.to(m->device);
        std::vector<at::Tensor> found;
        flatten(m->script.forward({ std::move(x) }), found);
        for (at::Tensor &t : found) t = t.to(at::kCPU).contiguous();
        return found;
    }

    int describe(const std::vector<at::Tensor> &found, struct np_error *err) {
        if (found.empty() || found.size() > 32) return say(err, NP_EUNSUPPORTED, "outputs", "the model gives none, or more than 32");
        for (size_t i = 0; i < found.size(); i++) {
            const at::Tensor &t = found[i];
            tensor_desc d;
            d.name = "output" + std::to_string(i);
            d.type = t.scalar_type();
            d.info.dtype = -1;
            for (const auto &k : types)
                if (k.type == d.type) d.info.dtype = k.dtype;
            if (d.info.dtype < 0 || t.dim() > NP_MAX_RANK || t.numel() < 1) return say(err, NP_EUNSUPPORTED, d.name.c_str(),
                    "has a type or a shape that we do not have");
            d.info.rank = static_cast<int>(t.dim());
            for (int k = 0; k < d.info.rank; k++) d.info.dims[k] = t.size(k);
            d.info.bytes = t.nbytes();
            out.push_back(d);
        }
        for (tensor_desc &d : out) d.info.name = d.name.c_str(); /* now that they stay where they are */
        return 0;
    }
};

namespace {

void load(np_backend_net *n, const np_backend_params *p, const char *device) {
    n->m = std::make_shared<model>();
    n->m->device = at::Device(device);
    bytes_buf buf(p->model, p->model_size);
    std::istream stream(&buf);
    torch::jit::Module script = torch::jit::load(stream, n->m->device);
    script.eval();
    try { /* folds batch norms, blocks layouts for oneDNN; a model that cannot be frozen runs as it is */
        n->m->script = n->m->device.is_cpu() ? torch::jit::optimize_for_inference(script) : torch::jit::freeze(script);
    } catch (const std::exception &) {
        n->m->script = script;
    }
}

int set_input(np_backend_net *n, const np_backend_params *p, struct np_error *err) {
    tensor_desc &d = n->in;
    size_t bytes = sizeof(float);
    d.name = p->input_name ? p->input_name : "input";
    d.info = {};
    d.info.name = d.name.c_str();
    d.info.dtype = NP_F32;
    d.info.rank = p->rank;
    for (int k = 0; k < p->rank; k++) {
        d.info.dims[k] = p->dims[k] > 0 ? p->dims[k] : 1;
        if (__builtin_mul_overflow(bytes, static_cast<size_t>(d.info.dims[k]), &bytes) || bytes > size_t(1) << 32) return say(err, NP_ELIMIT,
                d.name.c_str(), "is too large");
    }
    d.info.bytes = bytes;
    return 0;
}

int open_net(np_backend_net **out, const np_backend_params *p, const char *device, struct np_error *err) {
    return guarded(err, NP_EUNSUPPORTED, p->model_path ? p->model_path : "model", [&]() -> int {
        auto n = std::make_unique<np_backend_net>();
        n->threads = std::max(1, p->threads);
        n->device = device;
        n->use_threads();
        if (p->share) n->m = p->share->m;
        else load(n.get(), p, device);
        int r = set_input(n.get(), p, err);
        if (r < 0) return r;
        /* The executor looks at shapes in its first runs and specializes after them: here, not in front of somebody's camera. */
        const std::unique_ptr<float[]> zeros(new float[n->in.info.bytes / sizeof(float)]());
        r = n->describe(n->forward(zeros.get()), err);
        for (int i = 0; r >= 0 && i < 2; i++) n->forward(zeros.get());
        if (r >= 0) *out = n.release();
        return r;
    });
}

int run(np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) {
    return guarded(err, NP_EBACKEND, "run", [&]() -> int {
        const std::vector<at::Tensor> found = n->forward(in[0]);
        if (found.size() != n->out.size()) return say(err, NP_EBACKEND, "run", "another number of outputs than before");
        for (size_t i = 0; i < found.size(); i++) {
            const np_tensor_info &t = n->out[i].info;
            const at::IntArrayRef shape(t.dims, static_cast<size_t>(t.rank));
            if (found[i].scalar_type() != n->out[i].type || found[i].sizes() != shape) return say(err, NP_EBACKEND, t.name,
                    "has another type or shape than before");
            std::memcpy(out[i], found[i].const_data_ptr(), t.bytes);
        }
        return 0;
    });
}

int tensor(const np_backend_net *n, int output, int i, np_tensor_info *to) {
    if (output ? i >= static_cast<int>(n->out.size()) : i >= 1) return NP_EEND;
    *to = output ? n->out[static_cast<size_t>(i)].info : n->in.info;
    return 0;
}

void close_net(np_backend_net *n) {
    guarded(nullptr, NP_EINTERNAL, "close", [&]() -> int {
        delete n;
        return 0;
    });
}

int has_cuda() {
    return guarded(nullptr, 0, "cuda", []() -> int { return at::globalContext().hasCUDA() ? 1 : 0; });
}

const char *device_of(const np_backend_net *n) { return n->device.c_str(); }

const np_torch_shim shim = { has_cuda, open_net, tensor, run, close_net, device_of };

} // namespace

const struct np_torch_shim *np_torch_shim_entry(void) { return &shim; }
