/* What KSG counts around every row of B tables, by all distances.
 *
 * For each row: its k-th nearest rows in the joint space under max(d_s, d_t), and how many rows lie closer than that
 * in either side. Distances are float32, within a side the maximum over columns or the squared Euclidean distance;
 * neighbours.py tells what is done about ties, counting.py does the same without this file, more slowly.
 *
 * LANES rows are looked at together, one in each lane of a vector: no branch depends on a distance, and a branch that
 * nobody can foresee costs more than many sums.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#if !defined(__GNUC__)
#error "needs the vector types of GCC or Clang; without this file, the package does the same in numpy"
#endif
#define INLINE static inline __attribute__((always_inline))
#if !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

namespace {

constexpr int RADII = 3;   // values of k
constexpr int MOST_K = 8;  // largest k
constexpr int LANES = 8;   // rows looked at together

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

struct Task {
    Py_ssize_t rows, columns[2], steps;
    const int32_t *k;       // (RADII,), increasing
    const int32_t *widths;  // (steps, 2): leading columns of s and of t that each step looks at
    int euclidean;
    float relative, absolute;  // rows this much further off count as tied
};

// Raise the distances (N,) of some rows by a column (N,): to the larger difference, or by its square.
INLINE void add_column(Floats *distance, const float *column, Py_ssize_t n, Py_ssize_t first, bool begin, bool euclidean) {
    Floats at;
    for (int lane = 0; lane < LANES; lane++)
        at[lane] = column[first + lane < n ? first + lane : n - 1];
    for (Py_ssize_t j = 0; j < n; j++) {
        const Floats gap = column[j] - at;
        if (euclidean) {
            distance[j] = begin ? gap * gap : distance[j] + gap * gap;
        } else {
            const Floats size = gap < 0 ? -gap : gap;
            distance[j] = begin || size > distance[j] ? size : distance[j];
        }
    }
}

// The MOST_K smallest joint distances of each of some rows from `first` on, increasing; FLT_MAX where there are fewer.
INLINE void nearest_rows(const Floats *d_s, const Floats *d_t, Py_ssize_t n, Py_ssize_t first, Floats *found) {
    Floats nearest[MOST_K];
    for (int place = 0; place < MOST_K; place++)
        nearest[place] = Floats{} + FLT_MAX;
    for (Py_ssize_t j = 0; j < n; j++) {
        Floats next = d_s[j] > d_t[j] ? d_s[j] : d_t[j];
        if (j >= first && j < first + LANES)
            next[j - first] = FLT_MAX;  // a row is no neighbour of its own
#pragma GCC unroll 8
        for (int place = 0; place < MOST_K; place++) {
            const Floats less = next < nearest[place] ? next : nearest[place];
            next = next < nearest[place] ? nearest[place] : next;
            nearest[place] = less;
        }
    }
    for (int place = 0; place < MOST_K; place++)
        found[place] = nearest[place];
}

// How many distances of each of some rows are at most each radius.
INLINE void count_within(const Floats *distance, Py_ssize_t n, const Floats *radius, Ints *found) {
    const Floats one = radius[0], two = radius[1], three = radius[2];
    Ints a{}, b{}, c{};
    for (Py_ssize_t j = 0; j < n; j++) {
        a -= distance[j] <= one;
        b -= distance[j] <= two;
        c -= distance[j] <= three;
    }
    found[0] = a;
    found[1] = b;
    found[2] = c;
}

// Count around some rows from `first` on: k, n_s + 1 and n_t + 1 for every radius, to out, out + stride and so on.
INLINE void count_rows(const Task &task, const Floats *d_s, const Floats *d_t, Py_ssize_t first, bool tied, int32_t *out,
                       Py_ssize_t stride) {
    const Py_ssize_t n = task.rows, rows = n - first < LANES ? n - first : LANES;
    Floats nearest[MOST_K], near[RADII], far[RADII];
    Ints k[RADII], n_s[RADII], n_t[RADII];
    nearest_rows(d_s, d_t, n, first, nearest);
    for (int place = 0; place < RADII; place++) {
        const Floats radius = nearest[task.k[place] - 1];
        k[place] = Ints{} + task.k[place];
        for (int lane = 0; lane < LANES; lane++) {
            near[place][lane] = std::nextafter(radius[lane], -1.0f);
            tied = tied || (lane < rows && radius[lane] <= 0);  // float32 may tie what was apart
        }
    }
    if (tied)
        for (int place = 0; place < RADII; place++) {
            const Floats radius = nearest[task.k[place] - 1];
            const Floats low = radius * (1.0f - task.relative) - task.absolute;
            near[place] = low > 0 ? low : Floats{};
            far[place] = radius * (1.0f + task.relative) + task.absolute;
        }
    count_within(d_s, n, near, n_s);
    count_within(d_t, n, near, n_t);
    if (tied) {
        Ints far_s[RADII], far_t[RADII];
        count_within(d_s, n, far, far_s);
        count_within(d_t, n, far, far_t);
        for (int place = 0; place < RADII; place++) {
            Ints within = Ints{} - 1;  // the row itself is within and no neighbour
            for (Py_ssize_t j = 0; j < n; j++)
                within -= (d_s[j] <= far[place]) & (d_t[j] <= far[place]);
            k[place] = within > k[place] ? within : k[place];
            n_s[place] = far_s[place] - n_s[place] > 1 ? far_s[place] : n_s[place];
            n_t[place] = far_t[place] - n_t[place] > 1 ? far_t[place] : n_t[place];
        }
    }
    for (Py_ssize_t lane = 0; lane < rows; lane++)
        for (int place = 0; place < RADII; place++) {
            int32_t *at = out + (first + lane) * RADII + place;
            at[0] = k[place][lane];
            at[stride] = n_s[place][lane];
            at[2 * stride] = n_t[place][lane];
        }
}

// All rows of one table s (columns, N), t (columns, N); out (3, steps, ., N, RADII), `stride` between its parts.
WIDE void count_table(const Task &task, const float *s, const float *t, bool tied, Floats *space, int32_t *out,
                      Py_ssize_t stride, Py_ssize_t step_stride) {
    const Py_ssize_t n = task.rows;
    const float *sides[2] = {s, t};
    Floats *distances[2] = {space, space + n};
    for (Py_ssize_t first = 0; first < n; first += LANES) {
        Py_ssize_t done[2] = {0, 0};
        for (Py_ssize_t step = 0; step < task.steps; step++) {
            for (int side = 0; side < 2; side++)
                for (; done[side] < task.widths[2 * step + side]; done[side]++)
                    if (task.euclidean)
                        add_column(distances[side], sides[side] + done[side] * n, n, first, done[side] == 0, true);
                    else
                        add_column(distances[side], sides[side] + done[side] * n, n, first, done[side] == 0, false);
            count_rows(task, distances[0], distances[1], first, tied, out + step * step_stride, stride);
        }
    }
}

bool fits(const Py_buffer *buffer, Py_ssize_t items, const char *name) {
    if (buffer->len == items * 4)
        return true;
    PyErr_Format(PyExc_ValueError, "got %zd bytes of %s, wanted %zd", buffer->len, name, items * 4);
    return false;
}

PyDoc_STRVAR(counts_doc,
             "counts(s, t, tied, k, widths, tables, rows, euclidean, relative, absolute, out)\n--\n\n"
             "Fill out (3, S, B, N, 3) int32 with k, n_s + 1 and n_t + 1 of every row and k.\n\n"
             "s (B, D_s, N) and t (B, D_t, N) are float32, tied (B,) int32, k (3,) int32 increasing and below N,\n"
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
    if (!fits(&s, tables * task.columns[0] * n, "s") || !fits(&t, tables * task.columns[1] * n, "t") ||
        !fits(&tied, tables, "tied") || !fits(&k, RADII, "k") || !fits(&widths, 2 * task.steps, "widths") ||
        !fits(&out, 3 * task.steps * tables * n * RADII, "out"))
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
        }
    void *space = std::malloc((2 * n + 1) * sizeof(Floats));
    if (space == nullptr) {
        PyErr_NoMemory();
        return false;
    }
    const uintptr_t misplaced = reinterpret_cast<uintptr_t>(space) % sizeof(Floats);
    Floats *aligned = reinterpret_cast<Floats *>(static_cast<char *>(space) + (misplaced ? sizeof(Floats) - misplaced : 0));
    const Py_ssize_t step_stride = tables * n * RADII, stride = task.steps * step_stride;
    Py_BEGIN_ALLOW_THREADS;
    for (Py_ssize_t table = 0; table < tables; table++)
        count_table(task, static_cast<const float *>(s.buf) + table * task.columns[0] * n,
                    static_cast<const float *>(t.buf) + table * task.columns[1] * n,
                    static_cast<const int32_t *>(tied.buf)[table] != 0, aligned,
                    static_cast<int32_t *>(out.buf) + table * n * RADII, stride, step_stride);
    Py_END_ALLOW_THREADS;
    std::free(space);
    return true;
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

PyMethodDef methods[] = {{"counts", counts, METH_VARARGS, counts_doc}, {nullptr, nullptr, 0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_counts", "What KSG counts around every row.", -1, methods,
                          nullptr,               nullptr,   nullptr,                             nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__counts() { return PyModule_Create(&definition); }
