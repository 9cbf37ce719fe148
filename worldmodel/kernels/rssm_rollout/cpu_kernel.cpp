// The RSSM's prior over a whole horizon on the CPU, in portable C++ with GCC's and Clang's vector extensions.
//
// A *panel* is WIDTH candidates; every activation of a panel is stored [feature][candidate], so that one vector holds one
// feature of neighbouring candidates. Then no feature count leaves a tail, the output of a layer is already laid out as
// the next one's input, element-wise functions are whole vectors, and all that the horizon needs of a panel stays in the
// first two caches while the packed weights stream through. A panel runs the whole horizon on one thread.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))
#define INLINE_BODY __attribute__((always_inline))  // of a lambda

// A tile is ROWS output features by up to WIDEST vectors of candidates: its sums, one vector of each column and a weight
// must fit the vector registers (32 with AVX-512 and NEON, 16 else). More vectors cost fewer loads a product.
#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 8, WIDEST = 3;
#elif defined(__AVX__)
constexpr int LANES = 8, ROWS = 4, WIDEST = 3;
#elif defined(__aarch64__)
constexpr int LANES = 4, ROWS = 8, WIDEST = 3;
#else
constexpr int LANES = 4, ROWS = 4, WIDEST = 3;
#endif

typedef float vec __attribute__((vector_size(4 * LANES), __may_alias__));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), __may_alias__));

constexpr int AHEAD = 64 * ROWS;  // weights to prefetch ahead: they come from beyond the second cache
constexpr int MAX_LEAD = 8;  // as in cpu.py
constexpr float MIN_STD = 0.1f;  // as in weights.py

// ------------------------------------------------------------------------------------------------ the request (see cpu.py)

struct Input {
    const float *data;
    int64_t lead[MAX_LEAD];  // strides in floats; 0 along a broadcast axis
    int64_t step, feature;
};

struct Request {
    int64_t deter, stoch, action, hidden, prior, horizon, rows, threads;
    int64_t lead[MAX_LEAD];  // sizes of the leading axes, padded in front by ones; their product is rows
    const float *packed;
    float *scratch;  // threads x scratch_size floats
    float *deters, *stochs;  // contiguous [rows, horizon, width]
    Input start_deter, start_stoch, actions, noise;  // noise.data is null for the mean
};

// ------------------------------------------------------------------------------------------------ element-wise functions

INLINE vec splat(float value) { return vec{} + value; }

// A NaN in `b` comes through.
#if defined(__AVX512F__)  // GCC makes two instructions of the comparison there
INLINE vec least(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE vec greatest(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
#else
INLINE vec least(vec a, vec b) { return a < b ? a : b; }
INLINE vec greatest(vec a, vec b) { return a > b ? a : b; }
#endif

// exp by 2^n · polynomial: |relative error| < 2e-7; the argument is clamped to where the result is a normal number.
INLINE vec exponential(vec x) {
    x = greatest(splat(-87.0f), least(splat(88.0f), x));
    const vec magic = splat(12582912.0f);  // 1.5 · 2^23: adding it rounds to the nearest integer
    const vec shifted = x * 1.44269504089f + magic;
    const vec n = shifted - magic;
    const vec r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    const ivec exponent = ((ivec)shifted - (ivec)magic + 127) << 23;
    return p * (vec)exponent;
}

INLINE vec elu(vec x) { return greatest(vec{}, x) + (exponential(least(vec{}, x)) - 1.0f); }

// log(1 + exp(x)) = max(x, 0) + log1p(e) with e = exp(-|x|), and log1p(e) = 2 artanh(e / (2 + e)) by its series.
INLINE vec softplus(vec x) {
    const vec e = exponential(least(x, -x));
    const vec s = e / (e + 2.0f), q = s * s;
    vec p = splat(2.0f / 15);
    p = p * q + 2.0f / 13;
    p = p * q + 2.0f / 11;
    p = p * q + 2.0f / 9;
    p = p * q + 2.0f / 7;
    p = p * q + 2.0f / 5;
    p = p * q + 2.0f / 3;
    p = p * q + 2.0f;
    return greatest(vec{}, x) + p * s;
}

INLINE vec sigmoid(vec x) { return 1.0f / (1.0f + exponential(-x)); }

// (1 - z) n + z h with z = sigmoid(a) and n = tanh(b), by one division. Beyond ±40 both are constant in float32.
INLINE vec blend(vec a, vec b, vec h) {
    a = greatest(splat(-40.0f), least(splat(40.0f), a));
    b = greatest(splat(-20.0f), least(splat(20.0f), b));
    const vec u = exponential(-a), w = exponential(b * -2.0f);
    return (u * (1.0f - w) + h * (1.0f + w)) / ((1.0f + u) * (1.0f + w));
}

// ------------------------------------------------------------------------------------------------ products

struct Columns {  // `count` features of a panel
    const float *data;
    int64_t count;
};

template <int... I, class F> INLINE void each(std::integer_sequence<int, I...>, F f) { (f(std::integral_constant<int, I>()), ...); }
template <int N, class F> INLINE void unrolled(F f) { each(std::make_integer_sequence<int, N>(), f); }

template <int V> INLINE void accumulate(vec (&sums)[ROWS][V], const float *&weights, Columns input) {
    const vec *column = (const vec *)input.data;
    for (int64_t k = 0; k < input.count; ++k, column += V, weights += ROWS) {
        __builtin_prefetch(weights + AHEAD);
        vec values[V];
        unrolled<V>([&](auto v) INLINE_BODY { values[v] = column[v]; });
        unrolled<ROWS>([&](auto i) INLINE_BODY {
            const vec weight = splat(weights[i]);
            unrolled<V>([&](auto v) INLINE_BODY { sums[i][v] += weight * values[v]; });
        });
    }
}

// finish(j, start(j) + weights · [first; second]) for the ROWS x V vectors j of one tile.
template <int V, class Start, class Finish>
INLINE void tile(const float *weights, Columns first, Columns second, Start start, Finish finish) {
    vec sums[ROWS][V], done[ROWS * V];
    unrolled<ROWS>([&](auto i) INLINE_BODY { unrolled<V>([&](auto v) INLINE_BODY { sums[i][v] = start(i, i * V + v); }); });
    accumulate<V>(sums, weights, first);
    accumulate<V>(sums, weights, second);
    unrolled<ROWS>([&](auto i) INLINE_BODY { unrolled<V>([&](auto v) INLINE_BODY { done[i * V + v] = sums[i][v]; }); });
    for (int j = 0; j < ROWS * V; ++j) finish(j, done[j]);
}

// ------------------------------------------------------------------------------------------------ packed weights

constexpr int64_t tiles(int64_t outputs) { return (outputs + ROWS - 1) / ROWS; }
constexpr int64_t padded(int64_t outputs) { return tiles(outputs) * ROWS; }

// Tiles of [input][ROWS], the last one filled up with zeros, then the bias.
struct Layer {
    float *weights;
    int64_t outputs, inputs;

    float *bias() const { return weights + padded(outputs) * inputs; }
    float *tile(int64_t i) const { return weights + i * ROWS * inputs; }
    float *end() const { return bias() + padded(outputs); }
};

struct Layers {
    Layer inputs, reset, update, from_input, from_deter, prior, mean, raw;

    Layers(float *packed, int64_t deter, int64_t stoch, int64_t action, int64_t hidden, int64_t prior_width)
        : inputs{packed, hidden, stoch + action},
          reset{inputs.end(), deter, hidden + deter},
          update{reset.end(), deter, hidden + deter},
          from_input{update.end(), deter, hidden},
          from_deter{from_input.end(), deter, deter},
          prior{from_deter.end(), prior_width, deter},
          mean{prior.end(), stoch, prior_width},
          raw{mean.end(), stoch, prior_width} {}
};

// Columns [offset, offset + columns) of `layer` from rows of `source [outputs, columns]`; biases add up.
void pack(Layer layer, int64_t offset, const float *source, int64_t columns, const float *bias) {
    for (int64_t o = 0; o < layer.outputs; ++o) {
        float *out = layer.tile(o / ROWS) + offset * ROWS + o % ROWS;
        for (int64_t k = 0; k < columns; ++k) out[k * ROWS] = source[o * columns + k];
        layer.bias()[o] += bias[o];
    }
}

// ------------------------------------------------------------------------------------------------ one panel

template <int V, class Finish> INLINE void dense(Layer layer, Columns first, Columns second, Finish finish) {
    for (int64_t i = 0; i < tiles(layer.outputs); ++i) {
        const float *bias = layer.bias() + i * ROWS;
        tile<V>(layer.tile(i), first, second, [&](int row, int) INLINE_BODY { return splat(bias[row]); },
                [&](int j, vec sum) INLINE_BODY { finish(i * ROWS * V + j, sum); });
    }
}

template <int V> void gru(const Layers &layers, Columns x, Columns h, float *following) {
    const Columns none{nullptr, 0};
    for (int64_t i = 0; i < tiles(layers.reset.outputs); ++i) {
        const vec *before = (const vec *)h.data + i * ROWS * V;
        vec *after = (vec *)following + i * ROWS * V;
        vec gate[ROWS * V];
        const auto bias = [i](Layer layer) { return [b = layer.bias() + i * ROWS](int row, int) { return splat(b[row]); }; };
        tile<V>(layers.reset.tile(i), x, h, bias(layers.reset), [&](int j, vec sum) INLINE_BODY { gate[j] = sigmoid(sum); });
        tile<V>(layers.from_deter.tile(i), h, none, bias(layers.from_deter), [&](int j, vec sum) INLINE_BODY { gate[j] *= sum; });
        const float *b = layers.from_input.bias() + i * ROWS;
        tile<V>(layers.from_input.tile(i), x, none, [&](int row, int j) INLINE_BODY { return b[row] + gate[j]; },
                [&](int j, vec sum) INLINE_BODY { gate[j] = sum; });
        tile<V>(layers.update.tile(i), x, h, bias(layers.update),
                [&](int j, vec sum) INLINE_BODY { after[j] = blend(sum, gate[j], before[j]); });
    }
}

// A panel's candidates and where their rows begin in an input. Lanes past the last candidate repeat it.
struct Lanes {
    int64_t first, count;
    int width;

    void offsets(const Request &q, const Input &input, int64_t *out) const {
        for (int lane = 0; lane < width; ++lane) {
            int64_t row = first + (lane < count ? lane : count - 1);
            out[lane] = 0;
            for (int axis = MAX_LEAD - 1; axis >= 0; --axis) {
                out[lane] += row % q.lead[axis] * input.lead[axis];
                row /= q.lead[axis];
            }
        }
    }
};

void gather(const Input &input, const int64_t *offsets, int64_t t, int64_t features, int width, float *out) {
    for (int lane = 0; lane < width; ++lane) {
        const float *row = input.data + offsets[lane] + t * input.step;
        for (int64_t f = 0; f < features; ++f) out[f * width + lane] = row[f * input.feature];
    }
}

void scatter(const float *panel, int64_t features, const Lanes &lanes, int64_t horizon, int64_t t, float *out) {
    for (int64_t lane = 0; lane < lanes.count; ++lane) {
        float *row = out + ((lanes.first + lane) * horizon + t) * features;
        for (int64_t f = 0; f < features; ++f) row[f] = panel[f * lanes.width + lane];
    }
}

int64_t features(int64_t deter, int64_t stoch, int64_t action, int64_t hidden, int64_t prior) {
    return padded(hidden) + 2 * padded(deter) + padded(prior) + 2 * padded(stoch) + action;
}

template <int V> void run(const Request &q, const Layers &layers, int64_t first, int64_t count, float *scratch) {
    constexpr int WIDTH = V * LANES;
    const Lanes lanes{first, count, WIDTH};
    int64_t action_rows[WIDTH], noise_rows[WIDTH], start[WIDTH];
    float *x = scratch, *h = x + padded(q.hidden) * WIDTH, *following = h + padded(q.deter) * WIDTH;
    float *p = following + padded(q.deter) * WIDTH, *s = p + padded(q.prior) * WIDTH;
    float *noise = s + padded(q.stoch) * WIDTH, *a = noise + padded(q.stoch) * WIDTH;
    const Columns none{nullptr, 0};

    lanes.offsets(q, q.start_deter, start);
    gather(q.start_deter, start, 0, q.deter, WIDTH, h);
    lanes.offsets(q, q.start_stoch, start);
    gather(q.start_stoch, start, 0, q.stoch, WIDTH, s);
    lanes.offsets(q, q.actions, action_rows);
    if (q.noise.data) lanes.offsets(q, q.noise, noise_rows);
    for (int64_t t = 0; t < q.horizon; ++t) {
        gather(q.actions, action_rows, t, q.action, WIDTH, a);
        dense<V>(layers.inputs, {s, q.stoch}, {a, q.action}, [&](int64_t j, vec sum) INLINE_BODY { ((vec *)x)[j] = elu(sum); });
        gru<V>(layers, {x, q.hidden}, {h, q.deter}, following);
        std::swap(h, following);
        scatter(h, q.deter, lanes, q.horizon, t, q.deters);
        dense<V>(layers.prior, {h, q.deter}, none, [&](int64_t j, vec sum) INLINE_BODY { ((vec *)p)[j] = elu(sum); });
        dense<V>(layers.mean, {p, q.prior}, none, [&](int64_t j, vec sum) INLINE_BODY { ((vec *)s)[j] = sum; });
        if (q.noise.data) {
            gather(q.noise, noise_rows, t, q.stoch, WIDTH, noise);
            dense<V>(layers.raw, {p, q.prior}, none, [&](int64_t j, vec sum) INLINE_BODY {
                ((vec *)s)[j] += (softplus(sum) + MIN_STD) * ((const vec *)noise)[j];
            });
        }
        scatter(s, q.stoch, lanes, q.horizon, t, q.stochs);
    }
}

// ------------------------------------------------------------------------------------------------ all panels

static_assert(WIDEST == 3, "one case each");
void run_panel(const Request &q, const Layers &layers, int64_t first, int64_t count, float *scratch) {
    if (count > 2 * LANES) return run<3>(q, layers, first, count, scratch);
    if (count > LANES) return run<2>(q, layers, first, count, scratch);
    run<1>(q, layers, first, count, scratch);
}

extern "C" {

int64_t packed_size(int64_t deter, int64_t stoch, int64_t action, int64_t hidden, int64_t prior) {
    return (uintptr_t)Layers(nullptr, deter, stoch, action, hidden, prior).raw.end() / sizeof(float);
}

int64_t scratch_size(int64_t deter, int64_t stoch, int64_t action, int64_t hidden, int64_t prior) {
    return features(deter, stoch, action, hidden, prior) * WIDEST * LANES;
}

// `packed` holds zeros; the matrices are contiguous, in the order and layout of RSSMWeights.
void pack_weights(int64_t deter, int64_t stoch, int64_t action, int64_t hidden, int64_t prior, const float *const *tensors,
                  float *packed) {
    const Layers layers(packed, deter, stoch, action, hidden, prior);
    const float *ih = tensors[2], *hh = tensors[3], *bias_ih = tensors[4], *bias_hh = tensors[5];
    pack(layers.inputs, 0, tensors[0], stoch + action, tensors[1]);
    pack(layers.reset, 0, ih, hidden, bias_ih);
    pack(layers.reset, hidden, hh, deter, bias_hh);
    pack(layers.update, 0, ih + deter * hidden, hidden, bias_ih + deter);
    pack(layers.update, hidden, hh + deter * deter, deter, bias_hh + deter);
    pack(layers.from_input, 0, ih + 2 * deter * hidden, hidden, bias_ih + 2 * deter);
    pack(layers.from_deter, 0, hh + 2 * deter * deter, deter, bias_hh + 2 * deter);
    pack(layers.prior, 0, tensors[6], deter, tensors[7]);
    pack(layers.mean, 0, tensors[8], prior, tensors[9]);
    pack(layers.raw, 0, tensors[8] + stoch * prior, prior, tensors[9] + stoch);
}

// Candidates are cut into equal panels, as wide as possible while every thread gets one; threads take the next in turn.
void rollout(const Request *request) {
    const Request &q = *request;
    const Layers layers(const_cast<float *>(q.packed), q.deter, q.stoch, q.action, q.hidden, q.prior);
    const int64_t vectors = (q.rows + LANES - 1) / LANES;
    const int64_t enough = (vectors + WIDEST - 1) / WIDEST;
    const int64_t panels = enough < q.threads ? (vectors < q.threads ? vectors : q.threads) : enough;
    const int64_t width = (vectors + panels - 1) / panels * LANES;
    const int64_t size = scratch_size(q.deter, q.stoch, q.action, q.hidden, q.prior);
    std::atomic<int64_t> next{0};
    const auto work = [&](int64_t thread) {
        for (int64_t first; (first = next.fetch_add(width)) < q.rows;) {
            const int64_t left = q.rows - first;
            run_panel(q, layers, first, left < width ? left : width, q.scratch + thread * size);
        }
    };
    std::vector<std::thread> others;
    for (int64_t thread = 1; thread < q.threads; ++thread) others.emplace_back(work, thread);
    work(0);
    for (std::thread &other : others) other.join();
}

}  // extern "C"
