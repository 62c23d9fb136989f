#version 450
/* Atomics on shared bins: all of them give the same end result in any order. */
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
layout(set = 0, binding = 1) buffer Bins { uint count[256]; uint low[256]; uint high[256];
                                           uint parity[256]; uint either[256]; uint sum; };

void main()
{
    uint x = source[gl_GlobalInvocationID.x];
    uint bin = x & 255u;

    atomicAdd(count[bin], 1u);
    atomicMin(low[bin], x);
    atomicMax(high[bin], x);
    atomicXor(parity[bin], x);
    atomicOr(either[bin], x >> 3);
    atomicAdd(sum, x);
}
