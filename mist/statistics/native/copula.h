/* Columns -> ranks -> normal scores, in an order of rows that follows from what they hold; as in mist/copula.py. */

// A row by the upper half of its key.
struct Ordered {
    uint32_t high;
    int32_t row;
};

constexpr double STEPS = 17592186044416.0;  // 2^44 of a unit of a row's key

// A key that increases with the value, equal for equal values.
INLINE uint64_t sortable(double value) {
    if (value == 0)
        value = 0;  // there are two zeros
    uint64_t bits;
    std::memcpy(&bits, &value, 8);
    if (value == 0)
        bits = 0;
    return bits >> 63 ? ~bits : bits | (uint64_t{1} << 63);
}

// Rows (N,) by increasing key, equal ones as they stood, in `entries` or `spare` (N,): by the upper half of the keys in
// three passes, then by all of the key where halves are equal, which they seldom are.
Ordered *sort(const uint64_t *keys, Index n, Ordered *entries, Ordered *spare) {
    constexpr int DIGITS = 3, BITS = 11, VALUES = 1 << BITS, FEW_ALIKE = 16;
    int32_t counts[DIGITS][VALUES] = {};
    for (Index i = 0; i < n; i++) {
        const uint32_t high = static_cast<uint32_t>(keys[i] >> 32);
        entries[i] = {high, static_cast<int32_t>(i)};
        for (int digit = 0; digit < DIGITS; digit++)
            counts[digit][(high >> (BITS * digit)) & (VALUES - 1)]++;
    }
    for (int digit = 0; digit < DIGITS; digit++) {
        if (counts[digit][(entries[0].high >> (BITS * digit)) & (VALUES - 1)] == n)
            continue;  // all alike
        int32_t total = 0;
        for (int value = 0; value < VALUES; value++) {
            const int32_t count = counts[digit][value];
            counts[digit][value] = total;
            total += count;
        }
        for (Index i = 0; i < n; i++)
            spare[counts[digit][(entries[i].high >> (BITS * digit)) & (VALUES - 1)]++] = entries[i];
        std::swap(entries, spare);
    }
    auto before = [&](const Ordered &a, const Ordered &b) { return keys[a.row] < keys[b.row]; };
    for (Index first = 0; first < n;) {
        Index end = first + 1;
        while (end < n && entries[end].high == entries[first].high)
            end++;
        if (end - first > FEW_ALIKE)
            std::stable_sort(entries + first, entries + end, before);
        else
            for (Index i = first + 1; i < end; i++)
                for (Index j = i; j > first && before(entries[j], entries[j - 1]); j--)
                    std::swap(entries[j], entries[j - 1]);
        first = end;
    }
    return entries;
}

// A generic function of a score, in steps.
INLINE int64_t key_of(double score) {
    const double wave = std::sin(2.3 * score + 0.7) + 0.37 * (score * score) * std::sin(5.1 * score);
    return std::llrint(wave * STEPS);
}

// Scores of both sides, columns of x first, rows in the order of their content.
struct Scores {
    double *normal, *uniform;  // (D, N) each
    double *ties;              // share of rows that repeat another's value, (D,)
    Tied tied;                 // which sides have such columns
};

// Columns while they are ranked: values of all of them in increasing order, N after N.
struct Ranks {
    int32_t *rows;           // where each stood
    int32_t *halves;         // twice its mid-rank
    double *scores, *ties;   // its normal score, in tied columns alone; each column's share of ties, (D,)
};

// Rank the columns from `first` to `last`, and sum the keys of each row's scores by side, (2, N).
int64_t *rank(const Job &job, const double *x, const double *y, const int64_t *keys, int first, int last, const Ranks &found,
              Space &space) {
    const Index n = job.n;
    Ordered *entries = space.take<Ordered>(n), *spare = space.take<Ordered>(n);
    uint64_t *values = space.take<uint64_t>(n);
    int64_t *sums = space.take<int64_t>(2 * n);
    std::fill(sums, sums + 2 * n, 0);
    for (int c = first; c < last; c++) {
        const bool of_x = c < job.d_x;
        const double *column = of_x ? x + c : y + (c - job.d_x);
        const int width = of_x ? job.d_x : job.d_y;
        for (Index i = 0; i < n; i++)
            values[i] = sortable(column[i * width]);
        const Ordered *sorted = sort(values, n, entries, spare);
        int32_t *row = found.rows + c * n, *half = found.halves + c * n;
        Index distinct = 0;
        for (Index begin = 0; begin < n; distinct++) {
            Index end = begin + 1;
            while (end < n && values[sorted[end].row] == values[sorted[begin].row])
                end++;
            for (Index i = begin; i < end; i++) {
                row[i] = sorted[i].row;
                half[i] = static_cast<int32_t>(begin + end + 1);
            }
            begin = end;
        }
        found.ties[c] = 1.0 - static_cast<double>(distinct) / n;
        int64_t *to = of_x ? sums : sums + n;
        if (distinct == n) {
            for (Index i = 0; i < n; i++)
                to[row[i]] += keys[i];
            continue;
        }
        double *score = found.scores + c * n;
        const double centre = mean(n, [&](Index i) { return job.raw_scores[2 * half[i]]; });
        for (Index i = 0; i < n; i++)
            score[i] = job.raw_scores[2 * half[i]] - centre;
        const double variance = mean(n, [&](Index i) { return score[i] * score[i]; });
        const double factor = variance < 1e-12 ? 0.0 : 1.0 / std::sqrt(variance);
        int64_t key = 0;
        for (Index i = 0; i < n; i++) {
            score[i] *= factor;
            if (i == 0 || half[i] != half[i - 1])
                key = key_of(score[i]);
            to[row[i]] += key;
        }
    }
    return sums;
}

// Half of the columns are ranked by a thread of its own, in the space `beside`, if there is one.
Scores scores(const Job &job, const double *x, const double *y, const int64_t *keys, Space &space, Space *beside) {
    const Index n = job.n;
    const int d = job.d_x + job.d_y;
    Scores found{space.take<double>(d * n), space.take<double>(d * n), space.take<double>(d), {false, false}};
    const Ranks ranks{space.take<int32_t>(d * n), space.take<int32_t>(d * n), space.take<double>(d * n), found.ties};
    std::future<int64_t *> others;
    if (beside)
        others = std::async(std::launch::async, [&] { return rank(job, x, y, keys, d / 2, d, ranks, *beside); });
    int64_t *sums = rank(job, x, y, keys, 0, beside ? d / 2 : d, ranks, space);
    if (beside) {
        const int64_t *more = others.get();
        for (Index i = 0; i < 2 * n; i++)
            sums[i] += more[i];
    }
    for (int c = 0; c < d; c++)
        (c < job.d_x ? found.tied.s : found.tied.t) |= found.ties[c] > 0;
    const int64_t *of_x = sums, *of_y = sums + n;
    const double turn = sum(n, [&](Index i) {
        const double both = (of_x[i] + of_y[i]) / STEPS;
        return both * both * ((of_x[i] - of_y[i]) / STEPS);
    });
    const double share = turn < 0 ? -0.3 : 0.3;  // turns when the sides are swapped
    uint64_t *values = space.take<uint64_t>(n);
    for (Index i = 0; i < n; i++) {
        const double both = (of_x[i] + of_y[i]) / STEPS, between = (of_x[i] - of_y[i]) / STEPS;
        values[i] = sortable(both + share * between);
    }
    int32_t *place = space.take<int32_t>(n);
    const Ordered *sorted = sort(values, n, space.take<Ordered>(n), space.take<Ordered>(n));
    for (Index i = 0; i < n; i++)
        place[sorted[job.mixing[i]].row] = static_cast<int32_t>(i);
    for (int c = 0; c < d; c++) {
        const int32_t *row = ranks.rows + c * n, *half = ranks.halves + c * n;
        const double *score = ranks.scores + c * n;
        double *normal = found.normal + c * n, *uniform = found.uniform + c * n;
        const bool tied = found.ties[c] > 0;
        for (Index i = 0; i < n; i++) {
            const int32_t at = place[row[i]];
            normal[at] = tied ? score[i] : job.scores[2 * half[i]];
            uniform[at] = job.raw_scores[2 * half[i] + 1];
        }
    }
    return found;
}
