/* The passes of _forward.cpp, which is compiled with it once for each kind of processor. */

typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t Bits __attribute__((vector_size(32), aligned(4), may_alias));

INLINE Lanes load(const float *from) { return *reinterpret_cast<const Lanes *>(from); }
INLINE void store(float *to, Lanes values) { *reinterpret_cast<Lanes *>(to) = values; }

// e^x, right to a few units of the last digit.
INLINE Lanes exponential(Lanes x) {
    x = x > 88.0f ? Lanes{} + 88.0f : x;
    x = x < -87.0f ? Lanes{} - 87.0f : x;
    const Lanes shifted = x * 1.44269504f + 12582912.0f, whole = shifted - 12582912.0f;  // the nearest power of two
    Lanes r = x - whole * 0.693359375f;
    r -= whole * -2.12194440e-4f;
    Lanes p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    Bits bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits = ((bits & 0x1ff) << 23) + 0x3f800000;
    Lanes power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

// x Phi(x), with the error function to 1.5e-7. Reference: Abramowitz and Stegun (1964), 7.1.26.
INLINE Lanes gelu(Lanes x) {
    const Lanes y = x * 0.70710678f, size = y < 0 ? -y : y, t = 1.0f / (1.0f + 0.3275911f * size);
    const Lanes series = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    const Lanes tail = 0.5f * series * exponential(-size * size);  // Phi(-|x|)
    return x * (y < 0 ? tail : 1.0f - tail);
}

// `rows` rows of x (., in) times one panel, to out (., stride).
template <int R> INLINE void multiply_panel(const float *x, int in, const float *panel, const float *bias, float *out, int stride) {
    Lanes sums[R][2];
    for (int row = 0; row < R; row++)
        for (int half = 0; half < 2; half++)
            sums[row][half] = bias == nullptr ? Lanes{} : load(bias + 8 * half);
    for (int k = 0; k < in; k++, panel += PANEL) {
        const Lanes one = load(panel), two = load(panel + 8);
        for (int row = 0; row < R; row++) {
            sums[row][0] += x[row * in + k] * one;
            sums[row][1] += x[row * in + k] * two;
        }
    }
    for (int row = 0; row < R; row++)
        for (int half = 0; half < 2; half++)
            store(out + row * stride + 8 * half, sums[row][half]);
}

// As `multiply_panel` for as many rows as R or fewer.
template <int R> INLINE void multiply_rows(int rows, const float *x, int in, const float *panel, const float *bias, float *out, int stride) {
    if (rows == R)
        multiply_panel<R>(x, in, panel, bias, out, stride);
    else if constexpr (R > 1)
        multiply_rows<R - 1>(rows, x, in, panel, bias, out, stride);
}

// out (rows, padded(out)) = x (rows, in) through a linear layer, by blocks of rows that differ by one at most: small ones
// take as long as large ones.
void linear(const Layer &layer, const float *x, int rows, float *out) {
    const int stride = padded(layer.out), blocks = (rows + SIDE - 1) / SIDE;
    for (int column = 0; column < stride; column += PANEL) {
        const float *panel = layer.weight + static_cast<size_t>(column) * layer.in;
        const float *bias = layer.bias == nullptr ? nullptr : layer.bias + column;
        for (int block = 0, row = 0; block < blocks; block++) {
            const int count = (rows - row) / (blocks - block);
            multiply_rows<SIDE>(count, x + row * layer.in, layer.in, panel, bias, out + row * stride + column, stride);
            row += count;
        }
    }
}

// Two linear layers around a GELU; `hidden` and the result are as wide as panels make them.
float *feed(const Feed &layers, const float *x, int rows, Space &space) {
    float *hidden = space.take<float>(rows * padded(layers.one.out)), *out = space.take<float>(rows * padded(layers.two.out));
    linear(layers.one, x, rows, hidden);
    for (int i = 0; i < rows * layers.one.out; i += 8)
        store(hidden + i, gelu(load(hidden + i)));
    linear(layers.two, hidden, rows, out);
    return out;
}

float *normalised(const Layer &norm, const float *x, int rows, Space &space) {
    const int width = norm.out;
    float *out = space.take<float>(rows * width);
    for (int row = 0; row < rows; row++) {
        const float *from = x + row * width;
        float *to = out + row * width;
        Lanes sums = {};
        for (int k = 0; k < width; k += 8)
            sums += load(from + k);
        float centre = 0, variance = 0;
        for (int lane = 0; lane < 8; lane++)
            centre += sums[lane] / width;
        sums = Lanes{};
        for (int k = 0; k < width; k += 8) {
            const Lanes gap = load(from + k) - centre;
            sums += gap * gap;
        }
        for (int lane = 0; lane < 8; lane++)
            variance += sums[lane] / width;
        const float scale = 1.0f / std::sqrt(variance + 1e-5f);
        for (int k = 0; k < width; k += 8)
            store(to + k, (load(from + k) - centre) * scale * load(norm.weight + k) + load(norm.bias + k));
    }
    return out;
}

// Attention from `count` queries to all rows of tokens, both (., width).
float *attend(const Attention &layers, const float *queries, int count, const float *tokens, int rows, Space &space) {
    const int width = layers.query.out, size = width / layers.heads, length = (rows + 7) / 8 * 8;
    float *query = space.take<float>(count * width), *key_value = space.take<float>(rows * 2 * width), *attended = space.take<float>(count * width);
    float *out = space.take<float>(count * width), *weights = space.take<float>(length);
    linear(layers.query, queries, count, query);
    linear(layers.key_value, tokens, rows, key_value);
    const float scale = 1.0f / std::sqrt(static_cast<float>(size));
    for (int head = 0; head < layers.heads; head++)
        for (int i = 0; i < count; i++) {
            const float *asked = query + i * width + head * size;
            float most = -1e30f, total = 0;
            for (int j = 0; j < rows; j++) {
                const float *key = key_value + j * 2 * width + head * size;
                Lanes sums = {};
                int k = 0;
                for (; k + 8 <= size; k += 8)
                    sums += load(asked + k) * load(key + k);
                float product = 0;
                for (; k < size; k++)
                    product += asked[k] * key[k];
                for (int lane = 0; lane < 8; lane++)
                    product += sums[lane];
                weights[j] = product * scale;
                most = std::max(most, weights[j]);
            }
            for (int j = rows; j < length; j++)
                weights[j] = -1e30f;
            for (int j = 0; j < length; j += 8)
                store(weights + j, exponential(load(weights + j) - most));
            for (int j = 0; j < rows; j++)
                total += weights[j];
            float *to = attended + i * width + head * size;
            std::fill(to, to + size, 0.0f);
            for (int j = 0; j < rows; j++) {
                const float share = weights[j] / total, *value = key_value + j * 2 * width + width + head * size;
                for (int k = 0; k < size; k++)
                    to[k] += share * value[k];
            }
        }
    linear(layers.out, attended, count, out);
    return out;
}

INLINE void add(float *to, const float *from, int count) {
    for (int i = 0; i < count; i++)
        to[i] += from[i];
}

// A block of attention and feed-forward; only the first `count` tokens are answered for, in place.
void pass(const Block &block, float *tokens, int rows, int count, Space &space) {
    const int width = block.before_attention.out;
    const float *normed = normalised(block.before_attention, tokens, rows, space);
    add(tokens, attend(block.attention, normed, count, normed, rows, space), count * width);
    const float *inner = normalised(block.before_feed, tokens, count, space);
    add(tokens, feed(block.feed, inner, count, space), count * width);
}

// Tokens of one group that are there, in the scaling of training, (., in); how many they are.
int scaled(const Network &network, int group, const Group &given, Py_ssize_t table, const float *anchors, float *out) {
    const Shape &shape = network.shape;
    const int features = shape.features[group], more = group == shape.table ? shape.anchors : 0, in = features + more;
    const float *means = network.means[group], *scales = network.scales[group];
    int count = 0;
    for (Py_ssize_t token = 0; token < given.length; token++) {
        if (!given.mask[table * given.length + token])
            continue;
        const float *from = given.tokens + (table * given.length + token) * features;
        for (int k = 0; k < in; k++) {
            const float value = k < features ? from[k] : std::asinh(2 * anchors[k - features]);
            const float ratio = (value - means[k]) / scales[k];
            out[k] = ratio < -8.0f ? -8.0f : ratio > 8.0f ? 8.0f : ratio;
        }
        out += in;
        count++;
    }
    return count;
}

// Tokens of one table, that of the table itself first, (., width); how many they are.
int embedded(const Network &network, const Group *groups, Py_ssize_t table, const float *anchors, float *tokens, Space &space) {
    const Shape &shape = network.shape;
    int total = 0;
    for (int turn = 0; turn < shape.groups; turn++) {  // the table's first, then the others in their order
        const int group = turn == 0 ? shape.table : turn - (turn <= shape.table);
        if (group == shape.rows && !shape.with_rows)
            continue;
        float *input = space.take<float>(groups[group].length * (shape.features[group] + shape.anchors));
        const int count = scaled(network, group, groups[group], table, anchors, input);
        if (group != shape.rows) {
            const float *made = feed(network.embed[group], input, count, space);
            std::copy(made, made + count * shape.width, tokens + total * shape.width);
            total += count;
            continue;
        }
        const int width = shape.row_width;
        float *pooled = space.take<float>(shape.row_queries * width), *wide = space.take<float>(shape.row_queries * shape.width);
        const float *rows = feed(network.embed[group], input, count, space);
        const float *normed = normalised(network.pool_norm[0], rows, count, space);
        std::copy(network.queries[0], network.queries[0] + shape.row_queries * width, pooled);
        add(pooled, attend(network.pool[0], network.queries[0], shape.row_queries, normed, count, space), shape.row_queries * width);
        linear(network.widen[0], pooled, shape.row_queries, wide);
        std::copy(wide, wide + shape.row_queries * shape.width, tokens + total * shape.width);
        total += shape.row_queries;
    }
    return total;
}

INLINE float softplus(float x) { return x > 20 ? x : std::log1p(std::exp(x)); }

// Anchors and raw outputs to increasing quantiles, each at least 0.
void quantiles(const Shape &shape, float anchor, const float *raw, float *out) {
    const int middle = shape.levels / 2;
    const float unit = anchor / 4 + 0.05f, median = anchor + unit * raw[middle];
    float below = 0, above = 0;
    out[middle] = std::max(median, 0.0f);
    for (int k = middle - 1; k >= 0; k--) {
        below += unit * softplus(raw[k]);
        out[k] = std::max(median - below, 0.0f);
    }
    for (int k = middle + 1; k < shape.levels; k++) {
        above += unit * softplus(raw[k]);
        out[k] = std::max(median + above, 0.0f);
    }
}

void forward(const Network &network, const Group *groups, const float *anchors, Py_ssize_t tables, float *out) {
    thread_local Space space;
    const Shape &shape = network.shape;
    Py_ssize_t most = shape.row_queries;
    for (int group = 0; group < shape.groups; group++)
        most += group == shape.rows ? 0 : groups[group].length;
    for (Py_ssize_t table = 0; table < tables; table++, anchors += shape.anchors, out += shape.levels) {
        space.reset();
        float *tokens = space.take<float>(most * shape.width);
        const int count = embedded(network, groups, table, anchors, tokens, space);
        for (int block = 0; block < shape.depth; block++)
            pass(network.blocks[block], tokens, count, block + 1 < shape.depth ? count : 1, space);
        const float *known = normalised(network.ends[0], tokens, 1, space);
        float *mix = space.take<float>(padded(shape.anchors)), *hidden = space.take<float>(padded(shape.width)), *raw = space.take<float>(padded(shape.levels));
        linear(network.ends[1], known, 1, mix);
        linear(network.ends[2], known, 1, hidden);
        for (int k = 0; k < shape.width; k += 8)
            store(hidden + k, gelu(load(hidden + k)));
        linear(network.ends[3], hidden, 1, raw);
        const float largest = *std::max_element(mix, mix + shape.anchors);
        float total = 0, anchor = 0;
        for (int k = 0; k < shape.anchors; k++) {
            const float share = std::exp(mix[k] - largest);
            total += share;
            anchor += share * anchors[k];
        }
        quantiles(shape, anchor / total, raw, out);
    }
    space.settle();
}
