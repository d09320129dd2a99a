/* The order of statistics, and what a table's tokens hold; as in mist/statistics/summary.py and anchors.py. */

constexpr int TOKEN_ROWS = 128, ROW_FEATURES = 14, GLOBAL_FEATURES = 27, ANCHORS = 17;
constexpr double MAX_NATS = 30.0;
constexpr Index MANY_ROWS = 256;       // neighbours of so many rows take longer to find than a thread to start (guess)
constexpr Index MANY_VALUES = 20'000;  // and so many values to rank, or their cosines (guess)

// What `summarise` writes of one table: so many features, before they are tamed.
INLINE Index features_of(const Job &job) {
    const Index c = job.d_x < job.d_y ? job.d_x : job.d_y;
    return (c < COMPONENTS ? c : COMPONENTS) * (2 * DESCRIBED + 10) + (c < MATCHES ? c : MATCHES) * Pairs::FEATURES +
           SETS * (2 * RADII + 5 + SETS) + 2 * (Features::COUNT + 2) + Swirl::LEADING * (DESCRIBED + 5) + GLOBAL_FEATURES +
           (job.n < TOKEN_ROWS ? job.n : TOKEN_ROWS) * ROW_FEATURES;
}

// Sizes, ties and totals.
double *table_token(const Job &job, const Scores &scores, const Spectrum &spectrum, const Pairs &pairs, Space &space, double *out) {
    const Index n = job.n;
    const double small = job.d_x < job.d_y ? job.d_x : job.d_y, large = job.d_x + job.d_y - small;
    *out++ = std::log(static_cast<double>(n)) - 5.0;
    *out++ = std::log(small);
    *out++ = std::log(large);
    *out++ = std::log((small + large) / n);
    *out++ = std::log(small * large / n);
    *out++ = 1.0 / std::sqrt(static_cast<double>(n));
    *out++ = small / std::sqrt(static_cast<double>(n));
    double mean_ties[2] = {}, most_ties[2] = {};
    for (int k = 0; k < job.d_x + job.d_y; k++) {
        const int side = k < job.d_x ? 0 : 1;
        mean_ties[side] += scores.ties[k] / (side == 0 ? job.d_x : job.d_y);
        most_ties[side] = std::fmax(most_ties[side], scores.ties[k]);
    }
    *out++ = mean_ties[0] + mean_ties[1];
    *out++ = std::fabs(mean_ties[0] - mean_ties[1]);
    *out++ = most_ties[0] + most_ties[1];
    *out++ = std::fabs(most_ties[0] - most_ties[1]);
    for (int part : {1, 3, 4})
        for (int kind = 0; kind < 2; kind++)
            *out++ = spectrum.totals[kind][part];
    *out++ = spectrum.totals[1][2];
    double *logs = space.take<double>(2 * n), *roots = space.take<double>(2 * n);
    for (Index i = 0; i < 2 * n; i++) {
        logs[i] = std::log(spectrum.radius[i] + 1e-6);
        roots[i] = std::sqrt(spectrum.radius[i]);
    }
    const double heavy_x = kurtosis(n, [&](Index i) { return roots[i]; });
    const double heavy_y = kurtosis(n, [&](Index i) { return roots[n + i]; });
    *out++ = correlation(n, [&](Index i) { return logs[i]; }, [&](Index i) { return logs[n + i]; });
    *out++ = heavy_x + heavy_y - 6.0;
    *out++ = std::fabs(heavy_x - heavy_y);
    *out++ = pairs.gaussian;
    return std::copy(pairs.totals, pairs.totals + 5, out);
}

// The first rows themselves, in coordinates without sides or signs.
double *row_tokens(const Job &job, const Spectrum &spectrum, const NeighbourSets &near, double *out) {
    const Index n = job.n;
    for (Index i = 0; i < n && i < TOKEN_ROWS; i++) {
        for (int k = 0; k < LEADING; k++)
            if (k < spectrum.c) {
                const double s = spectrum.unit_s[k * n + i], t = spectrum.unit_t[k * n + i];
                *out++ = s * t;
                *out++ = s * s + t * t;
                *out++ = std::fabs(s * s - t * t);
            } else
                out = std::fill_n(out, 3, 0.0);
        const double log_s = std::log(spectrum.radius[i] / job.d_x + 1e-6), log_t = std::log(spectrum.radius[n + i] / job.d_y + 1e-6);
        *out++ = log_s + log_t;
        *out++ = std::fabs(log_s - log_t);
        *out++ = log_s * log_t;
        *out++ = near.sets[0].whole.local[i];
        *out++ = near.sets[1].whole.local[i];
    }
    return out;
}

// Plug-in estimates in nats; the last one stands where no average over matches is taken.
void anchors(const Job &job, const Spectrum &spectrum, const Pairs &pairs, const NeighbourSets &near, const FeatureSets &features,
             const Swirl &swirl, double *out) {
    const double gaussian = spectrum.totals[0][1] - job.gaussian_bias;
    double held[2] = {}, beyond[LEADING] = {};
    for (int k = 0; k < spectrum.c; k++) {
        held[0] += positive(spectrum.held_out_nats(0, k));
        held[1] += positive(spectrum.held_out_nats(1, k));
        for (int first = 0; first < LEADING && first < k; first++)
            beyond[first] += positive(spectrum.held_out_nats(1, k));
    }
    const double parts[ANCHORS] = {gaussian,
                                   spectrum.totals[1][1],
                                   held[0],
                                   held[1],
                                   spectrum.totals[0][4],
                                   spectrum.totals[1][4],
                                   near.nats(0),
                                   positive(near.nats(1)) + beyond[0],
                                   positive(near.nats(2)) + beyond[1],
                                   positive(near.nats(3)) + beyond[2],
                                   pairs.neighbour,
                                   features.sets[0].held_out_nats(),
                                   features.sets[1].held_out_nats(),
                                   positive(gaussian) + positive(near.nats(4)),
                                   swirl.total,
                                   positive(gaussian) + positive(swirl.total - held[1]),
                                   pairs.gaussian};
    for (int k = 0; k < ANCHORS; k++)
        out[k] = clamp(parts[k], 0.0, MAX_NATS);
}

// Keys of the scores of columns without ties, by rank, (N,).
int64_t *keys_of_ranks(const Job &job, Space &space) {
    int64_t *keys = space.take<int64_t>(job.n);
    for (Index i = 0; i < job.n; i++)
        keys[i] = key_of(job.scores[4 * i + 4]);
    return keys;
}

// One table, x (N, D_x) and y (N, D_y) row by row, to its features, tamed, its anchors, and the correlations of all pairs
// of columns (D_x, D_y). What other stages do not wait for is the work of threads of their own, one after the other, in
// the space `beside`, if there is one.
void summarise_table(const Job &job, const double *x, const double *y, const int64_t *keys, Space &space, Space *beside,
                     float *tokens, double *estimates, double *correlations) {
    const Index n = job.n;
    const int d_x = job.d_x, d_y = job.d_y;
    const bool many = n * (d_x + d_y) >= MANY_VALUES;
    const auto elsewhere = [&](bool pays) { return beside && pays ? std::launch::async : std::launch::deferred; };
    Space &other = beside ? *beside : space;
    const Scores all = scores(job, x, y, keys, space, many ? beside : nullptr);
    const double *u = all.normal, *v = all.normal + d_x * n;
    auto measured = std::async(elsewhere(many), [&] { return Coefficients(job, all, other); });
    const Columns columns(all.normal, n, n, d_x, d_y, space);
    const Spectrum spectrum(columns, space);
    const Coefficients coefficients = measured.get();
    NeighbourSets near;
    const auto sought = std::async(elsewhere(true), [&] { near.lead(job, all, spectrum, other); }).share();
    const Swirl swirl(u, v, n, n, d_x, d_y, coefficients.energy, space);
    FeatureSets features(job, spectrum, space);
    near.follow(job, all, swirl, space);
    const bool pair = d_x == 1 && d_y == 1;
    if (pair)
        sought.get();  // the neighbours of all columns say all of the matched pair, too
    const Pairs pairs(job, all, coefficients, pair ? &near.sets[0].whole : nullptr, space);
    features.match(job, all, spectrum, pairs, space);
    sought.get();
    const Index count = features_of(job);
    double *begin = space.take<double>(count), *end = begin;
    end = spectrum.tokens(end);
    end = pairs.tokens(end);
    end = near.tokens(end);
    end = features.tokens(end);
    end = swirl.tokens(spectrum, end);
    end = table_token(job, all, spectrum, pairs, space, end);
    end = row_tokens(job, spectrum, near, end);
    if (end - begin != count)
        throw std::logic_error("tokens hold another number of features than they are said to");
    for (Index i = 0; i < count; i++)  // outliers tamed: identity near 0, logarithmic beyond about 5
        tokens[i] = 5.0f * std::asinh(static_cast<float>(begin[i] / 5.0));
    anchors(job, spectrum, pairs, near, features, swirl, estimates);
    for (int i = 0; i < d_x; i++)
        std::copy(columns.moments[0] + i * (d_x + d_y) + d_x, columns.moments[0] + (i + 1) * (d_x + d_y), correlations + i * d_y);
}

// Of `threads` a single table of several columns or many rows keeps two: what it begins is worth more than a thread's start.
void summarise(const Job &job, Index tables, const double *x, const double *y, int threads, float *tokens, double *estimates,
               double *correlations) {
    thread_local Space space, beside;
    const bool shared = threads > 1 && tables == 1 && (job.d_x + job.d_y > 2 || job.n >= MANY_ROWS);
    space.reset();
    beside.reset();
    const int64_t *keys = keys_of_ranks(job, space);
    const Index mark = space.mark(), count = features_of(job);
    for (Index table = 0; table < tables; table++) {
        space.back_to(mark);
        summarise_table(job, x + table * job.n * job.d_x, y + table * job.n * job.d_y, keys, space, shared ? &beside : nullptr,
                        tokens + table * count, estimates + table * ANCHORS, correlations + table * job.d_x * job.d_y);
    }
    space.settle();
    beside.settle();
}
