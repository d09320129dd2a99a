/* What KSG counts around every row of B tables, by all distances, one row after another.
 *
 * For each row: its k-th nearest rows in the joint space under max(d_s, d_t), and how many rows lie closer than that
 * in either side. Distances are float32, within a side the maximum over columns or the squared Euclidean distance;
 * neighbours.py tells what is done about ties, counting.py does the same without this file, more slowly.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define RADII 3    /* values of k */
#define MOST_K 16  /* largest k */
#define CHUNK 32   /* distances that are passed over at once where none is small enough */

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif
#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

typedef struct {
    Py_ssize_t rows, columns_s, columns_t, steps;
    const int32_t *k;       /* (RADII,), increasing */
    const int32_t *widths;  /* (steps, 2): leading columns of s and of t that each step looks at */
    int euclidean;
    float relative, absolute;  /* rows this much further off count as tied */
} Task;

/* Raise distances (N,) by a column (N,): to the larger difference, or by its square. The first begins them. */
INLINE void add_column(float *restrict distance, const float *restrict column, Py_ssize_t n, float at, int first,
                       int euclidean) {
    if (first) {
        for (Py_ssize_t j = 0; j < n; j++) {
            float gap = column[j] - at;
            distance[j] = euclidean ? gap * gap : fabsf(gap);
        }
    } else if (euclidean) {
        for (Py_ssize_t j = 0; j < n; j++) {
            float gap = column[j] - at;
            distance[j] += gap * gap;
        }
    } else {
        for (Py_ssize_t j = 0; j < n; j++) {
            float gap = fabsf(column[j] - at);
            distance[j] = gap > distance[j] ? gap : distance[j];
        }
    }
}

/* The `most` smallest of (N,), increasing; FLT_MAX where there are fewer. */
INLINE void smallest(const float *restrict distance, Py_ssize_t n, int32_t most, float *restrict found) {
    for (int32_t place = 0; place < most; place++)
        found[place] = FLT_MAX;
    for (Py_ssize_t first = 0; first < n; first += CHUNK) {
        Py_ssize_t end = first + CHUNK < n ? first + CHUNK : n;
        float bound = found[most - 1];
        int32_t any = 0;
        for (Py_ssize_t j = first; j < end; j++)
            any |= distance[j] < bound;
        if (!any)
            continue;
        for (Py_ssize_t j = first; j < end; j++) {
            if (distance[j] >= found[most - 1])
                continue;
            int32_t place = most - 1;
            for (; place > 0 && found[place - 1] > distance[j]; place--)
                found[place] = found[place - 1];
            found[place] = distance[j];
        }
    }
}

/* How many of (N,) are at most each radius. */
INLINE void count_within(const float *restrict distance, Py_ssize_t n, const float *radius, int32_t *restrict counts) {
    float first = radius[0], second = radius[1], third = radius[2];
    int32_t a = 0, b = 0, c = 0;
    for (Py_ssize_t j = 0; j < n; j++) {
        a += distance[j] <= first;
        b += distance[j] <= second;
        c += distance[j] <= third;
    }
    counts[0] = a;
    counts[1] = b;
    counts[2] = c;
}

/* Count around row i: k, n_s + 1 and n_t + 1 for every radius. */
INLINE void count_row(const Task *task, const float *d_s, const float *d_t, float *joint, Py_ssize_t i, int tied,
                      int32_t *k, int32_t *n_s, int32_t *n_t) {
    Py_ssize_t n = task->rows;
    float nearest[MOST_K], radius[RADII], near[RADII], far[RADII];
    for (Py_ssize_t j = 0; j < n; j++)
        joint[j] = d_s[j] > d_t[j] ? d_s[j] : d_t[j];
    joint[i] = FLT_MAX;
    smallest(joint, n, task->k[RADII - 1], nearest);
    for (int place = 0; place < RADII; place++) {
        radius[place] = nearest[task->k[place] - 1];
        tied |= radius[place] <= 0; /* float32 may tie what was apart */
    }
    if (!tied) {
        for (int place = 0; place < RADII; place++) {
            near[place] = nextafterf(radius[place], -1.0f);
            k[place] = task->k[place];
        }
        count_within(d_s, n, near, n_s);
        count_within(d_t, n, near, n_t);
        return;
    }
    int32_t far_s[RADII], far_t[RADII];
    for (int place = 0; place < RADII; place++) {
        float low = radius[place] * (1.0f - task->relative) - task->absolute;
        near[place] = low > 0 ? low : 0;
        far[place] = radius[place] * (1.0f + task->relative) + task->absolute;
    }
    count_within(d_s, n, near, n_s);
    count_within(d_t, n, near, n_t);
    count_within(d_s, n, far, far_s);
    count_within(d_t, n, far, far_t);
    count_within(joint, n, far, k);
    for (int place = 0; place < RADII; place++) {
        n_s[place] = far_s[place] - n_s[place] > 1 ? far_s[place] : n_s[place];
        n_t[place] = far_t[place] - n_t[place] > 1 ? far_t[place] : n_t[place];
        k[place] = k[place] > task->k[place] ? k[place] : task->k[place];
    }
}

/* All rows of one table s (columns_s, N), t (columns_t, N); out (3, steps, ., N, RADII), `stride` between its parts. */
WIDE static void count_table(const Task *task, const float *s, const float *t, int tied, float *space, int32_t *out,
                             Py_ssize_t stride, Py_ssize_t step_stride) {
    Py_ssize_t n = task->rows;
    float *d_s = space, *d_t = space + n, *joint = space + 2 * n;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_ssize_t done_s = 0, done_t = 0;
        for (Py_ssize_t step = 0; step < task->steps; step++) {
            for (; done_s < task->widths[2 * step]; done_s++)
                add_column(d_s, s + done_s * n, n, s[done_s * n + i], done_s == 0, task->euclidean);
            for (; done_t < task->widths[2 * step + 1]; done_t++)
                add_column(d_t, t + done_t * n, n, t[done_t * n + i], done_t == 0, task->euclidean);
            int32_t *at = out + step * step_stride + i * RADII;
            count_row(task, d_s, d_t, joint, i, tied, at, at + stride, at + 2 * stride);
        }
    }
}

static int fits(Py_buffer *buffer, Py_ssize_t items, const char *name) {
    if (buffer->len == items * 4)
        return 1;
    PyErr_Format(PyExc_ValueError, "got %zd bytes of %s, wanted %zd", buffer->len, name, items * 4);
    return 0;
}

PyDoc_STRVAR(counts_doc,
             "counts(s, t, tied, k, widths, tables, rows, euclidean, relative, absolute, out)\n--\n\n"
             "Fill out (3, S, B, N, 3) int32 with k, n_s + 1 and n_t + 1 of every row and k.\n\n"
             "s (B, D_s, N) and t (B, D_t, N) are float32, tied (B,) int32, k (3,) int32 increasing and below N,\n"
             "widths (S, 2) int32 the leading columns of both sides that each step looks at, increasing.");

static PyObject *counts(PyObject *module, PyObject *args) {
    Py_buffer s, t, tied, k, widths, out;
    Py_ssize_t tables;
    Task task;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*nnpffw*", &s, &t, &tied, &k, &widths, &tables, &task.rows, &task.euclidean,
                          &task.relative, &task.absolute, &out))
        return NULL;
    PyObject *answer = NULL;
    float *space = NULL;
    Py_ssize_t n = task.rows;
    task.steps = widths.len / 8;
    if (tables < 1 || n < 2 || task.steps < 1) {
        PyErr_Format(PyExc_ValueError, "got %zd tables of %zd rows and %zd steps, wanted at least 1, 2 and 1", tables, n,
                     task.steps);
        goto done;
    }
    task.k = k.buf;
    task.widths = widths.buf;
    task.columns_s = s.len / (4 * tables * n);
    task.columns_t = t.len / (4 * tables * n);
    if (!fits(&s, tables * task.columns_s * n, "s") || !fits(&t, tables * task.columns_t * n, "t") ||
        !fits(&tied, tables, "tied") || !fits(&k, RADII, "k") || !fits(&widths, 2 * task.steps, "widths") ||
        !fits(&out, 3 * task.steps * tables * n * RADII, "out"))
        goto done;
    if (task.k[0] < 1 || task.k[1] < task.k[0] || task.k[2] < task.k[1] || task.k[2] > MOST_K || task.k[2] >= n) {
        PyErr_Format(PyExc_ValueError, "got k = %d, %d, %d for %zd rows, wanted them increasing, below that and at most %d",
                     (int)task.k[0], (int)task.k[1], (int)task.k[2], n, MOST_K);
        goto done;
    }
    for (Py_ssize_t step = 0; step < task.steps; step++)
        if (task.widths[2 * step] < 1 || task.widths[2 * step] > task.columns_s || task.widths[2 * step + 1] < 1 ||
            task.widths[2 * step + 1] > task.columns_t) {
            PyErr_SetString(PyExc_ValueError, "got widths outside of 1 and the columns there are");
            goto done;
        }
    space = malloc(3 * (size_t)n * sizeof(float));
    if (space == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    Py_ssize_t step_stride = tables * n * RADII, stride = task.steps * step_stride;
    Py_BEGIN_ALLOW_THREADS;
    for (Py_ssize_t table = 0; table < tables; table++)
        count_table(&task, (const float *)s.buf + table * task.columns_s * n,
                    (const float *)t.buf + table * task.columns_t * n, ((const int32_t *)tied.buf)[table] != 0, space,
                    (int32_t *)out.buf + table * n * RADII, stride, step_stride);
    Py_END_ALLOW_THREADS;
    answer = Py_None;
    Py_INCREF(answer);
done:
    free(space);
    PyBuffer_Release(&s);
    PyBuffer_Release(&t);
    PyBuffer_Release(&tied);
    PyBuffer_Release(&k);
    PyBuffer_Release(&widths);
    PyBuffer_Release(&out);
    return answer;
}

static PyMethodDef methods[] = {{"counts", counts, METH_VARARGS, counts_doc}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_counts", "What KSG counts around every row.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__counts(void) { return PyModule_Create(&definition); }
