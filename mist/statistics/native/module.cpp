/* A table's statistics in one call: the same numbers as the torch code of this package gives, without its many calls.
 *
 * One file of headers for each stage, named as the Python file that it follows; that file tells what is computed and
 * why. They are compiled twice on x86-64, for processors with AVX2 and FMA and for all others.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <future>
#include <initializer_list>
#include <new>
#include <stdexcept>

#include "space.h"

#if !defined(__GNUC__)
#error "needs the vector types of GCC or Clang; without this file, the package does the same in numpy and torch"
#endif
#define INLINE static inline __attribute__((always_inline))

typedef Py_ssize_t Index;

// What is counted around every row of a table; see counting.py.
struct Task {
    Index rows, columns[2], steps;
    const int32_t *k;       // (RADII,), increasing
    const int32_t *widths;  // (steps, 2): leading columns of s and of t that each step looks at
    int euclidean;
    float relative, absolute;  // rows this much further off count as tied
};

// Most rows that searches for neighbours look at; see budget.py.
struct Budget {
    Index all, first, leading, matched;
};

// Tables of one shape, and what depends on that alone.
struct Job {
    Index n;
    int d_x, d_y;
    const double *scores, *raw_scores;  // normal score and uniform rank by twice the mid-rank, (2 N + 1, 2) each
    const int64_t *mixing;              // a fixed order of rows, (N,)
    const double *psi;                  // digamma of 0 to N
    const double *projections[3];       // directions in 1, 2 and 3 variates
    Budget rows;
    double gaussian_bias;
};

typedef void Eigen(char *, char *, int *, double *, int *, double *, double *, int *, int *, int *, int *);
static Eigen *lapack_eigen = nullptr;  // LAPACK's dsyevd, as scipy has it

namespace {
namespace plain {
#include "stages.h"
}
}  // namespace
#if !defined(__clang__) && defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace {
namespace wide {
#include "stages.h"
}
}  // namespace
#pragma GCC pop_options
static bool is_wide() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
namespace wide = plain;
static bool is_wide() { return false; }
#endif

namespace {

constexpr int RADII = plain::RADII, FEW = plain::FEW, MOST_K = plain::MOST_K;

bool fits(const Py_buffer *buffer, Py_ssize_t bytes, const char *name) {
    if (buffer->len == bytes)
        return true;
    PyErr_Format(PyExc_ValueError, "got %zd bytes of %s, wanted %zd", buffer->len, name, bytes);
    return false;
}

PyDoc_STRVAR(counts_doc,
             "counts(s, t, tied, k, widths, tables, rows, euclidean, relative, absolute, out)\n--\n\n"
             "Fill out (3, S, B, N, 3) int32 with k, n_s + 1 and n_t + 1 of every row and k.\n\n"
             "s (B, D_s, N) and t (B, D_t, N) are float32, tied (B, 2) int32, k (3,) int32 increasing and below N,\n"
             "widths (S, 2) int32 the leading columns of both sides that each step looks at, increasing.");

// The work of `counts` on buffers that are held; false with an error set.
bool fill(Task &task, Py_ssize_t tables, const Py_buffer &s, const Py_buffer &t, const Py_buffer &tied,
          const Py_buffer &k, const Py_buffer &widths, const Py_buffer &out) {
    const Py_ssize_t n = task.rows;
    task.steps = widths.len / 8;
    if (tables < 1 || n < 2 || task.steps < 1) {
        PyErr_Format(PyExc_ValueError, "got %zd tables of %zd rows and %zd steps, wanted at least 1, 2 and 1", tables, n,
                     task.steps);
        return false;
    }
    task.k = static_cast<const int32_t *>(k.buf);
    task.widths = static_cast<const int32_t *>(widths.buf);
    task.columns[0] = s.len / (4 * tables * n);
    task.columns[1] = t.len / (4 * tables * n);
    if (!fits(&s, 4 * tables * task.columns[0] * n, "s") || !fits(&t, 4 * tables * task.columns[1] * n, "t") ||
        !fits(&tied, 8 * tables, "tied") || !fits(&k, 4 * RADII, "k") || !fits(&widths, 8 * task.steps, "widths") ||
        !fits(&out, 12 * task.steps * tables * n * RADII, "out"))
        return false;
    if (task.k[0] < 1 || task.k[1] < task.k[0] || task.k[2] < task.k[1] || task.k[2] > MOST_K || task.k[2] >= n) {
        PyErr_Format(PyExc_ValueError, "got k = %d, %d, %d for %zd rows, wanted them increasing, below that and at most %d",
                     (int)task.k[0], (int)task.k[1], (int)task.k[2], n, MOST_K);
        return false;
    }
    for (Py_ssize_t place = 0; place < 2 * task.steps; place++)
        if (task.widths[place] < 1 || task.widths[place] > task.columns[place % 2]) {
            PyErr_SetString(PyExc_ValueError, "got widths outside of 1 and the columns there are");
            return false;
        } else if (!task.euclidean && task.widths[place] > FEW) {
            PyErr_Format(PyExc_ValueError, "got %d columns, wanted at most %d unless distances are Euclidean",
                         (int)task.widths[place], FEW);
            return false;
        }
    const float *left = static_cast<const float *>(s.buf), *right = static_cast<const float *>(t.buf);
    const int32_t *repeats = static_cast<const int32_t *>(tied.buf);
    int32_t *to = static_cast<int32_t *>(out.buf);
    bool enough = true;
    Py_BEGIN_ALLOW_THREADS;
    try {
        (is_wide() ? wide::count_tables : plain::count_tables)(task, tables, left, right, repeats, to);
    } catch (const std::bad_alloc &) {
        enough = false;
    }
    Py_END_ALLOW_THREADS;
    if (!enough)
        PyErr_NoMemory();
    return enough;
}

PyObject *counts(PyObject *, PyObject *args) {
    Py_buffer s, t, tied, k, widths, out;
    Py_ssize_t tables;
    Task task;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*nnpffw*", &s, &t, &tied, &k, &widths, &tables, &task.rows, &task.euclidean,
                          &task.relative, &task.absolute, &out))
        return nullptr;
    const bool done = fill(task, tables, s, t, tied, k, widths, out);
    for (Py_buffer *buffer : {&s, &t, &tied, &k, &widths, &out})
        PyBuffer_Release(buffer);
    if (!done)
        return nullptr;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(summarise_doc,
             "summarise(x, y, tables, rows, d_x, d_y, scores, raw_scores, mixing, psi, projections, all, first, leading,\n"
             "          matched, gaussian_bias, threads, tokens, anchors, correlations)\n--\n\n"
             "Fill tokens (B, F) float32, anchors (B, A) and correlations (B, D_x, D_y) float64 with what x (B, N, D_x) and\n"
             "y (B, N, D_y), float64, have. `scores` and `raw_scores` (2 N + 1, 2) hold normal score and uniform rank by\n"
             "twice the mid-rank, standardised and not; `mixing` (N,) int64 is an order of rows, `psi` (N + 1,) the digamma\n"
             "function, `projections` (14 x 1 + 14 x 2 + 14 x 3,) are directions in 1, 2 and 3 variates. One table of several columns,\n"
             "or of many rows, is the work of two of the threads.");

struct Arrays {
    Py_buffer x, y, scores, raw_scores, mixing, psi, projections, tokens, anchors, correlations;
};

// The work of `summarise` on buffers that are held; false with an error set.
bool describe(Job &job, Py_ssize_t tables, int threads, const Arrays &given) {
    const Py_ssize_t n = job.n, d_x = job.d_x, d_y = job.d_y, one = plain::PROJECTIONS;
    if (tables < 1 || n < 8 || d_x < 1 || d_y < 1) {
        PyErr_Format(PyExc_ValueError, "got %zd tables of %zd rows and %zd + %zd columns, wanted at least 1, 8 and 1 + 1", tables,
                     n, d_x, d_y);
        return false;
    }
    if (!fits(&given.x, 8 * tables * n * d_x, "x") || !fits(&given.y, 8 * tables * n * d_y, "y") ||
        !fits(&given.scores, 16 * (2 * n + 1), "scores") || !fits(&given.raw_scores, 16 * (2 * n + 1), "raw_scores") ||
        !fits(&given.mixing, 8 * n, "mixing") || !fits(&given.psi, 8 * (n + 1), "psi") ||
        !fits(&given.projections, 8 * 6 * one, "projections") ||
        !fits(&given.tokens, 4 * tables * plain::features_of(job), "tokens") ||
        !fits(&given.anchors, 8 * tables * plain::ANCHORS, "anchors") ||
        !fits(&given.correlations, 8 * tables * d_x * d_y, "correlations"))
        return false;
    job.scores = static_cast<const double *>(given.scores.buf);
    job.raw_scores = static_cast<const double *>(given.raw_scores.buf);
    job.mixing = static_cast<const int64_t *>(given.mixing.buf);
    job.psi = static_cast<const double *>(given.psi.buf);
    const double *projections = static_cast<const double *>(given.projections.buf);
    for (int count = 0; count < 3; count++) {
        job.projections[count] = projections;
        projections += one * (count + 1);
    }
    const double *x = static_cast<const double *>(given.x.buf), *y = static_cast<const double *>(given.y.buf);
    float *tokens = static_cast<float *>(given.tokens.buf);
    double *anchors = static_cast<double *>(given.anchors.buf), *correlations = static_cast<double *>(given.correlations.buf);
    bool enough = true, found = true;
    Py_BEGIN_ALLOW_THREADS;
    try {
        (is_wide() ? wide::summarise : plain::summarise)(job, tables, x, y, threads, tokens, anchors, correlations);
    } catch (const std::bad_alloc &) {
        enough = false;
    } catch (const std::exception &) {
        found = false;
    }
    Py_END_ALLOW_THREADS;
    if (!enough)
        PyErr_NoMemory();
    else if (!found)
        PyErr_SetString(PyExc_ArithmeticError, "eigenvalues of a table's correlations were not found");
    return enough && found;
}

PyObject *summarise(PyObject *, PyObject *args) {
    Arrays given;
    Py_ssize_t tables;
    int threads;
    Job job;
    if (!PyArg_ParseTuple(args, "y*y*nniiy*y*y*y*y*nnnndiw*w*w*", &given.x, &given.y, &tables, &job.n, &job.d_x, &job.d_y,
                          &given.scores, &given.raw_scores, &given.mixing, &given.psi, &given.projections, &job.rows.all,
                          &job.rows.first, &job.rows.leading, &job.rows.matched, &job.gaussian_bias, &threads, &given.tokens,
                          &given.anchors, &given.correlations))
        return nullptr;
    const bool done = describe(job, tables, threads, given);
    for (Py_buffer *buffer : {&given.x, &given.y, &given.scores, &given.raw_scores, &given.mixing, &given.psi,
                              &given.projections, &given.tokens, &given.anchors, &given.correlations})
        PyBuffer_Release(buffer);
    if (!done)
        return nullptr;
    Py_RETURN_NONE;
}

// Find LAPACK in scipy, which offers its own to others' compiled code.
bool find_lapack() {
    PyObject *module = PyImport_ImportModule("scipy.linalg.cython_lapack");
    PyObject *offered = module ? PyObject_GetAttrString(module, "__pyx_capi__") : nullptr;
    PyObject *capsule = offered ? PyMapping_GetItemString(offered, "dsyevd") : nullptr;
    if (capsule != nullptr)
        lapack_eigen = reinterpret_cast<Eigen *>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
    Py_XDECREF(capsule);
    Py_XDECREF(offered);
    Py_XDECREF(module);
    return lapack_eigen != nullptr;
}

PyMethodDef methods[] = {{"counts", counts, METH_VARARGS, counts_doc},
                         {"summarise", summarise, METH_VARARGS, summarise_doc},
                         {nullptr, nullptr, 0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", "A table's statistics in one call.", -1, methods,
                          nullptr,               nullptr,   nullptr,                             nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__native() { return find_lapack() ? PyModule_Create(&definition) : nullptr; }
