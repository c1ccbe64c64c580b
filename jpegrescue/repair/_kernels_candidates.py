"""Kernels that try flipped bits: decode on from where a candidate changes the scan, and weigh what comes out.

A path through the bits is either sound or in a hole, which costs `HOLE` and then nothing, however long: what an error
does beyond its own cipher block says nothing about it. The value of a path is that of its symbols
(`score._kernels_symbols`), 1/NAT nat. A candidate is followed until it falls into step with the scan as it stands, from
where on both are worth the same.
"""

import numpy as np

from jpegrescue.compiled import allocating, inlined, kernel
from jpegrescue.score._kernels_symbols import forget, padded, weigh_block, weigh_upto

HOLE, END, HOPELESS = 12 * 1024, 10 * 1024, 8 * 1024
NEVER = -(1 << 40)
CUTS = 4
BLOCK_BYTES = 216  # that decoding of one block may read at most
EOI = 0xD9


@kernel
def path_values(odds, failed, complete, before, behind):
    """Best value of the stream up to every MCU, and from there on, of sound paths and of those in a hole.

    Args:
        odds: int64 (MCUs,), of every MCU.
        failed: bool (MCUs + 1,), whether decoding failed before it, or before the end.
        complete: whether the stream ends as it should.
        before: int64 (MCUs + 1, 2), output: of what lies before MCU m, sound or in a hole.
        behind: int64 (MCUs + 1, 2), output: of MCU m and all that follows.

    Returns:
        The value of the whole.
    """
    count = odds.size
    before[0, 0], before[0, 1] = 0, -HOLE
    for m in range(count):
        sound, hole = before[m, 0], before[m, 1]
        if failed[m]:
            hole = max(hole, sound - HOLE)
            sound = NEVER
        before[m + 1, 0] = max(sound, hole) + odds[m]
        before[m + 1, 1] = max(hole, sound - HOLE)
    left_sound, left_in_hole = 0, 0
    behind[count, 0], behind[count, 1] = (END if complete else 0), 0
    for m in range(count, -1, -1):
        if m < count:
            behind[m, 1] = max(left_in_hole, odds[m] + left_sound)
            behind[m, 0] = max(odds[m] + left_sound, behind[m, 1] - HOLE)
        left_in_hole = behind[m, 1]
        left_sound = behind[m, 1] - HOLE if failed[m] else behind[m, 0]
    return left_sound


@kernel
def strip_candidates(raw, restarts, out, length, cuts, cut_count, ended):
    """Remove stuffing from every candidate's bytes, as `jpeg._kernels_entropy.destuff` does.

    Args:
        raw: uint8 (candidates, bytes).
        restarts: whether RSTn are markers.
        out: uint8, the same shape, output; `length`: int64 (candidates,), output, bytes of it.
        cuts: int64 (candidates, CUTS), output: where in `out` markers were; `cut_count`: int64, output, how many.
        ended: bool (candidates,), output: whether the last of them is an EOI, behind which nothing was kept.
    """
    for k in range(raw.shape[0]):
        written, found, i = 0, 0, 0
        ended[k] = False
        while i < raw.shape[1]:
            byte = raw[k, i]
            i += 1
            if byte == 0xFF and i < raw.shape[1]:
                follower = np.int64(raw[k, i])
                if follower == 0xFF:
                    continue
                if found < CUTS and (follower == EOI or (restarts and 0xD0 <= follower <= 0xD7)):
                    cuts[k, found] = written
                    found += 1
                    i += 1
                    if follower == EOI:
                        ended[k] = True
                        break
                    continue
                if follower & (follower - 1) == 0:
                    i += 1
            out[k, written] = byte
            written += 1
        length[k] = written
        cut_count[k] = found


@inlined
def _fill(buffer, upto, filled, data, shift):
    """Copy more of `data` to `buffer`, where it stands `shift` bytes further on."""
    upto = min(upto, buffer.size, data.size + shift)
    for i in range(filled, upto):
        buffer[i] = data[i - shift]
    return max(upto, filled)


@allocating
def try_block(
    data,
    head,
    bodies,
    lengths,
    body_cuts,
    body_cut_count,
    ended,
    tail,
    first_bit,
    first_mcu,
    first_state,
    start,
    before,
    behind,
    cuts,
    cut_from,
    cut_head,
    cut_tail,
    ends,
    blocks,
    fast,
    code_max,
    code_delta,
    symbols,
    ac_odds,
    dc_odds,
    most,
    heard,
    buffer,
    value,
    joined,
    mcus,
    own,
    whole,
):
    """Value of the scan with each candidate's bytes in place.

    Args:
        data: uint8, the scan as it stands, without stuffing, then PADDING.
        head: int64 (2,), bytes of it before the candidate's; the first holds `first_bit`.
        bodies: uint8 (candidates, bytes), what stands there instead; `lengths`, `body_cuts`, `body_cut_count`, `ended`:
            see `strip_candidates`.
        tail: where `data` goes on behind them.
        first_bit, first_mcu, first_state: where decoding begins, and the state there.
        start, before, behind: of the scan as it stands; see `weigh_stream` and `path_values`.
        cuts: int64, bytes of `data` before which intervals end, the end of the scan last; candidates see those from
            `cut_from` to `cut_head`, and from `cut_tail` on.
        ends: whether the end of the scan is known.
        blocks, fast, code_max, code_delta, symbols, ac_odds, dc_odds: see `weigh_block`.
        most: MCUs to follow a candidate at most.
        heard: bytes of a candidate that count as its own, from its first on.
        buffer: uint8, scratch.
        value: int64 (candidates,), output.
        joined: int64 (candidates,), output: MCU of the scan from which on both are in step, at the latest its end; -1
            if it was not followed so far.
        mcus: int64 (candidates,), output: MCUs decoded.
        own: int64 (candidates,), output: log-odds of the candidate's own bytes.
        whole: int64 (candidates,), output: of the MCUs decoded, holes or not.
    """
    count = start.size - 1
    state = np.empty((2, ac_odds.shape[0]), np.int64)
    need = BLOCK_BYTES * blocks.shape[0]
    size = head[1] - head[0]
    for i in range(size):
        buffer[i] = data[head[0] + i]
    stem = np.empty_like(state)  # the first candidate's, up to the last block before its own bytes: the same for all
    for c in range(state.shape[1]):
        stem[0, c], stem[1, c] = first_state[0, c], first_state[1, c]
    stem_p, stem_b, stem_total, stem_done, stem_cuts = first_bit - 8 * head[0], 0, 0, 0, cut_from
    stem_whole = 0
    stem_sound = max(before[first_mcu, 0], before[first_mcu, 1])
    stem_hole = max(before[first_mcu, 1], stem_sound - HOLE)
    for k in range(bodies.shape[0]):
        body = lengths[k]
        for i in range(body):
            buffer[size + i] = bodies[k, i]
        shift = size + body - tail  # from bytes of `data` to those of the buffer
        safe = 8 * (size + body)
        filled = size + body
        if ended[k]:  # nothing of an earlier candidate may be read behind the end
            for i in range(filled, min(filled + need + 8, buffer.size)):
                buffer[i] = 0
        for c in range(state.shape[1]):
            state[0, c], state[1, c] = stem[0, c], stem[1, c]
        p, b, total = stem_p, stem_b, stem_total
        own_from, own_upto = 8 * size, 8 * (size + min(body, heard))
        sound, hole = stem_sound, stem_hole
        at_head, at_body, at_tail = stem_cuts, 0, cut_tail
        j, done = first_mcu, stem_done
        finished, join = False, -1
        own[k], whole[k] = 0, stem_whole
        while done < most:
            if (p >> 3) + need + 8 > buffer.size:
                break
            if (p >> 3) + need > filled and not ended[k]:
                filled = _fill(buffer, (p >> 3) + need + 256, filled, data, shift)
            if at_head < cut_head:
                end = 8 * (cuts[at_head] - head[0])
            elif at_body < body_cut_count[k]:
                end = 8 * (size + body_cuts[k, at_body])
            else:
                end = 8 * (cuts[at_tail] + shift)
            if b == 0 and padded(buffer, p, end):
                if at_head < cut_head:
                    at_head += 1
                elif at_body < body_cut_count[k]:
                    at_body += 1
                    finished = ended[k] and at_body == body_cut_count[k]
                else:
                    at_tail += 1
                    finished = at_tail == cuts.size
                if finished:
                    break
                p = end
                forget(state)
                continue
            ok = True
            while ok and b < blocks.shape[0]:
                last, c = p, blocks[b, 0]
                level, dc_before = state[0, c], state[1, c]
                ok, p, weight = weigh_block(
                    buffer, p, blocks, b, state, fast, code_max, code_delta, symbols, ac_odds, dc_odds
                )
                ok = ok and p <= end
                if ok and last >= own_from and p <= own_upto:
                    own[k] += weight
                elif last < own_upto and (p > own_from or not ok):
                    for limit, sign in ((own_upto, 1), (own_from, -1)):
                        legal, _, part, _, _ = weigh_upto(
                            buffer,
                            last,
                            limit,
                            blocks,
                            b,
                            level,
                            dc_before,
                            fast,
                            code_max,
                            code_delta,
                            symbols,
                            ac_odds,
                            dc_odds,
                        )
                        own[k] += sign * part
                        if not legal:
                            own[k] -= HOPELESS * sign
                total += weight
                b += 1
                if p > own_from and max(sound, hole) + total < max(hole, sound - HOLE) - HOPELESS:
                    ok = False
                elif k == 0 and ok and p <= own_from and b < blocks.shape[0]:
                    stem_p, stem_b, stem_total, stem_done, stem_cuts = p, b, total, done, at_head
                    stem_whole = whole[k]
                    stem_sound, stem_hole = sound, hole
                    for c in range(state.shape[1]):
                        stem[0, c], stem[1, c] = state[0, c], state[1, c]
            lost = max(hole, sound - HOLE)
            if not ok:
                sound, hole = NEVER, lost
                break
            sound, hole = max(sound, hole) + total, lost
            whole[k] += total
            b, total = 0, 0
            done += 1
            if p >= safe:
                q = p - 8 * shift
                while j < count and start[j] < q:
                    j += 1
                if j < count and start[j] == q:
                    join = j
                    break
        if finished:
            value[k] = max(sound, hole - HOLE) + (END if ends or ended[k] else 0)
            join = count
        elif join >= 0:
            value[k] = max(sound + behind[join, 0], max(hole, sound - HOLE) + behind[join, 1])
        else:
            q = max(p, safe) - 8 * shift
            while j < count and start[j] < q:
                j += 1
            value[k] = max(hole, sound - HOLE) + (behind[j, 1] if j < count else 0)
        joined[k] = join
        mcus[k] = done
