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

Scores scores(const Job &job, const double *x, const double *y, const int64_t *keys, Space &space) {
    const Index n = job.n;
    const int d = job.d_x + job.d_y;
    Scores found{space.take<double>(d * n), space.take<double>(d * n), space.take<double>(d), {false, false}};
    Ordered *entries = space.take<Ordered>(n), *spare = space.take<Ordered>(n);
    uint64_t *values = space.take<uint64_t>(n);
    int32_t *rows = space.take<int32_t>(d * n), *halves = space.take<int32_t>(d * n), *place = space.take<int32_t>(n);
    double *own = space.take<double>(d * n);  // scores of tied columns by rank
    int64_t *sums[2] = {space.take<int64_t>(n), space.take<int64_t>(n)};
    std::fill(sums[0], sums[0] + n, 0);
    std::fill(sums[1], sums[1] + n, 0);
    for (int c = 0; c < d; c++) {
        const bool of_x = c < job.d_x;
        const double *column = of_x ? x + c : y + (c - job.d_x);
        const int width = of_x ? job.d_x : job.d_y;
        for (Index i = 0; i < n; i++)
            values[i] = sortable(column[i * width]);
        const Ordered *sorted = sort(values, n, entries, spare);
        int32_t *row = rows + c * n, *half = halves + c * n;
        Index distinct = 0;
        for (Index first = 0; first < n; distinct++) {
            Index end = first + 1;
            while (end < n && values[sorted[end].row] == values[sorted[first].row])
                end++;
            for (Index i = first; i < end; i++) {
                row[i] = sorted[i].row;
                half[i] = static_cast<int32_t>(first + end + 1);  // twice the mid-rank
            }
            first = end;
        }
        found.ties[c] = 1.0 - static_cast<double>(distinct) / n;
        int64_t *to = sums[of_x ? 0 : 1];
        if (distinct == n) {
            for (Index i = 0; i < n; i++)
                to[row[i]] += keys[i];
            continue;
        }
        (of_x ? found.tied.s : found.tied.t) = true;
        double *score = own + c * n;
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
    const double turn = sum(n, [&](Index i) {
        const double both = (sums[0][i] + sums[1][i]) / STEPS;
        return both * both * ((sums[0][i] - sums[1][i]) / STEPS);
    });
    const double share = turn < 0 ? -0.3 : 0.3;  // turns when the sides are swapped
    for (Index i = 0; i < n; i++) {
        const double both = (sums[0][i] + sums[1][i]) / STEPS, between = (sums[0][i] - sums[1][i]) / STEPS;
        values[i] = sortable(both + share * between);
    }
    const Ordered *sorted = sort(values, n, entries, spare);
    for (Index i = 0; i < n; i++)
        place[sorted[job.mixing[i]].row] = static_cast<int32_t>(i);
    for (int c = 0; c < d; c++) {
        const int32_t *row = rows + c * n, *half = halves + c * n;
        const double *score = own + c * n;
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
