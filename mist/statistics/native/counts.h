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

constexpr int RADII = 3;   // values of k
constexpr int MOST_K = 8;  // largest k
constexpr int LANES = 8;   // rows looked at together
constexpr int FEW = 3;     // most columns of a side whose largest difference is the distance
constexpr int STEP = 16;   // rows by which a window grows

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

// Some rows of a column (N,) from `first` on, the last one over again where there are no more.
INLINE Floats lanes_of(const float *column, Index n, Index first) {
    float lanes[LANES];
    for (int lane = 0; lane < LANES; lane++)
        lanes[lane] = column[first + lane < n ? first + lane : n - 1];
    Floats found;
    std::memcpy(&found, lanes, sizeof(found));
    return found;
}

// Raise the squared distances (N,) of some rows by the differences along a column (N,).
INLINE void add_column(Floats *distance, const float *column, Index n, Index first, bool begin) {
    const Floats at = lanes_of(column, n, first);
    for (Index j = 0; j < n; j++) {
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
INLINE void nearest_rows(const Floats *d_s, const Floats *d_t, Index n, Index first, Floats *found) {
    Floats nearest[MOST_K];
    for (int place = 0; place < MOST_K; place++)
        nearest[place] = Floats{} + FLT_MAX;
    for (Index j = 0; j < n; j++) {
        Floats next = d_s[j] > d_t[j] ? d_s[j] : d_t[j];
        if (j >= first && j < first + LANES)
            next[j - first] = FLT_MAX;  // a row is no neighbour of its own
        insert(next, nearest);
    }
    for (int place = 0; place < MOST_K; place++)
        found[place] = nearest[place];
}

// How many distances of each of some rows are at most each radius.
INLINE void count_within(const Floats *distance, Index n, const Floats *radius, Ints *found) {
    const Floats one = radius[0], two = radius[1], three = radius[2];
    Ints a{}, b{}, c{};
    for (Index j = 0; j < n; j++) {
        a -= distance[j] <= one;
        b -= distance[j] <= two;
        c -= distance[j] <= three;
    }
    found[0] = a;
    found[1] = b;
    found[2] = c;
}

// Count the rows at each distance too where they are more than one.
INLINE void add_ties(const Floats *distance, Index n, const Floats *far, Ints *found) {
    Ints within[RADII];
    count_within(distance, n, far, within);
    for (int place = 0; place < RADII; place++)
        found[place] = within[place] - found[place] > 1 ? within[place] : found[place];
}

// Which sides of a table repeat a value within a column; only there are ties looked for.
struct Tied {
    bool s, t;
    bool any() const { return s || t; }
};

// Count around some rows from `first` on: k, n_s + 1 and n_t + 1 for every radius, to out, out + stride and so on.
INLINE void count_rows(const Task &task, const Floats *d_s, const Floats *d_t, Index first, Tied tied, int32_t *out,
                       Index stride) {
    const Index n = task.rows, rows = n - first < LANES ? n - first : LANES;
    Floats nearest[MOST_K], inside[RADII], low[RADII], far[RADII];
    Ints k[RADII], n_s[RADII], n_t[RADII];
    nearest_rows(d_s, d_t, n, first, nearest);
    for (int place = 0; place < RADII; place++) {
        const Floats radius = nearest[task.k[place] - 1];
        k[place] = Ints{} + task.k[place];
        for (int lane = 0; lane < LANES; lane++) {
            inside[place][lane] = std::nextafter(radius[lane], -1.0f);
            if (lane < rows && radius[lane] <= 0)
                tied = {true, true};  // float32 may tie what was apart
        }
        const Floats less = radius * (1.0f - task.relative) - task.absolute;
        low[place] = less > 0 ? less : Floats{};
        far[place] = radius * (1.0f + task.relative) + task.absolute;
    }
    count_within(d_s, n, tied.s ? low : inside, n_s);
    count_within(d_t, n, tied.t ? low : inside, n_t);
    if (tied.any())
        for (int place = 0; place < RADII; place++) {
            const Floats reach_s = tied.s ? far[place] : inside[place], reach_t = tied.t ? far[place] : inside[place];
            Ints within = Ints{} - 1;  // the row itself is within and no neighbour
            for (Index j = 0; j < n; j++)
                within -= (d_s[j] <= reach_s) & (d_t[j] <= reach_t);
            k[place] = within > k[place] ? within : k[place];
        }
    if (tied.s)
        add_ties(d_s, n, far, n_s);
    if (tied.t)
        add_ties(d_t, n, far, n_t);
    for (Index lane = 0; lane < rows; lane++)
        for (int place = 0; place < RADII; place++) {
            int32_t *at = out + (first + lane) * RADII + place;
            at[0] = k[place][lane];
            at[stride] = n_s[place][lane];
            at[2 * stride] = n_t[place][lane];
        }
}

// All rows of one table s (columns, N), t (columns, N) by all Euclidean distances; out (3, steps, ., N, RADII), `stride`
// between its parts.
void count_table(const Task &task, const float *s, const float *t, Tied tied, Floats *space, int32_t *out,
                      Index stride, Index step_stride) {
    const Index n = task.rows;
    const float *sides[2] = {s, t};
    Floats *distances[2] = {space, space + n};
    for (Index first = 0; first < n; first += LANES) {
        Index done[2] = {0, 0};
        for (Index step = 0; step < task.steps; step++) {
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
    Index rows, stride;  // `stride` entries from column to column
    const float *s, *t;       // either side, rows in the order of the first column of s
    const float *own;         // t once more, rows in the order of its own first column
    const int32_t *place;     // where each row of t stands in `own`
    const int32_t *row;       // where each row stood in the table
};

// Sort rows by a column (N,).
void sort_by(const float *column, Index n, Entry *entries) {
    for (Index j = 0; j < n; j++)
        entries[j] = {column[j], static_cast<int32_t>(j)};
    std::sort(entries, entries + n, [](const Entry &a, const Entry &b) { return a.value < b.value; });
}

// Columns (columns, N) with their rows in the order of entries, to (columns, stride).
void gather(const float *columns, Index count, Index n, const Entry *entries, Index stride, float *to) {
    for (Index column = 0; column < count; column++, to += stride) {
        for (Index j = 0; j < n; j++)
            to[j] = columns[column * n + entries[j].row];
        std::fill(to + n, to + stride, FLT_MAX);
    }
}

// Lower the nearest distances of some rows, from `own` on, by those to rows from `begin` to `end` in D columns.
template <int D>
INLINE void look(const float *const *columns, const Floats *at, Index begin, Index end, Index own,
                 Floats *nearest) {
    for (Index j = begin; j < end; j++) {
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
INLINE void nearest_sorted(const float *const *columns, Index n, Index first, int k, Floats *nearest) {
    Floats at[D];
    for (int column = 0; column < D; column++)
        at[column] = lanes_of(columns[column], n, first);
    for (int place = 0; place < MOST_K; place++)
        nearest[place] = Floats{} + FLT_MAX;
    Index begin = first, end = first + LANES < n ? first + LANES : n;
    look<D>(columns, at, begin, end, first, nearest);
    for (;;) {
        const Floats bound = nearest[k - 1];
        const bool before = begin > 0 && any(at[0] - columns[0][begin - 1] < bound);
        const bool after = end < n && any(columns[0][end] - at[0] < bound);
        if (!before && !after)
            return;
        if (before) {
            const Index from = begin > STEP ? begin - STEP : 0;
            look<D>(columns, at, from, begin, first, nearest);
            begin = from;
        }
        if (after) {
            const Index to = end + STEP < n ? end + STEP : n;
            look<D>(columns, at, end, to, first, nearest);
            end = to;
        }
    }
}

// Of `count` entries that approach `at` by `step`, how many are further off than each radius, all radii at once.
INLINE void beyond(const float *entries, Index count, Index step, float at, const float *radius, Index *found) {
    for (int k = 0; k < RADII; k++)
        found[k] = 0;
    for (Index left = count; left > 0;) {  // no branch depends on an entry
        const Index half = (left + 1) / 2;
        for (int k = 0; k < RADII; k++)
            found[k] += std::fabs(entries[(found[k] + half - 1) * step] - at) > radius[k] ? half : 0;
        left -= half;
    }
}

// How many rows of D_S + D_T columns, sorted by the first, are no further from the one at `place` than each radius: that of
// the first D_S columns and that of the others. Radii increase.
template <int D_S, int D_T = 0>
INLINE void count_sorted(const float *const *columns, Index n, Index place, const float *radius, const float *radius_t,
                         int32_t *found) {
    const float *first = columns[0];
    Index below[RADII], above[RADII];
    beyond(first, place, 1, first[place], radius, below);
    beyond(first + n - 1, n - 1 - place, -1, first[place], radius, above);
    if (D_S + D_T == 1) {
        for (int k = 0; k < RADII; k++)
            found[k] = static_cast<int32_t>(n - below[k] - above[k]);
        return;
    }
    Ints sums[RADII] = {};
    for (Index j = below[RADII - 1]; j < n - above[RADII - 1]; j += LANES) {  // beyond are none within a radius
        Floats distance[2] = {};
#pragma GCC unroll 6
        for (int column = 0; column < D_S + D_T; column++) {
            Floats values, &largest = distance[column < D_S ? 0 : 1];
            std::memcpy(&values, columns[column] + j, sizeof(values));
            const Floats gap = values - columns[column][place];
            const Floats size = gap < 0 ? -gap : gap;
            largest = size > largest ? size : largest;
        }
        for (int k = 0; k < RADII; k++)
            sums[k] -= D_T == 0 ? distance[0] <= radius[k] : (distance[0] <= radius[k]) & (distance[1] <= radius_t[k]);
    }
    for (int k = 0; k < RADII; k++) {
        found[k] = 0;
        for (int lane = 0; lane < LANES; lane++)
            found[k] += sums[k][lane];
    }
}

// The same of columns of one side.
template <int D>
INLINE void count_side(const float *const *columns, Index n, Index place, const float *radius, int32_t *found) {
    count_sorted<D>(columns, n, place, radius, radius, found);
}

// Where there are ties: rows within a distance, and those at it too where they are more than one.
template <int D>
INLINE void count_tied(const float *const *columns, Index n, Index place, const float *low, const float *far,
                       int32_t *found) {
    int32_t within[RADII];
    count_side<D>(columns, n, place, low, found);
    count_side<D>(columns, n, place, far, within);
    for (int k = 0; k < RADII; k++)
        found[k] = within[k] - found[k] > 1 ? within[k] : found[k];
}

// All rows of a sorted table, to out as for `count_rows`; false if rows coincide and not both sides were said to be tied.
template <int D_S, int D_T>
INLINE bool count_few(const Task &task, const Sorted &table, Tied tied, int32_t *out, Index stride) {
    const Index n = table.rows;
    const float *joint[D_S + D_T], *own[D_T];  // the columns of s come first
    for (int column = 0; column < D_S; column++)
        joint[column] = table.s + column * table.stride;
    for (int column = 0; column < D_T; column++) {
        joint[D_S + column] = table.t + column * table.stride;
        own[column] = table.own + column * table.stride;
    }
    for (Index first = 0; first < n; first += LANES) {
        Floats nearest[MOST_K];
        nearest_sorted<D_S + D_T>(joint, n, first, task.k[RADII - 1], nearest);
        for (Index row = first; row < n && row < first + LANES; row++) {
            float inside[RADII], low[RADII], far[RADII];
            int32_t k[RADII], n_s[RADII], n_t[RADII];
            for (int place = 0; place < RADII; place++) {
                const float radius = nearest[task.k[place] - 1][row - first];
                if (radius <= 0 && !(tied.s && tied.t))
                    return false;
                inside[place] = std::nextafter(radius, -1.0f);
                low[place] = std::fmax(radius * (1.0f - task.relative) - task.absolute, 0.0f);
                far[place] = radius * (1.0f + task.relative) + task.absolute;
                k[place] = task.k[place];
            }
            if (tied.s)
                count_tied<D_S>(joint, n, row, low, far, n_s);
            else
                count_side<D_S>(joint, n, row, inside, n_s);
            if (tied.t)
                count_tied<D_T>(own, n, table.place[row], low, far, n_t);
            else
                count_side<D_T>(own, n, table.place[row], inside, n_t);
            if (tied.any()) {
                int32_t within[RADII];
                count_sorted<D_S, D_T>(joint, n, row, tied.s ? far : inside, tied.t ? far : inside, within);
                for (int place = 0; place < RADII; place++)
                    k[place] = std::max(k[place], within[place] - 1);  // the row itself is within and no neighbour
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
bool count_sorted_table(const Task &task, const Sorted &table, Tied tied, int d_s, int d_t, int32_t *out,
                             Index stride) {
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
void by_sorting(const Task &task, const float *s, const float *t, Tied tied, char *space, int32_t *out, Index stride,
                Index step_stride) {
    const Index n = task.rows, wide = n + LANES, d_s = task.columns[0], d_t = task.columns[1];
    Entry *by_s = reinterpret_cast<Entry *>(space), *by_t = by_s + n;
    int32_t *place = reinterpret_cast<int32_t *>(by_t + n), *row = place + n;
    float *left = reinterpret_cast<float *>(row + n), *right = left + d_s * wide, *own = right + d_t * wide;
    sort_by(s, n, by_s);
    sort_by(t, n, by_t);
    gather(s, d_s, n, by_s, wide, left);
    gather(t, d_t, n, by_s, wide, right);
    gather(t, d_t, n, by_t, wide, own);
    for (Index j = 0; j < n; j++)
        row[by_t[j].row] = static_cast<int32_t>(j);  // for now: where each row of the table stands in `own`
    for (Index j = 0; j < n; j++)
        place[j] = row[by_s[j].row];
    for (Index j = 0; j < n; j++)
        row[j] = by_s[j].row;
    const Sorted table{n, wide, left, right, own, place, row};
    for (Index step = 0; step < task.steps; step++) {
        const int d_s = task.widths[2 * step], d_t = task.widths[2 * step + 1];
        int32_t *to = out + step * step_stride;
        if (!count_sorted_table(task, table, tied, d_s, d_t, to, stride))
            count_sorted_table(task, table, {true, true}, d_s, d_t, to, stride);
    }
}

// One table, s (columns, N) and t, to out as for `count_table`.
void count_rows_of_table(const Task &task, const float *s, const float *t, Tied tied, char *space, int32_t *out,
                         Index stride, Index step_stride) {
    if (task.euclidean)
        count_table(task, s, t, tied, reinterpret_cast<Floats *>(space), out, stride, step_stride);
    else
        by_sorting(task, s, t, tied, space, out, stride, step_stride);
}

// B tables, s (B, columns, N) and t, tied (B, 2), to out (3, steps, B, N, RADII).
void count_tables(const Task &task, Index tables, const float *s, const float *t, const int32_t *tied, int32_t *out) {
    thread_local Space space;
    space.reset();
    char *memory = space.take<char>(space_for(task));
    const Index step_stride = tables * task.rows * RADII, stride = task.steps * step_stride;
    for (Index table = 0; table < tables; table++)
        count_rows_of_table(task, s + table * task.columns[0] * task.rows, t + table * task.columns[1] * task.rows,
                            {tied[2 * table] != 0, tied[2 * table + 1] != 0}, memory, out + table * task.rows * RADII, stride, step_stride);
    space.settle();
}
