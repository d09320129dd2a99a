/* Nearest-neighbour estimates from counts; as in mist/statistics/neighbours.py. */

constexpr int MIDDLE = 1;  // position of k = 3

// KSG-1 on some rows of one table.
struct Neighbours {
    double nats[RADII], excess;
    const double *local;  // each row's own contribution at the middle k

    // From counts (3, ., N, RADII), `stride` between its parts; `psi` is the digamma function of whole numbers.
    Neighbours(const int32_t *counts, Index stride, Index n, const int32_t *ks, const double *psi, Space &space) {
        double *own = space.take<double>(n);
        excess = 0;
        for (int k = 0; k < RADII; k++) {
            double total = 0;
            for (Index i = 0; i < n; i++) {
                const int32_t *at = counts + i * RADII + k;
                const double value = psi[at[0]] + psi[n] - psi[at[stride]] - psi[at[2 * stride]];
                total += value;
                if (k == MIDDLE) {
                    own[i] = value;
                    if (at[0] != ks[k])
                        excess += std::log(static_cast<double>(at[0]) / ks[k]);
                }
            }
            nats[k] = total / n;
        }
        excess /= n;
        local = own;
    }
    Neighbours() = default;
};

// Columns (., stride) in single precision, `n` rows of them; at most LEADING.
INLINE const float *single(const double *columns, Index stride, int count, Index n, Space &space) {
    float *out = space.take<float>(count * n);
    for (int k = 0; k < count; k++)
        for (Index i = 0; i < n; i++)
            out[k * n + i] = static_cast<float>(columns[k * stride + i]);
    return out;
}

// KSG-1 on the first n rows of s and t, for each of `steps` numbers of leading columns; see counting.py.
void ksg(const double *s, Index s_stride, int d_s, const double *t, Index t_stride, int d_t, Index n, Tied tied,
         const int32_t *widths, int steps, bool euclidean, const double *psi, Space &space, Neighbours *found) {
    const int32_t most = n - 1 < 8 ? static_cast<int32_t>(n - 1) : 8;
    const int32_t ks[RADII] = {1, most < 3 ? most : 3, most};
    Task task;
    task.rows = n;
    task.columns[0] = d_s;
    task.columns[1] = d_t;
    task.steps = steps;
    task.k = ks;
    task.widths = widths;
    task.euclidean = euclidean;
    task.relative = 1e-5f;
    task.absolute = 1e-6f;
    const float *left = single(s, s_stride, d_s, n, space), *right = single(t, t_stride, d_t, n, space);
    int32_t *counts = space.take<int32_t>(3 * steps * n * RADII);
    count_rows_of_table(task, left, right, tied, space.take<char>(space_for(task)), counts, steps * n * RADII, n * RADII);
    for (int step = 0; step < steps; step++)
        found[step] = Neighbours(counts + step * n * RADII, steps * n * RADII, n, ks, psi, space);
}

// KSG-1 on all columns of s and t.
INLINE Neighbours ksg_all(const double *s, Index s_stride, int d_s, const double *t, Index t_stride, int d_t, Index n,
                          Tied tied, const double *psi, Space &space) {
    const int32_t widths[2] = {d_s, d_t};
    Neighbours found;
    ksg(s, s_stride, d_s, t, t_stride, d_t, n, tied, widths, 1, d_s > FEW || d_t > FEW, psi, space, &found);
    return found;
}

// Estimates on all rows looked at, on half of them, and how many they are.
struct Estimates {
    Neighbours whole, part;
    Index rows;
};

INLINE Estimates halved(const double *s, Index s_stride, int d_s, const double *t, Index t_stride, int d_t, Index n, Index most,
                    Tied tied, const double *psi, Space &space) {
    const Index rows = n < most ? n : most;
    return {ksg_all(s, s_stride, d_s, t, t_stride, d_t, rows, tied, psi, space),
            ksg_all(s, s_stride, d_s, t, t_stride, d_t, rows / 2, tied, psi, space), rows};
}

constexpr int SETS = 6, LEADING = 3;  // sets of columns that neighbours are sought in; canonical pairs

// The sets: all columns; 1, 2 and 3 canonical pairs; the norms of whitened rows; turned columns.
struct NeighbourSets {
    Estimates sets[SETS];

    // Fill all but the last one.
    void lead(const Job &job, const Scores &scores, const Spectrum &spectrum, Space &space) {
        const Index n = job.n;
        const double *x = scores.normal, *y = scores.normal + job.d_x * n, *psi = job.psi;
        const Tied tied = scores.tied;
        sets[0] = halved(x, n, job.d_x, y, n, job.d_y, n, job.rows.all, tied, psi, space);
        if (job.d_x + job.d_y == 2) {  // every other set would look at the same two columns
            std::fill(sets + 1, sets + SETS, sets[0]);
            return;
        }
        const Index one = n < job.rows.first ? n : job.rows.first, more = n < job.rows.leading ? n : job.rows.leading;
        const int most = spectrum.c < LEADING ? spectrum.c : LEADING;
        const double *s = spectrum.s, *t = spectrum.t;
        const double *half_s = spectrum.half_s, *half_t = spectrum.half_t;
        const Index half = spectrum.half;
        sets[1] = {ksg_all(s, n, 1, t, n, 1, one, tied, psi, space),
                   ksg_all(half_s, half, 1, half_t, half, 1, one / 2, tied, psi, space), one};
        if (most > 1) {
            const int32_t widths[4] = {2, 2, 3, 3};
            Neighbours wholes[2], parts[2];
            ksg(s, n, most, t, n, most, more, tied, widths, most - 1, false, psi, space, wholes);
            ksg(half_s, half, most, half_t, half, most, more / 2, tied, widths, most - 1, false, psi, space, parts);
            for (int set = 0; set < most - 1; set++)
                sets[2 + set] = {wholes[set], parts[set], more};
        }
        for (int set = most + 1; set <= LEADING; set++)
            sets[set] = sets[most];  // fewer columns: the largest set stands in
        sets[4] = halved(spectrum.radius, n, 1, spectrum.radius + n, n, 1, n, job.rows.leading, tied, psi, space);
    }

    // Fill the last one, of turned columns.
    void follow(const Job &job, const Scores &scores, const Swirl &swirl, Space &space) {
        if (job.d_x + job.d_y > 2)
            sets[5] = halved(swirl.s, swirl.half, Swirl::PAIRS, swirl.t, swirl.half, Swirl::PAIRS, swirl.half,
                             job.rows.leading, scores.tied, job.psi, space);
    }

    double nats(int set) const { return sets[set].whole.nats[MIDDLE]; }

    // One token of 17 features for each set.
    double *tokens(double *out) const {
        for (int set = 0; set < SETS; set++) {
            const Neighbours &whole = sets[set].whole, &part = sets[set].part;
            const Index rows = sets[set].rows;
            const double middle = whole.nats[MIDDLE];
            out = std::copy(whole.nats, whole.nats + RADII, out);
            out = std::copy(part.nats, part.nats + RADII, out);
            *out++ = middle - part.nats[MIDDLE];
            *out++ = std::sqrt(sum(rows, [&](Index i) { return (whole.local[i] - middle) * (whole.local[i] - middle); })) / rows;
            *out++ = whole.nats[0] - whole.nats[RADII - 1];
            *out++ = whole.excess;
            *out++ = std::log(static_cast<double>(rows)) - 5.0;
            for (int kind = 0; kind < SETS; kind++)
                *out++ = kind == set;
        }
        return out;
    }
};
