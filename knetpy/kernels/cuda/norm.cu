// Normalisation in groups that are short rows, forward and back: they stay in registers, every element is read once.

// Threads of a block: of several teams, or one that is larger.
constexpr int threads_of(int team) { return team > BLOCK ? team : BLOCK; }

// A team takes a row of up to PER TEAM elements, which stay in registers: every element is read once.
template <typename T, int PER, int TEAM>
__global__ void __launch_bounds__(threads_of(TEAM), 512 / threads_of(TEAM)) rows(const T* __restrict__ x, const T* __restrict__ residual,
    const T* __restrict__ scale, const T* __restrict__ bias, T* __restrict__ y, double* __restrict__ means,
    double* __restrict__ vars, i64 count, int size, i64 period, int per, int run, double eps, int centred, int relu)
{
    __shared__ double part[WARP];
    __shared__ T squares[WARP];
    const i64 row = team_number(TEAM), start = row * size;
    const int lane = threadIdx.x % TEAM;
    if (row >= count) return;
    const T first = x[start], mine = lane < size ? x[start + lane] : first;
    T v[PER], s = 0, q = 0;
    #pragma unroll
    for (int k = 0; k < PER; ++k) {
        const int i = lane + k * TEAM;
        v[k] = k == 0 || i >= size ? mine : x[start + i];
        s += v[k] - mine;
    }
    double mean = 0;
    if (centred) {
        const int own = lane < size ? (size - 1 - lane) / TEAM + 1 : 0;
        mean = first + team_sum(TEAM, own * ((double)mine - first) + s, part) / size;
        if (mean - mean != 0) {  // of infinite elements the mean is infinite, not Inf - Inf
            double plain = 0;
            for (int k = 0; k < PER; ++k) plain += lane + k * TEAM < size ? (double)v[k] : 0.;
            mean = team_sum(TEAM, plain, part) / size;
        }
    }
    const Standard<T> about(mean, 0, 1);  // its factor is 1
    #pragma unroll
    for (int k = 0; k < PER; ++k) {
        const T d = lane + k * TEAM < size ? about(v[k]) : T(0);
        q += d * d;
    }
    const double var = (double)team_sum(TEAM, q, squares) / size;
    if (lane == 0) means[row] = mean, vars[row] = var;
    const Standard<T> standard(mean, var, eps);
    const i64 base = row % period * per;
    #pragma unroll
    for (int k = 0; k < PER; ++k) {
        const int i = lane + k * TEAM;
        if (i >= size) break;
        T out = scaled(standard(v[k]), scale, bias, base + within(i, size, per, run));
        if (residual) out += residual[start + i];
        y[start + i] = relu ? larger(out, T(0)) : out;
    }
}

// A block takes rows of one scale, a team row by row: row j of `count` is row j period + residue of x. Every element is
// read once. What scale and bias get stays with its element until the end: sums (2, parts, period size), by the parts
// that the rows of a scale are divided into.
template <typename T, int PER, int TEAM>
__global__ void __launch_bounds__(threads_of(TEAM)) rows_dx(const T* __restrict__ dy, const T* __restrict__ y,
    const T* __restrict__ x, const double* __restrict__ means, const double* __restrict__ vars,
    const T* __restrict__ scale, const T* __restrict__ bias, T* __restrict__ dx, T* __restrict__ dresidual,
    T* __restrict__ sums, i64 count, int size, int period, int per, int run, double eps, int centred, int relu)
{
    __shared__ T part[WARP];
    const int lane = threadIdx.x % TEAM, residue = blockIdx.x % period;
    constexpr int TEAMS = threads_of(TEAM) / TEAM;
    const i64 number = blockIdx.x / period * TEAMS + threadIdx.x / TEAM;
    const int parts = gridDim.x / period;
    T dscale[PER] = {}, dbias[PER] = {};
    for (i64 j = number; j < count; j += parts * TEAMS) {
        const i64 row = j * period + residue, start = row * size;
        const Standard<T> standard(means[row], vars[row], eps);
        T g[PER], n[PER], both = 0, plain = 0;
        #pragma unroll
        for (int k = 0; k < PER; ++k) {
            const int i = lane + k * TEAM;
            g[k] = n[k] = 0;
            if (i >= size) continue;
            const i64 affine = (i64)residue * per + within(i, size, per, run);
            n[k] = standard(x[start + i]);
            g[k] = dy[start + i];
            if (relu && (y ? y[start + i] : scaled(n[k], scale, bias, affine)) <= 0) g[k] = 0;
            if (dresidual) dresidual[start + i] = g[k];
            dscale[k] += g[k] * n[k];
            dbias[k] += g[k];
            if (scale) g[k] *= scale[affine];
            both += g[k] * n[k];
            plain += g[k];
        }
        both = team_sum(TEAM, both, part) / size;
        plain = centred ? team_sum(TEAM, plain, part) / size : T(0);
        #pragma unroll
        for (int k = 0; k < PER; ++k)
            if (lane + k * TEAM < size) dx[start + lane + k * TEAM] = (g[k] - n[k] * both - plain) * standard.factor;
    }
    if (!sums) return;
    T* out = sums + (i64)blockIdx.x * size;  // of the part and the residue: blockIdx.x = part period + residue
    #pragma unroll
    for (int plane = 0; plane < 2; ++plane, out += (i64)gridDim.x * size) {
        T* const found = plane ? dbias : dscale;
        if (TEAM == WARP) {  // whose teams have the same columns: thread i adds up column i
            __shared__ T box[BLOCK / WARP][PER * WARP];
            #pragma unroll
            for (int k = 0; k < PER; ++k) box[threadIdx.x / WARP][lane + k * WARP] = found[k];
            __syncthreads();
            T sum = 0;
            for (int team = 0; team < BLOCK / WARP; ++team) sum += box[team][threadIdx.x];
            if (threadIdx.x < size) out[threadIdx.x] = sum;
            __syncthreads();
        } else {
            #pragma unroll
            for (int k = 0; k < PER; ++k)
                if (lane + k * TEAM < size) out[lane + k * TEAM] = found[k];
        }
    }
}
