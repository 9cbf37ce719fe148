# mypy: ignore-errors
# The types here are Triton's own, and its decorators leave nothing for mypy to see.
"""The roll-out as one Triton program per BN candidates, over the whole horizon.

Activations pass from layer to layer through a scratch of the program's own in global memory (some 20 kB that stay in
the second-level cache), because register tensors cannot be sliced; a barrier separates those who wrote from those who
read. Weights ``[out, in]`` and scratch are padded along ``in`` with zeros to whole k tiles; the padding of an
activation comes out as zero by itself, for all functions here map zero to zero and the padded weights are masked.
The extents of the k loops are run-time integers: as constants the loops would unroll and spill.

Only Triton's builtins are used, none of its library functions that are themselves jitted, so that the same file runs
in the interpreter whatever was imported first.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def operand(values, UPCAST: tl.constexpr):
    # The interpreter multiplies the raw bits of bfloat16: there, and only there, products are done in float32.
    if UPCAST:
        return values.to(tl.float32)
    return values


@triton.jit
def elu(x):
    return tl.where(x > 0, x, tl.exp(tl.minimum(x, 0.0)) - 1)


@triton.jit
def softplus(x):
    return tl.maximum(x, 0.0) + tl.log(1 + tl.exp(-tl.abs(x)))


@triton.jit
def logistic(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def tile(base, row, stride, column):
    """Pointers ``[row, column]``."""
    return base + row[:, None] * stride + column[None, :]


@triton.jit
def weight(base, output, outputs, inputs, k):
    """``[k, output]`` of a padded ``[out, in]`` matrix: zeros past its last row."""
    return tl.load(base + output[None, :] * inputs + k[:, None], mask=output[None, :] < outputs, other=0.0)


@triton.jit
def product(
    total, a, w, output, outputs, inputs, lane, BK: tl.constexpr, PRECISION: tl.constexpr, UPCAST: tl.constexpr
):
    """``total + a wᵀ``: activations ``[lane, inputs]``, weights ``[outputs, inputs]``."""
    for start in range(0, inputs, BK):
        k = start + tl.arange(0, BK)
        left = operand(tl.load(tile(a, lane, inputs, k)), UPCAST)
        right = operand(weight(w, output, outputs, inputs, k), UPCAST)
        total = tl.dot(left, right, total, input_precision=PRECISION)
    return total


@triton.jit
def gate_products(
    reset, update, new, a, w, output, outputs, inputs, lane, BK: tl.constexpr, PRECISION: tl.constexpr,
    UPCAST: tl.constexpr,
):  # fmt: skip
    """The three gates' `product` with one reading of the activations."""
    for start in range(0, inputs, BK):
        k = start + tl.arange(0, BK)
        left = operand(tl.load(tile(a, lane, inputs, k)), UPCAST)
        w_reset = operand(weight(w, output, outputs, inputs, k), UPCAST)
        w_update = operand(weight(w + outputs * inputs, output, outputs, inputs, k), UPCAST)
        w_new = operand(weight(w + 2 * outputs * inputs, output, outputs, inputs, k), UPCAST)
        reset = tl.dot(left, w_reset, reset, input_precision=PRECISION)
        update = tl.dot(left, w_update, update, input_precision=PRECISION)
        new = tl.dot(left, w_new, new, input_precision=PRECISION)
    return reset, update, new


@triton.jit
def biases(base, output, outputs, lane):
    """Broadcast to ``[lane, output]``: the start of a product."""
    row = tl.load(base + output, mask=output < outputs, other=0.0)
    return tl.broadcast_to(row[None, :], (lane.shape[0], output.shape[0]))


@triton.jit
def hidden_layer(
    out, a, w, b, outputs, outputs_padded, inputs, lane, BO: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr,
    UPCAST: tl.constexpr,
):  # fmt: skip
    """``out [lane, outputs_padded] = elu(a wᵀ + b)``."""
    for start in range(0, outputs, BO):
        output = start + tl.arange(0, BO)
        total = product(
            biases(b, output, outputs, lane), a, w, output, outputs, inputs, lane, BK, PRECISION, UPCAST
        )  # fmt: skip
        values = elu(total).to(out.dtype.element_ty)
        tl.store(tile(out, lane, outputs_padded, output), values, mask=output[None, :] < outputs_padded)


@triton.jit
def rollout_kernel(
    start_deter, start_stoch, actions, noise,  # float32, any strides
    deters, stochs,  # float32 results, contiguous [rows, horizon, width]
    scratch,  # operand type, programs x BN x (inputs_p + hidden_p + 2 deter_p + prior_p)
    w_inputs, w_ih, w_hh, w_prior, w_stats,  # operand type, [out, padded in]
    b_inputs, b_gates, b_prior, b_stats,  # float32; gates: reset, update, new of input, new of deter
    rows, inner, horizon, deter, stoch, action, hidden, prior,
    inputs_p, hidden_p, deter_p, prior_p,  # widths padded to multiples of BK
    deter_outer, deter_inner, deter_feature, stoch_outer, stoch_inner, stoch_feature,
    action_outer, action_inner, action_step, action_feature,
    noise_outer, noise_inner, noise_step, noise_feature,
    BN: tl.constexpr, BO: tl.constexpr, BG: tl.constexpr, BS: tl.constexpr, BA: tl.constexpr, BK: tl.constexpr,
    SAMPLED: tl.constexpr, PRECISION: tl.constexpr, UPCAST: tl.constexpr,
):  # fmt: skip
    """Row ``i`` of an input lies at ``(i // inner) outer + (i % inner) inner``: 0 strides are shared start states."""
    operand_type = scratch.dtype.element_ty
    program = tl.program_id(0)
    lane = tl.arange(0, BN)
    row = (program * BN + lane).to(tl.int64)
    alive = (row < rows)[:, None]
    source = tl.minimum(row, rows - 1)  # lanes past the last candidate repeat it
    outer, within = source // inner, source % inner
    deter_row = start_deter + outer * deter_outer + within * deter_inner
    stoch_row = start_stoch + outer * stoch_outer + within * stoch_inner
    action_row = actions + outer * action_outer + within * action_inner
    noise_row = noise + outer * noise_outer + within * noise_inner

    own = scratch + program.to(tl.int64) * BN * (inputs_p + hidden_p + 2 * deter_p + prior_p)
    s_and_a = own
    x = s_and_a + BN * inputs_p
    p = x + BN * hidden_p
    h_pair = p + BN * prior_p

    for start in range(0, inputs_p, BK):
        column = start + tl.arange(0, BK)[None, :]
        s = tl.load(stoch_row[:, None] + column * stoch_feature, mask=column < stoch, other=0.0)
        within_action = (column >= stoch) & (column < stoch + action)
        a = tl.load(action_row[:, None] + (column - stoch) * action_feature, mask=within_action, other=0.0)
        tl.store(tile(s_and_a, lane, inputs_p, start + tl.arange(0, BK)), (s + a).to(operand_type))
    for start in range(0, deter_p, BK):
        column = start + tl.arange(0, BK)
        h = tl.load(deter_row[:, None] + column[None, :] * deter_feature, mask=column[None, :] < deter, other=0.0)
        tl.store(tile(h_pair, lane, deter_p, column), h.to(operand_type))
    tl.debug_barrier()

    for t in range(0, horizon):
        hidden_layer(
            x, s_and_a, w_inputs, b_inputs, hidden, hidden_p, inputs_p, lane, BO, BK, PRECISION, UPCAST
        )  # fmt: skip
        tl.debug_barrier()

        h = h_pair + (t % 2) * BN * deter_p
        h_following = h_pair + (1 - t % 2) * BN * deter_p
        for start in range(0, deter, BG):
            column = start + tl.arange(0, BG)
            reset = biases(b_gates, column, deter, lane)
            update = biases(b_gates + deter, column, deter, lane)
            from_input = biases(b_gates + 2 * deter, column, deter, lane)
            from_deter = biases(b_gates + 3 * deter, column, deter, lane)
            reset, update, from_input = gate_products(
                reset, update, from_input, x, w_ih, column, deter, hidden_p, lane, BK, PRECISION, UPCAST
            )  # fmt: skip
            reset, update, from_deter = gate_products(
                reset, update, from_deter, h, w_hh, column, deter, deter_p, lane, BK, PRECISION, UPCAST
            )  # fmt: skip
            # The blend takes h in float32 from where it was written last, so that rounding does not add up.
            within_deter = column[None, :] < deter
            if t == 0:
                before = tl.load(deter_row[:, None] + column[None, :] * deter_feature, mask=within_deter, other=0.0)
            else:
                last = deters + (source * horizon + t - 1)[:, None] * deter + column[None, :]
                before = tl.load(last, mask=within_deter & alive, other=0.0)
            z = logistic(update)
            n = 2 * logistic(2 * (from_input + logistic(reset) * from_deter)) - 1
            after = n + z * (before - n)
            tl.store(deters + (row * horizon + t)[:, None] * deter + column[None, :], after, mask=within_deter & alive)
            tl.store(tile(h_following, lane, deter_p, column), after.to(operand_type), mask=column[None, :] < deter_p)
        tl.debug_barrier()

        hidden_layer(p, h_following, w_prior, b_prior, prior, prior_p, deter_p, lane, BO, BK, PRECISION, UPCAST)
        tl.debug_barrier()

        for start in range(0, stoch, BS):
            column = start + tl.arange(0, BS)
            s = product(
                biases(b_stats, column, stoch, lane), p, w_stats, column, stoch, prior_p, lane, BK, PRECISION, UPCAST
            )  # fmt: skip
            within_stoch = column[None, :] < stoch
            if SAMPLED:
                raw = product(
                    biases(b_stats + stoch, column, stoch, lane), p, w_stats + stoch * prior_p, column, stoch, prior_p,
                    lane, BK, PRECISION, UPCAST,
                )  # fmt: skip
                draw = noise_row[:, None] + t * noise_step + column[None, :] * noise_feature
                s += (softplus(raw) + 0.1) * tl.load(draw, mask=within_stoch, other=0.0)
            tl.store(stochs + (row * horizon + t)[:, None] * stoch + column[None, :], s, mask=within_stoch & alive)
            tl.store(tile(s_and_a, lane, inputs_p, column), s.to(operand_type), mask=within_stoch)
        for start in range(0, action, BA):
            column = start + tl.arange(0, BA)
            within_action = (column[None, :] < action) & (t + 1 < horizon)
            following = action_row[:, None] + (t + 1) * action_step + column[None, :] * action_feature
            a = tl.load(following, mask=within_action, other=0.0)
            tl.store(tile(s_and_a, lane, inputs_p, stoch + column), a.to(operand_type), mask=within_action)
        tl.debug_barrier()
