/* Quantiles of one table after another, from its tokens: the network of network.py, without the calls of torch.
 *
 * A table is a few dozen tokens, so that torch's calls take longer than the products. Weights of linear layers lie in
 * panels of PANEL columns, (columns / PANEL, rows, PANEL), padded with zeros; forward.py packs them. Compiled twice on
 * x86-64, for processors with AVX2 and FMA and for all others.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

#include "statistics/native/space.h"

#if !defined(__GNUC__)
#error "needs the vector types of GCC or Clang; without this file, the package does the same in torch"
#endif
#define INLINE static inline __attribute__((always_inline))

namespace {

constexpr int PANEL = 16;  // columns of a product that are summed together
constexpr int SIDE = 6;    // and rows, at most

// Sizes of the network, and its weights, which are read one after another.
struct Shape {
    int width, depth, heads, with_rows, row_width, row_queries, anchors, levels, groups, table, rows;
    const int32_t *features;  // of each group, (groups,)
};

// One group of tokens of B tables.
struct Group {
    const float *tokens;   // (B, T, F)
    const uint8_t *mask;  // (B, T)
    Py_ssize_t length;     // T
};

INLINE int padded(int columns) { return (columns + PANEL - 1) / PANEL * PANEL; }

// A linear layer, or a norm: `in` is 0 for what only scales and shifts.
struct Layer {
    const float *weight, *bias;
    int in, out;
};

// The weights in the order in which forward.py packs them.
struct Weights {
    const float *at;

    const float *values(int count) {
        const float *found = at;
        at += count;
        return found;
    }
    Layer linear(int in, int out, bool bias = true) {
        const float *weight = values(in * padded(out));
        return {weight, bias ? values(padded(out)) : nullptr, in, out};
    }
    Layer norm(int width) {
        const float *weight = values(width);
        return {weight, values(width), 0, width};
    }
};

struct Attention {
    Layer query, key_value, out;
    int heads;

    Attention(Weights &from, int width, int heads)
        : query(from.linear(width, width, false)), key_value(from.linear(width, 2 * width, false)),
          out(from.linear(width, width, false)), heads(heads) {}
};

struct Feed {
    Layer one, two;

    Feed(Weights &from, int in, int hidden, int out) : one(from.linear(in, hidden)), two(from.linear(hidden, out)) {}
};

struct Block {
    Layer before_attention;
    Attention attention;
    Layer before_feed;
    Feed feed;

    Block(Weights &from, int width, int heads)
        : before_attention(from.norm(width)), attention(from, width, heads), before_feed(from.norm(width)),
          feed(from, width, 4 * width, width) {}
};

// Parts of the network as network.py names them.
struct Network {
    Shape shape;
    std::vector<const float *> means, scales;  // of each group
    std::vector<Feed> embed;                   // of each group, the rows' at their place
    std::vector<const float *> queries;        // one, with rows
    std::vector<Layer> pool_norm, widen;       // likewise
    std::vector<Attention> pool;
    std::vector<Block> blocks;
    std::vector<Layer> ends;  // norm, mix, head, levels

    Network(const Shape &shape, Weights from) : shape(shape) {
        const int width = shape.width;
        for (int group = 0; group < shape.groups; group++) {
            const int in = shape.features[group] + (group == shape.table ? shape.anchors : 0);
            const int out = group == shape.rows ? shape.row_width : width;
            means.push_back(from.values(in));
            scales.push_back(from.values(in));
            if (group != shape.rows || shape.with_rows)
                embed.emplace_back(from, in, out, out);
            else
                embed.push_back(embed[0]);  // never read
        }
        if (shape.with_rows) {
            queries.push_back(from.values(shape.row_queries * shape.row_width));
            pool_norm.push_back(from.norm(shape.row_width));
            pool.emplace_back(from, shape.row_width, shape.heads);
            widen.push_back(from.linear(shape.row_width, width));
        }
        for (int block = 0; block < shape.depth; block++)
            blocks.emplace_back(from, width, shape.heads);
        ends.push_back(from.norm(width));
        ends.push_back(from.linear(width, shape.anchors));
        ends.push_back(from.linear(width, width));
        ends.push_back(from.linear(width, shape.levels));
        end = from.at;
    }
    const float *end;
};

namespace plain {
#include "_forward.h"
}
#if !defined(__clang__) && defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace wide {
#include "_forward.h"
}
#pragma GCC pop_options
bool is_wide() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
namespace wide = plain;
bool is_wide() { return false; }
#endif

PyDoc_STRVAR(forward_doc,
             "forward(weights, sizes, features, tokens, masks, anchors, tables, out)\n--\n\n"
             "Fill out (B, K) float32 with increasing quantiles in nats.\n\n"
             "`weights` are packed as forward.py does it; `sizes` (11,) int32 are width, depth, heads, whether rows are read,\n"
             "row_width, row_queries, anchors, levels, groups and the places of the table's token and of the rows among\n"
             "these; `features` (groups,) int32 their features; `tokens` and `masks` tuples of (B, T, F) float32 and (B, T)\n"
             "bool, one per group; `anchors` (B, A) float32.");

// Buffers of one call, given back at its end.
class Held {
  public:
    ~Held() {
        for (Py_buffer &buffer : buffers_)
            PyBuffer_Release(&buffer);
    }
    // A buffer of `bytes`, or of any size if that is negative; null with an error set.
    Py_buffer *take(PyObject *object, Py_ssize_t bytes, const char *name, bool writable = false) {
        Py_buffer buffer;
        if (PyObject_GetBuffer(object, &buffer, writable ? PyBUF_WRITABLE | PyBUF_SIMPLE : PyBUF_SIMPLE) != 0)
            return nullptr;
        buffers_.push_back(buffer);
        if (bytes >= 0 && buffer.len != bytes) {
            PyErr_Format(PyExc_ValueError, "got %zd bytes of %s, wanted %zd", buffer.len, name, bytes);
            return nullptr;
        }
        return &buffers_.back();
    }
    explicit Held(size_t most) { buffers_.reserve(most); }

  private:
    std::vector<Py_buffer> buffers_;
};

constexpr int SIZES = 11, MOST_GROUPS = 64;

bool answer(PyObject *args) {
    PyObject *weights, *sizes, *features, *tokens, *masks, *anchors, *out;
    Py_ssize_t tables;
    if (!PyArg_ParseTuple(args, "OOOO!O!OnO", &weights, &sizes, &features, &PyTuple_Type, &tokens, &PyTuple_Type, &masks,
                          &anchors, &tables, &out))
        return false;
    Held held(2 * MOST_GROUPS + 5);
    const Py_buffer *size = held.take(sizes, 4 * SIZES, "sizes");
    if (size == nullptr)
        return false;
    const int32_t *given = static_cast<const int32_t *>(size->buf);
    Shape shape{given[0], given[1], given[2], given[3], given[4], given[5], given[6], given[7], given[8], given[9], given[10],
                nullptr};
    if (shape.groups < 1 || shape.groups > MOST_GROUPS || shape.depth < 1 || shape.heads < 1 || shape.width % shape.heads ||
        shape.table < 0 || shape.table >= shape.groups || PyTuple_Size(tokens) != shape.groups ||
        PyTuple_Size(masks) != shape.groups || tables < 1) {
        PyErr_SetString(PyExc_ValueError, "got sizes of a network, or groups of tokens, that cannot be");
        return false;
    }
    const Py_buffer *counts = held.take(features, 4 * shape.groups, "features");
    const Py_buffer *values = held.take(weights, -1, "weights");
    const Py_buffer *guesses = held.take(anchors, 4 * tables * shape.anchors, "anchors");
    Py_buffer *found = held.take(out, 4 * tables * shape.levels, "out", true);
    if (counts == nullptr || values == nullptr || guesses == nullptr || found == nullptr)
        return false;
    shape.features = static_cast<const int32_t *>(counts->buf);
    std::vector<Group> groups;
    for (int group = 0; group < shape.groups; group++) {
        const Py_buffer *mask = held.take(PyTuple_GetItem(masks, group), -1, "masks");
        if (mask == nullptr)
            return false;
        const Py_ssize_t length = mask->len / tables;
        const Py_buffer *token = held.take(PyTuple_GetItem(tokens, group), 4 * tables * length * shape.features[group], "tokens");
        if (token == nullptr)
            return false;
        groups.push_back({static_cast<const float *>(token->buf), static_cast<const uint8_t *>(mask->buf), length});
    }
    const float *first = static_cast<const float *>(values->buf);
    const Network network(shape, Weights{first});
    if (values->len != static_cast<Py_ssize_t>(4 * (network.end - first))) {
        PyErr_Format(PyExc_ValueError, "got %zd bytes of weights, wanted %zd", values->len,
                     static_cast<Py_ssize_t>(4 * (network.end - first)));
        return false;
    }
    bool enough = true;
    Py_BEGIN_ALLOW_THREADS;
    try {
        (is_wide() ? wide::forward : plain::forward)(network, groups.data(), static_cast<const float *>(guesses->buf), tables,
                                                     static_cast<float *>(found->buf));
    } catch (const std::bad_alloc &) {
        enough = false;
    }
    Py_END_ALLOW_THREADS;
    if (!enough)
        PyErr_NoMemory();
    return enough;
}

PyObject *forward(PyObject *, PyObject *args) {
    try {
        if (!answer(args))
            return nullptr;
    } catch (const std::bad_alloc &) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {{"forward", forward, METH_VARARGS, forward_doc}, {nullptr, nullptr, 0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_forward", "A network's answers, without torch.", -1, methods,
                          nullptr,               nullptr,    nullptr,                               nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__forward() { return PyModule_Create(&definition); }
