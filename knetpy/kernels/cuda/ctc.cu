// Connectionist temporal classification: the recursions over time of log probabilities of paths, and the derivative.
//
// The labels (N, L) of a sequence, spaced with blanks, make S = 2 L + 1 states; a path stays, goes to the next state, or
// from a label to the next label if the two differ. logs (N, T, C) are log probabilities of classes.

// The state's class; -1 for one that is no class, which gives NaN.
__device__ __forceinline__ int class_of(const i64* __restrict__ labels, int s, int blank, i64 C)
{
    const i64 label = s % 2 ? labels[s / 2] : blank;
    return 0 <= label && label < C ? (int)label : -1;
}

// The last state of so many labels, which may be no number of labels: then there is no such state.
__device__ __forceinline__ i64 last_state(i64 labels, i64 L) { return 2 * min(max(labels, i64(-1)), L + 1); }

// The states of a block's sequence: their classes, and a number for each now and next. They lie in shared memory, or, if
// that is too small, in `far`, which has so many bytes for each sequence.
template <typename T> struct States {
    T *now, *next;
    int* classes;
    __device__ __forceinline__ States(void* near, unsigned char* far, i64 bytes, const i64* __restrict__ labels, int S,
                                      int blank, i64 C)
        : now((T*)(far ? far + blockIdx.x * bytes : near)), next(now + S), classes((int*)(next + S))
    {
        for (int s = threadIdx.x; s < S; s += blockDim.x) classes[s] = class_of(labels, s, blank, C);
        __syncthreads();
    }
    __device__ __forceinline__ bool skips(int s) const { return s % 2 && s > 2 && classes[s] != classes[s - 2]; }
    __device__ __forceinline__ T log_of(const T* __restrict__ logs, int s) const {
        return classes[s] < 0 ? T(NAN) : logs[classes[s]];
    }
    __device__ __forceinline__ void step() {  // when all threads have written what is next
        __syncthreads();
        T* const old = now;
        now = next;
        next = old;
    }
};

// The logarithm of the sum of exp.
template <typename T> __device__ __forceinline__ T total(T a, T b, T c)
{
    const T top = larger(a, larger(b, c));
    return top + log(exp(below(a, top)) + exp(below(b, top)) + exp(below(c, top)));
}

// alpha (N, T + 1, S): of all paths to a state, after so many steps. A block takes a sequence, a thread some states.
template <typename T>
__global__ void __launch_bounds__(512, 1) forward(const T* __restrict__ logs, const i64* __restrict__ labels,
    const i64* __restrict__ lengths, const i64* __restrict__ label_lengths, T* __restrict__ alpha,
    T* __restrict__ losses, unsigned char* far, i64 bytes, i64 steps, i64 C, i64 L, int blank)
{
    extern __shared__ __align__(16) int memory[];
    const i64 n = blockIdx.x, count = lengths[n];
    const int S = (int)(2 * L + 1);
    States<T> states(memory, far, bytes, labels + n * L, S, blank, C);
    const T never = T(-INFINITY);
    T* row = alpha + n * (steps + 1) * S;
    logs += n * steps * C;
    for (int s = threadIdx.x; s < S; s += blockDim.x) row[s] = states.next[s] = s ? never : T(0);
    states.step();
    for (i64 t = 0; t < steps; ++t, logs += C) {
        row += S;
        for (int s = threadIdx.x; s < S; s += blockDim.x) {
            T found = states.now[s];
            if (t < count)
                found = total(found, s ? states.now[s - 1] : never, states.skips(s) ? states.now[s - 2] : never) +
                        states.log_of(logs, s);
            row[s] = states.next[s] = found;
        }
        states.step();
    }
    if (threadIdx.x) return;
    const i64 last = last_state(label_lengths[n], L);
    const bool there = 0 <= last && last < S;
    losses[n] = -total(there ? states.now[last] : never, there && last ? states.now[last - 1] : never, never);
}

// beta (N, T, S): of all paths from a state to the end, before the step at t; only where a sequence lasts.
template <typename T>
__global__ void __launch_bounds__(512, 1) backward(const T* __restrict__ logs, const i64* __restrict__ labels,
    const i64* __restrict__ lengths, const i64* __restrict__ label_lengths, T* __restrict__ beta, unsigned char* far,
    i64 bytes, i64 steps, i64 C, i64 L, int blank)
{
    extern __shared__ __align__(16) int memory[];
    const i64 n = blockIdx.x, last = last_state(label_lengths[n], L);
    const int S = (int)(2 * L + 1);
    States<T> states(memory, far, bytes, labels + n * L, S, blank, C);
    const T never = T(-INFINITY);
    const i64 count = min(lengths[n], steps);
    for (i64 t = count - 1; t >= 0; --t) {
        T* const row = beta + (n * steps + t) * S;
        const T* const given = logs + (n * steps + t) * C;
        for (int s = threadIdx.x; s < S; s += blockDim.x) {
            T found = s == last || s == last - 1 ? T(0) : never;
            if (t < count - 1)  // now: beta of the state after the step, and the step's class
                found = total(states.now[s], s + 1 < S ? states.now[s + 1] : never,
                              s + 2 < S && states.skips(s + 2) ? states.now[s + 2] : never);
            row[s] = found;
            states.next[s] = found + states.log_of(given, s);
        }
        states.step();
    }
}

// dx (N, T, C): dy times (softmax minus the share of the paths that take the class). A warp takes a row (n, t). `sorted`
// (N, L) are the labels in ascending order, `order` the places where they were: a lane adds up what has one label.
template <typename T>
__global__ void __launch_bounds__(128, 4) slopes(const T* __restrict__ dy, const T* __restrict__ losses,
    const T* __restrict__ logs, const T* __restrict__ alpha, const T* __restrict__ beta,
    const i64* __restrict__ labels, const i64* __restrict__ sorted, const i64* __restrict__ order,
    const i64* __restrict__ lengths, T* dx, i64 rows, i64 steps, i64 C, i64 L, int blank)
{
    const i64 row = row_of(WARP), n = row / steps, S = 2 * L + 1;
    const int lane = threadIdx.x % WARP;
    if (row >= rows) return;
    const T loss = losses[n], d = dy[n];
    const bool counts = row - n * steps < lengths[n] && loss != T(INFINITY);
    logs += row * C, dx += row * C, beta += row * S, labels += n * L, sorted += n * L, order += n * L;
    alpha += (row + n + 1) * S;  // which has a row more for each sequence
    for (i64 c = lane; c < C; c += WARP) dx[c] = counts ? exp(logs[c]) * d : T(0);
    if (!counts) return;
    const auto share = [&](i64 s) { return exp(alpha[s] + beta[s] + loss); };
    T blanks = 0;
    for (i64 s = lane; s < S; s += WARP)
        if (s % 2 == 0 || labels[s / 2] == blank) blanks += share(s);
    blanks = warp_sum(blanks);
    __syncwarp();  // what follows overwrites what other lanes wrote
    if (lane == 0) dx[blank] = (exp(logs[blank]) - blanks) * d;
    for (i64 i = lane; i < L; i += WARP) {
        const i64 label = sorted[i];
        if (i && sorted[i - 1] == label || label == blank || label < 0 || label >= C) continue;
        T sum = 0;
        for (i64 j = i; j < L && sorted[j] == label; ++j) sum += share(2 * order[j] + 1);
        dx[label] = (exp(logs[label]) - sum) * d;
    }
}
