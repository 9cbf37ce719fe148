// The RSSM's prior over a whole horizon on the CPU: a panel of candidates runs all steps on one thread, and all that it
// needs stays in the first two caches.
#include "../panels.h"

constexpr float MIN_STD = 0.1f;  // as in weights.py

// As cpu.py fills it.
struct Request {
    int64_t deter, stoch, action, hidden, prior, horizon, rows, threads;
    int64_t lead[MAX_LEAD];  // sizes of the leading axes, padded in front by ones; their product is rows
    const float *packed;
    float *scratch;  // threads x scratch_size floats
    float *deters, *stochs;  // contiguous [rows, horizon, width]
    Input start_deter, start_stoch, actions, noise;  // noise.data is null for the mean
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
    const bool few = q.rows <= FEW;

    lanes.offsets(q.lead, q.start_deter, start);
    gather(q.start_deter, start, 0, q.deter, WIDTH, h);
    lanes.offsets(q.lead, q.start_stoch, start);
    gather(q.start_stoch, start, 0, q.stoch, WIDTH, s);
    lanes.offsets(q.lead, q.actions, action_rows);
    if (q.noise.data) lanes.offsets(q.lead, q.noise, noise_rows);
    for (int64_t t = 0; t < q.horizon; ++t) {
        gather(q.actions, action_rows, t, q.action, WIDTH, a);
        dense<V>(layers.inputs, {s, q.stoch, few}, {a, q.action, few}, [&](int64_t j, vec sum) INLINE_BODY { ((vec *)x)[j] = elu(sum); });
        gru<V>(layers, {x, q.hidden, few}, {h, q.deter, few}, following);
        std::swap(h, following);
        scatter(h, q.deter, lanes, q.horizon, t, q.deters);
        dense<V>(layers.prior, {h, q.deter, few}, none, [&](int64_t j, vec sum) INLINE_BODY { ((vec *)p)[j] = elu(sum); });
        dense<V>(layers.mean, {p, q.prior, few}, none, [&](int64_t j, vec sum) INLINE_BODY { ((vec *)s)[j] = sum; });
        if (q.noise.data) {
            gather(q.noise, noise_rows, t, q.stoch, WIDTH, noise);
            dense<V>(layers.raw, {p, q.prior, few}, none, [&](int64_t j, vec sum) INLINE_BODY {
                ((vec *)s)[j] += (softplus(sum) + MIN_STD) * ((const vec *)noise)[j];
            });
        }
        scatter(s, q.stoch, lanes, q.horizon, t, q.stochs);
    }
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

void rollout(const Request *request) {
    const Request &q = *request;
    const Layers layers(const_cast<float *>(q.packed), q.deter, q.stoch, q.action, q.hidden, q.prior);
    const int64_t size = scratch_size(q.deter, q.stoch, q.action, q.hidden, q.prior);
    for_each_panel(q.rows, q.threads, [&](auto vectors, int64_t first, int64_t count, int64_t thread) {
        run<vectors>(q, layers, first, count, q.scratch + thread * size);
    });
}

}  // extern "C"
