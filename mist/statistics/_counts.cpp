/* What KSG counts around every row of B tables.
 *
 * For each row: its k-th nearest rows in the joint space under max(d_s, d_t), and how many rows lie closer than that
 * in either side. Distances are float32, within a side the maximum over columns or the squared Euclidean distance;
 * neighbours.py tells what is done about ties, counting.py does the same without this file, more slowly.
 *
 * LANES rows are looked at together, one in each lane of a vector: no branch depends on a distance, and a branch that
 * nobody can foresee costs more than many sums. Where the distance is the maximum over columns, which are few, rows are
 * sorted by a column and only those near it are looked at: none further off in one column is near in all. Euclidean
 * distances are all taken.
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
constexpr int FEW = 3;     // most columns of a side whose largest difference is the distance
constexpr int STEP = 16;   // rows by which a window grows

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

struct Task {
    Py_ssize_t rows, columns[2], steps;
    const int32_t *k;       // (RADII,), increasing
    const int32_t *widths;  // (steps, 2): leading columns of s and of t that each step looks at
    int euclidean;
    float relative, absolute;  // rows this much further off count as tied
};

// Raise the squared distances (N,) of some rows by the differences along a column (N,).
INLINE void add_column(Floats *distance, const float *column, Py_ssize_t n, Py_ssize_t first, bool begin) {
    Floats at;
    for (int lane = 0; lane < LANES; lane++)
        at[lane] = column[first + lane < n ? first + lane : n - 1];
    for (Py_ssize_t j = 0; j < n; j++) {
        const Floats gap = column[j] - at;
        distance[j] = begin ? gap * gap : distance[j] + gap * gap;
    }
}

// Put a distance of each of some rows among its MOST_K smallest, which increase.
INLINE void insert(Floats next, Floats *nearest) {
#pragma GCC unroll 8
    for (int place = 0; place < MOST_K; place++) {
        const Floats less = next < nearest[place] ? next : nearest[place];
        next = next < nearest[place] ? nearest[place] : next;
        nearest[place] = less;
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
        insert(next, nearest);
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

// All rows of one table s (columns, N), t (columns, N) by all Euclidean distances; out (3, steps, ., N, RADII), `stride`
// between its parts.
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
                    add_column(distances[side], sides[side] + done[side] * n, n, first, done[side] == 0);
            count_rows(task, distances[0], distances[1], first, tied, out + step * step_stride, stride);
        }
    }
}

struct Entry {
    float value;
    int32_t row;
};

// One table with its rows sorted; LANES entries beyond each column are further off than any row.
struct Sorted {
    Py_ssize_t rows, stride;  // `stride` entries from column to column
    const float *s, *t;       // either side, rows in the order of the first column of s
    const float *own;         // t once more, rows in the order of its own first column
    const int32_t *place;     // where each row of t stands in `own`
    const int32_t *row;       // where each row stood in the table
};

// Sort rows by a column (N,).
void sort_by(const float *column, Py_ssize_t n, Entry *entries) {
    for (Py_ssize_t j = 0; j < n; j++)
        entries[j] = {column[j], static_cast<int32_t>(j)};
    std::sort(entries, entries + n, [](const Entry &a, const Entry &b) { return a.value < b.value; });
}

// Columns (columns, N) with their rows in the order of entries, to (columns, stride).
void gather(const float *columns, Py_ssize_t count, Py_ssize_t n, const Entry *entries, Py_ssize_t stride, float *to) {
    for (Py_ssize_t column = 0; column < count; column++, to += stride) {
        for (Py_ssize_t j = 0; j < n; j++)
            to[j] = columns[column * n + entries[j].row];
        std::fill(to + n, to + stride, FLT_MAX);
    }
}

// Lower the nearest distances of some rows, from `own` on, by those to rows from `begin` to `end` in D columns.
template <int D>
INLINE void look(const float *const *columns, const Floats *at, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t own,
                 Floats *nearest) {
    for (Py_ssize_t j = begin; j < end; j++) {
        Floats next{};
#pragma GCC unroll 6
        for (int column = 0; column < D; column++) {
            const Floats gap = columns[column][j] - at[column];
            const Floats size = gap < 0 ? -gap : gap;
            next = size > next ? size : next;
        }
        if (j >= own && j < own + LANES)
            next[j - own] = FLT_MAX;  // a row is no neighbour of its own
        insert(next, nearest);
    }
}

INLINE bool any(const Ints &lanes) {
    int found = 0;
    for (int lane = 0; lane < LANES; lane++)
        found |= lanes[lane];
    return found != 0;
}

// The MOST_K smallest distances of some rows from `first` on in D columns, sorted by the first; exact up to the k-th.
template <int D>
INLINE void nearest_sorted(const float *const *columns, Py_ssize_t n, Py_ssize_t first, int k, Floats *nearest) {
    Floats at[D];
    for (int column = 0; column < D; column++) {
        float lanes[LANES];
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = columns[column][first + lane < n ? first + lane : n - 1];
        std::memcpy(&at[column], lanes, sizeof(lanes));
    }
    for (int place = 0; place < MOST_K; place++)
        nearest[place] = Floats{} + FLT_MAX;
    Py_ssize_t begin = first, end = first + LANES < n ? first + LANES : n;
    look<D>(columns, at, begin, end, first, nearest);
    for (;;) {
        const Floats bound = nearest[k - 1];
        const bool before = begin > 0 && any(at[0] - columns[0][begin - 1] < bound);
        const bool after = end < n && any(columns[0][end] - at[0] < bound);
        if (!before && !after)
            return;
        if (before) {
            const Py_ssize_t from = begin > STEP ? begin - STEP : 0;
            look<D>(columns, at, from, begin, first, nearest);
            begin = from;
        }
        if (after) {
            const Py_ssize_t to = end + STEP < n ? end + STEP : n;
            look<D>(columns, at, end, to, first, nearest);
            end = to;
        }
    }
}

// Of `count` entries that approach `at` by `step`, how many are further off than each radius, all radii at once.
INLINE void beyond(const float *entries, Py_ssize_t count, Py_ssize_t step, float at, const float *radius, Py_ssize_t *found) {
    for (int k = 0; k < RADII; k++)
        found[k] = 0;
    for (Py_ssize_t left = count; left > 0;) {  // no branch depends on an entry
        const Py_ssize_t half = (left + 1) / 2;
        for (int k = 0; k < RADII; k++)
            found[k] += std::fabs(entries[(found[k] + half - 1) * step] - at) > radius[k] ? half : 0;
        left -= half;
    }
}

// How many rows of D columns, sorted by the first, are no further from the one at `place` than each radius.
template <int D>
INLINE void count_sorted(const float *const *columns, Py_ssize_t n, Py_ssize_t place, const float *radius, int32_t *found) {
    const float *first = columns[0];
    Py_ssize_t below[RADII], above[RADII];
    beyond(first, place, 1, first[place], radius, below);
    beyond(first + n - 1, n - 1 - place, -1, first[place], radius, above);
    if (D == 1) {
        for (int k = 0; k < RADII; k++)
            found[k] = static_cast<int32_t>(n - below[k] - above[k]);
        return;
    }
    Ints sums[RADII] = {};
    for (Py_ssize_t j = below[RADII - 1]; j < n - above[RADII - 1]; j += LANES) {  // beyond are none within a radius
        Floats distance{};
#pragma GCC unroll 6
        for (int column = 0; column < D; column++) {
            Floats values;
            std::memcpy(&values, columns[column] + j, sizeof(values));
            const Floats gap = values - columns[column][place];
            const Floats size = gap < 0 ? -gap : gap;
            distance = size > distance ? size : distance;
        }
        for (int k = 0; k < RADII; k++)
            sums[k] -= distance <= radius[k];
    }
    for (int k = 0; k < RADII; k++) {
        found[k] = 0;
        for (int lane = 0; lane < LANES; lane++)
            found[k] += sums[k][lane];
    }
}

// All rows of a sorted table, to out as for `count_rows`; false if rows coincide and the table was not said to be tied.
template <int D_S, int D_T>
INLINE bool count_few(const Task &task, const Sorted &table, bool tied, int32_t *out, Py_ssize_t stride) {
    const Py_ssize_t n = table.rows;
    const float *joint[D_S + D_T], *own[D_T];  // the columns of s come first
    for (int column = 0; column < D_S; column++)
        joint[column] = table.s + column * table.stride;
    for (int column = 0; column < D_T; column++) {
        joint[D_S + column] = table.t + column * table.stride;
        own[column] = table.own + column * table.stride;
    }
    for (Py_ssize_t first = 0; first < n; first += LANES) {
        Floats nearest[MOST_K];
        nearest_sorted<D_S + D_T>(joint, n, first, task.k[RADII - 1], nearest);
        for (Py_ssize_t row = first; row < n && row < first + LANES; row++) {
            float near[RADII], far[RADII];
            int32_t k[RADII], n_s[RADII], n_t[RADII];
            for (int place = 0; place < RADII; place++) {
                const float radius = nearest[task.k[place] - 1][row - first];
                if (radius <= 0 && !tied)
                    return false;
                const float low = radius * (1.0f - task.relative) - task.absolute;
                near[place] = !tied ? std::nextafter(radius, -1.0f) : low > 0 ? low : 0.0f;
                far[place] = radius * (1.0f + task.relative) + task.absolute;
                k[place] = task.k[place];
            }
            count_sorted<D_S>(joint, n, row, near, n_s);
            count_sorted<D_T>(own, n, table.place[row], near, n_t);
            if (tied) {
                int32_t within[RADII], far_s[RADII], far_t[RADII];
                count_sorted<D_S + D_T>(joint, n, row, far, within);
                count_sorted<D_S>(joint, n, row, far, far_s);
                count_sorted<D_T>(own, n, table.place[row], far, far_t);
                for (int place = 0; place < RADII; place++) {
                    k[place] = std::max(k[place], within[place] - 1);  // the row itself is within and no neighbour
                    n_s[place] = far_s[place] - n_s[place] > 1 ? far_s[place] : n_s[place];
                    n_t[place] = far_t[place] - n_t[place] > 1 ? far_t[place] : n_t[place];
                }
            }
            int32_t *at = out + table.row[row] * RADII;
            for (int place = 0; place < RADII; place++) {
                at[place] = k[place];
                at[stride + place] = n_s[place];
                at[2 * stride + place] = n_t[place];
            }
        }
    }
    return true;
}

// As `count_few` for the leading d_s and d_t columns.
WIDE bool count_sorted_table(const Task &task, const Sorted &table, bool tied, int d_s, int d_t, int32_t *out,
                             Py_ssize_t stride) {
    switch (FEW * (d_s - 1) + d_t - 1) {
    case 0: return count_few<1, 1>(task, table, tied, out, stride);
    case 1: return count_few<1, 2>(task, table, tied, out, stride);
    case 2: return count_few<1, 3>(task, table, tied, out, stride);
    case 3: return count_few<2, 1>(task, table, tied, out, stride);
    case 4: return count_few<2, 2>(task, table, tied, out, stride);
    case 5: return count_few<2, 3>(task, table, tied, out, stride);
    case 6: return count_few<3, 1>(task, table, tied, out, stride);
    case 7: return count_few<3, 2>(task, table, tied, out, stride);
    default: return count_few<3, 3>(task, table, tied, out, stride);
    }
}

// Bytes of memory that one table takes: all distances, or its rows sorted.
size_t space_for(const Task &task) {
    const size_t n = task.rows, all = 2 * n * sizeof(Floats);
    const size_t sorted = (2 * sizeof(Entry) + 2 * sizeof(int32_t)) * n +
                          (task.columns[0] + 2 * task.columns[1]) * (n + LANES) * sizeof(float);
    return (all > sorted ? all : sorted) + sizeof(Floats);
}

// As `count_table` in a table of at most FEW columns a side.
void by_sorting(const Task &task, const float *s, const float *t, bool tied, char *space, int32_t *out, Py_ssize_t stride,
                Py_ssize_t step_stride) {
    const Py_ssize_t n = task.rows, wide = n + LANES, d_s = task.columns[0], d_t = task.columns[1];
    Entry *by_s = reinterpret_cast<Entry *>(space), *by_t = by_s + n;
    int32_t *place = reinterpret_cast<int32_t *>(by_t + n), *row = place + n;
    float *left = reinterpret_cast<float *>(row + n), *right = left + d_s * wide, *own = right + d_t * wide;
    sort_by(s, n, by_s);
    sort_by(t, n, by_t);
    gather(s, d_s, n, by_s, wide, left);
    gather(t, d_t, n, by_s, wide, right);
    gather(t, d_t, n, by_t, wide, own);
    for (Py_ssize_t j = 0; j < n; j++)
        row[by_t[j].row] = static_cast<int32_t>(j);  // for now: where each row of the table stands in `own`
    for (Py_ssize_t j = 0; j < n; j++)
        place[j] = row[by_s[j].row];
    for (Py_ssize_t j = 0; j < n; j++)
        row[j] = by_s[j].row;
    const Sorted table{n, wide, left, right, own, place, row};
    for (Py_ssize_t step = 0; step < task.steps; step++) {
        const int d_s = task.widths[2 * step], d_t = task.widths[2 * step + 1];
        int32_t *to = out + step * step_stride;
        if (!count_sorted_table(task, table, tied, d_s, d_t, to, stride))
            count_sorted_table(task, table, true, d_s, d_t, to, stride);
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
        } else if (!task.euclidean && task.widths[place] > FEW) {
            PyErr_Format(PyExc_ValueError, "got %d columns, wanted at most %d unless distances are Euclidean",
                         (int)task.widths[place], FEW);
            return false;
        }
    char *space = static_cast<char *>(std::malloc(space_for(task)));
    if (space == nullptr) {
        PyErr_NoMemory();
        return false;
    }
    const uintptr_t misplaced = reinterpret_cast<uintptr_t>(space) % sizeof(Floats);
    char *aligned = space + (misplaced ? sizeof(Floats) - misplaced : 0);
    const Py_ssize_t step_stride = tables * n * RADII, stride = task.steps * step_stride;
    Py_BEGIN_ALLOW_THREADS;
    for (Py_ssize_t table = 0; table < tables; table++) {
        const float *left = static_cast<const float *>(s.buf) + table * task.columns[0] * n;
        const float *right = static_cast<const float *>(t.buf) + table * task.columns[1] * n;
        const bool repeats = static_cast<const int32_t *>(tied.buf)[table] != 0;
        int32_t *to = static_cast<int32_t *>(out.buf) + table * n * RADII;
        if (task.euclidean)
            count_table(task, left, right, repeats, reinterpret_cast<Floats *>(aligned), to, stride, step_stride);
        else
            by_sorting(task, left, right, repeats, aligned, to, stride, step_stride);
    }
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
