// What the CPU kernels share: products and element-wise functions on panels, in portable C++ with the vector extensions
// of GCC and Clang.
//
// A *panel* is up to WIDEST vectors of rows (candidates); its activations are stored [feature][row], so that one vector
// holds one feature of neighbouring rows. Then no feature count leaves a tail, the output of a layer is already laid out
// as the next one's input, and element-wise functions are whole vectors. Weights are packed so that they stream through.
#pragma once

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
constexpr int MAX_LEAD = 8;  // as in strides.py

// ------------------------------------------------------------------------------------------------ inputs (see strides.py)

struct Input {
    const float *data;
    int64_t lead[MAX_LEAD];  // strides in floats; 0 along a broadcast axis
    int64_t step, feature;
};

// ------------------------------------------------------------------------------------------------ element-wise functions

INLINE vec splat(float value) { return value - vec{}; }  // 0 + value would be an addition, for the sake of -0

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
    bool few = false;  // only the first FEW rows matter
};

template <int... I, class F> INLINE void each(std::integer_sequence<int, I...>, F f) { (f(std::integral_constant<int, I>()), ...); }
template <int N, class F> INLINE void unrolled(F f) { each(std::make_integer_sequence<int, N>(), f); }

// With so few rows in all, most lanes of a vector of rows would idle: there a vector holds the outputs of a tile instead.
// Several chains of sums, or every product would wait for the one before.
constexpr int FEW = 2, CHAINS = 4;
typedef float outputs __attribute__((vector_size(4 * ROWS), __may_alias__, aligned(4)));

INLINE void accumulate_few(vec (&sums)[ROWS][1], const float *&weights, Columns input) {
    outputs totals[FEW][CHAINS] = {};
    const auto add = [&](int chain, const float *column) INLINE_BODY {
        const outputs weight = *(const outputs *)weights;
        for (int row = 0; row < FEW; ++row) totals[row][chain] += weight * column[row];
        weights += ROWS;
    };
    int64_t k = 0;
    for (; k + CHAINS <= input.count; k += CHAINS) {
        for (int ahead = 0; ahead < CHAINS; ++ahead) __builtin_prefetch(weights + AHEAD + ahead * ROWS);
        unrolled<CHAINS>([&](auto chain) INLINE_BODY { add(chain, input.data + (k + chain) * LANES); });
    }
    for (; k < input.count; ++k) add(0, input.data + k * LANES);
    for (int row = 0; row < FEW; ++row)
        for (int chain = 0; chain < CHAINS; ++chain)
            for (int i = 0; i < ROWS; ++i) sums[i][0][row] += totals[row][chain][i];
}

template <int V> INLINE void accumulate(vec (&sums)[ROWS][V], const float *&weights, Columns input) {
    if constexpr (V == 1)
        if (input.few) return accumulate_few(sums, weights, input);
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

// Not inlined: the compiler would keep the constants of `finish` in registers through the products and spill their sums.
template <int V, class Finish> __attribute__((noinline)) void finish_tile(const vec *sums, Finish finish) {
    for (int j = 0; j < ROWS * V; ++j) finish(j, sums[j]);
}

// finish(j, start(j) + weights · [first; second]) for the ROWS x V vectors j of one tile.
template <int V, class Start, class Finish>
INLINE void tile(const float *weights, Columns first, Columns second, Start start, Finish finish) {
    vec sums[ROWS][V], done[ROWS * V];
    unrolled<ROWS>([&](auto i) INLINE_BODY { unrolled<V>([&](auto v) INLINE_BODY { sums[i][v] = start(i, i * V + v); }); });
    accumulate<V>(sums, weights, first);
    accumulate<V>(sums, weights, second);
    unrolled<ROWS>([&](auto i) INLINE_BODY { unrolled<V>([&](auto v) INLINE_BODY { done[i * V + v] = sums[i][v]; }); });
    finish_tile<V>(done, finish);
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

// A panel's rows and where they begin in an input. Lanes past the last row repeat it.
struct Lanes {
    int64_t first, count;
    int width;

    // `lead`: sizes of the leading axes, padded in front by ones.
    void offsets(const int64_t *lead, const Input &input, int64_t *out) const {
        for (int lane = 0; lane < width; ++lane) {
            int64_t row = first + (lane < count ? lane : count - 1);
            out[lane] = 0;
            for (int axis = MAX_LEAD - 1; axis >= 0; --axis) {
                out[lane] += row % lead[axis] * input.lead[axis];
                row /= lead[axis];
            }
        }
    }
};

// Both turn rows into columns or back in blocks of a cache line's length, so that the columns at hand stay in the cache.
constexpr int64_t BLOCK = 16;

inline int64_t block_end(int64_t begin, int64_t features) { return begin + BLOCK < features ? begin + BLOCK : features; }

inline void gather(const Input &input, const int64_t *offsets, int64_t t, int64_t features, int width, float *out) {
    for (int64_t begin = 0; begin < features; begin += BLOCK)
        for (int lane = 0; lane < width; ++lane) {
            const float *row = input.data + offsets[lane] + t * input.step;
            const int64_t end = block_end(begin, features);
            for (int64_t f = begin; f < end; ++f) out[f * width + lane] = row[f * input.feature];
        }
}

inline void scatter(const float *panel, int64_t features, const Lanes &lanes, int64_t horizon, int64_t t, float *out) {
    for (int64_t begin = 0; begin < features; begin += BLOCK)
        for (int64_t lane = 0; lane < lanes.count; ++lane) {
            float *row = out + ((lanes.first + lane) * horizon + t) * features;
            const int64_t end = block_end(begin, features);
            for (int64_t f = begin; f < end; ++f) row[f] = panel[f * lanes.width + lane];
        }
}

// ------------------------------------------------------------------------------------------------ all panels

static_assert(WIDEST == 3, "one case each");

// run(vectors, first, count, thread) for each panel, where `vectors` is a compile-time constant. Rows are cut into equal
// panels, as wide as possible while every thread gets one; threads take the next in turn.
template <class Run> void for_each_panel(int64_t rows, int64_t threads, Run run) {
    const int64_t vectors = (rows + LANES - 1) / LANES;
    const int64_t enough = (vectors + WIDEST - 1) / WIDEST;
    const int64_t panels = enough < threads ? (vectors < threads ? vectors : threads) : enough;
    const int64_t width = (vectors + panels - 1) / panels * LANES;
    std::atomic<int64_t> next{0};
    const auto work = [&](int64_t thread) {
        for (int64_t first; (first = next.fetch_add(width)) < rows;) {
            const int64_t count = rows - first < width ? rows - first : width;
            if (count > 2 * LANES) run(std::integral_constant<int, 3>(), first, count, thread);
            else if (count > LANES) run(std::integral_constant<int, 2>(), first, count, thread);
            else run(std::integral_constant<int, 1>(), first, count, thread);
        }
    };
    std::vector<std::thread> others;
    for (int64_t thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
    work(0);
    for (std::thread &other : others) other.join();
}
