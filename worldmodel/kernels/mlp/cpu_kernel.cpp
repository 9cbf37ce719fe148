// A multi-layer perceptron with ELU between its layers, on any number of rows: a panel of rows runs through all layers.
#include "../panels.h"

constexpr int MAX_DEPTH = 8, MAX_PARTS = 2;  // as in cpu.py

// As cpu.py fills it.
struct Request {
    int64_t depth, widths[MAX_DEPTH + 1];  // of the input, of each layer
    int64_t rows, threads;
    int64_t lead[MAX_LEAD];
    const float *packed;
    float *scratch;  // threads x scratch_size floats
    float *out;  // contiguous [rows, widths[depth]]
    int64_t part_widths[MAX_PARTS];  // the input is these beside each other
    Input parts[MAX_PARTS];
};

int64_t widest(int64_t depth, const int64_t *widths) {
    int64_t most = 0;
    for (int64_t i = 0; i <= depth; ++i) most = padded(widths[i]) > most ? padded(widths[i]) : most;
    return most;
}

template <int V> void run(const Request &q, int64_t first, int64_t count, float *scratch) {
    constexpr int WIDTH = V * LANES;
    const Lanes lanes{first, count, WIDTH};
    int64_t offsets[WIDTH];
    float *in = scratch, *out = scratch + widest(q.depth, q.widths) * WIDTH, *column = in;
    for (int part = 0; part < MAX_PARTS; column += q.part_widths[part++] * WIDTH) {
        if (!q.parts[part].data) continue;
        lanes.offsets(q.lead, q.parts[part], offsets);
        gather(q.parts[part], offsets, 0, q.part_widths[part], WIDTH, column);
    }
    Layer layer{const_cast<float *>(q.packed), 0, 0};
    for (int64_t i = 0; i < q.depth; ++i, std::swap(in, out)) {
        layer = Layer{layer.end(), q.widths[i + 1], q.widths[i]};
        const Columns columns{in, layer.inputs, q.rows <= FEW}, none{nullptr, 0};
        if (i + 1 < q.depth) dense<V>(layer, columns, none, [&](int64_t j, vec sum) INLINE_BODY { ((vec *)out)[j] = elu(sum); });
        else dense<V>(layer, columns, none, [&](int64_t j, vec sum) INLINE_BODY { ((vec *)out)[j] = sum; });
    }
    scatter(in, q.widths[q.depth], lanes, 1, 0, q.out);
}

extern "C" {

int64_t packed_size(int64_t depth, const int64_t *widths) {
    int64_t size = 0;
    for (int64_t i = 0; i < depth; ++i) size += padded(widths[i + 1]) * (widths[i] + 1);
    return size;
}

int64_t scratch_size(int64_t depth, const int64_t *widths) { return 2 * widest(depth, widths) * WIDEST * LANES; }

// `packed` holds zeros; `tensors` are weight and bias of each layer in turn, contiguous.
void pack_weights(int64_t depth, const int64_t *widths, const float *const *tensors, float *packed) {
    Layer layer{packed, 0, 0};
    for (int64_t i = 0; i < depth; ++i) {
        layer = Layer{layer.end(), widths[i + 1], widths[i]};
        pack(layer, 0, tensors[2 * i], widths[i], tensors[2 * i + 1]);
    }
}

void mlp(const Request *request) {
    const Request &q = *request;
    const int64_t size = scratch_size(q.depth, q.widths);
    for_each_panel(q.rows, q.threads, [&](auto vectors, int64_t first, int64_t count, int64_t thread) {
        run<vectors>(q, first, count, q.scratch + thread * size);
    });
}

}  // extern "C"
