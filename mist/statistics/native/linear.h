/* Sums over rows, small dense matrices, and cosines of many angles.
 *
 * Columns lie one after another, N values each. A matrix (R, C) lies row by row.
 */

typedef double Doubles __attribute__((vector_size(32), aligned(8), may_alias));
typedef float Singles __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t Wholes __attribute__((vector_size(32), aligned(4), may_alias));

template <class T> struct Vector;
template <> struct Vector<double> {
    typedef Doubles type;
    static constexpr int lanes = 4;
};
template <> struct Vector<float> {
    typedef Singles type;
    static constexpr int lanes = 8;
};

constexpr Index CHUNK = 512;  // rows whose products are summed at once: so many of all columns stay in a core's cache

// Sum of what a function gives for 0 to n - 1, by eight sums that do not wait for each other.
template <class Function> INLINE double sum(Index n, Function of) {
    double parts[8] = {};
    Index i = 0;
    for (; i + 8 <= n; i += 8)
        for (int lane = 0; lane < 8; lane++)
            parts[lane] += of(i + lane);
    for (; i < n; i++)
        parts[0] += of(i);
    return ((parts[0] + parts[4]) + (parts[1] + parts[5])) + ((parts[2] + parts[6]) + (parts[3] + parts[7]));
}

template <class Function> INLINE double mean(Index n, Function of) { return sum(n, of) / n; }

INLINE double clamp(double value, double least, double most) { return value < least ? least : value > most ? most : value; }
INLINE double positive(double value) { return value > 0 ? value : 0; }

// Add the products of I columns a with J columns b, N rows of each, to out.
template <class T, int I, int J>
INLINE void multiply_block(const T *a, const T *b, Index stride, Index n, double *out, int width) {
    typedef typename Vector<T>::type V;
    constexpr int lanes = Vector<T>::lanes;
    V sums[I][J] = {};
    Index row = 0;
    for (; row + lanes <= n; row += lanes) {
        V left[I];
        for (int i = 0; i < I; i++)
            left[i] = *reinterpret_cast<const V *>(a + i * stride + row);
        for (int j = 0; j < J; j++) {
            const V right = *reinterpret_cast<const V *>(b + j * stride + row);
            for (int i = 0; i < I; i++)
                sums[i][j] += left[i] * right;
        }
    }
    for (int i = 0; i < I; i++)
        for (int j = 0; j < J; j++) {
            double total = 0;
            for (int lane = 0; lane < lanes; lane++)
                total += sums[i][j][lane];
            for (Index rest = row; rest < n; rest++)
                total += static_cast<double>(a[i * stride + rest]) * b[j * stride + rest];
            out[i * width + j] += total;
        }
}

template <class T, int I>
INLINE void multiply_strip(const T *a, const T *b, int from, int columns, Index stride, Index n, double *out, int width) {
    int j = from;
    for (; j + 3 <= columns; j += 3)
        multiply_block<T, I, 3>(a, b + j * stride, stride, n, out + j, width);
    for (; j < columns; j++)
        multiply_block<T, I, 1>(a, b + j * stride, stride, n, out + j, width);
}

// out (P, Q) = sums over N rows of the products of P columns a and Q columns b, `stride` from one column to the next.
template <class T> void products(const T *a, int p, const T *b, int q, Index stride, Index n, double *out) {
    const bool same = a == b && p == q;  // then only what lies on and above the diagonal
    std::fill(out, out + p * q, 0.0);
    for (Index first = 0; first < n; first += CHUNK) {
        const Index rows = n - first < CHUNK ? n - first : CHUNK;
        int i = 0;
        for (; i + 3 <= p; i += 3)
            multiply_strip<T, 3>(a + i * stride + first, b + first, same ? i : 0, q, stride, rows, out + i * q, q);
        for (; i < p; i++)
            multiply_strip<T, 1>(a + i * stride + first, b + first, same ? i : 0, q, stride, rows, out + i * q, q);
    }
    if (same)
        for (int i = 0; i < p; i++)
            for (int j = 0; j < i; j++)
                out[i * q + j] = out[j * q + i];
}

// Rows of `combine` from `row` on, W vectors at once, as far as they go; where that is.
template <int C, int W>
INLINE Index combine_rows(const double *u, int d, Index stride, Index n, Index row, const double *weights, int down, int along,
                          double *out, Index out_stride) {
    constexpr int lanes = Vector<double>::lanes;
    for (; row + W * lanes <= n; row += W * lanes) {
        Doubles sums[C][W] = {};
        for (int k = 0; k < d; k++) {
            Doubles values[W];
            for (int w = 0; w < W; w++)
                values[w] = *reinterpret_cast<const Doubles *>(u + k * stride + row + w * lanes);
            for (int c = 0; c < C; c++)
                for (int w = 0; w < W; w++)
                    sums[c][w] += weights[k * down + c * along] * values[w];
        }
        for (int c = 0; c < C; c++)
            for (int w = 0; w < W; w++)
                *reinterpret_cast<Doubles *>(out + c * out_stride + row + w * lanes) = sums[c][w];
    }
    return row;
}

template <int C>
INLINE void combine_block(const double *u, int d, Index stride, Index n, const double *weights, int down, int along, double *out,
                          Index out_stride) {
    Index row = combine_rows<C, 2>(u, d, stride, n, 0, weights, down, along, out, out_stride);
    row = combine_rows<C, 1>(u, d, stride, n, row, weights, down, along, out, out_stride);
    for (; row < n; row++)
        for (int c = 0; c < C; c++) {
            double total = 0;
            for (int k = 0; k < d; k++)
                total += weights[k * down + c * along] * u[k * stride + row];
            out[c * out_stride + row] = total;
        }
}

// out (C columns) = u (D columns) times a matrix (D, C), whose rows lie `down` apart and columns `along`, in N rows.
void combine(const double *u, int d, Index stride, Index n, const double *weights, int down, int c, double *out,
             Index out_stride, int along = 1) {
    int done = 0;
    for (; done + 4 <= c; done += 4)
        combine_block<4>(u, d, stride, n, weights + done * along, down, along, out + done * out_stride, out_stride);
    for (; done < c; done++)
        combine_block<1>(u, d, stride, n, weights + done * along, down, along, out + done * out_stride, out_stride);
}

// out (P, R) = a (P, Q) times b (Q, R), whose rows are columns of R values to `combine`.
INLINE void multiply(const double *a, int p, int q, const double *b, int r, double *out) {
    combine(b, q, r, r, a, 1, p, out, r, q);
}

// out (Q, P) = a (P, Q) transposed.
INLINE void transpose(const double *a, int p, int q, double *out) {
    for (int i = 0; i < p; i++)
        for (int j = 0; j < q; j++)
            out[j * p + i] = a[i * q + j];
}

// W (D, D) with W^T C W = 1; c (D, D) is spent.
void whiten(double *c, int d, Space &space, double *white) {
    double *column = space.take<double>(d), *inverse = space.take<double>(d * d);
    for (int j = 0; j < d; j++) {
        const double pivot = std::sqrt(c[j * d + j] > 1e-300 ? c[j * d + j] : 1e-300);
        c[j * d + j] = pivot;
        for (int i = j + 1; i < d; i++)
            column[i] = c[i * d + j] /= pivot;
        for (int i = j + 1; i < d; i++) {
            const double factor = column[i];
            for (int k = j + 1; k <= i; k++)
                c[i * d + k] -= factor * column[k];
        }
    }
    std::fill(inverse, inverse + d * d, 0.0);
    for (int i = 0; i < d; i++) {
        double *row = inverse + i * d;
        row[i] = 1.0;
        for (int k = 0; k < i; k++) {
            const double factor = c[i * d + k], *above = inverse + k * d;
            for (int j = 0; j <= k; j++)
                row[j] -= factor * above[j];
        }
        const double pivot = c[i * d + i];
        for (int j = 0; j <= i; j++)
            row[j] /= pivot;
    }
    transpose(inverse, d, d, white);
}

// Eigenvalues (D,), increasing, and vectors, one in each row of `vectors` (D, D), of a symmetric matrix that lies there.
void eigen(double *vectors, int d, Space &space, double *values) {
    if (d == 1) {
        values[0] = vectors[0];
        vectors[0] = 1.0;
        return;
    }
    int size = 1 + 6 * d + 2 * d * d, whole_size = 3 + 5 * d, info = 0;
    double *work = space.take<double>(size);
    int *wholes = space.take<int>(whole_size);
    char vectors_too = 'V', half = 'L';
    lapack_eigen(&vectors_too, &half, &d, vectors, &d, values, work, &size, wholes, &whole_size, &info);
    if (info != 0)
        throw std::runtime_error("eigenvalues were not found");
}

// Singular values (D,), decreasing, of a matrix (D, D).
INLINE void singular_values(const double *matrix, int d, Space &space, double *values) {
    double *square = space.take<double>(d * d);
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++)
            square[i * d + j] = -sum(d, [&](Index k) { return matrix[i * d + k] * matrix[j * d + k]; });
    eigen(square, d, space, values);
    for (int i = 0; i < d; i++)
        values[i] = std::sqrt(positive(-values[i]));
}

// Cosines and sines of angles up to some thousands, right to a few 1e-7.
INLINE void wave(Singles x, Singles *cosine, Singles *sine) {
    const Singles shifted = x * 0.636619772f + 12582912.0f, turns = shifted - 12582912.0f;
    Wholes quarter;  // how many quarter turns: the last digits of the sum
    std::memcpy(&quarter, &shifted, sizeof quarter);
    Singles r = x - turns * 1.5703125f;  // less these, in three parts whose products lose no digits
    r -= turns * 4.837512969970703125e-4f;
    r -= turns * 7.54978995489188216e-8f;
    const Singles s = r * r;
    const Singles odd = r + r * s * (-1.6666654611e-1f + s * (8.3321608736e-3f - s * 1.9515295891e-4f));
    const Singles even = 1.0f - 0.5f * s + s * s * (4.166664568298827e-2f + s * (-1.388731625493765e-3f + s * 2.443315711809948e-5f));
    const Wholes turned = (quarter & 1) != 0;
    const Singles one = turned ? odd : even, other = turned ? even : odd;
    const Wholes sign_of_one = ((quarter + 1) & 2) << 30, sign_of_other = (quarter & 2) << 30;
    Wholes bits;
    std::memcpy(&bits, &one, sizeof bits);
    bits ^= sign_of_one;
    std::memcpy(cosine, &bits, sizeof bits);
    std::memcpy(&bits, &other, sizeof bits);
    bits ^= sign_of_other;
    std::memcpy(sine, &bits, sizeof bits);
}

// Cosines of N angles, and sines where asked for.
INLINE void waves(const float *angles, Index n, float *cosines, float *sines) {
    constexpr int lanes = Vector<float>::lanes;
    Singles cosine, sine;
    Index i = 0;
    for (; i + lanes <= n; i += lanes) {
        wave(*reinterpret_cast<const Singles *>(angles + i), &cosine, &sine);
        *reinterpret_cast<Singles *>(cosines + i) = cosine;
        if (sines != nullptr)
            *reinterpret_cast<Singles *>(sines + i) = sine;
    }
    Singles last = {};
    for (Index rest = i; rest < n; rest++)
        last[rest - i] = angles[rest];
    wave(last, &cosine, &sine);
    for (Index rest = i; rest < n; rest++) {
        cosines[rest] = cosine[rest - i];
        if (sines != nullptr)
            sines[rest] = sine[rest - i];
    }
}
