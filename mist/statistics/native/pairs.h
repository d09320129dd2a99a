/* Which column of x goes with which of y, and how strongly; as in mist/statistics/cosines.py, ripples.py and pairs.py. */

constexpr int FREQUENCIES = 6, MATCHES = 12, KNN_MATCHES = 2;
constexpr int LOW = 3, FIRST_HIGH = 7, LAST_HIGH = 32, HIGH = LAST_HIGH - FIRST_HIGH + 1;
constexpr int RIPPLE_COLUMNS = 16, RIPPLE_COUNT = 2 * LOW * HIGH;
constexpr Index RIPPLE_ROWS = 2048;

// cos(pi k u) of uniform ranks (D, N) for k from `first` on, F of them, in some rows, (D F, rows); centred where asked.
INLINE float *cosines(const double *uniform, Index stride, int d, Index rows, int first, int count, bool centred, Space &space) {
    float *out = space.take<float>(d * count * rows), *angles = space.take<float>(rows);
    for (int c = 0; c < d; c++)
        for (int k = 0; k < count; k++) {
            const float factor = static_cast<float>(3.14159265358979323846 * (first + k));
            float *to = out + (c * count + k) * rows;
            for (Index i = 0; i < rows; i++)
                angles[i] = static_cast<float>(uniform[c * stride + i]) * factor;
            waves(angles, rows, to, nullptr);
            if (centred) {
                const float centre = static_cast<float>(mean(rows, [&](Index i) { return static_cast<double>(to[i]); }));
                for (Index i = 0; i < rows; i++)
                    to[i] -= centre;
            }
        }
    return out;
}

// Dependence of all pairs of columns through the lowest frequencies.
struct Coefficients {
    double *values;  // (D_x FREQUENCIES, D_y FREQUENCIES)
    double *energy;  // sums of their squares by pair, (D_x, D_y)

    Coefficients(const Job &job, const Scores &scores, Space &space) {
        const Index n = job.n, rows = n < SOME_ROWS ? n : SOME_ROWS;
        const int d_x = job.d_x, d_y = job.d_y, width = d_y * FREQUENCIES;
        const float *one = cosines(scores.uniform, n, d_x, rows, 1, FREQUENCIES, d_x <= d_y, space);
        const float *other = cosines(scores.uniform + d_x * n, n, d_y, rows, 1, FREQUENCIES, d_x > d_y, space);
        values = space.take<double>(d_x * FREQUENCIES * width);
        energy = space.take<double>(d_x * d_y);
        products(one, d_x * FREQUENCIES, other, width, rows, rows, values);
        std::fill(energy, energy + d_x * d_y, 0.0);
        for (int i = 0; i < d_x * FREQUENCIES; i++)
            for (int j = 0; j < width; j++) {
                double &value = values[i * width + j];
                value *= 2.0 / rows;
                energy[i / FREQUENCIES * d_y + j / FREQUENCIES] += value * value;
            }
    }
};

// Dependence of all pairs of columns through high frequencies of one and low ones of the other.
struct Ripples {
    double *peak, *fine;  // largest squared coefficient; sum of squares less its mean under independence; (D_x, D_y)
    Index rows;

    Ripples(const Job &job, const Scores &scores, Space &space) {
        const Index n = job.n;
        const int d_x = job.d_x, d_y = job.d_y;
        rows = n < RIPPLE_ROWS ? n : RIPPLE_ROWS;
        peak = space.take<double>(d_x * d_y);
        fine = space.take<double>(d_x * d_y);
        std::fill(peak, peak + d_x * d_y, 0.0);
        std::fill(fine, fine + d_x * d_y, 0.0);
        if (d_x > RIPPLE_COLUMNS || d_y > RIPPLE_COLUMNS)
            return;
        const double *x = scores.uniform, *y = scores.uniform + d_x * n;
        const float *low_x = cosines(x, n, d_x, rows, 1, LOW, true, space), *low_y = cosines(y, n, d_y, rows, 1, LOW, true, space);
        const float *high_x = cosines(x, n, d_x, rows, FIRST_HIGH, HIGH, false, space);
        const float *high_y = cosines(y, n, d_y, rows, FIRST_HIGH, HIGH, false, space);
        double *found = space.take<double>(d_x * d_y * LOW * HIGH);
        products(high_x, d_x * HIGH, low_y, d_y * LOW, rows, rows, found);
        add(found, d_x, HIGH, d_y, LOW);
        products(low_x, d_x * LOW, high_y, d_y * HIGH, rows, rows, found);
        add(found, d_x, LOW, d_y, HIGH);
        for (int pair = 0; pair < d_x * d_y; pair++)
            fine[pair] -= static_cast<double>(RIPPLE_COUNT) / rows;
    }

    // The part of a peak that chance does not explain.
    double surprising(int pair, int pairs) const {
        const double chance = (2.0 * std::log(static_cast<double>(RIPPLE_COUNT) * pairs) + 4.0) / rows;
        return peak[pair] > chance ? peak[pair] : 0.0;
    }

  private:
    void add(const double *found, int d_x, int of_x, int d_y, int of_y) {
        for (int i = 0; i < d_x * of_x; i++)
            for (int j = 0; j < d_y * of_y; j++) {
                const double value = found[i * d_y * of_y + j] * (2.0 / rows);
                const int pair = i / of_x * d_y + j / of_y;
                peak[pair] = std::fmax(peak[pair], value * value);
                fine[pair] += value * value;
            }
    }
};

// The column of each row, for P rows and at least as many columns, so that the total weight (P, Q) is greatest.
// Reference: Kuhn (1955), Naval Res. Logist. 2; by shortest augmenting paths.
void match(const double *weight, int p, int q, int *partner, Space &space) {
    double *of_row = space.take<double>(p + 1), *of_column = space.take<double>(q + 1), *least = space.take<double>(q + 1);
    int *owner = space.take<int>(q + 1), *way = space.take<int>(q + 1);
    bool *used = space.take<bool>(q + 1);
    std::fill(of_row, of_row + p + 1, 0.0);
    std::fill(of_column, of_column + q + 1, 0.0);
    std::fill(owner, owner + q + 1, 0);
    for (int row = 1; row <= p; row++) {
        int column = 0;
        owner[0] = row;
        std::fill(least, least + q + 1, DBL_MAX);
        std::fill(used, used + q + 1, false);
        do {
            used[column] = true;
            const int from = owner[column];
            double step = DBL_MAX;
            int next = 0;
            for (int j = 1; j <= q; j++) {
                if (used[j])
                    continue;
                const double rest = -weight[(from - 1) * q + j - 1] - of_row[from] - of_column[j];
                if (rest < least[j]) {
                    least[j] = rest;
                    way[j] = column;
                }
                if (least[j] < step) {
                    step = least[j];
                    next = j;
                }
            }
            for (int j = 0; j <= q; j++)
                if (used[j]) {
                    of_row[owner[j]] += step;
                    of_column[j] -= step;
                } else
                    least[j] -= step;
            column = next;
        } while (owner[column] != 0);
        for (; column != 0; column = way[column])
            owner[column] = owner[way[column]];
    }
    for (int j = 1; j <= q; j++)
        if (owner[j] != 0)
            partner[owner[j] - 1] = j - 1;
}

// Matched columns of one table, strongest first.
struct Pairs {
    static constexpr int FEATURES = 21;
    int count;
    int x[MATCHES], y[MATCHES];
    double features[MATCHES][FEATURES];
    double totals[5], gaussian, neighbour;

    // `known` are neighbour estimates of the only pair there is, or null.
    Pairs(const Job &job, const Scores &scores, const Coefficients &coefficients, const Neighbours *known, Space &space) {
        const Index n = job.n;
        const int d_x = job.d_x, d_y = job.d_y, pairs = d_x * d_y, width = d_y * FREQUENCIES;
        const Ripples ripples(job, scores, space);
        const double *energy = coefficients.energy;
        choose(d_x, d_y, energy, ripples, space);
        const double noise = static_cast<double>(FREQUENCIES * FREQUENCIES) / (n < SOME_ROWS ? n : SOME_ROWS);
        bool *taken = space.take<bool>(pairs);
        std::fill(taken, taken + pairs, false);
        for (int pair = 0; pair < count; pair++)
            taken[x[pair] * d_y + y[pair]] = true;
        double own_total = 0;
        gaussian = neighbour = 0;
        for (int pair = 0; pair < count; pair++) {
            const int i = x[pair], j = y[pair], place = i * d_y + j;
            double block[FREQUENCIES * FREQUENCIES], values[FREQUENCIES], largest = 0, low = 0, high = 0;
            for (int k = 0; k < FREQUENCIES; k++)
                for (int l = 0; l < FREQUENCIES; l++) {
                    const double value = coefficients.values[(i * FREQUENCIES + k) * width + j * FREQUENCIES + l];
                    block[k * FREQUENCIES + l] = value;
                    largest = std::fmax(largest, std::fabs(value));
                    if (k == l)
                        (k < 2 ? low : high) += value * value;
                }
            singular_values(block, FREQUENCIES, space, values);
            double bent_nats = -noise / 2;
            for (double &value : values) {
                value = std::fmin(value, 1 - 1e-6);
                bent_nats += nats(value);
            }
            double rival = 0;
            for (int other = 0; other < d_y; other++)
                if (!taken[i * d_y + other])
                    rival = std::fmax(rival, energy[i * d_y + other]);
            for (int other = 0; other < d_x; other++)
                if (!taken[other * d_y + j])
                    rival = std::fmax(rival, energy[other * d_y + j]);
            rival -= noise;
            const double *u = scores.normal + i * n, *v = scores.normal + (d_x + j) * n;
            auto plain_u = [&](Index row) { return u[row]; };
            auto plain_v = [&](Index row) { return v[row]; };
            auto folded_u = [&](Index row) { return std::fabs(u[row]); };
            auto folded_v = [&](Index row) { return std::fabs(v[row]); };
            const double straight = std::fabs(correlation(n, plain_u, plain_v));
            const double bent = std::fabs(correlation(n, folded_u, folded_v));
            const double one = std::fabs(correlation(n, folded_u, plain_v)), two = std::fabs(correlation(n, plain_u, folded_v));
            const double own = energy[place] - noise, peak = ripples.peak[place], fine = ripples.fine[place];
            double *out = features[pair];
            *out++ = straight;
            *out++ = nats(straight);
            *out++ = bent;
            *out++ = std::fmax(one, two);
            *out++ = logarithm(own);
            *out++ = own * std::sqrt(static_cast<double>(n)) / FREQUENCIES;
            *out++ = largest;
            *out++ = std::sqrt(low);
            *out++ = std::sqrt(high);
            *out++ = values[0];
            *out++ = bent_nats;
            *out++ = logarithm(rival);
            *out++ = std::log1p(peak * ripples.rows) / 4;
            *out++ = nats(std::sqrt(std::fmin(peak, 0.999)));
            *out++ = fine * ripples.rows / std::sqrt(2.0 * RIPPLE_COUNT);
            *out++ = logarithm(fine);
            *out++ = static_cast<double>(pair) / MATCHES;
            const double straight_nats = nats(straight) - 0.5 / n;
            double best = positive(std::fmax(bent_nats, straight_nats));
            std::fill(out, out + RADII + 1, 0.0);
            if (pair < KNN_MATCHES) {
                const Neighbours found = known != nullptr ? *known : near(job, u, v, scores.tied, space);
                std::copy(found.nats, found.nats + RADII, out);
                out[RADII] = 1.0;
                best = positive(found.nats[MIDDLE]);
            }
            own_total += own;
            gaussian += positive(straight_nats);
            neighbour += best;
        }
        double highest = 0, most = -1, total = 0;
        for (int pair = 0; pair < pairs; pair++) {
            highest = std::fmax(highest, ripples.peak[pair]);
            most = std::fmax(most, energy[pair] - noise);
            total += energy[pair] - noise;
        }
        totals[0] = std::asinh(highest * (ripples.rows / 10.0));
        totals[1] = std::asinh(total);
        totals[2] = std::asinh(total * std::sqrt(static_cast<double>(n)) / (FREQUENCIES * std::sqrt(static_cast<double>(pairs))));
        totals[3] = logarithm(most);
        totals[4] = std::asinh(own_total);
    }

    double *tokens(double *out) const { return std::copy(features[0], features[0] + count * FEATURES, out); }

  private:
    static double logarithm(double value) { return std::log1p(std::fmax(value, -0.9)); }

    static Neighbours near(const Job &job, const double *u, const double *v, Tied tied, Space &space) {
        const Index rows = job.n < job.rows.matched ? job.n : job.rows.matched;
        return ksg_all(u, rows, 1, v, rows, 1, rows, tied, job.psi, space);
    }

    void choose(int d_x, int d_y, const double *energy, const Ripples &ripples, Space &space) {
        const int pairs = d_x * d_y, c = d_x < d_y ? d_x : d_y;
        double *weight = space.take<double>(pairs), *turned = space.take<double>(pairs);
        int *partner = space.take<int>(c), *order = space.take<int>(c);
        for (int pair = 0; pair < pairs; pair++)
            weight[pair] = energy[pair] + ripples.surprising(pair, pairs);
        transpose(weight, d_x, d_y, turned);
        match(d_x <= d_y ? weight : turned, c, pairs / c, partner, space);
        auto strength = [&](int k) { return d_x <= d_y ? weight[k * d_y + partner[k]] : weight[partner[k] * d_y + k]; };
        for (int k = 0; k < c; k++)
            order[k] = k;
        std::stable_sort(order, order + c, [&](int a, int b) { return strength(a) > strength(b); });
        count = c < MATCHES ? c : MATCHES;
        for (int pair = 0; pair < count; pair++) {
            x[pair] = d_x <= d_y ? order[pair] : partner[order[pair]];
            y[pair] = d_x <= d_y ? partner[order[pair]] : order[pair];
        }
    }
};
