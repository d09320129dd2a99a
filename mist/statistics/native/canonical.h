/* Canonical correlations, in-sample and cross-fitted; as in mist/statistics/canonical.py, spectrum.py and swirl.py. */

constexpr int COMPONENTS = 32;   // leading canonical pairs that become tokens
constexpr Index SOME_ROWS = 4096;  // of what describes and does not decide
constexpr double NOISE = 1e-3;   // directions of weaker correlations are left out

INLINE double nats(double rho) { return -0.5 * std::log1p(-std::fmin(rho * rho, 1.0 - 1e-12)); }
INLINE double signed_nats(double rho) { return rho < 0 ? -nats(rho) : nats(rho); }

INLINE double faithful(Index n, int d) {
    const double share = static_cast<double>(d) / n, ratio = 0.1 * share * share;
    return 1e-8 + ratio / (1.0 + ratio);
}

INLINE double cautious(Index n, int d) { return static_cast<double>(d) / (d + n); }

// Pearson correlation in N rows of what two functions give.
template <class One, class Other> INLINE double correlation(Index n, One one, Other other) {
    const double mean_a = mean(n, one), mean_b = mean(n, other);
    const double square_a = mean(n, [&](Index i) { const double a = one(i) - mean_a; return a * a; });
    const double square_b = mean(n, [&](Index i) { const double b = other(i) - mean_b; return b * b; });
    const double product = mean(n, [&](Index i) { return (one(i) - mean_a) * (other(i) - mean_b); });
    return clamp(product / std::sqrt((square_a + 1e-24) * (square_b + 1e-24)), -1.0, 1.0);
}

template <class One> INLINE double kurtosis(Index n, One one) {
    const double centre = mean(n, one);
    const double square = mean(n, [&](Index i) { const double a = one(i) - centre; return a * a; });
    const double fourth = mean(n, [&](Index i) { const double a = one(i) - centre; return a * a * a * a; });
    return fourth / std::fmax(square * square, 1e-12);
}

// +1 or -1 so that the third moment becomes positive.
template <class One> INLINE double sign_of(Index n, One one) {
    return sum(n, [&](Index i) { return one(i) * one(i) * one(i); }) < 0 ? -1.0 : 1.0;
}

// What makes the mean square of a column 1.
INLINE double scale_of(const double *column, Index n) {
    return 1.0 / std::sqrt(std::fmax(mean(n, [&](Index i) { return column[i] * column[i]; }), 1e-12));
}

// Canonical directions of D_x and D_y columns, C = min(D_x, D_y) of them.
struct Directions {
    double *x, *y;              // (D_x, C) and (D_y, C)
    double *rho;                // (C,), decreasing
    double *white_x, *white_y;  // (D_x, D_x) and (D_y, D_y)
};

// A block (P, Q) of a matrix (., width), shrunk towards the identity.
INLINE double *shrunk(const double *moments, int width, int d, double share, Space &space) {
    double *block = space.take<double>(d * d);
    for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++)
            block[i * d + j] = (1 - share) * moments[i * width + j];
        block[i * d + i] += share + 1e-9;
    }
    return block;
}

Directions directions(const double *moments, int d_x, int d_y, double share_x, double share_y, Space &space) {
    const int width = d_x + d_y, c = d_x < d_y ? d_x : d_y, other = d_x + d_y - c;
    Directions found{space.take<double>(d_x * c), space.take<double>(d_y * c), space.take<double>(c),
                     space.take<double>(d_x * d_x), space.take<double>(d_y * d_y)};
    whiten(shrunk(moments, width, d_x, share_x, space), d_x, space, found.white_x);
    whiten(shrunk(moments + d_x * width + d_x, width, d_y, share_y, space), d_y, space, found.white_y);
    double *between = space.take<double>(d_x * d_y), *half = space.take<double>(d_x * d_y);
    double *turned = space.take<double>(d_x * d_x);
    for (int i = 0; i < d_x; i++)
        std::copy(moments + i * width + d_x, moments + (i + 1) * width, between + i * d_y);
    transpose(found.white_x, d_x, d_x, turned);
    multiply(turned, d_x, d_x, between, d_y, half);
    double *cross = space.take<double>(c * other);  // (C, other): the smaller side's rows
    multiply(half, d_x, d_y, found.white_y, d_y, between);
    if (d_x <= d_y)
        std::copy(between, between + d_x * d_y, cross);
    else
        transpose(between, d_x, d_y, cross);
    double *vectors = space.take<double>(c * c), *partners = space.take<double>(c * other);
    for (int i = 0; i < c; i++)
        for (int j = 0; j <= i; j++)
            vectors[i * c + j] = vectors[j * c + i] =
                -sum(other, [&](Index k) { return cross[i * other + k] * cross[j * other + k]; });
    eigen(vectors, c, space, found.rho);  // one vector in each row
    multiply(vectors, c, c, cross, other, partners);
    for (int i = 0; i < c; i++) {
        found.rho[i] = std::sqrt(-clamp(found.rho[i], -1.0, 0.0));
        double *partner = partners + i * other;
        const double length = std::sqrt(sum(other, [&](Index k) { return partner[k] * partner[k]; }));
        const bool seen = found.rho[i] > NOISE;
        for (int k = 0; k < other; k++)
            partner[k] = seen ? partner[k] / std::fmax(length, 1e-12) : 0.0;
        for (int k = 0; k < c; k++)
            vectors[i * c + k] = seen ? vectors[i * c + k] : 0.0;
    }
    double *left = space.take<double>(d_x * c), *right = space.take<double>(d_y * c);
    transpose(d_x <= d_y ? vectors : partners, c, d_x, left);
    transpose(d_x <= d_y ? partners : vectors, c, d_y, right);
    multiply(found.white_x, d_x, d_x, left, c, found.x);
    multiply(found.white_y, d_y, d_y, right, c, found.y);
    return found;
}

// Moments in some rows of variates s and t, (C,) each.
struct Moments {
    double *mean_s, *mean_t, *square_s, *square_t, *product;

    Moments(int c, Space &space)
        : mean_s(space.take<double>(c)), mean_t(space.take<double>(c)), square_s(space.take<double>(c)),
          square_t(space.take<double>(c)), product(space.take<double>(c)) {}

    double correlation(int c) const {
        const double square = (square_s[c] - mean_s[c] * mean_s[c]) * (square_t[c] - mean_t[c] * mean_t[c]);
        return clamp((product[c] - mean_s[c] * mean_t[c]) / std::sqrt(std::fmax(square, 1e-24)), -1.0, 1.0);
    }

    double log_ratio(int c, double rho) const {
        const double square = std::fmin(rho * rho, 1.0 - 1e-9);
        return nats(rho) + (2 * rho * product[c] - square * (square_s[c] + square_t[c])) / (2 * (1 - square));
    }
};

// Moments of variates that are there, N rows of C columns.
Moments moments_of(const double *s, const double *t, int c, Index n, Space &space) {
    Moments found(c, space);
    for (int k = 0; k < c; k++, s += n, t += n) {
        found.mean_s[k] = mean(n, [&](Index i) { return s[i]; });
        found.mean_t[k] = mean(n, [&](Index i) { return t[i]; });
        found.square_s[k] = mean(n, [&](Index i) { return s[i] * s[i]; });
        found.square_t[k] = mean(n, [&](Index i) { return t[i] * t[i]; });
        found.product[k] = mean(n, [&](Index i) { return s[i] * t[i]; });
    }
    return found;
}

constexpr int DESCRIBED = 5;  // rho and its nats, on all rows and held out, and the mean log ratio held out

// Columns of both sides, those of x first, with their second moments on all rows and on each half.
struct Columns {
    const double *values;
    Index stride, n, half;
    int d_x, d_y, c;
    double *moments[3];  // (D, D) each, of all rows, the first half and the second

    Columns(const double *values, Index stride, Index n, int d_x, int d_y, Space &space)
        : values(values), stride(stride), n(n), half(n / 2), d_x(d_x), d_y(d_y), c(d_x < d_y ? d_x : d_y) {
        const int d = d_x + d_y;
        for (int part = 1; part < 3; part++) {
            moments[part] = space.take<double>(d * d);
            const double *from = values + (part - 1) * half;
            products(from, d, from, d, stride, half, moments[part]);
        }
        moments[0] = space.take<double>(d * d);
        for (int i = 0; i < d * d; i++) {
            double total = moments[1][i] + moments[2][i];
            if (2 * half < n)  // an odd last row is in neither
                total += values[(i / d) * stride + n - 1] * values[(i % d) * stride + n - 1];
            moments[0][i] = total / n;
            moments[1][i] /= half;
            moments[2][i] /= half;
        }
    }

    // Directions on all rows and on each half.
    void fit(double (*shrink)(Index, int), Directions *fits, Space &space) const {
        for (int part = 0; part < 3; part++) {
            const Index rows = part == 0 ? n : half;
            fits[part] = directions(moments[part], d_x, d_y, shrink(rows, d_x), shrink(rows, d_y), space);
        }
    }

    const double *x() const { return values; }
    const double *y() const { return values + d_x * stride; }

    // Where the rows begin that directions of the first half (0) or the second (1) are used on.
    Index held(int fold) const { return fold == 0 ? half : 0; }

    // Moments of held-out variates, without these: digits go where directions are long.
    Moments moments_along(const Directions &fit, int fold, Space &space) const {
        const int d = d_x + d_y;
        const double *second = moments[fold == 0 ? 2 : 1];
        double *means = space.take<double>(d), *left = space.take<double>(d_x * c), *right = space.take<double>(d_y * c);
        double *across = space.take<double>(d_x * c), *block = space.take<double>(d * d);
        for (int k = 0; k < d; k++) {
            const double *column = values + k * stride + held(fold);
            means[k] = mean(half, [&](Index i) { return column[i]; });
        }
        auto part = [&](int row, int column, int p, int q) {
            for (int i = 0; i < p; i++)
                std::copy(second + (row + i) * d + column, second + (row + i) * d + column + q, block + i * q);
            return block;
        };
        multiply(part(0, 0, d_x, d_x), d_x, d_x, fit.x, c, left);
        multiply(part(d_x, d_x, d_y, d_y), d_y, d_y, fit.y, c, right);
        multiply(part(0, d_x, d_x, d_y), d_x, d_y, fit.y, c, across);
        Moments found(c, space);
        for (int k = 0; k < c; k++) {
            found.mean_s[k] = sum(d_x, [&](Index i) { return means[i] * fit.x[i * c + k]; });
            found.mean_t[k] = sum(d_y, [&](Index i) { return means[d_x + i] * fit.y[i * c + k]; });
            found.square_s[k] = sum(d_x, [&](Index i) { return fit.x[i * c + k] * left[i * c + k]; });
            found.square_t[k] = sum(d_y, [&](Index i) { return fit.y[i * c + k] * right[i * c + k]; });
            found.product[k] = sum(d_x, [&](Index i) { return fit.x[i * c + k] * across[i * c + k]; });
        }
        return found;
    }

    // What is known of every pair, (C, DESCRIBED).
    void describe(const Directions *fits, const Moments &one, const Moments &other, double *out) const {
        for (int k = 0; k < c; k++, out += DESCRIBED) {
            const double rho = fits[0].rho[k], held_out = (one.correlation(k) + other.correlation(k)) / 2;
            out[0] = rho;
            out[1] = signed_nats(rho);
            out[2] = held_out;
            out[3] = signed_nats(held_out);
            out[4] = (one.log_ratio(k, fits[1].rho[k]) + other.log_ratio(k, fits[2].rho[k])) / 2;
        }
    }
};

// The canonical analysis of one table at two shrinkages, faithful and cautious.
struct Spectrum {
    int d_x, d_y, c;
    Index n, half;
    double *described[2];        // (C, DESCRIBED) for each shrinkage
    double totals[2][DESCRIBED];  // their sums
    double *held_bent;           // held-out correlations of absolute variates, (C,)
    double *s, *t;               // variates, (C, N)
    double *unit_s, *unit_t;     // these with a mean square of 1
    double *half_s, *half_t;     // variates of the second half along directions of the first, (C, N / 2)
    double *white_s, *white_t;   // all columns whitened, (D_x, N) and (D_y, N)
    double *radius;              // squared norms of their rows, (2, N)

    Spectrum(const Columns &columns, Space &space)
        : d_x(columns.d_x), d_y(columns.d_y), c(columns.c), n(columns.n), half(columns.half) {
        Directions fits[2][3];
        columns.fit(faithful, fits[0], space);
        columns.fit(cautious, fits[1], space);
        double *held[2][2];  // of the cautious shrinkage, by fold and side
        for (int kind = 0; kind < 2; kind++) {
            Moments *moments[2];
            Moments folds[2] = {Moments(0, space), Moments(0, space)};
            for (int fold = 0; fold < 2; fold++) {
                double *one = space.take<double>(c * half), *other = space.take<double>(c * half);
                const Index from = columns.held(fold);
                combine(columns.x() + from, d_x, columns.stride, half, fits[kind][1 + fold].x, c, c, one, half);
                combine(columns.y() + from, d_y, columns.stride, half, fits[kind][1 + fold].y, c, c, other, half);
                folds[fold] = moments_of(one, other, c, half, space);
                moments[fold] = &folds[fold];
                held[fold][0] = one;
                held[fold][1] = other;
            }
            described[kind] = space.take<double>(c * DESCRIBED);
            columns.describe(fits[kind], *moments[0], *moments[1], described[kind]);
            for (int part = 0; part < DESCRIBED; part++)
                totals[kind][part] = sum(c, [&](Index k) { return described[kind][k * DESCRIBED + part]; });
        }
        held_bent = space.take<double>(c);
        const Index some = half < SOME_ROWS ? half : SOME_ROWS;
        for (int k = 0; k < c; k++) {
            held_bent[k] = 0;
            for (int fold = 0; fold < 2; fold++) {
                const double *one = held[fold][0] + k * half, *other = held[fold][1] + k * half;
                held_bent[k] += correlation(some, [&](Index i) { return std::fabs(one[i]); },
                                            [&](Index i) { return std::fabs(other[i]); }) / 2;
            }
        }
        half_s = held[0][0];
        half_t = held[0][1];
        variates(columns, fits[1][0], space);
        white_s = space.take<double>(d_x * n);
        white_t = space.take<double>(d_y * n);
        radius = space.take<double>(2 * n);
        combine(columns.x(), d_x, columns.stride, n, fits[0][0].white_x, d_x, d_x, white_s, n);
        combine(columns.y(), d_y, columns.stride, n, fits[0][0].white_y, d_y, d_y, white_t, n);
        squared_norms(white_s, d_x, radius);
        squared_norms(white_t, d_y, radius + n);
    }

    double held_out(int kind, int k) const { return described[kind][k * DESCRIBED + 2]; }
    double held_out_nats(int kind, int k) const { return described[kind][k * DESCRIBED + 3]; }

    // One token of 20 features for each of the leading pairs.
    double *tokens(double *out) const {
        const Index rows = n < SOME_ROWS ? n : SOME_ROWS;
        for (int k = 0; k < c && k < COMPONENTS; k++) {
            const double *a = s + k * n, *b = t + k * n;
            auto plain_a = [&](Index i) { return a[i]; };
            auto plain_b = [&](Index i) { return b[i]; };
            auto square_a = [&](Index i) { return a[i] * a[i]; };
            auto square_b = [&](Index i) { return b[i] * b[i]; };
            for (int kind = 0; kind < 2; kind++)
                out = std::copy(described[kind] + k * DESCRIBED, described[kind] + (k + 1) * DESCRIBED, out);
            const double spread_a = kurtosis(rows, plain_a), spread_b = kurtosis(rows, plain_b);
            *out++ = correlation(rows, plain_a, plain_b);
            *out++ = correlation(rows, [&](Index i) { return std::fabs(a[i]); }, [&](Index i) { return std::fabs(b[i]); });
            *out++ = correlation(rows, square_a, square_b);
            *out++ = held_bent[k];
            *out++ = std::fabs(correlation(rows, square_a, plain_b)) + std::fabs(correlation(rows, plain_a, square_b));
            *out++ = spread_a + spread_b - 6;
            *out++ = std::fabs(spread_a - spread_b);
            *out++ = kurtosis(rows, [&](Index i) { return a[i] + b[i]; }) - kurtosis(rows, [&](Index i) { return a[i] - b[i]; });
            *out++ = static_cast<double>(k) / COMPONENTS;
            *out++ = std::log1p(k);
        }
        return out;
    }

  private:
    void variates(const Columns &columns, const Directions &fit, Space &space) {
        s = space.take<double>(c * n);
        t = space.take<double>(c * n);
        unit_s = space.take<double>(c * n);
        unit_t = space.take<double>(c * n);
        combine(columns.x(), d_x, columns.stride, n, fit.x, c, c, s, n);
        combine(columns.y(), d_y, columns.stride, n, fit.y, c, c, t, n);
        for (int k = 0; k < c; k++) {
            double *a = s + k * n, *b = t + k * n, *unit_a = unit_s + k * n, *unit_b = unit_t + k * n;
            const double scale_a = scale_of(a, n), scale_b = scale_of(b, n);
            const double sign = sign_of(n, [&](Index i) { return a[i] * scale_a + b[i] * scale_b; });
            for (Index i = 0; i < n; i++) {
                a[i] *= sign;
                b[i] *= sign;
                unit_a[i] = a[i] * scale_a;
                unit_b[i] = b[i] * scale_b;
            }
        }
    }

    void squared_norms(const double *white, int d, double *out) const {
        std::fill(out, out + n, 0.0);
        for (int k = 0; k < d; k++, white += n)
            for (Index i = 0; i < n; i++)
                out[i] += white[i] * white[i];
    }
};

// Canonical correlations of columns that turn with the radius.
struct Swirl {
    static constexpr int MOST = 12, LEADING = 6, PAIRS = 2;  // columns of a side; pairs that become tokens, variates
    int c;
    Index half;
    double *described;  // (C, DESCRIBED)
    double total;       // nats of positive held-out correlations
    double *s, *t;      // the leading pairs in the second half along directions of the first, (PAIRS, N / 2)

    // `energy` (D_x, D_y) is the strength of the dependence of every pair of columns.
    Swirl(const double *u, const double *v, Index stride, Index n, int d_x, int d_y, const double *energy, Space &space) {
        const int wide_x = d_x < MOST ? d_x : MOST, wide_y = d_y < MOST ? d_y : MOST;
        n = n < SOME_ROWS ? n : SOME_ROWS;
        double *strength_x = space.take<double>(d_x), *strength_y = space.take<double>(d_y);
        std::fill(strength_x, strength_x + d_x, 0.0);
        std::fill(strength_y, strength_y + d_y, 0.0);
        for (int i = 0; i < d_x; i++)
            for (int j = 0; j < d_y; j++) {
                strength_x[i] = std::fmax(strength_x[i], energy[i * d_y + j]);
                strength_y[j] = std::fmax(strength_y[j], energy[i * d_y + j]);
            }
        double *columns = space.take<double>(3 * (wide_x + wide_y) * n);
        turn(u, stride, n, d_x, strength_x, columns, space);
        turn(v, stride, n, d_y, strength_y, columns + 3 * wide_x * n, space);
        for (int k = 0; k < 3 * (wide_x + wide_y); k++) {
            double *column = columns + k * n;
            const double centre = mean(n, [&](Index i) { return column[i]; });
            for (Index i = 0; i < n; i++)
                column[i] -= centre;
            const double scale = scale_of(column, n);
            for (Index i = 0; i < n; i++)
                column[i] *= scale;
        }
        const Columns both(columns, n, n, 3 * wide_x, 3 * wide_y, space);
        Directions fits[3];
        both.fit(cautious, fits, space);
        c = both.c;
        half = both.half;
        described = space.take<double>(c * DESCRIBED);
        both.describe(fits, both.moments_along(fits[1], 0, space), both.moments_along(fits[2], 1, space), described);
        total = sum(c, [&](Index k) { return positive(described[k * DESCRIBED + 3]); });
        s = space.take<double>(PAIRS * half);
        t = space.take<double>(PAIRS * half);
        combine(both.x() + both.held(0), both.d_x, n, half, fits[1].x, c, PAIRS, s, half);
        combine(both.y() + both.held(0), both.d_y, n, half, fits[1].y, c, PAIRS, t, half);
    }

    // One token of 10 features for each of the leading pairs, beside what plain columns have.
    double *tokens(const Spectrum &plain, double *out) const {
        const double fitted = sum(c, [&](Index k) { return described[k * DESCRIBED + 1]; });
        const double beyond = total - sum(plain.c, [&](Index k) { return positive(plain.held_out_nats(1, k)); });
        for (int k = 0; k < LEADING; k++) {
            double here[DESCRIBED] = {};
            if (k < c)
                std::copy(described + k * DESCRIBED, described + (k + 1) * DESCRIBED, here);
            out = std::copy(here, here + DESCRIBED, out);
            *out++ = here[2] - (k < plain.c ? plain.held_out(1, k) : 0.0);
            *out++ = fitted;
            *out++ = total;
            *out++ = beyond;
            *out++ = static_cast<double>(k) / LEADING;
        }
        return out;
    }

  private:
    // Columns as such and turned by the row's radius, (3 D, N).
    static void turn(const double *u, Index stride, Index n, int d, const double *strength, double *out, Space &space) {
        double *cosine = space.take<double>(n), *sine = space.take<double>(n);
        std::fill(cosine, cosine + n, 0.0);
        for (int k = 0; k < d; k++)
            for (Index i = 0; i < n; i++)
                cosine[i] += u[k * stride + i] * u[k * stride + i];
        for (Index i = 0; i < n; i++) {
            const double angle = 2.0 * std::log1p(cosine[i] / d);
            cosine[i] = std::cos(angle);
            sine[i] = std::sin(angle);
        }
        int *chosen = space.take<int>(d);
        for (int k = 0; k < d; k++)
            chosen[k] = k;
        const int wide = d < MOST ? d : MOST;
        if (d > MOST)
            std::stable_sort(chosen, chosen + d, [&](int a, int b) { return strength[a] > strength[b]; });
        for (int k = 0; k < wide; k++) {
            const double *column = u + chosen[k] * stride;
            double *plain = out + k * n, *along = out + (wide + k) * n, *across = out + (2 * wide + k) * n;
            for (Index i = 0; i < n; i++) {
                plain[i] = column[i];
                along[i] = column[i] * cosine[i];
                across[i] = column[i] * sine[i];
            }
        }
    }
};
