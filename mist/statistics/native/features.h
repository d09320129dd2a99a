/* Canonical correlations of random features; as in mist/statistics/features.py. */

constexpr int PROJECTIONS = 14, SHOWN = 5;

// What is left of a set of variates: 24 features.
struct Features {
    static constexpr int COUNT = 4 * SHOWN + 4;
    double values[COUNT];

    double held_out_nats() const { return values[4 * SHOWN + 1]; }

    Features() = default;

    // s and t are C variates each, `stride` from one to the next, with a mean square of 1.
    Features(const Job &job, const double *s, int c_s, const double *t, int c_t, Index stride, Space &space) {
        const Index n = job.n < RIPPLE_ROWS ? job.n : RIPPLE_ROWS;
        constexpr int side = 2 * PROJECTIONS;
        double *columns = space.take<double>(2 * side * n);
        project(job, s, c_s, stride, n, columns, space);
        project(job, t, c_t, stride, n, columns + side * n, space);
        const Columns both(columns, n, n, side, side, space);
        Directions fits[3];
        both.fit(cautious, fits, space);
        const Moments one = both.moments_along(fits[1], 0, space), other = both.moments_along(fits[2], 1, space);
        double sums[4] = {};
        for (int k = 0; k < side; k++) {
            const double fitted = fits[0].rho[k], held_out = (one.correlation(k) + other.correlation(k)) / 2;
            const double shown[4] = {fitted, nats(fitted), held_out, nats(positive(held_out))};
            for (int kind = 0; kind < 4 && k < SHOWN; kind++)
                values[kind * SHOWN + k] = shown[kind];
            sums[0] += shown[1];
            sums[1] += shown[3];
            sums[2] += held_out;
            sums[3] += held_out * held_out;
        }
        std::copy(sums, sums + 4, values + 4 * SHOWN);
    }

  private:
    // Standardised cosines and sines of fixed projections of C variates, (2 PROJECTIONS, N).
    static void project(const Job &job, const double *s, int c, Index stride, Index n, double *out, Space &space) {
        float *angles = space.take<float>(n), *cosine = space.take<float>(n), *sine = space.take<float>(n);
        const double *weights = job.projections[c - 1];
        for (int p = 0; p < PROJECTIONS; p++, weights += c) {
            for (Index i = 0; i < n; i++) {
                double angle = 0;
                for (int k = 0; k < c; k++)
                    angle += weights[k] * s[k * stride + i];
                angles[i] = static_cast<float>(angle);
            }
            waves(angles, n, cosine, sine);
            standardise(cosine, n, out + p * n);
            standardise(sine, n, out + (PROJECTIONS + p) * n);
        }
    }

    static void standardise(const float *from, Index n, double *out) {
        const double centre = mean(n, [&](Index i) { return static_cast<double>(from[i]); });
        const double variance = mean(n, [&](Index i) { const double a = from[i] - centre; return a * a; });
        const double scale = 1.0 / std::sqrt(variance + 1e-12);
        for (Index i = 0; i < n; i++)
            out[i] = (from[i] - centre) * scale;
    }
};

// Random features of the leading canonical pairs, and of the strongest matched columns.
struct FeatureSets {
    Features sets[2];

    // Those of canonical pairs; both sets are the same where there is one column a side.
    FeatureSets(const Job &job, const Spectrum &spectrum, Space &space) {
        const Index n = job.n;
        const int d_x = job.d_x, d_y = job.d_y, count = leading(spectrum);
        if (d_x <= LEADING && d_y <= LEADING) {  // all of both sides, not only what is matched
            const double *s = principal(spectrum.white_s, d_x, spectrum.t, n, space);
            const double *t = principal(spectrum.white_t, d_y, spectrum.s, n, space);
            sets[0] = Features(job, s, d_x, t, d_y, n, space);
        } else
            sets[0] = Features(job, spectrum.unit_s, count, spectrum.unit_t, count, n, space);
        sets[1] = sets[0];
    }

    // Those of matched columns.
    void match(const Job &job, const Scores &scores, const Spectrum &spectrum, const Pairs &pairs, Space &space) {
        const Index n = job.n;
        const int d_x = job.d_x, strongest = std::min(leading(spectrum), 2);
        if (d_x == 1 && job.d_y == 1)
            return;
        double *s = space.take<double>(strongest * n), *t = space.take<double>(strongest * n);
        for (int k = 0; k < strongest; k++) {
            std::copy(scores.normal + pairs.x[k] * n, scores.normal + (pairs.x[k] + 1) * n, s + k * n);
            std::copy(scores.normal + (d_x + pairs.y[k]) * n, scores.normal + (d_x + pairs.y[k] + 1) * n, t + k * n);
        }
        sets[1] = Features(job, s, strongest, t, strongest, n, space);
    }

    double *tokens(double *out) const {
        for (int set = 0; set < 2; set++) {
            out = std::copy(sets[set].values, sets[set].values + Features::COUNT, out);
            *out++ = set == 0;
            *out++ = set == 1;
        }
        return out;
    }

  private:
    static int leading(const Spectrum &spectrum) { return std::min(spectrum.c, LEADING); }

    // Columns of a whitened side in an order and orientation that follow from the data alone, with a mean square of 1.
    static const double *principal(const double *white, int d, const double *other, Index n, Space &space) {
        double *out = space.take<double>(d * n);
        if (d == 1)
            std::copy(white, white + n, out);
        else {
            double moment[LEADING * LEADING], values[LEADING], axes[LEADING * LEADING] = {};
            double *weight = space.take<double>(n);
            for (Index i = 0; i < n; i++) {
                weight[i] = 3.0 * other[i] * other[i];
                for (int k = 0; k < d; k++)
                    weight[i] += white[k * n + i] * white[k * n + i];
            }
            for (int i = 0; i < d; i++)
                for (int j = 0; j < d; j++)
                    moment[i * d + j] = mean(n, [&](Index row) { return weight[row] * white[i * n + row] * white[j * n + row]; });
            eigen(moment, d, space, values);
            for (int k = 0; k < d; k++)  // the greatest first
                for (int i = 0; i < d; i++)
                    axes[i * d + k] = moment[(d - 1 - k) * d + i];
            combine(white, d, n, n, axes, d, d, out, n);
        }
        for (int k = 0; k < d; k++) {
            double *column = out + k * n;
            const double sign = d == 1 ? 1.0 : sign_of(n, [&](Index i) { return column[i]; });
            const double scale = sign * scale_of(column, n);
            for (Index i = 0; i < n; i++)
                column[i] *= scale;
        }
        return out;
    }
};
